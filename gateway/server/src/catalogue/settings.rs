//! Settings: the configuration's, overridden by what the site's editors chose on the module's settings page.
//!
//! The page's values come out of PHP, where a number is often a text and a list often a map: both are taken. What makes no sense is a
//! finding, and what stood there without it stays.

use std::collections::{BTreeMap, HashSet};

use audiospread_protocol::{Keys, Settings};
use serde_json::Value;

use super::draft::{Draft, Drafting};
use super::outline::Outline;
use super::site::{Site, Tid};
use super::{Finding, Rules, Severity, Subject, codes};

/// The keys of DESIGN 7.1, in menus and while a program plays.
const MENU_KEYS: [(&str, &str); 5] = [("help", "0"), ("language", "8"), ("next_page", "9"), ("up", "*"), ("code", "#")];
const PLAYING_KEYS: [(&str, &str); 11] = [
    ("restart", "1"),
    ("bookmark", "2"),
    ("stop", "3"),
    ("rewind", "4"),
    ("play_pause", "5"),
    ("forward", "6"),
    ("previous", "7"),
    ("language", "8"),
    ("next", "9"),
    ("help", "0"),
    ("up", "*"),
];

/// The settings that hold, and what of those wanted does not.
pub(super) struct SettledSettings {
    value: Settings,
    findings: Vec<Finding>,
}

impl SettledSettings {
    pub(super) fn new(site: &Site, rules: &Rules, outline: &Outline) -> Self {
        let mut findings = Vec::new();
        let wanted = Wanted::read(&site.settings, &mut findings);
        let default_language =
            wanted.default_language(&mut findings).unwrap_or_else(|| site.languages.default.to_string());
        let languages = wanted.languages(&mut findings);
        let languages = languages.unwrap_or_else(|| site.languages.enabled.iter().map(ToString::to_string).collect());
        let configured = rules.menu.home_categories.clone();
        let home_categories = wanted.home_categories(&mut findings).unwrap_or(configured);
        let menu_page_size = wanted.menu_page_size(&mut findings).unwrap_or(rules.menu.menu_page_size);
        let keys = Keys {
            menu: keys("menu", &MENU_KEYS, &rules.menu.keys.menu, &wanted, &mut findings),
            playing: keys("playing", &PLAYING_KEYS, &rules.menu.keys.playing, &wanted, &mut findings),
        };
        report_shadowed_items(&keys.menu, menu_page_size, &mut findings);
        let value = Settings {
            languages: with_default(languages, &default_language),
            default_language,
            home_categories: known_categories(&home_categories, outline, &mut findings),
            menu_page_size,
            keys,
        };
        Self { value, findings }
    }

    pub(super) fn draft(&self) -> Draft {
        let mut drafting = Drafting::default();
        for finding in &self.findings {
            drafting.add(finding.clone());
        }
        drafting.put(&self.value)
    }

    pub(super) fn default_language(&self) -> &str {
        &self.value.default_language
    }

    /// The languages of the menus.
    pub(super) fn languages(&self) -> impl Iterator<Item = &str> {
        self.value.languages.iter().map(String::as_str)
    }

    pub(super) fn has_language(&self, language: &str) -> bool {
        self.languages().any(|enabled| enabled == language)
    }
}

fn bad(findings: &mut Vec<Finding>, what: String) {
    findings.push(Finding::new(codes::BAD_SETTING, Severity::Warning, Subject::Site, what));
}

/// The editors' choices as they came out of the database.
struct Wanted<'a>(Option<&'a serde_json::Map<String, Value>>);

impl<'a> Wanted<'a> {
    fn read(settings: &'a Value, findings: &mut Vec<Finding>) -> Self {
        if !is_empty(settings) && !settings.is_object() {
            bad(findings, "The phone's settings in Drupal are no settings: save them again on their page.".into());
        }
        Self(settings.as_object())
    }

