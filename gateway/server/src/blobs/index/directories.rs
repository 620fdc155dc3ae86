//! The directories in which files are known to be: how many, and some of them, so that one that vanished as a whole is noticed.

use camino::{Utf8Path, Utf8PathBuf};

use super::super::record::{Condition, Home};
use super::Index;
use crate::catalogue::site::AudioSource;

impl Index {
    /// The number by which a directory is known; absent if there are too many.
    pub(in crate::blobs) fn directory(&self, path: &Utf8Path) -> Option<u16> {
        let known = self.read().directories.iter().position(|directory| directory.path == path);
        match known {
            Some(number) => u16::try_from(number).ok(),
            None => self.write().directory(path),
        }
    }

    /// The path of a directory.
    pub(in crate::blobs) fn directory_path(&self, number: u16) -> Option<Utf8PathBuf> {
        self.read().directories.get(usize::from(number)).map(|directory| directory.path.clone())
    }

    /// How many files are known to be in a directory.
    pub(in crate::blobs) fn known_in(&self, path: &Utf8Path) -> u64 {
        self.read().directories.iter().find(|directory| directory.path == path).map_or(0, |directory| directory.known)
    }

    /// At most `size` of the files that are known to be in a directory, taken from all over the index.
    pub(in crate::blobs) fn sample(&self, path: &Utf8Path, size: usize) -> Vec<AudioSource> {
        let state = self.read();
        let Some(number) = state.directories.iter().position(|directory| directory.path == path) else {
            return Vec::new();
        };
        let count = state.records.len();
        // A step that shares no divisor with the count meets every record; the golden ratio spreads the first ones.
        let mut step = (count * 618 / 1000).max(1);
        while gcd(step, count) != 1 {
            step += 1;
        }
        let home = Some(Home::Directory(u16::try_from(number).unwrap_or(u16::MAX)));
        let at = (0..count.min(4096)).scan(rand::random_range(0..count.max(1)), |at, _| {
            *at = (*at + step) % count;
            Some(&state.records[*at])
        });
        at.filter(|record| {
            record.wanted && record.entry.home == home && matches!(record.entry.condition, Condition::Ready(_))
        })
        .map(|record| record.source.clone())
        .take(size)
        .collect()
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
