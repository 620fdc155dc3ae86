//! Nodes as they come out of separate scans: first `node`, then each table of fields, rows put where their revision is the current one.

use std::borrow::Cow;

use super::error::ReadError;
use super::layout::{Column, FieldTable, Holds, Layout, Meaning, Role};
use super::marks::Marks;
use super::notes::Notes;
use super::page::Rows;
use super::scan::{Key, Keys, Scan, or_empty};
use super::session::Session;
use super::values;
use crate::catalogue::site::{
    FileNode, FileRef, Nid, Node, ProgramNode, PromptNode, Site, SoundNode, SubscriberNode, Tid, Vid,
};

/// A node changed less than this ago may have a save in flight, seconds.
pub(crate) const IN_FLIGHT: i64 = 300;
/// A node may have been saved by a host whose clock is ahead; further ahead than this, its time is wrong for good.
const CLOCKS_DIFFER: i64 = 86_400;
/// The type of fileframework's nodes.
const FILE: &[u8] = b"file";
/// What is read of `node` beside the `nid`: the title, which alone may hold anything, at the end; of a file's the end, which may say that it is audio.
const COLUMNS: [&str; 8] =
    ["vid", "type", "status", "language", "created", "changed", "tnid", "IF(type = 'file', RIGHT(title, 5), title)"];

/// The nodes read so far.
pub(super) struct Nodes<'a> {
    layout: &'a Layout,
    now: i64,
    languages: values::Languages,
    pub(super) programs: Vec<(Nid, ProgramNode)>,
    pub(super) sounds: Vec<(Nid, SoundNode)>,
    pub(super) prompts: Vec<(Nid, PromptNode)>,
    pub(super) subscribers: Vec<(Nid, SubscriberNode)>,
    pub(super) files: Vec<(Nid, FileNode)>,
    /// The current revisions of all but files, by `vid` once they are in order.
    revisions: Vec<Revision>,
}

/// A current revision, and where its node is.
struct Revision {
    vid: Vid,
    /// The place in the list of its role.
    place: u32,
    /// The place of its type in the layout.
    kind: u8,
    /// In how many of the tables that its type has fields in a row was found.
    rows: u8,
}

