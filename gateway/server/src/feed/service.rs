//! The feed as its readers and its writer share it: the watched head, snapshots, deltas, waiting.

use std::sync::Arc;
use std::time::Duration;

use audiospread_protocol::Cursor;
use camino::{Utf8Path, Utf8PathBuf};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::delta::{Delta, read_delta};
use super::snapshot::{Encoding, Shelf, Snapshot, keep_fresh};
use super::{FeedError, Head, Store};
use crate::config;

/// How often the head is asked for: what another gateway commits is seen after this long.
const POLL: Duration = Duration::from_secs(1);
/// How long a question for the head may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often what is old is forgotten.
const PRUNE: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// The feed of a running gateway. Its background tasks end when it is dropped.
#[derive(Debug)]
pub struct Feed {
    store: Store,
    heads: watch::Receiver<Head>,
    shelf: Arc<Shelf>,
    directory: Utf8PathBuf,
    _tasks: JoinSet<()>,
}

impl Feed {
    /// Begins to watch the head, to make snapshots in `data_dir/snapshots`, and to forget what is older than configured.
    ///
    /// # Errors
    /// If the directory cannot be used or the database not be read.
    pub async fn start(store: Store, data_dir: &Utf8Path, config: &config::Feed) -> Result<Self, FeedError> {
        let shelf = Arc::new(Shelf::open(data_dir.join("snapshots"), &store).await?);
        let mut tasks = JoinSet::new();
        tasks.spawn(poll(store.clone()));
        tasks.spawn(keep_fresh(store.clone(), shelf.clone(), Duration::from_secs(config.snapshot_seconds)));
        tasks.spawn(forget(store.clone(), DAY * config.keep_days));
        Ok(Self { heads: store.watch(), store, shelf, directory: data_dir.to_owned(), _tasks: tasks })
    }

    /// The database behind it.
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Follows where the feed stands.
    pub fn heads(&self) -> watch::Receiver<Head> {
        self.heads.clone()
    }

    /// Where the feed stands, as last seen: at most about a second ago.
    pub fn head(&self) -> Head {
        self.heads.borrow().clone()
    }

    /// What changed since a cursor, for readers with or without the scope `subscribers`. No connection is held when it returns.
    ///
    /// # Errors
    /// [`FeedError::Gone`] for a cursor that the feed does not know, and where a snapshot newer than the cursor is smaller than the delta;
    /// and if the database cannot be read.
    pub async fn delta(&self, since: &Cursor, subscribers: bool) -> Result<Delta, FeedError> {
        let head = self.head();
        if *since == head.cursor(subscribers) {
            return Delta::nothing_new(&head, subscribers);
        }
        let limit = self.shelf.plain_size_above(since.version, &head, subscribers).unwrap_or(u64::MAX);
        read_delta(&self.store, since, subscribers, limit, &self.directory).await
    }

    /// The last snapshot, for readers with or without the scope `subscribers`.
    ///
    /// # Errors
    /// [`FeedError::SnapshotPending`] until the first is made; and if its file cannot be opened.
    pub fn snapshot(&self, subscribers: bool, encoding: Encoding) -> Result<Snapshot, FeedError> {
        self.shelf.snapshot(&self.head(), subscribers, encoding)
    }

    /// A snapshot that was begun, by its entity tag (quotes included), also when there is a newer one; `None` where it is not kept, and the
    /// last one has to be taken.
    pub fn begun_snapshot(&self, subscribers: bool, encoding: Encoding, etag: &str) -> Option<Snapshot> {
        self.shelf.begun(&self.head(), subscribers, encoding, etag)
    }

    /// Waits until the feed stands elsewhere than `since`, for at most `patience`; true if it does.
    pub async fn wait_for_change(&self, since: &Cursor, patience: Duration) -> bool {
        let mut heads = self.heads.clone();
        let elsewhere = heads.wait_for(|head| (head.epoch, head.version) != (since.epoch, since.version));
        matches!(timeout(patience, elsewhere).await, Ok(Ok(_)))
    }
}

/// Asks for the head again and again; this is the only task of a gateway that does.
async fn poll(store: Store) {
    let mut ticks = interval(POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut away = false;
    loop {
        ticks.tick().await;
        let silence = "the gateway's database does not answer".to_owned();
        let seen = timeout(PATIENCE, store.head()).await.map_err(|_| silence);
        match seen.and_then(|head| head.map_err(|error| error.to_string())) {
            Ok(_) if away => {
                away = false;
                tracing::info!("feed.database.back");
            }
            Err(error) if !away => {
                away = true;
                tracing::warn!(%error, "feed.database.away");
            }
            _ => {}
        }
    }
}

async fn forget(store: Store, keep: Duration) {
    let mut ticks = interval(PRUNE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = store.prune(keep).await {
            tracing::warn!(%error, "feed.prune.failed");
        }
    }
}
