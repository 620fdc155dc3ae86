//! The shelf: which snapshot is served, and its files.
//!
//! A small file says which files are the snapshot, so that a gateway that starts again serves at once what it had.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwapOption;
use audiospread_protocol::Cursor;
use camino::{Utf8Path, Utf8PathBuf};
use tempfile::NamedTempFile;
use tokio::sync::Notify;

use super::press::{Edition, Made, Pressed};
use super::{Encoding, Snapshot};
use crate::feed::{FeedError, Head, Store};

const MANIFEST: &str = "snapshot.json";

/// Files of replaced snapshots that are kept for those who began to read them: on a slow link with a busy site, a snapshot is replaced
/// more often than it can be fetched without a break.
const BEGUN: usize = 4;

/// Holds the last snapshot.
#[derive(Debug)]
pub(in crate::feed) struct Shelf {
    directory: Utf8PathBuf,
    made: ArcSwapOption<Made>,
    /// What readers have begun, the last begun at the end.
    begun: Mutex<Vec<Begun>>,
    /// Wakes the maker when what was served is no more there.
    emptied: Notify,
}

/// A file that a reader has begun to read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Begun {
    subscribers: bool,
    encoding: Encoding,
    edition: Edition,
}

impl Shelf {
    /// The shelf in `directory`, with the snapshot that was left there if the feed still knows it.
    pub(in crate::feed) async fn open(directory: Utf8PathBuf, store: &Store) -> Result<Self, FeedError> {
        fs::create_dir_all(&directory).map_err(FeedError::file(&directory))?;
        let shelf = Self { directory, made: ArcSwapOption::empty(), begun: Mutex::default(), emptied: Notify::new() };
        shelf.made.store(shelf.left_behind().map(Arc::new));
        shelf.drop_what_is_unknown(store).await?;
        shelf.sweep().map_err(FeedError::file(&shelf.directory))?;
        Ok(shelf)
    }

    pub(super) fn directory(&self) -> &Utf8Path {
        &self.directory
    }

    /// Whether the snapshot is that of this head.
    pub(super) fn is_at(&self, head: &Head) -> bool {
        self.made.load().as_ref().is_some_and(|made| made.whole.cursor == head.cursor(true))
    }

    /// Whether a reader who takes the snapshot can go on from it, as far as this head tells.
    pub(super) fn serves(&self, head: &Head) -> bool {
        self.made.load().as_ref().is_some_and(|made| serves(made, head))
    }

    /// Serves a new snapshot from now on, and removes the files of the one before that nobody began; who reads them goes on reading them.
    pub(super) async fn put(self: &Arc<Self>, made: Made) -> Result<(), FeedError> {
        let here = self.clone();
        let keeping = tokio::task::spawn_blocking(move || {
            write_manifest(&here.directory, &made)?;
            // Served before the others go: who finds those gone looks here again.
            here.made.store(Some(Arc::new(made)));
            here.sweep()
        });
        keeping.await.map_err(|_| FeedError::ShuttingDown)?.map_err(FeedError::file(&self.directory))
    }

    /// The bytes, before compression, of the snapshot that a reader at `version` could take instead of a delta, if there is a newer one.
    pub(in crate::feed) fn plain_size_above(&self, version: u64, head: &Head, subscribers: bool) -> Option<u64> {
        let made = self.made.load();
        let edition = made.as_ref().filter(|made| serves(made, head)).map(|made| edition(made, subscribers))?;
        (edition.cursor.version > version).then_some(edition.plain_size)
    }

    /// Opens the snapshot for a reader.
    pub(in crate::feed) fn snapshot(
        &self,
        head: &Head,
        subscribers: bool,
        encoding: Encoding,
    ) -> Result<Snapshot, FeedError> {
        let made = self.made.load_full().filter(|made| serves(made, head)).ok_or(FeedError::SnapshotPending)?;
        let begun = Begun { subscribers, encoding, edition: edition(&made, subscribers).clone() };
        match self.open_edition(&begun) {
            Ok(snapshot) => {
                self.note(begun);
                Ok(snapshot)
            }
            // Replaced since the line above, or removed by a stranger's hand.
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.missing(&made, head, subscribers, encoding),
            Err(error) => Err(FeedError::file(&self.directory)(error)),
        }
    }

    /// Opens what a reader began, by its entity tag, whether or not there is a newer one; `None` if it is not kept, or no delta leads on.
    pub(in crate::feed) fn begun(
        &self,
        head: &Head,
        subscribers: bool,
        encoding: Encoding,
        etag: &str,
    ) -> Option<Snapshot> {
        let is_it = |begun: &&Begun| {
            (begun.subscribers, begun.encoding) == (subscribers, encoding) && begun.described().1 == etag
        };
        let begun = self.begun.lock().ok()?.iter().rev().find(is_it).cloned()?;
        is_current_enough(&begun.edition.cursor, head).then(|| self.open_edition(&begun).ok()).flatten()
    }

