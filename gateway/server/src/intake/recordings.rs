//! Recordings: bytes and facts become visible in one step, once, whatever breaks in between.
//!
//! The order is: row `storing`, the gateway's copies on the disk, Drupal's files on the disk, row `pending`. What was left `storing` is finished at
//! the next start, or undone where the bytes are gone; then the phone server, which keeps its copy until it is told that all is well, sends
//! them again. Where Drupal's storage cannot be written the gateway's copies are enough.

use std::fs::File;
use std::io;

use audiospread_protocol::{RecordingFacts, Sha256Digest};
use camino::Utf8Path;
use object_store::path::Path;
use tokio::sync::{Mutex, Notify};
use uuid::Uuid;

use super::digests::digests_of_open;
use super::drupal_storage::DrupalStorage;
use super::examiner::{ExamineError, Examiner};
use super::parts::{self, Noted};
use super::placing::Told;
use super::rows::{self, Row, Written};
use super::{Sound, StoredIn, Uploads};
use crate::feed::{FeedError, Store};
use crate::storeroom::{StoreError, Storeroom};

/// The parts that a recording may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The spoken title.
    Title,
    /// The message.
    Body,
}

impl Part {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Body => "body",
        }
    }
}

/// The content of a recording whose number was dropped: it is known by its uuid alone.
pub(super) const FORGOTTEN: Sha256Digest = Sha256Digest([0; 32]);

/// The gateway's own store of recordings.
#[derive(Debug)]
pub struct Recordings {
    pub(super) store: Store,
    /// The gateway's copies, and what was uploaded.
    pub(super) files: Storeroom,
    examiner: Examiner,
    longest_ms: u64,
    pub(super) drupal: DrupalStorage,
    /// What is told of Drupal's storage.
    pub(super) told: Mutex<Told>,
    /// Rung when a recording has come.
    pub(super) ring: Notify,
}

/// What became of a submission that is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// It is new.
    New,
    /// It was there.
    Known,
}

