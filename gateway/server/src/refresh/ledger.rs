//! The findings as last told, by what they are about: only what is new or gone is written again.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalogue::Finding;
use crate::feed::FindingChanges;

/// The findings of a refresh by their owner: an entity, or a part of the site.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    told: BTreeMap<String, Vec<Finding>>,
    /// Owners that had findings before this gateway started; what they were is not known.
    stale: BTreeSet<String>,
}

/// What has to be told anew: the owners of whom something else is to be said than before, and what.
///
/// An owner that is noted several times within a refresh is told once, as it was noted last.
#[derive(Debug, Default)]
pub(super) struct News(BTreeMap<String, Vec<Finding>>);

impl News {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same for the feed's database; nothing is left.
    pub(super) fn take(&mut self) -> FindingChanges {
        let news = std::mem::take(&mut self.0);
        let gone = news.keys().cloned().collect();
        let put = news
            .into_iter()
            .flat_map(|(owner, findings)| findings.into_iter().map(move |finding| (owner.clone(), finding)));
        FindingChanges { put: put.collect(), gone }
    }
}

impl Ledger {
    /// A ledger beside a database in which these owners have findings.
    pub(super) fn beside(owners: Vec<String>) -> Self {
        Self { told: BTreeMap::new(), stale: owners.into_iter().collect() }
    }

    /// Notes the findings of these owners, and adds to `news` what changed; owners without findings are noted as such.
    pub(super) fn note(&mut self, current: impl IntoIterator<Item = (String, Vec<Finding>)>, news: &mut News) {
        for (owner, findings) in current {
            let known = self.told.get(&owner).map_or(&[][..], Vec::as_slice);
            if !self.stale.remove(&owner) && known == findings {
                continue;
            }
            news.0.insert(owner.clone(), findings.clone());
            if findings.is_empty() {
                self.told.remove(&owner);
            } else {
                self.told.insert(owner, findings);
            }
        }
    }

    /// Notes the findings of all owners: whoever is not among them has none any more.
    pub(super) fn note_all(&mut self, current: BTreeMap<String, Vec<Finding>>, news: &mut News) {
        let silent: BTreeSet<String> =
            self.told.keys().chain(&self.stale).filter(|owner| !current.contains_key(*owner)).cloned().collect();
        self.note(current.into_iter().chain(silent.into_iter().map(|owner| (owner, Vec::new()))), news);
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
        let mut news = News::default();
        ledger.note_all(current, &mut news);
        news.take()
    }

    #[test]
    fn only_what_changed_is_told_again() {
        let mut ledger = Ledger::default();
        let two = BTreeMap::from([1, 2].map(|nid| (format!("program {nid}"), vec![finding(nid)])));
        assert_eq!(of_all(&mut ledger, two.clone()).put.len(), 2);
        assert!(of_all(&mut ledger, two).gone.is_empty());

        let mut news = News::default();
        ledger.note([("program 3".to_owned(), vec![]), ("program 1".to_owned(), vec![])], &mut news);
        let changes = news.take();
        assert_eq!((changes.gone, changes.put), (vec!["program 1".to_owned()], vec![]));

        assert_eq!(of_all(&mut ledger, BTreeMap::new()).gone, ["program 2"]);
    }

    #[test]
    fn a_finding_that_comes_and_goes_within_one_refresh_is_not_told() {
        let (mut ledger, mut news) = (Ledger::default(), News::default());
        ledger.note([("program 1".to_owned(), vec![finding(1)])], &mut news);
        ledger.note([("program 1".to_owned(), vec![])], &mut news);
        assert_eq!(news.take().put, []);
    }

    #[test]
    fn findings_of_an_earlier_run_do_not_stay() {
        let mut ledger = Ledger::beside(vec!["program 1".to_owned(), "program 2".to_owned()]);
        let changes = of_all(&mut ledger, BTreeMap::from([("program 1".to_owned(), vec![finding(1)])]));
        assert_eq!(changes.gone, ["program 1", "program 2"]);
        assert_eq!(changes.put.len(), 1);
        assert!(of_all(&mut ledger, BTreeMap::from([("program 1".to_owned(), vec![finding(1)])])).gone.is_empty());
    }
}