    /// The choice of this name; nothing where the form was left empty.
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.0?.get(name).filter(|value| !is_empty(value))
    }

    fn default_language(&self, findings: &mut Vec<Finding>) -> Option<String> {
        let language = language(self.get("default_language")?);
        if language.is_none() {
            bad(findings, "default_language is no code of a language, such as en: choose another one.".into());
        }
        language
    }

    fn languages(&self, findings: &mut Vec<Finding>) -> Option<Vec<String>> {
        let chosen = items(self.get("languages")?).and_then(|items| items.into_iter().map(language).collect());
        if chosen.is_none() {
            bad(findings, "languages is no list of codes of languages, such as en and fr: choose them again.".into());
        }
        let mut languages: Vec<String> = chosen?;
        let mut met = HashSet::new();
        languages.retain(|language| met.insert(language.clone()));
        (!languages.is_empty()).then_some(languages)
    }

    fn home_categories(&self, findings: &mut Vec<Finding>) -> Option<Vec<Tid>> {
        let tid = |value| number(value).and_then(|number| Tid::try_from(number).ok());
        let chosen = items(self.get("home_categories")?).and_then(|items| items.into_iter().map(tid).collect());
        if chosen.is_none() {
            bad(findings, "home_categories is no list of numbers of terms: choose the categories again.".into());
        }
        chosen
    }

    fn menu_page_size(&self, findings: &mut Vec<Finding>) -> Option<u32> {
        let size = number(self.get("menu_page_size")?).and_then(|size| u32::try_from(size).ok());
        let size = size.filter(|size| (1..=9).contains(size));
        if size.is_none() {
            bad(findings, "menu_page_size is no number from 1 to 9: there are no more keys.".into());
        }
        size
    }

    fn keys(&self, set: &str, findings: &mut Vec<Finding>) -> BTreeMap<String, String> {
        let sets = self.get("keys");
        let Some(wanted) = sets.and_then(|sets| sets.get(set)).filter(|wanted| !is_empty(wanted)) else {
            if sets.is_some_and(|sets| !sets.is_object()) && set == "menu" {
                bad(findings, "keys is no choice of keys: choose them again.".into());
            }
            return BTreeMap::new();
        };
        let Some(wanted) = wanted.as_object() else {
            bad(findings, format!("keys.{set} is no choice of keys by action: choose them again."));
            return BTreeMap::new();
        };
        let chosen = wanted.iter().filter(|(_, key)| !is_unset(key));
        chosen.map(|(action, key)| (action.clone(), text(key).unwrap_or_default())).collect()
    }
}

/// The keys of a set: the defaults, changed by the configuration, changed by the editors; a change that gives one key to two actions counts
/// for nothing.
fn keys(
    set: &str,
    defaults: &[(&str, &str)],
    configured: &BTreeMap<String, String>,
    wanted: &Wanted<'_>,
    findings: &mut Vec<Finding>,
) -> BTreeMap<String, String> {
    let mut keys: BTreeMap<String, String> =
        defaults.iter().map(|&(action, key)| (action.to_owned(), key.to_owned())).collect();
    for changes in [configured, &wanted.keys(set, findings)] {
        let mut changed = keys.clone();
        for (action, key) in changes {
            match changed.get_mut(action) {
                None => bad(findings, format!("keys.{set} names an action that does not exist: {action}.")),
                Some(_) if !is_key(key) => {
                    bad(
                        findings,
                        format!("keys.{set}.{action} is no key of a telephone: choose one of 0 to 9, * and #."),
                    );
                }
                Some(current) => current.clone_from(key),
            }
        }
        let different: HashSet<&String> = changed.values().collect();
        if different.len() == changed.len() {
            keys = changed;
        } else {
            let message =
                format!("keys.{set} gives one key to two actions, and counts for nothing: give each a key of its own.");
            findings.push(Finding::new(codes::KEY_CONFLICT, Severity::Warning, Subject::Site, message));
        }
    }
    keys
}

/// Says which items of a menu cannot be chosen, since their digit does something else.
fn report_shadowed_items(menu: &BTreeMap<String, String>, page_size: u32, findings: &mut Vec<Finding>) {
    for (action, key) in menu {
        if key.parse::<u32>().is_ok_and(|digit| (1..=page_size).contains(&digit)) {
            let message = format!(
                "The key {key} is for “{action}”, so item {key} of a menu cannot be chosen: make menu_page_size smaller, or choose another key."
            );
            findings.push(Finding::new(codes::KEY_CONFLICT, Severity::Warning, Subject::Site, message));
        }
    }
}

