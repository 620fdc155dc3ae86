//! Forgetting who called, after a configured time.

use std::time::Duration;

use mysql_async::prelude::Queryable;

use crate::feed::{FeedError, Store};

/// How often numbers are dropped whose time is over.
const EVERY: Duration = Duration::from_secs(3600);
/// So many at once: nobody waits long for a lock.
const AT_ONCE: u32 = 1_000;

/// Drops the numbers of calls that began more than `days` ago, now and every hour; 0 days: never.
pub async fn forget_numbers(store: Store, days: u32) {
    if days == 0 {
        return;
    }
    loop {
        if let Err(error) = forget(&store, days).await {
            tracing::warn!(%error, "callers' numbers whose time is over could not be dropped; it is tried again in an hour");
        }
        tokio::time::sleep(EVERY).await;
    }
}

async fn forget(store: &Store, days: u32) -> Result<(), FeedError> {
    loop {
        let mut conn = store.connection().await?;
        conn.exec_drop(
            "UPDATE call_record SET caller = NULL, content = NULL WHERE started_at < UNIX_TIMESTAMP() - 86400 * ? AND caller IS NOT NULL \
             LIMIT ?",
            (days, AT_ONCE),
        )
        .await?;
        if conn.affected_rows() < u64::from(AT_ONCE) {
            return Ok(());
        }
    }
}
