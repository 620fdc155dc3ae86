//! Opening the mirror: modes before WAL, forward migrations.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::{Mirror, MirrorError};
use crate::shared::{DataDir, SharedError, set_mode};

/// Each brings the schema from the version before it to its own; only ever added to.
const MIGRATIONS: &[&str] = &[include_str!("../../schema/0001.sql")];

/// Readers hold no lock that a writer waits for, and the other way round; only checkpoints and `-shm` recovery are short waits.
const BUSY: Duration = Duration::from_secs(10);

impl Mirror {
    /// Where the mirror of a data directory is.
    pub(crate) fn path_in(directory: &DataDir) -> Utf8PathBuf {
        directory.path().join("mirror.db")
    }

    /// Opens the mirror for writing; makes it where there is none. The caller holds the lock.
    pub(crate) fn open(directory: &DataDir) -> Result<Self, MirrorError> {
        let path = Self::path_in(directory);
        // SQLite gives `-wal` and `-shm` the mode that the database has when they are made: so it must be right before WAL is switched on.
        drop(DataDir::create_shared_file(&path)?);
        let mut connection =
            Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // In WAL mode a loss of power then loses the last commits and nothing else: the old state, which is whole.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "journal_size_limit", 16 << 20)?;
        connection.pragma_update(None, "trusted_schema", "OFF")?;
        migrate(&mut connection, &path)?;
        for suffix in ["-wal", "-shm"] {
            let beside = Utf8PathBuf::from(format!("{path}{suffix}"));
            if beside.exists() {
                set_mode(&beside, 0o660).map_err(|source| SharedError::at(&beside, source))?;
            }
        }
        Ok(Self { connection })
    }

    /// Opens the mirror for reading.
    pub(crate) fn open_to_read(directory: &DataDir) -> Result<Self, MirrorError> {
        let path = Self::path_in(directory);
        if !path.exists() {
            return Err(MirrorError::Absent(path));
        }
        // The connection could write, since readers in WAL mode must write `-shm`; the pragma keeps it from it.
        let connection =
            Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "query_only", true)?;
        match schema_version(&connection)? {
            0 => Err(MirrorError::Absent(path)),
            found if found > known() => Err(MirrorError::Newer { path, found, known: known() }),
            _ => Ok(Self { connection }),
        }
    }

    /// Brings what was committed from the log into the file and empties the log, as far as readers allow; not doing so harms nothing.
    pub(crate) fn checkpoint(&self) -> Result<(), MirrorError> {
        self.connection.busy_timeout(Duration::from_millis(200))?;
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        self.connection.busy_timeout(BUSY)?;
        Ok(())
    }
}

fn known() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

fn schema_version(connection: &Connection) -> Result<i64, rusqlite::Error> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

fn migrate(connection: &mut Connection, path: &Utf8Path) -> Result<(), MirrorError> {
    let found = schema_version(connection)?;
    if found > known() {
        return Err(MirrorError::Newer { path: path.to_owned(), found, known: known() });
    }
    for (before, migration) in (0_i64..).zip(MIGRATIONS) {
        if before < found {
            continue;
        }
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", before + 1)?;
        transaction.commit()?;
    }
    Ok(())
}
