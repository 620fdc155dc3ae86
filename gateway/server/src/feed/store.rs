//! The feed in the gateway's own database: opening and reading it.

use std::collections::BTreeMap;
use std::sync::Arc;

use audiospread_protocol::{Cursor, DeleteReason, EntityKey, Epoch, Sha256Digest, Subscriber, Tree};
use futures_util::TryStreamExt;
use mysql_async::Row;
use mysql_async::prelude::Queryable;
use tokio::sync::{Mutex, watch};

use super::FeedError;
use super::delta::is_known;
use super::entity::outline_from;
use super::head::{Head, State};
use super::session::Session;
use crate::database::{Connection, Pool};
use crate::migrations::migrate;

/// The least `max_allowed_packet` of the gateway's own database, in bytes: what the oldest servers have by themselves. Every statement of the
/// gateway's is smaller.
const LEAST_PACKET: u64 = 1 << 20;

/// The feed in the gateway's own database. Clones are the same store.
#[derive(Clone, Debug)]
pub struct Store {
    pool: Pool,
    watched: Arc<Watched>,
}

/// The head as this process last saw it.
#[derive(Debug)]
struct Watched {
    head: watch::Sender<Head>,
    /// Held from reading a head to announcing it, so that an older reading never covers a newer commit.
    announcing: Mutex<()>,
}

/// What is published: the head, the leaf of each entity, and the tombstones.
#[derive(Clone, Debug)]
pub struct Published {
    /// Where the feed stands.
    pub head: Head,
    /// The leaves of its entities.
    pub tree: Tree,
    /// Why the entities are gone that it once had, as far as that is still told.
    pub gone: BTreeMap<EntityKey, DeleteReason>,
}

impl Store {
    /// Opens the feed: migrates the database, and begins a feed with a new epoch where there is none.
    ///
    /// # Errors
    /// If the database cannot be reached, migrated or read, or takes only packets that are too small.
    pub async fn open(pool: Pool) -> Result<Self, FeedError> {
        let packet: Option<u64> = pool.get().await?.query_first("SELECT @@max_allowed_packet").await?;
        if let Some(packet) = packet.filter(|packet| *packet < LEAST_PACKET) {
            return Err(FeedError::SmallPackets(packet));
        }
        migrate(&pool).await?;
        begin_feed(&pool).await?;
        let head = Head::read(&mut *pool.get().await?).await?;
        Ok(Self { pool, watched: Arc::new(Watched { head: watch::Sender::new(head), announcing: Mutex::new(()) }) })
    }

