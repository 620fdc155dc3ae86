//! The sites that the other tests are given are what they say.

use audiospread_server::config::Prefix;
use mysql_async::prelude::Queryable;

use crate::harness::{DrupalSite, Engine, Mariadb};

#[tokio::test]
async fn a_site_is_the_fixture_in_the_shape_that_was_asked_for() {
    let per_table = Prefix::PerTable([("default".into(), "main_".into()), ("users".into(), "shared_".into())].into());
    for (engine, name) in [(Engine::InnoDb, "InnoDB"), (Engine::MyIsam, "MyISAM")] {
        for charset in ["utf8", "utf8mb4"] {
            let site = DrupalSite::new().engine(engine).charset(charset).prefix(per_table.clone()).build().await;
            assert_eq!(site.value::<u32>("SELECT COUNT(*) FROM {node}").await, 441);
            assert_eq!(
                site.value::<u32>(
                    "SELECT COUNT(*) FROM main_node, shared_users WHERE nid = 1 AND shared_users.uid = 1"
                )
                .await,
                1
            );
            let tables = "FROM information_schema.tables WHERE table_schema = DATABASE()";
            assert_eq!(site.value::<u32>(&format!("SELECT COUNT(*) {tables}")).await, 77);
            assert_eq!(site.value::<u32>(&format!("SELECT COUNT(*) {tables} AND engine = '{name}'")).await, 77);
            let node =
                site.value::<String>(&format!("SELECT table_collation {tables} AND table_name = 'main_node'")).await;
            assert_eq!(node.contains("utf8mb4"), charset == "utf8mb4", "{node}");
            assert!(site.files().join("fete-émission.mp3").is_file());
        }
    }
}

#[tokio::test]
async fn the_readers_account_may_read_and_no_more() {
    let site = DrupalSite::new().build().await;
    let mut conn = mysql_async::Conn::new(site.config().drupal.opts().unwrap()).await.unwrap();
    let nodes: Option<u32> = conn.query_first("SELECT COUNT(*) FROM node").await.unwrap();
    assert!(nodes > Some(400));
    let refused = conn.query_drop("UPDATE node SET status = 0").await.unwrap_err();
    assert!(refused.to_string().contains("denied"), "{refused}");
    assert!(Mariadb::shared().data().join(&site.database).is_dir());
    conn.disconnect().await.unwrap();
}
