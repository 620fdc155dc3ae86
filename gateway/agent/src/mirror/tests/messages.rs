//! Text messages: what they list, and what of the site stands in them.

use audiospread_protocol::{EntityKey, Kind};

use super::*;
use crate::text_message::Texts;

fn named(name: &str, position: u32, parents: &[u8]) -> String {
    category(position, parents, None).replace(r#""name":"C""#, &format!(r#""name":"{name}""#))
}

/// Health has sub-categories only, one of which has two parents and is above its own parent.
fn health() -> Vec<(EntityKey, String)> {
    vec![
        (EntityKey::settings(), settings(&[5, 1])),
        (nth(Kind::Category, 1), named("Health", 0, &[])),
        (nth(Kind::Category, 2), named("Mothers", 1, &[1, 4])),
        (nth(Kind::Category, 3), named("Children", 0, &[1])),
        (nth(Kind::Category, 4), named("Babies", 0, &[2])),
        (nth(Kind::Category, 5), named("Empty", 0, &[])),
        (nth(Kind::Program, 10), program(10, &[3], 1, None, "en")),
        (nth(Kind::Program, 11), program(11, &[3, 4], 0, None, "en")),
        (nth(Kind::Program, 12), program(12, &[2], 0, None, "en")),
        (nth(Kind::Program, 13), program(13, &[4], 0, None, "en")),
    ]
}

fn derived(entities: &[(EntityKey, String)]) -> (Place, Mirror) {
    let place = Place::new();
    let (mut mirror, _) = mirror_of(&place, entities);
    mirror.derive_messages(&Texts::load(None).0).unwrap();
    (place, mirror)
}

fn text(mirror: &Mirror, key: &str, language: &str) -> String {
    ids(mirror, &format!("SELECT text FROM phone_sms_text WHERE key = '{key}' AND language = '{language}'"))
}

#[test]
fn a_category_of_sub_categories_lists_what_is_below_it_as_the_menus_meet_it_and_once() {
    let (_place, mirror) = derived(&health());
    let listed = |word: &str| {
        ids(&mirror, &format!("SELECT text FROM phone_sms_part WHERE keyword = '{word}' AND language = 'fr'"))
    };
    assert_eq!(listed("health"), "11 P 11\n10 P 10\n13 P 13\n12 P 12");
    assert_eq!(listed("mothers"), "13 P 13\n11 P 11\n12 P 12");
    assert_eq!(listed("babies"), "12 P 12\n13 P 13\n11 P 11");
    assert_eq!(listed("empty"), "");
}

#[test]
fn help_names_the_first_category_of_the_home_menu_that_has_programs_and_none_where_there_is_none() {
    let (_place, mirror) = derived(&health());
    assert!(text(&mirror, "help", "en").contains("such as HEALTH,"), "{}", text(&mirror, "help", "en"));
    assert!(text(&mirror, "help", "fr").contains("par exemple HEALTH,"));
    let (_place, mirror) = derived(&health()[..6]);
    assert!(!text(&mirror, "help", "en").contains("such as") && text(&mirror, "help", "en").contains("a topic"));
}

#[test]
fn the_number_to_call_goes_with_the_key_for_codes_of_the_site() {
    let (_place, mirror) = derived(&health());
    assert_eq!(text(&mirror, "call_number", "en"), "Call %NUMBER% and press #%CODE%# to hear this program.");
    let mut entities = health();
    entities[0].1 = entities[0].1.replace(r#""up":"*""#, r#""up":"0","code":"*""#).replace(r#""help":"0","#, "");
    let (_place, mirror) = derived(&entities);
    assert_eq!(text(&mirror, "call_number", "en"), "Call %NUMBER% and press *%CODE%# to hear this program.");
}

#[test]
fn other_texts_make_the_messages_anew_and_the_same_do_not() {
    let (_place, mut mirror) = derived(&health());
    let packs = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(packs.path().to_owned()).unwrap();
    std::fs::write(path.join("texts.toml"), "[call_back]\nfr = \"Un instant : %CODE%.\"\n").unwrap();
    let (texts, faults) = Texts::load(Some(&path));
    assert!(faults.is_empty());
    mirror.derive_messages(&texts).unwrap();
    assert_eq!(text(&mirror, "call_back", "fr"), "Un instant : %CODE%.");
    mirror.connection.execute("DELETE FROM sms_text", []).unwrap();
    mirror.derive_messages(&texts).unwrap();
    assert_eq!(text(&mirror, "call_back", "fr"), "");
}