    fn note(&self, begun: Begun) {
        let Ok(mut all) = self.begun.lock() else { return };
        all.retain(|other| *other != begun);
        all.push(begun);
        let surplus = all.len().saturating_sub(BEGUN);
        all.drain(..surplus);
    }

    fn open_edition(&self, begun: &Begun) -> io::Result<Snapshot> {
        let (size, etag) = begun.described();
        Ok(Snapshot {
            file: File::open(self.directory.join(&begun.pressed().name))?,
            etag,
            size,
            plain_size: begun.edition.plain_size,
            version: begun.edition.cursor.version,
            cursor: begun.edition.cursor,
        })
    }

    /// Removes all files of the directory that are neither of the snapshot nor begun.
    fn sweep(&self) -> io::Result<()> {
        let made = self.made.load_full();
        let begun = self.begun.lock().map(|begun| begun.clone()).unwrap_or_default();
        let mut keep: BTreeSet<&str> = made.iter().flat_map(|made| names(made)).map(|(name, _)| name).collect();
        keep.extend(begun.iter().map(|begun| begun.pressed().name.as_str()));
        keep.insert(MANIFEST);
        for entry in self.directory.read_dir_utf8()? {
            let entry = entry?;
            if !keep.contains(entry.file_name()) && entry.file_type()?.is_file() {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// A file of `made` is not there: if a newer snapshot is, that one; else none until one is made.
    fn missing(
        &self,
        made: &Arc<Made>,
        head: &Head,
        subscribers: bool,
        encoding: Encoding,
    ) -> Result<Snapshot, FeedError> {
        let current = self.made.compare_and_swap(made, None);
        if current.as_ref().is_some_and(|current| !Arc::ptr_eq(current, made)) {
            return self.snapshot(head, subscribers, encoding);
        }
        self.emptied.notify_one();
        Err(FeedError::SnapshotPending)
    }

    /// No longer serves a snapshot from which the feed lets nobody go on: of another feed, or of what a restored database has lost.
    pub(super) async fn drop_what_is_unknown(&self, store: &Store) -> Result<(), FeedError> {
        let Some(made) = self.made.load_full() else { return Ok(()) };
        if !(store.knows(&made.whole.cursor, true).await? && store.knows(&made.public.cursor, false).await?) {
            self.made.store(None);
            if let Ok(mut begun) = self.begun.lock() {
                begun.clear();
            }
        }
        Ok(())
    }

    /// Waits until a reader found that files of the snapshot are not there.
    pub(super) async fn emptied(&self) {
        self.emptied.notified().await;
    }

    fn left_behind(&self) -> Option<Made> {
        let manifest = fs::read(self.directory.join(MANIFEST)).ok()?;
        let made: Made = serde_json::from_slice(&manifest).ok()?;
        let whole = names(&made).all(|(name, size)| {
            fs::symlink_metadata(self.directory.join(name)).is_ok_and(|file| file.is_file() && file.len() == size)
        });
        whole.then_some(made)
    }
}

impl Begun {
    /// The file on the disk.
    fn pressed(&self) -> &Pressed {
        if self.encoding == Encoding::Gzip { &self.edition.gzip } else { &self.edition.zstd }
    }

    /// The size of what is sent, and its entity tag.
    fn described(&self) -> (u64, String) {
        let pressed = self.pressed();
        match self.encoding {
            Encoding::Identity => (self.edition.plain_size, format!("\"{}-identity\"", pressed.sha256)),
            Encoding::Zstd | Encoding::Gzip => (pressed.size, format!("\"{}\"", pressed.sha256)),
        }
    }
}

/// The empty snapshot serves only while nothing was ever published: it must not last beside a feed that has something.
fn serves(made: &Made, head: &Head) -> bool {
    is_current_enough(&made.whole.cursor, head)
}

fn is_current_enough(cursor: &Cursor, head: &Head) -> bool {
    let is_outgrown = cursor.version == 0 && head.version > 0;
    cursor.epoch == head.epoch && (head.floor..=head.version).contains(&cursor.version) && !is_outgrown
}

const fn edition(made: &Made, subscribers: bool) -> &Edition {
    if subscribers { &made.whole } else { &made.public }
}

fn names(made: &Made) -> impl Iterator<Item = (&str, u64)> {
    [&made.whole, &made.public]
        .into_iter()
        .flat_map(|edition| [&edition.zstd, &edition.gzip])
        .map(|pressed| (pressed.name.as_str(), pressed.size))
}

fn write_manifest(directory: &Utf8Path, made: &Made) -> io::Result<()> {
    let mut file = NamedTempFile::new_in(directory)?;
    serde_json::to_writer(&mut file, made)?;
    file.flush()?;
    file.as_file().sync_all()?;
    file.persist(directory.join(MANIFEST))?;
    File::open(directory)?.sync_all()
}
