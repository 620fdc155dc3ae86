//! Which nodes an entity is made of: those must be read again to see whether it is settled.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use audiospread_protocol::{EntityKey, Kind};

use super::Catalogue;
use super::site::{Nid, Node, Site};

/// So many saves of one kind of nodes may be half done at the same moment; a site of Drupal 6 has no more processes than that.
const SAVES_AT_ONCE: usize = 50;

/// The nodes of each kind that were saved last.
///
/// A save first moves `node.changed` and then takes terms, keys and numbers away for a moment, which may lead from an entity to its node: a
/// node that has just left an entity by a half-done save is among these, and nowhere else to be found.
pub(super) struct LastSaved {
    sounds: Vec<Nid>,
    prompts: Vec<Nid>,
    subscribers: Vec<Nid>,
}

impl LastSaved {
    pub(super) fn of(site: &Site) -> Self {
        Self {
            sounds: last_saved(site.sounds.iter().map(|(&nid, sound)| (nid, &sound.node))),
            prompts: last_saved(site.prompts.iter().map(|(&nid, prompt)| (nid, &prompt.node))),
            subscribers: last_saved(site.subscribers.iter().map(|(&nid, subscriber)| (nid, &subscriber.node))),
        }
    }
}

fn last_saved<'n>(nodes: impl Iterator<Item = (Nid, &'n Node)>) -> Vec<Nid> {
    let mut nodes: Vec<_> = nodes.map(|(nid, node)| (Reverse(node.changed), nid)).collect();
    if nodes.len() > SAVES_AT_ONCE {
        nodes.select_nth_unstable(SAVES_AT_ONCE);
        nodes.truncate(SAVES_AT_ONCE);
    }
    nodes.into_iter().map(|(_, nid)| nid).collect()
}

impl Catalogue<'_> {
    /// The nodes that have a say in an entity, or may have had until a save that is half done, ascending; their file nodes come along when
    /// they are read. None for the settings, which are read whole each time.
    pub fn nodes_behind(&self, key: &EntityKey) -> BTreeSet<Nid> {
        match (key.kind(), key.number()) {
            (Kind::Program, Some(nid)) => BTreeSet::from([nid]),
            (Kind::Subscriber, Some(nid)) => {
                let sharers = self.site.subscribers.get(&nid).into_iter().flat_map(|own| self.sharers(own));
                sharers
                    .take(SAVES_AT_ONCE)
                    .chain([nid])
                    .chain(self.indices.last_saved.subscribers.iter().copied())
                    .collect()
            }
            (Kind::Category, Some(tid)) => {
                let tagged = self.indices.sounds.get(&tid).into_iter().flatten();
                tagged.chain(&self.indices.last_saved.sounds).copied().collect()
            }
            (Kind::Prompt, _) => {
                let nodes = self.prompt_of(key).and_then(|(name, _)| self.indices.prompts.get(&name));
                nodes.into_iter().flatten().chain(&self.indices.last_saved.prompts).copied().collect()
            }
            _ => BTreeSet::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::Sample;
    use super::*;

    fn behind(sample: &Sample, kind: Kind, id: &str) -> Vec<Nid> {
        sample.catalogue().nodes_behind(&EntityKey::new(kind, id).unwrap()).into_iter().collect()
    }

    #[test]
    fn a_node_that_left_an_entity_by_a_half_done_save_is_behind_it() {
        let mut sample = Sample::new();
        let now = 1_300_000_000;
        sample.sounds(1000, 2);
        sample.prompt(1010, "welcome");
        sample.subscriber(1020, "premium", &["0775550100"]);
        for other in 0..100 {
            let nid = 2000 + other * 10;
            sample.sounds(nid, 3).node.changed = now;
            sample.prompt(nid + 4, "digit_1").node.changed = now;
            sample.subscriber(nid + 6, "", &[]).node.changed = now;
        }
        sample.sounds(9000, 2).node.terms = [].into();
        sample.site.sounds.get_mut(&9000).unwrap().node.changed = now + 1;
        sample.prompt(9010, "welcome").node.terms = [].into();
        sample.site.prompts.get_mut(&9010).unwrap().node.changed = now + 1;
        sample.subscriber(9020, "standard", &[]).node.changed = now + 1;

        for (kind, id, own, left) in [
            (Kind::Category, "2", 1000, 9000),
            (Kind::Prompt, "home/welcome@en", 1010, 9010),
            (Kind::Subscriber, "1020", 1020, 9020),
        ] {
            let behind = behind(&sample, kind, id);
            assert!(behind.contains(&own) && behind.contains(&left) && behind.len() < 60, "{kind}: {behind:?}");
        }
    }

    #[test]
    fn a_program_and_a_subscriber_that_are_gone_are_their_own_nodes_and_a_category_is_none() {
        let sample = Sample::new();
        assert_eq!(behind(&sample, Kind::Program, "7"), [7]);
        assert_eq!(behind(&sample, Kind::Subscriber, "7"), [7]);
        assert_eq!(behind(&sample, Kind::Category, "7"), [0; 0]);
        assert_eq!(behind(&sample, Kind::Settings, "site"), [0; 0]);
    }
}
