//! What a sound is, found out by decoding it to its end.
//!
//! What strangers send may make a decoder run without end or out of memory. So this is done by a process of its own, `audiospread
//! examine-sound`, which bounds itself before it reads the first byte, from its standard input; [`super::examiner`] starts it.

use std::fs::File;
use std::io;

use audiospread_sound::{Bounds, DecodeError, Decoder};
use serde::{Deserialize, Serialize};

/// What examining may take; it writes no file.
const BOUNDS: Bounds = Bounds { memory: 1 << 30, seconds: 60, file: Some(0), niceness: 0 };
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
    /// This host is at fault: it does not bound this process, or does not give it the bytes.
    #[error("this host cannot examine it: {0}")]
    Host(#[from] io::Error),
}

impl From<DecodeError> for Unusable {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Undecodable(_) | DecodeError::Unsupported(_) => Self::NotAudio,
            DecodeError::Io(error) => Self::Host(error),
        }
    }
}

/// Bounds this process, then decodes a sound to its end.
///
/// # Errors
/// [`Unusable`].
pub fn examine_bounded(file: File) -> Result<Sound, Unusable> {
    BOUNDS.take()?;
    examine(file)
}

fn examine(file: File) -> Result<Sound, Unusable> {
    let mut decoder = Decoder::open(file, Some("mp3"))?;
    if !decoder.is_mp3() {
        return Err(Unusable::NotAudio);
    }
    let (mut samples, mut loudness, mut microseconds) = (Vec::new(), Loudness::default(), 0_u64);
    while let Some(rate) = decoder.next(&mut samples)? {
        let rate = u64::from(rate);
        microseconds += 1_000_000 * samples.len() as u64 / rate;
        loudness.add(&samples, rate / 10);
    }
    if microseconds == 0 {
        return Err(Unusable::NotAudio);
    }
    Ok(Sound { duration_ms: microseconds.div_ceil(1_000), silent: loudness.end() < SILENCE })
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
