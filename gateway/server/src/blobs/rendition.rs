//! Phone renditions: the same sound for slow links, made in the background.
//!
//! A new sound waits for its rendition, but not for long: a phone server that follows the feed would begin with the original otherwise.
//! Where many sounds are new none waits; they are published, and gain their renditions in later versions. A failure is a line in the log, and
//! the sound is published without; a start of the gateway tries again.

use std::io;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use audiospread_protocol::{PhoneRendition, Sha256Digest};
use audiospread_sound::LameError;
use camino::Utf8Path;
use tokio::io::AsyncReadExt as _;
use tokio::sync::watch;

use super::encoder::{EncodeError, Encoder, gains};
use super::measure::{Mime, measure};
use super::open::open_source;
use super::record::{Audio, Condition, Entry};
use super::store::StoreError;
use super::{BlobError, Blobs, OpenBlob, TableError, rendition_table, unblocked};
use crate::catalogue::site::AudioSource;

/// A new sound waits only while no more than so many are new.
const FEW: u64 = 8;
/// What was made of published sounds is published at least this often.
const PUBLISH: Duration = Duration::from_secs(30);
/// How long to wait before what failed is tried again, at first and at most.
const RETRY: Duration = Duration::from_secs(30);
const LONGEST_RETRY: Duration = Duration::from_secs(3600);
/// A rendition differs by so many milliseconds from the sound: by the silence that encoders add.
const SILENCE_MS: u32 = 500;
/// Bytes that are copied at once.
const PIECE: u64 = 1 << 20;

/// A phone rendition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rendition {
    pub(super) sha256: Sha256Digest,
    pub(super) size: u64,
    pub(super) duration_ms: u32,
}

impl Rendition {
    /// What the feed says of it.
    pub(super) fn reference(&self) -> PhoneRendition {
        PhoneRendition {
            sha256: self.sha256,
            size: self.size,
            mime: Mime::Mpeg.as_str().to_owned(),
            duration_ms: u64::from(self.duration_ms),
        }
    }
}

