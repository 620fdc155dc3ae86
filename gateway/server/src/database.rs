//! Connections to MySQL and MariaDB, pooled.
//!
//! For Drupal's database and for the gateway's own alike; what is asked of them is the business of the rooms that ask.

use std::time::Duration;

use deadpool::managed::{self, Metrics, RecycleResult};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts};

/// A pool of connections.
pub type Pool = managed::Pool<Manager>;
/// A connection lent by a pool.
pub type Connection = managed::Object<Manager>;
/// Why no connection could be lent.
pub type PoolError = managed::PoolError<mysql_async::Error>;

/// Makes connections, and clears them before they are lent again.
pub struct Manager {
    opts: Opts,
    session: String,
}

impl std::fmt::Debug for Manager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Manager").finish_non_exhaustive()
    }
}

impl Manager {
    async fn prepare(&self, conn: &mut Conn) -> Result<(), mysql_async::Error> {
        // All at once: each answer that is waited for is waited for whenever a connection is lent.
        conn.query_drop(&self.session).await
    }
}

impl managed::Manager for Manager {
    type Type = Conn;
    type Error = mysql_async::Error;

    async fn create(&self) -> Result<Conn, Self::Error> {
        let mut conn = Conn::new(self.opts.clone()).await?;
        self.prepare(&mut conn).await?;
        Ok(conn)
    }

    async fn recycle(&self, conn: &mut Conn, _: &Metrics) -> RecycleResult<Self::Error> {
        if !conn.reset().await? {
            conn.ping().await?;
        }
        self.prepare(conn).await?;
        Ok(())
    }
}

/// A pool of at most `size` connections to `opts`; the statements of `session` are run, in their order, whenever a connection is lent.
///
/// # Errors
/// Only where the pool cannot be built; no connection is made yet.
pub fn pool(opts: Opts, session: &[String], size: usize) -> Result<Pool, managed::BuildError> {
    Pool::builder(Manager { opts, session: session.join("; ") })
        .max_size(size)
        .wait_timeout(Some(Duration::from_secs(5)))
        .create_timeout(Some(Duration::from_secs(5)))
        .recycle_timeout(Some(Duration::from_secs(2)))
        .runtime(deadpool::Runtime::Tokio1)
        .build()
}

/// Says that the gateway's own database cannot be reached, why, and what to do.
pub(crate) fn own_is_away(error: &PoolError) -> String {
    let why = match error {
        PoolError::Backend(mysql_async::Error::Server(refused)) => refused.message.clone(),
        PoolError::Backend(mysql_async::Error::Io(mysql_async::IoError::Io(error))) => error.to_string(),
        PoolError::Backend(error) => error.to_string(),
        PoolError::Timeout(_) => "it did not answer in time".to_owned(),
        error => error.to_string(),
    };
    format!(
        "the gateway's own database cannot be reached ({why}): see that it runs, and that database.url and \
         database.password_file in gateway.toml are right"
    )
}

/// A pool of at most `size` connections to the gateway's own database, where a value that does not fit is an error and never cut.
///
/// # Errors
/// As for [`pool`].
pub fn own_pool(opts: Opts, size: usize) -> Result<Pool, managed::BuildError> {
    pool(opts, &["SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'".into()], size)
}
