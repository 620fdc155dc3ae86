//! One refresh: head, reading, comparing, settling, reading again, commit.
//!
//! No half-saved entity is published: a difference counts only when a second reading, in a new transaction and at least `settle` later,
//! finds the same, or where Drupal itself said that the save had ended (`settled`). While Drupal is read nothing else is done, and while anything else is done no statement of Drupal's database is open.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use audiospread_protocol::EntityKey;
use tokio::sync::watch;
use tokio::task::block_in_place;
use uuid::Uuid;

use super::compare::Candidate;
use super::memory::Memory;
use super::settled::{self, Heard};
use super::{RefreshError, Scope};
use crate::blobs::{Blobs, Progress};
use crate::catalogue::site::{Nid, Stamp};
use crate::catalogue::{Affected, Finding, Packs, Rules, Severity, Sources, Subject};
use crate::config::Config;
use crate::drupal::Reader;
use crate::feed::{Commit, Feed, FindingChanges, Removal, Removals, would_hold};

/// More nodes than this are read faster by reading everything.
const MANY_NODES: usize = 5_000;

/// What refreshes need, and what they remember from one to the next.
pub struct Refresher {
    reader: Reader,
    feed: Arc<Feed>,
    blobs: Arc<Blobs>,
    settle: Duration,
    hold_for: Duration,
    /// Names this gateway among several.
    name: String,
    memory: Memory,
    /// The saves of which Drupal said that they have ended.
    heard: Heard,
}

/// How a refresh went.
#[derive(Debug, Default)]
pub struct Report {
    /// What two readings did not agree on, or what the second one found new: to be looked at again.
    pub again: Option<Scope>,
    /// How many entities keep an old state for now.
    pub waiting: usize,
    /// The nodes of those whose save was seen half done.
    pub saving: BTreeSet<Nid>,
    /// Whether a refresh is held because it would remove much.
    pub held: bool,
    /// Whose sounds callers hear.
    pub sources: Sources,
}

/// What became of agreed changes.
enum Publication {
    /// They are published, so many.
    Done(usize),
    /// They wait for somebody to look at them.
    Held,
    /// Another gateway was first.
    Lost,
}

impl Refresher {
    /// A refresher that has read nothing yet. `pack_findings` are those about the language packs.
    pub fn new(
        reader: Reader,
        feed: Arc<Feed>,
        blobs: Arc<Blobs>,
        (rules, packs): (Rules, Packs),
        pack_findings: Vec<Finding>,
        config: &Config,
    ) -> Self {
        let memory = Memory::new(blobs.index().clone(), rules, packs, pack_findings);
        let hold_for = Duration::from_secs(config.feed.hold_minutes * 60);
        Self {
            reader,
            feed,
            blobs,
            settle: config.drupal.settle(),
            hold_for,
            name: Uuid::new_v4().to_string(),
            memory,
            heard: Heard::default(),
        }
    }

    /// Follows what is learnt about audio.
    pub(super) fn progress(&self) -> watch::Receiver<Progress> {
        self.blobs.index().watch()
    }

    /// Whether this gateway is the one that reads by the clock, for the next `interval`. The lease only saves work.
    pub(super) async fn is_its_turn(&self, interval: Duration) -> Result<bool, RefreshError> {
        Ok(self.feed.store().try_lease(&self.name, interval).await?)
    }

    /// The nodes of whose audio something was learnt since the last call.
    pub fn nodes_with_new_audio(&self) -> BTreeSet<Nid> {
        let sources = self.blobs.index().take_changed();
        block_in_place(|| self.memory.nodes_with(sources))
    }

    /// Takes note of saves of which Drupal said that they have ended, and when it did.
    pub(super) fn hear(&mut self, saved: BTreeMap<Nid, (Stamp, tokio::time::Instant)>) {
        self.heard.add(saved, tokio::time::Instant::now());
    }

    /// Reads what `scope` says, and publishes what two readings agree on.
    ///
    /// # Errors
    /// [`RefreshError`] if Drupal, its files, or the gateway's own database cannot be reached or read; the feed stays as it was.
    pub async fn refresh(&mut self, scope: Scope) -> Result<Report, RefreshError> {
        let outcome = self.attempt(scope).await;
        if outcome.is_err() {
            // What was noted may not have been written, and what was read has not been compared to its end.
            self.memory.is_told = false;
            self.memory.forget_site();
        }
        outcome
    }