enum NodeMut<'a> {
    Program(&'a mut ProgramNode),
    Sound(&'a mut SoundNode),
    Prompt(&'a mut PromptNode),
    Subscriber(&'a mut SubscriberNode),
}

impl<'a> NodeMut<'a> {
    fn node(self) -> &'a mut Node {
        match self {
            Self::Program(program) => &mut program.node,
            Self::Sound(sound) => &mut sound.node,
            Self::Prompt(prompt) => &mut prompt.node,
            Self::Subscriber(subscriber) => &mut subscriber.node,
        }
    }
}

impl<'a> Nodes<'a> {
    /// None yet; `now` by the database's clock, in Unix seconds.
    pub(super) fn new(layout: &'a Layout, now: i64, languages: values::Languages) -> Self {
        Self {
            layout,
            now,
            languages,
            programs: Vec::new(),
            sounds: Vec::new(),
            prompts: Vec::new(),
            subscribers: Vec::new(),
            files: Vec::new(),
            revisions: Vec::new(),
        }
    }

    /// Reads `node`.
    pub(super) async fn read(
        &mut self,
        session: &mut Session<'_>,
        nids: Keys<'_>,
        notes: &mut Notes,
    ) -> Result<(), ReadError> {
        let scan = Scan::new(session.table("node")?, Key::Nid, &COLUMNS);
        session.scan(&scan, nids, |nid, rows| rows.iter().for_each(|row| self.add(nid, row, notes))).await?;
        self.revisions.sort_unstable_by_key(|revision| revision.vid);
        Ok(())
    }

    /// Reads the file nodes among these nodes.
    pub(super) async fn read_files(&mut self, session: &mut Session<'_>, nids: &[Nid]) -> Result<(), ReadError> {
        let mut scan = Scan::new(session.table("node")?, Key::Nid, &COLUMNS);
        scan.only = "AND type = 'file'";
        session.scan(&scan, Keys::These(nids), |nid, rows| rows.iter().for_each(|row| self.add_file(nid, row))).await?;
        self.files.sort_unstable_by_key(|(nid, _)| *nid);
        Ok(())
    }

    fn add_file(&mut self, nid: Nid, row: &[&[u8]]) {
        let [_, vid, FILE, status, _, _, changed, _, title] = row else { return };
        let (Some(vid), changed) = (values::id(vid), values::int(changed).unwrap_or(0)) else { return };
        let file = FileNode {
            vid,
            published: values::int(status) == Some(1),
            changed,
            complete: !self.is_in_flight(changed),
            looks_like_audio: values::name_says_audio(title),
            source: None,
        };
        self.files.push((nid, file));
    }

    fn add(&mut self, nid: Nid, row: &[&[u8]], notes: &mut Notes) {
        let [_, vid, kind, status, language, created, changed, tnid, title] = row else { return };
        if *kind == FILE {
            if self.layout.modules.file_nodes {
                self.add_file(nid, row);
            }
            return;
        }
        let Some(kind) = self.layout.types.iter().position(|known| known.name.as_str().as_bytes() == *kind) else {
            return;
        };
        let Some(vid) = values::id(vid) else { return };
        let changed = values::int(changed).unwrap_or(0);
        let title = values::text(title);
        if matches!(title, Cow::Owned(_)) {
            notes.bad_title(nid);
        }
        let node = Node {
            vid,
            published: values::int(status) == Some(1),
            complete: !self.is_in_flight(changed),
            language: self.languages.named(language),
            language_field: None,
            title: title.into(),
            created: values::int(created).unwrap_or(0),
            changed,
            tnid: values::id(tnid).unwrap_or(0),
            terms: Box::default(),
        };
        let place = match self.layout.types[kind].role {
            Role::Program => {
                let program = ProgramNode { node, title: None, body: None, attachments: Box::default(), weight: 0 };
                self.programs.push((nid, program));
                self.programs.len()
            }
            Role::Sound => {
                self.sounds.push((nid, SoundNode { node, title: None, header: None, footer: None }));
                self.sounds.len()
            }
            Role::Prompt => {
                self.prompts.push((nid, PromptNode { node, key: None, audio: None }));
                self.prompts.len()
            }
            Role::Subscriber => {
                let subscriber = SubscriberNode { node, numbers: Vec::new(), plan: None, balance_seconds: None };
                self.subscribers.push((nid, subscriber));
                self.subscribers.len()
            }
        };
        if let (Ok(place), Ok(kind)) = (u32::try_from(place - 1), u8::try_from(kind)) {
            self.revisions.push(Revision { vid, place, kind, rows: 0 });
        }
    }

    fn is_in_flight(&self, changed: i64) -> bool {
        changed > self.now - IN_FLIGHT && changed < self.now + CLOCKS_DIFFER
    }

    /// Reads one table of fields.
    pub(super) async fn read_fields(
        &mut self,
        session: &mut Session<'_>,
        table: &FieldTable,
        marks: Option<&mut Marks>,
        notes: &mut Notes,
    ) -> Result<(), ReadError> {
        let mut scan = Scan::new(table.table.clone(), Key::Vid, &[]);
        scan.columns.extend(table.columns.iter().map(|column| or_empty(&column.name.quoted())));
        if table.is_multiple {
            scan.columns.push("`delta`".into());
        }
        let vids = if marks.is_some() { Vec::new() } else { self.vids() };
        let keys = Keys::all_or(marks, &vids);
        session.scan(&scan, keys, |vid, rows| self.fill(table, vid, rows, notes)).await
    }

    fn fill(&mut self, table: &FieldTable, vid: Vid, rows: Rows<'_>, notes: &mut Notes) {
        let Some(found) = self.revision(vid) else { return };
        let revision = &mut self.revisions[found];
        let (kind, place) = (usize::from(revision.kind), revision.place as usize);
        if !table.types.contains(&kind) {
            return;
        }
        revision.rows += 1;
        let mut rows: Vec<&[&[u8]]> = rows.iter().collect();
        if table.is_multiple {
            rows.sort_by_key(|row| row.last().and_then(|delta| values::int(delta)));
        }
        for (column, at) in table.columns.iter().zip(1..) {
            let cells = rows.iter().map(|row| row[at]).filter(|cell| !cell.is_empty());
            match column.holds {
                Holds::FileNodes => self.put_file(kind, place, column, cells, FileRef::Node, notes),
                Holds::ManagedFiles => self.put_file(kind, place, column, cells, FileRef::Managed, notes),
                Holds::Values => self.put_value(kind, place, column, cells, notes),
            }
        }
    }

    /// The first file of a field; 0 is none.
    fn put_file<'c>(
        &mut self,
        kind: usize,
        place: usize,
        column: &Column,
        mut cells: impl Iterator<Item = &'c [u8]>,
        points_at: impl Fn(u32) -> FileRef,
        notes: &mut Notes,
    ) {
        let file = cells.find_map(|cell| match values::id(cell) {
            Some(0) => None,
            Some(id) => Some(points_at(id)),
            None => {
                notes.strange_value(self.nid(kind, place), column.field.as_str(), &values::text(cell));
                None
            }
        });
        match (column.meaning, self.node_mut(kind, place)) {
            (Meaning::Title, NodeMut::Program(program)) => program.title = file,
            (Meaning::Body, NodeMut::Program(program)) => program.body = file,
            (Meaning::Title, NodeMut::Sound(sound)) => sound.title = file,
            (Meaning::Header, NodeMut::Sound(sound)) => sound.header = file,
            (Meaning::Footer, NodeMut::Sound(sound)) => sound.footer = file,
            (Meaning::Prompt, NodeMut::Prompt(prompt)) => prompt.audio = file,
            _ => {}
        }
    }

    /// The first value of a field, or all where all count.
    fn put_value<'c>(
        &mut self,
        kind: usize,
        place: usize,
        column: &Column,
        mut cells: impl Iterator<Item = &'c [u8]>,
        notes: &mut Notes,
    ) {
        let nid = self.nid(kind, place);
        let mut strange = |cell: &[u8]| notes.strange_value(nid, column.field.as_str(), &values::text(cell));
        if column.meaning == Meaning::Language {
            let language = cells.find_map(|cell| self.languages.named(cell));
            self.node_mut(kind, place).node().language_field = language;
            return;
        }
        if matches!(column.meaning, Meaning::Weight | Meaning::Balance) {
            let number = cells.next().and_then(|cell| {
                let number = values::int(cell);
                if number.is_none() {
                    strange(cell);
                }
                number
            });
            match (column.meaning, self.node_mut(kind, place)) {
                (Meaning::Weight, NodeMut::Program(program)) => {
                    let within = number.unwrap_or(0).clamp(i32::MIN.into(), i32::MAX.into());
                    program.weight = i32::try_from(within).unwrap_or(0);
                }
                (Meaning::Balance, NodeMut::Subscriber(subscriber)) => subscriber.balance_seconds = number,
                _ => {}
            }
            return;
        }
        let mut texts = Vec::new();
        for cell in cells {
            let text = values::text(cell);
            if matches!(text, Cow::Owned(_)) {
                strange(cell);
            }
            let text = text.trim();
            if !text.is_empty() {
                texts.push(Box::<str>::from(text));
            }
        }
        match (column.meaning, self.node_mut(kind, place)) {
            (Meaning::PhoneNumber, NodeMut::Subscriber(subscriber)) => subscriber.numbers = texts,
            (Meaning::Plan, NodeMut::Subscriber(subscriber)) => subscriber.plan = texts.into_iter().next(),
            (Meaning::PromptKey, NodeMut::Prompt(prompt)) => prompt.key = texts.into_iter().next(),
            _ => {}
        }
    }

    /// Reads the terms of the current revisions; those of other vocabularies are left out.
    pub(super) async fn read_terms(
        &mut self,
        session: &mut Session<'_>,
        marks: Option<&mut Marks>,
        is_of_the_phone: impl Fn(Tid) -> bool + Send + Sync,
    ) -> Result<(), ReadError> {
        let scan = Scan::new(session.table("term_node")?, Key::Vid, &["tid"]);
        let vids = if marks.is_some() { Vec::new() } else { self.vids() };
        let keys = Keys::all_or(marks, &vids);
        session
            .scan(&scan, keys, |vid, rows| {
                let Some(found) = self.revision(vid) else { return };
                let mut tids: Vec<Tid> =
                    rows.iter().filter_map(|row| values::id(row[1])).filter(|tid| is_of_the_phone(*tid)).collect();
                tids.sort_unstable();
                tids.dedup();
                let (kind, place) = (usize::from(self.revisions[found].kind), self.revisions[found].place as usize);
                self.node_mut(kind, place).node().terms = tids.into();
            })
            .await
    }

    /// The current revisions of what may have attachments, in ascending order.
    pub(super) fn program_of(&mut self, vid: Vid) -> Option<&mut ProgramNode> {
        let revision = &self.revisions[self.revision(vid)?];
        let (kind, place) = (usize::from(revision.kind), revision.place as usize);
        match self.node_mut(kind, place) {
            NodeMut::Program(program) => Some(program),
            _ => None,
        }
    }

    /// The current revisions, in ascending order.
    pub(super) fn vids(&self) -> Vec<Vid> {
        self.revisions.iter().map(|revision| revision.vid).collect()
    }

    /// Says of each node whether all its rows were there, once all tables were read. A node that was not changed for a while has none in
    /// flight: it is older than the field, and has no value.
    pub(super) fn complete(&mut self) {
        let expected: Vec<usize> = (0..self.layout.types.len())
            .map(|kind| self.layout.tables.iter().filter(|table| table.types.contains(&kind)).count())
            .collect();
        for revision in std::mem::take(&mut self.revisions) {
            if usize::from(revision.rows) == expected[usize::from(revision.kind)] {
                self.node_mut(usize::from(revision.kind), revision.place as usize).node().complete = true;
            }
        }
    }

    /// The files that the nodes point at, ascending.
    pub(super) fn files_pointed_at(&self) -> Vec<FileRef> {
        let mut files: Vec<FileRef> = (self.programs.iter().flat_map(|(_, node)| node.files()))
            .chain(self.sounds.iter().flat_map(|(_, node)| node.files()))
            .chain(self.prompts.iter().flat_map(|(_, node)| node.files()))
            .collect();
        files.sort_unstable();
        files.dedup();
        files
    }

    /// Puts the nodes into a site.
    pub(super) fn move_into(self, site: &mut Site) {
        site.programs = self.programs.into_iter().collect();
        site.sounds = self.sounds.into_iter().collect();
        site.prompts = self.prompts.into_iter().collect();
        site.subscribers = self.subscribers.into_iter().collect();
        site.files = self.files.into_iter().collect();
    }

    fn revision(&self, vid: Vid) -> Option<usize> {
        self.revisions.binary_search_by_key(&vid, |revision| revision.vid).ok()
    }

    fn nid(&self, kind: usize, place: usize) -> Nid {
        match self.layout.types[kind].role {
            Role::Program => self.programs[place].0,
            Role::Sound => self.sounds[place].0,
            Role::Prompt => self.prompts[place].0,
            Role::Subscriber => self.subscribers[place].0,
        }
    }

    fn node_mut(&mut self, kind: usize, place: usize) -> NodeMut<'_> {
        match self.layout.types[kind].role {
            Role::Program => NodeMut::Program(&mut self.programs[place].1),
            Role::Sound => NodeMut::Sound(&mut self.sounds[place].1),
            Role::Prompt => NodeMut::Prompt(&mut self.prompts[place].1),
            Role::Subscriber => NodeMut::Subscriber(&mut self.subscribers[place].1),
        }
    }
}
