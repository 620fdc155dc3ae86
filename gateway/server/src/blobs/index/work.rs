//! What is to be looked at, and when.

use std::time::{Duration, Instant};

use super::super::record::{Condition, Entry};
use super::Index;
use crate::beneath::Facts;
use crate::catalogue::site::AudioSource;

/// A source that is to be looked at.
#[derive(Clone, Debug)]
pub(in crate::blobs) struct Task {
    pub(in crate::blobs) source: AudioSource,
    /// What is known of it.
    pub(in crate::blobs) entry: Entry,
    /// The file as it was a while ago, if it was too young to be read then.
    pub(in crate::blobs) seen: Option<Facts>,
}

impl Index {
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
    pub(in crate::blobs) fn doubt(&self, sources: Vec<AudioSource>) {
        let mut state = self.write();
        for source in sources {
            if let Some(slot) = state.slots.get(&source).copied() {
                state.enqueue(slot, false);
            }
        }
        self.publish(&state);
    }

    /// Has everything looked at once more that is of no use as it is: it may be elsewhere now.
    pub(in crate::blobs) fn doubt_useless(&self) {
        let mut state = self.write();
        for slot in 0..u32::try_from(state.records.len()).unwrap_or(u32::MAX) {
            let record = &state.records[slot as usize];
            if record.wanted && !matches!(record.entry.condition, Condition::Ready(_)) {
                state.enqueue(slot, false);
            }
        }
        self.publish(&state);
    }

    /// The wanted among the `size` records from `from` on, and where to go on, unless that was the end.
    pub(in crate::blobs) fn slice(&self, from: usize, size: usize) -> (Vec<(AudioSource, Entry)>, Option<usize>) {
        let state = self.read();
        let end = from.saturating_add(size).min(state.records.len());
        let slice = state.records.get(from..end).unwrap_or_default();
        let wanted = slice.iter().filter(|record| record.wanted && !record.queued);
        let found = wanted.map(|record| (record.source.clone(), record.entry)).collect();
        (found, (end < state.records.len()).then_some(end))
    }

    /// The next tasks, at most `size`; and if there are none, when the next one will be due.
    pub(in crate::blobs) fn take_tasks(&self, size: usize) -> (Vec<Task>, Option<Instant>) {
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
    pub(in crate::blobs) fn postpone(&self, source: &AudioSource, seen: Option<Facts>, delay: Duration) {
        let mut state = self.write();
        let Some(slot) = state.slots.get(source).copied() else { return };
        let record = &mut state.records[slot as usize];
        if !record.queued {
            record.queued = true;
            state.later.insert((Instant::now() + delay, slot), seen);
            self.progress.send_replace(state.progress());
        }
    }
}