fn known_categories(wanted: &[Tid], outline: &Outline, findings: &mut Vec<Finding>) -> Vec<String> {
    let mut met = HashSet::new();
    let mut known = Vec::with_capacity(wanted.len());
    for &tid in wanted.iter().filter(|&&tid| met.insert(tid)) {
        if outline.is_category(tid) {
            known.push(tid.to_string());
        } else {
            let message =
                format!("The home menu names the term {tid}, which is no category for callers: choose another one.");
            findings.push(Finding::new(codes::UNKNOWN_HOME_CATEGORY, Severity::Warning, Subject::Term(tid), message));
        }
    }
    known
}

/// The languages with the default one among them: in front, if it was not.
fn with_default(mut languages: Vec<String>, default: &str) -> Vec<String> {
    if !languages.iter().any(|language| language == default) {
        languages.insert(0, default.to_owned());
    }
    languages
}

fn is_key(key: &str) -> bool {
    matches!(key.as_bytes(), [b'0'..=b'9' | b'*' | b'#'])
}

/// A list of PHP's: a list, or a map whose keys are numbers or, from a form with boxes to tick, the values themselves; boxes that are not
/// ticked are left out.
fn items(value: &Value) -> Option<Vec<&Value>> {
    let items: Vec<&Value> = match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(map) => {
            let mut items: Vec<_> = map.iter().collect();
            items.sort_by_key(|(key, _)| (key.parse::<u64>().unwrap_or(u64::MAX), *key));
            items.into_iter().map(|(_, item)| item).collect()
        }
        _ => return None,
    };
    Some(items.into_iter().filter(|item| !is_unset(item) && item.as_i64() != Some(0)).collect())
}

/// A box that was not ticked, a field that was left empty.
fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.trim().is_empty(),
        _ => false,
    }
}

