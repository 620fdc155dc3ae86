//! Keeping call records: each once, by the identity of its `calls.db` and its id there.

use audiospread_protocol::Plan;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row, Value, from_row_opt};
use uuid::Uuid;

use super::Record;
use crate::catalogue::{Finding, Severity, Subject, codes};
use crate::feed::session::Session;
use crate::feed::{FeedError, FindingChanges, Store};

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is new.
    New,
    /// It was there.
    Known,
    /// There is another one of its name; that one stays.
    Conflict,
}

/// Keeps the records of one `calls.db` that the phone server `server` sent, all or none, and says what became of each.
///
/// # Errors
/// If the database cannot be written; then nothing is kept.
pub async fn keep(store: &Store, server: &str, source: Uuid, records: &[Record]) -> Result<Vec<Kept>, FeedError> {
    let mut session = Session::writing(store.pool()).await?;
    let mut kept = Vec::with_capacity(records.len());
    for record in records {
        kept.push(keep_one(session.conn(), server, source, record).await?);
    }
    session.commit().await?;
    let conflict = records.iter().zip(&kept).find(|(_, kept)| **kept == Kept::Conflict);
    if let Some((record, _)) = conflict {
        store.update_findings(&finding(server, source, record.call.id)).await?;
    }
    Ok(kept)
}

async fn keep_one(conn: &mut Conn, server: &str, source: Uuid, record: &Record) -> Result<Kept, FeedError> {
    let call = &record.call;
    let plan = match call.plan {
        Plan::Premium => "premium",
        Plan::Standard => "standard",
    };
    let row: Vec<Value> = vec![
        source.as_bytes().as_slice().into(),
        call.id.into(),
        record.content.0.as_slice().into(),
        server.as_bytes().into(),
        call.call_id.as_bytes().into(),
        call.caller.as_ref().map(ToString::to_string).into(),
        call.direction.as_str().into(),
        plan.into(),
        record.month.number().into(),
        call.started_at.as_second().into(),
        call.answered_at.map(jiff::Timestamp::as_second).into(),
        call.ended_at.as_second().into(),
        call.billable_seconds.into(),
        call.disposition.as_str().into(),
    ];
    conn.exec_drop(
        "INSERT INTO call_record (source, id, content, server, call_id, caller, direction, plan, month, started_at, answered_at, ended_at, \
         billable_seconds, disposition, received_at) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,UNIX_TIMESTAMP()) \
         ON DUPLICATE KEY UPDATE id = id",
        row,
    )
    .await?;
    if conn.affected_rows() == 0 {
        return known(conn, source, record).await;
    }
    for (position, (part, program)) in (0_u32..).zip(call.listened.iter().zip(&record.programs)) {
        conn.exec_drop(
            "INSERT INTO call_listened (source, id, position, month, program, from_ms, to_ms) VALUES (?,?,?,?,?,?,?)",
            (
                source.as_bytes().as_slice(),
                call.id,
                position,
                record.month.number(),
                *program,
                part.from_ms,
                part.to_ms,
            ),
        )
        .await?;
    }
    Ok(Kept::New)
}

/// Whether the record that is there is this one. Where its number was dropped nobody can tell any more.
async fn known(conn: &mut Conn, source: Uuid, record: &Record) -> Result<Kept, FeedError> {
    let row: Option<Row> = conn
        .exec_first(
            "SELECT content FROM call_record WHERE source = ? AND id = ?",
            (source.as_bytes().as_slice(), record.call.id),
        )
        .await?;
    let content: Option<Vec<u8>> = match row {
        Some(row) => from_row_opt::<(Option<Vec<u8>>,)>(row).map_err(FeedError::damaged)?.0,
        None => None,
    };
    let is_this = content.is_none_or(|content| content == record.content.0);
    Ok(if is_this { Kept::Known } else { Kept::Conflict })
}

/// One finding a `calls.db`, however many of its records differ.
fn finding(server: &str, source: Uuid, id: i64) -> FindingChanges {
    let message = format!(
        "The phone server {server} sent two different call records under one number ({source}, {id}); the first one counts. Was its calls.db \
         restored from a backup? Then begin a new one."
    );
    let finding = Finding::new(codes::CALL_CONFLICT, Severity::Warning, Subject::Site, message);
    FindingChanges::from([(format!("!calls {source}"), vec![finding])])
}
