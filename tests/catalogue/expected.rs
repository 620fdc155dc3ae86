//! What the feed of the fixture must hold, made of nothing but what Drupal's own API said (`EXPECTED.json`) and what the rules say of it.
//!
//! On purpose it shares no code with the gateway.

use std::collections::{BTreeMap, HashMap};

use audiospread_server::blobs::load_packs;
use audiospread_server::catalogue::site::{AudioIndex, AudioSource, AudioState};
use camino::Utf8Path;
use serde_json::{Value, json};

use crate::harness::DrupalSite;

/// The fixture as Drupal's own API saw it.
pub(super) struct Expected(Value);

/// What Drupal's API saw at each place; everything is audio there whose type says so.
pub(super) struct FixtureAudio(HashMap<AudioSource, AudioState>);

impl AudioIndex for FixtureAudio {
    fn state(&self, source: &AudioSource) -> AudioState {
        self.0.get(source).cloned().unwrap_or(AudioState::Missing)
    }
}

impl Expected {
    pub(super) fn load() -> Self {
        Self(DrupalSite::expected())
    }

    /// The nodes in these lists.
    fn nodes(&self, lists: &[&str]) -> impl Iterator<Item = &Value> {
        lists.iter().flat_map(|list| self.0[list].as_array().unwrap())
    }

    pub(super) fn audio(&self) -> FixtureAudio {
        let lists = ["programs", "legacy_programs", "messages", "category_infos", "prompts"];
        let of_nodes = self.nodes(&lists).flat_map(|node| node["audio"].as_array().unwrap());
        let known = of_nodes.chain(self.0["file_nodes"].as_array().unwrap()).filter_map(|file| {
            let source = if let Some(uri) = file["uri"].as_str() {
                let sha1 = hex::decode(uri.strip_prefix("bitcache://").unwrap()).unwrap();
                AudioSource::Bitcache(sha1.try_into().unwrap())
            } else {
                AudioSource::Path(file["filepath"].as_str()?.into())
            };
            let is_audio = file["mime"].as_str().unwrap().contains("audio") || file["mime"] == "application/ogg";
            let state = match (file["available"].as_bool().unwrap(), is_audio) {
                (false, _) => AudioState::Missing,
                (true, false) => AudioState::NotAudio,
                (true, true) => AudioState::Ready(serde_json::from_value(audio(file)).unwrap()),
            };
            Some((source, state))
        });
        FixtureAudio(known.collect())
    }

    /// All entities of the feed: kind and id, and the value.
    pub(super) fn entities(&self, packs: &Utf8Path) -> BTreeMap<String, Value> {
        let mut entities = BTreeMap::from([("settings site".to_owned(), settings())]);
        entities.extend(self.programs());
        entities.extend(self.categories());
        entities.extend(self.prompts(packs));
        entities.extend(self.subscribers());
        entities
    }

    fn categories_of(node: &Value) -> Vec<u64> {
        let minimals = 12..=18;
        let tids = node["tids"].as_array().unwrap().iter().map(|tid| tid.as_u64().unwrap());
        let mut tids: Vec<u64> = tids.filter(|tid| !minimals.contains(tid)).collect();
        tids.sort_unstable();
        tids
    }

    fn programs(&self) -> impl Iterator<Item = (String, Value)> {
        self.nodes(&["programs", "legacy_programs", "messages"]).filter_map(|node| {
            let categories: Vec<String> = Self::categories_of(node).iter().map(u64::to_string).collect();
            let (title, body) = title_and_body(node);
            if node["status"] != 1 || categories.is_empty() {
                return None;
            }
            let mut sounds = json!({"body": heard(body?)?});
            if let Some(title) = title.and_then(heard) {
                sounds["title"] = title;
            }
            let seconds = |name: &str| jiff::Timestamp::from_second(node[name].as_i64().unwrap()).unwrap().to_string();
            let value = json!({
                "title": node["title"],
                "language": language(node),
                "translation_set": match node["tnid"].as_u64().unwrap() { 0 => Value::Null, set => json!(set.to_string()) },
                "categories": categories,
                "weight": node["fields"].get("field_weight").and_then(Value::as_i64).unwrap_or(0),
                "created_at": seconds("created"),
                "changed_at": seconds("changed"),
                "audio": sounds,
            });
            Some((format!("program {}", node["nid"]), value))
        })
    }

