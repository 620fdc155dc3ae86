//! The digest over a whole catalogue, by which two hosts prove that they are equal.
//!
//! leaf = SHA-256(kind LF id LF value), where value is the exact bytes sent; bucket = the first byte of SHA-256(kind LF id); the hash of a
//! bucket = SHA-256 of its leaves, sorted bytewise and joined; digest = SHA-256 of the 256 bucket hashes, joined.
//! It finds faults; it is not a signature.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::{EntityKey, Kind, Sha256Digest};

/// How many buckets there are.
pub const BUCKETS: usize = 256;

/// The leaf of an entity: SHA-256(kind LF id LF value).
pub fn leaf_hash(key: &EntityKey, value: &[u8]) -> Sha256Digest {
    let mut hasher = key_hasher(key);
    hasher.update(b"\n");
    hasher.update(value);
    Sha256Digest(hasher.finalize().into())
}

fn key_hasher(key: &EntityKey) -> Sha256 {
    let mut hasher = Sha256::new();
    hasher.update(key.kind().as_str());
    hasher.update(b"\n");
    hasher.update(key.id());
    hasher
}

/// The bucket of an entity: the first byte of SHA-256(kind LF id).
pub fn bucket_of(key: &EntityKey) -> u8 {
    key_hasher(key).finalize()[0]
}

/// The hash of a bucket: SHA-256 of its leaves, which come sorted bytewise, joined.
pub fn bucket_hash(sorted_leaves: impl IntoIterator<Item = Sha256Digest>) -> Sha256Digest {
    joined_hash(sorted_leaves)
}

/// The digest over a catalogue: SHA-256 of the hashes of its [`BUCKETS`] buckets in their order, joined.
pub fn catalogue_digest(bucket_hashes: impl IntoIterator<Item = Sha256Digest>) -> Sha256Digest {
    joined_hash(bucket_hashes)
}

fn joined_hash(digests: impl IntoIterator<Item = Sha256Digest>) -> Sha256Digest {
    let mut hasher = Sha256::new();
    for digest in digests {
        hasher.update(digest.0);
    }
    Sha256Digest(hasher.finalize().into())
}

/// The leaves of a catalogue, with the hashes of the buckets kept so that a small change costs a small computation.
#[derive(Clone, Debug)]
pub struct Tree {
    buckets: Vec<Bucket>,
    len: usize,
    subscribers: usize,
}

#[derive(Clone, Debug, Default)]
struct Bucket {
    leaves: HashMap<EntityKey, Sha256Digest>,
    /// The bucket's hash with and without subscribers; `None` after a change.
    hashes: Option<[Sha256Digest; 2]>,
}

impl Default for Tree {
    fn default() -> Self {
        Self { buckets: vec![Bucket::default(); BUCKETS], len: 0, subscribers: 0 }
    }
}

impl Tree {
    /// The tree of an empty catalogue.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of entities; without subscribers where the reader may not see them.
    pub const fn len(&self, with_subscribers: bool) -> usize {
        if with_subscribers { self.len } else { self.len - self.subscribers }
    }

    /// Whether there are no entities.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The leaf of `key`, if it is in the catalogue.
    pub fn get(&self, key: &EntityKey) -> Option<Sha256Digest> {
        self.buckets[usize::from(bucket_of(key))].leaves.get(key).copied()
    }

    /// Puts or replaces an entity, and returns the leaf it had.
    pub fn insert(&mut self, key: EntityKey, leaf: Sha256Digest) -> Option<Sha256Digest> {
        let is_subscriber = key.kind() == Kind::Subscriber;
        let bucket = &mut self.buckets[usize::from(bucket_of(&key))];
        bucket.hashes = None;
        let former = bucket.leaves.insert(key, leaf);
        if former.is_none() {
            self.len += 1;
            self.subscribers += usize::from(is_subscriber);
        }
        former
    }

    /// Takes an entity out, and returns the leaf it had.
    pub fn remove(&mut self, key: &EntityKey) -> Option<Sha256Digest> {
        let bucket = &mut self.buckets[usize::from(bucket_of(key))];
        let former = bucket.leaves.remove(key)?;
        bucket.hashes = None;
        self.len -= 1;
        self.subscribers -= usize::from(key.kind() == Kind::Subscriber);
        Some(former)
    }

    /// All entities with their leaves, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&EntityKey, Sha256Digest)> {
        self.buckets.iter().flat_map(|bucket| bucket.leaves.iter().map(|(key, leaf)| (key, *leaf)))
    }

    /// The digest over the catalogue; without subscribers for those who may not see them.
    pub fn digest(&mut self, with_subscribers: bool) -> Sha256Digest {
        catalogue_digest(self.buckets.iter_mut().map(|bucket| {
            let hashes =
                *bucket.hashes.get_or_insert_with(|| [true, false].map(|all| hash_of_some(&bucket.leaves, all)));
            hashes[usize::from(!with_subscribers)]
        }))
    }
}

fn hash_of_some(leaves: &HashMap<EntityKey, Sha256Digest>, with_subscribers: bool) -> Sha256Digest {
    let mut sorted: Vec<_> = leaves
        .iter()
        .filter(|(key, _)| with_subscribers || key.kind() != Kind::Subscriber)
        .map(|(_, leaf)| *leaf)
        .collect();
    sorted.sort_unstable();
    bucket_hash(sorted)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn key(number: u32) -> EntityKey {
        EntityKey::numbered(if number.is_multiple_of(3) { Kind::Subscriber } else { Kind::Program }, number)
    }

    #[test]
    fn the_empty_catalogue_has_the_digest_of_256_empty_buckets() {
        let empty = Sha256Digest::of(b"").0;
        assert_eq!(Tree::new().digest(true), Sha256Digest::of(&empty.repeat(256)));
    }

    proptest! {
        #[test]
        fn the_digest_depends_on_what_is_there_and_not_on_the_way_there(
            steps in prop::collection::vec((0_u32..40, prop::option::of(any::<u8>())), 0..120)
        ) {
            let (mut tree, mut plain) = (Tree::new(), BTreeMap::new());
            for (number, value) in steps {
                let key = key(number);
                if let Some(value) = value {
                    let leaf = leaf_hash(&key, &[value]);
                    prop_assert_eq!(tree.insert(key.clone(), leaf), plain.insert(key, leaf));
                } else {
                    prop_assert_eq!(tree.remove(&key), plain.remove(&key));
                }
                tree.digest(number.is_multiple_of(2));
            }
            for with_subscribers in [true, false] {
                let mut fresh = Tree::new();
                for (key, leaf) in &plain {
                    if with_subscribers || key.kind() != Kind::Subscriber {
                        fresh.insert(key.clone(), *leaf);
                    }
                }
                prop_assert_eq!(tree.digest(with_subscribers), fresh.digest(true));
                prop_assert_eq!(tree.len(with_subscribers), fresh.len(true));
            }
        }
    }
}
