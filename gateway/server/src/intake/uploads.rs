//! Uploads in pieces: bytes that come over a link that breaks, gathered in files until they are whole.
//!
//! The rules are those of tus 1.0.0; its headers are the business of `http`. An upload is two files: its bytes so far, whose number is its
//! offset, and what was said about it. Bytes that are whole are staged under their SHA-256 until a recording names them. What nobody touches
//! for the configured time is removed.
//!
//! They are plain files and no objects of the storeroom: an object store writes an object once and as a whole, and an upload grows by
//! whatever comes before a link breaks. Whole bytes lie where the storeroom can give them another name.
//!
//! One request at a time has an upload. A newer one does not wait for an older one that hangs on a dead connection: the older gives way.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use audiospread_protocol::Sha256Digest;
use bytes::Bytes;
use camino::{Utf8Path, Utf8PathBuf};
use futures_util::{Stream, StreamExt as _};
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedMutexGuard;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::checksum::Checksum;

/// Where uploads are gathered, below the data directory.
const DIRECTORY: &str = "uploads";
/// Where whole bytes wait, below that.
const STAGED: &str = "staged";
/// How often is looked for what nobody touches.
const SWEEP: Duration = Duration::from_secs(600);

/// The uploads of a gateway.
#[derive(Debug)]
pub struct Uploads {
    directory: Utf8PathBuf,
    most: u64,
    keep: Duration,
    turns: Mutex<HashMap<Uuid, Turns>>,
}

/// Whose turn it is.
#[derive(Debug, Default)]
struct Turns {
    turn: Arc<tokio::sync::Mutex<()>>,
    give_way: CancellationToken,
}

/// The right to work on an upload; it ends when it is dropped.
struct Turn {
    give_way: CancellationToken,
    _held: OwnedMutexGuard<()>,
}

/// What was said about an upload.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Said {
    /// The length, once it is known.
    length: Option<u64>,
    /// `Upload-Metadata`, as it came.
    metadata: String,
    /// The digest of the bytes, once they are whole.
    sha256: Option<Sha256Digest>,
}

/// How an upload stands.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The bytes that are there.
    pub offset: u64,
    /// The length, once it is known.
    pub length: Option<u64>,
    /// `Upload-Metadata`, as it came; may be empty.
    pub metadata: String,
    /// When it is removed if nobody touches it.
    pub expires: SystemTime,
}

