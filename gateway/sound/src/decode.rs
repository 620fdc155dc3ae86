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
use symphonia::core::packet::Packet;

use crate::mix::Mixer;
use crate::resample::Resampled;
use crate::wave;

/// A longer sound is none that anybody publishes.
pub const LONGEST_HOURS: u64 = 12;
/// Rates that recordings have.
const RATES: std::ops::RangeInclusive<u32> = 4_000..=384_000;

/// Why a sound cannot be decoded.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// It cannot be heard: nobody but who recorded it can help.
    #[error("it cannot be decoded: {0}")]
    Undecodable(String),
    /// It is of an encoding, or in a container, that this decoder does not know; another one may.
    #[error("it cannot be decoded: {0}")]
    Unsupported(String),
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
    /// Of an mp3, what the packets have in common that the codec decodes.
    form: Option<Mp3Form>,
    /// A packet that was read before its turn.
    ahead: Option<Packet>,
    interleaved: Vec<f32>,
    mixer: Mixer,
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
        let stream = MediaSourceStream::new(wave::with_true_lengths(file)?, MediaSourceStreamOptions::default());
        let mut hint = Hint::new();
        if let Some(extension) = extension {
            hint.with_extension(extension);
        }
        let reader = symphonia::default::get_probe()
            .probe(&hint, stream, FormatOptions::default(), MetadataOptions::default())
            .map_err(odd)?;
        let (codec, encoding, track) = decoder_of(reader.as_ref())?;
        let (interleaved, mixer) = (Vec::new(), Mixer::default());
        Ok(Self { reader, codec, encoding, track, form: None, ahead: None, interleaved, mixer, heard: 0, unheard: 0 })
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
        while let Some(packet) = self.packet()? {
            if self.is_mp3() && !self.has_codec_for(&packet)? {
                self.unheard += 1;
                continue;
            }
            // What the encoder put before the sound, where it says so; a codec of another encoding has left it out itself.
            let leading_silence =
                if self.is_mp3() { usize::try_from(packet.trim_start.get()).unwrap_or(usize::MAX) } else { 0 };
            match self.codec.decode(&packet) {
                Ok(buffer) if buffer.is_empty() => {}
                Ok(buffer) => {
                    let (rate, channels) = (buffer.spec().rate(), buffer.num_planes().max(1));
                    if !RATES.contains(&rate) {
                        return Err(DecodeError::Undecodable(format!("it has {rate} samples a second")));
                    }
                    self.interleaved.resize(buffer.samples_interleaved(), 0.0);
                    buffer.copy_to_slice_interleaved(&mut self.interleaved);
                    self.mixer.mix(&self.interleaved, channels, mono);
                    self.heard += 1;
                    mono.drain(..leading_silence.min(mono.len()));
                    if !mono.is_empty() {
                        return Ok(Some(rate));
                    }
                }
                Err(Error::IoError(error)) if error.raw_os_error().is_some() => return Err(error.into()),
                Err(_) => self.unheard += 1,
            }
        }
        self.end()
    }

    /// The next packet of the sound, if there is one.
    fn packet(&mut self) -> Result<Option<Packet>, DecodeError> {
        if let Some(packet) = self.ahead.take() {
            return Ok(Some(packet));
        }
        loop {
            match self.reader.next_packet() {
                Ok(Some(packet)) if packet.track_id == self.track => return Ok(Some(packet)),
                Ok(Some(_)) => {}
                Err(Error::IoError(error)) if error.raw_os_error().is_some() => return Err(error.into()),
                Err(Error::ResetRequired) => {
                    (self.codec, self.encoding, self.track) = decoder_of(self.reader.as_ref())?;
                }
                // What was cut off is heard as far as it goes.
                Ok(None) | Err(_) => return Ok(None),
            }
        }
    }

    /// Sees to it that the codec decodes mp3 of this packet's form, which the codec itself never changes: files of two forms may have been joined.
    /// A single packet of another form than both its neighbours is a chance find in other bytes, and gets none.
    fn has_codec_for(&mut self, packet: &Packet) -> Result<bool, DecodeError> {
        let form = Mp3Form::of(packet);
        if self.form.is_some_and(|known| known != form) {
            self.ahead = self.packet()?;
            if self.ahead.as_ref().map(Mp3Form::of) != Some(form) {
                return Ok(false);
            }
            (self.codec, ..) = decoder_of(self.reader.as_ref())?;
        }
        self.form = Some(form);
        Ok(true)
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

/// Version, layer, rate and whether there is one channel: what the head of an mp3's frame says of its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mp3Form([u8; 3]);

impl Mp3Form {
    fn of(packet: &Packet) -> Self {
        const ONE_CHANNEL: u8 = 0b1100_0000;
        let byte = |at: usize| packet.data.get(at).copied().unwrap_or(0);
        Self([byte(1) & 0b0001_1110, byte(2) & 0b0000_1100, u8::from(byte(3) & ONE_CHANNEL == ONE_CHANNEL)])
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
        return Err(DecodeError::Unsupported("its encoding is not known".to_owned()));
    };
    // Gapless, whatever is beyond the length would be dropped that the first frame of an mp3 states, or that is estimated of its first rate: all
    // of the second of two files that were joined. Vorbis states its length truly, at its end.
    let options = AudioDecoderOptions::default().gapless(parameters.codec != CODEC_ID_MP3);
    let decoder = symphonia::default::get_codecs().make_audio_decoder(parameters, &options).map_err(odd)?;
    Ok((decoder, parameters.codec, track.id))
}

fn undecodable(what: &str) -> DecodeError {
    DecodeError::Undecodable(what.to_owned())
}

fn odd(error: Error) -> DecodeError {
    match error {
        Error::IoError(error) if error.raw_os_error().is_some() => DecodeError::Io(error),
        Error::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => undecodable("it ends too early"),
        Error::Unsupported(_) => DecodeError::Unsupported(error.to_string()),
        other => DecodeError::Undecodable(other.to_string()),
    }
}

#[cfg(test)]
mod tests;
