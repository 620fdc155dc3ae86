//! How phone servers stand: what they last said, and how far behind the feed that is.

use audiospread_protocol::{Epoch, Version};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row, from_row_opt};

use crate::feed::{FeedError, Head, Store};

/// A phone server, as it last reported. Moments are Unix seconds by the clock of the gateway's database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneServer {
    /// The name of its token.
    pub name: String,
    /// The version of its software.
    pub software: String,
    /// The version of this feed that it has taken over; 0: none.
    pub version: Version,
    /// When it took that over; 0: it has none.
    pub applied_at: i64,
    /// When it last reported.
    pub seen_at: i64,
    /// How many seconds ago that was.
    pub silent_seconds: i64,
    /// How many versions it has yet to take over.
    pub behind: u64,
    /// For how many seconds it has not had the last version; 0: it has it.
    pub lag_seconds: i64,
    /// How many recordings wait there.
    pub backlog: u32,
    /// How many call records wait there.
    pub calls_backlog: u32,
    /// How many entities callers do not get in their last state.
    pub waiting: u32,
    /// Its last error; empty if all is well.
    pub message: String,
    /// Whether its last receipt named all that waits.
    pub(super) lists_all: bool,
    /// Whether its token may read subscribers.
    pub(super) reads_subscribers: bool,
}

/// All phone servers that have ever reported, by their names.
///
/// # Errors
/// If the database cannot be read.
pub async fn all(store: &Store) -> Result<Vec<PhoneServer>, FeedError> {
    let head = store.head().await?;
    let mut conn = store.connection().await?;
    let rows: Vec<Row> = conn
        .query(
            "SELECT name, software, epoch, version, applied_at, seen_at, backlog, calls_backlog, message, waiting, listed, subscribers \
             FROM phone_server ORDER BY name",
        )
        .await?;
    let now: i64 = conn.query_first("SELECT UNIX_TIMESTAMP()").await?.unwrap_or_default();
    let mut servers = rows.into_iter().map(|row| server_from(row, &head, now)).collect::<Result<Vec<_>, _>>()?;
    for server in servers.iter_mut().filter(|server| server.behind > 0) {
        server.lag_seconds = lag(&mut conn, server.version, now).await?;
    }
    Ok(servers)
}

fn server_from(row: Row, head: &Head, now: i64) -> Result<PhoneServer, FeedError> {
    let (
        name,
        software,
        epoch,
        version,
        applied_at,
        seen_at,
        backlog,
        calls_backlog,
        message,
        waiting,
        lists_all,
        reads_subscribers,
    ) = from_row_opt::<(Vec<u8>, String, Option<u64>, u64, i64, i64, u32, u32, String, u32, bool, bool)>(row)
        .map_err(FeedError::damaged)?;
    // Of a feed that was begun anew, or restored from before that version, it has nothing.
    let is_of_this_feed = epoch.map(Epoch) == Some(head.epoch) && version <= head.version;
    let (version, applied_at) = if is_of_this_feed { (version, applied_at) } else { (0, 0) };
    Ok(PhoneServer {
        name: String::from_utf8(name).map_err(FeedError::damaged)?,
        software,
        version,
        applied_at,
        seen_at,
        silent_seconds: now.saturating_sub(seen_at).max(0),
        behind: head.version - version,
        lag_seconds: 0,
        backlog,
        calls_backlog,
        waiting,
        message,
        lists_all,
        reads_subscribers,
    })
}

/// Since when there has been a version after `version`, in seconds; at least 1, since 0 says that there is none.
async fn lag(conn: &mut Conn, version: Version, now: i64) -> Result<i64, FeedError> {
    let next: Option<i64> = conn
        .exec_first("SELECT committed_at FROM feed_version WHERE version > ? ORDER BY version LIMIT 1", (version,))
        .await?;
    Ok(next.map_or(0, |committed_at| now.saturating_sub(committed_at)).max(1))
}
