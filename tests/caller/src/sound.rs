//! Sounds as a telephone carries them: 8000 samples a second, one channel. Read from any file the site may have, and written as wav; knows
//! nothing of calls.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler};
use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::errors::Error as Broken;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;

/// Samples a second.
pub const RATE: u32 = 8000;

/// Softer than this is silence; a twentieth of a voice.
pub(crate) const AUDIBLE: u16 = 300;

/// Why a file is no sound.
#[derive(Debug, thiserror::Error)]
pub enum SoundError {
    /// It cannot be read at all.
    #[error("cannot read {0}: {1}")]
    File(String, std::io::Error),
    /// It is no audio that we know.
    #[error("{0} is not audio that can be decoded: {1}")]
    Format(String, String),
    /// It cannot be written.
    #[error("cannot write {0}: {1}")]
    Write(String, hound::Error),
}

/// A sound of 8000 samples a second.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sound(Vec<i16>);

impl Sound {
    /// Reads wav, mp3 or ogg of any rate; several channels are mixed.
    ///
    /// # Errors
    /// If the file is not there, or is no sound.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, SoundError> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let file = File::open(path).map_err(|error| SoundError::File(name.clone(), error))?;
        let (rate, mono) = decode(file).map_err(|error| SoundError::Format(name.clone(), error.to_string()))?;
        resample(rate, &mono).map(Self).map_err(|error| SoundError::Format(name, error))
    }

    /// Of samples that are there already.
    pub fn from_samples(samples: Vec<i16>) -> Self {
        Self(samples)
    }

    /// All samples.
    pub fn samples(&self) -> &[i16] {
        &self.0
    }

    /// How many samples a sound of this duration has.
    pub fn samples_in(duration: Duration) -> usize {
        samples(duration)
    }

    /// How long it lasts.
    pub fn duration(&self) -> Duration {
        duration(self.0.len())
    }

    /// Whether there is nothing in it that can be heard.
    pub fn is_silent(&self) -> bool {
        self.0.iter().all(|sample| sample.unsigned_abs() < AUDIBLE)
    }

    /// The part from one moment to another, as far as it is there.
    #[must_use]
    pub fn part(&self, from: Duration, to: Duration) -> Self {
        let to = samples(to).min(self.0.len());
        Self(self.0[samples(from).min(to)..to].to_vec())
    }

    /// Without the silence before and after.
    #[must_use]
    pub fn trimmed(&self) -> Self {
        let loud = |sample: &i16| sample.unsigned_abs() >= AUDIBLE;
        let Some(from) = self.0.iter().position(loud) else { return Self::default() };
        let to = self.0.iter().rposition(loud).unwrap_or(from);
        Self(self.0[from..=to].to_vec())
    }

    /// Writes it as wav, 16 bit.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), SoundError> {
        let path = path.as_ref();
        let wrong = |error| SoundError::Write(path.display().to_string(), error);
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: RATE,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(path, spec).map_err(wrong)?;
        for sample in &self.0 {
            writer.write_sample(*sample).map_err(wrong)?;
        }
        writer.finalize().map_err(wrong)
    }
}

/// How long so many samples last.
pub(crate) fn duration(samples: usize) -> Duration {
    Duration::from_micros(samples as u64 * 125)
}

/// How many samples last so long.
pub(crate) fn samples(duration: Duration) -> usize {
    usize::try_from(duration.as_micros() / 125).unwrap_or(usize::MAX)
}

