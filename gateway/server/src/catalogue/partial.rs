//! Rows that were read again, put in the place of the old ones.

use std::collections::{BTreeMap, BTreeSet};

use super::Subject;
use super::site::{AudioSource, Fid, FileRef, Nid, ProgramNode, PromptNode, Site, SoundNode};

/// Some of a site's nodes, the files that they point at, and all that is small and holds for the whole site, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partial {
    /// As [`Site::layout`]: rows that were read under another one do not belong together.
    pub layout: u64,
    /// The nodes that were asked for, ascending.
    named: Vec<Nid>,
    /// The files that they were seen to point at, ascending.
    pointed_at: Vec<FileRef>,
    /// The rows that were there.
    rows: Site,
}

impl FileRef {
    /// The node of type `file`.
    pub const fn nid(self) -> Option<Nid> {
        match self {
            Self::Node(nid) => Some(nid),
            Self::Managed(_) => None,
        }
    }

    /// The row of `files`.
    pub const fn fid(self) -> Option<Fid> {
        match self {
            Self::Node(_) => None,
            Self::Managed(fid) => Some(fid),
        }
    }
}

impl ProgramNode {
    /// All files that it points at.
    pub fn files(&self) -> impl Iterator<Item = FileRef> {
        [self.title, self.body].into_iter().flatten().chain(self.attachments.iter().copied())
    }
}

impl SoundNode {
    /// All files that it points at.
    pub fn files(&self) -> impl Iterator<Item = FileRef> {
        [self.title, self.header, self.footer].into_iter().flatten()
    }
}

impl PromptNode {
    /// All files that it points at.
    pub fn files(&self) -> impl Iterator<Item = FileRef> {
        self.audio.into_iter()
    }
}

impl Partial {
    /// What was found of the nodes `named` and of the files that they point at, both ascending.
    pub fn new(named: Vec<Nid>, pointed_at: Vec<FileRef>, rows: Site) -> Self {
        Self { layout: rows.layout, named, pointed_at, rows }
    }

    /// All nodes that were read, whether they were there or not.
    pub fn nids(&self) -> impl Iterator<Item = Nid> {
        self.named.iter().copied().chain(self.pointed_at.iter().filter_map(|file| file.nid()))
    }

    /// Whether all that is small and holds for the whole site is as it is in `site`.
    pub fn has_the_frame_of(&self, site: &Site) -> bool {
        let Self { rows, .. } = self;
        (&site.terms, &site.languages, &site.settings) == (&rows.terms, &rows.languages, &rows.settings)
    }

    /// Whether merging it into `site` leaves all sounds, prompts and subscribers as they are.
    pub fn has_all_but_programs_and_files_of(&self, site: &Site) -> bool {
        fn stand<T: PartialEq>(named: &[Nid], rows: &BTreeMap<Nid, T>, now: &BTreeMap<Nid, T>) -> bool {
            named.iter().chain(rows.keys()).all(|nid| rows.get(nid) == now.get(nid))
        }
        let Self { named, rows, .. } = self;
        stand(named, &rows.sounds, &site.sounds)
            && stand(named, &rows.prompts, &site.prompts)
            && stand(named, &rows.subscribers, &site.subscribers)
    }

    /// The rows that were there.
    pub const fn rows(&self) -> &Site {
        &self.rows
    }

    /// Where the bytes of one of a program's files are. Nothing if that cannot be told: the node or the file was not there, or is half saved;
    /// `Some(None)` if the node has no such file.
    pub fn source_of(&self, nid: Nid, file: fn(&ProgramNode) -> Option<FileRef>) -> Option<Option<&AudioSource>> {
        let program = self.rows.programs.get(&nid).filter(|program| program.node.complete)?;
        let source = match file(program) {
            None => return Some(None),
            Some(FileRef::Node(nid)) => self.rows.files.get(&nid).filter(|file| file.complete)?.source.as_ref()?,
            Some(FileRef::Managed(fid)) => &self.rows.managed_files.get(&fid)?.source,
        };
        Some(Some(source))
    }