    async fn attempt(&mut self, scope: Scope) -> Result<Report, RefreshError> {
        let (started, begun) = (Instant::now(), tokio::time::Instant::now());
        let kind = if scope == Scope::Whole { "whole" } else { "nodes" };
        self.follow_the_feed().await?;
        let storage = self.reader.read_storage().await?;
        let (affected, all_was_read) = self.read(scope).await?;
        let is_whole = all_was_read || matches!(affected, Affected::Everything);
        // A storage root that cannot be reached fails the refresh: it is never "all audio missing".
        self.blobs.check_storage(storage).await?;
        let read = started.elapsed();
        let mut findings = FindingChanges::default();
        let candidates = block_in_place(|| self.memory.compare(affected, all_was_read, &mut findings))?;
        let compared = started.elapsed();
        let mut report = Report::default();
        let mut changes = 0;
        let nothing_differs = candidates.is_empty();
        let (settled, candidates) = self.settled(candidates, is_whole, begun).await?;
        if nothing_differs && is_whole {
            report.held = self.is_held(&Removals::new(), true, &mut findings).await?;
        }
        if !settled.is_empty() {
            changes += self.publish_into(settled, is_whole, &mut findings, &mut report).await?;
        }
        if !candidates.is_empty() && report.again.is_none() {
            let behind = self.memory.nodes_behind(candidates.iter().map(|candidate| &candidate.key));
            tokio::time::sleep(self.settle).await;
            let (affected, all_was_read) = self.read_again(behind).await?;
            let late = block_in_place(|| self.memory.compare(affected, all_was_read, &mut findings))?;
            let (agreed, unsettled) = block_in_place(|| self.memory.agreed(candidates))?;
            report.again = self.left_over(unsettled, late, &agreed);
            changes += self.publish_into(agreed, is_whole, &mut findings, &mut report).await?;
        }
        if !findings.is_empty() {
            self.feed.store().update_findings(&findings).await?;
        }
        // An earlier one may be, about nodes that this one was not told to read.
        report.held |= !is_whole && self.feed.store().hold().await?.is_some();
        if is_whole
            && !report.held
            && report.again.is_none()
            && let Err(error) = self.blobs.forget_unwanted().await
        {
            tracing::warn!(%error, "audio that the site does not name any more could not be forgotten");
        }
        report.waiting = self.memory.waiting.len();
        report.saving = self.memory.saving_nodes();
        report.sources = block_in_place(|| self.memory.sources());
        tracing::info!(
            refresh.kind = kind,
            refresh.read_ms = milliseconds(read),
            refresh.draft_ms = milliseconds(compared.saturating_sub(read)),
            refresh.total_ms = milliseconds(started.elapsed()),
            refresh.changes = changes,
            refresh.waiting = report.waiting,
            "refreshed"
        );
        Ok(report)
    }

    /// Another gateway may have committed since.
    async fn follow_the_feed(&mut self) -> Result<(), RefreshError> {
        let head = self.feed.store().head().await?;
        if self.memory.published.as_ref().is_none_or(|published| published.head != head) {
            self.memory.published = Some(self.feed.store().load().await?);
            self.memory.is_told = false;
            self.memory.compares_all = true;
        }
        if !self.memory.is_told {
            self.memory.begin_ledger(self.feed.store().finding_owners().await?);
        }
        Ok(())
    }

    /// Reads what `scope` says into memory, and says which entities may have changed, and whether all of Drupal was looked at.
    async fn read(&mut self, scope: Scope) -> Result<(Affected, bool), RefreshError> {
        if let Scope::Nodes(nids) = scope {
            if let Some(affected) = self.read_named(nids).await? {
                return Ok((affected, false));
            }
            // Their entities may have changed although their rows did not: more may be known of their audio.
            self.memory.compares_all = true;
        }
        Ok((self.read_whole().await?, true))
    }

    /// As [`Self::read`], for the second time, the nodes behind candidates: these are drafted again in any case, and whatever has the same
    /// rows and the same audio as at the first reading was compared then.
    async fn read_again(&mut self, behind: BTreeSet<Nid>) -> Result<(Affected, bool), RefreshError> {
        match self.read_named(behind).await? {
            Some(affected) => Ok((affected, false)),
            None => Ok((self.read_whole().await?, true)),
        }
    }

    /// Reads these nodes into memory, unless everything is better read.
    async fn read_named(&mut self, nids: BTreeSet<Nid>) -> Result<Option<Affected>, RefreshError> {
        let Some(layout) = self.memory.layout().filter(|_| nids.len() <= MANY_NODES) else { return Ok(None) };
        let partial = self.reader.read_some(&nids.into_iter().collect::<Vec<_>>()).await?;
        if partial.layout != layout {
            return Ok(None);
        }
        Ok(Some(block_in_place(|| self.memory.merge(partial))?))
    }

    /// Goes through all of Drupal, and reads into memory what changed, or everything.
    async fn read_whole(&mut self) -> Result<Affected, RefreshError> {
        if let Some((site, marks, doubtful)) = self.memory.for_changes()
            && let Some((partial, marks)) = self.reader.read_changes(site, marks, doubtful).await?
        {
            return block_in_place(|| self.memory.take_changes(partial, marks));
        }
        // A site may be large: the old rows go before the new ones come.
        self.memory.forget_site();
        let (site, marks) = self.reader.read_whole().await?;
        block_in_place(|| self.memory.take_site(site, marks));
        Ok(Affected::Everything)
    }

    /// What has to be looked at again: what two readings did not agree on, and what only the second one saw.
    fn left_over(&mut self, unsettled: Vec<EntityKey>, late: Vec<Candidate>, agreed: &[EntityKey]) -> Option<Scope> {
        let agreed: BTreeSet<&EntityKey> = agreed.iter().collect();
        let late = late.into_iter().map(|candidate| candidate.key).filter(|key| !agreed.contains(key));
        self.memory.unsettled = late.chain(unsettled).collect();
        let nodes = self.memory.nodes_behind(&self.memory.unsettled);
        (!self.memory.unsettled.is_empty()).then_some(Scope::Nodes(nodes))
    }

