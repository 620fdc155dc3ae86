//! From what the site publishes to what Asterisk seeks exactly: 8 kHz, mono, equally loud.
//!
//! Everything here works on one file, streamed, and blocks. The bytes come from strangers, so this runs in a process of its own
//! ([`make_phone_sound`] is what the hidden command `phone-sound` does): a parser that panics, goes round in circles or wants all memory
//! then ends with that process, at bounds that it gives itself, and nothing else ends with it. Who starts it is [`crate::workshop`].

mod host;
mod loudness;
mod write;

use std::fmt;
use std::fs;
use std::io;

use audiospread_sound::{Bounds, DecodeError};
use camino::{Utf8Path, Utf8PathBuf};
use rustix::process::{Signal, set_parent_process_death_signal};
use serde::{Deserialize, Serialize};

use self::host::Decoder;
pub(crate) use self::host::programs_here;
use self::loudness::{Limiter, Meter};
use self::write::Writer;
#[cfg(test)]
pub(crate) use self::write::head as wave_head;

/// Samples a second of a telephone.
pub(crate) const RATE: u32 = 8000;

/// What making one of so many bytes may take: some megabytes, and the time. Calls come first on this host. (The allocator maps 1 GiB of addresses
/// before the first byte is read: with no more than that, no program of the host could be started.)
const fn bounds(size: u64) -> Bounds {
    Bounds { memory: 2 << 30, seconds: seconds_for(size), file: None, niceness: 5 }
}

/// Seconds of a processor that a sound of so many bytes may take: what comes in telephone quality at 16 kbit/s at a slow board's pace, twice, and
/// at most an hour.
pub(crate) const fn seconds_for(size: u64) -> u64 {
    const AT_MOST: u64 = 3600;
    let seconds = 300 + size / 2_000;
    if seconds < AT_MOST { seconds } else { AT_MOST }
}

/// A format of sounds in which Asterisk finds a moment exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SoundFormat {
    /// RIFF WAVE, 16 bit: 16,000 bytes a second, and every tool reads it.
    #[default]
    Wav,
    /// G.711 µ-law: 8,000 bytes a second, as most trunks want it.
    Ulaw,
    /// GSM 06.10: 1,650 bytes a second; the host's sox or ffmpeg makes it.
    Gsm,
}

impl SoundFormat {
    /// All formats.
    pub const ALL: [Self; 3] = [Self::Wav, Self::Ulaw, Self::Gsm];

    /// The extension of its files, as Asterisk knows it.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::Ulaw => "ulaw",
            Self::Gsm => "gsm",
        }
    }

    /// The files that are written while a sound is made in this one.
    pub(crate) fn files(self, to: &Utf8Path) -> Vec<Utf8PathBuf> {
        let mut files = vec![to.to_owned(), write::path(to, self)];
        files.dedup();
        files
    }

    /// Bytes that a sound of so many milliseconds takes, about.
    pub(crate) const fn size_of(self, milliseconds: u64) -> u64 {
        let bytes_a_second = match self {
            Self::Wav | Self::Gsm => 16_000, // gsm is made from a wav beside it
            Self::Ulaw => 8_000,
        };
        milliseconds.saturating_mul(bytes_a_second) / 1000
    }

    /// Whether a file of this format is whole, by its form: a wave has as many samples as its head says.
    pub(crate) fn is_whole(self, path: &Utf8Path) -> bool {
        match self {
            Self::Wav => write::is_whole_wave(path),
            Self::Ulaw => std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0),
            Self::Gsm => std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0 && metadata.len() % 33 == 0),
        }
    }
}

impl fmt::Display for SoundFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.extension())
    }
}

impl std::str::FromStr for SoundFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|format| format.extension() == text).ok_or("a sound format is wav, ulaw or gsm")
    }
}

/// What came of a sound.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhoneSound {
    /// Its length.
    pub duration_ms: u64,
    /// By how much it was made louder, in dB.
    pub gain_db: f64,
}

/// Why there is no phone sound.
#[derive(Debug, thiserror::Error)]
pub enum SoundError {
    /// It cannot be heard: nobody but who recorded it can help.
    #[error("it cannot be decoded: {0}")]
    Undecodable(String),
    /// It is of a kind that our decoder does not know.
    #[error("it cannot be decoded: {0}")]
    Unsupported(String),
    /// This host is in the way.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The sound needs more space than there is.
    #[error("it needs more than the {0} bytes that there is room for")]
    TooLarge(u64),
    /// GSM, and nothing that can encode it.
    #[error("sound_format is gsm, and neither sox nor ffmpeg can make it here (apt-get install sox): {0}")]
    NoEncoder(String),
}

impl From<DecodeError> for SoundError {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Undecodable(why) => Self::Undecodable(why),
            DecodeError::Unsupported(why) => Self::Unsupported(why),
            DecodeError::Io(error) => Self::Io(error),
        }
    }
}

/// Makes a phone sound from an audio file; `to` is written anew, at most `at_most` bytes. Gives the process its bounds first: it is the last
/// thing that a process does.
///
/// # Errors
/// [`SoundError`].
pub fn make_phone_sound(
    from: &Utf8Path,
    to: &Utf8Path,
    format: SoundFormat,
    at_most: u64,
) -> Result<PhoneSound, SoundError> {
    // Whoever wanted the sound may be killed: then nobody wants it.
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(io::Error::from)?;
    bounds(fs::metadata(from)?.len()).take()?;
    convert(from, to, format, at_most)
}

/// Twice through the file: once to hear how loud it is, once to write it. Decoding is cheap; a copy of two hours on a memory card is not.
fn convert(from: &Utf8Path, to: &Utf8Path, format: SoundFormat, at_most: u64) -> Result<PhoneSound, SoundError> {
    let (meter, samples, decoder) = listen(from)?;
    if samples == 0 {
        return Err(SoundError::Undecodable("there is no sound in it".to_owned()));
    }
    let gain = meter.gain()?;
    let mut writer = Writer::create(to, format, at_most)?;
    let (mut limiter, mut out) = (Limiter::new(gain), Vec::new());
    decoder.each_block(from, &mut |block| {
        limiter.take(block, &mut out);
        writer.write(&out)?;
        out.clear();
        Ok(())
    })?;
    limiter.finish(&mut out);
    writer.write(&out)?;
    writer.finish()?;
    Ok(PhoneSound { duration_ms: samples * 1000 / u64::from(RATE), gain_db: gain.decibels() })
}

/// Hears how loud a file is, by the first decoder that understands it; says how many samples there are, and which decoder that was.
fn listen(from: &Utf8Path) -> Result<(Meter, u64, Decoder), SoundError> {
    let mut why = None;
    for decoder in Decoder::ALL {
        let mut meter = Meter::new()?;
        match decoder.each_block(from, &mut |block| meter.hear(block)) {
            Ok(samples) => return Ok((meter, samples, decoder)),
            // What our own decoder says of it is what people are told.
            Err(SoundError::Unsupported(reason)) => why = why.or(Some(reason)),
            Err(error) => return Err(error),
        }
    }
    let why = why.unwrap_or_default();
    let is_known = host::kind_of(from)?.is_some();
    let help = if is_known { "; ffmpeg or sox on this host may know it (apt-get install ffmpeg)" } else { "" };
    Err(SoundError::Undecodable(format!("{why}{help}")))
}

#[cfg(test)]
mod tests;
