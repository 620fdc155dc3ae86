//! A connection with an open transaction, which ends with it.
//!
//! A future may be dropped at any `await`: a client goes away, the gateway ends. Were the connection then lent on by the pool, it would
//! keep its locks and its view until somebody asks for it; so it is closed instead, and the server rolls back.

use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::FeedError;
use crate::database::{Connection, Pool};

/// A connection with an open transaction; dropped without [`Session::commit`], all it did is undone.
pub(crate) struct Session {
    conn: Option<Connection>,
}

impl Session {
    /// A transaction that sees the database as it is at this moment, however long it reads.
    pub(crate) async fn reading(pool: &Pool) -> Result<Self, FeedError> {
        Self::begin(pool, "START TRANSACTION WITH CONSISTENT SNAPSHOT").await
    }

    /// A transaction whose view begins with its first reading statement, so after the locks that it takes first.
    pub(crate) async fn writing(pool: &Pool) -> Result<Self, FeedError> {
        Self::begin(pool, "START TRANSACTION").await
    }

    async fn begin(pool: &Pool, start: &str) -> Result<Self, FeedError> {
        let mut session = Self { conn: Some(pool.get().await?) };
        session.conn().query_drop("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
        session.conn().query_drop(start).await?;
        Ok(session)
    }

    #[expect(clippy::expect_used, reason = "only commit takes the connection, and it consumes the session")]
    pub(crate) fn conn(&mut self) -> &mut Conn {
        self.conn.as_mut().expect("a session has its connection until it is committed")
    }

    /// Ends the transaction and gives the connection back.
    pub(crate) async fn commit(mut self) -> Result<(), mysql_async::Error> {
        self.conn().query_drop("COMMIT").await?;
        drop(self.conn.take());
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take() {
            drop(Connection::take(conn));
        }
    }
}
