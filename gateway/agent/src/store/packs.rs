//! The language packs installed on this host: their sounds need not travel.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use audiospread_protocol::{AudioRef, Sha256Digest};
use camino::{Utf8Path, Utf8PathBuf};

use super::{Store, StoreError, entries, hash_file};
use crate::shared::SharedError;

/// The sounds of the packs, by digest.
#[derive(Debug, Default)]
pub(crate) struct Packs {
    files: HashMap<Sha256Digest, Utf8PathBuf>,
    /// All files, also those that sound the same.
    names: Vec<(Utf8PathBuf, Sha256Digest)>,
}

/// What is remembered of a file, so that it is read once and not at each pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Remembered {
    pub(crate) size: i64,
    pub(crate) modified_ns: i64,
    pub(crate) sha256: Sha256Digest,
}

/// What is remembered of all files, by path.
pub(crate) type Memory = HashMap<String, Remembered>;

impl Packs {
    /// Looks at the packs below a directory (`LANGUAGE/CONTEXT/KEY.EXT`); only files that are not as remembered are read. The second value is
    /// what to remember now.
    pub(crate) fn look(directory: &Utf8Path, memory: &Memory) -> Result<(Self, Memory), SharedError> {
        let (mut packs, mut now) = (Self::default(), Memory::new());
        for language in entries(directory)? {
            for context in entries(&language)? {
                for path in entries(&context)? {
                    let Ok(metadata) = fs::metadata(&path) else { continue };
                    if !metadata.is_file() {
                        continue;
                    }
                    let modified_ns = nanoseconds(metadata.modified().unwrap_or(UNIX_EPOCH));
                    let size = i64::try_from(metadata.len()).unwrap_or(i64::MAX);
                    let known = memory
                        .get(path.as_str())
                        .filter(|known| (known.size, known.modified_ns) == (size, modified_ns));
                    let sha256 = match known {
                        Some(known) => known.sha256,
                        None => hash_file(&path)?,
                    };
                    now.insert(path.as_str().to_owned(), Remembered { size, modified_ns, sha256 });
                    packs.names.push((path.clone(), sha256));
                    packs.files.insert(sha256, path);
                }
            }
        }
        Ok((packs, now))
    }

    /// Each sound of the packs: its digest, its file, and its name there (`LANGUAGE/CONTEXT/KEY`).
    pub(crate) fn names(&self) -> impl Iterator<Item = (Sha256Digest, &Utf8Path, String)> {
        self.names.iter().filter_map(|(path, sha256)| {
            let mut parts = path.iter().rev().skip(1);
            let (context, language) = (parts.next()?, parts.next()?);
            Some((*sha256, path.as_path(), format!("{language}/{context}/{}", path.file_stem()?)))
        })
    }

    /// The digests of all sounds of the packs.
    pub(crate) fn digests(&self) -> impl Iterator<Item = Sha256Digest> + '_ {
        self.files.keys().copied()
    }

    /// Whether a pack has the sound.
    pub(crate) fn have(&self, audio: &AudioRef) -> bool {
        self.files.contains_key(&audio.sha256)
    }

    /// Copies a sound of a pack into the store, if it is what it was. A copy, since a pack's file may be written over in place.
    pub(crate) fn copy(&self, audio: &AudioRef, store: &Store, to: &Utf8Path) -> Result<bool, StoreError> {
        let Some(path) = self.files.get(&audio.sha256) else { return Ok(false) };
        match fs::copy(path, to) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(SharedError::at(to, error).into()),
        }
        match store.adopt(to, audio) {
            Ok(()) => Ok(true),
            Err(StoreError::WrongBytes { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn nanoseconds(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
