//! How long MPEG audio and Ogg Vorbis are, by counting their frames; 0 for what is neither.

use std::collections::BTreeMap;
use std::io;

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known::CODEC_ID_VORBIS;
use symphonia::core::errors::Error;
use symphonia::core::formats::{FormatOptions, FormatReader, Track};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::default::formats::{MpaReader, OggReader};

use super::section::Section;

/// What is the same in all frames of a stream: the version and the layer, and the sample rate.
type Kind = (u8, u8);

/// What frames of one kind add up to.
#[derive(Clone, Copy, Default)]
struct Frames {
    samples: u64,
    bytes: u64,
}

/// The length of a stream of MPEG audio layer III, in milliseconds. Pieces of different rates that were joined count, each by its own rate.
///
/// # Errors
/// If the file cannot be read.
pub(super) fn mpeg_ms(section: Section) -> io::Result<u64> {
    let length = section.len();
    // A seekable source would have the length estimated by a look at a few frames, which nobody here wants.
    let stream = MediaSourceStream::new(Box::new(section.forward_only()), MediaSourceStreamOptions::default());
    let Some(mut reader) = opened(MpaReader::try_new(stream, FormatOptions::default()))? else { return Ok(0) };

    let mut kinds: BTreeMap<Kind, Frames> = BTreeMap::new();
    while let Some(packet) = next(&mut reader)? {
        let Some([_, version, rate, ..]) = packet.data.first_chunk::<4>() else { continue };
        let frames = kinds.entry((version & 0x1e, rate & 0x0c)).or_default();
        frames.samples += packet.block_dur().get();
        frames.bytes += packet.data.len() as u64;
    }
    // In bytes that are no audio, what looks like a frame is found by chance, and is of any kind: in tags and rubbish behind the music,
    // and all over files of other types. Frames of music lie close together.
    let bytes: u64 = kinds.values().map(|frames| frames.bytes).sum();
    kinds.retain(|kind, frames| frames.bytes.saturating_mul(8) >= bytes && sample_rate(*kind).is_some());
    let bytes: u64 = kinds.values().map(|frames| frames.bytes).sum();
    if bytes.saturating_mul(8) < length {
        return Ok(0);
    }
    Ok(kinds.iter().filter_map(|(kind, frames)| Some(milliseconds(frames.samples, sample_rate(*kind)?))).sum())
}

/// The samples a second of layer III frames of a kind.
fn sample_rate((version, rate): Kind) -> Option<u32> {
    let of_version_1 = [44_100, 48_000, 32_000].get(usize::from(rate >> 2))?;
    match version {
        0b1_1010 => Some(*of_version_1),
        0b1_0010 => Some(of_version_1 / 2),
        0b0_0010 => Some(of_version_1 / 4),
        _ => None,
    }
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
