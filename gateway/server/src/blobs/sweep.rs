//! The rolling sweep: looks in slices whether known audio is still what it was, and whether missing audio has come.
//!
//! It opens no file and decides nothing: what it doubts, the indexer looks at.

use std::time::{Duration, Instant};

use super::Blobs;
use super::index::Index;
use super::record::{Condition, Entry, Home};
use super::roots::{Place, path_below, places};
use super::store::Store;
use super::unblocked;
use crate::beneath::{Found, Root};
use crate::catalogue::site::AudioSource;
use crate::drupal::{FilePath, Storage};

/// Sources that are looked at at once, a second; a million take half an hour.
const SLICE: usize = 500;
const PAUSE: Duration = Duration::from_secs(1);
/// A round takes at least this long, however few there are.
const ROUND: Duration = Duration::from_secs(60);

impl Blobs {
    /// Sweeps round after round, for as long as it is polled.
    pub async fn run_sweep(&self) {
        loop {
            let begun = Instant::now();
            let mut next = Some(0);
            while let Some(from) = next {
                next = self.sweep_slice(from).await;
                tokio::time::sleep(PAUSE).await;
            }
            tokio::time::sleep(ROUND.saturating_sub(begun.elapsed())).await;
        }
    }

    /// Sweeps once over everything, without pauses.
    pub async fn sweep(&self) {
        let mut next = Some(0);
        while let Some(from) = next {
            next = self.sweep_slice(from).await;
        }
    }

    async fn sweep_slice(&self, from: usize) -> Option<usize> {
        let storage = self.storage.load_full()?;
        let (slice, next) = self.index.slice(from, SLICE);
        let (index, store) = (self.index.clone(), self.store.clone());
        let doubtful = unblocked(move || {
            let doubtful =
                |(source, entry): &(AudioSource, Entry)| is_doubtful(&storage, &index, &store, source, entry);
            slice.into_iter().filter(doubtful).map(|(source, _)| source).collect::<Vec<_>>()
        });
        match doubtful.await {
            Ok(doubtful) => self.index.doubt(doubtful),
            Err(error) => tracing::warn!(%error, "the sweep over audio was cut short"),
        }
        next
    }
}

/// Whether there is something to find out about a source. What cannot be looked at is not doubted: the storage is, at the next refresh.
fn is_doubtful(storage: &Storage, index: &Index, store: &Store, source: &AudioSource, entry: &Entry) -> bool {
    match (entry.condition, entry.home) {
        (Condition::Ready(audio), Some(Home::Store)) => !store.blob(&audio.sha256).is_ok_and(|copy| copy.is_some()),
        // In the queue already; or bytes that will be no others, since bitcache names them by what they are.
        (Condition::Pending, _) | (_, Some(Home::Store)) => false,
        (_, Some(Home::Directory(number))) => {
            let Some(directory) = index.directory_path(number) else { return true };
            // The site was moved, or its repositories were changed.
            let Some(path) = path_below(storage, source, &directory) else { return true };
            let found = Root::open(&directory).and_then(|root| root.look(path.as_str()));
            !matches!(found, Ok(Found::File(facts)) if facts == entry.facts)
        }
        (_, None) => places(storage, source).iter().any(|place| match place {
            Place::File(FilePath { directory, path }) => {
                let found = Root::open(directory).and_then(|root| root.look(path.as_str()));
                matches!(found, Ok(Found::File(_)))
            }
            Place::Table(_) => true,
        }),
    }
}
