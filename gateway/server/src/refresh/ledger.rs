//! The findings as last told, by what they are about: only what is new or gone is written again.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalogue::Finding;

/// The findings of a refresh by their owner: an entity, or a part of the site.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    told: BTreeMap<String, Vec<Finding>>,
}

/// What has to be written so that others see the findings as they are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Revision {
    /// The owners whose findings are not the same any more.
    pub(super) owners: Vec<String>,
    /// Their findings now.
    pub(super) findings: Vec<(String, Finding)>,
}

impl Revision {
    pub(super) const fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }
}

impl Ledger {
    /// Notes the findings of these owners, and says what changed; owners without findings are noted as such.
    pub(super) fn note(&mut self, current: impl IntoIterator<Item = (String, Vec<Finding>)>) -> Revision {
        let mut revision = Revision::default();
        for (owner, findings) in current {
            if self.told.get(&owner).map_or(&[][..], Vec::as_slice) == findings {
                continue;
            }
            revision.findings.extend(findings.iter().map(|finding| (owner.clone(), finding.clone())));
            revision.owners.push(owner.clone());
            if findings.is_empty() {
                self.told.remove(&owner);
            } else {
                self.told.insert(owner, findings);
            }
        }
        revision
    }

    /// Notes the findings of all owners: whoever is not among them has none any more.
    pub(super) fn note_all(&mut self, current: BTreeMap<String, Vec<Finding>>) -> Revision {
        let silent: BTreeSet<String> = self.told.keys().filter(|owner| !current.contains_key(*owner)).cloned().collect();
        self.note(current.into_iter().chain(silent.into_iter().map(|owner| (owner, Vec::new()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{Severity, Subject};

    fn finding(nid: u32) -> Finding {
        Finding::new("no_body", Severity::Error, Subject::Node(nid), "has no body")
    }

    #[test]
    fn only_what_changed_is_told_again() {
        let mut ledger = Ledger::default();
        let first = BTreeMap::from([("program 1".to_owned(), vec![finding(1)]), ("program 2".to_owned(), vec![finding(2)])]);
        assert_eq!(ledger.note_all(first.clone()).findings.len(), 2);
        assert!(ledger.note_all(first.clone()).is_empty());
        assert!(ledger.note([("program 3".to_owned(), Vec::new())]).is_empty());

        let cleared = ledger.note([("program 1".to_owned(), Vec::new())]);
        assert_eq!((cleared.owners, cleared.findings), (vec!["program 1".to_owned()], vec![]));

        let gone = ledger.note_all(BTreeMap::new());
        assert_eq!(gone.owners, ["program 2"]);
    }
}
