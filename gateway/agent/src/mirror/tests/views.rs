//! The views by which phone menus read: order, languages, fallbacks.

use audiospread_protocol::{EntityKey, Kind, Sha256Digest};

use super::*;

#[test]
fn a_menu_plays_of_a_translation_set_the_language_of_the_call_else_the_source_else_the_lowest() {
    let place = Place::new();
    let (mirror, _) = mirror_of(
        &place,
        &[
            (EntityKey::settings(), settings(&[])),
            (nth(Kind::Category, 2), category(0, &[], None)),
            // A set with both languages, its source in English.
            (nth(Kind::Program, 10), program(10, &[2], 0, Some(10), "en")),
            (nth(Kind::Program, 11), program(11, &[2], 0, Some(10), "fr")),
            // A set in languages of which nobody calls: the source.
            (nth(Kind::Program, 20), program(20, &[2], 0, Some(21), "ar")),
            (nth(Kind::Program, 21), program(21, &[2], 0, Some(21), "wo")),
            // The source is not on the phone: the lowest.
            (nth(Kind::Program, 31), program(31, &[2], 0, Some(30), "ar")),
            (nth(Kind::Program, 32), program(32, &[2], 0, Some(30), "ar")),
            // Outside sets: for everybody.
            (nth(Kind::Program, 40), program(40, &[2], 0, None, "fr")),
        ],
    );
    let listed = |language| {
        let query = format!(
            "SELECT program_id FROM phone_category_program WHERE category_id = 2 AND language = '{language}' ORDER BY program_id"
        );
        ids(&mirror, &query)
    };
    assert_eq!(listed("en"), "10 21 31 40");
    assert_eq!(listed("fr"), "11 21 31 40");
    assert_eq!(ids(&mirror, "SELECT member_id FROM phone_translation WHERE program_id = 10 AND language = 'fr'"), "11");
    assert_eq!(ids(&mirror, "SELECT member_id FROM phone_translation WHERE program_id = 40 AND language = 'en'"), "40");
}

#[test]
fn programs_come_by_weight_newest_first_and_by_number_a_page_at_a_time() {
    let place = Place::new();
    let (mirror, _) = mirror_of(
        &place,
        &[
            (EntityKey::settings(), settings(&[])),
            (nth(Kind::Program, 1), program(1, &[2], 0, None, "en")),
            (nth(Kind::Program, 2), program(9, &[2], 0, None, "en")),
            (nth(Kind::Program, 4), program(5, &[2], 0, None, "en")),
            (nth(Kind::Program, 3), program(5, &[2], 0, None, "en")),
            (nth(Kind::Program, 5), program(1, &[2], -1, None, "en")),
        ],
    );
    let query = "SELECT program_id FROM phone_category_program WHERE category_id = 2 AND language = 'en' ORDER BY weight, created DESC, program_id";
    assert_eq!(ids(&mirror, query), "5 2 3 4 1");
    assert_eq!(ids(&mirror, &format!("{query} LIMIT 2 OFFSET 1")), "2 3");
    let plan = plan_of(&mirror, &format!("EXPLAIN QUERY PLAN {query} LIMIT 1 OFFSET 3"));
    assert!(!plan.contains("TEMP B-TREE") && !plan.contains("SCAN"), "{plan}");
    assert!(plan.contains("SEARCH pc USING PRIMARY KEY"), "{plan}");
}

fn plan_of(mirror: &Mirror, query: &str) -> String {
    let mut statement = mirror.connection.prepare(query).unwrap();
    let rows = statement.query_map([], |row| row.get::<_, String>(3)).unwrap();
    rows.map(Result::unwrap).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_home_menu_is_what_the_settings_say_else_the_top_level() {
    let place = Place::new();
    let entities = |home: &[u8]| {
        vec![
            (EntityKey::settings(), settings(home)),
            (nth(Kind::Category, 1), category(1, &[], None)),
            (nth(Kind::Category, 2), category(0, &[], None)),
            (nth(Kind::Category, 3), category(2, &[1], None)),
            (nth(Kind::Category, 4), category(3, &[0, 2], None)),
        ]
    };
    let (mut mirror, mut feed) = mirror_of(&place, &entities(&[]));
    let home = "SELECT category_id FROM phone_home ORDER BY position";
    assert_eq!(ids(&mirror, home), "2 1 4");
    assert_eq!(ids(&mirror, "SELECT category_id FROM phone_subcategory WHERE parent_id = 1 ORDER BY position"), "3");
    assert_eq!(ids(&mirror, "SELECT category_id FROM phone_subcategory WHERE parent_id = 2 ORDER BY position"), "4");
    feed.set(EntityKey::settings(), Some(settings(&[3, 1])));
    follow(&mut mirror, &feed);
    show_all(&mut mirror, &|_| true);
    assert_eq!(ids(&mirror, home), "3 1");
}

#[test]
fn a_prompt_or_a_sound_that_a_language_lacks_is_that_of_the_default_language() {
    let place = Place::new();
    let (mirror, _) = mirror_of(
        &place,
        &[
            (EntityKey::settings(), settings(&[])),
            (nth(Kind::Category, 2), category(0, &[], Some(3))),
            (EntityKey::new(Kind::Prompt, "home/welcome@en").unwrap(), prompt("welcome", "en", 1)),
            (EntityKey::new(Kind::Prompt, "home/bye@en").unwrap(), prompt("bye", "en", 2)),
            (EntityKey::new(Kind::Prompt, "home/welcome@fr").unwrap(), prompt("welcome", "fr", 4)),
        ],
    );
    let spoken = |key| {
        ids(
            &mirror,
            &format!(
                "SELECT prompt_language FROM phone_prompt WHERE context = 'home' AND key = '{key}' AND language = 'fr'"
            ),
        )
    };
    assert_eq!((spoken("welcome").as_str(), spoken("bye").as_str(), spoken("none").as_str()), ("fr", "en", ""));
    let title = ids(&mirror, "SELECT title_sound FROM phone_category_sound WHERE category_id = 2 AND language = 'fr'");
    assert_eq!(title, crate::store::stem(Sha256Digest::of(&[3])));
}

#[test]
fn a_number_in_transit_between_subscribers_belongs_to_the_lowest() {
    let place = Place::new();
    let (mirror, _) = mirror_of(
        &place,
        &[(nth(Kind::Subscriber, 2), subscriber(7, "premium")), (nth(Kind::Subscriber, 1), subscriber(7, "standard"))],
    );
    assert_eq!(ids(&mirror, "SELECT plan FROM phone_caller WHERE number = '+221775550107'"), "standard");
}
