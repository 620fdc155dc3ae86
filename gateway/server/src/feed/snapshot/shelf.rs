//! The shelf: which snapshot is served, and its files.
//!
//! A small file says which files are the snapshot, so that a gateway that starts again serves at once what it had.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use camino::{Utf8Path, Utf8PathBuf};
use tempfile::NamedTempFile;
use tokio::sync::Notify;

use super::press::{Edition, Made};
use super::{Encoding, Snapshot};
use crate::feed::{FeedError, Head, Store};

const MANIFEST: &str = "snapshot.json";

/// Holds the last snapshot.
#[derive(Debug)]
pub(in crate::feed) struct Shelf {
    directory: Utf8PathBuf,
    made: ArcSwapOption<Made>,
    /// Wakes the maker when what was served is no more there.
    emptied: Notify,
}

impl Shelf {
    /// The shelf in `directory`, with the snapshot that was left there if the feed still knows it.
    pub(in crate::feed) async fn open(directory: Utf8PathBuf, store: &Store) -> Result<Self, FeedError> {
        fs::create_dir_all(&directory).map_err(FeedError::file(&directory))?;
        let shelf = Self { directory, made: ArcSwapOption::empty(), emptied: Notify::new() };
        shelf.made.store(shelf.left_behind().map(Arc::new));
        shelf.drop_what_is_unknown(store).await?;
        sweep(&shelf.directory, shelf.made.load().as_deref()).map_err(FeedError::file(&shelf.directory))?;
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

    /// Serves a new snapshot from now on, and removes the files of the one before; who reads them goes on reading them.
    pub(super) async fn put(self: &Arc<Self>, made: Made) -> Result<(), FeedError> {
        let here = self.clone();
        let keeping = tokio::task::spawn_blocking(move || {
            write_manifest(&here.directory, &made)?;
            let made = Arc::new(made);
            // Served before the others go: who finds those gone looks here again.
            here.made.store(Some(made.clone()));
            sweep(&here.directory, Some(&made))
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
        let edition = edition(&made, subscribers);
        let pressed = if encoding == Encoding::Gzip { &edition.gzip } else { &edition.zstd };
        let path = self.directory.join(&pressed.name);
        let file = match File::open(&path) {
            Ok(file) => file,
            // Replaced since the line above, or removed by a stranger's hand.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return self.missing(&made, head, subscribers, encoding);
            }
            Err(error) => return Err(FeedError::file(path)(error)),
        };
        let (suffix, size) =
            if encoding == Encoding::Identity { ("-identity", edition.plain_size) } else { ("", pressed.size) };
        Ok(Snapshot {
            file,
            etag: format!("\"{}{suffix}\"", pressed.sha256),
            size,
            plain_size: edition.plain_size,
            version: edition.cursor.version,
            cursor: edition.cursor,
        })
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

/// The empty snapshot serves only while nothing was ever published: it must not last beside a feed that has something.
fn serves(made: &Made, head: &Head) -> bool {
    let cursor = &made.whole.cursor;
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

/// Removes all files of the directory that are not of this snapshot.
fn sweep(directory: &Utf8Path, made: Option<&Made>) -> io::Result<()> {
    let mut keep: BTreeSet<&str> = made.into_iter().flat_map(names).map(|(name, _)| name).collect();
    keep.insert(MANIFEST);
    for entry in directory.read_dir_utf8()? {
        let entry = entry?;
        if !keep.contains(entry.file_name()) && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
