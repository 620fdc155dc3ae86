//! Reading a table: all of it in ranges of keys, or the rows of some keys.
//!
//! A range comes packed, its rows joined into one value by the server: unpacking it costs a fraction of what a row of MySQL's protocol costs,
//! a reading of 100,000 programs has a million rows, and a MyISAM table is unlocked as soon as the server has gone through it. While a range
//! is taken apart the server is busy with the next one.

use super::error::ReadError;
use super::names::Table;
use super::session::{Cells, LONGEST_PAGE, Session};
use super::values;

/// About so many rows are asked for, and at most so many keys named, by one statement, so that no table is locked for longer than their
/// reading takes.
const PAGE: u32 = 5_000;
/// No range is wider than this, however few rows the one before it had.
const WIDEST: u64 = 1 << 20;
/// What stands after each cell of a row, and between rows: the control characters for just that. Where a text has one after all, or the
/// server cut the end off, the numbers of rows and cells do not add up, and the range is read in smaller ones, at last unpacked.
const CELL: u8 = 0x1f;
const ROW: u8 = 0x1e;

/// Columns of a table, read by a key that has an index.
pub(super) struct Scan {
    /// The columns, or expressions on them; the key is the first. Those that may be `NULL` are made empty then.
    pub(super) columns: Vec<String>,
    /// The table.
    pub(super) table: Table,
    /// The column of the key.
    pub(super) key: &'static str,
    /// What else must hold, `AND` in front; or nothing.
    pub(super) only: &'static str,
}

/// Which rows of a table are read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Keys<'a> {
    /// All, in ranges of ascending keys.
    All,
    /// Those with one of these keys.
    These(&'a [u32]),
}

/// The rows of one key.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    cells: &'a [&'a [u8]],
    width: usize,
}

impl<'a> Rows<'a> {
    /// Each row's cells.
    pub(super) fn iter(self) -> std::slice::ChunksExact<'a, &'a [u8]> {
        self.cells.chunks_exact(self.width)
    }
}

/// What a range of keys holds.
struct Range {
    from: u64,
    to: u64,
}

/// The rows of a range, as the database sent them.
enum Page {
    Packed { rows: u64, bytes: Vec<u8> },
    Plain(Vec<Cells>),
}

/// Columns that may hold `NULL`, as [`Scan::columns`] wants them.
pub(super) fn or_empty(column: &str) -> String {
    format!("IFNULL({column}, '')")
}

impl Scan {
    /// A scan of these columns, of which the first is the key.
    pub(super) fn new(table: Table, key: &'static str, columns: &[&str]) -> Self {
        Self { columns: columns.iter().map(|column| (*column).to_owned()).collect(), table, key, only: "" }
    }

