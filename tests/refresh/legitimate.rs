//! What may be published of a site that is edited: the states between saves, and no other.

use std::collections::{BTreeMap, BTreeSet};

use audiospread_protocol::{EntityKey, Sha256Digest, leaf_hash};

use crate::feed::mirror::State;

/// An entity that changed, and its new leaf.
pub(crate) type Change = (EntityKey, Option<Sha256Digest>);

/// The states that each entity ever had between saves: all that may be published of it.
#[derive(Default)]
pub(crate) struct Legitimate(BTreeMap<EntityKey, BTreeSet<Option<Sha256Digest>>>);

impl Legitimate {
    /// Notes what the site has between two saves.
    pub(crate) fn note(&mut self, now: &BTreeMap<EntityKey, Sha256Digest>) {
        for (key, states) in &mut self.0 {
            states.insert(now.get(key).copied());
        }
        for (key, leaf) in now {
            self.0.entry(key.clone()).or_insert_with(|| BTreeSet::from([None])).insert(Some(*leaf));
        }
    }

    /// Fails if one of these changes, which were published, was never the state of its entity between two saves.
    pub(crate) fn admits(&self, published: &[Change]) {
        for (key, leaf) in published {
            assert!(self.0.get(key).is_some_and(|states| states.contains(leaf)), "{key} was published half saved");
        }
    }
}

/// What a reader of the feed got.
pub(crate) fn differences(before: &State, after: &State) -> Vec<Change> {
    let keys: BTreeSet<&EntityKey> = before.keys().chain(after.keys()).collect();
    keys.into_iter()
        .filter(|key| before.get(key) != after.get(key))
        .map(|key| (key.clone(), after.get(key).map(|value| leaf_hash(key, value))))
        .collect()
}
