//! Keeping receipts: the last one of each phone server, and what of the earlier ones is still asked for.

use audiospread_protocol::{Cursor, Epoch, Receipt, Version};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row, Value, from_row_opt};

use super::undecodable;
use crate::feed::session::Session;
use crate::feed::{FeedError, Store, placeholders};

/// Rows of one statement.
const ROWS: usize = 250;

/// Where a phone server stood at its receipt before.
struct Former {
    epoch: Option<Epoch>,
    version: Version,
    receipts: u64,
}

/// Keeps what the phone server `name` says of itself, all or nothing. `subscribers` says whether its token may read those.
///
/// # Errors
/// If the database cannot be written; then nothing is kept.
pub async fn keep(store: &Store, name: &str, subscribers: bool, receipt: &Receipt) -> Result<(), FeedError> {
    let mut session = Session::writing(store.pool()).await?;
    let conn = session.conn();
    conn.exec_drop("INSERT IGNORE INTO phone_server (name) VALUES (?)", (name.as_bytes(),)).await?;
    let former = former(conn, name).await?;
    let now: i64 = conn.query_first("SELECT UNIX_TIMESTAMP()").await?.unwrap_or_default();
    let applied_at = match receipt.cursor {
        Some(cursor) => {
            applied_at(conn, cursor, receipt.applied_at.map_or(now, jiff::Timestamp::as_second), now).await?
        }
        None => 0,
    };
    move_history(conn, name, &former, receipt.cursor, applied_at).await?;
    let number = former.receipts + 1;
    let is_listed = receipt.waiting.len() == receipt.waiting_count as usize;
    let row: Vec<Value> = vec![
        receipt.software.as_str().into(),
        receipt.cursor.map(|cursor| cursor.epoch.0).into(),
        receipt.version().into(),
        applied_at.into(),
        now.into(),
        receipt.backlog.into(),
        receipt.calls_backlog.into(),
        receipt.message.as_str().into(),
        receipt.waiting_count.into(),
        is_listed.into(),
        subscribers.into(),
        number.into(),
        name.as_bytes().into(),
    ];
    conn.exec_drop(
        "UPDATE phone_server SET software = ?, epoch = ?, version = ?, applied_at = ?, seen_at = ?, backlog = ?, calls_backlog = ?, \
         message = ?, waiting = ?, listed = ?, subscribers = ?, receipts = ? WHERE name = ?",
        row,
    )
    .await?;
    write_waiting(conn, name, receipt, now, number).await?;
    if is_listed {
        conn.exec_drop(
            "UPDATE phone_server_entity SET state = 'shown', why = '', since = ? WHERE server = ? AND receipt < ? AND state <> 'shown'",
            (now, name.as_bytes(), number),
        )
        .await?;
    }
    let findings = undecodable::findings(conn, name, receipt).await?;
    session.commit().await?;
    store.update_findings(&findings).await
}

async fn former(conn: &mut Conn, name: &str) -> Result<Former, FeedError> {
    let row: Option<Row> = conn
        .exec_first("SELECT epoch, version, receipts FROM phone_server WHERE name = ? FOR UPDATE", (name.as_bytes(),))
        .await?;
    let row = row.ok_or_else(|| FeedError::damaged("a phone server vanished while it reported"))?;
    let (epoch, version, receipts) = from_row_opt::<(Option<u64>, u64, u64)>(row).map_err(FeedError::damaged)?;
    Ok(Former { epoch: epoch.map(Epoch), version, receipts })
}

/// When a version was taken over: what the phone server says, as far as that can be. Small computers without a clock of their own begin in
/// 1970 when the power comes back.
async fn applied_at(conn: &mut Conn, cursor: Cursor, said: i64, now: i64) -> Result<i64, FeedError> {
    let committed: Option<i64> = conn
        .exec_first(
            "SELECT v.committed_at FROM feed_version v JOIN feed_head h ON h.epoch = ? WHERE v.version = ?",
            (cursor.epoch.0, cursor.version),
        )
        .await?;
    Ok(said.max(committed.unwrap_or(said)).min(now))
}

/// Notes a version that is new there; what was noted of another feed, or of versions that were undone, is of no use any more.
async fn move_history(
    conn: &mut Conn,
    name: &str,
    former: &Former,
    cursor: Option<Cursor>,
    applied_at: i64,
) -> Result<(), FeedError> {
    let is_same_feed = former.epoch == cursor.map(|cursor| cursor.epoch);
    if !is_same_feed {
        for delete in
            ["DELETE FROM phone_server_version WHERE server = ?", "DELETE FROM phone_server_entity WHERE server = ?"]
        {
            conn.exec_drop(delete, (name.as_bytes(),)).await?;
        }
    }
    let Some(version) = cursor.map(|cursor| cursor.version) else { return Ok(()) };
    if is_same_feed && version == former.version {
        return Ok(());
    }
    conn.exec_drop("DELETE FROM phone_server_version WHERE server = ? AND version >= ?", (name.as_bytes(), version))
        .await?;
    conn.exec_drop(
        "INSERT INTO phone_server_version (server, version, applied_at) VALUES (?, ?, ?)",
        (name.as_bytes(), version, applied_at),
    )
    .await?;
    Ok(())
}

/// Notes what waits; since when something stands as it does stays.
async fn write_waiting(conn: &mut Conn, name: &str, receipt: &Receipt, now: i64, number: u64) -> Result<(), FeedError> {
    for entities in receipt.waiting.chunks(ROWS) {
        let insert = format!(
            "INSERT INTO phone_server_entity (server, kind, id, state, why, since, receipt) VALUES {} ON DUPLICATE KEY UPDATE \
             since = IF(state = VALUES(state), since, VALUES(since)), state = VALUES(state), why = VALUES(why), \
             receipt = VALUES(receipt)",
            placeholders("(?,?,?,?,?,?,?)", entities.len())
        );
        let row = |entity: &audiospread_protocol::WaitingEntity| -> [Value; 7] {
            [
                name.as_bytes().into(),
                entity.kind.as_str().into(),
                entity.id.as_bytes().into(),
                entity.state.as_str().into(),
                entity.why.as_str().into(),
                now.into(),
                number.into(),
            ]
        };
        conn.exec_drop(insert, entities.iter().flat_map(row).collect::<Vec<_>>()).await?;
    }
    Ok(())
}
