//! What a reader may get wrong: revisions, terms, texts, values of a strange type, saves in flight.

use audiospread_server::catalogue::site::{FileRef, Languages};
use mysql_async::prelude::Queryable;

use super::{notes, read};
use crate::harness::{DrupalSite, Engine};

#[tokio::test]
async fn only_rows_of_the_current_revision_count() {
    let site = DrupalSite::new().build().await;
    let found = read(&site).await;
    assert_eq!((found.programs[&171].node.vid, found.programs[&171].body), (440, Some(FileRef::Node(437))));
    assert_eq!(found.subscribers[&297].numbers.len(), 2, "and not three");
    assert_eq!(found.files[&358].vid, 448);
    assert_eq!(found.subscribers[&320].numbers.len(), 0, "one row with NULL is no number");
    assert_eq!(found.programs[&350].body, Some(FileRef::Node(352)), "a reference to nothing is a reference");
    assert!(!found.files.contains_key(&352));

    site.sql("UPDATE {node} SET vid = 171 WHERE nid = 171").await;
    assert_eq!(
        read(&site).await.programs[&171].body,
        Some(FileRef::Node(173)),
        "an older revision may be the current one"
    );
}

#[tokio::test]
async fn a_current_revision_without_its_rows_is_in_flight_for_five_minutes() {
    for engine in [Engine::InnoDb, Engine::MyIsam] {
        let site = DrupalSite::new().engine(engine).build().await;
        site.sql(
            "UPDATE {node} SET vid = 9000, changed = UNIX_TIMESTAMP() - 10 WHERE nid = 171;
             UPDATE {node} SET vid = 9001, changed = UNIX_TIMESTAMP() - 301 WHERE nid = 174;
             UPDATE {node} SET vid = 9002, changed = UNIX_TIMESTAMP() + 600 WHERE nid = 177;
             UPDATE {node} SET changed = UNIX_TIMESTAMP() WHERE nid = 180;
             UPDATE {node} SET vid = 9003, changed = UNIX_TIMESTAMP() WHERE nid = 228;
             DELETE FROM {content_field_phone_number} WHERE vid = 295;
             UPDATE {node} SET changed = UNIX_TIMESTAMP() WHERE nid = 294;
             UPDATE {node} SET vid = 9004, changed = UNIX_TIMESTAMP() WHERE nid = 437;
             UPDATE {node} SET vid = 9005, changed = UNIX_TIMESTAMP() + 90000 WHERE nid = 166",
        )
        .await;
        let found = read(&site).await;
        assert!(!found.programs[&171].node.complete, "its rows are to come");
        assert!(found.programs[&174].node.complete, "so long no save takes: it has no values");
        assert!(!found.programs[&177].node.complete, "the web server's clock may be ahead");
        assert!(found.programs[&180].node.complete, "all its rows are there");
        assert!(found.programs[&228].node.complete, "its type has no fields");
        assert!(!found.subscribers[&294].node.complete, "the row of a multiple field is to come");
        assert!(!found.files[&437].complete && found.files[&437].source.is_none());
        assert!(found.files[&166].complete, "a time that far ahead is wrong, and not a save");
    }
}

#[tokio::test]
async fn terms_are_those_of_the_phones_vocabulary() {
    let site = DrupalSite::new().build().await;
    site.sql(
        "INSERT INTO {term_data} (tid, vid, name, description, weight) VALUES (900, 2, 'radio', '', 0), (901, 1, 'aaa', NULL, -3);
         INSERT INTO {term_node} (nid, vid, tid) VALUES (165, 165, 900), (165, 165, 901);
         INSERT INTO {term_hierarchy} (tid, parent) VALUES (900, 0), (901, 1), (901, 5)",
    )
    .await;
    let found = read(&site).await;
    assert_eq!(&*found.programs[&165].node.terms, [2, 901]);
    assert!(!found.terms.contains_key(&900));
    assert_eq!(found.terms[&901].parents, [1, 5]);
    assert_eq!(found.terms[&901].rank, 0);
    assert_eq!(&*found.terms[&901].description, "");

    let by_vid = DrupalSite::new().configure("[content]\nvocabulary = '1'").build().await;
    assert_eq!(read(&by_vid).await.terms.len(), 17);
}

#[tokio::test]
async fn two_vocabularies_of_one_name_are_told() {
    let site = DrupalSite::new().build().await;
    site.sql("UPDATE {vocabulary} SET name = 'Categories'").await;
    let found = read(&site).await;
    assert_eq!(notes(&found), [("vocabulary_ambiguous", "Site".to_owned())]);
    assert_eq!(found.terms.len(), 17);
}

#[tokio::test]
async fn four_byte_letters_survive_where_the_site_has_them() {
    for engine in [Engine::InnoDb, Engine::MyIsam] {
        let site = DrupalSite::new().engine(engine).charset("utf8mb4").build().await;
        site.sql("UPDATE {node} SET title = 'the well 🐫' WHERE nid = 165").await;
        let found = read(&site).await;
        assert_eq!(&*found.programs[&165].node.title, "the well 🐫");
        assert!(found.programs[&252].node.title.contains("????"), "what is lost stays lost");
        assert_eq!(found.programs[&264].node.title.chars().count(), 255);
        assert_eq!(notes(&found), []);
    }
}