/// The rate of a file, and its samples between -1 and 1.
fn decode(file: File) -> Result<(u32, Vec<f32>), Broken> {
    let stream = MediaSourceStream::new(Box::new(file), symphonia::core::io::MediaSourceStreamOptions::default());
    let mut format = symphonia::default::get_probe().probe(
        &Hint::new(),
        stream,
        FormatOptions::default(),
        MetadataOptions::default(),
    )?;
    let track = format.default_track(TrackType::Audio).ok_or(Broken::Unsupported("no audio"))?;
    let track_id = track.id;
    let parameters = track.codec_params.as_ref().and_then(|parameters| parameters.audio());
    let parameters = parameters.ok_or(Broken::Unsupported("no audio"))?;
    let mut decoder =
        symphonia::default::get_codecs().make_audio_decoder(parameters, &AudioDecoderOptions::default())?;
    let (mut rate, mut mono, mut interleaved) = (0, Vec::new(), Vec::<f32>::new());
    while let Some(packet) = format.next_packet()? {
        if packet.track_id != track_id {
            continue;
        }
        let buffer = match decoder.decode(&packet) {
            Ok(buffer) => buffer,
            // As players do: what cannot be decoded is passed over.
            Err(Broken::DecodeError(_)) => continue,
            Err(error) => return Err(error),
        };
        rate = buffer.spec().rate();
        let channels = buffer.spec().channels().count().max(1);
        buffer.copy_to_vec_interleaved(&mut interleaved);
        #[allow(clippy::cast_precision_loss, reason = "a few channels")]
        mono.extend(interleaved.chunks(channels).map(|frame| frame.iter().sum::<f32>() / channels as f32));
    }
    Ok((rate, mono))
}

fn resample(rate: u32, mono: &[f32]) -> Result<Vec<i16>, String> {
    let whole = |samples: &[f32]| samples.iter().map(|sample| to_i16(*sample)).collect();
    if rate == RATE || mono.is_empty() {
        return Ok(whole(mono));
    }
    let mut resampler =
        Fft::<f32>::new(rate as usize, RATE as usize, 1024, 1, FixedSync::Input).map_err(|error| error.to_string())?;
    let input = InterleavedSlice::new(mono, 1, mono.len()).map_err(|error| error.to_string())?;
    let output = resampler.process_all(&input, mono.len(), None).map_err(|error| error.to_string())?;
    Ok(whole(&output.take_data()))
}

#[allow(clippy::cast_possible_truncation, reason = "a cast from float to integer is held within its bounds")]
fn to_i16(sample: f32) -> i16 {
    (sample * 32767.0) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: f64, millis: u64) -> Sound {
        let count = samples(Duration::from_millis(millis));
        #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
        let sample = |at| ((at as f64 * hertz * std::f64::consts::TAU / 8000.0).sin() * 8000.0) as i16;
        Sound((0..count).map(sample).collect())
    }

    #[test]
    fn what_was_written_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tone.wav");
        let sound = tone(440.0, 300);
        sound.write(&path).unwrap();
        let read = Sound::read(&path).unwrap();
        assert_eq!(read.duration(), sound.duration());
        assert!(read.samples().iter().zip(sound.samples()).all(|(one, other)| one.abs_diff(*other) <= 1));
    }

    #[test]
    fn a_file_that_is_no_sound_is_an_error_that_names_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("letter.mp3");
        std::fs::write(&path, "Dear listeners").unwrap();
        assert!(Sound::read(&path).unwrap_err().to_string().contains("letter.mp3"));
        assert!(matches!(Sound::read(directory.path().join("absent.wav")), Err(SoundError::File(..))));
    }

    #[test]
    fn silence_around_a_sound_is_trimmed_and_parts_end_where_it_ends() {
        let mut padded = vec![0; 800];
        padded.extend(tone(440.0, 200).samples());
        padded.extend([0; 800]);
        let trimmed = Sound(padded).trimmed();
        assert!(trimmed.duration() <= Duration::from_millis(200) && trimmed.duration() > Duration::from_millis(195));
        assert_eq!(
            trimmed.part(Duration::from_millis(150), Duration::from_secs(9)).samples().len(),
            trimmed.samples().len() - 1200
        );
        assert!(Sound(vec![0; 10]).is_silent() && !trimmed.is_silent());
    }
}
