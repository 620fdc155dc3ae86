//! Why a pull did not come to its end.

use std::io;

use audiospread_protocol::{Sha256Digest, Version};
use camino::Utf8PathBuf;
use jiff::Timestamp;

use crate::calls::CallsError;
use crate::link::{DownloadError, LinkError, LinkOpenError};
use crate::lock::LockError;
use crate::mirror::MirrorError;
use crate::shared::{DataDir, SharedError};
use crate::workshop::MakeError;
use crate::{Amount, StoreError};

/// Why a pull did not come to its end; each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The token or another setting cannot be used.
    #[error(transparent)]
    Open(#[from] LinkOpenError),
    /// Another pull is at work.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The gateway does not give what it is asked for.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The mirror cannot be written.
    #[error(transparent)]
    Mirror(MirrorError),
    /// A file cannot be written.
    #[error(transparent)]
    Shared(SharedError),
    /// A file of the audio store cannot be written.
    #[error(transparent)]
    Store(StoreError),
    /// A download cannot be written.
    #[error("{path}: {source}")]
    Disk {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No space.
    #[error(
        "the disk of {path} is full: make room there, or let `audiospread prune` remove sounds that nothing names any more; \
         what callers hear stays as it was"
    )]
    DiskFull {
        /// The data directory.
        path: Utf8PathBuf,
    },
    /// Space is there, but it is to be left free.
    #[error("{path} has {free} free: {needed} are needed, and {keep} are to be left free (keep_free)")]
    NoRoom {
        /// The data directory.
        path: Utf8PathBuf,
        /// Bytes that are free.
        free: Amount,
        /// Bytes that are needed.
        needed: Amount,
        /// Bytes to be left free.
        keep: Amount,
    },
    /// The feed's answers are cut or garbled on the way.
    #[error(
        "the feed does not come through whole ({0}): a proxy between here and the gateway may cut or change answers"
    )]
    Garbled(String),
    /// The gateway's feed does not lead to the state that it says it has.
    #[error(
        "the mirror does not come to agree with the gateway at version {version}, not by a snapshot either; nothing was changed, \
         and the next snapshot is worth a try from {not_before} on"
    )]
    Differs {
        /// The feed's version.
        version: Version,
        /// When to try again.
        not_before: Timestamp,
    },
    /// A snapshot would take away much.
    #[error(
        "{why}, so nothing was changed: its database may have been lost, or it may still be reading the site. If that is meant, \
         `audiospread pull --accept` takes it over now; else such a snapshot is taken over if it still comes at {until:.0}"
    )]
    Held {
        /// How much.
        why: String,
        /// When it is believed.
        until: Timestamp,
    },
    /// Nothing was pulled yet.
    #[error("nothing was pulled yet, so there is nothing to verify: run `audiospread pull`")]
    NothingToVerify,
    /// Which sounds are still named cannot be told.
    #[error(
        "nothing was removed: {not_understood} entities are of a form that this version does not understand, and may name sounds"
    )]
    CannotPrune {
        /// How many.
        not_understood: u64,
    },
    /// What happens on the phone cannot be written down.
    #[error(transparent)]
    Calls(CallsError),
    /// A phone sound was not made, for a reason that lies in this host.
    #[error("{0}")]
    NotMade(String),
    /// A signal.
    #[error("stopped; what came is kept, and the next pull goes on from there")]
    Stopped,
}

impl PullError {
    /// What it means that a phone sound was not made.
    pub(crate) fn of_workshop(error: MakeError, directory: &DataDir) -> Self {
        match error {
            MakeError::NoRoom => Self::DiskFull { path: directory.path().to_owned() },
            MakeError::Shared(error) => error.into(),
            MakeError::Stopped => Self::Stopped,
            MakeError::Undecodable(why) | MakeError::Failed(why) => Self::NotMade(why),
        }
    }

    /// Whether the same command may do later, without anybody's help.
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::Lock(LockError::Taken(..))
            | Self::Stopped
            | Self::Garbled(_)
            | Self::Differs { .. }
            | Self::Held { .. } => true,
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

impl From<MirrorError> for PullError {
    fn from(error: MirrorError) -> Self {
        if error.is_disk_full() { Self::DiskFull { path: "the mirror".into() } } else { Self::Mirror(error) }
    }
}

impl From<CallsError> for PullError {
    fn from(error: CallsError) -> Self {
        if error.is_disk_full() { Self::DiskFull { path: "calls.db".into() } } else { Self::Calls(error) }
    }
}

impl From<SharedError> for PullError {
    fn from(error: SharedError) -> Self {
        match error {
            SharedError::Io { path, source } if crate::shared::is_disk_full(&source) => Self::DiskFull { path },
            other => Self::Shared(other),
        }
    }
}

impl From<StoreError> for PullError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Shared(error) => error.into(),
            other @ StoreError::WrongBytes { .. } => Self::Store(other),
        }
    }
}

impl From<DownloadError> for PullError {
    fn from(error: DownloadError) -> Self {
        match error {
            DownloadError::Link(error) => Self::Link(error),
            DownloadError::Disk { path, source } if crate::shared::is_disk_full(&source) => Self::DiskFull { path },
            DownloadError::Disk { path, source } => Self::Disk { path, source },
            DownloadError::TooLong(_) => Self::Garbled(error.to_string()),
            DownloadError::Stopped => Self::Stopped,
        }
    }
}

/// A sentence about sounds that the feed names and the gateway does not serve.
pub(super) fn unserved(sounds: &[Sha256Digest]) -> String {
    let first = sounds.first().map(ToString::to_string).unwrap_or_default();
    format!(
        "the gateway publishes {} sounds and does not serve them, such as {first}: look at its log; the old states go on",
        sounds.len()
    )
}
