//! Fields are found wherever CCK keeps them at the moment, and what is not there is told and not feared.

use audiospread_server::catalogue::site::{AudioSource, FileRef};

use super::{notes, read, reader};
use crate::harness::DrupalSite;
use crate::harness::editor::Editor;

/// A program with a weight.
const HEAVY: u32 = 264;

async fn edit(site: &DrupalSite, statements: Vec<String>) {
    Editor::of(site).make(&mut site.connect().await, &statements, async || ()).await;
}

#[tokio::test]
async fn a_field_is_followed_into_a_table_of_its_own_and_back() {
    let site = DrupalSite::new().build().await;
    site.sql(&format!("UPDATE {{content_type_program}} SET field_weight_value = -7 WHERE nid = {HEAVY}")).await;
    let first = read(&site).await;
    assert_eq!(first.programs[&HEAVY].weight, -7);

    edit(&site, Editor::share_weight()).await;
    let shared = read(&site).await;
    assert_ne!(shared.layout, first.layout);
    assert_eq!(shared.programs, first.programs);
    site.sql("INSERT INTO {content_field_weight} (vid, nid, field_weight_value) VALUES (405, 402, 3)").await;
    assert_eq!(read(&site).await.programs[&402].weight, 3, "phone messages have the field now, too");

    edit(&site, Editor::unshare_weight()).await;
    let back = read(&site).await;
    assert_eq!(back.layout, first.layout);
    assert_eq!(back.programs, first.programs);
}

#[tokio::test]
async fn rows_of_a_type_that_lost_the_field_count_no_more() {
    let site = DrupalSite::new().build().await;
    site.sql("DELETE FROM {content_node_field_instance} WHERE field_name = 'field_language' AND type_name = 'prompt'")
        .await;
    let site = read(&site).await;
    assert!(site.prompts.values().all(|prompt| prompt.node.language_field.is_none() && prompt.node.complete));
    assert!(site.programs.values().any(|program| program.node.language_field.is_some()));
}

#[tokio::test]
async fn fields_of_modules_that_are_switched_off_still_have_their_values() {
    let site = DrupalSite::new().build().await;
    let before = read(&site).await;
    site.sql("UPDATE {content_node_field} SET active = 0; UPDATE {content_node_field_instance} SET widget_active = 0")
        .await;
    assert_eq!(read(&site).await, before);
}

#[tokio::test]
async fn a_field_that_is_not_there_is_told_and_the_rest_is_read() {
    let site = DrupalSite::new().configure("[content.fields]\nweight = 'field_importance'\nplan = ''").build().await;
    let found = read(&site).await;
    assert_eq!(notes(&found), [("field_missing", "Site".to_owned())]);
    assert!(
        found.notes[0].message.contains("field_importance") && found.notes[0].message.contains("content.fields.weight")
    );
    assert!(found.programs.values().all(|program| program.weight == 0));
    assert!(found.subscribers.values().all(|subscriber| subscriber.plan.is_none()));
    assert_eq!(found.programs[&171].body, Some(FileRef::Node(437)));
}

#[tokio::test]
async fn a_table_or_column_that_is_not_there_is_told_and_the_rest_is_read() {
    let site = DrupalSite::new().build().await;
    site.sql(
        "DROP TABLE {content_field_audio_title}; ALTER TABLE {content_type_program} DROP COLUMN field_weight_value",
    )
    .await;
    let found = read(&site).await;
    assert_eq!(notes(&found), [("table_missing", "Site".to_owned()), ("table_missing", "Site".to_owned())]);
    assert!(
        found.programs.values().all(|program| program.title.is_none() && program.weight == 0 && program.node.complete)
    );
    assert_eq!(found.programs[&171].body, Some(FileRef::Node(437)));

    let some = reader(&site.config()).read_some(&[171]).await.unwrap();
    assert_eq!(some.layout, found.layout, "a reading of some nodes sees the same");
}

