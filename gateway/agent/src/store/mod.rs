//! The audio store: files named by their SHA-256, that stay when what named them goes.
//!
//! A file that has its name is whole and was verified: it got it by a rename, after its bytes were checked and on the disk.

mod packs;
mod phone;

use std::fs::{self, File};
use std::io::{self, Read};
use std::time::SystemTime;

use audiospread_protocol::{AudioRef, Sha256Digest};
use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest, Sha256};

pub(crate) use self::packs::{Memory as PackMemory, Packs, Remembered};
pub(crate) use self::phone::{adopt_at, format_of};
use crate::shared::{DataDir, SharedError};

/// The audio store of a data directory.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    directory: DataDir,
}

/// A file of the store.
#[derive(Clone, Debug)]
pub(crate) struct StoredFile {
    pub(crate) path: Utf8PathBuf,
    /// The digest that its name says.
    pub(crate) sha256: Sha256Digest,
    pub(crate) size: u64,
    pub(crate) modified: SystemTime,
}

/// The bytes of a file: how many, and their digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bytes {
    pub(crate) count: u64,
    pub(crate) sha256: Sha256Digest,
}

impl Bytes {
    /// Reads a file.
    pub(crate) fn of(path: &Utf8Path) -> Result<Self, SharedError> {
        let count = fs::metadata(path).map_err(|source| SharedError::at(path, source))?.len();
        Ok(Self { count, sha256: hash_file(path)? })
    }
}

/// Why a file cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system says no.
    #[error(transparent)]
    Shared(#[from] SharedError),
    /// The bytes are not those that the name says.
    #[error("the bytes have the SHA-256 {found}, not {expected}")]
    WrongBytes {
        /// What they should have.
        expected: Sha256Digest,
        /// What they have.
        found: Sha256Digest,
    },
}

/// A sound's place below `audio/` or `phone/`, without extension, as Asterisk wants it.
pub(crate) fn stem(sha256: Sha256Digest) -> String {
    let hex = sha256.to_hex();
    format!("{}/{}/{hex}", &hex[..2], &hex[2..4])
}

/// The extension of a media type; of a fixed table, since the type comes from outside.
fn extension(mime: &str) -> &'static str {
    match mime {
        "audio/mpeg" | "audio/mp3" => "mp3",
        "audio/wav" | "audio/x-wav" | "audio/vnd.wave" => "wav",
        "audio/ogg" | "application/ogg" => "ogg",
        "audio/flac" => "flac",
        _ => "audio",
    }
}

impl Store {
    /// The store of a data directory; its directories are made where they are absent.
    pub(crate) fn prepare(directory: &DataDir) -> Result<Self, SharedError> {
        let store = Self::existing(directory);
        for directory in [store.audio_dir(), store.phone_dir()] {
            DataDir::create_read_only_directory(&directory)?;
        }
        DataDir::create_read_only_directory(&store.incoming_dir())?;
        Ok(store)
    }

    /// The store as it is.
    pub(crate) fn existing(directory: &DataDir) -> Self {
        Self { directory: directory.clone() }
    }

    pub(crate) fn audio_dir(&self) -> Utf8PathBuf {
        self.directory.path().join("audio")
    }

    /// Where downloads are until they are whole; on the same file system, so that a rename suffices.
    pub(crate) fn incoming_dir(&self) -> Utf8PathBuf {
        self.directory.path().join("incoming")
    }

    /// Removes what a former pull left that nobody goes on with: all but downloads and the notes of them, and the hook's call files, which are another process's.
    /// For those who have the lock.
    pub(crate) fn clear_unfinished(&self) -> Result<(), SharedError> {
        for path in entries(&self.incoming_dir())? {
            if !matches!(path.extension(), Some("part" | "note" | "call")) {
                fs::remove_file(&path).map_err(|source| SharedError::at(&path, source))?;
            }
        }
        Ok(())
    }

    /// Removes what is left of downloads, when nothing is missing any more.
    pub(crate) fn clear_incoming(&self) -> Result<(), SharedError> {
        for path in entries(&self.incoming_dir())? {
            fs::remove_file(&path).map_err(|source| SharedError::at(&path, source))?;
        }
        Ok(())
    }

    pub(crate) fn path(&self, audio: &AudioRef) -> Utf8PathBuf {
        self.audio_dir().join(format!("{}.{}", stem(audio.sha256), extension(&audio.mime)))
    }

    /// Whether a sound is there, whole.
    pub(crate) fn has(&self, audio: &AudioRef) -> bool {
        fs::metadata(self.path(audio)).is_ok_and(|metadata| metadata.len() == audio.size)
    }

