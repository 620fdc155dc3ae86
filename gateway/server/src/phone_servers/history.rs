//! The history of phone servers is thinned: since when something is on the phone need not be known to the second for ever.

use std::time::Duration;

use mysql_async::prelude::Queryable;

use crate::feed::{FeedError, Store};

/// How often it is thinned.
const EVERY: Duration = Duration::from_secs(3600);
/// Of what is older than this many seconds, 30 days, the last version of each day is kept.
const IN_FULL: u32 = 30 * 86_400;

/// Thins the history now and every hour.
pub async fn thin_history(store: Store) {
    loop {
        if let Err(error) = thin(&store).await {
            tracing::warn!(%error, "the history of the phone servers could not be thinned; it is tried again in an hour");
        }
        tokio::time::sleep(EVERY).await;
    }
}

async fn thin(store: &Store) -> Result<(), FeedError> {
    let mut conn = store.connection().await?;
    // The inner query is read to its end first: MySQL deletes from no table that it still reads.
    conn.exec_drop(
        "DELETE FROM phone_server_version WHERE applied_at < UNIX_TIMESTAMP() - ? AND (server, version) NOT IN (SELECT server, version FROM \
         (SELECT server, MAX(version) AS version FROM phone_server_version GROUP BY server, applied_at DIV 86400) AS last_of_a_day)",
        (IN_FULL,),
    )
    .await?;
    conn.query_drop(
        "DELETE FROM phone_server_entity WHERE state = 'shown' AND NOT EXISTS (SELECT 1 FROM feed_entity e \
         WHERE e.kind = phone_server_entity.kind AND e.id = phone_server_entity.id AND e.value IS NOT NULL)",
    )
    .await?;
    Ok(())
}
