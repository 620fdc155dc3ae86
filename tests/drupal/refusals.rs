//! What cannot be read is said with what to do, and never looks like a site without content.

use audiospread_server::config::Prefix;
use audiospread_server::drupal::ReadError;

use super::reader;
use crate::harness::{DrupalSite, Mariadb};

async fn refusal(site: &DrupalSite) -> String {
    reader(&site.config()).read_all().await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_server_that_is_away_is_told() {
    let site = DrupalSite::new()
        .configure("[drupal]\nurl = 'mysql://reader@localhost/d?socket=/nowhere/socket'")
        .build()
        .await;
    assert!(refusal(&site).await.contains("drupal.url"));
}

#[tokio::test]
async fn a_wrong_password_is_told_and_the_password_is_not() {
    let site = DrupalSite::new().build().await;
    std::fs::write(site.directory().join("reader"), "s3cret-and-wrong").unwrap();
    let refusal = refusal(&site).await;
    assert!(refusal.contains("drupal.password_file") && !refusal.contains("s3cret"), "{refusal}");
    assert!(!format!("{:?}", reader(&site.config())).contains("s3cret"));
}

#[tokio::test]
async fn an_account_without_the_right_is_told() {
    let site = DrupalSite::new().build().await;
    let number = site.database.trim_start_matches("drupal_").to_owned();
    site.sql(&format!("REVOKE SELECT ON {}.* FROM reader_{number}@localhost", site.database)).await;
    let all = refusal(&site).await;
    assert!(all.contains("right to SELECT"), "{all}");
}

#[tokio::test]
async fn a_database_that_the_account_may_not_see_stands_in_the_way_only_of_tables_that_are_read() {
    let prefix = |table: &str| format!("[drupal]\nprefix = {{ default = '', {table} = 'nobodys.' }}");
    let site = DrupalSite::new().configure(&prefix("users")).build().await;
    assert_eq!(reader(&site.config()).read_all().await.unwrap().programs.len(), 84);
    for table in ["term_node", "content_field_audio_body"] {
        let site = DrupalSite::new().configure(&prefix(table)).build().await;
        let refusal = refusal(&site).await;
        assert!(refusal.contains("nobodys") && refusal.contains("right to SELECT"), "{refusal}");
    }
}

#[tokio::test]
async fn a_wrong_prefix_is_told_with_the_table_that_is_missing() {
    let site = DrupalSite::new().prefix(Prefix::All("d6_".into())).configure("[drupal]\nprefix = 'd7_'").build().await;
    let refusal = refusal(&site).await;
    assert!(refusal.contains("d7_node") && refusal.contains("drupal.prefix"), "{refusal}");
}

#[tokio::test]
async fn a_half_restored_database_is_an_error_and_not_an_empty_site() {
    for table in ["node", "term_data", "term_hierarchy", "term_node", "vocabulary", "variable"] {
        let site = DrupalSite::new().build().await;
        site.sql(&format!("DROP TABLE {{{table}}}")).await;
        let error = reader(&site.config()).read_all().await.unwrap_err();
        assert!(matches!(&error, ReadError::TableMissing { table: missing } if missing == table), "{error}");
    }
}

#[tokio::test]
async fn a_vocabulary_that_is_not_there_is_told_with_those_that_are() {
    let site = DrupalSite::new().configure("[content]\nvocabulary = 'Kategorien'").build().await;
    let refusal = refusal(&site).await;
    for word in ["Kategorien", "\"Categories\" (1)", "\"Keywords\" (2)", "content.vocabulary"] {
        assert!(refusal.contains(word), "{refusal}");
    }
    site.sql("DELETE FROM {vocabulary}").await;
    assert!(reader(&site.config()).read_some(&[1]).await.is_err());
}

#[tokio::test]
async fn names_that_are_none_never_reach_the_database() {
    for wrong in ["[content]\nprompt_type = \"prompt', 'x\"", "[drupal]\nprefix = 'a b'"] {
        let site = DrupalSite::new().configure(wrong).build().await;
        assert!(refusal(&site).await.contains("is no name of a table"));
    }
}

#[tokio::test]
async fn a_reader_goes_on_after_its_connections_were_killed() {
    let site = DrupalSite::new().build().await;
    let reader = reader(&site.config());
    let before = reader.read_all().await.unwrap();
    let number = site.database.trim_start_matches("drupal_");
    let mut root = Mariadb::shared().connect(None).await;
    mysql_async::prelude::Queryable::query_drop(&mut root, format!("KILL USER reader_{number}@localhost"))
        .await
        .unwrap();
    assert_eq!(reader.read_all().await.unwrap(), before);
}
