//! One pull at a time: a lock that the kernel lets go when its holder dies, however it dies.

use std::fs::File;

use camino::Utf8PathBuf;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::shared::{DataDir, SharedError};

/// Held by the one process that may change mirror and store.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("another pull or prune is at work here ({0} is locked): let it finish")]
    Taken(Utf8PathBuf),
    /// The lock's file cannot be made or locked.
    #[error(transparent)]
    Shared(#[from] SharedError),
}

impl Lock {
    /// Takes the lock, or says at once that another process has it.
    pub(crate) fn take(directory: &DataDir) -> Result<Self, LockError> {
        let path = directory.path().join("agent.lock");
        let file = DataDir::create_shared_file(&path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _file: file }),
            Err(Errno::WOULDBLOCK) => Err(LockError::Taken(path)),
            Err(errno) => Err(SharedError::at(&path, errno.into()).into()),
        }
    }
}