    /// Where the feed stands, asked of the database.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn head(&self) -> Result<Head, FeedError> {
        let _announcing = self.watched.announcing.lock().await;
        let head = Head::read(&mut *self.connection().await?).await?;
        self.watched.head.send_if_modified(|known| std::mem::replace(known, head.clone()) != head);
        Ok(head)
    }

    /// What is published, and proof that the database still holds what was committed to it.
    ///
    /// # Errors
    /// If the database cannot be read, or its entities do not have the digest of its head.
    pub async fn load(&self) -> Result<Published, FeedError> {
        let mut session = Session::reading(&self.pool).await?;
        let head = Head::read(session.conn()).await?;
        let (mut tree, mut gone) = (Tree::new(), BTreeMap::new());
        let mut rows = session
            .conn()
            .exec_stream::<Row, _, _>(
                "SELECT kind, id, leaf, reason FROM feed_entity WHERE value IS NOT NULL OR version > ?",
                (head.floor,),
            )
            .await?;
        while let Some(row) = rows.try_next().await? {
            match outline_from(row)? {
                (key, Ok(leaf)) => drop(tree.insert(key, leaf)),
                (key, Err(reason)) => drop(gone.insert(key, reason)),
            }
        }
        drop(rows);
        session.commit().await?;
        let (tree, whole, public) = digests_of(tree).await?;
        if (whole, public) != (head.whole, head.public) {
            return Err(FeedError::damaged("its entities do not have the digest of its head"));
        }
        Ok(Published { head, tree, gone })
    }

    /// Whether a version from the floor on names this blob.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn names_blob(&self, blob: &Sha256Digest) -> Result<bool, FeedError> {
        let named: Option<u8> = self
            .connection()
            .await?
            .exec_first(
                "SELECT 1 FROM feed_blob WHERE sha256 = ? AND \
                 (last_version IS NULL OR last_version >= (SELECT floor_version FROM feed_head WHERE id = 1)) LIMIT 1",
                (&blob.0[..],),
            )
            .await?;
        Ok(named.is_some())
    }

    /// The subscribers' numbers, and whose they are now.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn subscribers(&self) -> Result<BTreeMap<String, u32>, FeedError> {
        let query = "SELECT id, value FROM feed_entity WHERE kind = 'subscriber' AND value IS NOT NULL";
        let rows: Vec<Row> = self.connection().await?.exec(query, ()).await?;
        let mut numbers = BTreeMap::new();
        for row in rows {
            let (id, value) = mysql_async::from_row_opt::<(String, Vec<u8>)>(row).map_err(FeedError::damaged)?;
            let nid: u32 = id.parse().map_err(FeedError::damaged)?;
            let subscriber: Subscriber = serde_json::from_slice(&value).map_err(FeedError::damaged)?;
            numbers.extend(subscriber.numbers.into_iter().map(|number| (number.to_string(), nid)));
        }
        Ok(numbers)
    }

    /// Whether readers with or without the scope `subscribers` may stand at this cursor.
    pub(super) async fn knows(&self, cursor: &Cursor, subscribers: bool) -> Result<bool, FeedError> {
        let mut session = Session::reading(&self.pool).await?;
        let head = Head::read(session.conn()).await?;
        let known = is_known(session.conn(), &head, cursor, subscribers).await?;
        session.commit().await?;
        Ok(known)
    }

    /// The head as this process last saw it, and its changes.
    pub(super) fn watch(&self) -> watch::Receiver<Head> {
        self.watched.head.subscribe()
    }

    /// Tells those who wait that this process committed `head`, unless a later one was seen meanwhile.
    pub(super) async fn announce(&self, head: &Head) {
        let _announcing = self.watched.announcing.lock().await;
        self.watched.head.send_if_modified(|known| {
            let is_later = known.epoch != head.epoch || known.version < head.version;
            if is_later {
                known.clone_from(head);
            }
            is_later
        });
    }

    pub(crate) const fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(crate) async fn connection(&self) -> Result<Connection, FeedError> {
        Ok(self.pool.get().await?)
    }
}

/// Makes the empty feed, version 0, unless there is a feed.
async fn begin_feed(pool: &Pool) -> Result<(), FeedError> {
    let empty = Tree::new().digest(true);
    let mut session = Session::writing(pool).await?;
    let conn = session.conn();
    conn.exec_drop(
        "INSERT IGNORE INTO feed_head (id, epoch, version, floor_version, digest, digest_public, entities, entities_public, committed_at) \
         VALUES (1, ?, 0, 0, ?, ?, 0, 0, UNIX_TIMESTAMP())",
        (Epoch(rand::random()).0, &empty.0[..], &empty.0[..]),
    )
    .await?;
    if conn.affected_rows() > 0 {
        conn.exec_drop(
            "INSERT INTO feed_version (version, digest, digest_public, committed_at) VALUES (0, ?, ?, UNIX_TIMESTAMP())",
            (&empty.0[..], &empty.0[..]),
        )
        .await?;
    }
    session.commit().await?;
    Ok(())
}

/// The digests and counts of a tree; the hashing is no work for a thread that serves others.
pub(super) async fn digests_of(mut tree: Tree) -> Result<(Tree, State, State), FeedError> {
    tokio::task::spawn_blocking(move || {
        let [whole, public] = [true, false]
            .map(|subscribers| State { digest: tree.digest(subscribers), count: tree.len(subscribers) as u64 });
        (tree, whole, public)
    })
    .await
    .map_err(|_| FeedError::ShuttingDown)
}
