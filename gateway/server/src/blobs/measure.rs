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
    let mut beginning = [0; 12];
    let read = whole.read_fully_at(&mut beginning, start)?;
    let section = whole.from(start);
    let heard = catch_unwind(AssertUnwindSafe(|| match &beginning[..read] {
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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;
    use rand::rngs::StdRng;
    use rand::{RngCore, SeedableRng};

    use super::*;

    const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/drupal6-site/files");
    /// A fixture's constant 16 kbit/s at 16 kHz: 62 frames of 72 bytes and 36 ms.
    const SPEECH: &str = "bitcache/file/97cb0789fc8bb28db4d912c405fb449bf285ad9f";
    const WAV: &str = "bitcache/file/a7d287eb313b8c2c5c6a6da12a40f31a95eeedaa";
    const OGG: &str = "bitcache/file/52a55ce0daa6495be07f53416881da05809a1747";

    fn bytes_of(name: &str) -> Vec<u8> {
        std::fs::read(format!("{FILES}/{name}")).unwrap()
    }

    fn heard(bytes: &[u8]) -> Option<Sound> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let measured = measure(&file).unwrap();
        assert_eq!(measured.size, bytes.len() as u64);
        assert_eq!(measured.sha256, Sha256Digest::of(bytes));
        measured.sound
    }

    fn mpeg(duration_ms: u32) -> Sound {
        Sound { mime: Mime::Mpeg, duration_ms }
    }

    fn noise(seed: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        StdRng::seed_from_u64(seed).fill_bytes(&mut bytes);
        bytes
    }

    fn tag(size: [u8; 4]) -> Vec<u8> {
        [b"ID3\x03\x00\x00".as_slice(), &size].concat()
    }

    #[test]
    fn frames_are_counted_to_the_millisecond() {
        assert_eq!(heard(&bytes_of(SPEECH)), Some(mpeg(2232)));
    }

    #[test]
    fn a_wave_is_as_long_as_its_samples() {
        // 82,640 bytes: a head of 44, and samples of 8 kHz, 16 bit, mono.
        let sound = heard(&bytes_of(WAV)).unwrap();
        assert_eq!(sound.mime, Mime::Wav);
        assert!((5155..=5163).contains(&sound.duration_ms), "{sound:?}");
    }

    #[test]
    fn a_wave_cut_off_or_stopped_by_force_is_as_long_as_what_is_there() {
        let mut wave = bytes_of(WAV);
        let data = wave.windows(4).position(|window| window == b"data").unwrap();
        wave.truncate(data + 8 + 16_000);
        assert_eq!(heard(&wave), Some(Sound { mime: Mime::Wav, duration_ms: 1000 }));
        for length in [0, u32::MAX] {
            wave[data + 4..data + 8].copy_from_slice(&length.to_le_bytes());
            assert_eq!(heard(&wave), Some(Sound { mime: Mime::Wav, duration_ms: 1000 }));
        }
    }

    #[test]
    fn a_wave_without_samples_or_sense_is_no_audio() {
        let wave = bytes_of(WAV);
        assert_eq!(heard(&wave[..12]), None);
        assert_eq!(heard(&wave[..40]), None);
        let mut silent = wave.clone();
        // No channels.
        silent[22] = 0;
        assert_eq!(heard(&silent), None);
        // A chunk that claims four gigabytes.
        let list = [&wave[..12], b"LIST\xff\xff\xff\xffINFOIART\xff\xff\xff\xf0", &wave[12..]].concat();
        assert_eq!(heard(&list), None);
    }

    #[test]
    fn ogg_vorbis_is_heard() {
        let sound = heard(&bytes_of(OGG)).unwrap();
        assert_eq!(sound.mime, Mime::Ogg);
        // 19,667 bytes at 37,957 bit/s.
        assert!((4000..=4300).contains(&sound.duration_ms), "{sound:?}");
        let chained = heard(&[bytes_of(OGG), bytes_of(OGG)].concat()).unwrap();
        assert!(chained.duration_ms >= sound.duration_ms, "{chained:?}");
    }

    #[test]
    fn tags_in_front_and_behind_are_not_heard() {
        let speech = bytes_of(SPEECH);
        let picture = [tag([0, 0, 8, 0]), vec![0xff; 1024]].concat();
        assert_eq!(heard(&[picture.clone(), speech.clone()].concat()), Some(mpeg(2232)));
        assert_eq!(heard(&[picture.clone(), picture, speech.clone()].concat()), Some(mpeg(2232)));
        let id3v1 = [b"TAG".as_slice(), &[b' '; 125]].concat();
        assert_eq!(heard(&[speech, id3v1].concat()), Some(mpeg(2232)));
    }

    #[test]
    fn rubbish_around_the_frames_is_not_heard() {
        let speech = bytes_of(SPEECH);
        let rubbish = noise(1, 20_000);
        let sound = heard(&[speech.clone(), rubbish.clone()].concat()).unwrap();
        assert!((2232..=2340).contains(&sound.duration_ms), "{sound:?}");
        let sound = heard(&[rubbish[..3000].to_vec(), speech].concat()).unwrap();
        assert!((2200..=2340).contains(&sound.duration_ms), "{sound:?}");
    }

    #[test]
    fn pieces_of_different_rates_that_were_joined_are_as_long_as_both() {
        // 11,025 Hz and 16,000 Hz.
        let (slow, fast) = (bytes_of("fete-titre.mp3"), bytes_of(SPEECH));
        let alone = heard(&slow).unwrap().duration_ms;
        let joined = heard(&[slow, fast].concat()).unwrap().duration_ms;
        assert!(joined.abs_diff(alone + 2232) <= 53, "{joined}");
    }

    #[test]
    fn a_truncated_file_is_as_long_as_its_whole_frames() {
        assert_eq!(heard(&bytes_of(SPEECH)[..72 * 31 + 5]), Some(mpeg(31 * 36)));
    }

    #[test]
    fn a_header_that_promises_more_than_there_is_is_not_believed() {
        // A first frame with a Xing header of a million frames; it is no sound itself.
        let speech = bytes_of(SPEECH);
        let mut first = vec![0; 72];
        first[..4].copy_from_slice(&speech[..4]);
        first[13..17].copy_from_slice(b"Xing");
        first[20] = 1;
        first[21..25].copy_from_slice(&1_000_000_u32.to_be_bytes());
        assert_eq!(heard(&[first, speech].concat()), Some(mpeg(2232)));
    }

    #[test]
    fn what_is_no_audio_is_none() {
        let speech = bytes_of(SPEECH);
        let hidden = [tag([0x7f; 4]), speech.clone()].concat();
        let only_tag = [tag([0, 0, 8, 0]), vec![0; 1024]].concat();
        for bytes in [
            b"".as_slice(),
            b"ID3",
            b"<?php phpinfo();",
            &noise(2, 300_000),
            &hidden,
            &only_tag,
            &vec![0; 100_000],
            &vec![0xff; 100_000],
            b"OggS",
            &bytes_of(OGG)[..60],
            &speech[..40],
            &bytes_of("transcript_03.txt"),
        ] {
            assert_eq!(heard(bytes), None, "{} bytes", bytes.len());
        }
    }

    #[test]
    fn noise_is_hardly_ever_taken_for_audio() {
        let taken = (0..200).filter(|seed| heard(&noise(*seed, 30_000)).is_some()).count();
        assert_eq!(taken, 0);
    }

    #[test]
    fn every_file_of_the_fixture_is_as_long_as_its_rate_says() {
        let expected = std::fs::read(format!("{FILES}/../EXPECTED.json")).unwrap();
        let expected: serde_json::Value = serde_json::from_slice(&expected).unwrap();
        let mut compared = 0;
        for file in expected["file_nodes"].as_array().unwrap() {
            let Ok(bytes) = std::fs::read(format!("{FILES}/bitcache/file/{}", file["sha1"].as_str().unwrap())) else {
                continue;
            };
            let sound = heard(&bytes).unwrap_or_else(|| panic!("{file}"));
            let rate = &file["rdf"]["audio_bitrate"];
            let rate = rate.as_f64().or_else(|| rate.as_str()?.parse().ok()).unwrap();
            let by_rate = f64::from(u32::try_from(bytes.len()).unwrap()) * 8000.0 / rate;
            let difference = (f64::from(sound.duration_ms) - by_rate).abs();
            assert!(difference <= 150.0 + by_rate * 0.03, "{sound:?}, by rate {by_rate} ms: {file}");
            compared += 1;
        }
        assert!(compared > 240, "{compared}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_parser_panic_or_hang(
            which in 0..3_usize,
            cut in 0..20_000_usize,
            changes in prop::collection::vec((0..20_000_usize, any::<u8>()), 0..40),
        ) {
            let mut bytes = bytes_of([SPEECH, WAV, OGG][which]);
            bytes.truncate(cut);
            for (at, byte) in changes {
                if let Some(place) = bytes.get_mut(at) {
                    *place = byte;
                }
            }
            heard(&bytes);
        }
    }
}
