//! The audio index in memory: what is known of every source of audio that the site names.
//!
//! It answers the catalogue without touching a disk, and hands the indexer what must be looked at. What it knows is kept in a table
//! ([`super::table`]) and loaded at start; it opens no file itself.

mod directories;
mod renditions;
mod work;

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use audiospread_protocol::Sha256Digest;
use camino::Utf8Path;
use tokio::sync::{Notify, watch};

pub(super) use self::work::Task;
use super::record::{Condition, Entry, Home, Record, source_text};
use super::rendition::Rendition;
use super::state::{State, beginning};
use crate::catalogue::site::{AudioIndex, AudioSource, AudioState};
use crate::catalogue::{Finding, Severity, Subject, codes};

/// How far the index is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Sources that are known, the pending ones included.
    pub known: u64,
    /// Sources of which nothing is known yet.
    pub pending: u64,
    /// Sources that could not be looked at, or were being written, and whose time will come.
    pub postponed: u64,
    /// Grows whenever something was learnt: then [`Index::take_changed`] has something to tell.
    pub generation: u64,
}

/// The audio index in memory.
#[derive(Debug, Default)]
pub struct Index {
    state: RwLock<State>,
    progress: watch::Sender<Progress>,
    pub(super) work: Notify,
}

impl Index {
    /// Takes note of sources that the site names; returns how many were unknown. These are looked at soon.
    pub fn want(&self, sources: impl IntoIterator<Item = AudioSource>) -> usize {
        let mut state = self.write();
        let before = state.records.len();
        for source in sources {
            state.want(source);
        }
        let new = state.records.len() - before;
        self.publish(&state);
        new
    }

    /// Like [`Index::want`], of *all* sources that the site names: what is not among them counts no longer when a directory is suspected to
    /// have vanished as a whole, and is not looked after any more.
    pub fn want_only(&self, sources: impl IntoIterator<Item = AudioSource>) -> usize {
        let mut state = self.write();
        for record in &mut state.records {
            record.wanted = false;
        }
        for directory in &mut state.directories {
            directory.known = 0;
        }
        let before = state.records.len();
        for source in sources {
            state.want(source);
        }
        let new = state.records.len() - before;
        self.publish(&state);
        new
    }

    /// The sources of which something new was learnt since the last call.
    pub fn take_changed(&self) -> Vec<AudioSource> {
        let mut state = self.write();
        let changed = std::mem::take(&mut state.changed);
        changed.into_iter().map(|slot| state.records[slot as usize].source.clone()).collect()
    }

    /// How far the index is.
    pub fn progress(&self) -> Progress {
        self.read().progress()
    }

    /// Follows the progress; each batch of what was learnt is a change.
    pub fn watch(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Files that are there and of no use: at most `limit`, for an editor to see.
    pub fn findings(&self, limit: usize) -> Vec<Finding> {
        let state = self.read();
        let bad = state.records.iter().filter(|record| record.wanted).filter_map(|record| {
            let name = source_text(&record.source);
            let (code, message) = match record.entry.condition {
                Condition::Corrupt => (
                    codes::CORRUPT_BLOB,
                    format!("The bytes of {name} are not those that its name promises: upload this audio again."),
                ),
                Condition::Unreadable => (
                    codes::UNREADABLE_FILE,
                    format!(
                        "The gateway's account may not read {name}: give it the right to read the files directory."
                    ),
                ),
                _ => return None,
            };
            Some(Finding::new(code, Severity::Error, Subject::Site, message))
        });
        bad.take(limit).collect()
    }

    /// Puts in what the table has.
    pub(super) fn restore(&self, source: AudioSource, directory: Option<&Utf8Path>, mut entry: Entry) {
        let mut state = self.write();
        if let Some(directory) = directory {
            entry.home = state.directory(directory).map(Home::Directory);
        }
        // What the site named last time counts until it is read: a disk that is away is noticed before.
        let slot = state.known(source);
        state.set(slot, entry);
        state.changed.clear();
    }

    /// Puts in what another gateway found out.
    pub(super) fn take_over(&self, source: AudioSource, directory: Option<&Utf8Path>, mut entry: Entry) {
        let mut state = self.write();
        if let Some(directory) = directory {
            entry.home = state.directory(directory).map(Home::Directory);
        }
        let slot = state.insert(source);
        state.set(slot, entry);
        state.generation += 1;
        self.publish(&state);
    }

    /// The sources that the site does not name any more, if they are more than one in a hundred: to let go of some costs as much as of many.
    pub(super) fn unwanted(&self) -> Vec<AudioSource> {
        let state = self.read();
        let unwanted: Vec<AudioSource> =
            state.records.iter().filter(|record| is_idle(record)).map(|record| record.source.clone()).collect();
        if unwanted.len() * 100 > state.records.len() { unwanted } else { Vec::new() }
    }

    /// Lets go of those of these sources that the site does not name.
    pub(super) fn forget(&self, sources: &[AudioSource]) {
        let mut state = self.write();
        let slots = sources.iter().filter_map(|source| state.slots.get(source).copied());
        let gone = slots.filter(|slot| is_idle(&state.records[*slot as usize])).collect();
        state.forget(&gone);
        self.publish(&state);
    }

    /// The sources whose bytes have this digest.
    pub(super) fn named(&self, sha256: &Sha256Digest) -> Vec<(AudioSource, Entry)> {
        let state = self.read();
        let beginning = beginning(sha256);
        let slots = state.digests.range((beginning, 0)..=(beginning, u32::MAX));
        slots
            .map(|(_, slot)| &state.records[*slot as usize])
            .filter(|record| matches!(record.entry.condition, Condition::Ready(audio) if audio.sha256 == *sha256))
            .map(|record| (record.source.clone(), record.entry))
            .collect()
    }

    /// Takes over what was found out.
    pub(super) fn learn(&self, found: &[(AudioSource, Entry)]) {
        let mut state = self.write();
        for (source, entry) in found {
            let slot = state.insert(source.clone());
            state.set(slot, *entry);
        }
        state.generation += 1;
        self.publish(&state);
    }

    fn publish(&self, state: &State) {
        self.progress.send_replace(state.progress());
        self.work.notify_one();
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        // Nothing panics while it holds the lock; if something did, the maps would still be good enough to serve audio from.
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AudioIndex for Index {
    fn state(&self, source: &AudioSource) -> AudioState {
        let state = self.read();
        let Some(slot) = state.slots.get(source) else { return AudioState::Pending };
        let mut heard = state.records[*slot as usize].entry.state();
        if let AudioState::Ready(audio) = &mut heard
            && state.publishes_renditions
        {
            audio.phone = state.renditions.get(&audio.sha256).map(Rendition::reference);
        }
        heard
    }
}

/// Whether the site does not name it and nobody is about to look at it.
const fn is_idle(record: &Record) -> bool {
    !record.wanted && !record.queued
}

#[cfg(test)]
mod tests;
