//! Looking at one source of audio: where its bytes are, whether they changed, what they are.

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::index::{Index, Task};
use super::measure::{Measured, measure};
use super::record::{Audio, Condition, Entry, Home};
use super::roots::{Place, check_directory, places};
use super::store::{Store, StoreError};
use super::unblocked;
use crate::beneath::{Facts, Found, Root, facts_of};
use crate::catalogue::site::AudioSource;
use crate::drupal::{FilePath, ReadError, Reader, Storage};

/// A file whose content was changed less than this ago may still be being written, and on file systems that keep whole seconds the next
/// change could not be told from this one.
const YOUNG: Duration = Duration::from_secs(2);
/// How long to wait before what failed is tried again.
const RETRY: Duration = Duration::from_secs(30);
/// Bytes of a blob that are asked of Drupal's database at once.
const PIECE: u64 = 1 << 20;

/// What came of looking at a source.
#[derive(Debug)]
pub(super) enum Verdict {
    /// This is there now.
    Found(Entry),
    /// It is as it was.
    Same,
    /// Nothing can be said yet.
    Later {
        /// The file as it was now, to see whether it is being written.
        seen: Option<Facts>,
        /// When to look again.
        delay: Duration,
    },
}

/// Why a source could not be looked at.
#[derive(Debug, thiserror::Error)]
enum ExamineError {
    #[error("{0}")]
    File(#[from] io::Error),
    #[error("{0}")]
    Drupal(#[from] ReadError),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("the blob was changed while it was copied")]
    Torn,
}

/// What is needed to look at sources.
#[derive(Clone, Copy)]
pub(super) struct Examiner<'a> {
    pub(super) index: &'a std::sync::Arc<Index>,
    pub(super) store: &'a std::sync::Arc<Store>,
    pub(super) reader: &'a Reader,
    pub(super) storage: &'a std::sync::Arc<Storage>,
}

/// What a file turned out to be.
enum Reading {
    Nothing,
    NoFile,
    Denied,
    Same,
    Young(Facts),
    Read(Measured, Facts),
}

impl Examiner<'_> {
    /// Looks at a source; what fails is tried again later.
    pub(super) async fn examine(self, task: &Task) -> Verdict {
        match self.look(task).await {
            Ok(Verdict::Found(entry)) if entry == task.entry => Verdict::Same,
            Ok(verdict) => verdict,
            Err(error) => {
                tracing::warn!(source = super::record::source_text(&task.source), %error, "audio cannot be looked at now");
                Verdict::Later { seen: None, delay: RETRY }
            }
        }
    }

    async fn look(self, task: &Task) -> Result<Verdict, ExamineError> {
        // What is there and of no use is remembered, and the next repository asked: the bytes decide, not their place.
        let mut useless = None;
        let places = places(self.storage, &task.source);
        for place in &places {
            match place {
                Place::File(file) => {
                    let home = self.index.directory(&file.directory).map(Home::Directory);
                    match self.read(file, home, task).await? {
                        Reading::Nothing => {}
                        Reading::Same => return Ok(Verdict::Same),
                        Reading::Young(facts) => return Ok(Verdict::Later { seen: Some(facts), delay: YOUNG }),
                        Reading::NoFile => {
                            useless.get_or_insert(Entry { condition: Condition::NotAudio, ..Entry::PENDING });
                        }
                        Reading::Denied => {
                            useless.get_or_insert(Entry { condition: Condition::Unreadable, ..Entry::PENDING });
                        }
                        Reading::Read(measured, facts) => {
                            let entry = Entry { condition: condition(&task.source, &measured), home, facts };
                            if entry.condition != Condition::Corrupt {
                                return Ok(Verdict::Found(entry));
                            }
                            useless.get_or_insert(entry);
                        }
                    }
                }
                Place::Table(table) => match self.copy(table, task).await? {
                    None => {}
                    Some(entry) if entry.condition == Condition::Corrupt => {
                        useless.get_or_insert(entry);
                    }
                    Some(entry) => return Ok(Verdict::Found(entry)),
                },
            }
        }
        match (useless, &task.source) {
            (Some(entry), _) => Ok(Verdict::Found(entry)),
            // A site with blobs and no repository is one whose database is being restored.
            (None, AudioSource::Bitcache(_)) if places.is_empty() => Ok(Verdict::Later { seen: None, delay: RETRY }),
            (None, _) => self.missing(places).await,
        }
    }

    async fn read(self, file: &FilePath, home: Option<Home>, task: &Task) -> io::Result<Reading> {
        let (file, task) = (file.clone(), task.clone());
        unblocked(move || read(&file, home, &task)).await?
    }

