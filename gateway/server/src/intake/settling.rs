//! Letting go of the gateway's own copies: of recordings that an editor has decided on, once Drupal's bytes were read and are the same.

use std::time::Duration;

use uuid::Uuid;

use super::placing::FINDING_OWNER;
use super::rows::{self, Kept};
use super::{AskError, Part, Recordings, SoundError, State, parts};
use crate::drupal::Reader;
use crate::feed::{FeedError, FindingChanges};
use crate::storeroom::StoreError;

/// So many recordings are looked at at once.
const PAGE: u32 = 100;
/// A node that is not there may come back with the rest of a database that is being restored: for this many seconds the copy stays.
const GONE_FOR: i64 = 7 * 86_400;

/// Why copies were not let go.
#[derive(Debug, thiserror::Error)]
enum SettleError {
    /// The states cannot be read.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The gateway's database.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// Drupal's bytes cannot be read.
    #[error(transparent)]
    Sound(#[from] SoundError),
    /// The gateway's own files.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Recordings {
    /// Lets go of copies, now and again and again.
    pub async fn run_settling(&self, reader: &Reader, pause: Duration) {
        loop {
            if let Err(error) = self.settle(reader).await {
                tracing::warn!(%error, "copies of recordings that Drupal has were not let go; it is tried again");
            }
            if let Err(error) = self.look_again().await {
                tracing::warn!(%error, "whether Drupal's storage can be written again could not be noted");
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn settle(&self, reader: &Reader) -> Result<(), SettleError> {
        let mut after = Uuid::nil();
        loop {
            let kept = rows::with_copies(&self.store, after, PAGE).await?;
            let Some(last) = kept.last() else { return Ok(()) };
            after = last.uuid;
            for (kept, state, _) in self.with_states(reader, kept).await? {
                let is_settled = match state {
                    State::Waiting | State::Pending => false,
                    State::Approved | State::Rejected => self.is_in_drupal(&kept).await?,
                    State::Deleted => parts::is_gone(&self.store, kept.uuid).await? >= GONE_FOR,
                };
                if state != State::Deleted {
                    parts::is_there(&self.store, kept.uuid).await?;
                }
                if is_settled {
                    self.let_go(kept.uuid).await?;
                }
            }
        }
    }

    /// Whether Drupal has all bytes of a recording.
    async fn is_in_drupal(&self, kept: &Kept) -> Result<bool, SettleError> {
        for (part, is) in kept.parts() {
            if self.in_drupal(kept.uuid, part, &is).await?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// First the files: a row without them is looked at again, files without a row would lie there for ever.
    async fn let_go(&self, uuid: Uuid) -> Result<(), SettleError> {
        for part in [Part::Title, Part::Body] {
            self.files.remove(&Self::copy_of(uuid, part)).await?;
        }
        parts::let_go(&self.store, uuid).await?;
        let owner = format!("{FINDING_OWNER} {uuid}");
        Ok(self.store.update_findings(&FindingChanges::from([(owner, Vec::new())])).await?)
    }
}
