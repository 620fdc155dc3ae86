//! Comparing what Drupal has with what is published.
//!
//! Pure: it derives drafts and says which differ from the feed. Whether a difference is settled is decided by comparing twice.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::thread;

use audiospread_protocol::{DeleteReason, EntityKey, Kind, Operation, Sha256Digest, leaf_hash};

use crate::catalogue::site::{Nid, Tid};
use crate::catalogue::{Catalogue, Draft, Finding, Outcome, ProgramCounts, Wait, codes};
use crate::feed::Published;

/// An entity of which Drupal has another state than the feed.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) key: EntityKey,
    fingerprint: Fingerprint,
}

/// What two readings must agree on before an entity is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fingerprint {
    state: State,
    stamp: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Put(Sha256Digest),
    Absent(DeleteReason),
    Keep(Wait),
}

/// What there is to compare with.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    /// What is published.
    pub(super) published: &'a Published,
    /// The categories that programs are noted to be in.
    pub(super) programs: &'a ProgramCounts,
}

/// What a comparison found.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    /// Entities of which Drupal has another state than the feed.
    pub(super) candidates: Vec<Candidate>,
    /// Entities that keep their old state for now, and what they wait for.
    pub(super) waiting: BTreeMap<EntityKey, Wait>,
    /// The findings of each compared entity that has some; that its audio is pending is said by `waiting` alone.
    pub(super) findings: Vec<(EntityKey, Vec<Finding>)>,
    /// The categories of each compared program that does not wait, where they are not those that are noted.
    pub(super) programs: Vec<(Nid, Box<[Tid]>)>,
}

impl Comparison {
    fn absorb(&mut self, other: Self) {
        self.candidates.extend(other.candidates);
        self.waiting.extend(other.waiting);
        self.findings.extend(other.findings);
        self.programs.extend(other.programs);
    }

    fn look_at(&mut self, catalogue: &Catalogue<'_>, known: Known<'_>, key: EntityKey) {
        let mut draft = catalogue.draft(&key);
        let fingerprint = Fingerprint::of(&key, &draft);
        let differs = match fingerprint.state {
            State::Put(leaf) => known.published.tree.get(&key) != Some(leaf),
            // Of what is gone already, the reason may be another one.
            State::Absent(reason) => {
                known.published.tree.get(&key).is_some()
                    || known.published.gone.get(&key).is_some_and(|told| *told != reason)
            }
            State::Keep(wait) => {
                if wait == Wait::Audio {
                    draft.findings.retain(|finding| finding.code != codes::AUDIO_PENDING);
                }
                self.waiting.insert(key.clone(), wait);
                false
            }
        };
        if let (Kind::Program, Some(nid), false) =
            (key.kind(), key.number(), matches!(fingerprint.state, State::Keep(_)))
            && !known.programs.is_noted(nid, &draft.categories)
        {
            self.programs.push((nid, draft.categories));
        }
        if !draft.findings.is_empty() {
            self.findings.push((key.clone(), draft.findings));
        }
        if differs {
            self.candidates.push(Candidate { key, fingerprint });
        }
    }
}

impl Fingerprint {
    fn of(key: &EntityKey, draft: &Draft) -> Self {
        let state = match &draft.outcome {
            Outcome::Put(value) => State::Put(leaf_hash(key, value)),
            Outcome::Absent(reason) => State::Absent(*reason),
            Outcome::Keep(wait) => State::Keep(*wait),
        };
        Self { state, stamp: draft.stamp }
    }
}

/// Compares everything that Drupal could have, and everything that is or was published, on all cores.
pub(super) fn compare_all(catalogue: &Catalogue<'_>, known: Known<'_>) -> Comparison {
    let there = known.published.tree.iter().map(|(key, _)| key);
    let gone = there.chain(known.published.gone.keys()).filter(|key| !catalogue.covers(key)).cloned();
    let mut keys: Vec<EntityKey> = catalogue.keys().chain(gone).collect();
    let share = keys.len().div_ceil(thread::available_parallelism().map_or(1, NonZero::get)).max(1);
    thread::scope(|scope| {
        let mut workers = Vec::new();
        while !keys.is_empty() {
            let part = keys.split_off(keys.len().saturating_sub(share));
            workers.push(scope.spawn(move || compare(catalogue, known, part)));
        }
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
    known: Known<'_>,
    keys: impl IntoIterator<Item = EntityKey>,
) -> Comparison {
    let mut comparison = Comparison::default();
    for key in keys {
        comparison.look_at(catalogue, known, key);
    }
    comparison
}

/// Parts the candidates into those on which a second reading agrees, and those on which it does not.
pub(super) fn agreed(catalogue: &Catalogue<'_>, candidates: Vec<Candidate>) -> (Vec<EntityKey>, Vec<EntityKey>) {
    let (mut agreed, mut unsettled) = (Vec::new(), Vec::new());
    for Candidate { key, fingerprint } in candidates {
        let settled = Fingerprint::of(&key, &catalogue.draft(&key)) == fingerprint;
        if settled { &mut agreed } else { &mut unsettled }.push(key);
    }
    (agreed, unsettled)
}

/// The changes that publish these entities as Drupal has them.
pub(super) fn changes(
    catalogue: Catalogue<'_>,
    keys: Vec<EntityKey>,
) -> impl Iterator<Item = (EntityKey, Operation)> + Send {
    keys.into_iter().filter_map(move |key| match catalogue.draft(&key).outcome {
        Outcome::Put(value) => Some((key, Operation::Put(value.into()))),
        Outcome::Absent(reason) => Some((key, Operation::Delete(reason))),
        Outcome::Keep(_) => None,
    })
}
