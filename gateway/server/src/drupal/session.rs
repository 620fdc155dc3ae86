//! One connection to Drupal's database for one reading: short statements, each drained at once.
//!
//! While a statement or the transaction is open nothing else is waited for than the database: a reader that pauses in a MyISAM table holds up
//! whoever wants to save. A connection that is dropped in the middle is closed, and with it its transaction.

use std::time::Duration;

use deadpool::managed::Object;
use mysql_async::prelude::{Queryable, StatementLike};
use mysql_async::{Opts, OptsBuilder, Params, Row};

use super::error::ReadError;
use super::names::Table;
use super::values;
use crate::config::{ConfigError, Drupal, Prefix};
use crate::database::{Connection, Pool};

/// No statement asks for more than some thousand rows of an index; one that takes longer than this waits for a lock.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest packed page, in bytes. What is longer is read in smaller pages.
pub(super) const LONGEST_PAGE: usize = 1 << 20;
/// The longest packet that is taken from the server: MySQL's own bound. A server's `max_allowed_packet`, which the driver would take for one, is
/// about what is sent to it; where that is the 1 MiB of old servers, a page and what stands around it in its packet are longer.
const LONGEST_PACKET: usize = 1 << 30;

/// How to connect to Drupal's database.
pub(super) fn session_opts(drupal: &Drupal) -> Result<Opts, ConfigError> {
    Ok(OptsBuilder::from_opts(drupal.opts()?).max_allowed_packet(Some(LONGEST_PACKET)).into())
}

/// What is said on every connection to Drupal's database before it is used.
///
/// `READ ONLY` is known from MySQL 5.6.5 and `MariaDB` 10.0 on, `utf8mb4` from MySQL 5.5.3; older servers take them for comments.
pub(super) fn session_statements(drupal: &Drupal) -> Vec<String> {
    vec![
        format!("SET NAMES utf8 /*!50503 , NAMES {} */", drupal.charset),
        format!("SET SESSION group_concat_max_len = {LONGEST_PAGE}"),
        "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ /*!50605 , READ ONLY */".into(),
    ]
}

/// A connection to Drupal's database; one that is not closed in order is not lent again, but dropped.
pub(super) struct Session<'a> {
    conn: Option<Connection>,
    prefix: &'a Prefix,
}

/// A row, as the cells of its values.
pub(super) type Cells = Vec<Vec<u8>>;

impl Drop for Session<'_> {
    fn drop(&mut self) {
        // Back in the pool it would lie there with a statement or a transaction that nobody ends.
        drop(self.conn.take().map(Object::take));
    }
}

impl<'a> Session<'a> {
    pub(super) async fn open(pool: &Pool, prefix: &'a Prefix) -> Result<Self, ReadError> {
        Ok(Self { conn: Some(pool.get().await?), prefix })
    }

    /// Gives the connection back to its pool.
    pub(super) fn close(mut self) {
        drop(self.conn.take());
    }

    fn conn(&mut self) -> Result<&mut Connection, ReadError> {
        self.conn.as_mut().ok_or_else(|| ReadError::Away("the connection was closed".into()))
    }

    /// Whether the server makes text of numbers as of texts; before MySQL 5.5.3 numbers made bytes of every text that they were joined to.
    pub(super) fn joins_numbers_as_text(&mut self) -> Result<bool, ReadError> {
        Ok(self.conn()?.server_version() >= (5, 5, 3))
    }

    /// `$db_prefix`.
    pub(super) fn prefix(&self) -> &'a Prefix {
        self.prefix
    }

    /// Drupal's `{table}`.
    pub(super) fn table(&self, table: &str) -> Result<Table, ReadError> {
        Ok(Table::of(self.prefix, table)?)
    }

    /// Begins the transaction in which all tables that can show one moment do.
    pub(super) async fn begin(&mut self) -> Result<(), ReadError> {
        self.run("START TRANSACTION WITH CONSISTENT SNAPSHOT").await
    }

    /// Ends it.
    pub(super) async fn end(&mut self) -> Result<(), ReadError> {
        self.run("COMMIT").await
    }

    async fn run(&mut self, statement: &str) -> Result<(), ReadError> {
        patiently(self.conn()?.query_drop(statement)).await
    }

    /// All rows of a statement of known, small size.
    pub(super) async fn rows(&mut self, statement: &str) -> Result<Vec<Cells>, ReadError> {
        Ok(cells(patiently(self.conn()?.query(statement)).await?))
    }

    /// All rows of a prepared statement of known, small size.
    pub(super) async fn rows_with<S, P>(&mut self, statement: S, params: P) -> Result<Vec<Cells>, ReadError>
    where
        S: StatementLike,
        P: Into<Params> + Send,
    {
        Ok(cells(patiently(self.conn()?.exec(statement, params)).await?))
    }

    /// Whether a table exists and may be read.
    pub(super) async fn has_table(&mut self, table: &Table) -> Result<bool, ReadError> {
        match self.rows(&format!("SELECT 1 FROM {} WHERE 1 = 0", table.quoted())).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_missing_table() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The names of a table's columns.
    pub(super) async fn columns(&mut self, table: &Table) -> Result<Vec<String>, ReadError> {
        let statement = format!("SELECT * FROM {} WHERE 1 = 0", table.quoted());
        let conn = self.conn()?;
        let result = patiently(async {
            let result = conn.query_iter(statement).await?;
            let names = result.columns_ref().iter().map(|column| column.name_str().into_owned()).collect();
            result.drop_result().await?;
            Ok(names)
        });
        result.await
    }
}

fn cells(rows: Vec<Row>) -> Vec<Cells> {
    rows.into_iter().map(|row| row.unwrap().into_iter().map(values::cell).collect()).collect()
}

async fn patiently<T>(statement: impl Future<Output = Result<T, mysql_async::Error>>) -> Result<T, ReadError> {
    match tokio::time::timeout(PATIENCE, statement).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(ReadError::Slow(PATIENCE.as_secs())),
    }
}