    /// Takes a file over as a sound, if its bytes are right: checked, on the disk, renamed, and the name on the disk. The file is gone from
    /// `from` afterwards, also if its bytes are wrong.
    pub(crate) fn adopt(&self, from: &Utf8Path, audio: &AudioRef) -> Result<(), StoreError> {
        let at = |source| SharedError::at(from, source);
        let found = hash_file(from)?;
        if found != audio.sha256 {
            fs::remove_file(from).map_err(at)?;
            return Err(StoreError::WrongBytes { expected: audio.sha256, found });
        }
        File::open(from).and_then(|file| file.sync_all()).map_err(at)?;
        Ok(adopt_at(from, &self.path(audio), 2)?)
    }

    /// Calls `each` with every file that has a name of the store's.
    pub(crate) fn each_file(&self, each: &mut dyn FnMut(StoredFile)) -> Result<(), SharedError> {
        Self::each_below(&self.audio_dir(), each)
    }

    fn each_below(directory: &Utf8Path, each: &mut dyn FnMut(StoredFile)) -> Result<(), SharedError> {
        for first in entries(directory)? {
            for second in entries(&first)? {
                for path in entries(&second)? {
                    let metadata = match fs::metadata(&path) {
                        Ok(metadata) => metadata,
                        Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                        Err(error) => return Err(SharedError::at(&path, error)),
                    };
                    let Some(sha256) = path.file_stem().and_then(|stem| stem.parse().ok()) else { continue };
                    let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                    each(StoredFile { path, sha256, size: metadata.len(), modified });
                }
            }
        }
        Ok(())
    }
}

/// The SHA-256 of a file's bytes, as they are on the disk.
pub(crate) fn hash_file(path: &Utf8Path) -> Result<Sha256Digest, SharedError> {
    let at = |source| SharedError::at(path, source);
    let mut file = File::open(path).map_err(at)?;
    let (mut hasher, mut piece) = (Sha256::new(), vec![0; 64 << 10]);
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(Sha256Digest(hasher.finalize().into())),
            Ok(length) => hasher.update(&piece[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(at(error)),
        }
    }
}

/// What is in a directory; nothing, if it is not there or no directory.
pub(crate) fn entries(directory: &Utf8Path) -> Result<Vec<Utf8PathBuf>, SharedError> {
    let at = |source| SharedError::at(directory, source);
    let reader = match directory.read_dir_utf8() {
        Ok(reader) => reader,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(at(error)),
    };
    let mut paths = Vec::new();
    for entry in reader {
        match entry {
            Ok(entry) => paths.push(entry.into_path()),
            // A name that is no UTF-8 is none of ours.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {}
            Err(error) => return Err(at(error)),
        }
    }
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let outer = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(outer.path().join("data")).unwrap();
        let store = Store::prepare(&DataDir::prepare(&path, None).unwrap()).unwrap();
        (outer, store)
    }

    fn audio(bytes: &[u8]) -> AudioRef {
        AudioRef {
            sha256: Sha256Digest::of(bytes),
            size: bytes.len() as u64,
            mime: "audio/mpeg".into(),
            duration_ms: 1,
            phone: None,
        }
    }

    #[test]
    fn right_bytes_get_their_name_and_wrong_bytes_are_gone() {
        let (_outer, store) = store();
        let (right, part) = (audio(b"right"), store.incoming_dir().join("x.part"));
        fs::write(&part, b"wrong").unwrap();
        assert!(matches!(store.adopt(&part, &right), Err(StoreError::WrongBytes { .. })));
        assert!(!part.exists() && !store.has(&right));
        fs::write(&part, b"right").unwrap();
        store.adopt(&part, &right).unwrap();
        assert!(!part.exists() && store.has(&right));
        assert!(store.path(&right).ends_with(format!("{}.mp3", stem(right.sha256))));
        let mut files = Vec::new();
        store.each_file(&mut |file| files.push(file)).unwrap();
        assert_eq!((files.len(), files[0].sha256, files[0].size), (1, right.sha256, 5));
    }

    #[test]
    fn only_downloads_and_what_another_process_writes_outlive_the_pull_that_began_them() {
        let (_outer, store) = store();
        let names = [
            "a.part",
            "feed.part",
            "feed.part.note",
            "b.1.wav",
            "b.1.gsm",
            "b.1.gsm.wav",
            "c.copy",
            "pack.name",
            "sms.call",
        ];
        for name in names {
            fs::write(store.incoming_dir().join(name), b"x").unwrap();
        }
        store.clear_unfinished().unwrap();
        let left = entries(&store.incoming_dir()).unwrap();
        let left: Vec<&str> = left.iter().filter_map(|path| path.file_name()).collect();
        assert_eq!(left, ["a.part", "feed.part", "feed.part.note", "sms.call"]);
    }

    #[test]
    fn a_media_type_from_outside_cannot_choose_a_path() {
        let mut sound = audio(b"x");
        sound.mime = "audio/../../etc/passwd".into();
        let (_outer, store) = store();
        assert_eq!(store.path(&sound).extension(), Some("audio"));
    }
}
