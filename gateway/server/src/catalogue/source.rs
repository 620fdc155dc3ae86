//! Whose sounds callers hear: the nodes that the prompts and the categories have theirs from.

use std::collections::BTreeMap;

use audiospread_protocol::{EntityKey, Kind};

use super::Catalogue;
use super::draft::Drafting;
use super::site::Nid;

/// The nodes that prompts and categories have their sounds from; whatever has none of the site's is not among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources(BTreeMap<EntityKey, Vec<Nid>>);

impl Sources {
    /// The node that is heard as this prompt.
    pub fn of_prompt(&self, key: &EntityKey) -> Option<Nid> {
        self.0.get(key)?.first().copied()
    }

    /// What of the feed this node is part of: itself as a program or a subscriber, if it is one, and what has its sounds.
    pub fn entities_of(&self, nid: Nid) -> Vec<EntityKey> {
        let sounding = self.0.iter().filter(|(_, nids)| nids.contains(&nid)).map(|(key, _)| key.clone());
        let own = [Kind::Program, Kind::Subscriber].map(|kind| EntityKey::numbered(kind, nid));
        own.into_iter().chain(sounding).collect()
    }
}

impl Catalogue<'_> {
    /// Whose sounds callers hear.
    pub fn sources(&self) -> Sources {
        let mut sources = BTreeMap::new();
        for key in self.prompt_keys() {
            let own = self
                .prompt_of(&key)
                .and_then(|(name, language)| self.own_recording(&mut Drafting::default(), &name, language));
            if let Some((nid, _)) = own {
                sources.insert(key, vec![nid]);
            }
        }
        for (tid, _) in self.indices.outline.categories() {
            let chosen = self.chosen_sounds(&mut Drafting::default(), tid, "");
            if !chosen.is_empty() {
                let nids = chosen.into_values().map(|(nid, _)| nid).collect();
                sources.insert(EntityKey::numbered(Kind::Category, tid), nids);
            }
        }
        Sources(sources)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::Sample;
    use super::*;

    #[test]
    fn a_prompt_and_a_category_have_the_nodes_that_are_heard_and_no_others() {
        let mut sample = Sample::new();
        sample.prompt(100, "welcome").node.published = false;
        sample.prompt(110, "welcome");
        sample.prompt(120, "welcome");
        sample.sounds(200, 2);
        sample.sounds(210, 2);
        let sources = sample.catalogue().sources();
        let prompt = EntityKey::new(Kind::Prompt, "home/welcome@en").unwrap();
        assert_eq!(sources.of_prompt(&prompt), Some(110));
        let own = |nid| [Kind::Program, Kind::Subscriber].map(|kind| EntityKey::numbered(kind, nid));
        for silent in [100, 120, 210] {
            assert_eq!(sources.entities_of(silent), own(silent));
        }
        assert_eq!(sources.entities_of(110)[2..], [prompt]);
        assert_eq!(sources.entities_of(200)[2..], [EntityKey::numbered(Kind::Category, 2)]);
    }
}
