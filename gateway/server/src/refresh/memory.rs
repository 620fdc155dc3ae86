//! What a refresh remembers for the next one: the site as last read, the feed as last committed, the findings as last told.
//!
//! All of it can be read again. Here it is derived and compared; nothing is read or written.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use audiospread_protocol::{EntityKey, Operation};

use super::compare::{self, Candidate, Known};
use super::ledger::Ledger;
use super::{RefreshError, settled, wanted};
use crate::blobs::Index;
use crate::catalogue::site::{AudioSource, Nid, Partial, Site, Stamp};
use crate::catalogue::{
    Affected, Catalogue, Edition, Finding, IndexedSite, Outcome, Packs, ProgramCounts, Rules, Severity, Sources,
    Subject, Wait, codes,
};
use crate::drupal::Marks;
use crate::feed::{FindingChanges, Published, Removals};

/// At most this many files that are of no use are told; a site with more has another problem.
const TOLD_FILES: usize = 200;
/// Of at most this many entities it is told one by one that their audio is pending; of more, as when a site is read for the first time, their
/// number is.
const TOLD_PENDING: usize = 200;

pub(super) struct Memory {
    index: Arc<Index>,
    rules: Arc<Rules>,
    packs: Packs,
    pack_findings: Vec<Finding>,
    /// Drupal's rows as last read; absent after a failure, and then everything is read.
    site: Option<IndexedSite>,
    /// Whether the last reading found the terms, the languages and the settings as the one before.
    frame_stood: bool,
    /// How Drupal's tables looked when all of them were gone through last.
    marks: Marks,
    /// The nodes of which other rows were seen since than those behind the marks.
    doubtful: BTreeSet<Nid>,
    /// Whether something of the site may differ from the feed although neither it nor its rows changed since they were compared.
    pub(super) compares_all: bool,
    programs: ProgramCounts,
    /// What the findings of the tree were told of last, with `programs`, since the ledger was begun.
    surveyed: Option<Edition>,
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
            rules: Arc::new(rules),
            packs,
            pack_findings,
            site: None,
            frame_stood: false,
            marks: Marks::default(),
            doubtful: BTreeSet::new(),
            compares_all: true,
            programs: ProgramCounts::default(),
            surveyed: None,
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

    /// Begins the ledger anew, beside a database in which these owners have findings.
    pub(super) fn begin_ledger(&mut self, owners: Vec<String>) {
        self.ledger = Ledger::beside(owners);
        self.surveyed = None;
        self.is_told = true;
    }

    pub(super) fn forget_site(&mut self) {
        self.site = None;
        self.marks = Marks::default();
        self.doubtful.clear();
    }

    /// Takes what was read whole.
    pub(super) fn take_site(&mut self, site: Site, marks: Marks) {
        self.index.want_only(wanted::sources(&site).cloned());
        self.site = Some(IndexedSite::new(site, self.rules.clone()));
        self.frame_stood = false;
        self.marks = marks;
    }

    /// What the next whole reading has to look for changes of, if anything was read: the site, its marks, and the doubtful nodes.
    pub(super) fn for_changes(&mut self) -> Option<(&Site, Marks, &BTreeSet<Nid>)> {
        self.site.as_deref().map(|site| (site, std::mem::take(&mut self.marks), &self.doubtful))
    }

    /// Takes the changes that a whole reading found.
    pub(super) fn take_changes(&mut self, partial: Partial, marks: Marks) -> Result<Affected, RefreshError> {
        self.doubtful.clear();
        let affected = self.put(partial)?;
        if let (false, Some(site)) = (self.doubtful.is_empty(), self.site.as_deref()) {
            self.index.want_only(wanted::sources(site).cloned());
        }
        self.marks = marks;
        Ok(if self.compares_all { Affected::Everything } else { affected })
    }

    /// Takes what was read of nodes that were named.
    pub(super) fn merge(&mut self, partial: Partial) -> Result<Affected, RefreshError> {
        self.index.want(wanted::sources_of(&partial).cloned());
        self.put(partial)
    }

    /// Puts rows that were read again in the place of the old ones, and says which entities that may have changed.
    fn put(&mut self, partial: Partial) -> Result<Affected, RefreshError> {
        let mut site = self.site.take().ok_or(RefreshError::NothingRead)?;
        self.frame_stood = partial.has_the_frame_of(&site);
        self.doubtful.extend(partial.nids().filter(|nid| partial.differs(&site, *nid)));
        let edit = self.catalogue_of(&site).edit(partial.nids(), partial.fids());
        site.merge(partial);
        let affected = self.catalogue_of(&site).affected(&edit);
        self.site = Some(site);
        Ok(affected)
    }

