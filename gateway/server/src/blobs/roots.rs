//! Whether the directories with Drupal's files are there at all: an unmounted disk is no reason to take everything off the phones.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use super::index::Index;
use crate::beneath::{Found, Root};
use crate::catalogue::site::AudioSource;
use crate::drupal::{Adapter, FilePath, Storage};

/// Why nothing can be said about Drupal's files at the moment.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The directory cannot be opened or read.
    #[error(
        "the directory {directory} cannot be read ({source}): mount it, or correct drupal.root and drupal.files_directory"
    )]
    Unreachable {
        /// The directory.
        directory: Utf8PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Files are known in the directory, and there is none.
    #[error("the directory {directory} is empty, and {known} audio files were in it: is its disk mounted?")]
    Emptied {
        /// The directory.
        directory: Utf8PathBuf,
        /// How many files the site still names there.
        known: u64,
    },
    /// All files that were looked for are away.
    #[error(
        "the directory {directory} holds none of the {known} audio files that were in it: is the right disk mounted?"
    )]
    Vanished {
        /// The directory.
        directory: Utf8PathBuf,
        /// How many files the site still names there.
        known: u64,
    },
    /// The file system does not answer.
    #[error("the directories with Drupal's files do not answer: is a network disk away?")]
    Silent,
}

/// How many known files are looked for when a directory is doubted.
const SAMPLE: usize = 16;
/// A site may lose fewer files than this at once without its disk being away.
const FEW: usize = 3;

/// Where the bytes of a source may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a file.
    File(FilePath),
    /// In a table of Drupal's database, by the SHA-1 of the bytes.
    Table(String),
}

/// Where the bytes of a source may be, in the order in which Drupal looks.
pub(super) fn places(storage: &Storage, source: &AudioSource) -> Vec<Place> {
    match source {
        AudioSource::Path(path) => storage.file_of(path).map(Place::File).into_iter().collect(),
        AudioSource::Bitcache(sha1) => {
            let place = |adapter: &Adapter| match adapter {
                Adapter::File { directory } => {
                    Place::File(FilePath { directory: directory.clone(), path: storage.path_of(sha1) })
                }
                Adapter::Sql { table } => Place::Table(table.clone()),
            };
            storage.repositories.iter().map(|repository| place(&repository.adapter)).collect()
        }
    }
}

/// The path of a source's file below `directory`, if that is one of its places.
pub(super) fn path_below(storage: &Storage, source: &AudioSource, directory: &Utf8Path) -> Option<Utf8PathBuf> {
    places(storage, source).into_iter().find_map(|place| match place {
        Place::File(file) if file.directory == directory => Some(file.path),
        _ => None,
    })
}

/// Whether all directories are there with what is known to be in them; a few looks however large the site is. Blocks.
pub(super) fn check(storage: &Storage, index: &Index) -> Result<(), StorageError> {
    let files = storage.files();
    let repositories = storage.repositories.iter().filter_map(|repository| match &repository.adapter {
        Adapter::File { directory } => Some(directory),
        Adapter::Sql { .. } => None,
    });
    // Drupal makes the files directory when it is installed, a repository's with the first blob.
    check_directory(&files, true, storage, index)?;
    for directory in repositories.chain([&storage.root]).filter(|directory| **directory != files) {
        check_directory(directory, false, storage, index)?;
    }
    Ok(())
}

/// Whether `directory` is there with what is known to be in it. Blocks.
pub(super) fn check_directory(
    directory: &Utf8Path,
    must_exist: bool,
    storage: &Storage,
    index: &Index,
) -> Result<(), StorageError> {
    let unreachable = |source| StorageError::Unreachable { directory: directory.to_owned(), source };
    let known = index.known_in(directory);
    let root = match Root::open(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && known == 0 && !must_exist => return Ok(()),
        opened => opened.map_err(unreachable)?,
    };
    let empty = root.is_empty().map_err(unreachable)?;
    if known == 0 {
        return Ok(());
    }
    if empty {
        return Err(StorageError::Emptied { directory: directory.to_owned(), known });
    }
    let mut missed = 0;
    for source in index.sample(directory, SAMPLE) {
        let Some(path) = path_below(storage, &source, directory) else { continue };
        match root.look(path.as_str()).map_err(unreachable)? {
            Found::File(_) => return Ok(()),
            Found::Other | Found::Nothing => missed += 1,
        }
    }
    if missed < FEW { Ok(()) } else { Err(StorageError::Vanished { directory: directory.to_owned(), known }) }
}
