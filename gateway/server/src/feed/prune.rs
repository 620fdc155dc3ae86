//! Forgetting: cursors, tombstones and blobs that only readers from long ago would ask for.

use std::time::Duration;

use audiospread_protocol::Version;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row, from_row_opt};

use super::batch::{by_kind, placeholders};
use super::head::Head;
use super::{FeedError, Store};

/// Rows deleted by one statement: their locks are short.
const AT_ONCE: u32 = 500;

impl Store {
    /// Forgets what is older than `keep`: cursors, tombstones, and blobs that no version named since. The last version stays.
    ///
    /// # Errors
    /// If the database cannot be changed; what was forgotten so far stays forgotten, and the rest is for the next time.
    pub async fn prune(&self, keep: Duration) -> Result<(), FeedError> {
        let mut conn = self.connection().await?;
        let floor: Option<Option<Version>> = conn
            .exec_first(
                "SELECT MAX(version) FROM feed_version WHERE committed_at <= CAST(UNIX_TIMESTAMP() AS SIGNED) - CAST(? AS SIGNED)",
                (keep.as_secs(),),
            )
            .await?;
        // The floor first: what lies below it is read by nobody, and may then go in pieces.
        conn.exec_drop(
            "UPDATE feed_head SET floor_version = GREATEST(floor_version, ?) WHERE id = 1",
            (floor.flatten().unwrap_or(0),),
        )
        .await?;
        let floor = Head::read(&mut conn).await?.floor;
        forget_rows(&mut conn, "DELETE FROM feed_version WHERE version < ? ORDER BY version LIMIT ?", floor).await?;
        forget_rows(&mut conn, "DELETE FROM feed_blob WHERE last_version < ? ORDER BY last_version LIMIT ?", floor)
            .await?;
        forget_tombstones(&mut conn, floor).await
    }
}

async fn forget_rows(conn: &mut Conn, delete: &str, floor: Version) -> Result<(), FeedError> {
    loop {
        conn.exec_drop(delete, (floor, AT_ONCE)).await?;
        if conn.affected_rows() == 0 {
            return Ok(());
        }
    }
}

/// Looks for tombstones without locking anything, and deletes them by name: a commit that puts one again is not held up.
async fn forget_tombstones(conn: &mut Conn, floor: Version) -> Result<(), FeedError> {
    loop {
        let rows: Vec<Row> = conn
            .exec(
                "SELECT kind, id FROM feed_entity FORCE INDEX (gone) WHERE reason IS NOT NULL AND version <= ? LIMIT ?",
                (floor, AT_ONCE),
            )
            .await?;
        let names: Vec<(String, Vec<u8>)> =
            rows.into_iter().map(from_row_opt).collect::<Result<_, _>>().map_err(FeedError::damaged)?;
        if names.is_empty() {
            return Ok(());
        }
        for (kind, ids) in by_kind(names) {
            let delete = format!(
                "DELETE FROM feed_entity WHERE kind = ? AND id IN ({}) AND reason IS NOT NULL AND version <= ?",
                placeholders("?", ids.len())
            );
            let mut params: Vec<mysql_async::Value> = vec![kind.into()];
            params.extend(ids.into_iter().map(mysql_async::Value::Bytes));
            params.push(floor.into());
            conn.exec_drop(delete, params).await?;
        }
    }
}
