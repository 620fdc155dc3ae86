//! Letting go of the gateway's own copies: of recordings that an editor has decided on, once Drupal's bytes were read and are the same.
//!
//! Where Drupal has let go of a recording, because its node was deleted or an editor put another sound in the place of a caller's, the copy stays
//! for a week. That bytes are gone proves nothing: a disk may be away. The node must name another sound.

use std::time::Duration;

use uuid::Uuid;

use super::placing::FINDING_OWNER;
use super::rows::{self, Kept};
use super::{AskError, Part, Recordings, SoundError, State, parts};
use crate::catalogue::site::{AudioSource, Nid};
use crate::drupal::Reader;
use crate::feed::{FeedError, FindingChanges};
use crate::storeroom::StoreError;

/// So many recordings are looked at at once.
const PAGE: u32 = 100;
/// What Drupal has let go of may come back with the rest of a database that is being restored: for this many seconds the copy stays.
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
            for (kept, state, row) in self.with_states(reader, kept).await? {
                let is_decided = matches!(state, State::Approved | State::Rejected);
                let missing = if is_decided { self.not_in_drupal(&kept).await? } else { Vec::new() };
                let nid = row.map_or(0, |row| row.nid);
                let has_let_go = state == State::Deleted
                    || !missing.is_empty() && self.were_replaced(reader, kept.uuid, nid, &missing).await?;
                let is_settled = if has_let_go {
                    parts::is_gone(&self.store, kept.uuid).await? >= GONE_FOR
                } else {
                    parts::is_there(&self.store, kept.uuid).await?;
                    is_decided && missing.is_empty()
                };
                if is_settled {
                    self.let_go(kept.uuid).await?;
                }
            }
        }
    }

    /// The parts of a recording whose bytes Drupal has not.
    async fn not_in_drupal(&self, kept: &Kept) -> Result<Vec<Part>, SettleError> {
        let mut missing = Vec::new();
        for (part, is) in kept.parts() {
            if self.in_drupal(kept.uuid, part, &is).await?.is_none() {
                missing.push(part);
            }
        }
        Ok(missing)
    }

    /// Whether the node has other sounds in the place of all these parts.
    async fn were_replaced(&self, reader: &Reader, uuid: Uuid, nid: Nid, parts: &[Part]) -> Result<bool, SettleError> {
        let noted = parts::of(&self.store, &[uuid]).await?;
        let node = reader.read_some(&[nid]).await.map_err(AskError::from)?;
        let body = node.source_of(nid, |node| node.body);
        Ok(parts.iter().all(|part| {
            let Some(noted) = noted.get(&(uuid, *part)) else { return false };
            match part {
                Part::Body => body.flatten().is_some_and(|source| !is_of(source, uuid, &noted.sha1)),
                // A title may be taken away. Of a node that has no body either, fields may not have been found.
                Part::Title => match node.source_of(nid, |node| node.title) {
                    Some(Some(source)) => !is_of(source, uuid, &noted.sha1),
                    Some(None) => body.flatten().is_some(),
                    None => false,
                },
            }
        }))
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

/// Whether a source is where a part of a recording was put: its bytes, or a file under the recording's name.
fn is_of(source: &AudioSource, uuid: Uuid, sha1: &[u8; 20]) -> bool {
    match source {
        AudioSource::Bitcache(named) => named == sha1,
        AudioSource::Path(path) => path.contains(&uuid.to_string()),
    }
}
