//! What a file's bytes are: their digests, and, if they are audio, of which type and how long.
//!
//! The bytes come from strangers. Everything is streamed, nothing is allocated by a length that the file claims, the time is bounded, and a
//! panic in a parser counts as "no audio". Nothing is decoded: frames are counted, which gives the length that will be heard even where a
//! header promises another. Names and types that Drupal's tables give are not looked at.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use audiospread_protocol::Sha256Digest;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::frames;
use super::section::Section;
use super::wave;

/// The types of audio that phone servers are offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mime {
    /// MPEG audio layer III.
    Mpeg,
    /// RIFF WAVE.
    Wav,
    /// Ogg with Vorbis.
    Ogg,
}

impl Mime {
    /// The media type.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Mpeg => "audio/mpeg",
            Self::Wav => "audio/wav",
            Self::Ogg => "audio/ogg",
        }
    }

    /// The type of this name, if it is one of [`Mime::as_str`].
    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::Mpeg, Self::Wav, Self::Ogg].into_iter().find(|mime| mime.as_str() == name)
    }
}

/// What was heard of, in a file that is audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sound {
    /// The type by content.
    pub(super) mime: Mime,
    /// The length in milliseconds; at least 1.
    pub(super) duration_ms: u32,
}

/// The bytes of a file, read once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Measured {
    /// The SHA-256 of the bytes.
    pub(super) sha256: Sha256Digest,
    /// Their SHA-1: the name that Drupal's bitcache gives them.
    pub(super) sha1: [u8; 20],
    /// Their number.
    pub(super) size: u64,
    /// What they sound like; absent if they are no audio.
    pub(super) sound: Option<Sound>,
}

/// Reads `file` from its beginning to its end. Blocks.
///
/// # Errors
/// If it cannot be read.
pub(super) fn measure(file: &File) -> io::Result<Measured> {
    let (mut sha256, mut sha1) = (Sha256::new(), Sha1::new());
    let mut buffer = vec![0; 256 * 1024];
    let mut size = 0;
    loop {
        let read = match file.read_at(&mut buffer, size) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        sha256.update(&buffer[..read]);
        sha1.update(&buffer[..read]);
        size += read as u64;
    }
    Ok(Measured {
        sha256: Sha256Digest(sha256.finalize().into()),
        sha1: sha1.finalize().into(),
        size,
        sound: listen(file, size)?,
    })
}

/// What the first `size` bytes of `file` sound like.
fn listen(file: &File, size: u64) -> io::Result<Option<Sound>> {
    let whole = Section::new(file.try_clone()?, 0, size);
    let start = behind_tags(&whole)?;
    let mut head = [0; 12];
    let read = whole.read_fully_at(&mut head, start)?;
    let head = &head[..read];
    let section = whole.from(start);
    let heard = catch_unwind(AssertUnwindSafe(|| match head {
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E'] => (Mime::Wav, wave::duration_ms(&section)),
        [b'O', b'g', b'g', b'S', ..] => (Mime::Ogg, frames::vorbis_ms(section)),
        _ => (Mime::Mpeg, frames::mpeg_ms(section)),
    }));
    let Ok((mime, duration)) = heard else { return Ok(None) };
    let duration_ms = u32::try_from(duration?).unwrap_or(u32::MAX);
    Ok((duration_ms > 0).then_some(Sound { mime, duration_ms }))
}

/// Where the bytes begin that follow the `ID3v2` tags in front, if there are any. A tag longer than the file hides everything.
fn behind_tags(file: &Section) -> io::Result<u64> {
    let mut start = 0;
    // Some programs put a second tag before the first; nobody puts a hundred.
    for _ in 0..8 {
        let mut head = [0; 10];
        if file.read_fully_at(&mut head, start)? < head.len() {
            break;
        }
        let [b'I', b'D', b'3', _, _, flags, size @ ..] = head else { break };
        if size.iter().any(|byte| byte & 0x80 != 0) {
            break;
        }
        let length = size.iter().fold(0, |sum, byte| sum << 7 | u64::from(*byte));
        let footer = if flags & 0x10 == 0 { 0 } else { 10 };
        start += 10 + length + footer;
    }
    Ok(start)
}