fn is_empty(value: &Value) -> bool {
    is_unset(value)
        || value.as_array().is_some_and(Vec::is_empty)
        || value.as_object().is_some_and(serde_json::Map::is_empty)
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn number(value: &Value) -> Option<i64> {
    text(value)?.parse().ok()
}

/// A code of a language as Drupal has them: at most 12 letters, digits and hyphens.
fn language(value: &Value) -> Option<String> {
    let code = text(value)?;
    let well_formed = (1..=12).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    well_formed.then_some(code)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::sample::{Sample, content, rules};
    use super::super::{Outcome, codes};
    use super::*;
    use crate::config::Menu;

    fn with(settings: Value) -> (Value, Vec<String>) {
        let mut sample = Sample::new();
        sample.site.settings = settings;
        settled(&sample)
    }

    fn settled(sample: &Sample) -> (Value, Vec<String>) {
        let draft = sample.catalogue().indices.settings.draft();
        (draft.value(), draft.findings.iter().map(|finding| finding.code.to_string()).collect())
    }

    #[test]
    fn without_any_choice_the_defaults_hold() {
        let sample = Sample::new();
        let Outcome::Put(bytes) = sample.catalogue().indices.settings.draft().outcome else { panic!("no settings") };
        let expected = json!({
            "default_language": "en", "languages": ["en", "fr"], "home_categories": [], "menu_page_size": 7,
            "keys": {
                "menu": {"help": "0", "language": "8", "next_page": "9", "up": "*", "code": "#"},
                "playing": {"restart": "1", "bookmark": "2", "stop": "3", "rewind": "4", "play_pause": "5", "forward": "6",
                            "previous": "7", "language": "8", "next": "9", "help": "0", "up": "*"},
            },
        });
        assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), expected);
        assert_eq!(with(json!(null)), (expected.clone(), vec![]));
        assert_eq!(with(json!([])), (expected, vec![]));
    }

    #[test]
    fn the_editors_choice_overrides_the_configuration_and_php_may_write_it_as_it_likes() {
        let mut sample = Sample::new();
        let menu: Menu = toml::from_str(
            r##"
            home_categories = [1]
            menu_page_size = 5
            [keys.menu]
            help = "#"
            code = "0"
            "##,
        )
        .unwrap();
        sample.rules = rules(&content(), &menu);
        let (configured, findings) = settled(&sample);
        assert_eq!((&configured["home_categories"], &configured["menu_page_size"]), (&json!(["1"]), &json!(5)));
        assert_eq!((&configured["keys"]["menu"]["help"], findings.len()), (&json!("#"), 0));

        sample.site.settings = json!({
            "default_language": "fr", "languages": {"fr": "fr", "en": 0, "wo": "wo"},
            "home_categories": {"0": "4", "1": 2, "10": "1"}, "menu_page_size": "6",
            "keys": {"menu": {"up": 0, "code": "*", "language": ""}, "playing": []},
        });
        let (chosen, findings) = settled(&sample);
        assert_eq!(findings, Vec::<String>::new());
        assert_eq!((&chosen["default_language"], &chosen["languages"]), (&json!("fr"), &json!(["fr", "wo"])));
        assert_eq!((&chosen["home_categories"], &chosen["menu_page_size"]), (&json!(["4", "2", "1"]), &json!(6)));
        assert_eq!(
            chosen["keys"]["menu"],
            json!({"help": "#", "up": "0", "code": "*", "language": "8", "next_page": "9"})
        );
    }

    #[test]
    fn the_default_language_is_always_among_the_languages() {
        assert_eq!(with(json!({"default_language": "wo"})).0["languages"], json!(["wo", "en", "fr"]));
        assert_eq!(with(json!({"languages": ["fr"]})).0["languages"], json!(["en", "fr"]));
    }

    #[test]
    fn what_makes_no_sense_is_told_and_what_was_there_stays() {
        let defaults = with(json!(null)).0;
        for settings in [
            json!("text"),
            json!({"menu_page_size": 0}),
            json!({"menu_page_size": "10"}),
            json!({"menu_page_size": "many"}),
            json!({"default_language": "English please"}),
            json!({"default_language": ["en"]}),
            json!({"languages": "en"}),
            json!({"languages": ["en", {"fr": 1}]}),
            json!({"home_categories": ["Crops"]}),
            json!({"home_categories": [-1]}),
            json!({"keys": "all"}),
            json!({"keys": {"menu": "0"}}),
            json!({"keys": {"menu": {"help": "12"}}}),
            json!({"keys": {"menu": {"help": ["0"]}}}),
            json!({"keys": {"playing": {"dance": "0"}}}),
        ] {
            assert_eq!(with(settings.clone()), (defaults.clone(), vec![codes::BAD_SETTING.to_owned()]), "{settings}");
        }
    }

    #[test]
    fn a_home_category_that_is_none_is_left_out() {
        let (value, findings) = with(json!({"home_categories": [2, 12, 99, 2]}));
        assert_eq!(value["home_categories"], json!(["2"]));
        assert_eq!(findings, [codes::UNKNOWN_HOME_CATEGORY; 2]);
    }

    #[test]
    fn one_key_for_two_actions_counts_for_nothing_in_that_set_alone() {
        let (value, findings) = with(json!({"keys": {"menu": {"help": "*"}, "playing": {"help": "*", "up": "0"}}}));
        assert_eq!((&value["keys"]["menu"]["help"], &value["keys"]["playing"]["help"]), (&json!("0"), &json!("*")));
        assert_eq!(findings, [codes::KEY_CONFLICT]);
    }

    #[test]
    fn items_that_no_key_is_left_for_are_told() {
        let (value, findings) = with(json!({"menu_page_size": 9}));
        assert_eq!((&value["menu_page_size"], findings), (&json!(9), vec![codes::KEY_CONFLICT.to_owned(); 2]));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(json!(null)),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (0i64..12).prop_map(Value::from),
            "[a-z0-9*#]{0,3}".prop_map(Value::from),
        ];
        let name = prop::sample::select(vec![
            "default_language",
            "languages",
            "home_categories",
            "menu_page_size",
            "keys",
            "menu",
            "playing",
            "help",
            "up",
            "0",
            "1",
        ]);
        leaf.prop_recursive(4, 40, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(name.clone().prop_map(String::from), inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_stands_in_the_database_the_settings_can_be_used(settings in any_json()) {
            let (value, _) = with(settings);
            let settings: Settings = serde_json::from_value(value).unwrap();
            prop_assert!(settings.languages.contains(&settings.default_language));
            prop_assert!((1..=9).contains(&settings.menu_page_size));
            for (keys, count) in [(&settings.keys.menu, MENU_KEYS.len()), (&settings.keys.playing, PLAYING_KEYS.len())] {
                let different: HashSet<&String> = keys.values().filter(|key| is_key(key)).collect();
                prop_assert_eq!(different.len(), count);
            }
        }
    }
}
