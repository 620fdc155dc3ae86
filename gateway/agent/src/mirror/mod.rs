//! The mirror: what the gateway publishes, and what of it callers get, in one SQLite database that is always whole.
//!
//! Two steps. An answer of the gateway is taken over in one transaction ([`Mirror::take_over`]) with the cursor, and only if it is whole and its
//! digest agrees. Then each entity whose audio is complete is promoted to what callers get, in small transactions. The file is committed to
//! in place and never swapped, since readers keep it open for weeks. Nothing here knows the network or where audio is kept.

mod hearing;
mod incoming;
mod messages;
mod open;
mod phone;
mod position;
mod reading;
mod remembered;
mod repair;
mod shown;
mod tables;
#[cfg(test)]
mod tests;

use camino::Utf8PathBuf;
use rusqlite::Connection;

pub(crate) use self::hearing::Hearing;
pub(crate) use self::incoming::{Applied, IncomingError, Removal, Request};
pub(crate) use self::position::{Position, Repair};
pub(crate) use self::tables::{heard_sounds_of, sounds_of};
use crate::database;
use crate::shared::SharedError;

/// The mirror's database.
#[derive(Debug)]
pub(crate) struct Mirror {
    connection: Connection,
}

/// Why the mirror cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// SQLite says no.
    #[error("the mirror cannot be used: {0}")]
    Database(#[from] rusqlite::Error),
    /// The file cannot be made as it must be.
    #[error(transparent)]
    Shared(#[from] SharedError),
    /// There is none yet.
    #[error("there is no mirror at {0} yet: run `audiospread pull`")]
    Absent(Utf8PathBuf),
    /// It was made by a later version of this program.
    #[error(
        "the mirror at {path} has the schema {found}, this program knows up to {known}: install the newer program again"
    )]
    Newer {
        /// The file.
        path: Utf8PathBuf,
        /// Its schema.
        found: i64,
        /// The last schema that is known.
        known: i64,
    },
    /// What was asked for is not in it.
    #[error("{0}")]
    NotThere(String),
    /// What is stored is not what this program stores.
    #[error("the mirror holds what it should not: {0}; remove it and pull again, the audio stays")]
    Odd(String),
}

impl MirrorError {
    /// Whether the disk is full.
    pub(crate) fn is_disk_full(&self) -> bool {
        match self {
            Self::Database(error) => database::is_disk_full(error),
            Self::Shared(error) => error.is_disk_full(),
            _ => false,
        }
    }
}