    /// Nothing was found: the bytes are away, or the disk is.
    async fn missing(self, places: Vec<Place>) -> Result<Verdict, ExamineError> {
        let (index, storage) = (self.index.clone(), self.storage.clone());
        let checked = unblocked(move || {
            places.iter().try_for_each(|place| match place {
                Place::File(file) => check_directory(&file.directory, false, &storage, &index),
                Place::Table(_) => Ok(()),
            })
        })
        .await?;
        Ok(match checked {
            Ok(()) => Verdict::Found(Entry { condition: Condition::Missing, ..Entry::PENDING }),
            // The next refresh says so.
            Err(_) => Verdict::Later { seen: None, delay: RETRY },
        })
    }

    /// Copies a blob out of Drupal's database, piece by piece: no connection of Drupal's waits while the disk is written.
    async fn copy(self, table: &str, task: &Task) -> Result<Option<Entry>, ExamineError> {
        let AudioSource::Bitcache(sha1) = &task.source else { return Ok(None) };
        let Some(size) = self.reader.sql_blob_size(table, sha1).await? else { return Ok(None) };
        if self.has_copy(&task.entry, size).await? {
            return Ok(Some(task.entry));
        }
        let mut incoming = self.store.begin().await?;
        let mut offset = 0;
        while offset < size {
            let piece = self.reader.sql_blob_piece(table, sha1, offset, PIECE).await?;
            if piece.is_empty() {
                incoming.abort().await?;
                return Err(ExamineError::Torn);
            }
            offset += piece.len() as u64;
            incoming.add(piece).await?;
        }
        let path = incoming.finish().await?;
        let (store, copy) = (self.store.clone(), path.clone());
        let measured = unblocked(move || Ok::<_, ExamineError>(measure(&store.read_incoming(&copy)?)?)).await??;
        let condition = condition(&task.source, &measured);
        match condition {
            Condition::Ready(_) => self.store.keep(&path, &measured.sha256).await?,
            _ => self.store.discard(&path).await?,
        }
        let facts = Facts { size: measured.size, mtime_ns: 0, inode: 0 };
        Ok(Some(Entry { condition, home: Some(Home::Store), facts }))
    }

    async fn has_copy(self, entry: &Entry, size: u64) -> Result<bool, ExamineError> {
        let (Condition::Ready(audio), Some(Home::Store)) = (entry.condition, entry.home) else { return Ok(false) };
        let store = self.store.clone();
        let copy = unblocked(move || store.blob(&audio.sha256)).await??;
        Ok(entry.facts.size == size && copy.is_some_and(|file| facts_of(&file).is_ok_and(|facts| facts.size == size)))
    }
}

/// What the bytes mean for a source.
fn condition(source: &AudioSource, measured: &Measured) -> Condition {
    match (source, measured.sound) {
        (AudioSource::Bitcache(sha1), _) if *sha1 != measured.sha1 => Condition::Corrupt,
        (_, None) => Condition::NotAudio,
        (_, Some(sound)) => {
            Condition::Ready(Audio { sha256: measured.sha256, mime: sound.mime, duration_ms: sound.duration_ms })
        }
    }
}

/// Reads a file, unless it is the one that was read before. Blocks.
fn read(place: &FilePath, home: Option<Home>, task: &Task) -> io::Result<Reading> {
    let root = match Root::open(&place.directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Reading::Nothing),
        opened => opened?,
    };
    let (file, facts) = match root.open_file(place.path.as_str()) {
        Ok(Found::File(found)) => found,
        Ok(Found::Other) => return Ok(Reading::NoFile),
        Ok(Found::Nothing) => return Ok(Reading::Nothing),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(Reading::Denied),
        Err(error) => return Err(error),
    };
    if task.entry.home == home && home.is_some() && task.entry.facts == facts {
        return Ok(Reading::Same);
    }
    // By the file's time or, where its clock is not ours, by having been the same for as long.
    let settled = !is_young(&facts) || task.seen == Some(facts);
    let named = matches!(task.source, AudioSource::Bitcache(_));
    if !settled && !named {
        return Ok(Reading::Young(facts));
    }
    let measured = measure(&file)?;
    let after = facts_of(&file)?;
    if after != facts || measured.size != facts.size {
        return Ok(Reading::Young(after));
    }
    // bitcache's name proves that the bytes are whole; if it does not, they may still be being written.
    if !settled && condition(&task.source, &measured) == Condition::Corrupt {
        return Ok(Reading::Young(facts));
    }
    Ok(Reading::Read(measured, facts))
}

fn is_young(facts: &Facts) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let age = now.as_nanos().saturating_sub(u128::try_from(facts.mtime_ns).unwrap_or(0));
    age < YOUNG.as_nanos()
}