    fn categories(&self) -> impl Iterator<Item = (String, Value)> {
        let order: Vec<u64> = self.0["category_tree_order"]
            .as_array()
            .unwrap()
            .iter()
            .map(|term| term["tid"].as_u64().unwrap())
            .collect();
        self.nodes(&["categories"]).filter(|term| !(12..=18).contains(&term["tid"].as_u64().unwrap())).map(
            move |term| {
                let tid = term["tid"].as_u64().unwrap();
                let mut sounds = BTreeMap::new();
                let tagged = self.nodes(&["category_infos"]).filter(|node| Self::categories_of(node).contains(&tid));
                for node in tagged.filter(|node| node["status"] == 1) {
                    let mut parts = json!({});
                    for part in ["title", "header", "footer"] {
                        if let Some(sound) = field(node, &format!("field_audio_{part}")).and_then(heard) {
                            parts[part] = sound;
                        }
                    }
                    sounds.entry(language(node).to_owned()).or_insert(parts);
                }
                let parents: Vec<String> = term["parents"].as_array().unwrap().iter().map(Value::to_string).collect();
                let value = json!({
                    "name": term["name"],
                    "description": term["description"],
                    "parents": if parents == ["0"] { vec![] } else { parents },
                    "position": order.iter().position(|&other| other == tid).unwrap(),
                    "audio": sounds,
                });
                (format!("category {tid}"), value)
            },
        )
    }

    fn prompts(&self, packs: &Utf8Path) -> impl Iterator<Item = (String, Value)> {
        let loaded = load_packs(packs).unwrap().packs;
        let in_pack = |language: &str, id: &str| {
            let mut sounds = loaded.sounds();
            let found = sounds.find(|(of, name, _)| *of == language && name.to_string() == id);
            found.map(|(_, _, sound)| serde_json::to_value(sound).unwrap())
        };
        let mut own = BTreeMap::new();
        for node in self.nodes(&["prompts"]).filter(|node| node["status"] == 1) {
            let context = match node["tids"][0].as_u64().unwrap() {
                12 => "minimals",
                tid => ["home", "recording", "categories", "programs", "playing", "support"]
                    [usize::try_from(tid).unwrap() - 13],
            };
            let id = format!("{context}/{}", node["fields"]["field_prompt_key"].as_str().unwrap());
            let sound = field(node, "field_audio_prompt").and_then(heard).unwrap();
            own.insert((id, language(node)), sound);
        }
        let mut prompts = Vec::new();
        for name in loaded.names() {
            let id = name.to_string();
            for language in ["en", "fr"] {
                let (source, audio) = own
                    .get(&(id.clone(), language))
                    .map(|sound| ("site", sound.clone()))
                    .or_else(|| Some(("pack", in_pack(language, &id)?)))
                    .or_else(|| Some(("default", in_pack("en", &id)?)))
                    .unwrap();
                let value = json!({
                    "context": name.context, "key": name.key, "language": language, "source": source, "audio": audio,
                });
                prompts.push((format!("prompt {id}@{language}"), value));
            }
        }
        prompts.into_iter()
    }

    fn subscribers(&self) -> impl Iterator<Item = (String, Value)> {
        self.nodes(&["subscribers"]).filter(|node| node["status"] == 1).filter_map(|node| {
            let nid = node["nid"].as_u64().unwrap();
            let typed = node["fields"]["field_phone_number"].as_array().unwrap();
            let numbers: Vec<String> = typed.iter().filter_map(|typed| e164(typed.as_str().unwrap())).collect();
            // Two share a number with another one: the lower nid keeps it, and is standard, since the plans differ.
            let (numbers, plan) = match nid {
                294 | 306 => (numbers, "standard"),
                299 | 307 => (vec![], ""),
                _ => (numbers, node["fields"]["field_plan"].as_str().unwrap()),
            };
            let value = json!({
                "numbers": numbers,
                "plan": plan,
                "language": language(node),
                "balance_seconds": node["fields"]["field_balance_seconds"],
            });
            (value["numbers"] != json!([])).then_some((format!("subscriber {nid}"), value))
        })
    }

