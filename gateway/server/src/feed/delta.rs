//! The delta: what changed since a cursor, each entity once.

use std::io;

use audiospread_protocol::{Cursor, End, Line};
use camino::Utf8Path;
use futures_util::TryStreamExt;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row, from_row_opt};

use super::entity::change_from;
use super::head::{Head, digest_from};
use super::session::Session;
use super::spool::{Body, Spool};
use super::{FeedError, Gone, Store};

/// What changed since a cursor: the lines, finished, the last of them the end line.
#[derive(Debug)]
pub struct Delta {
    /// The lines.
    pub body: Body,
    /// The bytes of the lines.
    pub size: u64,
    /// What the last line says.
    pub end: End,
}

impl Delta {
    /// The delta of a reader who has everything.
    pub(super) fn nothing_new(head: &Head, subscribers: bool) -> Result<Self, FeedError> {
        let end = head.end(subscribers, 0);
        let mut line = Vec::new();
        Line::End(end.clone()).write_to(&mut line).map_err(in_memory)?;
        Ok(Self { size: line.len() as u64, body: Body::Memory(line), end })
    }
}

/// Reads the delta since `since` from one consistent view; one that grows beyond `limit` bytes is gone.
pub(super) async fn read_delta(
    store: &Store,
    since: &Cursor,
    subscribers: bool,
    limit: u64,
    directory: &Utf8Path,
) -> Result<Delta, FeedError> {
    let mut session = Session::reading(store.pool()).await?;
    let head = Head::read(session.conn()).await?;
    if !is_known(session.conn(), &head, since, subscribers).await? {
        return Err(Gone::UnknownCursor.into());
    }
    let only = if subscribers { "" } else { "AND kind <> 'subscriber'" };
    let select = format!(
        "SELECT version, kind, id, value, reason FROM feed_entity FORCE INDEX (changes) \
         WHERE version > ? {only} ORDER BY version, kind, id"
    );
    let mut spool = Spool::new(directory);
    let mut changes = 0;
    let mut rows = session.conn().exec_stream::<Row, _, _>(select, (since.version,)).await?;
    while let Some(row) = rows.try_next().await? {
        change_from(row)?.write_to(spool.buffer()).map_err(in_memory)?;
        changes += 1;
        if spool.len() > limit {
            return Err(Gone::LargerThanSnapshot.into());
        }
        spool.settle().await?;
    }
    drop(rows);
    session.commit().await?;
    let end = head.end(subscribers, changes);
    Line::End(end.clone()).write_to(spool.buffer()).map_err(in_memory)?;
    let size = spool.len();
    Ok(Delta { body: spool.finish().await?, size, end })
}

/// Whether a reader with this scope may stand at this cursor.
pub(super) async fn is_known(
    conn: &mut Conn,
    head: &Head,
    cursor: &Cursor,
    subscribers: bool,
) -> Result<bool, FeedError> {
    if cursor.epoch != head.epoch || !(head.floor..=head.version).contains(&cursor.version) {
        return Ok(false);
    }
    let row: Option<Row> =
        conn.exec_first("SELECT digest, digest_public FROM feed_version WHERE version = ?", (cursor.version,)).await?;
    let Some(row) = row else { return Ok(false) };
    let (whole, public) = from_row_opt::<(Vec<u8>, Vec<u8>)>(row).map_err(FeedError::damaged)?;
    let digest = digest_from(if subscribers { &whole } else { &public })?;
    Ok(*cursor == Cursor::new(head.epoch, cursor.version, &digest))
}

fn in_memory(error: io::Error) -> FeedError {
    FeedError::file("a line of the feed")(error)
}
