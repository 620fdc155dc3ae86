//! One connection to Drupal's database for one reading: short statements, each drained at once.
//!
//! While a statement or the transaction is open nothing else is waited for than the database: a reader that pauses in a MyISAM table holds up
//! whoever wants to save. A connection that is dropped in the middle is closed, and with it its transaction.

use std::time::Duration;

use std::collections::BTreeSet;

use deadpool::managed::Object;
use mysql_async::prelude::{Queryable, StatementLike};
use mysql_async::{Params, Row, Value};

use super::error::ReadError;
use super::names::{Name, Table};
use crate::config::{Drupal, Prefix};
use crate::database::{Connection, Pool};

/// At most so many rows are asked for, or keys named, by one statement, so that no table is locked for longer than their reading takes.
const PAGE: usize = 5_000;
/// No statement asks for more than [`PAGE`] rows of an index; one that takes longer than this waits for a lock.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is said on every connection to Drupal's database before it is used, in this order.
///
/// `READ ONLY` is known from MySQL 5.6.5 and MariaDB 10.0 on; older servers take it for a comment.
pub(super) fn session_statements(drupal: &Drupal) -> Vec<String> {
    vec![
        format!("SET NAMES {}", drupal.charset),
        "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ /*!50605 , READ ONLY */".into(),
    ]
}

/// A connection to Drupal's database; one that is not closed in order is not lent again, but dropped.
pub(super) struct Session<'a> {
    conn: Option<Connection>,
    prefix: &'a Prefix,
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        // Back in the pool it would lie there with a statement or a transaction that nobody ends.
        drop(self.conn.take().map(Object::take));
    }
}

/// Which rows of a table are read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Keys<'a> {
    /// All, in pages of ascending keys.
    All,
    /// Those with one of these keys.
    These(&'a [u32]),
}

/// Columns of a table, read by a key whose index the table has.
pub(super) struct Scan {
    /// The columns, or expressions on them; the key is the first.
    pub(super) columns: String,
    /// The table.
    pub(super) table: Table,
    /// The column of the key.
    pub(super) key: &'static str,
    /// What else must hold, `AND` in front; or nothing.
    pub(super) only: &'static str,
}

/// A row, as the values that the database sent.
pub(super) type Values = Vec<Value>;

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

    /// The databases that Drupal's prefixes name: its own, and others.
    pub(super) fn databases(&self) -> Result<BTreeSet<Option<Name>>, ReadError> {
        let mut databases = BTreeSet::from([None]);
        let prefixes = match self.prefix {
            Prefix::All(prefix) => vec![prefix],
            Prefix::PerTable(tables) => tables.values().collect(),
        };
        for (database, _) in prefixes.into_iter().filter_map(|prefix| prefix.split_once('.')) {
            databases.insert(Some(Name::new(database)?));
        }
        Ok(databases)
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
    pub(super) async fn rows(&mut self, statement: &str) -> Result<Vec<Values>, ReadError> {
        let rows: Vec<Row> = patiently(self.conn()?.query(statement)).await?;
        Ok(rows.into_iter().map(Row::unwrap).collect())
    }

    /// All rows of a prepared statement of known, small size.
    pub(super) async fn rows_with<S, P>(&mut self, statement: S, params: P) -> Result<Vec<Values>, ReadError>
    where
        S: StatementLike,
        P: Into<Params> + Send,
    {
        let rows: Vec<Row> = patiently(self.conn()?.exec(statement, params)).await?;
        Ok(rows.into_iter().map(Row::unwrap).collect())
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

    /// Reads a table, handing over the rows of each key together, keys ascending.
    pub(super) async fn scan(
        &mut self,
        scan: &Scan,
        keys: Keys<'_>,
        mut each: impl FnMut(u32, &mut [Values]),
    ) -> Result<(), ReadError> {
        match keys {
            Keys::All => self.scan_all(scan, &mut each).await,
            Keys::These(keys) => {
                for chunk in keys.chunks(PAGE) {
                    let list = chunk.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
                    let Scan { columns, table, key, only } = scan;
                    let statement = format!(
                        "SELECT {columns} FROM {} WHERE {key} IN ({list}) {only} ORDER BY {key}",
                        table.quoted()
                    );
                    let mut rows = self.rows(&statement).await?;
                    for group in rows.chunk_by_mut(|one, other| key_of(one) == key_of(other)) {
                        each(key_of(&group[0]), group);
                    }
                }
                Ok(())
            }
        }
    }

    async fn scan_all(&mut self, scan: &Scan, each: &mut impl FnMut(u32, &mut [Values])) -> Result<(), ReadError> {
        let Scan { columns, table, key, only } = scan;
        let table = table.quoted();
        let statement = format!("SELECT {columns} FROM {table} WHERE {key} >= ? {only} ORDER BY {key} LIMIT ?");
        let (mut from, mut limit) = (0_u32, PAGE);
        loop {
            let mut rows = self.rows_with(statement.as_str(), (from, limit)).await?;
            let is_last = rows.len() < limit;
            let mut groups = rows.chunk_by_mut(|one, other| key_of(one) == key_of(other)).peekable();
            let mut seen = None;
            while let Some(group) = groups.next() {
                // The page may end within the rows of its last key: they are read again, all of them.
                if groups.peek().is_none() && !is_last {
                    break;
                }
                let key = key_of(&group[0]);
                each(key, group);
                seen = Some(key);
            }
            match seen {
                _ if is_last => return Ok(()),
                Some(key) => match key.checked_add(1) {
                    Some(next) => from = next,
                    None => return Ok(()),
                },
                None => limit = limit.saturating_mul(2),
            }
        }
    }
}

/// The key of a row; a row whose key is none belongs to nothing, like one with the key 0.
fn key_of(row: &Values) -> u32 {
    row.first().and_then(super::values::id).unwrap_or(0)
}

async fn patiently<T>(statement: impl Future<Output = Result<T, mysql_async::Error>>) -> Result<T, ReadError> {
    match tokio::time::timeout(PATIENCE, statement).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(ReadError::Slow(PATIENCE.as_secs())),
    }
}
