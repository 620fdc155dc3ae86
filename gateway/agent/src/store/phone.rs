//! The phone sounds: what Asterisk plays, made from what came, named by the digest of what it was made from.
//!
//! A file that has its name is whole: it got it by a rename, after its bytes were on the disk. Unlike what came it can be made again, so it
//! may be removed with what it was made from; its extension says its format.

use std::fs;
use std::io;

use audiospread_protocol::Sha256Digest;
use camino::{Utf8Path, Utf8PathBuf};

use super::{Store, StoredFile, stem};
use crate::shared::{DataDir, SharedError, set_mode, sync_directory};
use crate::sound::SoundFormat;

impl Store {
    /// Where the phone sounds are.
    pub(crate) fn phone_dir(&self) -> Utf8PathBuf {
        self.directory.path().join("phone")
    }

    /// The place of a phone sound.
    pub(crate) fn phone_path(&self, sha256: Sha256Digest, format: SoundFormat) -> Utf8PathBuf {
        self.phone_dir().join(format!("{}.{format}", stem(sha256)))
    }

    /// The format in which a sound can be played; the wanted one, if it is there.
    pub(crate) fn playable(&self, sha256: Sha256Digest, wanted: SoundFormat) -> Option<SoundFormat> {
        [wanted].into_iter().chain(SoundFormat::ALL).find(|format| format.is_whole(&self.phone_path(sha256, *format)))
    }

    /// Whether a sound can be played, in any format.
    pub(crate) fn is_playable(&self, sha256: Sha256Digest) -> bool {
        self.playable(sha256, SoundFormat::default()).is_some()
    }

    /// Gives a finished phone sound its name.
    pub(crate) fn adopt_phone(
        &self,
        from: &Utf8Path,
        sha256: Sha256Digest,
        format: SoundFormat,
    ) -> Result<(), SharedError> {
        adopt_at(from, &self.phone_path(sha256, format), 2)
    }

    /// Removes what is there of a sound in other formats than this one, which is there; the formats that it was there in.
    pub(crate) fn keep_only(&self, sha256: Sha256Digest, format: SoundFormat) -> Result<Vec<SoundFormat>, SharedError> {
        let mut gone = Vec::new();
        for other in SoundFormat::ALL.into_iter().filter(|other| *other != format) {
            let path = self.phone_path(sha256, other);
            match fs::remove_file(&path) {
                Ok(()) => gone.push(other),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(SharedError::at(&path, error)),
            }
        }
        Ok(gone)
    }

    /// Calls `each` with every phone sound.
    pub(crate) fn each_phone_sound(&self, each: &mut dyn FnMut(StoredFile)) -> Result<(), SharedError> {
        Self::each_below(&self.phone_dir(), each)
    }
}

/// The format that the name of a phone sound says.
pub(crate) fn format_of(path: &Utf8Path) -> Option<SoundFormat> {
    path.extension()?.parse().ok()
}

/// Renames a finished file to where Asterisk reads it, below `levels` directories that may be absent; the name is on the disk.
pub(crate) fn adopt_at(from: &Utf8Path, to: &Utf8Path, levels: usize) -> Result<(), SharedError> {
    set_mode(from, 0o640).map_err(|source| SharedError::at(from, source))?;
    let parents: Vec<&Utf8Path> = to.ancestors().skip(1).take(levels).collect();
    for directory in parents.into_iter().rev() {
        DataDir::create_read_only_directory(directory)?;
    }
    fs::rename(from, to).map_err(|source| SharedError::at(to, source))?;
    sync_directory(to.parent().unwrap_or(to))
}
