//! Opening a database that Asterisk opens too: modes before WAL, forward migrations.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use std::{fs, io};

use camino::{Utf8Path, Utf8PathBuf};
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use crate::shared::{DataDir, SharedError, set_mode};

/// Each brings a schema from the version before it to its own; only ever added to.
pub(crate) type Migrations = &'static [&'static str];

/// Readers hold no lock that a writer waits for, and the other way round; only another writer's commit, checkpoints and the recovery of `-shm`
/// are short waits.
pub(crate) const BUSY: Duration = Duration::from_secs(10);

/// What SQLite says where there is no room for the index of its log, `-shm`; of all other files it says that the disk is full.
const NO_ROOM_FOR_INDEX: i32 = rusqlite::ffi::SQLITE_IOERR_SHMSIZE;

/// Why a database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    #[error(transparent)]
    Shared(#[from] SharedError),
    /// There is none.
    #[error("there is no {0}")]
    Absent(Utf8PathBuf),
    #[error("{path} has the schema {found}, and this program knows up to {known}")]
    Newer { path: Utf8PathBuf, found: i64, known: i64 },
}

/// Opens for writing; makes the database where there is none.
pub(crate) fn open(path: &Utf8Path, migrations: Migrations) -> Result<Connection, OpenError> {
    // SQLite gives `-wal` and `-shm` the mode that the database has when they are made: so it must be right before WAL is switched on.
    make_file(path)?;
    let mut connection = connect(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // In WAL mode a loss of power then loses the last commits and nothing else: the old state, which is whole.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "journal_size_limit", 16 << 20)?;
    // In KiB where it is negative. Of a mirror of a million programs the inner pages stay at hand.
    connection.pragma_update(None, "cache_size", -(32 << 10))?;
    connection.pragma_update(None, "trusted_schema", "OFF")?;
    migrate(&mut connection, path, migrations)?;
    for suffix in ["-wal", "-shm"] {
        let beside = Utf8PathBuf::from(format!("{path}{suffix}"));
        if beside.exists() {
            set_mode(&beside, 0o660).map_err(|source| SharedError::at(&beside, source))?;
        }
    }
    Ok(connection)
}

/// Makes the file where it is absent. One that is there is opened by SQLite alone: whoever closes another descriptor of it lets go of all locks
/// that the process has on it (POSIX), and the next one to close the database takes its log away under the others.
fn make_file(path: &Utf8Path) -> Result<(), SharedError> {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let at = |source| SharedError::at(path, source);
    if !path.exists() {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let made = Utf8PathBuf::from(format!("{path}.{}-{number}", std::process::id()));
        drop(DataDir::create_shared_file(&made)?);
        let linked = fs::hard_link(&made, path);
        fs::remove_file(&made).map_err(at)?;
        match linked {
            // Another process was quicker.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => other.map_err(at)?,
        }
    }
    set_mode(path, 0o660).map_err(at)
}

/// Opens for reading.
pub(crate) fn open_to_read(path: &Utf8Path, migrations: Migrations) -> Result<Connection, OpenError> {
    if !path.exists() {
        return Err(OpenError::Absent(path.to_owned()));
    }
    // The connection could write, since readers in WAL mode must write `-shm`; the pragma keeps it from it.
    let connection = connect(path)?;
    connection.pragma_update(None, "query_only", true)?;
    match schema_version(&connection)? {
        0 => Err(OpenError::Absent(path.to_owned())),
        found if found > known(migrations) => Err(newer(path, found, migrations)),
        _ => Ok(connection),
    }
}

/// How a database stands.
#[derive(Debug)]
pub(crate) struct Standing {
    /// `wal`, as it should be.
    pub(crate) journal: String,
    pub(crate) schema: i64,
    /// The schema of this program.
    pub(crate) known: i64,
}

/// Looks at a database, and changes nothing.
pub(crate) fn standing(path: &Utf8Path, migrations: Migrations) -> Result<Standing, OpenError> {
    let connection = open_to_read(path, migrations)?;
    Ok(Standing {
        journal: connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))?,
        schema: schema_version(&connection)?,
        known: known(migrations),
    })
}

fn connect(path: &Utf8Path) -> Result<Connection, rusqlite::Error> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY)?;
    Ok(connection)
}

/// A private database with the same tables, for deriving into.
pub(crate) fn empty(migrations: Migrations) -> Result<Connection, rusqlite::Error> {
    // SQLite keeps it in memory while it is small, and removes it when it is closed.
    let connection = Connection::open("")?;
    for migration in migrations {
        connection.execute_batch(migration)?;
    }
    Ok(connection)
}

/// Whether the disk is full.
pub(crate) fn is_disk_full(error: &rusqlite::Error) -> bool {
    let is_log_index = error.sqlite_error().is_some_and(|error| error.extended_code == NO_ROOM_FOR_INDEX);
    error.sqlite_error_code() == Some(ErrorCode::DiskFull) || is_log_index
}

fn known(migrations: Migrations) -> i64 {
    i64::try_from(migrations.len()).unwrap_or(i64::MAX)
}

fn newer(path: &Utf8Path, found: i64, migrations: Migrations) -> OpenError {
    OpenError::Newer { path: path.to_owned(), found, known: known(migrations) }
}

fn schema_version(connection: &Connection) -> Result<i64, rusqlite::Error> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

fn migrate(connection: &mut Connection, path: &Utf8Path, migrations: Migrations) -> Result<(), OpenError> {
    if schema_version(connection)? == known(migrations) {
        return Ok(());
    }
    // Two processes may come here at once: what the other one did is seen once the lock is ours.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = schema_version(&transaction)?;
    if found > known(migrations) {
        return Err(newer(path, found, migrations));
    }
    for migration in migrations.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", known(migrations))?;
    Ok(transaction.commit()?)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    const SCHEMA: Migrations = &["CREATE TABLE note (text TEXT NOT NULL)"];

    /// Asterisk's ODBC is another process, and closes the database with each call.
    fn another_process_writes_and_closes(path: &Utf8Path) {
        let write = "import sqlite3, sys\nwith sqlite3.connect(sys.argv[1]) as c: c.execute(\"INSERT INTO note VALUES ('x')\")\nc.close()";
        let done = Command::new("python3").args(["-c", write, path.as_str()]).output().unwrap();
        assert!(done.status.success(), "{done:?}");
    }

    #[test]
    fn another_process_that_closes_the_database_leaves_its_log_to_a_connection_that_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(directory.path()).unwrap().join("calls.db");
        let stays = open(&path, SCHEMA).unwrap();
        for notes in 1..=3 {
            drop(open(&path, SCHEMA).unwrap());
            another_process_writes_and_closes(&path);
            let seen: i64 = stays.query_row("SELECT COUNT(*) FROM note", [], |row| row.get(0)).unwrap();
            assert_eq!(seen, notes);
        }
    }
}
