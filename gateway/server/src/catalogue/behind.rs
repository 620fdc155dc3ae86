//! Which nodes an entity is made of: those must be read again to see whether it is settled.

use std::collections::BTreeSet;

use audiospread_protocol::{EntityKey, Kind};

use super::Catalogue;
use super::site::Nid;

impl Catalogue<'_> {
    /// The nodes that have a say in an entity, ascending; their file nodes come along when they are read. None for the settings, which are
    /// read whole each time.
    pub fn nodes_behind(&self, key: &EntityKey) -> BTreeSet<Nid> {
        match (key.kind(), key.number()) {
            (Kind::Program, Some(nid)) => BTreeSet::from([nid]),
            (Kind::Subscriber, Some(nid)) => {
                let sharers = self.site.subscribers.get(&nid).into_iter().flat_map(|own| self.sharers(own));
                sharers.chain([nid]).collect()
            }
            (Kind::Category, Some(tid)) => self.sounds.get(&tid).into_iter().flatten().copied().collect(),
            (Kind::Prompt, _) => {
                let nodes = self.prompt_of(key).and_then(|(name, _)| self.prompts.get(&name));
                nodes.into_iter().flatten().copied().collect()
            }
            _ => BTreeSet::new(),
        }
    }
}
