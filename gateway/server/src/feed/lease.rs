//! The lease: which of several gateways refreshes. It only saves work; that no commit is lost or doubled is the head's business.

use std::time::Duration;

use mysql_async::Row;
use mysql_async::prelude::Queryable;

use super::{FeedError, Store};

impl Store {
    /// Takes or renews the lease for `ttl` (whole seconds); false while another holder has it.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn try_lease(&self, holder: &str, ttl: Duration) -> Result<bool, FeedError> {
        let mut conn = self.connection().await?;
        let holder = holder.as_bytes();
        conn.exec_drop(
            "UPDATE feed_lease SET holder = ?, expires_at = UNIX_TIMESTAMP() + ? \
             WHERE id = 1 AND (holder = ? OR expires_at <= UNIX_TIMESTAMP())",
            (holder, ttl.as_secs(), holder),
        )
        .await?;
        conn.exec_drop(
            "INSERT IGNORE INTO feed_lease (id, holder, expires_at) VALUES (1, ?, UNIX_TIMESTAMP() + ?)",
            (holder, ttl.as_secs()),
        )
        .await?;
        let ours: Option<Row> =
            conn.exec_first("SELECT id FROM feed_lease WHERE id = 1 AND holder = ?", (holder,)).await?;
        Ok(ours.is_some())
    }

    /// Gives the lease back, if `holder` has it.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn release_lease(&self, holder: &str) -> Result<(), FeedError> {
        let conn = &mut self.connection().await?;
        Ok(conn.exec_drop("DELETE FROM feed_lease WHERE id = 1 AND holder = ?", (holder.as_bytes(),)).await?)
    }
}
