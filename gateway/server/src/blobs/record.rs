//! What is known of one source of audio.

use audiospread_protocol::{AudioRef, Sha256Digest};

use super::measure::Mime;
use crate::beneath::Facts;
use crate::catalogue::site::{AudioSource, AudioState};

/// Where bytes were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Home {
    /// In a directory of Drupal's, by its number in the index.
    Directory(u16),
    /// In a table of Drupal's; the gateway has a copy.
    Store,
}

/// What the bytes at a source are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// They were not looked at yet.
    Pending,
    /// They are audio.
    Ready(Audio),
    /// There are none.
    Missing,
    /// They are no audio.
    NotAudio,
    /// They are not the bytes that bitcache's name for them promises.
    Corrupt,
    /// The gateway's account may not read them.
    Unreadable,
}

/// Audio, as small as it can be said: there may be millions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Audio {
    pub(super) sha256: Sha256Digest,
    pub(super) mime: Mime,
    pub(super) duration_ms: u32,
}

/// What was found at a source, and what tells whether it is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) condition: Condition,
    /// Where the bytes are; absent where there are none.
    pub(super) home: Option<Home>,
    /// The file as it was when it was read; for a copy of ours only the size counts.
    pub(super) facts: Facts,
}

impl Entry {
    pub(super) const PENDING: Self =
        Self { condition: Condition::Pending, home: None, facts: Facts { size: 0, mtime_ns: 0, inode: 0 } };

    /// What the catalogue is told.
    pub(super) fn state(&self) -> AudioState {
        match self.condition {
            Condition::Pending => AudioState::Pending,
            Condition::Ready(audio) => AudioState::Ready(AudioRef {
                sha256: audio.sha256,
                size: self.facts.size,
                mime: audio.mime.as_str().to_owned(),
                duration_ms: u64::from(audio.duration_ms),
                phone: None,
            }),
            Condition::Missing | Condition::Corrupt | Condition::Unreadable => AudioState::Missing,
            Condition::NotAudio => AudioState::NotAudio,
        }
    }
}

/// A source and what was found there.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) source: AudioSource,
    pub(super) entry: Entry,
    /// Whether it waits to be looked at.
    pub(super) queued: bool,
    /// Whether the site still names it.
    pub(super) wanted: bool,
}

/// A source as text, for the table of the index and for sentences.
pub(super) fn source_text(source: &AudioSource) -> String {
    match source {
        AudioSource::Bitcache(sha1) => format!("sha1:{}", hex::encode(sha1)),
        AudioSource::Path(path) => format!("path:{path}"),
    }
}

/// The source that [`source_text`] wrote.
pub(super) fn source_of(text: &str) -> Option<AudioSource> {
    if let Some(path) = text.strip_prefix("path:") {
        return Some(AudioSource::Path(path.into()));
    }
    let mut sha1 = [0; 20];
    hex::decode_to_slice(text.strip_prefix("sha1:")?, &mut sha1).ok()?;
    Some(AudioSource::Bitcache(sha1))
}
