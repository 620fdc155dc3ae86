//! Why a push did not come to its end, and why a single recording did not go.

use std::io;

use camino::Utf8PathBuf;

use crate::calls::CallsError;
use crate::link::{LinkError, LinkOpenError};
use crate::lock::LockError;
use crate::shared::SharedError;

/// Why a push did not come to its end; each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The token or another setting cannot be used.
    #[error(transparent)]
    Open(#[from] LinkOpenError),
    /// Another push is at work.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The gateway does not answer, or not to us.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// What happened on the phone cannot be read, or what became of it not be written down.
    #[error(transparent)]
    Calls(CallsError),
    /// A file cannot be read or written.
    #[error(transparent)]
    Shared(SharedError),
    /// Call records cannot be handed in here.
    #[error("call records wait: {0}")]
    Records(String),
    /// Nothing can be encoded.
    #[error(
        "recordings wait, since {program} cannot be run ({source}): apt install lame, or name another encoder in [push]"
    )]
    NoEncoder {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// No space.
    #[error("the disk of {path} is full: make room there; what callers left stays, and waits")]
    DiskFull {
        /// The directory.
        path: Utf8PathBuf,
    },
    /// A signal.
    #[error("stopped; what was sent is kept, and the next push goes on from there")]
    Stopped,
}

impl PushError {
    /// Whether the same command may do later, without anybody's help.
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::Lock(LockError::Taken(..)) | Self::Stopped => true,
            Self::Link(error) => error.is_passing(),
            _ => false,
        }
    }

    /// Whether the configuration is to be corrected: an address, a token, a group.
    pub const fn is_configuration(&self) -> bool {
        match self {
            Self::Open(error) => error.is_configuration(),
            Self::Link(error) => error.is_configuration(),
            Self::Shared(error) => error.is_configuration(),
            _ => false,
        }
    }
}

impl From<CallsError> for PushError {
    fn from(error: CallsError) -> Self {
        if error.is_disk_full() { Self::DiskFull { path: "calls.db".into() } } else { Self::Calls(error) }
    }
}

impl From<SharedError> for PushError {
    fn from(error: SharedError) -> Self {
        match error {
            SharedError::Io { path, source } if crate::shared::is_disk_full(&source) => Self::DiskFull { path },
            other => Self::Shared(other),
        }
    }
}

/// Why a recording did not go.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It never will: into quarantine.
    ForGood(String),
    /// It may later; others may now.
    Later { why: String, is_passing: bool },
    /// Nor will any other.
    Stop(PushError),
}

impl<E: Into<PushError>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Stop(error.into())
    }
}