    fn of_range(&self, packed: bool) -> String {
        let Self { columns, table, key, only } = self;
        let table = table.quoted();
        if packed {
            let cell = format!(", '{}'", CELL as char);
            let (columns, row) = (columns.join(&format!("{cell}, ")) + &cell, ROW as char);
            // GROUP_CONCAT would do alone, were it not for MySQL 8 and later, which there join texts of several character sets byte by byte.
            format!(
                "SELECT COUNT(*), GROUP_CONCAT(CONCAT({columns}) SEPARATOR '{row}')
                 FROM {table} WHERE {key} >= ? AND {key} < ? {only}"
            )
        } else {
            format!("SELECT {} FROM {table} WHERE {key} >= ? AND {key} < ? {only}", columns.join(", "))
        }
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
            Keys::All => self.scan_all(scan, &mut each).await,
            Keys::These(keys) => {
                let Scan { columns, table, key, only } = scan;
                let (columns, table) = (columns.join(", "), table.quoted());
                for chunk in keys.chunks(PAGE as usize) {
                    let list = chunk.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
                    let rows =
                        self.rows(&format!("SELECT {columns} FROM {table} WHERE {key} IN ({list}) {only}")).await?;
                    hand_over(Page::Plain(rows).cells(scan.columns.len()), scan.columns.len(), &mut each);
                }
                Ok(())
            }
        }
    }

    async fn scan_all(&mut self, scan: &Scan, each: &mut (impl FnMut(u32, Rows<'_>) + Send)) -> Result<(), ReadError> {
        let width = scan.columns.len();
        let Some((first, last)) = self.ends(scan).await? else { return Ok(()) };
        let mut packs = self.joins_numbers_as_text()?;
        let mut span = u64::from(PAGE);
        let mut range = Range { from: first, to: first + span };
        let mut page = self.page(scan, &range, &mut packs).await?;
        loop {
            let Some(cells) = page.unpacked(width) else {
                if page.is_long() && range.to - range.from > 1 {
                    span = (range.to - range.from).div_ceil(2);
                    range.to = range.from + span;
                    page = self.page(scan, &range, &mut packs).await?;
                } else {
                    page = self.page(scan, &range, &mut false).await?;
                }
                continue;
            };
            let rows = (cells.len() / width) as u64;
            let mut next = Range { from: range.to, to: 0 };
            if let Some(wide_enough) = (span * u64::from(PAGE)).checked_div(rows) {
                span = wide_enough.clamp(1, (span * 4).min(WIDEST));
            } else {
                // Keys may leave wide gaps.
                match self.key_from(scan, range.to).await? {
                    Some(key) => next.from = key,
                    None => return Ok(()),
                }
                span = u64::from(PAGE);
            }
            next.to = next.from + span;
            if next.from > last {
                hand_over(cells, width, each);
                return Ok(());
            }
            // The statement is on its way before this page is worked on.
            let (coming, ()) =
                tokio::join!(biased; self.page(scan, &next, &mut packs), async { hand_over(cells, width, each) });
            page = coming?;
            range = next;
        }
    }

    /// The first and the last key.
    async fn ends(&mut self, scan: &Scan) -> Result<Option<(u64, u64)>, ReadError> {
        let rows = self.rows(&format!("SELECT MIN({0}), MAX({0}) FROM {1}", scan.key, scan.table.quoted())).await?;
        let key = |at: usize| Some(u64::from(values::id(rows.first()?.get(at)?)?));
        Ok(key(0).zip(key(1)))
    }

    /// The first key from `from` on.
    async fn key_from(&mut self, scan: &Scan, from: u64) -> Result<Option<u64>, ReadError> {
        let statement = format!("SELECT MIN({0}) FROM {1} WHERE {0} >= ?", scan.key, scan.table.quoted());
        let rows = self.rows_with(statement, (from,)).await?;
        Ok(rows.first().and_then(|row| values::id(row.first()?)).map(u64::from))
    }

    /// The rows of a range; packed until the server cannot.
    async fn page(&mut self, scan: &Scan, range: &Range, packs: &mut bool) -> Result<Page, ReadError> {
        if *packs {
            match self.rows_with(scan.of_range(true), (range.from, range.to)).await {
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
        Ok(Page::Plain(self.rows_with(scan.of_range(false), (range.from, range.to)).await?))
    }
}

impl Page {
    /// Whether the server may have cut it off.
    fn is_long(&self) -> bool {
        matches!(self, Self::Packed { bytes, .. } if bytes.len() >= LONGEST_PAGE / 2)
    }

    /// The cells of all rows, one row after the other; nothing if it was packed so that it cannot be unpacked.
    fn unpacked(&self, width: usize) -> Option<Vec<&[u8]>> {
        let Self::Packed { rows, bytes } = self else { return Some(self.cells(width)) };
        let mut cells = Vec::with_capacity(usize::try_from(*rows).ok()?.checked_mul(width)?);
        if *rows > 0 {
            for row in bytes.split(|byte| *byte == ROW) {
                let before = cells.len();
                let (&CELL, row) = row.split_last()? else { return None };
                cells.extend(row.split(|byte| *byte == CELL));
                if cells.len() - before != width {
                    return None;
                }
            }
        }
        ((cells.len() / width) as u64 == *rows).then_some(cells)
    }

    /// The cells of all plain rows.
    fn cells(&self, width: usize) -> Vec<&[u8]> {
        match self {
            Self::Plain(rows) => rows.iter().filter(|row| row.len() == width).flatten().map(Vec::as_slice).collect(),
            Self::Packed { .. } => Vec::new(),
        }
    }
}

/// Hands over the rows of each key together, keys ascending.
fn hand_over(mut cells: Vec<&[u8]>, width: usize, each: &mut impl FnMut(u32, Rows<'_>)) {
    // A row whose key is none belongs to nothing, like one with the key 0.
    let mut keys: Vec<u32> = cells.chunks_exact(width).map(|row| values::id(row[0]).unwrap_or(0)).collect();
    if !keys.is_sorted() {
        let mut rows: Vec<(u32, &[&[u8]])> = keys.iter().copied().zip(cells.chunks_exact(width)).collect();
        rows.sort_by_key(|(key, _)| *key);
        keys = rows.iter().map(|(key, _)| *key).collect();
        cells = rows.iter().flat_map(|(_, row)| row.iter().copied()).collect();
    }
    let mut at = 0;
    for group in keys.chunk_by(|one, other| one == other) {
        let end = at + group.len() * width;
        each(group[0], Rows { cells: &cells[at..end], width });
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(rows: u64, text: &str) -> Page {
        Page::Packed { rows, bytes: text.replace('|', "\u{1f}").replace(';', "\u{1e}").into_bytes() }
    }

    fn handed_over(page: &Page) -> Vec<(u32, Vec<Vec<u8>>)> {
        let mut groups = Vec::new();
        hand_over(page.unpacked(2).unwrap(), 2, &mut |key, rows: Rows<'_>| {
            groups.push((key, rows.iter().map(|row| row[1].to_vec()).collect()));
        });
        groups
    }

    #[test]
    fn rows_of_a_key_are_handed_over_together_and_keys_ascend() {
        let expected = vec![(2, vec![b"c".to_vec()]), (7, vec![b"a".to_vec(), b"".to_vec()])];
        assert_eq!(handed_over(&packed(3, "7|a|;2|c|;7||")), expected);
        assert_eq!(handed_over(&packed(3, "2|c|;7|a|;7||")), expected);
        assert_eq!(handed_over(&packed(0, "")), []);
    }

    #[test]
    fn a_page_that_does_not_add_up_is_not_unpacked() {
        assert!(packed(2, "1|a|;2||").unpacked(2).is_some());
        assert!(packed(3, "1|a|;2|b|").unpacked(2).is_none(), "a row was left out");
        for cut in ["1|a|;2|b", "1|a|;2|", "1|a|;2", "1|a|;", "1|a|"] {
            assert!(packed(2, cut).unpacked(2).is_none(), "{cut}");
        }
        assert!(packed(2, "1|a|;2|b|c|").unpacked(2).is_none(), "a text with the character after cells");
        assert!(packed(2, "1|a|;2|b;c|").unpacked(2).is_none(), "a text with the character between rows");
    }
}
