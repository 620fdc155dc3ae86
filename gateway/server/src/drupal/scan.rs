//! Reading a table: all of it in ranges of keys, or the rows of some keys.
//!
//! A range comes packed, its rows joined into one value by the server: unpacking it costs a fraction of what a row of MySQL's protocol costs,
//! a reading of 100,000 programs has a million rows, and a MyISAM table is unlocked as soon as the server has gone through it. While a range
//! is taken apart the server is busy with the next one.

use super::error::ReadError;
use super::marks::Marks;
use super::names::Table;
use super::page::{CELL, Ordered, Page, ROW, Rows};
use super::session::Session;
use super::values;

/// About so many rows are asked for, and at most so many keys named, by one statement, so that no table is locked for longer than their
/// reading takes.
const PAGE: u32 = 5_000;
/// No range is wider than this, however few rows the one before it had.
const WIDEST: u64 = 1 << 20;

/// What the key of a table names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// Nodes.
    Nid,
    /// Revisions.
    Vid,
    /// Terms.
    Tid,
    /// Rows of `files`.
    Fid,
    /// Nodes of type `file` that are attached to others.
    Fnid,
}

impl Key {
    /// The key's column.
    pub(super) const fn column(self) -> &'static str {
        match self {
            Self::Nid => "nid",
            Self::Vid => "vid",
            Self::Tid => "tid",
            Self::Fid => "fid",
            Self::Fnid => "fnid",
        }
    }
}

/// Columns of a table, read by a key that has an index.
#[derive(Clone, Debug)]
pub(super) struct Scan {
    /// The columns, or expressions on them; the key is the first. Those that may be `NULL` are made empty then.
    pub(super) columns: Vec<String>,
    /// The table.
    pub(super) table: Table,
    /// The key.
    pub(super) key: Key,
    /// What else must hold, `AND` in front; or nothing.
    pub(super) only: &'static str,
}

/// Which rows of a table are read.
pub(super) enum Keys<'a> {
    /// All, in ranges of ascending keys; how they looked is marked.
    All(&'a mut Marks),
    /// Those with one of these keys.
    These(&'a [u32]),
}

impl<'a> Keys<'a> {
    /// All, where there is a place for marks, else these.
    pub(super) fn all_or(marks: Option<&'a mut Marks>, these: &'a [u32]) -> Self {
        marks.map_or(Self::These(these), Self::All)
    }
}

/// A range of keys, without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) from: u64,
    pub(super) to: u64,
}

/// Columns that may hold `NULL`, as [`Scan::columns`] wants them.
pub(super) fn or_empty(column: &str) -> String {
    format!("IFNULL({column}, '')")
}

impl Scan {
    /// A scan of these columns beside the key.
    pub(super) fn new(table: Table, key: Key, columns: &[&str]) -> Self {
        let columns = [key.column()].iter().chain(columns).map(|column| (*column).to_owned()).collect();
        Self { columns, table, key, only: "" }
    }

    fn of_range(&self, Range { from, to }: Range, packed: bool) -> String {
        let Self { columns, table, key, only } = self;
        let (table, columns, key) = (table.quoted(), columns.join(", "), key.column());
        let columns = if packed {
            let (cell, row) = (CELL as char, ROW as char);
            // GROUP_CONCAT would do alone, were it not for MySQL 8 and later, which there join texts of several character sets byte by byte.
            format!("COUNT(*), GROUP_CONCAT(CONCAT(CONCAT_WS('{cell}', {columns}), '{cell}') SEPARATOR '{row}')")
        } else {
            columns
        };
        format!("SELECT {columns} FROM {table} WHERE {key} >= {from} AND {key} < {to} {only}")
    }
}