/// Why there is no rendition of a sound.
#[derive(Debug, thiserror::Error)]
enum RenderError {
    #[error(transparent)]
    Encode(#[from] EncodeError),
    #[error(transparent)]
    Open(#[from] BlobError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Table(#[from] TableError),
}

impl From<io::Error> for RenderError {
    fn from(error: io::Error) -> Self {
        Self::Encode(error.into())
    }
}

impl RenderError {
    /// Whether it is the sound's fault, so that another try would end as this one.
    const fn is_of_sound(&self) -> bool {
        matches!(
            self,
            Self::Encode(
                EncodeError::Lame(LameError::Failed(_) | LameError::TooMuch)
                    | EncodeError::Undecodable
                    | EncodeError::Unlike
            )
        )
    }

    /// Whether it says nothing of other sounds, and this one is tried again when something is published.
    const fn is_passing(&self) -> bool {
        matches!(self, Self::Open(_) | Self::Encode(EncodeError::Killed(_) | EncodeError::Lame(LameError::Killed(_))))
    }
}

impl Blobs {
    /// Makes renditions by this encoder, and publishes them; a new sound waits so long for its own.
    #[must_use]
    pub fn with_renditions(mut self, encoder: Encoder, wait: Duration) -> Self {
        self.index.publish_renditions();
        self.rendition_wait = wait;
        self.encoder = Some(encoder);
        self
    }

    /// Makes renditions of what is published, whenever `published` says that something was; for as long as it is polled.
    pub async fn run_renditions<T>(&self, mut published: watch::Receiver<T>) {
        let Some(encoder) = &self.encoder else { return };
        while self.storage.load().is_none() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let (mut since, mut pause) = (0, RETRY);
        loop {
            published.mark_unchanged();
            let now = jiff::Timestamp::now().as_second();
            match self.render_published(encoder, since).await {
                // A clock may differ from another gateway's.
                Ok(()) => (since, pause) = (now - 600, RETRY),
                Err(error) => {
                    tracing::warn!(%error, "phone renditions cannot be made now");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_RETRY);
                    continue;
                }
            }
            if published.changed().await.is_err() {
                return;
            }
        }
    }

    async fn render_published(&self, encoder: &Encoder, since: i64) -> Result<(), RenderError> {
        self.index.add_renditions(&rendition_table::load(&self.pool, since).await?);
        let (mut made, mut published) = (Vec::new(), Instant::now());
        for sha256 in rendition_table::without(&self.pool).await? {
            let candidate = self.index.named(&sha256).into_iter().find_map(|(source, entry)| {
                let audio = gaining(&entry)?;
                Some((source, entry, audio))
            });
            let Some((source, entry, audio)) = candidate.filter(|_| !self.has_failed(&sha256)) else { continue };
            match self.render(encoder, &source, &entry, audio).await {
                Ok(rendition) => made.push((sha256, rendition)),
                Err(error) if error.is_of_sound() => self.note_failure(&source, sha256, &error),
                // It was changed meanwhile, or cannot be read, which the index looks after; or this host had no memory left.
                Err(error) if error.is_passing() => tracing::debug!(%error, sound = %sha256, "no rendition yet"),
                Err(error) => {
                    self.index.add_renditions(&made);
                    return Err(error);
                }
            }
            if published.elapsed() >= PUBLISH {
                self.index.add_renditions(&std::mem::take(&mut made));
                published = Instant::now();
            }
        }
        self.index.add_renditions(&made);
        let forgotten = rendition_table::forget(&self.pool).await?;
        for (source, rendition) in forgotten {
            self.index.forget_renditions(&[source]);
            self.store.remove(&rendition.sha256).await?;
        }
        Ok(())
    }

    /// Makes the rendition of a sound that is new, unless there are many of them; whatever comes of it, the sound is published then.
    pub(super) async fn render_if_few_wait(&self, source: &AudioSource, entry: &Entry) {
        let (Some(encoder), Some(audio)) = (&self.encoder, gaining(entry)) else { return };
        if self.index.progress().pending > FEW
            || self.has_failed(&audio.sha256)
            || self.index.has_rendition_of(&audio.sha256)
        {
            return;
        }
        match tokio::time::timeout(self.rendition_wait, self.render(encoder, source, entry, audio)).await {
            Ok(Ok(rendition)) => self.index.add_renditions(&[(audio.sha256, rendition)]),
            Ok(Err(error)) if error.is_of_sound() => self.note_failure(source, audio.sha256, &error),
            // It is made once the sound is published.
            Ok(Err(_)) | Err(_) => {}
        }
    }

    /// Makes the rendition of a sound: in the store first, then in the table.
    async fn render(
        &self,
        encoder: &Encoder,
        source: &AudioSource,
        entry: &Entry,
        audio: Audio,
    ) -> Result<Rendition, RenderError> {
        let (index, store, storage) = (self.index.clone(), self.store.clone(), self.storage.load_full());
        let (source, entry) = (source.clone(), *entry);
        let (blob, file) = unblocked(move || {
            let blob = open_source(&index, &store, storage.as_deref(), &source, &entry)?;
            Ok::<_, RenderError>((blob, store.scratch()?))
        })
        .await??;
        let path = Utf8Path::from_path(file.path()).ok_or_else(|| io::Error::other("a path is no UTF-8"))?.to_owned();
        encoder.encode(blob.file, audio.duration_ms, &path).await?;
        let made = std::fs::File::open(&path)?;
        let (made, measured) = unblocked(move || measure(&made).map(|measured| (made, measured))).await??;
        let rendition = match measured.sound {
            Some(sound)
                if sound.mime == Mime::Mpeg
                    && sound.duration_ms.abs_diff(audio.duration_ms) <= SILENCE_MS
                    && measured.size < entry.facts.size =>
            {
                Rendition { sha256: measured.sha256, size: measured.size, duration_ms: sound.duration_ms }
            }
            _ => return Err(EncodeError::Unlike.into()),
        };
        let mut incoming = self.store.begin().await?;
        let mut made = tokio::fs::File::from_std(made);
        loop {
            let mut piece = Vec::new();
            (&mut made).take(PIECE).read_to_end(&mut piece).await?;
            if piece.is_empty() {
                break;
            }
            incoming.add(piece).await?;
        }
        let incoming = incoming.finish().await?;
        self.store.keep(&incoming, &rendition.sha256).await?;
        rendition_table::save(&self.pool, &audio.sha256, &rendition).await?;
        Ok(rendition)
    }

    /// Opens a rendition. Where its file is lost, or only another gateway has it, it is made anew of the sound.
    pub(super) async fn open_rendition(&self, of: Sha256Digest, rendition: Rendition) -> Result<OpenBlob, BlobError> {
        let find = |store: std::sync::Arc<super::Store>| move || store.blob(&rendition.sha256);
        let mut file = unblocked(find(self.store.clone())).await??;
        if let (None, Some(encoder)) = (&file, &self.encoder) {
            for (source, entry) in self.index.named(&of) {
                let Condition::Ready(audio) = entry.condition else { continue };
                match self.render(encoder, &source, &entry, audio).await {
                    Ok(made) => {
                        self.index.add_renditions(&[(of, made)]);
                        break;
                    }
                    Err(error) => tracing::warn!(%error, sound = %of, "a lost phone rendition cannot be made anew"),
                }
            }
            file = unblocked(find(self.store.clone())).await??;
        }
        let file = file.ok_or(BlobError::NotFound)?;
        Ok(OpenBlob { file, size: rendition.size, mime: Mime::Mpeg.as_str() })
    }

    fn has_failed(&self, sound: &Sha256Digest) -> bool {
        self.unrendered.lock().unwrap_or_else(PoisonError::into_inner).contains(sound)
    }

    fn note_failure(&self, source: &AudioSource, sound: Sha256Digest, error: &RenderError) {
        tracing::warn!(source = super::record::source_text(source), %error, "there is no phone rendition of this sound");
        self.unrendered.lock().unwrap_or_else(PoisonError::into_inner).insert(sound);
    }
}

/// The audio of an entry, if it would gain by a rendition.
fn gaining(entry: &Entry) -> Option<Audio> {
    match entry.condition {
        Condition::Ready(audio) if gains(entry.facts.size, audio.duration_ms) => Some(audio),
        _ => None,
    }
}
