//! The schema of the gateway's own database: forward migrations, each applied once and remembered with its checksum.
//!
//! A database that is newer than this program, or whose history differs from this program's, is refused: nothing is guessed about it.
//! Statements of a migration must bear being run again (`CREATE TABLE IF NOT EXISTS` and the like), since MySQL and MariaDB commit each
//! change of the schema by itself and a migration may be cut off in its middle.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, from_row_opt};

use audiospread_protocol::Sha256Digest;

use crate::database::{Pool, PoolError};

/// A step of the schema's history.
struct Migration {
    number: u32,
    name: &'static str,
    sql: &'static str,
}

/// The history of the schema; only ever added to.
const MIGRATIONS: &[Migration] = &[
    Migration { number: 1, name: "feed", sql: include_str!("../migrations/0001_feed.sql") },
    Migration { number: 2, name: "blobs", sql: include_str!("../migrations/0002_blobs.sql") },
    Migration { number: 3, name: "calls", sql: include_str!("../migrations/0003_calls.sql") },
    Migration { number: 4, name: "recordings", sql: include_str!("../migrations/0004_recordings.sql") },
    Migration { number: 5, name: "renditions", sql: include_str!("../migrations/0005_renditions.sql") },
    Migration { number: 6, name: "phone servers", sql: include_str!("../migrations/0006_phone_servers.sql") },
    Migration { number: 7, name: "recording_parts", sql: include_str!("../migrations/0007_recording_parts.sql") },
];

/// How long to wait, in seconds, while another gateway migrates.
const LOCK_SECONDS: u32 = 60;

const HISTORY: &str = "CREATE TABLE IF NOT EXISTS schema_migration (
    number INT UNSIGNED NOT NULL,
    name VARCHAR(64) NOT NULL,
    sha256 CHAR(64) NOT NULL,
    applied_at BIGINT NOT NULL,
    PRIMARY KEY (number)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";

/// The lock's name holds for the whole server, where other gateways may have databases too.
const LOCK_NAME: &str = "CONCAT('audiospread ', MD5(DATABASE()))";

/// Why a database cannot be brought to this program's schema.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// No connection.
    #[error("{}", crate::database::own_is_away(.0))]
    Pool(#[from] PoolError),
    /// The database refused a statement.
    #[error("the gateway's database cannot be migrated: {0}")]
    Database(#[from] mysql_async::Error),
    /// A migration refused.
    #[error("migration {number:04} ({name}) of the gateway's database failed: {source}")]
    Statement {
        /// The migration's number.
        number: u32,
        /// The migration's name.
        name: &'static str,
        /// What the database said.
        source: mysql_async::Error,
    },
    /// The history's table holds something strange.
    #[error("the table schema_migration of the gateway's database is not ours: {0}")]
    History(#[from] mysql_async::FromRowError),
    /// Another gateway migrates and does not end.
    #[error(
        "another gateway has been migrating the database for {LOCK_SECONDS} s: wait for it, or stop it, and start again"
    )]
    Busy,
    /// The database was migrated by a newer program.
    #[error(
        "the gateway's database is from a newer AudioSpread (migration {0:04} is not known here): install that version, \
         or give this one an empty database, which it fills again from Drupal"
    )]
    FromTheFuture(u32),
    /// The database was migrated by a program with another migration of this number.
    #[error(
        "migration {0:04} of the gateway's database is not the one of this AudioSpread: install the version that made the \
         database, or give this one an empty database, which it fills again from Drupal"
    )]
    Altered(u32),
}

/// Brings the database to this program's schema; several gateways may do it at once.
///
/// # Errors
/// [`MigrationError`]; a database that is refused was not changed.
pub async fn migrate(pool: &Pool) -> Result<(), MigrationError> {
    let mut conn = pool.get().await?;
    let locked: Option<Option<u8>> = conn.query_first(format!("SELECT GET_LOCK({LOCK_NAME}, {LOCK_SECONDS})")).await?;
    if locked.flatten() != Some(1) {
        return Err(MigrationError::Busy);
    }
    let migrated = apply(&mut conn, MIGRATIONS).await;
    conn.query_drop(format!("DO RELEASE_LOCK({LOCK_NAME})")).await?;
    migrated
}

async fn apply(conn: &mut Conn, migrations: &[Migration]) -> Result<(), MigrationError> {
    conn.query_drop(HISTORY).await?;
    let rows: Vec<mysql_async::Row> = conn.query("SELECT number, sha256 FROM schema_migration ORDER BY number").await?;
    let applied = rows.into_iter().map(from_row_opt).collect::<Result<Vec<(u32, String)>, _>>()?;
    for (number, checksum) in &applied {
        let known = migrations.iter().find(|migration| migration.number == *number);
        let known = known.ok_or(MigrationError::FromTheFuture(*number))?;
        if checksum_of(known) != *checksum {
            return Err(MigrationError::Altered(*number));
        }
    }
    for migration in migrations.iter().filter(|migration| applied.iter().all(|(number, _)| *number != migration.number))
    {
        run(conn, migration).await.map_err(|source| MigrationError::Statement {
            number: migration.number,
            name: migration.name,
            source,
        })?;
    }
    Ok(())
}

async fn run(conn: &mut Conn, migration: &Migration) -> Result<(), mysql_async::Error> {
    for statement in statements(migration.sql) {
        conn.query_drop(statement).await?;
    }
    conn.exec_drop(
        "INSERT INTO schema_migration (number, name, sha256, applied_at) VALUES (?, ?, ?, UNIX_TIMESTAMP())",
        (migration.number, migration.name, checksum_of(migration)),
    )
    .await
}

fn checksum_of(migration: &Migration) -> String {
    Sha256Digest::of(migration.sql.as_bytes()).to_hex()
}

/// The statements of a migration: each ends with a semicolon at the end of a line.
fn statements(sql: &str) -> impl Iterator<Item = &str> {
    sql.split(";\n").map(str::trim).filter(|statement| !statement.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_migrations_are_numbered_from_one_without_gaps() {
        let numbers: Vec<u32> = MIGRATIONS.iter().map(|migration| migration.number).collect();
        assert_eq!(numbers, (1..).take(MIGRATIONS.len()).collect::<Vec<u32>>());
    }

    #[test]
    fn every_statement_bears_being_run_again() {
        for migration in MIGRATIONS {
            for statement in statements(migration.sql) {
                let first = statement.lines().find(|line| !line.is_empty() && !line.starts_with("--")).unwrap();
                assert!(
                    first.contains("IF NOT EXISTS") || first.contains("INSERT IGNORE"),
                    "{}: {first}",
                    migration.name
                );
            }
        }
    }
}
