//! What a refresh remembers for the next one: the site as last read, the feed as last committed, the findings as last told.
//!
//! All of it can be read again. Here it is derived and compared; nothing is read or written.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use audiospread_protocol::{EntityKey, Operation};

use super::compare::{self, Candidate};
use super::ledger::Ledger;
use super::{RefreshError, wanted};
use crate::blobs::Index;
use crate::catalogue::site::{AudioSource, Nid, Partial, Site};
use crate::catalogue::{Affected, Catalogue, Finding, Packs, ProgramCounts, Rules, Wait};
use crate::feed::{FindingChanges, Published, Removals};

/// At most this many files that are of no use are told; a site with more has another problem.
const TOLD_FILES: usize = 200;

pub(super) struct Memory {
    index: Arc<Index>,
    rules: Rules,
    packs: Packs,
    pack_findings: Vec<Finding>,
    /// Drupal's rows as last read; absent after a failure, and then the next reading is a whole one.
    site: Option<Site>,
    programs: ProgramCounts,
    pub(super) published: Option<Published>,
    pub(super) ledger: Ledger,
    /// Whether the ledger is what the database holds.
    pub(super) is_told: bool,
    /// On whom the last two readings did not agree: compared again next time, whatever is read.
    pub(super) unsettled: BTreeSet<EntityKey>,
    /// Who keeps an old state for now, and what for.
    pub(super) waiting: BTreeMap<EntityKey, Wait>,
}

impl Memory {
    pub(super) fn new(index: Arc<Index>, rules: Rules, packs: Packs, pack_findings: Vec<Finding>) -> Self {
        Self {
            index,
            rules,
            packs,
            pack_findings,
            site: None,
            programs: ProgramCounts::default(),
            published: None,
            ledger: Ledger::default(),
            is_told: false,
            unsettled: BTreeSet::new(),
            waiting: BTreeMap::new(),
        }
    }

    /// The layout under which the site was read, if it is known.
    pub(super) fn layout(&self) -> Option<u64> {
        self.site.as_ref().map(|site| site.layout)
    }

    pub(super) fn forget_site(&mut self) {
        self.site = None;
    }

    pub(super) fn take_site(&mut self, site: Site) {
        self.index.want_only(wanted::sources(&site).cloned());
        self.site = Some(site);
    }

    /// Puts rows that were read again in the place of the old ones, and says which entities that may have changed.
    pub(super) fn merge(&mut self, partial: Partial) -> Result<Affected, RefreshError> {
        let mut site = self.site.take().ok_or(RefreshError::NothingRead)?;
        self.index.want(partial.sources().cloned());
        let edit = self.catalogue_of(&site).edit(partial.nids(), partial.fids());
        site.merge(partial);
        let affected = self.catalogue_of(&site).affected(&edit);
        self.site = Some(site);
        Ok(affected)
    }

    /// Compares the affected entities with the feed, and notes their findings.
    pub(super) fn compare(
        &mut self,
        mut affected: Affected,
        findings: &mut FindingChanges,
    ) -> Result<Vec<Candidate>, RefreshError> {
        let unsettled = std::mem::take(&mut self.unsettled);
        if let Affected::Keys(keys) = &mut affected {
            keys.extend(unsettled);
        }
        let (Some(site), Some(published)) = (&self.site, &self.published) else {
            return Err(RefreshError::NothingRead);
        };
        let catalogue = Catalogue::new(site, &*self.index, &self.rules, &self.packs);
        let comparison = match &affected {
            Affected::Everything => compare::compare_all(&catalogue, published),
            Affected::Keys(keys) => compare::compare(&catalogue, published, keys.iter().cloned()),
        };
        for (nid, categories) in comparison.programs {
            self.programs.note(nid, categories);
        }
        let mut told: BTreeMap<String, _> =
            comparison.findings.into_iter().map(|(key, findings)| (key.to_string(), findings)).collect();
        told.insert("tree".into(), catalogue.site_findings(self.programs.per_category()));
        told.insert("site".into(), site.notes.clone());
        match affected {
            Affected::Everything => {
                self.waiting = comparison.waiting;
                told.insert("packs".into(), self.pack_findings.clone());
                told.insert("files".into(), self.index.findings(TOLD_FILES));
                self.ledger.note_all(told, findings);
            }
            Affected::Keys(keys) => {
                for key in keys {
                    told.entry(key.to_string()).or_default();
                    self.waiting.remove(&key);
                }
                self.waiting.extend(comparison.waiting);
                self.ledger.note(told, findings);
            }
        }
        Ok(comparison.candidates)
    }

    /// Parts the candidates into those on which the site as it is now agrees, and those on which it does not.
    pub(super) fn agreed(&self, candidates: Vec<Candidate>) -> Result<(Vec<EntityKey>, Vec<EntityKey>), RefreshError> {
        Ok(compare::agreed(&self.catalogue()?, candidates))
    }

    /// The changes that publish these entities as the site has them.
    pub(super) fn changes(
        &self,
        keys: Vec<EntityKey>,
    ) -> Result<impl Iterator<Item = (EntityKey, Operation)> + Send, RefreshError> {
        Ok(compare::changes(self.catalogue()?, keys))
    }

    /// How much of each kind these changes remove.
    pub(super) fn removals(&self, agreed: &[EntityKey]) -> Result<Removals, RefreshError> {
        let published = self.published.as_ref().ok_or(RefreshError::NothingRead)?;
        let mut removals = Removals::new();
        for (key, operation) in self.changes(agreed.to_vec())? {
            if matches!(operation, Operation::Delete(_)) && published.tree.get(&key).is_some() {
                removals.entry(key.kind()).or_default().removed += 1;
            }
        }
        if !removals.is_empty() {
            for (key, _) in published.tree.iter() {
                if let Some(removal) = removals.get_mut(&key.kind()) {
                    removal.of += 1;
                }
            }
        }
        Ok(removals)
    }

    /// The nodes that these entities are made of, and that must be read again to see whether they are settled.
    pub(super) fn nodes_behind<'k>(&self, keys: impl IntoIterator<Item = &'k EntityKey>) -> BTreeSet<Nid> {
        let Ok(catalogue) = self.catalogue() else { return BTreeSet::new() };
        keys.into_iter().flat_map(|key| catalogue.nodes_behind(key)).collect()
    }

    /// The nodes of the entities that have audio of these sources.
    pub(super) fn nodes_with(&self, sources: Vec<AudioSource>) -> BTreeSet<Nid> {
        let Ok(catalogue) = self.catalogue() else { return BTreeSet::new() };
        let sources: HashSet<AudioSource> = sources.into_iter().collect();
        catalogue.users_of_audio(&sources).iter().flat_map(|key| catalogue.nodes_behind(key)).collect()
    }

    /// The nodes of the entities whose save was seen half done.
    pub(super) fn saving_nodes(&self) -> BTreeSet<Nid> {
        self.nodes_behind(self.waiting.iter().filter(|(_, wait)| **wait == Wait::Save).map(|(key, _)| key))
    }

    fn catalogue(&self) -> Result<Catalogue<'_>, RefreshError> {
        self.site.as_ref().map(|site| self.catalogue_of(site)).ok_or(RefreshError::NothingRead)
    }

    fn catalogue_of<'a>(&'a self, site: &'a Site) -> Catalogue<'a> {
        Catalogue::new(site, &*self.index, &self.rules, &self.packs)
    }
}
