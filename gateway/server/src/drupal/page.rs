//! The rows of a range of keys as the database sent them, and taking them apart.
//!
//! Pure. A packed page is one value, in which the server joined all rows.

use super::session::{Cells, LONGEST_PAGE};
use super::values;

/// What stands after each cell of a packed row, and between rows: the control characters for just that. Where a text has one after all, or
/// the server cut the end off, the numbers of rows and cells do not add up, and the range is read in smaller ones, at last unpacked.
pub(super) const CELL: u8 = 0x1f;
pub(super) const ROW: u8 = 0x1e;

/// The rows of a range, as the database sent them.
#[derive(Debug, Hash)]
pub(super) enum Page {
    Packed { rows: u64, bytes: Vec<u8> },
    Plain(Vec<Cells>),
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

    /// All cells, one row after the other.
    pub(super) const fn cells(self) -> &'a [&'a [u8]] {
        self.cells
    }
}

impl Page {
    pub(super) const fn is_packed(&self) -> bool {
        matches!(self, Self::Packed { .. })
    }

    /// Whether the server may have cut it off.
    pub(super) fn is_long(&self) -> bool {
        matches!(self, Self::Packed { bytes, .. } if bytes.len() >= LONGEST_PAGE / 2)
    }

    /// The cells of all rows, one row after the other; nothing if it was packed so that it cannot be unpacked.
    pub(super) fn unpacked(&self, width: usize) -> Option<Vec<&[u8]>> {
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
    pub(super) fn cells(&self, width: usize) -> Vec<&[u8]> {
        match self {
            Self::Plain(rows) => rows.iter().filter(|row| row.len() == width).flatten().map(Vec::as_slice).collect(),
            Self::Packed { .. } => Vec::new(),
        }
    }
}

/// The rows of a page by their keys, which are their first cells.
pub(super) struct Ordered<'a> {
    keys: Vec<u32>,
    cells: Vec<&'a [u8]>,
    width: usize,
}

impl<'a> Ordered<'a> {
    /// Puts rows of `width` cells in order.
    pub(super) fn new(cells: Vec<&'a [u8]>, width: usize) -> Self {
        // A row whose key is none belongs to nothing, like one with the key 0.
        let keys: Vec<u32> = cells.chunks_exact(width).map(|row| values::id(row[0]).unwrap_or(0)).collect();
        if keys.is_sorted() {
            return Self { keys, cells, width };
        }
        let mut rows: Vec<(u32, &[&[u8]])> = keys.iter().copied().zip(cells.chunks_exact(width)).collect();
        rows.sort_by_key(|(key, _)| *key);
        Self {
            keys: rows.iter().map(|(key, _)| *key).collect(),
            cells: rows.iter().flat_map(|(_, row)| row.iter().copied()).collect(),
            width,
        }
    }

    /// The rows of each key together, keys ascending.
    pub(super) fn groups(&self) -> impl Iterator<Item = (u32, Rows<'_>)> {
        let mut at = 0;
        self.keys.chunk_by(|one, other| one == other).map(move |group| {
            let end = at + group.len() * self.width;
            let cells = &self.cells[at..end];
            at = end;
            (group[0], Rows { cells, width: self.width })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(rows: u64, text: &str) -> Page {
        Page::Packed { rows, bytes: text.replace('|', "\u{1f}").replace(';', "\u{1e}").into_bytes() }
    }

    fn in_order(page: &Page) -> Vec<(u32, Vec<Vec<u8>>)> {
        let rows = Ordered::new(page.unpacked(2).unwrap(), 2);
        rows.groups().map(|(key, rows)| (key, rows.iter().map(|row| row[1].to_vec()).collect())).collect()
    }

    #[test]
    fn rows_of_a_key_are_handed_over_together_and_keys_ascend() {
        let expected = vec![(2, vec![b"c".to_vec()]), (7, vec![b"a".to_vec(), b"".to_vec()])];
        assert_eq!(in_order(&packed(3, "7|a|;2|c|;7||")), expected);
        assert_eq!(in_order(&packed(3, "2|c|;7|a|;7||")), expected);
        assert_eq!(in_order(&packed(0, "")), []);
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
