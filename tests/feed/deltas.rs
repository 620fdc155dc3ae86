//! Invariant 1 and 4: from any version, the changes lead to exactly the catalogue of the last one, and both sides can prove it.

use std::collections::BTreeMap;
use std::time::Duration;

use audiospread_protocol::{Cursor, DeleteReason, EntityKey, Epoch, Kind, Operation, Sha256Digest, Tree, leaf_hash};
use audiospread_server::feed::{Body, Commit, FeedError, FindingChanges, Gone, Published};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::mirror::{Mirror, State};
use super::{OwnDatabase, commit, program, put, subscriber};

/// Commits of puts, of puts again, and of deletes, among few entities, so that they meet.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = (0..3_usize, 1..6_u32).prop_map(|(kind, number)| {
        EntityKey::numbered([Kind::Category, Kind::Program, Kind::Subscriber][kind], number)
    });
    let operation = prop_oneof![
        3 => (0..4_u8).prop_map(|number| Operation::Put(value_naming(number).into())),
        1 => Just(Operation::Delete(DeleteReason::Unpublished)),
        1 => Just(Operation::Delete(DeleteReason::NoAudio)),
    ];
    prop::collection::vec((prop::collection::btree_map(key, operation, 0..8), prop::bool::weighted(0.15)), 1..9)
}

fn applied(mut state: State, changes: &[(EntityKey, Operation)]) -> State {
    for (key, operation) in changes {
        match operation {
            Operation::Put(value) => state.insert(key.clone(), value.to_vec()),
            Operation::Delete(_) => state.remove(key),
        };
    }
    state
}

