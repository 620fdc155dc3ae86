//! How the tables looked at a whole reading, so that the next one finds what changed without taking a row apart.
//!
//! A range of keys is sent by the server as before, and its bytes are compared with those of last time by a keyed hash of 64 bits. Where they
//! differ, so do the hashes of some blocks of keys in it: the nodes behind those are read by name.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::{Mutex, PoisonError};

use super::error::ReadError;
use super::page::{Ordered, Page};
use super::scan::{Key, Range, Scan};
use super::session::Session;
use crate::catalogue::site::{FileRef, Nid, Node, Site};

/// So many keys are a block, two to this power: what is read again needlessly beside one row that changed.
const BLOCK: u32 = 5;
/// More nodes than this are read faster by reading everything.
const MOST: usize = 5_000;

/// How the tables looked at a whole reading.
#[derive(Default)]
pub struct Marks {
    tables: Vec<MarkedTable>,
    hashing: RandomState,
}

/// A table as it looked.
pub(super) struct MarkedTable {
    scan: Scan,
    hashing: RandomState,
    pages: Vec<MarkedPage>,
}

struct MarkedPage {
    range: Range,
    is_packed: bool,
    hash: u64,
    /// The hash of each block of keys that had rows, ascending.
    blocks: Box<[(u32, u64)]>,
}

impl std::fmt::Debug for Marks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Marks").field("tables", &self.tables.len()).finish_non_exhaustive()
    }
}

/// The keys whose rows are not what they were, by what they name.
#[derive(Debug, Default)]
struct Changed {
    blocks: HashMap<Key, HashSet<u32>>,
    /// The nodes that have a row in one of the blocks.
    nids: BTreeSet<Nid>,
    /// The revisions that have something attached in one of the blocks.
    vids: HashSet<u32>,
}

impl Marks {
    /// A place for the marks of a table.
    pub(super) fn begin(&mut self, scan: &Scan) -> &mut MarkedTable {
        let table = MarkedTable { scan: scan.clone(), hashing: self.hashing.clone(), pages: Vec::new() };
        self.tables.push(table);
        let last = self.tables.len() - 1;
        &mut self.tables[last]
    }

    /// Goes through all tables over these connections, marks them as they are now, and says which nodes have to be read by name: those of
    /// which a row changed, and those that were half saved. Nothing if they are so many that everything should be read; then the marks
    /// are of no use any more.
    pub(super) async fn renew(
        &mut self,
        [one, other]: [&mut Session<'_>; 2],
        site: &Site,
    ) -> Result<Option<BTreeSet<Nid>>, ReadError> {
        // The largest tables first, so that both end at the same time.
        let mut tables: Vec<&mut MarkedTable> = self.tables.iter_mut().collect();
        tables.sort_by_key(|table| table.pages.len());
        let tables = Mutex::new(tables);
        let (one, other) = tokio::join!(renew_some(one, &tables), renew_some(other, &tables));
        let (Some(mut changed), Some(more)) = (one?, other?) else { return Ok(None) };
        changed.add(more);
        let nodes = changed.nodes(site);
        Ok((nodes.len() <= MOST).then_some(nodes))
    }
}

async fn renew_some(
    session: &mut Session<'_>,
    tables: &Mutex<Vec<&mut MarkedTable>>,
) -> Result<Option<Changed>, ReadError> {
    let mut changed = Changed::default();
    loop {
        let Some(table) = tables.lock().unwrap_or_else(PoisonError::into_inner).pop() else { return Ok(Some(changed)) };
        if !table.renew(session, &mut changed).await? {
            return Ok(None);
        }
    }
}

impl MarkedTable {
    /// Marks a range of keys.
    pub(super) fn mark(&mut self, range: Range, page: &Page, rows: &Ordered<'_>) {
        let hash = self.hashing.hash_one(page);
        let blocks = self.blocks(rows);
        self.pages.push(MarkedPage { range, is_packed: page.is_packed(), hash, blocks });
    }

    fn blocks(&self, rows: &Ordered<'_>) -> Box<[(u32, u64)]> {
        let mut blocks: Vec<(u32, u64)> = Vec::new();
        let mut hasher = self.hashing.build_hasher();
        let mut groups = rows.groups().peekable();
        while let Some((key, rows)) = groups.next() {
            rows.cells().hash(&mut hasher);
            let block = key >> BLOCK;
            if groups.peek().is_none_or(|(next, _)| next >> BLOCK != block) {
                let hasher = std::mem::replace(&mut hasher, self.hashing.build_hasher());
                blocks.push((block, hasher.finish()));
            }
        }
        blocks.into()
    }

