//! The findings as last told, by what they are about: only what is new or gone is written again.
//!
//! A site may have a finding for every program: what was told is known by its hash.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};

use crate::catalogue::Finding;
use crate::feed::FindingChanges;

/// The findings of a refresh by their owner: an entity, or a part of the site.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    told: BTreeMap<Box<str>, u64>,
    hashing: RandomState,
    /// Owners that had findings before this gateway started; what they were is not known.
    stale: BTreeSet<String>,
}

impl Ledger {
    /// A ledger beside a database in which these owners have findings.
    pub(super) fn beside(owners: Vec<String>) -> Self {
        Self { stale: owners.into_iter().collect(), ..Self::default() }
    }

    /// Notes the findings of these owners, and says what changed; owners without findings are noted as such.
    pub(super) fn note(
        &mut self,
        current: impl IntoIterator<Item = (String, Vec<Finding>)>,
        changes: &mut FindingChanges,
    ) {
        for (owner, findings) in current {
            let now = (!findings.is_empty()).then(|| self.hashing.hash_one(&findings));
            if !self.stale.remove(&owner) && self.told.get(&*owner).copied() == now {
                continue;
            }
            match now {
                Some(hash) => self.told.insert(owner.as_str().into(), hash),
                None => self.told.remove(&*owner),
            };
            changes.insert(owner, findings);
        }
    }

    /// Notes the findings of all owners: whoever is not among them has none any more.
    pub(super) fn note_all(&mut self, current: BTreeMap<String, Vec<Finding>>, changes: &mut FindingChanges) {
        let known = self.told.keys().map(|owner| &**owner).chain(self.stale.iter().map(String::as_str));
        let silent: BTreeSet<String> = known.filter(|owner| !current.contains_key(*owner)).map(str::to_owned).collect();
        self.note(current.into_iter().chain(silent.into_iter().map(|owner| (owner, Vec::new()))), changes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{Severity, Subject};

    fn finding(nid: u32) -> Finding {
        Finding::new("no_body", Severity::Error, Subject::Node(nid), "has no body")
    }

    fn of_all(ledger: &mut Ledger, current: BTreeMap<String, Vec<Finding>>) -> FindingChanges {
        let mut changes = FindingChanges::default();
        ledger.note_all(current, &mut changes);
        changes
    }

    #[test]
    fn only_what_changed_is_told_again() {
        let mut ledger = Ledger::default();
        let two = BTreeMap::from([1, 2].map(|nid| (format!("program {nid}"), vec![finding(nid)])));
        assert_eq!(of_all(&mut ledger, two.clone()).len(), 2);
        assert!(of_all(&mut ledger, two).is_empty());

        let mut changes = FindingChanges::default();
        ledger.note([("program 3".to_owned(), vec![]), ("program 1".to_owned(), vec![])], &mut changes);
        assert_eq!(changes, FindingChanges::from([("program 1".to_owned(), vec![])]));

        assert_eq!(of_all(&mut ledger, BTreeMap::new()), FindingChanges::from([("program 2".to_owned(), vec![])]));
    }

    #[test]
    fn what_is_noted_twice_before_it_is_told_is_told_as_it_was_last() {
        let (mut ledger, mut changes) = (Ledger::default(), FindingChanges::default());
        for findings in [vec![finding(1)], vec![finding(2)]] {
            ledger.note([("program 1".to_owned(), findings)], &mut changes);
        }
        assert_eq!(changes, FindingChanges::from([("program 1".to_owned(), vec![finding(2)])]));
    }

    #[test]
    fn findings_of_an_earlier_run_do_not_stay() {
        let mut ledger = Ledger::beside(vec!["program 1".to_owned(), "program 2".to_owned()]);
        let changes = of_all(&mut ledger, BTreeMap::from([("program 1".to_owned(), vec![finding(1)])]));
        let now = [("program 1".to_owned(), vec![finding(1)]), ("program 2".to_owned(), vec![])];
        assert_eq!(changes, FindingChanges::from(now));
        assert!(of_all(&mut ledger, BTreeMap::from([("program 1".to_owned(), vec![finding(1)])])).is_empty());
    }
}
