//! Recordings: bytes and facts become visible in one step, once, whatever breaks in between.
//!
//! The order is: row `storing`, the gateway's copies on the disk, Drupal's files on the disk, row `pending`. What was left `storing` is finished at
//! the next start, or undone where the bytes are gone; then the phone server, which keeps its copy until it is told that all is well, sends
//! them again. Where Drupal's storage cannot be written the gateway's copies are enough.

use std::fs::{self, File};
use std::io;
use std::sync::Arc;

use audiospread_protocol::{RecordingFacts, Sha256Digest};
use camino::{Utf8Path, Utf8PathBuf};
use tokio::sync::{Mutex, Notify};
use uuid::Uuid;

use super::digests::{Digests, digests_of};
use super::drupal_storage::DrupalStorage;
use super::examiner::{ExamineError, Examiner};
use super::parts::{self, Noted};
use super::placing::Told;
use super::rows::{self, Row, Written};
use super::{Sound, StoredIn, Uploads};
use crate::feed::{FeedError, Store};

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
    directory: Utf8PathBuf,
    uploads: Arc<Uploads>,
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
    /// The disk.
    #[error("cannot write {path}: {source}")]
    Disk {
        /// The file or directory.
        path: Utf8PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Recordings {
    /// Opens the store in `directory`. Sounds longer than `longest_minutes` are refused.
    ///
    /// # Errors
    /// If the directory cannot be made.
    pub fn open(
        store: Store,
        directory: &Utf8Path,
        uploads: Arc<Uploads>,
        examiner: Examiner,
        longest_minutes: u64,
        drupal: DrupalStorage,
    ) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        Ok(Self {
            store,
            directory: directory.to_owned(),
            uploads,
            examiner,
            longest_ms: longest_minutes * 60_000,
            drupal,
            told: Mutex::default(),
            ring: Notify::new(),
        })
    }

    /// The file of a part, whether it is there or not.
    pub fn file_of(&self, uuid: Uuid, part: Part) -> Utf8PathBuf {
        self.directory.join(format!("{uuid}-{}.mp3", part.as_str()))
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
        let missing = |(part, sha256): &(Part, Sha256Digest)| {
            !self.file_of(uuid, *part).is_file() && self.uploads.staged(sha256).is_none()
        };
        let missing: Vec<Sha256Digest> = parts.iter().filter(|part| missing(part)).map(|(_, sha256)| *sha256).collect();
        if !missing.is_empty() {
            return Err(SubmitError::Missing(missing));
        }
        let mut sounds = Vec::with_capacity(parts.len());
        for (part, sha256) in &parts {
            sounds.push(self.examine(uuid, *part, sha256).await?);
        }
        let body = sounds.pop().ok_or(SubmitError::Facts("body"))?;
        let row = Row { uuid, content, server, facts, category, body, title: sounds.pop() };
        match rows::write(&self.store, &row).await? {
            Written::Other => return Err(SubmitError::Conflict),
            Written::Pending => return Ok(Submitted::Known),
            Written::Storing => {}
        }
        self.keep(uuid, &parts)?;
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
            match self.keep(uuid, &parts) {
                Ok(()) => {
                    self.put_into_drupal(uuid, &parts, true).await?;
                    rows::show(&self.store, uuid).await?;
                }
                Err(SubmitError::Missing(_)) => {
                    rows::forget(&self.store, uuid).await?;
                    for part in [Part::Title, Part::Body] {
                        let _ = fs::remove_file(self.file_of(uuid, part));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        for (uuid, title, body) in rows::without_parts(&self.store).await? {
            let parts = parts_of(title, body);
            for (part, _) in parts.into_iter().filter(|(part, _)| self.file_of(uuid, *part).is_file()) {
                let sha1 = self.digests(&self.file_of(uuid, part)).await?.sha1;
                parts::note(&self.store, uuid, part, Noted { store: StoredIn::Gateway, sha1 }).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn digests(&self, path: &Utf8Path) -> Result<Digests, SubmitError> {
        let owned = path.to_owned();
        let read = tokio::task::spawn_blocking(move || digests_of(&owned)).await.map_err(io::Error::other);
        read.flatten().map_err(|source| SubmitError::Disk { path: path.to_owned(), source })
    }

    async fn examine(&self, uuid: Uuid, part: Part, sha256: &Sha256Digest) -> Result<super::Heard, SubmitError> {
        let unusable = |why: String| SubmitError::Unusable { part, sha256: *sha256, why };
        let path = self.uploads.staged(sha256).unwrap_or_else(|| self.file_of(uuid, part));
        let size = fs::metadata(&path).map_err(|source| SubmitError::Disk { path: path.clone(), source })?.len();
        let Sound { duration_ms, silent } = self.examiner.examine(&path).await.map_err(|error| match error {
            ExamineError::NotAudio | ExamineError::TooMuch => unusable(error.to_string()),
            error @ ExamineError::Process { .. } => SubmitError::Examine(error),
        })?;
        if duration_ms > self.longest_ms {
            return Err(unusable(format!("it is longer than {} minutes", self.longest_ms / 60_000)));
        }
        Ok(super::Heard { size, duration_ms, silent })
    }

    /// Puts the bytes of all parts into the store, on the disk.
    fn keep(&self, uuid: Uuid, parts: &[(Part, Sha256Digest)]) -> Result<(), SubmitError> {
        for (part, sha256) in parts {
            let path = self.file_of(uuid, *part);
            let kept = || -> io::Result<bool> {
                if !path.is_file() {
                    let Some(staged) = self.uploads.staged(sha256) else { return Ok(false) };
                    match fs::hard_link(staged, &path) {
                        // Another request for the same recording was first.
                        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                        linked => linked?,
                    }
                }
                File::open(&path)?.sync_all()?;
                File::open(&self.directory)?.sync_all()?;
                Ok(true)
            };
            match kept() {
                Ok(true) => {}
                Ok(false) => return Err(SubmitError::Missing(vec![*sha256])),
                Err(source) => return Err(SubmitError::Disk { path, source }),
            }
        }
        Ok(())
    }
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
