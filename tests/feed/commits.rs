//! Commits: all or nothing, one after another, and none without a change.

use std::sync::mpsc;
use std::time::Duration;

use audiospread_protocol::{DeleteReason, Operation, Sha256Digest};
use audiospread_server::feed::{Commit, FeedError, FindingChanges};

use super::{OwnDatabase, commit, program, put};

#[tokio::test]
async fn what_changes_nothing_is_no_version() {
    let database = OwnDatabase::new().await;
    let store = database.store().await;
    let published = store.load().await.unwrap();
    let published = commit(&store, published, vec![]).await;
    assert_eq!(published.head.version, 0);
    let published = commit(&store, published, vec![put(program(1), "1")]).await;
    assert_eq!(published.head.version, 1);
    let nothing = vec![put(program(1), "1"), (program(2), Operation::Delete(DeleteReason::Deleted))];
    let published = commit(&store, published, nothing).await;
    assert_eq!(published.head.version, 1);
    assert_eq!(store.load().await.unwrap().head, published.head);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_gateways_that_commit_at_once_one_loses_and_nothing_of_it_is_seen() {
    let database = OwnDatabase::new().await;
    let (one, two) = (database.store().await, database.store().await);
    for round in 1..=20_u32 {
        let published = one.load().await.unwrap();
        let [first, second] = [(&one, 1), (&two, 2)].map(|(store, number)| {
            let changes: Vec<_> = (0..300).map(|nid| put(program(number * 1000 + nid), round.to_string())).collect();
            let (store, published) = (store.clone(), published.clone());
            tokio::spawn(async move { store.commit(published, changes, &FindingChanges::default()).await.unwrap() })
        });
        let outcomes = [first.await.unwrap(), second.await.unwrap()];
        let [Commit::Done(winner)] = &outcomes.iter().filter(|o| matches!(o, Commit::Done(_))).collect::<Vec<_>>()[..]
        else {
            panic!("not one of them won")
        };
        let loaded = two.load().await.unwrap();
        assert_eq!(loaded.head, winner.head);
        assert_eq!(loaded.head.version, u64::from(round));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_is_seen_whole_or_not_at_all() {
    let database = OwnDatabase::new().await;
    let (store, reader) = (database.store().await, database.store().await);
    let published = store.load().await.unwrap();
    let before = commit(&store, published, vec![put(program(1), "1")]).await;
    let (go_on, wait) = mpsc::channel::<()>();
    let (arrived, arrival) = mpsc::channel::<()>();
    let changes = (1..2000).map(move |nid| {
        // The first batches are in the database.
        if nid == 1500 {
            arrived.send(()).unwrap();
            tokio::task::block_in_place(|| wait.recv_timeout(Duration::from_secs(60))).unwrap();
        }
        put(program(nid), "2")
    });
    let committing = tokio::spawn({
        let (store, published) = (store.clone(), before.clone());
        async move { store.commit(published, changes, &FindingChanges::default()).await.unwrap() }
    });
    tokio::task::spawn_blocking(move || arrival.recv_timeout(Duration::from_secs(60)).unwrap()).await.unwrap();
    assert_eq!(reader.load().await.unwrap().head, before.head);
    go_on.send(()).unwrap();
    let Commit::Done(after) = committing.await.unwrap() else { panic!("lost") };
    assert_eq!(reader.load().await.unwrap().head, after.head);
    assert_eq!(after.head.whole.count, 1999);
}

#[tokio::test]
async fn a_value_that_is_not_one_json_value_on_one_line_is_refused_and_nothing_is_committed() {
    let database = OwnDatabase::new().await;
    let store = database.store().await;
    for value in ["", "{", "{\n}", "1 2", "\u{1}"] {
        let published = store.load().await.unwrap();
        let changes = (1..2000).map(|nid| put(program(nid), if nid == 1900 { value } else { "1" }));
        let refused = store.commit(published, changes, &FindingChanges::default()).await;
        assert!(matches!(refused, Err(FeedError::Value(key)) if key == program(1900)), "{value:?}");
        assert_eq!(store.load().await.unwrap().head.version, 0);
    }
}

#[tokio::test]
async fn a_blob_is_named_until_no_version_above_the_floor_names_it() {
    let database = OwnDatabase::new().await;
    let store = database.store().await;
    let [old, new, shared] = [b"a".as_slice(), b"b", b"c"].map(Sha256Digest::of);
    let value =
        |blob: Sha256Digest| format!(r#"{{"audio":{{"title":{{"sha256":"{shared}"}},"body":{{"sha256":"{blob}"}}}}}}"#);
    let mut published = store.load().await.unwrap();
    assert!(!store.names_blob(&old).await.unwrap());
    published = commit(&store, published, vec![put(program(1), value(old)), put(program(2), value(old))]).await;
    published = commit(&store, published, vec![put(program(1), value(new))]).await;
    published = commit(&store, published, vec![(program(2), Operation::Delete(DeleteReason::Deleted))]).await;
    store.prune(Duration::from_secs(3600)).await.unwrap();
    for blob in [old, new, shared] {
        assert!(store.names_blob(&blob).await.unwrap(), "a reader may still come to the version that names it");
    }
    store.prune(Duration::ZERO).await.unwrap();
    assert!(!store.names_blob(&old).await.unwrap());
    assert!(store.names_blob(&new).await.unwrap());
    assert!(store.names_blob(&shared).await.unwrap());

    published = commit(&store, published, vec![put(program(2), value(old))]).await;
    assert!(store.names_blob(&old).await.unwrap(), "it is named again");
    assert_eq!(store.load().await.unwrap().head, published.head);
}

#[tokio::test]
async fn what_is_published_is_listed_in_pages() {
    let database = OwnDatabase::new().await;
    let store = database.store().await;
    let published = store.load().await.unwrap();
    let published = commit(&store, published, (1..=25).map(|nid| put(program(nid), nid.to_string())).collect()).await;
    commit(&store, published, vec![(program(7), Operation::Delete(DeleteReason::NoAudio))]).await;
    let (mut listed, mut after) = (Vec::new(), String::new());
    loop {
        let page = store.entities(audiospread_protocol::Kind::Program, &after, 10).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.key.id().to_owned();
        listed.extend(page);
    }
    assert_eq!(listed.len(), 24);
    assert!(listed.iter().all(|entity| entity.version == 1 && *entity.value == *entity.key.id().as_bytes()));
    assert!(listed.is_sorted_by_key(|entity| entity.key.id().to_owned()));
}
