//! The rows that say where the sounds of recordings are, in the gateway's own database.

use std::collections::HashMap;

use mysql_async::prelude::Queryable;
use mysql_async::{Row, from_row_opt};
use uuid::Uuid;

use super::Part;
use super::rows::name;
use super::spot::StoredIn;
use crate::feed::{FeedError, Store};

/// Where a part was put, and the SHA-1 of its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noted {
    pub(super) store: StoredIn,
    pub(super) sha1: [u8; 20],
}

/// Notes where a part was put, and that the gateway has a copy.
pub(super) async fn note(store: &Store, uuid: Uuid, part: Part, noted: Noted) -> Result<(), FeedError> {
    let insert = "INSERT INTO recording_part (uuid, part, sha1, store, kept) VALUES (?, ?, ?, ?, 1) \
                  ON DUPLICATE KEY UPDATE sha1 = VALUES(sha1), store = VALUES(store)";
    let values = (uuid.as_bytes().as_slice(), part.as_str(), noted.sha1.as_slice(), noted.store.as_str());
    Ok(store.connection().await?.exec_drop(insert, values).await?)
}

/// What is noted of the parts of these recordings.
pub(super) async fn of(store: &Store, uuids: &[Uuid]) -> Result<HashMap<(Uuid, Part), Noted>, FeedError> {
    if uuids.is_empty() {
        return Ok(HashMap::new());
    }
    let marks = vec!["?"; uuids.len()].join(",");
    let query = format!("SELECT uuid, part, sha1, store FROM recording_part WHERE uuid IN ({marks})");
    let uuids: Vec<mysql_async::Value> = uuids.iter().map(|uuid| uuid.as_bytes().as_slice().into()).collect();
    let rows: Vec<Row> = store.connection().await?.exec(query, uuids).await?;
    rows.into_iter().map(noted).collect()
}

fn noted(row: Row) -> Result<((Uuid, Part), Noted), FeedError> {
    let (uuid, part, sha1, store) =
        from_row_opt::<(Vec<u8>, String, Vec<u8>, String)>(row).map_err(FeedError::damaged)?;
    let part = if part == "title" { Part::Title } else { Part::Body };
    let store = StoredIn::named(&store).ok_or_else(|| FeedError::damaged("a recording is in a strange place"))?;
    let sha1 = sha1.try_into().map_err(|_| FeedError::damaged("a SHA-1 has not 20 bytes"))?;
    Ok(((name(&uuid)?, part), Noted { store, sha1 }))
}

/// The gateway has no copy any more.
pub(super) async fn let_go(store: &Store, uuid: Uuid) -> Result<(), FeedError> {
    let update = "UPDATE recording_part SET kept = 0 WHERE uuid = ?";
    Ok(store.connection().await?.exec_drop(update, (uuid.as_bytes().as_slice(),)).await?)
}

/// Drupal has the recording's node, and nobody has put other sounds in the place of its own.
pub(super) async fn is_there(store: &Store, uuid: Uuid) -> Result<(), FeedError> {
    let update = "UPDATE recording_part SET gone_since = NULL WHERE uuid = ? AND gone_since IS NOT NULL";
    Ok(store.connection().await?.exec_drop(update, (uuid.as_bytes().as_slice(),)).await?)
}

/// The recording's node is not there, or has other sounds now: for how many seconds that has been so.
pub(super) async fn is_gone(store: &Store, uuid: Uuid) -> Result<i64, FeedError> {
    let mut connection = store.connection().await?;
    let uuid = uuid.as_bytes().as_slice();
    connection
        .exec_drop(
            "UPDATE recording_part SET gone_since = COALESCE(gone_since, UNIX_TIMESTAMP()) WHERE uuid = ?",
            (uuid,),
        )
        .await?;
    let query = "SELECT COALESCE(UNIX_TIMESTAMP() - MAX(gone_since), 0) FROM recording_part WHERE uuid = ?";
    let row: Option<Row> = connection.exec_first(query, (uuid,)).await?;
    row.map_or(Ok(0), |row| from_row_opt::<(i64,)>(row).map(|(seconds,)| seconds).map_err(FeedError::damaged))
}
