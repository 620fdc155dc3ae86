//! What a sound is, found out by decoding it to its end.
//!
//! What strangers send may make a decoder run without end or out of memory. So this is done by a process of its own, `audiospread
//! examine-sound`, which bounds itself before it reads the first byte, from its standard input; [`super::examiner`] starts it.

use std::fs::File;
use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};
use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::codecs::audio::well_known::CODEC_ID_MP3;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;

/// Address space, in bytes; the program itself is mapped too.
const MEMORY: u64 = 1 << 30;
/// Seconds of a processor.
const SECONDS: u64 = 60;
/// The loudest tenth of a second of a sound with nearly nothing to hear is below this, as a share of full scale: -50 dB.
const SILENCE: f64 = 0.003_162;

/// What a sound was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sound {
    /// How long it is, in milliseconds.
    pub duration_ms: u64,
    /// Whether there is nearly nothing to hear.
    pub silent: bool,
}

/// Why a sound cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It is no mp3, or broken so that nothing can be heard.
    #[error("it is no mp3 that can be played")]
    NotAudio,
    /// This host.
    #[error("this process cannot be bounded: {0}")]
    Bounds(io::Error),
}

/// Bounds this process, then decodes a sound to its end.
///
/// # Errors
/// [`Unusable`].
pub fn examine_bounded(file: File) -> Result<Sound, Unusable> {
    for (resource, bound) in
        [(Resource::As, MEMORY), (Resource::Cpu, SECONDS), (Resource::Core, 0), (Resource::Fsize, 0)]
    {
        let bound = getrlimit(resource).maximum.map_or(bound, |maximum| maximum.min(bound));
        setrlimit(resource, Rlimit { current: Some(bound), maximum: Some(bound) })
            .map_err(|error| Unusable::Bounds(error.into()))?;
    }
    examine(file)
}

fn examine(file: File) -> Result<Sound, Unusable> {
    let stream = MediaSourceStream::new(Box::new(file), MediaSourceStreamOptions::default());
    let mut reader = symphonia::default::get_probe()
        .probe(Hint::new().with_extension("mp3"), stream, FormatOptions::default(), MetadataOptions::default())
        .map_err(|_| Unusable::NotAudio)?;
    let track = reader.default_track(TrackType::Audio).ok_or(Unusable::NotAudio)?;
    let Some(CodecParameters::Audio(parameters)) = track.codec_params.as_ref().filter(|codec| is_mp3(codec)) else {
        return Err(Unusable::NotAudio);
    };
    let id = track.id;
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())
        .map_err(|_| Unusable::NotAudio)?;
    let (mut samples, mut heard, mut unheard) = (Vec::new(), 0_u64, 0_u64);
    let mut loudness = Loudness::default();
    let mut microseconds = 0_u64;
    // What was cut off is as long as it can be heard.
    while let Ok(Some(packet)) = reader.next_packet() {
        if packet.track_id != id {
            continue;
        }
        let Ok(buffer) = decoder.decode(&packet) else {
            unheard += 1;
            continue;
        };
        let (rate, channels) = (u64::from(buffer.spec().rate()), buffer.num_planes().max(1));
        if buffer.is_empty() || !(4_000..=192_000).contains(&rate) {
            continue;
        }
        samples.resize(buffer.samples_interleaved(), 0.0_f32);
        buffer.copy_to_slice_interleaved(&mut samples);
        heard += 1;
        microseconds += 1_000_000 * (samples.len() / channels) as u64 / rate;
        loudness.add(&samples, rate * channels as u64 / 10);
    }
    // In bytes that are no audio something that looks like a frame is found by chance.
    if heard == 0 || unheard > heard {
        return Err(Unusable::NotAudio);
    }
    Ok(Sound { duration_ms: microseconds.div_ceil(1_000), silent: loudness.end() < SILENCE })
}

fn is_mp3(codec: &CodecParameters) -> bool {
    matches!(codec, CodecParameters::Audio(audio) if audio.codec == CODEC_ID_MP3)
}

/// The loudest tenth of a second, as the root of the mean of squares.
#[derive(Default)]
struct Loudness {
    sum: f64,
    count: u64,
    loudest: f64,
}

impl Loudness {
    fn add(&mut self, samples: &[f32], window: u64) {
        for sample in samples {
            self.sum += f64::from(*sample).powi(2);
            self.count += 1;
            if self.count >= window.max(1) {
                self.close();
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a tenth of a second has few samples")]
    fn close(&mut self) {
        if self.count > 0 {
            self.loudest = self.loudest.max((self.sum / self.count as f64).sqrt());
        }
        (self.sum, self.count) = (0.0, 0);
    }

    fn end(mut self) -> f64 {
        self.close();
        self.loudest
    }
}
