//! Where the bytes are, and those that are in the database.

use audiospread_server::config::Prefix;
use audiospread_server::drupal::Adapter;
use sha1::{Digest, Sha1};

use super::reader;
use crate::harness::{DrupalSite, Engine};

const IN_THE_DATABASE: &str = "4de4ce8da3e4f15798549cd89e555022f80dacd2";

fn sha1(digits: &str) -> [u8; 20] {
    hex::decode(digits).unwrap().try_into().unwrap()
}

#[tokio::test]
async fn repositories_are_asked_in_drupals_order_enabled_or_not() {
    let site = DrupalSite::new().prefix(Prefix::All("d6_".into())).build().await;
    site.sql(
        r#"INSERT INTO {bitcache_repositories} (name, module, adapter, enabled, weight, options) VALUES
             ('old', 'bitcache', 'sql', 0, 5, 'a:0:{}'),
             ('gone', 'bitcache', 'sql', 1, 4, 'a:0:{}'),
             ('cloud', 'bitcache', 's3', 1, 3, 'a:0:{}'),
             ('broken', 'bitcache', 'file', 1, 2, 'a:1:{'),
             ('`; DROP TABLE x', 'bitcache', 'sql', 1, 1, 'a:0:{}'),
             ('disk', 'bitcache', 'file', 0, -10, 'a:1:{s:8:"location";s:10:"/mnt/audio";}');
           CREATE TABLE {bitcache_data_old} (id CHAR(40) PRIMARY KEY, data LONGBLOB NOT NULL)"#,
    )
    .await;
    let storage = reader(&site.config()).read_storage().await.unwrap();
    let file = |directory: &str| Adapter::File { directory: directory.into() };
    let found: Vec<_> =
        storage.repositories.iter().map(|repository| (repository.name.as_str(), repository.adapter.clone())).collect();
    assert_eq!(
        found,
        [
            ("bitcache", Adapter::Sql { table: "d6_bitcache_data".into() }),
            ("disk", file("/mnt/audio")),
            ("file", file(site.files().join("bitcache/file").as_str())),
            ("old", Adapter::Sql { table: "d6_bitcache_data_old".into() }),
        ]
    );
    assert_eq!(storage.files(), site.files());
    assert_eq!((storage.depth, storage.width), (0, 0));
}

#[tokio::test]
async fn the_files_directory_depth_and_width_are_variables() {
    let site = DrupalSite::new().build().await;
    site.sql(
        r#"INSERT INTO {variable} (name, value) VALUES ('file_directory_path', 's:10:"/srv/files";'),
           ('bitcache_depth', 's:1:"2";'), ('bitcache_width', 'i:2;')"#,
    )
    .await;
    let storage = reader(&site.config()).read_storage().await.unwrap();
    assert_eq!(storage.files(), "/srv/files");
    assert_eq!(storage.path_of(&sha1(IN_THE_DATABASE)), format!("4d/e4/{IN_THE_DATABASE}"));
    assert!(
        storage
            .repositories
            .iter()
            .any(|it| it.adapter == Adapter::File { directory: "/srv/files/bitcache/file".into() })
    );
}

#[tokio::test]
async fn the_configured_files_directory_beats_the_variable_as_settings_php_does() {
    let configured = DrupalSite::new().configure("drupal.files_directory = 'sites/radio/files'").build().await;
    let plain = DrupalSite::new().build().await;
    for (site, without, with) in [
        (&configured, "sites/radio/files", "sites/radio/files"),
        (&plain, "sites/default/files", "sites/default/media"),
    ] {
        let reader = reader(&site.config());
        assert_eq!(reader.read_storage().await.unwrap().files_directory, without);
        site.sql(
            "INSERT INTO {variable} (name, value) VALUES ('file_directory_path', 's:19:\"sites/default/media\";')",
        )
        .await;
        assert_eq!(reader.read_storage().await.unwrap().files_directory, with);
    }
}

#[tokio::test]
async fn a_blob_in_the_database_is_read_in_pieces() {
    for engine in [Engine::InnoDb, Engine::MyIsam] {
        let site = DrupalSite::new().engine(engine).build().await;
        let reader = reader(&site.config());
        let id = sha1(IN_THE_DATABASE);
        let length = reader.sql_blob_size("bitcache_data", &id).await.unwrap().unwrap();
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < length {
            let piece = reader.sql_blob_piece("bitcache_data", &id, bytes.len() as u64, 1000).await.unwrap();
            assert!(!piece.is_empty() && piece.len() <= 1000);
            bytes.extend(piece);
        }
        assert_eq!(Sha1::digest(&bytes)[..], id);
        assert!(reader.sql_blob_piece("bitcache_data", &id, length, 1000).await.unwrap().is_empty());
        assert_eq!(reader.sql_blob_size("bitcache_data", &[0; 20]).await.unwrap(), None);
        assert!(reader.sql_blob_piece("bitcache_data", &[0; 20], 0, 9).await.unwrap().is_empty());
        assert!(reader.sql_blob_size("bitcache_data`; DROP TABLE node", &id).await.is_err());
    }
}
