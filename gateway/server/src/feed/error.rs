//! What can go wrong with the feed.

use std::io;

use camino::Utf8PathBuf;

use audiospread_protocol::EntityKey;

use crate::database::PoolError;
use crate::migrations::MigrationError;

/// Why the feed cannot do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The database's schema cannot be used.
    #[error(transparent)]
    Migration(#[from] MigrationError),
    /// No connection to the gateway's database.
    #[error("{}", crate::database::own_is_away(.0))]
    Pool(#[from] PoolError),
    /// The gateway's database refused a statement, or went away in its middle.
    #[error("the gateway's database failed: {0}")]
    Database(#[from] mysql_async::Error),
    /// The gateway's database takes only small packets.
    #[error(
        "the gateway's database takes packets of {0} bytes at most: set max_allowed_packet to 1M or more in the configuration of its server, and \
         start that again"
    )]
    SmallPackets(u64),
    /// The gateway's database holds what the gateway never writes.
    #[error(
        "the gateway's database is damaged ({0}): give the gateway an empty one, which it fills again from Drupal; \
         phone servers take a snapshot by themselves"
    )]
    Damaged(String),
    /// A value that cannot stand on a line of the feed.
    #[error("the value of {0} is not one JSON value on one line")]
    Value(EntityKey),
    /// The reader must take a snapshot.
    #[error(transparent)]
    Gone(#[from] Gone),
    /// No snapshot is ready yet.
    #[error("the first snapshot is being made: ask again in a few seconds")]
    SnapshotPending,
    /// A file of the gateway's own cannot be read or written.
    #[error("cannot use {path}: {source}")]
    File {
        /// The file or directory.
        path: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The gateway ends, and with it what was under way.
    #[error("the gateway is shutting down")]
    ShuttingDown,
}

/// Why there is no delta from a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Gone {
    /// Another feed, a version that is forgotten or never was, or another state than this version's.
    #[error("the feed does not know this cursor: take a snapshot, which is the answer without `since`")]
    UnknownCursor,
    /// More changed than there is.
    #[error(
        "more has changed since this cursor than a snapshot holds: take a snapshot, which is the answer without `since`"
    )]
    LargerThanSnapshot,
}

impl FeedError {
    pub(super) fn file(path: impl Into<Utf8PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }

    pub(crate) fn damaged(what: impl std::fmt::Display) -> Self {
        Self::Damaged(what.to_string())
    }
}
