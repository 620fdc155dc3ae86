//! Opening a blob by its digest, for whoever sends it away.

use std::fs::File;
use std::io;

use audiospread_protocol::Sha256Digest;

use super::Blobs;
use super::index::Index;
use super::packs::PackSounds;
use super::record::{Condition, Entry, Home};
use super::roots::path_below;
use super::store::{Store, StoreError};
use super::table::{self, TableError};
use super::unblocked;
use crate::beneath::{Facts, Found, Root, facts_of};
use crate::catalogue::site::AudioSource;
use crate::drupal::Storage;

/// A blob, open at its beginning.
#[derive(Debug)]
pub struct OpenBlob {
    /// A plain file with these bytes and no others.
    pub file: File,
    /// Bytes.
    pub size: u64,
    /// The media type by content.
    pub mime: &'static str,
}

/// Why a blob cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// No audio of this digest is known.
    #[error("no audio of this digest is known")]
    NotFound,
    /// The file was changed or removed since it was read; it is looked at again.
    #[error("the audio of this digest was changed or removed on the site")]
    Changed,
    /// It cannot be read now.
    #[error("audio cannot be read now: {0}")]
    Unavailable(#[from] io::Error),
    /// The gateway's own copies cannot be read now.
    #[error("audio cannot be read now: {0}")]
    Store(#[from] StoreError),
    /// The audio index cannot be read now.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Where Drupal keeps its files was not read yet.
    #[error("audio cannot be read yet: Drupal's database was not read since the gateway was started")]
    TooEarly,
}

impl Blobs {
    /// Opens the blob of this digest. Whether a phone server may have it is for others to say.
    ///
    /// # Errors
    /// [`BlobError`]: what is unknown or changed is answered with 404, all else with 503.
    pub async fn open(&self, sha256: &Sha256Digest) -> Result<OpenBlob, BlobError> {
        if let Some((source, rendition)) = self.index.rendition_named(sha256) {
            return self.open_rendition(source, rendition).await;
        }
        let mut candidates = self.index.named(sha256);
        if candidates.is_empty() && self.packs.sound(sha256).is_none() {
            table::look_up(&self.pool, &self.index, sha256).await?;
            candidates = self.index.named(sha256);
        }
        let (storage, sha256) = (self.storage.load_full(), *sha256);
        let (index, store, packs) = (self.index.clone(), self.store.clone(), self.packs.clone());
        unblocked(move || {
            if let Some(blob) = packs.open(&sha256)? {
                return Ok(blob);
            }
            let mut failure = None;
            for (source, entry) in candidates {
                match open_source(&index, &store, storage.as_deref(), &source, &entry) {
                    Ok(blob) => return Ok(blob),
                    Err(error) => {
                        if matches!(error, BlobError::Changed) {
                            index.recheck([source]);
                        }
                        failure.get_or_insert(error);
                    }
                }
            }
            Err(failure.unwrap_or(BlobError::NotFound))
        })
        .await?
    }
}

/// Opens what was found at a source, if it is still there. Blocks.
pub(super) fn open_source(
    index: &Index,
    store: &Store,
    storage: Option<&Storage>,
    source: &AudioSource,
    entry: &Entry,
) -> Result<OpenBlob, BlobError> {
    let Condition::Ready(audio) = entry.condition else { return Err(BlobError::NotFound) };
    match (entry.home, storage) {
        (Some(Home::Directory(number)), Some(storage)) => match index.directory_path(number) {
            Some(directory) => open_file(&directory, storage, source, entry),
            None => Err(BlobError::Changed),
        },
        (Some(Home::Directory(_)), None) => Err(BlobError::TooEarly),
        _ => match store.blob(&audio.sha256)? {
            Some(file) => with_facts(file, entry, |facts| facts.size == entry.facts.size),
            None => Err(BlobError::Changed),
        },
    }
}

fn open_file(
    directory: &camino::Utf8Path,
    storage: &Storage,
    source: &AudioSource,
    entry: &Entry,
) -> Result<OpenBlob, BlobError> {
    // The site was moved, or bitcache's layout changed: the bytes are looked for anew.
    let Some(path) = path_below(storage, source, directory) else { return Err(BlobError::Changed) };
    let root = Root::open(directory)?;
    match root.open_file(path.as_str())? {
        Found::File((file, _)) => with_facts(file, entry, |facts| facts == entry.facts),
        // The disk is away, and the audio with it; nobody has removed anything.
        Found::Other | Found::Nothing if root.is_empty()? => Err(io::Error::other("its directory is empty").into()),
        Found::Other | Found::Nothing => Err(BlobError::Changed),
    }
}

fn with_facts(file: File, entry: &Entry, agrees: impl FnOnce(Facts) -> bool) -> Result<OpenBlob, BlobError> {
    let Condition::Ready(audio) = entry.condition else { return Err(BlobError::NotFound) };
    if !agrees(facts_of(&file)?) {
        return Err(BlobError::Changed);
    }
    Ok(OpenBlob { file, size: entry.facts.size, mime: audio.mime.as_str() })
}

impl PackSounds {
    /// Opens the sound of this digest, if a pack has it as it was when the packs were loaded. Blocks.
    fn open(&self, sha256: &Sha256Digest) -> Result<Option<OpenBlob>, BlobError> {
        let Some(sound) = self.sound(sha256) else { return Ok(None) };
        match Root::open(self.directory())?.open_file(sound.path.as_str())? {
            Found::File((file, facts)) if facts == sound.facts => {
                Ok(Some(OpenBlob { file, size: facts.size, mime: sound.mime.as_str() }))
            }
            _ => Ok(None),
        }
    }
}
