//! What the rules make of one entity: the bytes of its value, or why it is absent, or that it has to wait.

use std::hash::{DefaultHasher, Hash, Hasher};

use audiospread_protocol::{DeleteReason, EntityKey, Kind};
use serde::Serialize;

use super::site::{Fid, FileNode, Nid, Node, Tid};
use super::{Finding, Severity, Subject, codes};

/// Bytes of the largest value. The largest that a phone can need has some thousand; what is larger would travel over slow links at each change,
/// and does not fit into a packet of every database.
pub const MAX_VALUE: usize = 256 * 1024;

/// What the rules make of one entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// What is to be in the feed.
    pub outcome: Outcome,
    /// What an editor should know about it; deterministic in content and order.
    pub findings: Vec<Finding>,
    /// Stands for the revisions (`nid`, `vid`, `changed`) of all nodes that the draft was made of. Two readings agree only if outcome *and*
    /// stamp agree. Means something within one run of the program only.
    pub stamp: u64,
    /// The categories of a program that is [`Outcome::Put`], ascending; empty for everything else. See [`super::ProgramCounts`].
    pub categories: Box<[Tid]>,
}

/// What is to be in the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The entity, with the exact bytes of its value: the JSON of the protocol's type.
    Put(Vec<u8>),
    /// It is not to be there.
    Absent(DeleteReason),
    /// It cannot be told yet: what is in the feed stays.
    Keep(Wait),
}

/// What a draft waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wait {
    /// For audio that was not looked at yet.
    Audio,
    /// For the end of a save in Drupal, seen half done.
    Save,
    /// For an editor who makes it smaller.
    Shortening,
}

impl Draft {
    /// Itself; or, where its value is larger than [`MAX_VALUE`], a finding and the old state.
    pub(super) fn within_bounds(self, key: &EntityKey) -> Self {
        let Outcome::Put(value) = &self.outcome else { return self };
        if value.len() <= MAX_VALUE {
            return self;
        }
        let subject = match (key.kind(), key.number()) {
            (Kind::Program | Kind::Subscriber, Some(nid)) => Subject::Node(nid),
            (Kind::Category, Some(tid)) => Subject::Term(tid),
            (Kind::Prompt, _) => Subject::Prompt(key.id().to_owned()),
            _ => Subject::Site,
        };
        let message = format!(
            "Its texts have {} KiB, and at most {} KiB go to the phones: shorten its name or description. Until then the phones keep what \
             they have of it.",
            value.len() / 1024,
            MAX_VALUE / 1024
        );
        let mut findings = self.findings;
        findings.push(Finding::new(codes::TOO_LARGE, Severity::Error, subject, message));
        findings.sort();
        Self { outcome: Outcome::Keep(Wait::Shortening), findings, stamp: self.stamp, categories: Box::default() }
    }
}

/// Gathers a draft while its rule goes along.
#[derive(Default)]
pub(super) struct Drafting {
    findings: Vec<Finding>,
    hasher: DefaultHasher,
    wait: Option<Wait>,
}

impl Drafting {
    pub(super) fn node(&mut self, nid: Nid, node: &Node) {
        (nid, node.vid, node.changed).hash(&mut self.hasher);
    }

    pub(super) fn file_node(&mut self, nid: Nid, file: Option<&FileNode>) {
        (nid, file.map(|file| (file.vid, file.changed))).hash(&mut self.hasher);
    }

    pub(super) fn managed_file(&mut self, fid: Fid) {
        ("fid", fid).hash(&mut self.hasher);
    }

    pub(super) fn finding(&mut self, code: &'static str, severity: Severity, subject: Subject, message: String) {
        self.add(Finding::new(code, severity, subject, message));
    }

    pub(super) fn add(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Remembers that something must be waited for; a save in Drupal outweighs audio.
    pub(super) fn wait_for(&mut self, what: Wait) {
        self.wait = self.wait.max(Some(what));
    }

    /// Whether `what` must be waited for.
    pub(super) fn waits(&self) -> Option<Wait> {
        self.wait
    }

    pub(super) fn absent(self, reason: DeleteReason) -> Draft {
        self.end(Outcome::Absent(reason), Box::default())
    }

    pub(super) fn keep(self, wait: Wait) -> Draft {
        self.end(Outcome::Keep(wait), Box::default())
    }

    /// The value's bytes, unless something must be waited for.
    pub(super) fn put(self, value: &impl Serialize) -> Draft {
        self.put_in(value, Box::default())
    }

    /// As [`Self::put`], for a program in `categories`.
    pub(super) fn put_in(self, value: &impl Serialize, categories: Box<[Tid]>) -> Draft {
        if let Some(wait) = self.wait {
            return self.keep(wait);
        }
        // The protocol's values have string keys and no serializer of their own that fails: there is nothing in them that JSON cannot say.
        match serde_json::to_vec(value) {
            Ok(bytes) => self.end(Outcome::Put(bytes), categories),
            Err(_) => self.keep(Wait::Save),
        }
    }

    fn end(mut self, outcome: Outcome, categories: Box<[Tid]>) -> Draft {
        self.findings.sort();
        self.findings.dedup();
        Draft { outcome, findings: self.findings, stamp: self.hasher.finish(), categories }
    }
}
