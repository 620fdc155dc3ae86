//! One pull and one push at a time: locks that the kernel lets go when its holder dies, however it dies.

use std::fs::File;

use camino::Utf8PathBuf;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::shared::{DataDir, SharedError};

/// Held by the one process that may change mirror and store, or by the one that sends.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("another {0} is at work here ({1} is locked): let it finish")]
    Taken(&'static str, Utf8PathBuf),
    /// The lock's file cannot be made or locked.
    #[error(transparent)]
    Shared(#[from] SharedError),
}

impl Lock {
    /// Takes the lock, or says at once that another process has it.
    pub(crate) fn take(directory: &DataDir) -> Result<Self, LockError> {
        Self::take_of(directory, "agent.lock", "pull or prune")
    }

    /// The same for what goes to the gateway: a pull need not wait for it.
    pub(crate) fn take_for_push(directory: &DataDir) -> Result<Self, LockError> {
        Self::take_of(directory, "push.lock", "push")
    }

    fn take_of(directory: &DataDir, name: &str, who: &'static str) -> Result<Self, LockError> {
        let path = directory.path().join(name);
        let file = DataDir::create_shared_file(&path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _file: file }),
            Err(Errno::WOULDBLOCK) => Err(LockError::Taken(who, path)),
            Err(errno) => Err(SharedError::at(&path, errno.into()).into()),
        }
    }
}
