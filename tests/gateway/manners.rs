//! A guest's manners: the gateway reads Drupal's database and changes nothing in it, and nobody who reads the gateway slowly is
//! in an editor's way.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use sha1::Digest as _;

use super::{onlooker, until, until_published};
use crate::harness::editor::{Editor, ProgramSave};
use crate::harness::gateway::{ALL_PROGRAMS, EVERYTHING, Gateway};
use crate::harness::phone::Phone;
use crate::harness::{DrupalSite, Engine};

/// The checksum of each table of Drupal's database.
async fn checksums(site: &DrupalSite) -> Vec<(String, Option<u64>)> {
    let mut conn = site.connect().await;
    let tables: Vec<String> = conn.query("SHOW TABLES").await.unwrap();
    let tables: Vec<String> = tables.iter().map(|table| format!("`{table}`")).collect();
    let sums = conn.query(format!("CHECKSUM TABLE {} EXTENDED", tables.join(","))).await.unwrap();
    conn.disconnect().await.unwrap();
    sums
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_run_with_an_account_that_may_only_select_leaves_drupal_s_database_as_it_was() {
    let site = DrupalSite::new().engine(Engine::MyIsam).configure("drupal.refresh_seconds = 1").build().await;
    let grants: String = site
        .value(&format!(
            "SELECT GROUP_CONCAT(DISTINCT privilege_type) FROM information_schema.schema_privileges
             WHERE table_schema = '{}' AND grantee LIKE '''reader%'",
            site.database
        ))
        .await;
    assert_eq!(grants, "SELECT", "what the harness grants the gateway");
    let before = checksums(&site).await;
    assert!(before.len() > 70 && before.iter().all(|(_, sum)| sum.is_some()));

    let gateway = Gateway::of(&site, ALL_PROGRAMS);
    let phone = Phone::of(&gateway.url());
    phone.pull();
    phone.verify(&[]);
    let refreshed = reqwest::Client::new()
        .post(format!("{}/v1/refresh", gateway.url()))
        .bearer_auth(EVERYTHING)
        .json(&serde_json::json!({"nodes": [171, 437]}))
        .send()
        .await
        .unwrap();
    assert!(refreshed.status().is_success(), "{}", refreshed.text().await.unwrap());
    until_published(&onlooker(&site).await.rooms).await;
    assert_eq!(super::audiospread(&["doctor", "--config", gateway.config.as_str()]).status.code(), Some(0));
    let log = gateway.log();
    assert!(!log.contains("ERROR") && !log.contains("panicked") && !log.contains("symphonia"), "{log}");
    drop(gateway);
    assert_eq!(checksums(&site).await, before);
}

/// 6 MB of silence: 400 seconds of 8,000 samples of 16 bits.
fn wav_of_silence() -> Vec<u8> {
    let samples: u32 = 400 * 8_000 * 2;
    let mut wav = b"RIFF".to_vec();
    wav.extend((36 + samples).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16u32.to_le_bytes());
    wav.extend([1, 0, 1, 0]);
    wav.extend(8_000u32.to_le_bytes());
    wav.extend(16_000u32.to_le_bytes());
    wav.extend([2, 0, 16, 0]);
    wav.extend(b"data");
    wav.extend(samples.to_le_bytes());
    wav.resize(wav.len() + samples as usize, 0);
    wav
}

/// Gives the site categories with many words, each nearly as large as one may be.
pub(super) async fn write_much(site: &DrupalSite) {
    site.sql(
        "INSERT INTO {term_data} (tid, vid, name, description, weight)
           SELECT 10000 + seq, (SELECT vid FROM {term_data} AS other WHERE tid = 2), CONCAT('Category ', seq),
             REPEAT('Many words. ', 20000), 0 FROM seq_1_to_60;
         INSERT INTO {term_hierarchy} (tid, parent) SELECT 10000 + seq, 0 FROM seq_1_to_60",
    )
    .await;
}

/// Waits until the snapshot that is served has the categories with the many words: what was published last is in it a moment later.
pub(super) async fn until_the_feed_is_large(gateway: &Gateway) {
    let client = reqwest::Client::builder().no_gzip().no_zstd().build().unwrap();
    until("the snapshot is large", async || {
        let request = client.get(format!("{}/v1/feed", gateway.url())).bearer_auth(EVERYTHING);
        request.send().await.unwrap().bytes().await.unwrap().len() > 12_000_000
    })
    .await;
}

/// A request whose answer begins to come, and is then not read.
pub(super) fn held(gateway: &Gateway, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {EVERYTHING}\r\n\r\n").unwrap();
    let mut begin = [0; 256];
    stream.read_exact(&mut begin).unwrap();
    assert!(begin.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&begin));
    stream
}

/// How long an editor's save takes: the slowest of several.
async fn slowest_save(site: &DrupalSite, number: u32) -> Duration {
    let editor = Editor::of(site);
    let mut conn = site.connect().await;
    let body: u32 = site.value("SELECT field_audio_body_value FROM {content_field_audio_body} WHERE vid = 440").await;
    let mut slowest = Duration::ZERO;
    for again in 0..10 {
        let title = format!("Save {number}.{again}");
        let save = ProgramSave {
            title: &title,
            published: true,
            terms: &[2],
            spoken_title: None,
            body: Some(body),
            weight: 0,
        };
        let statements = editor.update(171, &save).await;
        let began = Instant::now();
        editor.make(&mut conn, &statements, async || {}).await;
        // The tables behind the feed, the categories and the sounds in the database are written to as well.
        conn.query_drop(
            "UPDATE term_data SET weight = weight WHERE tid = 2; UPDATE bitcache_data SET id = id; UPDATE file_nodes SET views = views + 1",
        )
        .await
        .unwrap();
        slowest = slowest.max(began.elapsed());
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    conn.disconnect().await.unwrap();
    slowest
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_who_stand_still_are_not_in_the_way_of_an_editor_on_myisam() {
    let quick = "drupal.settle_ms = 200\ndrupal.refresh_seconds = 1\nfeed.snapshot_seconds = 1";
    let site = DrupalSite::new().engine(Engine::MyIsam).configure(quick).build().await;
    // More than the buffers of a connection take, in the feed and in a sound that Drupal keeps in its database.
    write_much(&site).await;
    let sound: String = site
        .value(
            "SELECT SUBSTR(f.uri, 12) FROM {content_field_audio_body} b JOIN {node} n ON n.vid = b.vid
             JOIN {node} s ON s.nid = b.field_audio_body_value JOIN {file_nodes} f ON f.vid = s.vid WHERE n.nid = 371",
        )
        .await;
    let wav = wav_of_silence();
    let digest = hex::encode(sha1::Sha1::digest(&wav));
    let mut conn = site.connect().await;
    conn.exec_drop("UPDATE bitcache_data SET data = ?, id = ? WHERE id = ?", (&wav, &digest, &sound)).await.unwrap();
    let sizes = "UPDATE file_nodes SET uri = CONCAT('bitcache://', ?), size = ? WHERE uri = CONCAT('bitcache://', ?)";
    conn.exec_drop(sizes, (&digest, wav.len(), &sound)).await.unwrap();
    conn.disconnect().await.unwrap();
    let alone = slowest_save(&site, 0).await;

    let gateway = Gateway::of(&site, ALL_PROGRAMS);
    let sha256 = audiospread_protocol::Sha256Digest::of(&wav);
    until_the_feed_is_large(&gateway).await;
    let readers = [held(&gateway, "/v1/feed"), held(&gateway, &format!("/v1/blobs/{sha256}"))];
    let beside = slowest_save(&site, 1).await;
    assert!(
        beside < alone * 5 + Duration::from_millis(500),
        "a save takes {beside:?} beside readers who stand still, {alone:?} alone"
    );
    // They had stood still indeed, and get the rest as soon as they go on.
    for mut reader in readers {
        let mut rest = vec![0; 1 << 20];
        reader.read_exact(&mut rest).unwrap();
    }
}