    /// Compares the affected entities with the feed, and notes their findings; after a whole reading also those of whose audio something was
    /// learnt.
    pub(super) fn compare(
        &mut self,
        mut affected: Affected,
        is_whole: bool,
        findings: &mut FindingChanges,
    ) -> Result<Vec<Candidate>, RefreshError> {
        let unsettled = std::mem::take(&mut self.unsettled);
        if let Affected::Keys(keys) = &mut affected {
            keys.extend(unsettled);
        }
        let (Some(site), Some(published)) = (&self.site, &self.published) else {
            return Err(RefreshError::NothingRead);
        };
        let catalogue = site.catalogue(&*self.index, &self.packs);
        if is_whole {
            let heard: HashSet<AudioSource> = self.index.take_changed().into_iter().collect();
            if let Affected::Keys(keys) = &mut affected {
                keys.extend(catalogue.users_of_audio(&heard));
            }
        }
        let known = Known { published, programs: &self.programs };
        let comparison = match &affected {
            Affected::Everything => compare::compare_all(&catalogue, known),
            Affected::Keys(keys) => compare::compare(&catalogue, known, keys.iter().cloned()),
        };
        let moved = !comparison.programs.is_empty();
        for (nid, categories) in comparison.programs {
            self.programs.note(nid, &categories);
        }
        let mut told: BTreeMap<String, _> =
            comparison.findings.into_iter().map(|(key, findings)| (key.to_string(), findings)).collect();
        let edition = Some(site.edition());
        if moved || edition != self.surveyed || matches!(affected, Affected::Everything) {
            told.insert("tree".into(), catalogue.site_findings(self.programs.per_category()));
            self.surveyed = edition;
        }
        told.insert("site".into(), site.notes.clone());
        let was_waiting = |key: &EntityKey| matches!(&affected, Affected::Keys(keys) if !keys.contains(key));
        let still_waiting = self.waiting.iter().filter(|(key, _)| was_waiting(key));
        told.insert("audio".into(), pending(&catalogue, still_waiting.chain(&comparison.waiting)));
        if is_whole || matches!(affected, Affected::Everything) {
            told.insert("packs".into(), self.pack_findings.clone());
            told.insert("files".into(), self.index.findings(TOLD_FILES));
        }
        match affected {
            Affected::Everything => {
                self.waiting = comparison.waiting;
                self.compares_all = false;
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
        let catalogue = self.catalogue()?;
        for key in agreed {
            if matches!(catalogue.draft(key).outcome, Outcome::Absent(_)) && published.tree.get(key).is_some() {
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

    /// The stamps, as read, of all nodes that an entity is made of, their file nodes included; nothing where one of them is not there, or
    /// where what holds for all entities may be half saved.
    pub(super) fn stamps_behind(&self, key: &EntityKey) -> Option<BTreeMap<Nid, Stamp>> {
        let site = self.site.as_ref().filter(|_| self.frame_stood)?;
        let mut stamps = BTreeMap::new();
        for nid in self.catalogue_of(site).nodes_behind(key) {
            stamps.extend(settled::stamps_of(site, nid)?);
        }
        Some(stamps)
    }

    /// The nodes of the entities that have audio of these sources.
    pub(super) fn nodes_with(&self, sources: Vec<AudioSource>) -> BTreeSet<Nid> {
        let Ok(catalogue) = self.catalogue() else { return BTreeSet::new() };
        let sources: HashSet<AudioSource> = sources.into_iter().collect();
        catalogue.users_of_audio(&sources).iter().flat_map(|key| catalogue.nodes_behind(key)).collect()
    }

    /// Whose sounds callers hear, by the site as it was read last.
    pub(super) fn sources(&self) -> Sources {
        self.catalogue().map(|catalogue| catalogue.sources()).unwrap_or_default()
    }

    /// The nodes of the entities whose save was seen half done.
    pub(super) fn saving_nodes(&self) -> BTreeSet<Nid> {
        let mut saving = self.waiting.iter().filter(|(_, wait)| **wait == Wait::Save).map(|(key, _)| key).peekable();
        if saving.peek().is_none() { BTreeSet::new() } else { self.nodes_behind(saving) }
    }

    fn catalogue(&self) -> Result<Catalogue<'_>, RefreshError> {
        self.site.as_ref().map(|site| self.catalogue_of(site)).ok_or(RefreshError::NothingRead)
    }

    fn catalogue_of<'a>(&'a self, site: &'a IndexedSite) -> Catalogue<'a> {
        site.catalogue(&*self.index, &self.packs)
    }
}

/// The findings of the entities that wait for their audio.
fn pending<'k>(
    catalogue: &Catalogue<'_>,
    waiting: impl Iterator<Item = (&'k EntityKey, &'k Wait)> + Clone,
) -> Vec<Finding> {
    let keys = waiting.filter(|(_, wait)| **wait == Wait::Audio).map(|(key, _)| key);
    let count = keys.clone().count();
    if count > TOLD_PENDING {
        let message = format!(
            "{count} programs, categories and prompts have recordings that were not looked at yet: they will be soon."
        );
        return vec![Finding::new(codes::AUDIO_PENDING, Severity::Info, Subject::Site, message)];
    }
    let mut findings: Vec<Finding> = keys.flat_map(|key| catalogue.draft(key).findings).collect();
    findings.retain(|finding| finding.code == codes::AUDIO_PENDING);
    findings
}
