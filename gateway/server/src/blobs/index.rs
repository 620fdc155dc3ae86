//! The audio index in memory: what is known of every source of audio that the site names.
//!
//! It answers the catalogue without touching a disk, and hands the indexer what must be looked at. What it knows is kept in a table
//! ([`super::table`]) and loaded at start; it opens no file itself.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use audiospread_protocol::Sha256Digest;
use camino::{Utf8Path, Utf8PathBuf};
use tokio::sync::{Notify, watch};

use super::record::{Condition, Entry, Home, Record, source_text};
use super::rendition::Rendition;
use super::state::{State, beginning};
use crate::beneath::Facts;
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

/// A source that is to be looked at.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) source: AudioSource,
    /// What is known of it.
    pub(super) entry: Entry,
    /// The file as it was a while ago, if it was too young to be read then.
    pub(super) seen: Option<Facts>,
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

    /// Has sources looked at once more, before all others: those of nodes that somebody named.
    pub fn recheck(&self, sources: impl IntoIterator<Item = AudioSource>) {
        let mut state = self.write();
        for source in sources {
            if let Some(slot) = state.slots.get(&source).copied() {
                state.enqueue(slot, true);
            }
        }
        self.publish(&state);
    }

    /// Has sources looked at once more, when all others were.
    pub(super) fn doubt(&self, sources: Vec<AudioSource>) {
        let mut state = self.write();
        for source in sources {
            if let Some(slot) = state.slots.get(&source).copied() {
                state.enqueue(slot, false);
            }
        }
        self.publish(&state);
    }

    /// Has everything looked at once more that is of no use as it is: it may be elsewhere now.
    pub(super) fn doubt_useless(&self) {
        let mut state = self.write();
        for slot in 0..u32::try_from(state.records.len()).unwrap_or(u32::MAX) {
            let record = &state.records[slot as usize];
            if record.wanted && !matches!(record.entry.condition, Condition::Ready(_)) {
                state.enqueue(slot, false);
            }
        }
        self.publish(&state);
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

    /// The number by which a directory is known; absent if there are too many.
    pub(super) fn directory(&self, path: &Utf8Path) -> Option<u16> {
        let known = self.read().directories.iter().position(|directory| directory.path == path);
        match known {
            Some(number) => u16::try_from(number).ok(),
            None => self.write().directory(path),
        }
    }

    /// The path of a directory.
    pub(super) fn directory_path(&self, number: u16) -> Option<Utf8PathBuf> {
        self.read().directories.get(usize::from(number)).map(|directory| directory.path.clone())
    }

    /// How many files are known to be in a directory.
    pub(super) fn known_in(&self, path: &Utf8Path) -> u64 {
        self.read().directories.iter().find(|directory| directory.path == path).map_or(0, |directory| directory.known)
    }

    /// At most `size` of the files that are known to be in a directory, taken from all over the index.
    pub(super) fn sample(&self, path: &Utf8Path, size: usize) -> Vec<AudioSource> {
        let state = self.read();
        let Some(number) = state.directories.iter().position(|directory| directory.path == path) else {
            return Vec::new();
        };
        let count = state.records.len();
        // A step that shares no divisor with the count meets every record; the golden ratio spreads the first ones.
        let mut step = (count * 618 / 1000).max(1);
        while gcd(step, count) != 1 {
            step += 1;
        }
        let home = Some(Home::Directory(u16::try_from(number).unwrap_or(u16::MAX)));
        let at = (0..count.min(4096)).scan(rand::random_range(0..count.max(1)), |at, _| {
            *at = (*at + step) % count;
            Some(&state.records[*at])
        });
        at.filter(|record| {
            record.wanted && record.entry.home == home && matches!(record.entry.condition, Condition::Ready(_))
        })
        .map(|record| record.source.clone())
        .take(size)
        .collect()
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

    /// The wanted among the `size` records from `from` on, and where to go on, unless that was the end.
    pub(super) fn slice(&self, from: usize, size: usize) -> (Vec<(AudioSource, Entry)>, Option<usize>) {
        let state = self.read();
        let end = from.saturating_add(size).min(state.records.len());
        let slice = state.records.get(from..end).unwrap_or_default();
        let wanted = slice.iter().filter(|record| record.wanted && !record.queued);
        let found = wanted.map(|record| (record.source.clone(), record.entry)).collect();
        (found, (end < state.records.len()).then_some(end))
    }

    /// The next tasks, at most `size`; and if there are none, when the next one will be due.
    pub(super) fn take_tasks(&self, size: usize) -> (Vec<Task>, Option<Instant>) {
        let mut state = self.write();
        let mut tasks = Vec::new();
        let now = Instant::now();
        while tasks.len() < size {
            let due = state.later.first_key_value().is_some_and(|((at, _), _)| *at <= now);
            let next = if due {
                state.later.pop_first().map(|((_, slot), seen)| (slot, seen))
            } else {
                state.queue.pop_front().map(|slot| (slot, None))
            };
            let Some((slot, seen)) = next else { break };
            let record = &mut state.records[slot as usize];
            record.queued = false;
            tasks.push(Task { source: record.source.clone(), entry: record.entry, seen });
        }
        (tasks, state.later.first_key_value().map(|((at, _), _)| *at))
    }

    /// Has a task done again after `delay`.
    pub(super) fn postpone(&self, source: &AudioSource, seen: Option<Facts>, delay: Duration) {
        let mut state = self.write();
        let Some(slot) = state.slots.get(source).copied() else { return };
        let record = &mut state.records[slot as usize];
        if !record.queued {
            record.queued = true;
            state.later.insert((Instant::now() + delay, slot), seen);
            self.progress.send_replace(state.progress());
        }
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

    /// Has the catalogue told of renditions.
    pub(super) fn publish_renditions(&self) {
        self.write().publishes_renditions = true;
    }

    /// Takes note of renditions, by the sounds that they are of.
    pub(super) fn add_renditions(&self, made: &[(Sha256Digest, Rendition)]) {
        let mut state = self.write();
        let before = state.changed.len();
        for (source, rendition) in made {
            state.add_rendition(source, *rendition);
        }
        if state.changed.len() > before {
            state.generation += 1;
            self.publish(&state);
        }
    }

    /// Whether there is a rendition of a sound.
    pub(super) fn has_rendition_of(&self, sound: &Sha256Digest) -> bool {
        self.read().renditions.contains_key(sound)
    }

    /// Lets go of the renditions of these sounds.
    pub(super) fn forget_renditions(&self, sources: &[Sha256Digest]) {
        let mut state = self.write();
        for source in sources {
            state.forget_rendition(source);
        }
    }

    /// The rendition of this digest, and the sound that it is of.
    pub(super) fn rendition_named(&self, sha256: &Sha256Digest) -> Option<(Sha256Digest, Rendition)> {
        let state = self.read();
        let source = *state.rendered.get(sha256)?;
        Some((source, *state.renditions.get(&source)?))
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

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::super::measure::Mime;
    use super::super::record::Audio;
    use super::*;

    fn source(number: u8) -> AudioSource {
        AudioSource::Bitcache([number; 20])
    }

    fn ready(index: &Index, directory: &str, number: u8) -> Entry {
        let audio = Audio { sha256: Sha256Digest([number; 32]), mime: Mime::Mpeg, duration_ms: 36 };
        Entry {
            condition: Condition::Ready(audio),
            home: index.directory(directory.into()).map(Home::Directory),
            facts: Facts { size: 72, mtime_ns: 1, inode: 2 },
        }
    }

    #[test]
    fn what_nobody_has_looked_at_is_pending_whether_it_is_known_or_not() {
        let index = Index::default();
        assert_eq!(index.state(&source(1)), AudioState::Pending);
        assert_eq!(index.want([source(1), source(1), source(2)]), 2);
        assert_eq!(index.want([source(1)]), 0);
        assert_eq!(index.state(&source(1)), AudioState::Pending);
        assert_eq!(index.progress(), Progress { known: 2, pending: 2, postponed: 0, generation: 0 });
    }

    #[test]
    fn what_is_forgotten_is_unknown_and_the_others_are_what_they_were() {
        let index = Index::default();
        index.learn(&(1..=9).map(|number| (source(number), ready(&index, "/a", number))).collect::<Vec<_>>());
        index.want_only([2, 5, 9, 10, 11].map(source));
        index.take_tasks(1);
        index.postpone(&source(10), None, Duration::from_secs(3600));
        index.take_changed();
        index.doubt(vec![source(9)]);
        index.doubt(vec![source(8)]);
        let unwanted = index.unwanted();
        assert_eq!(unwanted, [1, 3, 4, 6, 7].map(source), "what is about to be looked at stays");
        index.forget(&[unwanted, vec![source(5)]].concat());
        assert_eq!(index.progress(), Progress { known: 6, pending: 2, postponed: 1, generation: 1 });
        for number in 1..=9 {
            let is_kept = [2, 5, 8, 9].contains(&number);
            assert_eq!(index.state(&source(number)) != AudioState::Pending, is_kept, "{number}");
            let named = index.named(&Sha256Digest([number; 32]));
            assert_eq!(
                named.iter().map(|(source, _)| source.clone()).collect::<Vec<_>>(),
                is_kept.then(|| source(number)).into_iter().collect::<Vec<_>>()
            );
        }
        assert_eq!(index.known_in("/a".into()), 3);
        let (tasks, due) = index.take_tasks(9);
        assert_eq!(tasks.iter().map(|task| task.source.clone()).collect::<Vec<_>>(), [11, 9, 8].map(source));
        assert!(due.is_some());
        assert_eq!(index.want([source(1), source(2)]), 1);
    }

    #[test]
    fn each_task_is_handed_out_once_and_those_of_named_nodes_first() {
        let index = Index::default();
        index.want([source(1), source(2)]);
        index.learn(&[(source(3), Entry { condition: Condition::Missing, ..Entry::PENDING })]);
        index.recheck([source(3), source(3), source(4)]);
        let (tasks, due) = index.take_tasks(10);
        assert_eq!(tasks.iter().map(|task| task.source.clone()).collect::<Vec<_>>(), [source(3), source(1), source(2)]);
        assert_eq!(due, None);
        assert!(index.take_tasks(10).0.is_empty());
    }

    #[test]
    fn what_is_postponed_comes_when_its_time_has_come() {
        let index = Index::default();
        index.want([source(1)]);
        index.take_tasks(1);
        let seen = Some(Facts { size: 1, mtime_ns: 2, inode: 3 });
        index.postpone(&source(1), seen, Duration::from_secs(3600));
        let (tasks, due) = index.take_tasks(1);
        assert!(tasks.is_empty() && due.is_some());
        index.want([source(2)]);
        index.take_tasks(1);
        index.postpone(&source(2), seen, Duration::ZERO);
        let (tasks, _) = index.take_tasks(9);
        assert_eq!(tasks.len(), 1);
        assert_eq!(tasks[0].seen, seen);
        assert_eq!(index.progress().postponed, 1);
    }

    #[test]
    fn only_wanted_files_count_as_known_in_a_directory() {
        let index = Index::default();
        index.learn(&[(source(1), ready(&index, "/a", 1)), (source(2), ready(&index, "/a", 2))]);
        index.learn(&[(source(3), ready(&index, "/b", 3))]);
        assert_eq!(index.known_in("/a".into()), 0);
        index.want((1..=3).map(source));
        assert_eq!((index.known_in("/a".into()), index.known_in("/b".into())), (2, 1));
        index.learn(&[(source(2), Entry { condition: Condition::Missing, ..Entry::PENDING })]);
        assert_eq!(index.known_in("/a".into()), 1);
        index.learn(&[(source(2), ready(&index, "/b", 2))]);
        assert_eq!((index.known_in("/a".into()), index.known_in("/b".into())), (1, 2));
        index.want_only([source(3), source(3)]);
        assert_eq!((index.known_in("/a".into()), index.known_in("/b".into())), (0, 1));
    }

    #[test]
    fn a_sample_has_files_of_its_directory_and_each_once() {
        let index = Index::default();
        for number in 0..100 {
            let directory = if number % 10 == 0 { "/rare" } else { "/common" };
            index.learn(&[(source(number), ready(&index, directory, number))]);
        }
        index.want((0..100).map(source));
        for _ in 0..20 {
            let mut sample = index.sample("/rare".into(), 16);
            sample.sort();
            assert_eq!(sample, (0..100).step_by(10).map(source).collect::<Vec<_>>());
            assert_eq!(index.sample("/common".into(), 16).len(), 16);
        }
        assert!(index.sample("/none".into(), 16).is_empty());
        assert!(Index::default().sample("/a".into(), 16).is_empty());
    }

    #[test]
    fn a_digest_leads_to_all_its_sources_and_to_no_others() {
        let index = Index::default();
        let (one, mut near) = (ready(&index, "/a", 1), ready(&index, "/a", 1));
        if let Condition::Ready(audio) = &mut near.condition {
            audio.sha256.0[31] = 0;
        }
        index.learn(&[(source(1), one), (source(2), one), (source(3), near)]);
        let named = |digest: [u8; 32]| {
            index.named(&Sha256Digest(digest)).into_iter().map(|(source, _)| source).collect::<Vec<_>>()
        };
        assert_eq!(named([1; 32]), [source(1), source(2)]);
        index.learn(&[(source(1), ready(&index, "/a", 9))]);
        assert_eq!(named([1; 32]), [source(2)]);
        assert_eq!(named([9; 32]), [source(1)]);
        assert!(named([2; 32]).is_empty());
    }

    #[test]
    fn only_what_became_different_for_the_catalogue_is_told() {
        let index = Index::default();
        let entry = ready(&index, "/a", 1);
        index.learn(&[(source(1), entry)]);
        assert_eq!(index.take_changed(), [source(1)]);
        let touched = Entry { facts: Facts { mtime_ns: 77, ..entry.facts }, ..entry };
        index.learn(&[(source(1), touched)]);
        assert_eq!(index.take_changed(), []);
    }

    #[test]
    fn a_sweep_meets_every_wanted_source_once() {
        let index = Index::default();
        index.want((0..25).map(source));
        index.take_tasks(25);
        let (mut met, mut next) = (Vec::new(), Some(0));
        while let Some(from) = next {
            let (slice, following) = index.slice(from, 10);
            met.extend(slice.into_iter().map(|(source, _)| source));
            next = following;
        }
        assert_eq!(met, (0..25).map(source).collect::<Vec<_>>());
    }
}
