//! Why a refresh failed.

use crate::blobs::StorageError;
use crate::drupal::ReadError;
use crate::feed::FeedError;

/// Why a refresh failed; the feed stays as it was.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// Drupal's database could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Drupal's files could not be reached.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The gateway's own database failed.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// What an earlier failure took along is not read again yet.
    #[error("nothing is read yet: the next refresh reads everything")]
    NothingRead,
}

impl RefreshError {
    /// Whether it is Drupal's side that is away, and not the gateway's own.
    pub(super) const fn is_of_the_source(&self) -> bool {
        matches!(self, Self::Read(_) | Self::Storage(_))
    }
}
