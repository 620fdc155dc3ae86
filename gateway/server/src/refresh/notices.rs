//! What Drupal said has changed: gathered for a moment, so that a storm of notifications is one refresh.
//!
//! Nothing here is kept on disk: a gateway that is killed reads everything when it starts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::Scope;
use crate::catalogue::site::{Nid, Stamp};

/// Before what was said is read, nothing more must have been said for so long. It is more than the second in which Drupal's clock moves on:
/// a save that begins later than that bears another `changed`.
pub(super) const QUIET: Duration = Duration::from_millis(1_050);

/// What was said first waits at most for so long, however much more is said.
const AT_MOST: Duration = Duration::from_secs(5);

/// Beyond so many nodes everything is read.
const MANY_NODES: usize = 5_000;

/// Something that changed in Drupal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A node that was saved, with its stamp after the save; or one of which nothing is said but that it changed.
    Node(Nid, Option<Stamp>),
    /// What has no node, or too much to name.
    Everything,
}

/// Gathers notices; clones gather in one place.
#[derive(Clone, Debug, Default)]
pub(super) struct Notices {
    gathered: Arc<Mutex<Gathered>>,
    more: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Gathered {
    /// When the first and the last of them were said.
    said: Option<(Instant, Instant)>,
    everything: bool,
    nodes: BTreeMap<Nid, Option<(Stamp, Instant)>>,
}

/// What is to be read because of notices.
#[derive(Debug)]
pub(super) struct Ripe {
    pub(super) scope: Scope,
    /// The stamps after saves that have ended, and when that was said.
    pub(super) saved: BTreeMap<Nid, (Stamp, Instant)>,
}

impl Notices {
    fn lock(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, notices: impl IntoIterator<Item = Notice>) {
        self.lock().add(notices, Instant::now());
        self.more.notify_one();
    }

    /// Waits until what was gathered is to be read, and hands it over. It may be dropped while it waits, and loses nothing.
    pub(super) async fn ripe(&self) -> Ripe {
        loop {
            let due = self.lock().due();
            match due {
                Some(due) if due <= Instant::now() => return self.lock().take(),
                Some(due) => tokio::select! {
                    () = sleep_until(due) => {}
                    () = self.more.notified() => {}
                },
                None => self.more.notified().await,
            }
        }
    }
}

impl Gathered {
    fn add(&mut self, notices: impl IntoIterator<Item = Notice>, now: Instant) {
        for notice in notices {
            self.said = Some((self.said.map_or(now, |(first, _)| first), now));
            match notice {
                Notice::Node(nid, saved) if !self.everything => {
                    self.nodes.insert(nid, saved.map(|saved| (saved, now)));
                }
                Notice::Node(..) => {}
                Notice::Everything => self.everything = true,
            }
        }
        if self.everything || self.nodes.len() > MANY_NODES {
            self.everything = true;
            self.nodes.clear();
        }
    }

    fn due(&self) -> Option<Instant> {
        self.said.map(|(first, last)| (last + QUIET).min(first + AT_MOST))
    }

    fn take(&mut self) -> Ripe {
        let Self { everything, nodes, .. } = std::mem::take(self);
        let scope = if everything { Scope::Whole } else { Scope::Nodes(nodes.keys().copied().collect()) };
        let saved = nodes.into_iter().filter_map(|(nid, saved)| Some((nid, saved?))).collect();
        Ripe { scope, saved }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Stamp = Stamp { vid: 440, changed: 1_300_000_000 };
    const SECOND: Stamp = Stamp { vid: 441, changed: 1_300_000_001 };

    fn after(start: Instant, milliseconds: u64) -> Instant {
        start + Duration::from_millis(milliseconds)
    }

    #[test]
    fn what_is_said_in_one_storm_is_read_once_and_a_second_after_its_last_word() {
        let (mut gathered, start) = (Gathered::default(), Instant::now());
        assert_eq!(gathered.due(), None);
        for nid in 0..30 {
            gathered.add([Notice::Node(nid % 3, Some(FIRST))], after(start, u64::from(nid) * 30));
        }
        gathered.add([Notice::Node(1, Some(SECOND)), Notice::Node(7, None)], after(start, 900));
        assert_eq!(gathered.due(), Some(after(start, 900) + QUIET));
        let ripe = gathered.take();
        assert_eq!(ripe.scope, Scope::Nodes([0, 1, 2, 7].into()));
        assert_eq!(ripe.saved.keys().copied().collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(ripe.saved[&1], (SECOND, after(start, 900)), "the last word counts");
        assert_eq!(gathered.due(), None, "and only once");
    }

    #[test]
    fn a_storm_that_does_not_end_keeps_nobody_waiting_for_ever() {
        let (mut gathered, start) = (Gathered::default(), Instant::now());
        for second in 0..100 {
            gathered.add([Notice::Node(1, Some(FIRST))], after(start, second * 1_000));
        }
        assert_eq!(gathered.due(), Some(start + AT_MOST));
    }

    #[test]
    fn what_has_no_node_and_what_are_too_many_nodes_is_everything() {
        let (mut gathered, now) = (Gathered::default(), Instant::now());
        gathered.add([Notice::Node(1, Some(FIRST)), Notice::Everything, Notice::Node(2, None)], now);
        let ripe = gathered.take();
        assert_eq!((ripe.scope, ripe.saved.len()), (Scope::Whole, 0));
        gathered.add((0..=5_000).map(|nid| Notice::Node(nid, None)), now);
        assert_eq!(gathered.take().scope, Scope::Whole);
        gathered.add([], now);
        assert_eq!(gathered.due(), None, "nothing is no reason");
    }
}
