//! Audio files of any rate and any number of channels as blocks of one channel.

use std::fs::File;
use std::io;

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;

use super::SoundError;

/// Rates that recordings have.
const RATES: std::ops::RangeInclusive<u32> = 4_000..=384_000;

/// A file that is being decoded.
pub(super) struct Decoder {
    reader: Box<dyn FormatReader>,
    codec: Box<dyn AudioDecoder>,
    track: u32,
    interleaved: Vec<f32>,
    /// Packets that were heard, and packets that were not.
    heard: u64,
    unheard: u64,
}

impl Decoder {
    /// Finds out what the file is; `extension` is a hint and nothing else.
    pub(super) fn open(file: File, extension: Option<&str>) -> Result<Self, SoundError> {
        let stream = MediaSourceStream::new(Box::new(file), MediaSourceStreamOptions::default());
        let mut hint = Hint::new();
        if let Some(extension) = extension {
            hint.with_extension(extension);
        }
        let reader = symphonia::default::get_probe()
            .probe(&hint, stream, FormatOptions::default(), MetadataOptions::default())
            .map_err(odd)?;
        let (codec, track) = decoder_of(reader.as_ref())?;
        Ok(Self { reader, codec, track, interleaved: Vec::new(), heard: 0, unheard: 0 })
    }

    /// The next block, mixed to one channel, and its rate; nothing at the end.
    pub(super) fn next(&mut self, mono: &mut Vec<f32>) -> Result<Option<u32>, SoundError> {
        loop {
            let packet = match self.reader.next_packet() {
                Ok(Some(packet)) => packet,
                Err(Error::IoError(error)) if error.raw_os_error().is_some() => return Err(error.into()),
                Err(Error::ResetRequired) => {
                    (self.codec, self.track) = decoder_of(self.reader.as_ref())?;
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
                        return Err(SoundError::Undecodable(format!("it has {rate} samples a second")));
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
    fn end(&self) -> Result<Option<u32>, SoundError> {
        if self.unheard > self.heard {
            return Err(SoundError::Undecodable(format!(
                "{} of its {} pieces make no sense",
                self.unheard,
                self.heard + self.unheard
            )));
        }
        Ok(None)
    }
}

fn decoder_of(reader: &dyn FormatReader) -> Result<(Box<dyn AudioDecoder>, u32), SoundError> {
    let track = reader.default_track(TrackType::Audio).ok_or_else(|| undecodable("there is no audio in it"))?;
    let Some(CodecParameters::Audio(parameters)) = &track.codec_params else {
        return Err(undecodable("its encoding is not known"));
    };
    let decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())
        .map_err(odd)?;
    Ok((decoder, track.id))
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

fn undecodable(what: &str) -> SoundError {
    SoundError::Undecodable(what.to_owned())
}

fn odd(error: Error) -> SoundError {
    match error {
        Error::IoError(error) if error.raw_os_error().is_some() => SoundError::Io(error),
        Error::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => undecodable("it ends too early"),
        other => SoundError::Undecodable(other.to_string()),
    }
}
