//! The feed in a real database: versions, cursors, snapshots, and what becomes of them when things go wrong.

mod commits;
mod deltas;
mod findings;
mod interruptions;
mod migrations;
pub(crate) mod mirror;
mod snapshots;
mod waiting;

use std::future::Future;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use audiospread_protocol::{EntityKey, Kind, Operation};
use audiospread_server::config;
use audiospread_server::database::{Pool, own_pool};
use audiospread_server::feed::{Commit, Feed, FindingChanges, Published, Store};
use camino::{Utf8Path, Utf8PathBuf};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder};
use tempfile::TempDir;

use crate::harness::Mariadb;

/// A gateway's own database, empty at first, and a directory for its files.
struct OwnDatabase {
    name: String,
    directory: TempDir,
}

impl OwnDatabase {
    async fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("feed_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut root = Mariadb::shared().connect(None).await;
        root.query_drop(format!("CREATE DATABASE {name}")).await.unwrap();
        root.disconnect().await.unwrap();
        Self { name, directory: tempfile::tempdir().unwrap() }
    }

    fn pool(&self) -> Pool {
        pool(&Mariadb::shared().socket(), &self.name)
    }

    /// A store as another gateway has it: nothing is shared but the database.
    async fn store(&self) -> Store {
        Store::open(self.pool()).await.unwrap()
    }

    async fn connect(&self) -> Conn {
        Mariadb::shared().connect(Some(&self.name)).await
    }

    async fn sql(&self, statements: &str) {
        let mut conn = self.connect().await;
        conn.query_drop(statements).await.unwrap();
        conn.disconnect().await.unwrap();
    }

    fn data_dir(&self) -> Utf8PathBuf {
        Utf8Path::from_path(self.directory.path()).unwrap().to_owned()
    }

    /// A feed with its first snapshot, and so soon no other where `snapshot_seconds` are many.
    async fn feed(&self, snapshot_seconds: u64) -> Feed {
        let config = config::Feed { snapshot_seconds, ..config::Feed::default() };
        let feed = Feed::start(self.store().await, &self.data_dir(), &config).await.unwrap();
        until("the first snapshot is made", || async { mirror::snapshot_version(&feed).is_some() }).await;
        feed
    }
}

fn pool(socket: &Path, database: &str) -> Pool {
    let opts: Opts = OptsBuilder::default().socket(socket.to_str()).user(Some("root")).db_name(Some(database)).into();
    own_pool(opts, 8).unwrap()
}

fn program(nid: u32) -> EntityKey {
    EntityKey::numbered(Kind::Program, nid)
}

fn subscriber(nid: u32) -> EntityKey {
    EntityKey::numbered(Kind::Subscriber, nid)
}

fn put(key: EntityKey, value: impl AsRef<str>) -> (EntityKey, Operation) {
    (key, Operation::Put(value.as_ref().as_bytes().into()))
}

/// Commits what cannot be lost, since nobody else does.
async fn commit(store: &Store, published: Published, changes: Vec<(EntityKey, Operation)>) -> Published {
    match store.commit(published, changes, &FindingChanges::default()).await.unwrap() {
        Commit::Done(published) => published,
        Commit::Lost => panic!("the commit is lost"),
    }
}

/// Waits until a condition holds.
async fn until<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let patience = Instant::now() + Duration::from_secs(60);
    while !condition().await {
        assert!(Instant::now() < patience, "it never came about that {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
