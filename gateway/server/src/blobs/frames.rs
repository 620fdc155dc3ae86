//! How long MPEG audio and Ogg Vorbis are, by counting their frames; 0 for what is neither.

use std::io;

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_MP3, CODEC_ID_VORBIS};
use symphonia::core::errors::Error;
use symphonia::core::formats::{FormatOptions, FormatReader, Track};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::default::formats::{MpaReader, OggReader};

use super::section::Section;

/// The version and the layer of a frame, and its sample rate: the same in all frames of a stream.
const SAME_STREAM: [u8; 3] = [0, 0x1e, 0x0c];

/// The length of a stream of MPEG audio layer III, in milliseconds.
///
/// # Errors
/// If the file cannot be read.
pub(super) fn mpeg_ms(section: Section) -> io::Result<u64> {
    let length = section.len();
    // A seekable source would have the length estimated by a look at a few frames, which nobody here wants.
    let stream = MediaSourceStream::new(Box::new(section.forward_only()), MediaSourceStreamOptions::default());
    let Some(mut reader) = opened(MpaReader::try_new(stream, FormatOptions::default()))? else { return Ok(0) };
    let Some((rate, CODEC_ID_MP3)) = reader.tracks().first().and_then(rate_and_codec) else { return Ok(0) };

    let (mut samples, mut bytes, mut first) = (0_u64, 0_u64, None);
    while let Some(packet) = next(&mut reader)? {
        let Some(head) = packet.data.first_chunk::<3>() else { continue };
        let kind = std::array::from_fn::<_, 3, _>(|i| head[i] & SAME_STREAM[i]);
        // Tags and rubbish behind the music contain what looks like a frame now and then, seldom one of the same kind.
        if *first.get_or_insert(kind) == kind {
            samples += packet.block_dur().get();
            bytes += packet.data.len() as u64;
        }
    }
    // In bytes that are no audio at all, a few frames are found by chance; in audio, frames lie close together.
    let by_chance = bytes.saturating_mul(8) < length;
    Ok(if by_chance { 0 } else { milliseconds(samples, rate) })
}

/// The length of an Ogg stream's Vorbis audio, in milliseconds; chained streams follow each other.
///
/// # Errors
/// If the file cannot be read.
pub(super) fn vorbis_ms(section: Section) -> io::Result<u64> {
    let stream = MediaSourceStream::new(Box::new(section), MediaSourceStreamOptions::default());
    let Some(mut reader) = opened(OggReader::try_new(stream, FormatOptions::default()))? else { return Ok(0) };
    let mut total = 0_u64;
    loop {
        let vorbis = reader.tracks().iter().find_map(|track| match rate_and_codec(track) {
            Some((rate, CODEC_ID_VORBIS)) => Some((track.id, rate)),
            _ => None,
        });
        let mut samples = 0_u64;
        let link_ended = loop {
            match reader.next_packet() {
                Ok(Some(packet)) if vorbis.is_some_and(|(id, _)| id == packet.track_id) => samples += packet.dur.get(),
                Ok(Some(_)) => {}
                Err(Error::ResetRequired) => break true,
                Err(Error::IoError(error)) if is_failure(&error) => return Err(error),
                Ok(None) | Err(_) => break false,
            }
        };
        total += vorbis.map_or(0, |(_, rate)| milliseconds(samples, rate));
        if !link_ended {
            return Ok(total);
        }
    }
}

fn rate_and_codec(track: &Track) -> Option<(u32, symphonia::core::codecs::audio::AudioCodecId)> {
    let CodecParameters::Audio(audio) = track.codec_params.as_ref()? else { return None };
    Some((audio.sample_rate.filter(|rate| *rate > 0)?, audio.codec))
}

fn opened<R>(result: symphonia::core::errors::Result<R>) -> io::Result<Option<R>> {
    match result {
        Ok(reader) => Ok(Some(reader)),
        Err(Error::IoError(error)) if is_failure(&error) => Err(error),
        Err(_) => Ok(None),
    }
}

fn next(reader: &mut impl FormatReader) -> io::Result<Option<symphonia::core::packet::Packet>> {
    match reader.next_packet() {
        Ok(packet) => Ok(packet),
        Err(Error::IoError(error)) if is_failure(&error) => Err(error),
        Err(_) => Ok(None),
    }
}

/// Whether the disk failed, rather than the bytes ended too early or kept a parser busy for too long.
fn is_failure(error: &io::Error) -> bool {
    error.raw_os_error().is_some()
}

fn milliseconds(samples: u64, rate: u32) -> u64 {
    let rate = u64::from(rate);
    (samples.saturating_mul(1000) + rate / 2) / rate
}