fn without_subscribers(state: &State) -> State {
    state
        .iter()
        .filter(|(key, _)| key.kind() != Kind::Subscriber)
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// The cursor that a reader with this state at the head has.
fn cursor_of(published: &Published, state: &State) -> Cursor {
    let mut tree = Tree::new();
    for (key, value) in state {
        tree.insert(key.clone(), leaf_hash(key, value));
    }
    Cursor::new(published.head.epoch, published.head.version, &tree.digest(true))
}

/// One step of a feed's life: a commit, and perhaps all but the last version is forgotten after it.
type Step = (BTreeMap<EntityKey, Operation>, bool);

async fn every_reader_comes_to_the_head(steps: Vec<Step>) {
    let database = OwnDatabase::new().await;
    let feed = database.feed(0).await;
    let mut published = feed.store().load().await.unwrap();
    let mut states = vec![State::new()];
    let mut readers: Vec<Mirror> = Vec::new();
    for (changes, forgets) in steps {
        let changes: Vec<_> = changes.into_iter().collect();
        let (version, before) = (published.head.version, states.last().unwrap());
        let state = applied(before.clone(), &changes);
        published = commit(feed.store(), published, changes).await;
        assert!(published.head.version == version || published.head.version == version + 1);
        assert!(published.head.version == version + 1 || state == *before, "what changed has a version");
        let loaded = feed.store().load().await.unwrap();
        assert_eq!(
            [true, false].map(|all| loaded.head.end(all, 0)),
            [true, false].map(|all| published.head.end(all, 0))
        );
        for subscribers in [true, false] {
            let expected = if subscribers { state.clone() } else { without_subscribers(&state) };
            assert_eq!(published.head.cursor(subscribers), cursor_of(&published, &expected));
            for reader in readers.iter().filter(|reader| reader.subscribers == subscribers) {
                let mut reader = reader.clone();
                reader.pull(&feed).await;
                assert_eq!(reader.state, expected);
                assert_eq!(reader.cursor, published.head.cursor(subscribers));
            }
            let fresh = Mirror::fresh(&feed, subscribers).await;
            assert_eq!(fresh.state, expected);
            readers.push(fresh);
        }
        states.push(state);
        if forgets {
            feed.store().prune(Duration::ZERO).await.unwrap();
            assert_eq!(feed.store().head().await.unwrap().floor, published.head.version);
            readers.retain(|reader| reader.cursor.version == published.head.version);
            states.drain(..states.len() - 1);
        }
        for number in 0..4 {
            let named = states.iter().flat_map(State::values).any(|value| *value == value_naming(number));
            assert_eq!(feed.store().names_blob(&blob(number)).await.unwrap(), named, "blob {number}");
        }
    }
}

fn blob(number: u8) -> Sha256Digest {
    Sha256Digest::of(&[number])
}

/// A value as Drupal's sites have them: one of few, so that an entity comes back to a former one.
fn value_naming(number: u8) -> Vec<u8> {
    format!(r#"{{"text":"\u00e9",  "audio":{{"sha256":"{}"}}}}"#, blob(number)).into_bytes()
}

#[test]
fn from_any_version_the_changes_lead_to_exactly_the_last_one() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut runner =
        TestRunner::new(Config { cases: 24, max_shrink_iters: 200, failure_persistence: None, ..Config::default() });
    runner
        .run(&steps(), |steps| {
            runtime.block_on(every_reader_comes_to_the_head(steps));
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn a_delta_has_each_entity_once_in_the_order_of_versions_kinds_and_ids() {
    let database = OwnDatabase::new().await;
    let feed = database.feed(86_400).await;
    let empty = feed.head().cursor(true);
    let mut published = feed.store().load().await.unwrap();
    let menu = EntityKey::new(Kind::Prompt, "home/welcome@en").unwrap();
    published = commit(
        feed.store(),
        published,
        vec![
            put(subscriber(1), "1"),
            put(program(9), "9"),
            put(program(10), "10"),
            put(menu.clone(), "0"),
            put(program(7), "7"),
        ],
    )
    .await;
    let gone = vec![(program(9), Operation::Delete(DeleteReason::NoCategory)), put(menu, "1")];
    commit(feed.store(), published, gone).await;

    let delta = feed.delta(&empty, true).await.unwrap();
    let lines = String::from_utf8(super::mirror::bytes(delta)).unwrap();
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(
        lines[..5],
        [
            r#"{"version":1,"kind":"program","id":"10","op":"put","value":10}"#,
            r#"{"version":1,"kind":"program","id":"7","op":"put","value":7}"#,
            r#"{"version":1,"kind":"subscriber","id":"1","op":"put","value":1}"#,
            r#"{"version":2,"kind":"prompt","id":"home/welcome@en","op":"put","value":1}"#,
            r#"{"version":2,"kind":"program","id":"9","op":"delete","reason":"no_category"}"#,
        ]
    );
    assert_eq!(lines.len(), 6);
    assert!(lines[5].starts_with(r#"{"kind":"end","#), "{}", lines[5]);
}

#[tokio::test]
async fn ids_are_compared_byte_by_byte() {
    let database = OwnDatabase::new().await;
    let feed = database.feed(86_400).await;
    let published = feed.store().load().await.unwrap();
    let ids = ["home/cafe@en", "home/Cafe@en", "home/café@en", "home/cafe@en "];
    let changes = ids.map(|id| put(EntityKey::new(Kind::Prompt, id).unwrap(), format!("{id:?}"))).to_vec();
    let published = commit(feed.store(), published, changes).await;
    assert_eq!(published.head.whole.count, 4);
    assert_eq!(feed.store().load().await.unwrap().head, published.head);
}

#[tokio::test]
async fn every_cursor_that_is_not_of_this_feed_is_gone() {
    let database = OwnDatabase::new().await;
    let feed = database.feed(86_400).await;
    let mut published = feed.store().load().await.unwrap();
    let mut cursors = vec![published.head.cursor(true)];
    for number in 1..=4 {
        published =
            commit(feed.store(), published, vec![put(program(number), "1"), put(subscriber(number), "1")]).await;
        cursors.push(published.head.cursor(true));
    }
    // A cursor that is known may still be sent to a snapshot that is smaller than its delta, if one has been made meanwhile.
    for cursor in &cursors {
        assert!(!is_unknown(&feed.delta(cursor, true).await), "{cursor}");
        // The empty feed looks alike to everybody.
        let is_alike = cursor.version == 0;
        assert_eq!(!is_unknown(&feed.delta(cursor, false).await), is_alike, "{cursor} with less scope");
        for strange in [
            Cursor { check: cursor.check ^ 1, ..*cursor },
            Cursor { version: cursor.version + 1, ..*cursor },
            Cursor { version: cursor.version + 5, ..*cursor },
            Cursor { version: u64::MAX, ..*cursor },
            Cursor { epoch: Epoch(cursor.epoch.0 ^ 1), ..*cursor },
        ] {
            assert!(is_unknown(&feed.delta(&strange, true).await), "{strange}");
        }
    }
    feed.store().prune(Duration::ZERO).await.unwrap();
    for cursor in &cursors[..4] {
        assert!(is_unknown(&feed.delta(cursor, true).await), "{cursor} is below the floor");
    }
    assert!(feed.delta(&cursors[4], true).await.is_ok());
}

fn is_unknown<T>(answer: &Result<T, FeedError>) -> bool {
    matches!(answer, Err(FeedError::Gone(Gone::UnknownCursor)))
}

#[tokio::test]
async fn a_restored_database_is_noticed() {
    const TABLES: [&str; 4] = ["feed_head", "feed_version", "feed_entity", "feed_blob"];
    let database = OwnDatabase::new().await;
    let feed = database.feed(86_400).await;
    let mut published = feed.store().load().await.unwrap();
    published = commit(feed.store(), published, vec![put(program(1), "1")]).await;
    for table in TABLES {
        database.sql(&format!("CREATE TABLE backup_{table} AS SELECT * FROM {table}")).await;
    }
    published = commit(feed.store(), published, vec![put(program(2), "2")]).await;
    let lost = published.head.cursor(true);
    for table in TABLES {
        database.sql(&format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM backup_{table}")).await;
    }
    super::until("the old version is seen", || async { feed.head().version == 1 }).await;
    assert!(is_unknown(&feed.delta(&lost, true).await), "a future version");

    let other = database.store().await;
    let restored = other.load().await.unwrap();
    let restored = commit(&other, restored, vec![put(program(3), "3")]).await;
    assert_eq!(restored.head.version, lost.version);
    assert!(is_unknown(&feed.delta(&lost, true).await), "the same version, reached by another way");
    let late = feed.store().commit(published, vec![put(program(4), "4")], &FindingChanges::default()).await.unwrap();
    assert!(matches!(late, Commit::Lost), "a gateway that missed the restoration");
    assert_eq!(other.load().await.unwrap().head, restored.head);
}

#[tokio::test]
async fn a_large_delta_lies_in_a_file_and_holds_no_connection() {
    let database = OwnDatabase::new().await;
    let feed = database.feed(86_400).await;
    let reader = Mirror::fresh(&feed, true).await;
    let published = feed.store().load().await.unwrap();
    let text = "x".repeat(3000);
    let changes: Vec<_> = (1..4000).map(|nid| put(program(nid), format!(r#"{{"title":"{text}{nid}"}}"#))).collect();
    let expected: BTreeMap<_, _> = applied(State::new(), &changes);
    commit(feed.store(), published, changes).await;

    let mut answers = Vec::new();
    // More than the pool has connections.
    for _ in 0..20 {
        answers.push(feed.delta(&reader.cursor, true).await.unwrap());
    }
    for delta in answers {
        assert!(matches!(delta.body, Body::File(_)));
        let mut reader = reader.clone();
        reader.apply(&super::mirror::bytes(delta));
        assert_eq!(reader.state, expected);
    }
    let names: Vec<_> =
        std::fs::read_dir(database.directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["snapshots"], "the files have no names");
}
