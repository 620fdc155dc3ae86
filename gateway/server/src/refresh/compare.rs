//! Comparing what Drupal has with what is published.
//!
//! Pure: it derives drafts and says which differ from the feed. Whether a difference is settled is decided by comparing twice.

use std::collections::{BTreeSet, HashMap};
use std::num::NonZero;
use std::thread;

use audiospread_protocol::{DeleteReason, EntityKey, Operation, Sha256Digest, Tree, leaf_hash};

use crate::catalogue::site::Tid;
use crate::catalogue::{Catalogue, Draft, Finding, Outcome};

/// What two readings must agree on before an entity is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint {
    state: State,
    stamp: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Put(Sha256Digest),
    Absent(DeleteReason),
    Keep,
}

/// An entity of which Drupal has another state than the feed.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) key: EntityKey,
    fingerprint: Fingerprint,
}

/// What a comparison found.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    /// Entities of which Drupal has another state than the feed.
    pub(super) candidates: Vec<Candidate>,
    /// Entities that keep their old state for now: a save is in flight, or their audio is not indexed.
    pub(super) waiting: BTreeSet<EntityKey>,
    /// The findings of each compared entity that has some.
    pub(super) findings: HashMap<EntityKey, Vec<Finding>>,
    /// How many programs each category has, among the compared.
    pub(super) programs: HashMap<Tid, u32>,
}

impl Comparison {
    fn absorb(&mut self, other: Self) {
        self.candidates.extend(other.candidates);
        self.waiting.extend(other.waiting);
        self.findings.extend(other.findings);
        for (tid, count) in other.programs {
            *self.programs.entry(tid).or_default() += count;
        }
    }

    fn look_at(&mut self, catalogue: &Catalogue<'_>, published: &Tree, key: EntityKey) {
        let draft = catalogue.draft(&key);
        let fingerprint = fingerprint(&key, &draft);
        let differs = match fingerprint.state {
            State::Put(leaf) => published.get(&key) != Some(leaf),
            State::Absent(_) => published.get(&key).is_some(),
            State::Keep => {
                self.waiting.insert(key.clone());
                false
            }
        };
        for tid in draft.categories {
            *self.programs.entry(tid).or_default() += 1;
        }
        if !draft.findings.is_empty() {
            self.findings.insert(key.clone(), draft.findings);
        }
        if differs {
            self.candidates.push(Candidate { key, fingerprint });
        }
    }
}

fn fingerprint(key: &EntityKey, draft: &Draft) -> Fingerprint {
    let state = match &draft.outcome {
        Outcome::Put(value) => State::Put(leaf_hash(key, value)),
        Outcome::Absent(reason) => State::Absent(*reason),
        Outcome::Keep => State::Keep,
    };
    Fingerprint { state, stamp: draft.stamp }
}

/// Compares everything that Drupal could have, and everything that is published, on all cores.
pub(super) fn compare_all(catalogue: &Catalogue<'_>, published: &Tree) -> Comparison {
    let gone = published.iter().map(|(key, _)| key).filter(|key| !catalogue.covers(key)).cloned();
    let keys: Vec<EntityKey> = catalogue.keys().chain(gone).collect();
    let share = keys.len().div_ceil(thread::available_parallelism().map_or(1, NonZero::get)).max(1);
    let mut shares: Vec<Vec<EntityKey>> = Vec::new();
    let mut keys = keys.into_iter();
    while keys.len() > 0 {
        shares.push(keys.by_ref().take(share).collect());
    }
    thread::scope(|scope| {
        let workers: Vec<_> =
            shares.into_iter().map(|keys| scope.spawn(move || compare(catalogue, published, keys))).collect();
        let mut whole = Comparison::default();
        for worker in workers {
            match worker.join() {
                Ok(part) => whole.absorb(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        whole
    })
}

/// Compares these entities.
pub(super) fn compare(
    catalogue: &Catalogue<'_>,
    published: &Tree,
    keys: impl IntoIterator<Item = EntityKey>,
) -> Comparison {
    let mut comparison = Comparison::default();
    for key in keys {
        comparison.look_at(catalogue, published, key);
    }
    comparison
}

/// Parts the candidates into those on which a second reading agrees, and the keys of those on which it does not.
pub(super) fn agreed(catalogue: &Catalogue<'_>, candidates: Vec<Candidate>) -> (Vec<EntityKey>, Vec<EntityKey>) {
    let (agreed, unsettled): (Vec<_>, Vec<_>) = candidates
        .into_iter()
        .partition(|candidate| fingerprint(&candidate.key, &catalogue.draft(&candidate.key)) == candidate.fingerprint);
    let keys = |candidates: Vec<Candidate>| candidates.into_iter().map(|candidate| candidate.key).collect();
    (keys(agreed), keys(unsettled))
}

/// The changes that publish these entities as Drupal has them.
pub(super) fn changes<'a>(
    catalogue: &'a Catalogue<'_>,
    keys: Vec<EntityKey>,
) -> impl Iterator<Item = (EntityKey, Operation)> + Send + use<'a> {
    keys.into_iter().filter_map(|key| match catalogue.draft(&key).outcome {
        Outcome::Put(value) => Some((key, Operation::Put(value.into()))),
        Outcome::Absent(reason) => Some((key, Operation::Delete(reason))),
        Outcome::Keep => None,
    })
}