    /// Parts the candidates into those for which this one reading suffices, and those that are to be read again: see [`settled`].
    async fn settled(
        &mut self,
        candidates: Vec<Candidate>,
        is_whole: bool,
        begun: tokio::time::Instant,
    ) -> Result<(Vec<EntityKey>, Vec<Candidate>), RefreshError> {
        let heard = self.heard.ripe(begun);
        if is_whole || heard.is_empty() {
            return Ok((Vec::new(), candidates));
        }
        let behind: Vec<_> = candidates.iter().map(|candidate| self.memory.stamps_behind(&candidate.key)).collect();
        let nids: BTreeSet<Nid> = behind.iter().flatten().flat_map(BTreeMap::keys).copied().collect();
        let (after, clock) = self.reader.read_stamps(&nids.into_iter().collect::<Vec<_>>()).await?;
        let (mut settled, mut others) = (Vec::new(), Vec::new());
        for (candidate, behind) in candidates.into_iter().zip(behind) {
            if behind.is_some_and(|read| settled::one_reading_suffices(&read, &heard, &after, clock)) {
                settled.push(candidate.key);
            } else {
                others.push(candidate);
            }
        }
        Ok((settled, others))
    }

    /// Commits the agreed changes, and reports what became of them; returns how many there were.
    async fn publish_into(
        &mut self,
        agreed: Vec<EntityKey>,
        is_whole: bool,
        findings: &mut FindingChanges,
        report: &mut Report,
    ) -> Result<usize, RefreshError> {
        match self.publish(agreed, is_whole, findings).await? {
            Publication::Done(count) => return Ok(count),
            Publication::Held => {
                report.held = true;
                self.memory.compares_all = true;
            }
            Publication::Lost => report.again = Some(Scope::Whole),
        }
        Ok(0)
    }

    /// Commits the agreed changes, unless they remove much.
    async fn publish(
        &mut self,
        agreed: Vec<EntityKey>,
        is_whole: bool,
        findings: &mut FindingChanges,
    ) -> Result<Publication, RefreshError> {
        let removals = block_in_place(|| self.memory.removals(&agreed))?;
        if self.is_held(&removals, is_whole, findings).await? {
            return Ok(Publication::Held);
        }
        let count = agreed.len();
        let Some(published) = self.memory.published.take() else { return Err(RefreshError::NothingRead) };
        let told = std::mem::take(findings);
        let changes = self.memory.changes(agreed)?;
        match self.feed.store().commit(published, changes, &told).await? {
            Commit::Done(published) => {
                self.memory.published = Some(published);
                Ok(Publication::Done(count))
            }
            Commit::Lost => {
                // Another gateway was first: its findings are as good as ours, and the next refresh compares with its version.
                self.memory.is_told = false;
                Ok(Publication::Lost)
            }
        }
    }

    /// Whether these removals have to wait for somebody to look at them.
    ///
    /// Only who has read everything can say that nothing is to be held any more. While something is, single nodes do not go either: what is
    /// held would trickle away.
    async fn is_held(
        &mut self,
        removals: &Removals,
        is_whole: bool,
        findings: &mut FindingChanges,
    ) -> Result<bool, RefreshError> {
        let store = self.feed.store();
        let hold = store.hold().await?;
        let is_much = |removal: &Removal| would_hold(removal.removed, removal.of) || (hold.is_some() && !is_whole);
        let much: Removals =
            removals.iter().filter(|(_, removal)| is_much(removal)).map(|(kind, removal)| (*kind, *removal)).collect();
        let may_go = much.is_empty() || hold.as_ref().is_some_and(|hold| hold.lets_go(&much, self.hold_for));
        if !may_go && (is_whole || hold.is_none()) {
            store.set_hold(&much).await?;
            self.memory.ledger.note([(HOLD.to_owned(), vec![hold_finding(&much)])], findings);
            tracing::warn!(?much, "held: this refresh would remove much; `audiospread feed --accept` lets it go on");
        }
        if may_go && is_whole {
            if hold.is_some() {
                store.clear_hold().await?;
            }
            self.memory.ledger.note([(HOLD.to_owned(), Vec::new())], findings);
        }
        Ok(!may_go)
    }
}

/// The owner of the finding about a held refresh.
const HOLD: &str = "hold";

fn hold_finding(removals: &Removals) -> Finding {
    let parts: Vec<String> = removals
        .iter()
        .map(|(kind, removal)| format!("{} of {} entities of the kind {kind}", removal.removed, removal.of))
        .collect();
    Finding::new(
        crate::catalogue::codes::HELD,
        Severity::Error,
        Subject::Site,
        format!(
            "Drupal's database has lost {}: the phones keep what they have until somebody looks. If it is meant, say so with `audiospread \
             feed --accept`; if not, restore the database or mount the files.",
            parts.join(", ")
        ),
    )
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
