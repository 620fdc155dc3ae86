//! Audio files of any rate and any number of channels as blocks of one channel.

use std::fs::File;
use std::io;

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known::CODEC_ID_MP3;
use symphonia::core::codecs::audio::{AudioCodecId, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;

use crate::resample::Resampled;

/// A longer sound is none that anybody publishes.
const LONGEST_HOURS: u64 = 12;
/// Rates that recordings have.
const RATES: std::ops::RangeInclusive<u32> = 4_000..=384_000;

/// Why a sound cannot be decoded.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// It cannot be heard: nobody but who recorded it can help.
    #[error("it cannot be decoded: {0}")]
    Undecodable(String),
    /// It cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// A file that is being decoded.
pub struct Decoder {
    reader: Box<dyn FormatReader>,
    codec: Box<dyn AudioDecoder>,
    encoding: AudioCodecId,
    track: u32,
    interleaved: Vec<f32>,
    /// Packets that were heard, and packets that were not.
    heard: u64,
    unheard: u64,
}

impl Decoder {
    /// Finds out what the file is; `extension` is a hint and nothing else.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn open(file: File, extension: Option<&str>) -> Result<Self, DecodeError> {
        let stream = MediaSourceStream::new(Box::new(file), MediaSourceStreamOptions::default());
        let mut hint = Hint::new();
        if let Some(extension) = extension {
            hint.with_extension(extension);
        }
        let reader = symphonia::default::get_probe()
            .probe(&hint, stream, FormatOptions::default(), MetadataOptions::default())
            .map_err(odd)?;
        let (codec, encoding, track) = decoder_of(reader.as_ref())?;
        Ok(Self { reader, codec, encoding, track, interleaved: Vec::new(), heard: 0, unheard: 0 })
    }

    /// Whether it is an mp3.
    pub fn is_mp3(&self) -> bool {
        self.encoding == CODEC_ID_MP3
    }

    /// The next block, mixed to one channel, and its rate; nothing at the end.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn next(&mut self, mono: &mut Vec<f32>) -> Result<Option<u32>, DecodeError> {
        loop {
            let packet = match self.reader.next_packet() {
                Ok(Some(packet)) => packet,
                Err(Error::IoError(error)) if error.raw_os_error().is_some() => return Err(error.into()),
                Err(Error::ResetRequired) => {
                    (self.codec, self.encoding, self.track) = decoder_of(self.reader.as_ref())?;
                    continue;
                }
                // What was cut off is heard as far as it goes.
                Ok(None) | Err(_) => return self.end(),
            };
            if packet.track_id != self.track {
                continue;
            }
            match self.codec.decode(&packet) {
                Ok(buffer) if buffer.is_empty() => {}
                Ok(buffer) => {
                    let (rate, channels) = (buffer.spec().rate(), buffer.num_planes().max(1));
                    if !RATES.contains(&rate) {
                        return Err(DecodeError::Undecodable(format!("it has {rate} samples a second")));
                    }
                    self.interleaved.resize(buffer.samples_interleaved(), 0.0);
                    buffer.copy_to_slice_interleaved(&mut self.interleaved);
                    mix(&self.interleaved, channels, mono);
                    self.heard += 1;
                    return Ok(Some(rate));
                }
                Err(Error::IoError(error)) if error.raw_os_error().is_some() => return Err(error.into()),
                Err(_) => self.unheard += 1,
            }
        }
    }

    /// In bytes that are no audio something that looks like a frame is found by chance, and is mostly not one.
    fn end(&self) -> Result<Option<u32>, DecodeError> {
        if self.unheard > self.heard {
            return Err(DecodeError::Undecodable(format!(
                "{} of its {} pieces make no sense",
                self.unheard,
                self.heard + self.unheard
            )));
        }
        Ok(None)
    }
}

/// Decodes a file to its end, and hands it out as one channel of `rate` samples a second; says how many there were.
///
/// # Errors
/// [`DecodeError`], or what `take` says.
pub fn decode<E: From<DecodeError>>(
    file: File,
    extension: Option<&str>,
    rate: u32,
    take: &mut dyn FnMut(&[f32]) -> Result<(), E>,
) -> Result<u64, E> {
    let mut decoder = Decoder::open(file, extension)?;
    let mut resampled: Option<Resampled> = None;
    let (mut mono, mut out, mut samples) = (Vec::new(), Vec::new(), 0_u64);
    let mut deliver = |out: &mut Vec<f32>| {
        samples += out.len() as u64;
        if samples > LONGEST_HOURS * 3600 * u64::from(rate) {
            return Err(E::from(DecodeError::Undecodable(format!("it is longer than {LONGEST_HOURS} hours"))));
        }
        take(out)?;
        out.clear();
        Ok(())
    };
    while let Some(from) = decoder.next(&mut mono)? {
        // Pieces of different rates that were joined follow each other, each at its own.
        if let Some(former) = resampled.take_if(|resampled| resampled.source_rate() != from) {
            former.finish(&mut out)?;
        }
        let resampled = match &mut resampled {
            Some(resampled) => resampled,
            none => none.insert(Resampled::new(from, rate)?),
        };
        resampled.push(&mono, &mut out)?;
        deliver(&mut out)?;
    }
    if let Some(last) = resampled {
        last.finish(&mut out)?;
        deliver(&mut out)?;
    }
    Ok(samples)
}

fn decoder_of(reader: &dyn FormatReader) -> Result<(Box<dyn AudioDecoder>, AudioCodecId, u32), DecodeError> {
    let track = reader.default_track(TrackType::Audio).ok_or_else(|| undecodable("there is no audio in it"))?;
    let Some(CodecParameters::Audio(parameters)) = &track.codec_params else {
        return Err(undecodable("its encoding is not known"));
    };
    let decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())
        .map_err(odd)?;
    Ok((decoder, parameters.codec, track.id))
}

/// All channels to one. What is no number is silence.
fn mix(interleaved: &[f32], channels: usize, mono: &mut Vec<f32>) {
    mono.clear();
    #[allow(clippy::cast_precision_loss, reason = "there are few channels")]
    let share = 1.0 / channels as f32;
    mono.extend(interleaved.chunks_exact(channels).map(|frame| {
        let sample = frame.iter().sum::<f32>() * share;
        if sample.is_finite() { sample.clamp(-8.0, 8.0) } else { 0.0 }
    }));
}

fn undecodable(what: &str) -> DecodeError {
    DecodeError::Undecodable(what.to_owned())
}

fn odd(error: Error) -> DecodeError {
    match error {
        Error::IoError(error) if error.raw_os_error().is_some() => DecodeError::Io(error),
        Error::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => undecodable("it ends too early"),
        other => DecodeError::Undecodable(other.to_string()),
    }
}