#[tokio::test]
async fn a_title_that_is_no_utf8_is_shown_as_well_as_it_can_be_and_told() {
    let site = DrupalSite::new().build().await;
    site.sql("ALTER TABLE {node} MODIFY title VARBINARY(1000) NOT NULL; UPDATE {node} SET title = X'C96D697373696F6E' WHERE nid = 165").await;
    let found = read(&site).await;
    assert_eq!(&*found.programs[&165].node.title, "\u{fffd}mission");
    assert_eq!(notes(&found), [("bad_encoding", "Node(165)".to_owned())]);
}

#[tokio::test]
async fn values_of_a_strange_type_are_told_and_break_nothing() {
    let site = DrupalSite::new().build().await;
    site.sql(
        "ALTER TABLE {content_type_program} MODIFY field_weight_value TEXT;
         ALTER TABLE {content_field_audio_title} MODIFY field_audio_title_value VARCHAR(40);
         ALTER TABLE {content_type_phone_subscriber} MODIFY field_balance_seconds_value DOUBLE;
         ALTER TABLE {node} MODIFY created VARCHAR(20) NULL;
         UPDATE {content_type_program} SET field_weight_value = 'heavy' WHERE vid = 165;
         UPDATE {content_type_program} SET field_weight_value = '99999999999' WHERE vid = 440;
         UPDATE {content_field_audio_title} SET field_audio_title_value = '-5' WHERE vid = 165;
         UPDATE {content_type_phone_subscriber} SET field_balance_seconds_value = -12.5 WHERE vid = 295;
         UPDATE {node} SET created = NULL WHERE nid = 165",
    )
    .await;
    let found = read(&site).await;
    assert_eq!(
        (found.programs[&165].weight, found.programs[&165].title, found.programs[&165].node.created),
        (0, None, 0)
    );
    assert_eq!(found.programs[&171].weight, i32::MAX);
    assert_eq!(found.subscribers[&294].balance_seconds, Some(-12));
    assert_eq!(notes(&found), vec![("strange_value", "Node(165)".to_owned()); 2]);
}

#[tokio::test]
async fn attachments_are_in_drupals_order_and_only_listed_ones() {
    let site = DrupalSite::new().build().await;
    site.sql(
        "INSERT INTO {upload} (fid, nid, vid, description, list, weight)
           VALUES (5, 229, 229, '', 1, -1), (6, 229, 229, '', 0, -9), (7, 229, 12345, '', 1, -9);
         INSERT INTO {file_attachments} (fnid, nid, vid, cid, list, weight)
           VALUES (390, 229, 229, 0, 1, 1), (389, 229, 229, 0, 1, 1), (392, 229, 229, 0, 1, -1), (166, 229, 229, 7, 1, -9), (167, 229, 229, 0, 0, -9)",
    )
    .await;
    let found = read(&site).await;
    let expected = [
        FileRef::Managed(5),
        FileRef::Managed(2),
        FileRef::Managed(3),
        FileRef::Node(392),
        FileRef::Node(389),
        FileRef::Node(390),
    ];
    assert_eq!(&*found.programs[&229].attachments, expected);
}

#[tokio::test]
async fn a_file_node_of_an_unknown_uri_has_no_source() {
    let site = DrupalSite::new().build().await;
    site.sql(
        "UPDATE {file_nodes} SET uri = 'http://example.org/a.mp3', type = 'application/octet-stream' WHERE nid = 166;
         UPDATE {file_nodes} SET type = NULL WHERE nid = 167;
         UPDATE {node} SET title = 'notes.txt' WHERE nid = 167",
    )
    .await;
    let found = read(&site).await;
    assert_eq!((found.files[&166].source.as_ref(), found.files[&166].looks_like_audio), (None, true));
    assert!(found.files[&167].source.is_some() && !found.files[&167].looks_like_audio);
}

#[tokio::test]
async fn languages_and_settings_are_read_from_phps_serialisation() {
    let site = DrupalSite::new().build().await;
    site.sql(
        r##"REPLACE INTO {variable} (name, value) VALUES
             ('language_default', 'O:8:"stdClass":2:{s:8:"language";s:2:"fr";s:4:"name";s:6:"French";}'),
             ('audiospread_settings', 'a:2:{s:15:"home_categories";a:2:{i:0;i:1;i:1;s:1:"5";}s:4:"keys";a:1:{s:4:"menu";a:1:{s:2:"up";s:1:"#";}}}');
           UPDATE {languages} SET enabled = 1, weight = -5 WHERE language = 'ar'"##,
    )
    .await;
    let found = read(&site).await;
    assert_eq!(
        found.languages,
        Languages { default: "fr".into(), enabled: vec!["ar".into(), "en".into(), "fr".into()] }
    );
    assert_eq!(found.settings, serde_json::json!({"home_categories": [1, "5"], "keys": {"menu": {"up": "#"}}}));

    site.sql("UPDATE {variable} SET value = 'a:0:{}' WHERE name = 'audiospread_settings'; UPDATE {variable} SET value = 'O:8:' WHERE name = 'language_default'").await;
    let found = read(&site).await;
    assert_eq!(found.settings, serde_json::json!({}));
    assert_eq!(&*found.languages.default, "en");
    assert_eq!(notes(&found), [("variable_unreadable", "Site".to_owned())]);
}

#[tokio::test]
async fn a_node_type_that_nobody_mapped_is_not_read() {
    let site = DrupalSite::new().configure("[content]\nprogram_types = ['program']").build().await;
    let found = read(&site).await;
    assert_eq!(found.programs.len(), 68);
    let mut conn = site.connect().await;
    let others: Option<u32> = conn.query_first("SELECT COUNT(*) FROM node WHERE type = 'phone_message'").await.unwrap();
    assert_eq!(others, Some(12));
}
