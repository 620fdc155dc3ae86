//! Snapshots: compressed files that follow the feed.

use std::collections::BTreeSet;
use std::io::Read;

use audiospread_protocol::{DeleteReason, Operation};
use audiospread_server::feed::{Encoding, Feed, FeedError, Gone};

use super::mirror::{Mirror, plain, snapshot_version};
use super::{OwnDatabase, commit, program, put, subscriber, until};

async fn until_snapshot(feed: &Feed, version: u64) {
    until("the snapshot is made", || async { snapshot_version(feed) == Some(version) }).await;
}

#[tokio::test]
async fn a_snapshot_has_all_entities_and_the_tombstones_above_the_floor() {
    let database = OwnDatabase::new().await;
    let feed = database.feed(0).await;
    let published = feed.store().load().await.unwrap();
    let published = commit(feed.store(), published, (1..=3).map(|nid| put(program(nid), "1")).collect()).await;
    let changes =
        vec![(program(2), Operation::Delete(DeleteReason::Unpublished)), put(subscriber(9), r#"{"numbers":[]}"#)];
    let published = commit(feed.store(), published, changes).await;
    until_snapshot(&feed, 2).await;

    let mut etags = BTreeSet::new();
    for subscribers in [true, false] {
        let mut versions = BTreeSet::new();
        for encoding in [Encoding::Zstd, Encoding::Gzip, Encoding::Identity] {
            let snapshot = feed.snapshot(subscribers, encoding).unwrap();
            assert!(etags.insert(snapshot.etag.clone()), "each encoding and scope has an ETag of its own");
            assert_eq!(snapshot.etag, feed.snapshot(subscribers, encoding).unwrap().etag);
            versions.insert(plain(snapshot, encoding));
            let mirror = Mirror::of_snapshot(&feed, subscribers, encoding);
            assert_eq!(mirror.cursor, published.head.cursor(subscribers));
        }
        let [lines] = &versions.into_iter().collect::<Vec<_>>()[..] else { panic!("the encodings differ") };
        let lines = String::from_utf8(lines.clone()).unwrap();
        assert!(lines.contains(r#"{"version":2,"kind":"program","id":"2","op":"delete","reason":"unpublished"}"#));
        assert_eq!(lines.lines().count(), if subscribers { 5 } else { 4 });
        assert_eq!(lines.contains("subscriber"), subscribers);
    }
}

#[tokio::test]
async fn files_that_are_replaced_go_but_those_that_were_begun_and_who_reads_them_goes_on_reading() {
    let database = OwnDatabase::new().await;
    let feed = database.feed(0).await;
    let mut published = feed.store().load().await.unwrap();
    published = commit(feed.store(), published, vec![put(program(1), "1")]).await;
    until_snapshot(&feed, 1).await;
    let mut old = feed.snapshot(true, Encoding::Gzip).unwrap();
    for round in 2..=9 {
        published = commit(feed.store(), published, vec![put(program(1), round.to_string())]).await;
        until_snapshot(&feed, round).await;
    }
    let mut bytes = Vec::new();
    old.file.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes.len() as u64, old.size);
    let files = || std::fs::read_dir(database.data_dir().join("snapshots")).unwrap().count();
    // Four files, what says so, and what was begun last.
    until("only what is wanted is left", || async { files() <= 9 }).await;
    assert!(feed.begun_snapshot(true, Encoding::Gzip, &old.etag).is_none(), "others were begun since");
}

#[tokio::test]
async fn a_gateway_that_starts_again_serves_at_once_what_it_had() {
    let database = OwnDatabase::new().await;
    let feed = database.feed(0).await;
    let published = feed.store().load().await.unwrap();
    let published = commit(feed.store(), published, vec![put(program(1), "1")]).await;
    until_snapshot(&feed, 1).await;
    let etag = feed.snapshot(false, Encoding::Zstd).unwrap().etag;
    drop(feed);
    let stray = database.data_dir().join("snapshots/.tmpstray");
    std::fs::write(&stray, "left by a gateway that was killed").unwrap();

    let config = audiospread_server::config::Feed { snapshot_seconds: 86_400, ..Default::default() };
    let feed = Feed::start(database.store().await, &database.data_dir(), &config).await.unwrap();
    assert_eq!(feed.snapshot(false, Encoding::Zstd).unwrap().etag, etag, "without waiting");
    assert!(!stray.exists());
    drop(feed);

    let other = OwnDatabase::new().await;
    let feed = Feed::start(other.store().await, &database.data_dir(), &config).await.unwrap();
    until_snapshot(&feed, 0).await;
    assert_ne!(
        feed.snapshot(true, Encoding::Zstd).unwrap().cursor.epoch,
        published.head.epoch,
        "another feed's is not served"
    );
}

#[tokio::test]
async fn until_the_first_is_made_a_snapshot_is_pending_and_a_removed_one_is_made_again() {
    let database = OwnDatabase::new().await;
    let config = audiospread_server::config::Feed::default();
    let feed = Feed::start(database.store().await, &database.data_dir(), &config).await.unwrap();
    // On this test's single thread the background has not run yet.
    assert!(matches!(feed.snapshot(true, Encoding::Zstd), Err(FeedError::SnapshotPending)));
    until_snapshot(&feed, 0).await;

    for file in std::fs::read_dir(database.data_dir().join("snapshots")).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    assert!(matches!(feed.snapshot(true, Encoding::Zstd), Err(FeedError::SnapshotPending)));
    until_snapshot(&feed, 0).await;
}

#[tokio::test]
async fn a_delta_larger_than_a_newer_snapshot_is_gone() {
    let database = OwnDatabase::new().await;
    let store = database.store().await;
    let mut published = store.load().await.unwrap();
    published = commit(&store, published, vec![put(program(1), "1")]).await;
    let before_the_snapshot = published.head.cursor(true);
    published = commit(&store, published, vec![put(program(1), "2")]).await;
    let feed = database.feed(86_400).await;
    let at_the_snapshot = feed.snapshot(true, Encoding::Zstd).unwrap().cursor;
    assert_eq!(at_the_snapshot.version, 2);
    assert!(feed.delta(&before_the_snapshot, true).await.is_ok(), "it is no larger");

    commit(feed.store(), published, (2..50).map(|nid| put(program(nid), "1")).collect()).await;
    let answer = feed.delta(&before_the_snapshot, true).await;
    assert!(matches!(answer, Err(FeedError::Gone(Gone::LargerThanSnapshot))), "{answer:?}");
    assert_eq!(
        feed.delta(&at_the_snapshot, true).await.unwrap().end.changes,
        48,
        "the snapshot is not newer than this"
    );
    assert_eq!(Mirror::fresh(&feed, true).await.state.len(), 49);
}

#[tokio::test]
async fn a_snapshot_of_what_a_restored_database_has_lost_is_made_anew_at_once() {
    let database = OwnDatabase::new().await;
    let store = database.store().await;
    let published = store.load().await.unwrap();
    commit(&store, published, vec![put(program(1), "1")]).await;
    let feed = database.feed(86_400).await;
    let lost = feed.snapshot(true, Encoding::Zstd).unwrap().cursor;
    // The same version, reached by another way while nobody looked.
    let other = "SET digest = REVERSE(digest), digest_public = REVERSE(digest_public)";
    database.sql(&format!("UPDATE feed_version {other} WHERE version = 1; UPDATE feed_head {other}")).await;
    until("the snapshot is another", || async {
        feed.snapshot(true, Encoding::Zstd).is_ok_and(|snapshot| snapshot.cursor != lost)
    })
    .await;
    assert_eq!(feed.snapshot(true, Encoding::Zstd).unwrap().cursor, feed.head().cursor(true));
}