    /// Whether a node that was read, or a row of `files` that it points at, is not as `site` has it.
    pub fn differs(&self, site: &Site, nid: Nid) -> bool {
        let rows = &self.rows;
        rows.programs.get(&nid) != site.programs.get(&nid)
            || rows.sounds.get(&nid) != site.sounds.get(&nid)
            || rows.prompts.get(&nid) != site.prompts.get(&nid)
            || rows.subscribers.get(&nid) != site.subscribers.get(&nid)
            || rows.files.get(&nid) != site.files.get(&nid)
            || self.points_at_others(site, nid)
    }

    /// Whether a row of `files` that a node points at is not as `site` has it.
    fn points_at_others(&self, site: &Site, nid: Nid) -> bool {
        let rows = &self.rows;
        let is_other =
            |file: FileRef| file.fid().is_some_and(|fid| rows.managed_files.get(&fid) != site.managed_files.get(&fid));
        rows.programs.get(&nid).is_some_and(|program| program.files().any(is_other))
            || rows.sounds.get(&nid).is_some_and(|sound| sound.files().any(is_other))
            || rows.prompts.get(&nid).is_some_and(|prompt| prompt.files().any(is_other))
    }

    /// All rows of `files` that were read, whether they were there or not.
    pub fn fids(&self) -> impl Iterator<Item = Fid> {
        self.pointed_at.iter().filter_map(|file| file.fid())
    }
}

impl Site {
    /// Puts rows that were read again in the place of the old ones. The result is what a whole reading would have given, if only the nodes
    /// that were asked for have changed; both must have been read under one [`Site::layout`].
    pub fn merge(&mut self, partial: Partial) {
        let Partial { named, pointed_at, rows, .. } = partial;
        let mut left: BTreeSet<Fid> = BTreeSet::new();
        for nid in &named {
            left.extend(self.programs.remove(nid).iter().flat_map(ProgramNode::files).filter_map(FileRef::fid));
            left.extend(self.sounds.remove(nid).iter().flat_map(SoundNode::files).filter_map(FileRef::fid));
            left.extend(self.prompts.remove(nid).iter().flat_map(PromptNode::files).filter_map(FileRef::fid));
            self.subscribers.remove(nid);
            self.files.remove(nid);
        }
        for file in pointed_at {
            match file {
                FileRef::Node(nid) => {
                    self.files.remove(&nid);
                }
                FileRef::Managed(fid) => {
                    self.managed_files.remove(&fid);
                    left.remove(&fid);
                }
            }
        }
        self.programs.extend(rows.programs);
        self.sounds.extend(rows.sounds);
        self.prompts.extend(rows.prompts);
        self.subscribers.extend(rows.subscribers);
        self.files.extend(rows.files);
        self.managed_files.extend(rows.managed_files);
        self.forget_unused(left);

        self.languages = rows.languages;
        self.settings = rows.settings;
        self.terms = rows.terms;
        self.notes.retain(|note| matches!(note.subject, Subject::Node(nid) if named.binary_search(&nid).is_err()));
        self.notes.extend(rows.notes);
        self.notes.sort();
        self.notes.dedup();
    }

    /// Drops those of these rows of `files` that no node points at any more.
    fn forget_unused(&mut self, mut fids: BTreeSet<Fid>) {
        if fids.is_empty() {
            return;
        }
        let programs = self.programs.values().flat_map(ProgramNode::files);
        let sounds = self.sounds.values().flat_map(SoundNode::files);
        let prompts = self.prompts.values().flat_map(PromptNode::files);
        for fid in programs.chain(sounds).chain(prompts).filter_map(FileRef::fid) {
            fids.remove(&fid);
        }
        for fid in fids {
            self.managed_files.remove(&fid);
        }
    }
}