    /// Why each node that has no entity has none.
    pub(super) fn reasons(&self) -> BTreeMap<String, &'static str> {
        let mut reasons = BTreeMap::new();
        for node in self.nodes(&["programs", "legacy_programs", "messages"]) {
            let reason = match node["nid"].as_u64().unwrap() {
                _ if node["status"] != 1 => "unpublished",
                330 | 365 | 408 | 423 => "no_category",
                333 | 337 | 347 | 350 | 353 => "no_audio",
                _ => continue,
            };
            reasons.insert(format!("program {}", node["nid"]), reason);
        }
        for node in self.nodes(&["subscribers"]) {
            let reason = match node["nid"].as_u64().unwrap() {
                _ if node["status"] != 1 => "unpublished",
                299 | 307 | 320 => "no_number",
                _ => continue,
            };
            reasons.insert(format!("subscriber {}", node["nid"]), reason);
        }
        reasons
    }
}

fn settings() -> Value {
    json!({
        "default_language": "en", "languages": ["en", "fr"], "home_categories": [], "menu_page_size": 7,
        "keys": {
            "menu": {"help": "0", "language": "8", "next_page": "9", "up": "*", "code": "#"},
            "playing": {
                "restart": "1", "bookmark": "2", "stop": "3", "rewind": "4", "play_pause": "5", "forward": "6", "previous": "7",
                "language": "8", "next": "9", "help": "0", "up": "*",
            },
        },
    })
}

fn language(node: &Value) -> &str {
    let own = node["language"].as_str().filter(|code| !code.is_empty());
    own.or_else(|| node["fields"].get("field_language")?.as_str()).unwrap_or("en")
}

/// The file in a field; of a single field the first value is all.
fn field<'n>(node: &'n Value, name: &str) -> Option<&'n Value> {
    node["audio"].as_array().unwrap().iter().find(|file| file["field"] == name)
}

fn title_and_body(node: &Value) -> (Option<&Value>, Option<&Value>) {
    let (title, body) = (field(node, "field_audio_title"), field(node, "field_audio_body"));
    if title.is_some() || body.is_some() {
        return (title, body);
    }
    let listed = |mechanism: &'static str| {
        let files = node["audio"].as_array().unwrap().iter();
        files.filter(move |file| file["mechanism"] == mechanism && file["list"] == 1 && file["mime"] != "text/plain")
    };
    let attached: Vec<&Value> = listed("upload").chain(listed("file_attach")).collect();
    match attached[..] {
        [] => (None, None),
        [body] => (None, Some(body)),
        [title, body, ..] => (Some(title), Some(body)),
    }
}

/// The audio of a file that is there and published.
fn heard(file: &Value) -> Option<Value> {
    let published = file.get("file_status").is_none_or(|status| status == 1);
    (published && file["available"] == true).then(|| audio(file))
}

/// The length is none of Drupal's facts: any number will do that both sides have.
fn audio(file: &Value) -> Value {
    json!({"sha256": file["sha256"], "size": file["actual_size"], "mime": file["mime"], "duration_ms": file["actual_size"]})
}

/// The forms that the fixture's numbers have.
fn e164(typed: &str) -> Option<String> {
    let digits: String = typed.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    Some(match digits.as_str() {
        "SIP/ibrahim" => return None,
        "00221765550201" => "+221765550201".to_owned(),
        "775550202" => "+221775550202".to_owned(),
        "0775550109" => "+221775550109".to_owned(),
        digits => {
            assert!(digits.starts_with('+'), "{digits}");
            digits.to_owned()
        }
    })
}
