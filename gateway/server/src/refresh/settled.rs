//! For which entities one reading suffices: those of whose last save Drupal said that it has ended.
//!
//! Drupal 6 sends a notification after the save, with the node's `vid` and `changed`. The next save writes these two before anything else of
//! the node, and another second of the clock gives them another value. So a reading is whole if the two were as they were said to be after
//! all else was read, and that was more than a second after they were said.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::notices::QUIET;
use crate::catalogue::site::{FileRef, Nid, ProgramNode, PromptNode, Site, SoundNode, Stamp};
use crate::drupal::IN_FLIGHT;

/// What Drupal said is remembered for so long: the node's audio may be indexed only later, and then it is read again.
const REMEMBERED: Duration = Duration::from_secs(600);

/// The saves of which Drupal said that they have ended.
#[derive(Debug, Default)]
pub(super) struct Heard(BTreeMap<Nid, (Stamp, Instant)>);

impl Heard {
    pub(super) fn add(&mut self, saved: BTreeMap<Nid, (Stamp, Instant)>, now: Instant) {
        self.0.retain(|_, (_, at)| now - *at < REMEMBERED);
        self.0.extend(saved);
    }

    /// Those said more than a second ago: whatever is saved from now on bears another `changed`.
    pub(super) fn ripe(&self, now: Instant) -> BTreeMap<Nid, Stamp> {
        let ripe = self.0.iter().filter(|(_, (_, at))| now - *at >= QUIET);
        ripe.map(|(nid, (stamp, _))| (*nid, *stamp)).collect()
    }
}

/// Whether nothing of an entity can be half saved. `read` are the nodes it is made of, `after` and `clock` their rows and the database's time
/// after all else was read.
pub(super) fn one_reading_suffices(
    read: &BTreeMap<Nid, Stamp>,
    heard: &BTreeMap<Nid, Stamp>,
    after: &BTreeMap<Nid, Stamp>,
    clock: i64,
) -> bool {
    let stood_still = read.iter().all(|(nid, stamp)| after.get(nid) == Some(stamp));
    let has_ended = |nid: &Nid, stamp: &Stamp| heard.get(nid) == Some(stamp) || stamp.changed < clock - IN_FLIGHT;
    stood_still
        && read.iter().all(|(nid, stamp)| has_ended(nid, stamp))
        && read.iter().any(|(nid, stamp)| heard.get(nid) == Some(stamp))
}

/// The stamps of a node and of its file nodes; nothing where one of them is not there.
pub(super) fn stamps_of(site: &Site, nid: Nid) -> Option<BTreeMap<Nid, Stamp>> {
    let (node, files): (_, Vec<FileRef>) = if let Some(program) = site.programs.get(&nid) {
        (&program.node, ProgramNode::files(program).collect())
    } else if let Some(sound) = site.sounds.get(&nid) {
        (&sound.node, SoundNode::files(sound).collect())
    } else if let Some(prompt) = site.prompts.get(&nid) {
        (&prompt.node, PromptNode::files(prompt).collect())
    } else {
        (&site.subscribers.get(&nid)?.node, Vec::new())
    };
    let mut stamps = BTreeMap::from([(nid, Stamp { vid: node.vid, changed: node.changed })]);
    for nid in files.into_iter().filter_map(FileRef::nid) {
        let file = site.files.get(&nid)?;
        stamps.insert(nid, Stamp { vid: file.vid, changed: file.changed });
    }
    Some(stamps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::site::Vid;

    const NOW: i64 = 1_300_000_000;

    fn stamps(of: &[(Nid, Vid, i64)]) -> BTreeMap<Nid, Stamp> {
        of.iter().map(|&(nid, vid, changed)| (nid, Stamp { vid, changed })).collect()
    }

    #[test]
    fn one_reading_suffices_only_for_what_is_as_it_was_said_to_be_and_stayed_so() {
        let (old, new) = (NOW - 1_000, NOW - 2);
        let read = stamps(&[(171, 440, new), (437, 441, old)]);
        let heard = stamps(&[(171, 440, new)]);
        let suffices = |heard: &_, after: &_| one_reading_suffices(&read, heard, after, NOW);
        assert!(suffices(&heard, &read));
        assert!(suffices(&stamps(&[(171, 440, new), (437, 441, old)]), &read));
        for said in [&[][..], &[(171, 439, new)], &[(171, 440, new - 1)], &[(9, 440, new)], &[(437, 441, old)]] {
            assert!(!suffices(&stamps(said), &read), "{said:?}");
        }
        for after in
            [&[][..], &[(171, 440, new)], &[(171, 440, NOW), (437, 441, old)], &[(171, 442, new), (437, 441, old)]]
        {
            assert!(!suffices(&heard, &stamps(after)), "{after:?}");
        }
        let file_too = stamps(&[(171, 440, new), (437, 441, new)]);
        assert!(!one_reading_suffices(&file_too, &heard, &file_too, NOW), "its file may be half saved");
        assert!(
            !one_reading_suffices(&BTreeMap::new(), &heard, &read, NOW),
            "settings and gone categories have no nodes"
        );
    }

    #[test]
    fn what_was_said_counts_after_a_second_and_for_some_minutes() {
        let (mut heard, said) = (Heard::default(), Instant::now());
        heard.add([(171, (Stamp { vid: 440, changed: NOW }, said))].into(), said);
        assert!(heard.ripe(said).is_empty());
        assert_eq!(heard.ripe(said + QUIET), stamps(&[(171, 440, NOW)]));
        heard.add(BTreeMap::new(), said + REMEMBERED);
        assert!(heard.ripe(said + REMEMBERED).is_empty());
    }
}
