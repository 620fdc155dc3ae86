//! Opening the mirror.

use std::time::Duration;

use camino::Utf8PathBuf;
use rusqlite::Connection;

use super::{Mirror, MirrorError};
use crate::database::{self, BUSY, Migrations, OpenError};
use crate::shared::DataDir;

const MIGRATIONS: Migrations = &[
    include_str!("../../schema/0001.sql"),
    include_str!("../../schema/0002.sql"),
    include_str!("../../schema/0003.sql"),
    include_str!("../../schema/0004.sql"),
];

impl Mirror {
    /// Where the mirror of a data directory is.
    pub(crate) fn path_in(directory: &DataDir) -> Utf8PathBuf {
        directory.path().join("mirror.db")
    }

    /// Opens the mirror for writing; makes it where there is none. The caller holds the lock.
    pub(crate) fn open(directory: &DataDir) -> Result<Self, MirrorError> {
        Ok(Self { connection: database::open(&Self::path_in(directory), MIGRATIONS)? })
    }

    /// Opens the mirror for reading.
    pub(crate) fn open_to_read(directory: &DataDir) -> Result<Self, MirrorError> {
        Ok(Self { connection: database::open_to_read(&Self::path_in(directory), MIGRATIONS)? })
    }

    /// How the file of the mirror stands.
    pub(crate) fn standing(directory: &DataDir) -> Result<database::Standing, MirrorError> {
        Ok(database::standing(&Self::path_in(directory), MIGRATIONS)?)
    }

    /// Brings what was committed from the log into the file and empties the log, as far as readers allow; not doing so harms nothing.
    pub(crate) fn checkpoint(&self) -> Result<(), MirrorError> {
        self.connection.busy_timeout(Duration::from_millis(200))?;
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        self.connection.busy_timeout(BUSY)?;
        Ok(())
    }
}

/// A private mirror, for deriving into.
pub(super) fn empty() -> Result<Connection, rusqlite::Error> {
    database::empty(MIGRATIONS)
}

impl From<OpenError> for MirrorError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Database(error) => Self::Database(error),
            OpenError::Shared(error) => Self::Shared(error),
            OpenError::Absent(path) => Self::Absent(path),
            OpenError::Newer { path, found, known } => Self::Newer { path, found, known },
        }
    }
}
