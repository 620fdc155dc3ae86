//! The fixture is read as Drupal's own API tells it, in whatever shape its tables are.

use std::collections::BTreeMap;

use audiospread_server::catalogue::site::{AudioSource, FileRef, Node, ProgramNode, Site};
use audiospread_server::config::Prefix;
use serde_json::Value;

use super::{notes, read};
use crate::harness::{DrupalSite, Engine};

#[tokio::test]
async fn the_fixture_is_read_as_drupal_tells_it() {
    let site = DrupalSite::new().build().await;
    check(&read(&site).await, "utf8");
}

#[tokio::test]
async fn the_engine_the_prefix_and_the_character_set_make_no_difference() {
    let string = Prefix::All("d6_".into());
    let per_table = Prefix::PerTable([("default".into(), "main_".into()), ("users".into(), "shared_".into())].into());
    for (engine, prefix, charset) in [
        (Engine::InnoDb, string.clone(), "utf8mb4"),
        (Engine::InnoDb, per_table.clone(), "utf8"),
        (Engine::MyIsam, Prefix::default(), "utf8"),
        (Engine::MyIsam, per_table, "utf8mb4"),
        (Engine::MyIsam, string, "utf8"),
    ] {
        let site = DrupalSite::new().engine(engine).prefix(prefix).charset(charset).build().await;
        check(&read(&site).await, charset);
    }
}

fn check(site: &Site, charset: &str) {
    let expected = DrupalSite::expected();
    assert_eq!(notes(site), [], "{charset}");
    assert_eq!(&*site.languages.default, "en");
    assert_eq!(site.languages.enabled.iter().map(|code| &**code).collect::<Vec<_>>(), ["en", "fr"]);
    assert_eq!(site.settings, Value::Null);
    check_terms(site, &expected);
    check_programs(site, &expected);
    check_sounds(site, &expected);
    check_prompts(site, &expected);
    check_subscribers(site, &expected);
    check_files(site, &expected);
}

fn list<'a>(expected: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    expected[key].as_array().unwrap().iter()
}

fn number<T: TryFrom<i64>>(value: &Value) -> T {
    T::try_from(value.as_i64().unwrap()).ok().unwrap()
}