/// Why an upload does not go on.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// There is none of this name, or none any more.
    #[error("there is no such upload, or it has expired")]
    Unknown,
    /// The bytes that are there are not those that the client thinks.
    #[error("the upload has {0} bytes")]
    Offset(u64),
    /// More bytes than were said, or than are accepted.
    #[error("an upload has at most {0} bytes")]
    TooLarge(u64),
    /// The length that was said first is another one.
    #[error("the upload was begun with another length")]
    OtherLength,
    /// The bytes are not those of the checksum; they are thrown away.
    #[error("the bytes do not have the checksum that was sent with them")]
    Checksum,
    /// The bytes stopped coming, or another request has taken over; what came is kept, if no checksum was to be kept.
    #[error("the bytes stopped coming")]
    CutOff,
    /// The disk.
    #[error("cannot write {path}: {source}")]
    Disk {
        /// The file or directory.
        path: Utf8PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl UploadError {
    fn disk(path: &Utf8Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| match source.kind() {
            io::ErrorKind::NotFound => Self::Unknown,
            _ => Self::Disk { path: path.to_owned(), source },
        }
    }
}

impl Uploads {
    /// Gathers uploads of at most `most` bytes below `data_dir`; what nobody touches for `keep` is removed.
    ///
    /// # Errors
    /// If the directory cannot be made.
    pub fn open(data_dir: &Utf8Path, most: u64, keep: Duration) -> io::Result<Self> {
        let directory = data_dir.join(DIRECTORY);
        fs::create_dir_all(directory.join(STAGED))?;
        Ok(Self { directory, most, keep, turns: Mutex::default() })
    }

    /// The most bytes of an upload.
    pub const fn most(&self) -> u64 {
        self.most
    }

    fn bytes_of(&self, id: Uuid) -> Utf8PathBuf {
        self.directory.join(format!("{id}.part"))
    }

    fn said_of(&self, id: Uuid) -> Utf8PathBuf {
        self.directory.join(format!("{id}.json"))
    }

    fn staged_as(&self, sha256: &Sha256Digest) -> Utf8PathBuf {
        self.directory.join(STAGED).join(sha256.to_hex())
    }

    /// What the whole bytes of this digest are called in the storeroom of the data directory.
    pub(super) fn staged_object(sha256: &Sha256Digest) -> object_store::path::Path {
        format!("{DIRECTORY}/{STAGED}/{}", sha256.to_hex()).into()
    }

    /// Begins an upload.
    ///
    /// # Errors
    /// [`UploadError::TooLarge`], [`UploadError::Disk`].
    pub fn begin(&self, length: Option<u64>, metadata: String) -> Result<Uuid, UploadError> {
        self.accepts(length)?;
        let id = Uuid::new_v4();
        self.say(id, &Said { length, metadata, sha256: None })?;
        let path = self.bytes_of(id);
        File::create_new(&path).map_err(UploadError::disk(&path))?;
        Ok(id)
    }

    /// How an upload stands. A request that is still at work on it gives way first, so that what is said here stays true.
    ///
    /// # Errors
    /// [`UploadError::Unknown`], [`UploadError::Disk`].
    pub async fn standing(&self, id: Uuid) -> Result<Standing, UploadError> {
        self.listen(id)?;
        let _turn = self.turn(id).await;
        self.stands(id)
    }

    /// Adds bytes from `offset` on; `length` says it where it was not known before. Returns the new standing.
    ///
    /// # Errors
    /// [`UploadError`]; what came before the error is kept, unless there is a checksum: then nothing is.
    pub async fn append<E>(
        &self,
        id: Uuid,
        offset: u64,
        length: Option<u64>,
        mut checksum: Option<Checksum>,
        mut bytes: impl Stream<Item = Result<Bytes, E>> + Unpin,
    ) -> Result<Standing, UploadError> {
        self.listen(id)?;
        let turn = self.turn(id).await;
        let before = self.stands(id)?;
        if before.offset != offset {
            return Err(UploadError::Offset(before.offset));
        }
        let length = self.settle_length(id, &before, length)?;
        if before.offset == length.unwrap_or(u64::MAX) {
            return self.finish(id, turn).await;
        }
        let most = length.unwrap_or(self.most);
        let path = self.bytes_of(id);
        let file = OpenOptions::new().append(true).open(&path).map_err(UploadError::disk(&path))?;
        let mut growing = Growing { file, keep: checksum.is_none(), before: offset, now: offset };
        loop {
            let piece = tokio::select! {
                biased;
                () = turn.give_way.cancelled() => return Err(UploadError::CutOff),
                piece = bytes.next() => piece,
            };
            match piece {
                None => break,
                Some(Err(_)) => return Err(UploadError::CutOff),
                Some(Ok(piece)) => {
                    if growing.now + piece.len() as u64 > most {
                        return Err(UploadError::TooLarge(most));
                    }
                    if let Some(checksum) = &mut checksum {
                        checksum.add(&piece);
                    }
                    growing.write(&piece).map_err(UploadError::disk(&path))?;
                }
            }
        }
        if checksum.is_some_and(|checksum| !checksum.holds()) {
            return Err(UploadError::Checksum);
        }
        growing.keep = true;
        growing.file.sync_data().map_err(UploadError::disk(&path))?;
        drop(growing);
        self.finish(id, turn).await
    }

    /// Removes an upload; bytes that are whole stay staged until they expire.
    ///
    /// # Errors
    /// [`UploadError::Unknown`], [`UploadError::Disk`].
    pub async fn remove(&self, id: Uuid) -> Result<(), UploadError> {
        self.listen(id)?;
        let _turn = self.turn(id).await;
        self.stands(id)?;
        for path in [self.bytes_of(id), self.said_of(id)] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(UploadError::disk(&path)(error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Removes what nobody touched for long, now and from time to time.
    pub async fn run_sweep(self: Arc<Self>) {
        loop {
            let uploads = self.clone();
            let swept = tokio::task::spawn_blocking(move || uploads.sweep(SystemTime::now())).await;
            if let Ok(Err(error)) = swept {
                tracing::warn!(%error, "uploads that nobody ended could not be removed; it is tried again");
            }
            tokio::time::sleep(SWEEP).await;
        }
    }

    /// Removes what nobody touched for long.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn sweep(&self, now: SystemTime) -> io::Result<()> {
        for directory in [self.directory.clone(), self.directory.join(STAGED)] {
            for entry in fs::read_dir(directory)? {
                let path = entry?.path();
                // What was said about an upload stays for as long as bytes come.
                if path.is_file() && self.is_old(&path, now) && self.is_old(&path.with_extension("part"), now) {
                    fs::remove_file(path)?;
                }
            }
        }
        self.turns.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, turns| Arc::strong_count(&turns.turn) > 1);
        Ok(())
    }

    /// Whether nobody touched a file for long; one that is not there nobody touches.
    fn is_old(&self, path: &Path, now: SystemTime) -> bool {
        let touched = fs::metadata(path).and_then(|metadata| metadata.modified());
        touched.map_or(true, |touched| now.duration_since(touched).is_ok_and(|age| age > self.keep))
    }

    fn accepts(&self, length: Option<u64>) -> Result<(), UploadError> {
        if length.is_some_and(|length| length > self.most) { Err(UploadError::TooLarge(self.most)) } else { Ok(()) }
    }

    async fn turn(&self, id: Uuid) -> Turn {
        let (turn, give_way) = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            let turns = turns.entry(id).or_default();
            std::mem::take(&mut turns.give_way).cancel();
            (turns.turn.clone(), turns.give_way.clone())
        };
        Turn { give_way, _held: turn.lock_owned().await }
    }

    fn listen(&self, id: Uuid) -> Result<Said, UploadError> {
        let path = self.said_of(id);
        let text = fs::read(&path).map_err(UploadError::disk(&path))?;
        serde_json::from_slice(&text).map_err(|error| UploadError::Disk { path, source: error.into() })
    }

    fn say(&self, id: Uuid, said: &Said) -> Result<(), UploadError> {
        let (path, new) = (self.said_of(id), self.directory.join(format!("{id}.new")));
        let written = || {
            let mut file = File::create(&new)?;
            file.write_all(&serde_json::to_vec(said)?)?;
            file.sync_all()?;
            fs::rename(&new, &path)
        };
        written().map_err(|source| UploadError::Disk { path: new.clone(), source })
    }

    fn stands(&self, id: Uuid) -> Result<Standing, UploadError> {
        let said = self.listen(id)?;
        let path = if said.sha256.is_some() { self.said_of(id) } else { self.bytes_of(id) };
        let metadata = fs::metadata(&path).map_err(UploadError::disk(&path))?;
        let offset = if said.sha256.is_some() { said.length.unwrap_or(0) } else { metadata.len() };
        let expires = metadata.modified().unwrap_or_else(|_| SystemTime::now()) + self.keep;
        Ok(Standing { offset, length: said.length, metadata: said.metadata, expires })
    }

    /// The length, which may be said once.
    fn settle_length(&self, id: Uuid, before: &Standing, length: Option<u64>) -> Result<Option<u64>, UploadError> {
        match (before.length, length) {
            (known, None) => Ok(known),
            (Some(known), Some(length)) if known != length => Err(UploadError::OtherLength),
            (Some(known), Some(_)) => Ok(Some(known)),
            (None, Some(length)) => {
                self.accepts(Some(length))?;
                if length < before.offset {
                    return Err(UploadError::OtherLength);
                }
                self.say(id, &Said { length: Some(length), metadata: before.metadata.clone(), sha256: None })?;
                Ok(Some(length))
            }
        }
    }

    /// Stages bytes that are whole under their digest, and says how the upload stands.
    async fn finish(&self, id: Uuid, turn: Turn) -> Result<Standing, UploadError> {
        let standing = self.stands(id)?;
        let path = self.bytes_of(id);
        if standing.length == Some(standing.offset) && path.is_file() {
            let read = path.clone();
            let hashed = tokio::task::spawn_blocking(move || super::digests::digests_of(&read)).await;
            let sha256 = hashed.map_err(|_| UploadError::CutOff)?.map_err(UploadError::disk(&path))?.sha256;
            fs::rename(&path, self.staged_as(&sha256)).map_err(UploadError::disk(&path))?;
            self.say(id, &Said { length: standing.length, metadata: standing.metadata.clone(), sha256: Some(sha256) })?;
        }
        drop(turn);
        Ok(standing)
    }
}

/// Bytes that are being added: if they are not to be kept, they go with it.
struct Growing {
    file: File,
    keep: bool,
    before: u64,
    now: u64,
}

impl Growing {
    /// The bytes go into the system's cache at once: nothing is under way when a request is dropped.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.now += bytes.len() as u64;
        Ok(())
    }
}

impl Drop for Growing {
    fn drop(&mut self) {
        if !self.keep && self.file.set_len(self.before).is_err() {
            tracing::error!(
                "bytes without their checksum could not be thrown away; the digest of the whole will not be right"
            );
        }
    }
}