impl Session<'_> {
    /// Reads a table, handing over the rows of each key together, keys ascending.
    pub(super) async fn scan(
        &mut self,
        scan: &Scan,
        keys: Keys<'_>,
        mut each: impl FnMut(u32, Rows<'_>) + Send,
    ) -> Result<(), ReadError> {
        match keys {
            Keys::All(marks) => {
                let table = marks.begin(scan);
                self.scan_from(scan, 0, |range, page, rows| {
                    table.mark(range, page, rows);
                    rows.groups().for_each(|(key, rows)| each(key, rows));
                })
                .await
            }
            Keys::These(keys) => {
                let Scan { columns, table, key, only } = scan;
                let (columns, table, key) = (columns.join(", "), table.quoted(), key.column());
                for chunk in keys.chunks(PAGE as usize) {
                    let list = chunk.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
                    let rows =
                        self.rows(&format!("SELECT {columns} FROM {table} WHERE {key} IN ({list}) {only}")).await?;
                    let width = scan.columns.len();
                    let page = Page::Plain(rows);
                    Ordered::new(page.cells(width), width).groups().for_each(|(key, rows)| each(key, rows));
                }
                Ok(())
            }
        }
    }

    /// Reads all rows with a key from `begin` on, and hands over each range that has some. There are no gaps between these ranges, so that what
    /// comes into one that was empty is in one of them when they are read once more.
    pub(super) async fn scan_from(
        &mut self,
        scan: &Scan,
        begin: u64,
        mut each: impl FnMut(Range, &Page, &Ordered<'_>) + Send,
    ) -> Result<(), ReadError> {
        let width = scan.columns.len();
        let Some((first, last)) = self.ends(scan).await? else { return Ok(()) };
        if last < begin {
            return Ok(());
        }
        let mut packs = self.joins_numbers_as_text()?;
        let mut span = u64::from(PAGE);
        let first = first.max(begin);
        let mut range = Range { from: first, to: first + span };
        let mut covered = begin;
        let mut page = self.page(scan, range, &mut packs).await?;
        loop {
            let Some(cells) = page.unpacked(width) else {
                if page.is_long() && range.to - range.from > 1 {
                    span = (range.to - range.from).div_ceil(2);
                    range.to = range.from + span;
                    page = self.page(scan, range, &mut packs).await?;
                } else {
                    page = self.page(scan, range, &mut false).await?;
                }
                continue;
            };
            let rows = (cells.len() / width) as u64;
            let Some(wide_enough) = (span * u64::from(PAGE)).checked_div(rows) else {
                // Keys may leave wide gaps.
                let Some(key) = self.key_from(scan, range.to).await? else { return Ok(()) };
                span = u64::from(PAGE);
                range = Range { from: key, to: key + span };
                page = self.page(scan, range, &mut packs).await?;
                continue;
            };
            span = wide_enough.clamp(1, (span * 4).min(WIDEST));
            let whole = Range { from: covered, to: range.to };
            covered = range.to;
            let hand_over = || each(whole, &page, &Ordered::new(cells, width));
            if range.to > last {
                hand_over();
                return Ok(());
            }
            range = Range { from: range.to, to: range.to + span };
            // The statement is on its way before this page is worked on.
            let (coming, ()) = tokio::join!(biased; self.page(scan, range, &mut packs), async { hand_over() });
            page = coming?;
        }
    }

    /// The first and the last key.
    async fn ends(&mut self, scan: &Scan) -> Result<Option<(u64, u64)>, ReadError> {
        let key = scan.key.column();
        let rows = self.rows(&format!("SELECT MIN({key}), MAX({key}) FROM {}", scan.table.quoted())).await?;
        let key = |at: usize| Some(u64::from(values::id(rows.first()?.get(at)?)?));
        Ok(key(0).zip(key(1)))
    }

    /// The first key from `from` on.
    async fn key_from(&mut self, scan: &Scan, from: u64) -> Result<Option<u64>, ReadError> {
        let key = scan.key.column();
        let rows = self.rows(&format!("SELECT MIN({key}) FROM {} WHERE {key} >= {from}", scan.table.quoted())).await?;
        Ok(rows.first().and_then(|row| values::id(row.first()?)).map(u64::from))
    }

    /// The rows of a range; packed until the server cannot.
    pub(super) async fn page(&mut self, scan: &Scan, range: Range, packs: &mut bool) -> Result<Page, ReadError> {
        if *packs {
            match self.rows(&scan.of_range(range, true)).await {
                Ok(mut rows) => {
                    let mut row = rows.pop().unwrap_or_default();
                    let bytes = row.pop().unwrap_or_default();
                    let rows =
                        row.pop().and_then(|count| values::int(&count)).and_then(|count| u64::try_from(count).ok());
                    return Ok(Page::Packed { rows: rows.unwrap_or(0), bytes });
                }
                Err(error) if error.is_of_mixed_collations() => *packs = false,
                Err(error) => return Err(error),
            }
        }
        Ok(Page::Plain(self.rows(&scan.of_range(range, false)).await?))
    }
}
