//! The reader is never in the way of an editor, and asks no more than it must.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;

use super::reader;
use crate::harness::{DrupalSite, Engine, Mariadb};

/// Fills the site with so many programs that a reading takes its time.
async fn fill(site: &DrupalSite, programs: u32) {
    let of_each = format!("FROM seq_1_to_{programs}");
    site.sql(&format!(
        "INSERT INTO {{node}} (nid, vid, type, title, status, created, changed)
           SELECT 10000 + seq, 20000 + seq, 'program', CONCAT('Program ', seq), 1, 1300000000, 1300000000 {of_each};
         INSERT INTO {{content_type_program}} (vid, nid, field_weight_value) SELECT 20000 + seq, 10000 + seq, seq {of_each};
         INSERT INTO {{content_field_audio_body}} (vid, nid, field_audio_body_value) SELECT 20000 + seq, 10000 + seq, 166 {of_each};
         INSERT INTO {{content_field_audio_title}} (vid, nid) SELECT 20000 + seq, 10000 + seq {of_each};
         INSERT INTO {{content_field_language}} (vid, nid) SELECT 20000 + seq, 10000 + seq {of_each};
         INSERT INTO {{term_node}} (vid, nid, tid) SELECT 20000 + seq, 10000 + seq, 2 {of_each}"
    ))
    .await;
}

/// The statements that the reader's account has made so far.
async fn statements(site: &DrupalSite) -> u64 {
    let mut root = Mariadb::shared().connect(Some("mysql")).await;
    let number = site.database.trim_start_matches("drupal_");
    let query = format!(
        "SELECT COUNT(*) FROM general_log WHERE user_host LIKE 'reader_{number}[%' AND command_type IN ('Query', 'Execute')"
    );
    root.query_first(query).await.unwrap().unwrap()
}

#[tokio::test]
async fn the_number_of_statements_grows_by_one_for_each_five_thousand_rows() {
    let site = DrupalSite::new().build().await;
    let mut root = Mariadb::shared().connect(None).await;
    root.query_drop("SET GLOBAL log_output = 'TABLE', GLOBAL general_log = 1").await.unwrap();
    let reader = reader(&site.config());
    reader.read_all().await.unwrap();
    let small = statements(&site).await;
    fill(&site, 20_000).await;
    reader.read_all().await.unwrap();
    let large = statements(&site).await - small;
    reader.read_some(&[165, 10_001, 10_002]).await.unwrap();
    let some = statements(&site).await - small - large;
    root.query_drop("SET GLOBAL general_log = 0").await.unwrap();
    // Six tables have 20,000 rows more.
    assert!(small <= 70 && some <= 50, "{small} statements for the fixture, {some} for three nodes");
    assert!(large <= small + 6 * (20_000 / 5_000 + 1), "{large} statements instead of {small}");
}

#[tokio::test]
async fn a_server_that_takes_no_long_packets_is_read_all_the_same() {
    let site = DrupalSite::new().build().await;
    let server = Mariadb::another();
    let mut root = server.connect(None).await;
    let dump = DrupalSite::dump();
    root.query_drop(format!("CREATE DATABASE old CHARACTER SET utf8; USE old; {dump}")).await.unwrap();
    root.query_drop(
        "INSERT INTO node (nid, vid, type, title, status, created, changed)
         SELECT 10000 + seq, 20000 + seq, 'program', CONCAT(REPEAT('é', 240), seq), 1, 1300000000, 1300000000 FROM seq_1_to_12000",
    )
    .await
    .unwrap();
    let mut config = site.config();
    config.drupal.url = format!("mysql://root@localhost/old?socket={}", server.socket().display());
    config.drupal.password_file = None;
    // What old servers have, and less.
    for packet in [1 << 20, 1 << 18] {
        root.query_drop(format!("SET GLOBAL max_allowed_packet = {packet}")).await.unwrap();
        let reader = reader(&config);
        let (found, marks) = reader.read_whole().await.unwrap();
        assert_eq!(found.programs.len(), 84 + 12_000, "{packet}");
        assert!(found.programs[&21_999].node.title.ends_with("é11999"));
        root.query_drop("UPDATE old.node SET title = 'short' WHERE nid = 21999").await.unwrap();
        let (changes, _) = reader.read_changes(&found, marks, &BTreeSet::new()).await.unwrap().unwrap();
        assert_eq!(&*changes.rows().programs[&21_999].node.title, "short");
        root.query_drop("UPDATE old.node SET title = 'é11999' WHERE nid = 21999").await.unwrap();
    }
}

#[tokio::test]
async fn wide_gaps_between_keys_cost_no_statements() {
    let site = DrupalSite::new().build().await;
    let before = reader(&site.config()).read_all().await.unwrap();
    site.sql(
        "INSERT INTO {node} (nid, vid, type, title, status, created, changed)
           SELECT 4294960000 + seq, 4000000000 + 50000 * seq, 'program', CONCAT('late ', seq), 1, 1300000000, 1300000000 FROM seq_1_to_5;
         INSERT INTO {content_type_program} (vid, nid, field_weight_value)
           SELECT 4000000000 + 50000 * seq, 4294960000 + seq, seq FROM seq_1_to_5",
    )
    .await;
    let started = Instant::now();
    let found = reader(&site.config()).read_all().await.unwrap();
    assert_eq!(found.programs.len(), before.programs.len() + 5);
    assert_eq!(found.programs[&4_294_960_003].weight, 3);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[tokio::test]
async fn an_editor_saves_beside_a_reading_as_if_there_were_none() {
    for engine in [Engine::InnoDb, Engine::MyIsam] {
        let site = DrupalSite::new().engine(engine).build().await;
        fill(&site, 30_000).await;
        let reader = reader(&site.config());
        let readings = tokio::spawn(async move {
            for _ in 0..3 {
                reader.read_all().await.unwrap();
            }
        });
        let mut editor = site.connect().await;
        let mut longest = Duration::ZERO;
        while !readings.is_finished() {
            let started = Instant::now();
            editor.query_drop("UPDATE node SET title = CONCAT('now ', RAND()) WHERE nid = 165").await.unwrap();
            longest = longest.max(started.elapsed());
            tokio::task::yield_now().await;
        }
        readings.await.unwrap();
        assert!(longest < Duration::from_millis(500), "{engine:?}: an UPDATE took {longest:?}");
    }
}

#[tokio::test]
async fn a_reading_that_is_given_up_leaves_no_transaction_behind() {
    let site = DrupalSite::new().build().await;
    fill(&site, 20_000).await;
    let reader = reader(&site.config());
    let number = site.database.trim_start_matches("drupal_").to_owned();
    let mut root = Mariadb::shared().connect(None).await;
    let open = format!(
        "SELECT COUNT(*) FROM information_schema.innodb_trx t JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id
         WHERE p.user = 'reader_{number}'"
    );
    let busy = format!(
        "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'reader_{number}' AND command <> 'Sleep'"
    );
    let mut seen_open = false;
    while !seen_open {
        let reading = tokio::spawn({
            let reader = reader.clone();
            async move { reader.read_all().await }
        });
        while !seen_open && !reading.is_finished() {
            seen_open = root.query_first::<u32, _>(&busy).await.unwrap() > Some(0);
        }
        reading.abort();
    }
    let patience = Instant::now() + Duration::from_secs(20);
    while root.query_first::<u32, _>(&open).await.unwrap() > Some(0) {
        assert!(Instant::now() < patience, "a transaction stays open");
        // InnoDB shows its transactions anew only when nobody has looked for a tenth of a second.
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}