    /// Reads the table once more, marks it as it is now, and notes what changed; false if that is too much, or a page cannot be taken apart.
    async fn renew(&mut self, session: &mut Session<'_>, changed: &mut Changed) -> Result<bool, ReadError> {
        let scan = self.scan.clone();
        let mut coming = match self.pages.first() {
            Some(page) => Some(session.page(&scan, page.range, &mut page.is_packed.clone()).await?),
            None => None,
        };
        for at in 0..self.pages.len() {
            let Some(page) = coming.take() else { break };
            let next = self.pages.get(at + 1).map(|next| (next.range, next.is_packed));
            let compared;
            if let Some((range, mut is_packed)) = next {
                // The statement is on its way before this page is worked on.
                let comparing = async { self.compare(at, &page, changed) };
                let (next, done) = tokio::join!(biased; session.page(&scan, range, &mut is_packed), comparing);
                (coming, compared) = (Some(next?), done);
            } else {
                compared = self.compare(at, &page, changed);
            }
            if !compared || changed.is_too_much() {
                return Ok(false);
            }
        }
        let end = self.pages.last().map_or(0, |page| page.range.to);
        session
            .scan_from(&scan, end, |range, page, rows| {
                self.mark(range, page, rows);
                if let Some(page) = self.pages.last() {
                    changed.note(scan.key, page.blocks.iter().map(|(block, _)| *block), rows);
                }
            })
            .await?;
        Ok(!changed.is_too_much())
    }

    /// Compares a page with how it was, and marks it as it is; false if it cannot be taken apart.
    fn compare(&mut self, at: usize, page: &Page, changed: &mut Changed) -> bool {
        let hash = self.hashing.hash_one(page);
        if self.pages[at].hash == hash {
            return true;
        }
        let width = self.scan.columns.len();
        let Some(cells) = page.unpacked(width) else { return false };
        let rows = Ordered::new(cells, width);
        let blocks = self.blocks(&rows);
        let before: BTreeSet<&(u32, u64)> = self.pages[at].blocks.iter().collect();
        let now: BTreeSet<&(u32, u64)> = blocks.iter().collect();
        changed.note(self.scan.key, before.symmetric_difference(&now).map(|(block, _)| *block), &rows);
        self.pages[at] = MarkedPage { hash, is_packed: page.is_packed(), blocks, range: self.pages[at].range };
        true
    }
}

impl Changed {
    /// Notes blocks of a table whose rows are not what they were, and the rows that are there now.
    fn note(&mut self, key: Key, blocks: impl Iterator<Item = u32>, rows: &Ordered<'_>) {
        let blocks: HashSet<u32> = blocks.collect();
        let now = rows.groups().filter(|(key, _)| blocks.contains(&(key >> BLOCK)));
        match key {
            Key::Nid => self.nids.extend(now.map(|(nid, _)| nid)),
            Key::Fnid => {
                self.vids.extend(now.flat_map(|(_, rows)| rows.iter().filter_map(|row| super::values::id(row[1]))));
            }
            Key::Vid | Key::Tid | Key::Fid => {}
        }
        self.blocks.entry(key).or_default().extend(blocks);
    }

    fn add(&mut self, other: Self) {
        for (key, blocks) in other.blocks {
            self.blocks.entry(key).or_default().extend(blocks);
        }
        self.nids.extend(other.nids);
        self.vids.extend(other.vids);
    }

    fn is_too_much(&self) -> bool {
        self.blocks.values().map(HashSet::len).sum::<usize>() > MOST
    }

    fn has(&self, key: Key, id: u32) -> bool {
        self.blocks.get(&key).is_some_and(|blocks| blocks.contains(&(id >> BLOCK)))
    }

    /// The nodes that have a row in one of the blocks, had one, or point at what has; and those that were half saved.
    fn nodes(&self, site: &Site) -> BTreeSet<Nid> {
        let mut nodes = self.nids.clone();
        let is_of = |nid: Nid, node: &Node| {
            !node.complete || self.has(Key::Nid, nid) || self.has(Key::Vid, node.vid) || self.vids.contains(&node.vid)
        };
        let points_at = |file: FileRef| match file {
            FileRef::Node(nid) => self.has(Key::Fnid, nid),
            FileRef::Managed(fid) => self.has(Key::Fid, fid),
        };
        let programs = site.programs.iter();
        nodes
            .extend(programs.filter(|(nid, p)| is_of(**nid, &p.node) || p.files().any(points_at)).map(|(nid, _)| *nid));
        let sounds = site.sounds.iter();
        nodes.extend(sounds.filter(|(nid, s)| is_of(**nid, &s.node) || s.files().any(points_at)).map(|(nid, _)| *nid));
        let prompts = site.prompts.iter();
        nodes.extend(prompts.filter(|(nid, p)| is_of(**nid, &p.node) || p.files().any(points_at)).map(|(nid, _)| *nid));
        nodes.extend(site.subscribers.iter().filter(|(nid, s)| is_of(**nid, &s.node)).map(|(nid, _)| *nid));
        nodes.extend(
            site.files.iter().filter(|(nid, file)| !file.complete || self.has(Key::Nid, **nid)).map(|(nid, _)| *nid),
        );
        nodes
    }
}
