//! Commits that are cut off: by a dropped future, a killed connection, a killed process.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use audiospread_protocol::{Cursor, Tree};
use audiospread_server::feed::{Commit, Feed, FindingChanges, Store};
use mysql_async::prelude::Queryable;
use rand::Rng;

use super::{OwnDatabase, commit, pool, program, put};
use crate::harness::Mariadb;

const SOCKET: &str = "AUDIOSPREAD_TEST_SOCKET";
const DATABASE: &str = "AUDIOSPREAD_TEST_DATABASE";
/// Entities of a large commit, of 4 kB each.
const MUCH: u32 = 40_000;

/// Not a test of its own: the process that the tests below start, and kill.
#[tokio::test]
#[ignore = "is started by other tests"]
async fn a_process_that_commits_without_end() {
    let store = store_of_the_environment().await;
    let mut published = store.load().await.unwrap();
    loop {
        let round = published.head.version.to_string();
        published = commit(&store, published, (0..1500).map(|nid| put(program(nid), &round)).collect()).await;
    }
}

/// Not a test of its own: prints the memory that a large commit and its snapshot took.
#[tokio::test]
#[ignore = "is started by other tests"]
async fn a_process_that_commits_much() {
    let store = store_of_the_environment().await;
    let text = "x".repeat(4000);
    let changes = (0..MUCH).map(|nid| put(program(nid), format!(r#"{{"title":"{nid}{text}"}}"#)));
    let published = store.load().await.unwrap();
    let done = store.commit(published, changes, &FindingChanges::default()).await.unwrap();
    assert!(matches!(done, Commit::Done(_)));
    drop(done);
    let empty = Cursor::new(store.head().await.unwrap().epoch, 0, &Tree::new().digest(true));
    let directory = tempfile::tempdir().unwrap();
    let data_dir = camino::Utf8Path::from_path(directory.path()).unwrap();
    let feed = Feed::start(store, data_dir, &audiospread_server::config::Feed::default()).await.unwrap();
    assert_eq!(feed.delta(&empty, true).await.unwrap().end.changes, u64::from(MUCH));
    super::until("the snapshot is made", || async { super::mirror::snapshot_version(&feed) == Some(1) }).await;
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    println!("\n{}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap());
}

async fn store_of_the_environment() -> Store {
    let [socket, database] = [SOCKET, DATABASE].map(|name| std::env::var(name).unwrap());
    Store::open(pool(&PathBuf::from(socket), &database)).await.unwrap()
}

fn process(test: &str, database: &OwnDatabase) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "--ignored", "--nocapture", &format!("feed::interruptions::{test}")]);
    command.env(SOCKET, Mariadb::shared().socket()).env(DATABASE, &database.name).stderr(Stdio::null());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_killed_at_any_moment_leaves_a_whole_version() {
    let database = OwnDatabase::new().await;
    let store = database.store().await;
    let mut version = 0;
    for _ in 0..6 {
        let mut process =
            process("a_process_that_commits_without_end", &database).stdout(Stdio::null()).spawn().unwrap();
        super::until("it commits", || async { store.head().await.unwrap().version > version }).await;
        let moment = rand::rng().random_range(0..200);
        tokio::time::sleep(Duration::from_millis(moment)).await;
        process.kill().unwrap();
        process.wait().unwrap();
        // Loading compares the digest of all that is there with the head's.
        let published = store.load().await.unwrap();
        assert!(published.head.version > version);
        version = published.head.version;
        assert_eq!(published.head.whole.count, 1500);
        let entities = store.entities(audiospread_protocol::Kind::Program, "", 2000).await.unwrap();
        assert!(entities.iter().all(|entity| entity.version == version), "all are of one version");
        version = commit(&store, published, vec![put(program(0), "\"the next gateway\"")]).await.head.version;
    }
}

#[tokio::test]
async fn commits_deltas_and_snapshots_take_memory_for_names_and_not_for_values() {
    let database = OwnDatabase::new().await;
    let output = process("a_process_that_commits_much", &database).output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let peak = output.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kilobytes < 80 * 1024, "160 MB of values took {kilobytes} kB");
    assert_eq!(database.store().await.load().await.unwrap().head.whole.count, u64::from(MUCH));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_is_dropped_or_loses_its_connection_leaves_no_trace_and_no_lock() {
    let database = OwnDatabase::new().await;
    let (store, other) = (database.store().await, database.store().await);
    let mut published = store.load().await.unwrap();
    for kill in [false, true] {
        let (go_on, wait) = mpsc::channel::<()>();
        let (arrived, arrival) = mpsc::channel::<()>();
        let changes = (0..1000).map(move |nid| {
            if nid == 900 {
                arrived.send(()).unwrap();
                tokio::task::block_in_place(|| wait.recv_timeout(Duration::from_secs(60))).unwrap();
            }
            put(program(nid), "\"half\"")
        });
        let committing = tokio::spawn({
            let (store, published) = (store.clone(), published.clone());
            async move { store.commit(published, changes, &FindingChanges::default()).await }
        });
        tokio::task::spawn_blocking(move || arrival.recv_timeout(Duration::from_secs(60)).unwrap()).await.unwrap();
        if kill {
            let mut root = database.connect().await;
            let open: Vec<u64> = root
                .query("SELECT trx_mysql_thread_id FROM information_schema.innodb_trx t JOIN information_schema.processlist p \
                        ON p.id = t.trx_mysql_thread_id WHERE p.db = DATABASE() AND t.trx_rows_modified > 0")
                .await
                .unwrap();
            assert_eq!(open.len(), 1);
            root.query_drop(format!("KILL CONNECTION {}", open[0])).await.unwrap();
            go_on.send(()).unwrap();
            assert!(committing.await.unwrap().is_err());
        } else {
            committing.abort();
            go_on.send(()).unwrap();
            assert!(committing.await.is_err());
        }
        assert_eq!(other.load().await.unwrap().head, published.head);
        let next = vec![put(program(1), format!("{kill}"))];
        let findings = FindingChanges::default();
        let outcome = tokio::time::timeout(Duration::from_secs(40), other.commit(published.clone(), next, &findings));
        let Ok(Ok(Commit::Done(done))) = outcome.await else { panic!("the head is still locked") };
        published = done;
    }
}