/// Why a recording is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The facts make no sense.
    #[error("`{0}` makes no sense")]
    Facts(&'static str),
    /// There is another recording of this uuid.
    #[error("there is another recording of this uuid")]
    Conflict,
    /// These bytes were not uploaded, or have expired.
    #[error("bytes are missing")]
    Missing(Vec<Sha256Digest>),
    /// A part cannot be used.
    #[error("the {} cannot be used: {why}", .part.as_str())]
    Unusable {
        /// Which.
        part: Part,
        /// Its bytes.
        sha256: Sha256Digest,
        /// Why.
        why: String,
    },
    /// A part could not be examined.
    #[error(transparent)]
    Examine(ExamineError),
    /// The gateway's database.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// The gateway's own files.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<io::Error> for SubmitError {
    fn from(error: io::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Recordings {
    /// Opens the store below `data_dir`, where [`Uploads`] gathers what was uploaded. Sounds longer than `longest_minutes` are refused.
    ///
    /// # Errors
    /// If the directory cannot be made.
    pub fn open(
        store: Store,
        data_dir: &Utf8Path,
        examiner: Examiner,
        longest_minutes: u64,
        drupal: DrupalStorage,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            store,
            files: Storeroom::open(data_dir)?,
            examiner,
            longest_ms: longest_minutes * 60_000,
            drupal,
            told: Mutex::default(),
            ring: Notify::new(),
        })
    }

    /// What the gateway's copy of a part is called, whether it is there or not.
    pub(super) fn copy_of(uuid: Uuid, part: Part) -> Path {
        format!("recordings/{uuid}-{}.mp3", part.as_str()).into()
    }

    /// Opens the gateway's copy of a part, if there is one. Blocks.
    pub(super) fn own_copy(&self, uuid: Uuid, part: Part) -> Result<Option<File>, StoreError> {
        self.files.file(&Self::copy_of(uuid, part))
    }

    /// Opens the bytes of a part: as they were uploaded, or the gateway's copy. Blocks.
    fn bytes_of(&self, uuid: Uuid, part: Part, sha256: &Sha256Digest) -> Result<Option<File>, StoreError> {
        match self.files.file(&Uploads::staged_object(sha256))? {
            Some(staged) => Ok(Some(staged)),
            None => self.own_copy(uuid, part),
        }
    }

    /// Takes a recording that the phone server `server` submits; the same one again does no harm.
    ///
    /// # Errors
    /// [`SubmitError`]; then nothing of it is visible.
    pub async fn submit(&self, server: &str, uuid: Uuid, facts: &RecordingFacts) -> Result<Submitted, SubmitError> {
        let category = check(facts)?;
        let content =
            serde_json::to_vec(facts).map(|text| Sha256Digest::of(&text)).map_err(|_| SubmitError::Facts("caller"))?;
        match rows::find(&self.store, uuid).await? {
            Some(there) if there.content != content && there.content != FORGOTTEN => return Err(SubmitError::Conflict),
            Some(there) if !there.storing => return Ok(Submitted::Known),
            _ => {}
        }
        let parts = parts_of(facts.title, facts.body);
        let (mut there, mut missing) = (Vec::with_capacity(parts.len()), Vec::new());
        for (part, sha256) in &parts {
            match self.bytes_of(uuid, *part, sha256)? {
                Some(file) => there.push((*part, *sha256, file)),
                None => missing.push(*sha256),
            }
        }
        if !missing.is_empty() {
            return Err(SubmitError::Missing(missing));
        }
        let mut sounds = Vec::with_capacity(parts.len());
        for (part, sha256, file) in there {
            sounds.push(self.examine(part, sha256, file).await?);
        }
        let body = sounds.pop().ok_or(SubmitError::Facts("body"))?;
        let row = Row { uuid, content, server, facts, category, body, title: sounds.pop() };
        match rows::write(&self.store, &row).await? {
            Written::Other => return Err(SubmitError::Conflict),
            Written::Pending => return Ok(Submitted::Known),
            Written::Storing => {}
        }
        self.keep(uuid, &parts).await?;
        self.put_into_drupal(uuid, &parts, false).await?;
        rows::show(&self.store, uuid).await?;
        self.ring.notify_one();
        Ok(Submitted::New)
    }

    /// Finishes what was left half done, or undoes it.
    ///
    /// # Errors
    /// If the database or the disk fails.
    pub async fn recover(&self) -> Result<(), SubmitError> {
        if self.drupal.is_used() {
            self.drupal.clear_probes().await;
        }
        for (uuid, title, body) in rows::storing(&self.store).await? {
            let parts = parts_of(title, body);
            match self.keep(uuid, &parts).await {
                Ok(()) => {
                    self.put_into_drupal(uuid, &parts, true).await?;
                    rows::show(&self.store, uuid).await?;
                }
                Err(SubmitError::Missing(_)) => {
                    rows::forget(&self.store, uuid).await?;
                    for part in [Part::Title, Part::Body] {
                        let _ = self.files.remove(&Self::copy_of(uuid, part)).await;
                    }
                }
                Err(error) => return Err(error),
            }
        }
        for (uuid, title, body) in rows::without_parts(&self.store).await? {
            let parts = parts_of(title, body);
            for (part, _) in parts {
                let Some(copy) = self.own_copy(uuid, part)? else { continue };
                let (_, sha1) = with_sha1(copy).await?;
                parts::note(&self.store, uuid, part, Noted { store: StoredIn::Gateway, sha1 }).await?;
            }
        }
        Ok(())
    }

    async fn examine(&self, part: Part, sha256: Sha256Digest, file: File) -> Result<super::Heard, SubmitError> {
        let unusable = |why: String| SubmitError::Unusable { part, sha256, why };
        let size = file.metadata()?.len();
        let Sound { duration_ms, silent } = self.examiner.examine(file).await.map_err(|error| match error {
            ExamineError::NotAudio | ExamineError::TooMuch => unusable(error.to_string()),
            error @ ExamineError::Process { .. } => SubmitError::Examine(error),
        })?;
        if duration_ms > self.longest_ms {
            return Err(unusable(format!("it is longer than {} minutes", self.longest_ms / 60_000)));
        }
        Ok(super::Heard { size, duration_ms, silent })
    }

    /// Puts the bytes of all parts into the store, on the disk.
    async fn keep(&self, uuid: Uuid, parts: &[(Part, Sha256Digest)]) -> Result<(), SubmitError> {
        for (part, sha256) in parts {
            let copy = Self::copy_of(uuid, *part);
            match self.files.name(&Uploads::staged_object(sha256), &copy).await {
                // An earlier attempt may have left the copy.
                Err(error) if error.is_missing() => {}
                named => named?,
            }
            if !self.files.secure(&copy).await? {
                return Err(SubmitError::Missing(vec![*sha256]));
            }
        }
        Ok(())
    }
}

/// A file and the SHA-1 of its bytes.
pub(super) async fn with_sha1(mut file: File) -> Result<(File, [u8; 20]), SubmitError> {
    let read = move || digests_of_open(&mut file).map(|digests| (file, digests.sha1));
    Ok(tokio::task::spawn_blocking(read).await.map_err(io::Error::other)??)
}

fn parts_of(title: Option<Sha256Digest>, body: Sha256Digest) -> Vec<(Part, Sha256Digest)> {
    title.map(|title| (Part::Title, title)).into_iter().chain([(Part::Body, body)]).collect()
}

/// The category's number, 0 for none; refuses facts that make no sense.
fn check(facts: &RecordingFacts) -> Result<u32, SubmitError> {
    let is_language = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if facts.language.len() > 12 || !facts.language.bytes().all(is_language) {
        return Err(SubmitError::Facts("language"));
    }
    let Some(category) = &facts.category else { return Ok(0) };
    let tid = category.parse().ok().filter(|tid: &u32| *tid > 0 && *category == tid.to_string());
    tid.ok_or(SubmitError::Facts("category"))
}
