//! The maps behind the audio index, and what keeps them in agreement with each other.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Instant;

use audiospread_protocol::Sha256Digest;
use camino::{Utf8Path, Utf8PathBuf};

use super::index::Progress;
use super::record::{Condition, Entry, Home, Record};
use super::rendition::Rendition;
use crate::beneath::Facts;
use crate::catalogue::site::AudioSource;

/// The maps: each source has a slot, and everything else speaks of slots.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) records: Vec<Record>,
    pub(super) slots: HashMap<AudioSource, u32>,
    /// The beginnings of the digests of what is ready: a set of pairs is a third of a map's size.
    pub(super) digests: BTreeSet<(u64, u32)>,
    pub(super) directories: Vec<Directory>,
    pub(super) queue: VecDeque<u32>,
    /// What is looked at when its time has come, and the file as it was.
    pub(super) later: BTreeMap<(Instant, u32), Option<Facts>>,
    pub(super) changed: BTreeSet<u32>,
    pub(super) pending: u64,
    pub(super) generation: u64,
    /// By the sounds that they are of.
    pub(super) renditions: HashMap<Sha256Digest, Rendition>,
    /// The sounds, by their renditions.
    pub(super) rendered: HashMap<Sha256Digest, Sha256Digest>,
    pub(super) publishes_renditions: bool,
}

/// A directory in which files were found.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) path: Utf8PathBuf,
    /// How many files of it are ready and named by the site.
    pub(super) known: u64,
}

impl State {
    /// How far the index is.
    pub(super) fn progress(&self) -> Progress {
        Progress {
            known: self.records.len() as u64,
            pending: self.pending,
            postponed: self.later.len() as u64,
            generation: self.generation,
        }
    }

    /// Takes note of a source that the site names; what is new is to be looked at.
    pub(super) fn want(&mut self, source: AudioSource) {
        let before = self.records.len();
        let slot = self.known(source);
        if self.records.len() > before {
            self.enqueue(slot, false);
        }
    }

    /// The slot of a source that the site names.
    pub(super) fn known(&mut self, source: AudioSource) -> u32 {
        let slot = self.insert(source);
        let record = &mut self.records[slot as usize];
        if !std::mem::replace(&mut record.wanted, true) {
            let entry = record.entry;
            self.count(&entry, 1);
        }
        slot
    }

    /// The slot of a source, made if need be; what is new is pending and not yet wanted.
    pub(super) fn insert(&mut self, source: AudioSource) -> u32 {
        if let Some(slot) = self.slots.get(&source) {
            return *slot;
        }
        // Four thousand million sources are four hundred gigabytes of index.
        let slot = u32::try_from(self.records.len()).unwrap_or(u32::MAX);
        self.records.push(Record { source: source.clone(), entry: Entry::PENDING, queued: false, wanted: false });
        self.slots.insert(source, slot);
        self.pending += 1;
        slot
    }

    /// Has a source looked at, unless it waits for that already.
    pub(super) fn enqueue(&mut self, slot: u32, first: bool) {
        let record = &mut self.records[slot as usize];
        if std::mem::replace(&mut record.queued, true) {
            return;
        }
        if first { self.queue.push_front(slot) } else { self.queue.push_back(slot) }
    }

    /// Puts in what was found out.
    pub(super) fn set(&mut self, slot: u32, entry: Entry) {
        let record = &mut self.records[slot as usize];
        let (before, wanted) = (std::mem::replace(&mut record.entry, entry), record.wanted);
        if let Condition::Ready(audio) = before.condition {
            self.digests.remove(&(beginning(&audio.sha256), slot));
        }
        if let Condition::Ready(audio) = entry.condition {
            self.digests.insert((beginning(&audio.sha256), slot));
        }
        if wanted {
            self.count(&before, -1);
            self.count(&entry, 1);
        }
        self.pending -= u64::from(before.condition == Condition::Pending);
        self.pending += u64::from(entry.condition == Condition::Pending);
        if before.state() != entry.state() {
            self.changed.insert(slot);
        }
    }

    /// Puts in the rendition of a sound; for the catalogue all sources of the sound are different then.
    pub(super) fn add_rendition(&mut self, source: &Sha256Digest, rendition: Rendition) {
        if self.renditions.get(source) == Some(&rendition) {
            return;
        }
        self.forget_rendition(source);
        self.renditions.insert(*source, rendition);
        self.rendered.insert(rendition.sha256, *source);
        if self.publishes_renditions {
            let beginning = beginning(source);
            self.changed.extend(self.digests.range((beginning, 0)..=(beginning, u32::MAX)).map(|(_, slot)| *slot));
        }
    }

    /// Lets go of the rendition of a sound that is published no more.
    pub(super) fn forget_rendition(&mut self, source: &Sha256Digest) {
        if let Some(rendition) = self.renditions.remove(source) {
            self.rendered.remove(&rendition.sha256);
        }
    }

    /// Lets go of these slots; what is behind the first of them moves up.
    pub(super) fn forget(&mut self, gone: &BTreeSet<u32>) {
        let mut moved = Vec::with_capacity(self.records.len());
        let mut kept: u32 = 0;
        for (slot, record) in (0..).zip(std::mem::take(&mut self.records)) {
            if gone.contains(&slot) {
                self.slots.remove(&record.source);
                self.pending -= u64::from(record.entry.condition == Condition::Pending);
                moved.push(None);
                continue;
            }
            if let Some(known) = self.slots.get_mut(&record.source) {
                *known = kept;
            }
            self.records.push(record);
            moved.push(Some(kept));
            kept += 1;
        }
        let new = |slot: u32| moved.get(slot as usize).copied().flatten();
        self.digests =
            std::mem::take(&mut self.digests).into_iter().filter_map(|(hash, slot)| Some((hash, new(slot)?))).collect();
        self.queue = std::mem::take(&mut self.queue).into_iter().filter_map(new).collect();
        self.later = std::mem::take(&mut self.later)
            .into_iter()
            .filter_map(|((at, slot), seen)| Some(((at, new(slot)?), seen)))
            .collect();
        self.changed = std::mem::take(&mut self.changed).into_iter().filter_map(new).collect();
    }

    fn count(&mut self, entry: &Entry, by: i64) {
        if let (Condition::Ready(_), Some(Home::Directory(number))) = (entry.condition, entry.home)
            && let Some(directory) = self.directories.get_mut(usize::from(number))
        {
            directory.known = directory.known.saturating_add_signed(by);
        }
    }

    /// The number of a directory, given if need be; absent if there are too many.
    pub(super) fn directory(&mut self, path: &Utf8Path) -> Option<u16> {
        let known = self.directories.iter().position(|directory| directory.path == path);
        let number = known.unwrap_or_else(|| {
            self.directories.push(Directory { path: path.to_owned(), known: 0 });
            self.directories.len() - 1
        });
        u16::try_from(number).ok()
    }
}

/// The part of a digest by which it is looked up.
pub(super) fn beginning(sha256: &Sha256Digest) -> u64 {
    sha256.0.iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}