#[tokio::test]
async fn a_field_of_a_type_that_cannot_be_what_it_should_be_is_told() {
    let fields =
        "[content.fields]\ntitle = 'field_related'\nprompt_key = 'field_audio_prompt'\nweight = 'field_jingle'";
    let site = DrupalSite::new().configure(fields).build().await;
    let found = read(&site).await;
    assert_eq!(notes(&found), vec![("field_unsupported", "Site".to_owned()); 3]);
}

#[tokio::test]
async fn ccks_entries_that_make_no_sense_are_told_and_never_stand_in_a_statement() {
    let site = DrupalSite::new().build().await;
    site.sql(
        "UPDATE {content_node_field} SET db_columns = 'a:1:{s:22:\"value`; DROP TABLE x;--\";a:0:{}}' WHERE field_name = 'field_weight';
         UPDATE {content_node_field} SET db_columns = 'b0rken' WHERE field_name = 'field_plan'",
    )
    .await;
    let found = read(&site).await;
    assert_eq!(notes(&found), vec![("field_unreadable", "Site".to_owned()); 2]);
    assert_eq!(found.programs.len(), 84);
}

#[tokio::test]
async fn a_site_without_cck_and_fileframework_has_its_core_uploads() {
    let site = DrupalSite::new().build().await;
    let tables: Vec<String> = {
        use mysql_async::prelude::Queryable;
        let mut conn = site.connect().await;
        conn.query(
            "SHOW TABLES WHERE Tables_in_".to_owned()
                + &site.database
                + " REGEXP '^(content_|file_|bitcache_|rdf_|languages)'",
        )
        .await
        .unwrap()
    };
    site.sql(&format!("DROP TABLE {}", tables.join(", "))).await;
    let found = read(&site).await;
    assert_eq!(notes(&found), [("table_missing", "Site".to_owned())]);
    assert_eq!(&*found.programs[&229].attachments, [FileRef::Managed(2), FileRef::Managed(3)]);
    assert_eq!(found.managed_files.len(), 6);
    assert!(found.files.is_empty());
    assert_eq!(found.languages.enabled.len(), 1);
    assert!(reader(&site.config()).read_storage().await.unwrap().repositories.is_empty());
}

#[tokio::test]
async fn a_site_with_filefield_alone_has_its_files() {
    let site = DrupalSite::new().configure("[content.fields]\nbody = 'field_jingle'").build().await;
    site.sql("DROP TABLE {file_nodes}, {file_attachments}, {upload}").await;
    let found = read(&site).await;
    assert_eq!(found.programs[&267].body, Some(FileRef::Managed(5)));
    assert_eq!(found.programs[&276].body, Some(FileRef::Managed(7)), "listed or not, it is in the field");
    assert_eq!(found.programs[&165].body, None, "NULL is none");
    let jingle = &found.managed_files[&5];
    assert_eq!(jingle.source, AudioSource::Path("sites/default/files/jingles/jingle_news.mp3".into()));
    assert!(jingle.looks_like_audio && jingle.permanent);
    assert_eq!(found.managed_files.keys().copied().collect::<Vec<_>>(), [5, 6, 7, 16]);
    assert_eq!(notes(&found), [("table_missing", "Site".to_owned())], "the other fields are of file_cck still");
}

#[tokio::test]
async fn of_a_multiple_field_the_first_file_counts() {
    let site = DrupalSite::new().build().await;
    site.sql(
        "ALTER TABLE {content_field_audio_body} ADD COLUMN delta INT UNSIGNED NOT NULL DEFAULT 0, DROP PRIMARY KEY, ADD PRIMARY KEY (vid, delta);
         UPDATE {content_node_field} SET multiple = 1 WHERE field_name = 'field_audio_body';
         UPDATE {content_field_audio_body} SET field_audio_body_value = 0 WHERE vid = 440;
         INSERT INTO {content_field_audio_body} (vid, nid, delta, field_audio_body_value) VALUES (440, 171, 2, 173), (440, 171, 1, 437)",
    )
    .await;
    let found = read(&site).await;
    assert_eq!(found.programs[&171].body, Some(FileRef::Node(437)));
    assert_eq!(found.programs[&165].body, Some(FileRef::Node(167)));
    assert_eq!(notes(&found), []);
}
