//! The files of recordings: mp3s that are to be sent, and where waves go when they are settled.

use std::fs::{self, File};
use std::io::{self, Read};

use audiospread_protocol::Sha256Digest;
use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest, Sha256};

use crate::calls::{Part, is_uuid};
use crate::shared::{DataDir, SharedError, set_mode, sync_directory};
use crate::store::entries;

/// What ends the names of files that are not whole.
const UNFINISHED: &str = "new";

/// The directories.
#[derive(Debug)]
pub(super) struct Outgoing {
    directory: DataDir,
    /// mp3s, `UUID-body.mp3`; one of this name is whole.
    mp3s: Utf8PathBuf,
    pub(super) archive: Utf8PathBuf,
    pub(super) quarantine: Utf8PathBuf,
}

impl Outgoing {
    /// Makes the directories, and removes what a push that was killed did not finish. Only for who holds the lock.
    pub(super) fn prepare(directory: &DataDir, recordings: &Utf8Path) -> Result<Self, SharedError> {
        let mp3s = directory.path().join("outgoing");
        let (archive, quarantine) = (recordings.join("archive"), recordings.join("quarantine"));
        for made in [&mp3s, &archive, &quarantine] {
            DataDir::create_read_only_directory(made)?;
        }
        for path in entries(&mp3s)?.into_iter().filter(|path| path.extension() == Some(UNFINISHED)) {
            remove(&path)?;
        }
        Ok(Self { directory: directory.clone(), mp3s, archive, quarantine })
    }

    /// Bytes that are free on the disk.
    pub(super) fn free(&self) -> Result<u64, SharedError> {
        self.directory.free()
    }

    /// The mp3 of a part; once a file has this name it is whole.
    pub(super) fn mp3(&self, uuid: &str, part: Part) -> Utf8PathBuf {
        self.mp3s.join(format!("{uuid}-{}.mp3", part.as_str()))
    }

    /// The name of one that is being made.
    pub(super) fn unfinished(&self, uuid: &str, part: Part) -> Utf8PathBuf {
        let name = format!("{uuid}-{}.{}.{UNFINISHED}", part.as_str(), std::process::id());
        self.mp3s.join(name)
    }

    /// Gives a whole mp3 its name, for good.
    pub(super) fn finish(&self, made: &Utf8Path, mp3: &Utf8Path) -> Result<(), SharedError> {
        let at = |source| SharedError::at(made, source);
        set_mode(made, 0o640).map_err(at)?;
        File::open(made).and_then(|file| file.sync_all()).map_err(at)?;
        fs::rename(made, mp3).map_err(at)?;
        sync_directory(&self.mp3s)
    }

    /// Where the wave of a recording is: where it was recorded, in quarantine, or in the archive.
    pub(super) fn wave(&self, recorded: &Utf8Path) -> Utf8PathBuf {
        let name = recorded.file_name().unwrap_or_default();
        let mut aside = [&self.quarantine, &self.archive].map(|directory| directory.join(name)).into_iter();
        let moved = if recorded.exists() { None } else { aside.find(|path| path.is_file()) };
        moved.unwrap_or_else(|| recorded.to_owned())
    }

    /// Removes the mp3s of a recording.
    pub(super) fn remove_mp3s(&self, uuid: &str) -> Result<(), SharedError> {
        [Part::Title, Part::Body].into_iter().try_for_each(|part| self.remove_mp3(uuid, part))
    }

    /// Removes the mp3 of a part.
    pub(super) fn remove_mp3(&self, uuid: &str, part: Part) -> Result<(), SharedError> {
        if is_uuid(uuid) { remove(&self.mp3(uuid, part)) } else { Ok(()) }
    }
}

/// The digest of a file's bytes, and how many there are.
pub(super) fn digest(path: &Utf8Path) -> io::Result<(Sha256Digest, u64)> {
    let (mut file, mut hasher, mut piece) = (File::open(path)?, Sha256::new(), vec![0; 64 << 10]);
    let mut bytes = 0;
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            return Ok((Sha256Digest(hasher.finalize().into()), bytes));
        }
        hasher.update(&piece[..read]);
        bytes += read as u64;
    }
}

/// Moves a file into a directory; one that is not there is no fault.
pub(super) fn move_into(path: &Utf8Path, directory: &Utf8Path) -> Result<(), SharedError> {
    let Some(name) = path.file_name() else { return Ok(()) };
    match fs::rename(path, directory.join(name)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(SharedError::at(path, error)),
        _ => Ok(()),
    }
}

/// Removes a file; one that is not there is no fault.
pub(super) fn remove(path: &Utf8Path) -> Result<(), SharedError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(SharedError::at(path, error)),
        _ => Ok(()),
    }
}