fn optional(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

fn check_terms(site: &Site, expected: &Value) {
    assert_eq!(site.terms.len(), list(expected, "categories").count());
    for term in list(expected, "categories") {
        let found = &site.terms[&number(&term["tid"])];
        assert_eq!(
            (&*found.name, &*found.description),
            (term["name"].as_str().unwrap(), term["description"].as_str().unwrap())
        );
        let parents: Vec<u32> = term["parents"].as_array().unwrap().iter().map(number).collect();
        assert_eq!(found.parents, parents);
        let children =
            || term["children_in_order"].as_array().unwrap().iter().map(|tid| site.terms[&number::<u32>(tid)].rank);
        assert!(children().is_sorted(), "{term}");
    }
}

/// Drupal's node: everything but fields.
fn check_node(found: &Node, expected: &Value) {
    let nid = &expected["nid"];
    assert_eq!(found.vid, number::<u32>(&expected["vid"]), "{nid}");
    assert_eq!(found.published, expected["status"] == 1, "{nid}");
    assert!(found.complete, "{nid}");
    assert_eq!(found.language.as_deref(), optional(&expected["language"]), "{nid}");
    assert_eq!(found.language_field.as_deref(), optional(&expected["fields"]["field_language"]), "{nid}");
    assert_eq!(&*found.title, expected["title"].as_str().unwrap());
    assert_eq!(found.created, number::<i64>(&expected["created"]), "{nid}");
    assert_eq!(found.changed, number::<i64>(&expected["changed"]), "{nid}");
    assert_eq!(found.tnid, number::<u32>(&expected["tnid"]), "{nid}");
    let mut tids: Vec<u32> = expected["tids"].as_array().unwrap().iter().map(number).collect();
    tids.sort_unstable();
    assert_eq!(&*found.terms, tids, "{nid}");
}

/// The file node in a field.
fn in_field(expected: &Value, field: &str) -> Option<FileRef> {
    let audio = expected["audio"].as_array().unwrap();
    audio.iter().find(|audio| audio["field"] == field).map(|audio| FileRef::Node(number(&audio["file_nid"])))
}

fn check_programs(site: &Site, expected: &Value) {
    let programs: Vec<&Value> =
        ["programs", "legacy_programs", "messages"].into_iter().flat_map(|key| list(expected, key)).collect();
    assert_eq!(site.programs.len(), programs.len());
    for program in programs {
        let found = &site.programs[&number(&program["nid"])];
        check_node(&found.node, program);
        let title = in_field(program, "field_audio_title");
        assert_eq!(found.title, title, "{}", program["nid"]);
        // EXPECTED tells only references that lead somewhere: 350's file node is deleted, and the row still points at it.
        let body = if program["nid"] == 350 { Some(FileRef::Node(352)) } else { in_field(program, "field_audio_body") };
        assert_eq!(found.body, body, "{}", program["nid"]);
        assert_eq!(
            i64::from(found.weight),
            program["fields"]["field_weight"].as_i64().unwrap_or(0),
            "{}",
            program["nid"]
        );
        assert_eq!(found.attachments, attachments(program), "{}", program["nid"]);
    }
}

fn attachments(program: &Value) -> Box<[FileRef]> {
    let listed = |mechanism: &str| {
        let mut found: Vec<(i64, FileRef)> = (program["audio"].as_array().unwrap().iter())
            .filter(|audio| audio["mechanism"] == mechanism && audio["list"] == 1)
            .map(|audio| {
                let file = if audio["fid"].is_null() {
                    FileRef::Node(number(&audio["file_nid"]))
                } else {
                    FileRef::Managed(number(&audio["fid"]))
                };
                (number(&audio["weight"]), file)
            })
            .collect();
        found.sort_unstable();
        found.into_iter().map(|(_, file)| file)
    };
    listed("upload").chain(listed("file_attach")).collect()
}

fn check_sounds(site: &Site, expected: &Value) {
    assert_eq!(site.sounds.len(), list(expected, "category_infos").count());
    for sound in list(expected, "category_infos") {
        let found = &site.sounds[&number(&sound["nid"])];
        check_node(&found.node, sound);
        assert_eq!(found.title, in_field(sound, "field_audio_title"));
        assert_eq!(found.header, in_field(sound, "field_audio_header"));
        assert_eq!(found.footer, in_field(sound, "field_audio_footer"));
    }
}

fn check_prompts(site: &Site, expected: &Value) {
    assert_eq!(site.prompts.len(), list(expected, "prompts").count());
    for prompt in list(expected, "prompts") {
        let found = &site.prompts[&number(&prompt["nid"])];
        check_node(&found.node, prompt);
        assert_eq!(found.key.as_deref(), optional(&prompt["fields"]["field_prompt_key"]));
        assert_eq!(found.audio, in_field(prompt, "field_audio_prompt"));
    }
}

fn check_subscribers(site: &Site, expected: &Value) {
    assert_eq!(site.subscribers.len(), list(expected, "subscribers").count());
    for subscriber in list(expected, "subscribers") {
        let found = &site.subscribers[&number(&subscriber["nid"])];
        check_node(&found.node, subscriber);
        let fields = &subscriber["fields"];
        let numbers: Vec<&str> =
            (fields["field_phone_number"].as_array().unwrap().iter()).filter_map(optional).collect();
        assert_eq!(found.numbers.iter().map(|number| &**number).collect::<Vec<_>>(), numbers);
        assert_eq!(found.plan.as_deref(), optional(&fields["field_plan"]));
        assert_eq!(found.balance_seconds, fields["field_balance_seconds"].as_i64());
    }
}

fn check_files(site: &Site, expected: &Value) {
    assert_eq!(site.files.len(), list(expected, "file_nodes").count());
    for file in list(expected, "file_nodes") {
        let found = &site.files[&number(&file["file_nid"])];
        assert_eq!(found.vid, number::<u32>(&file["file_vid"]));
        assert_eq!(found.published, file["file_status"] == 1);
        assert!(found.complete && found.looks_like_audio, "{file}");
        let Some(AudioSource::Bitcache(sha1)) = found.source else { panic!("{file}") };
        assert_eq!(format!("bitcache://{}", hex::encode(sha1)), file["uri"].as_str().unwrap());
    }
    let uploads: BTreeMap<u32, &Value> = ["legacy_programs", "messages", "programs"]
        .into_iter()
        .flat_map(|key| list(expected, key))
        .flat_map(|node| node["audio"].as_array().unwrap())
        .filter(|audio| audio["mechanism"] == "upload" && audio["list"] == 1)
        .map(|audio| (number(&audio["fid"]), audio))
        .collect();
    assert_eq!(site.managed_files.keys().collect::<Vec<_>>(), uploads.keys().collect::<Vec<_>>());
    for (fid, file) in uploads {
        let found = &site.managed_files[&fid];
        assert_eq!(found.source, AudioSource::Path(file["filepath"].as_str().unwrap().into()));
        assert_eq!(found.looks_like_audio, file["mime"] == "audio/mpeg");
        assert!(found.permanent);
    }
}

#[test]
fn all_files_of_a_program_are_those_of_fields_and_attachments() {
    let (title, body, attached) = (FileRef::Node(1), FileRef::Managed(2), FileRef::Node(3));
    let node = Node {
        vid: 1,
        published: true,
        complete: true,
        language: None,
        language_field: None,
        title: "".into(),
        created: 0,
        changed: 0,
        tnid: 0,
        terms: Box::default(),
    };
    let program = ProgramNode { node, title: Some(title), body: Some(body), attachments: [attached].into(), weight: 0 };
    assert_eq!(program.files().collect::<Vec<_>>(), [title, body, attached]);
}
