//! Every sound as loud as the next: quiet voices are why people hang up.
//!
//! Loudness is that of EBU R 128 (ITU-R BS.1770: weighted as people hear, pauses left out), measured on what the telephone will carry. What a
//! gain would drive beyond full scale is held down by a limiter that looks ahead, so that one slammed door does not keep a program quiet.

use std::collections::VecDeque;

use ebur128::{EbuR128, Mode};

use super::{RATE, SoundError};

/// What every sound is brought to: as loud as the language packs' prompts, well below what a telephone distorts.
const TARGET_LUFS: f64 = -20.0;

/// More than this would only bring up noise.
const MOST_DB: f64 = 30.0;

/// A sound without any sample above this is silence, and stays it.
const SILENCE_DBFS: f64 = -70.0;

/// No sample goes beyond: one decibel below full scale.
const CEILING: f32 = 0.891;

/// Samples that the limiter looks ahead: 5 ms.
const AHEAD: usize = RATE as usize / 200;

/// What the limiter lets go a sample: all of it within 100 ms.
const RELEASE: f32 = 1.0 / 800.0;

/// A factor for samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Gain(f64);

impl Gain {
    pub(super) const fn decibels(self) -> f64 {
        self.0
    }

    fn factor(self) -> f64 {
        10_f64.powf(self.0 / 20.0)
    }
}

/// Hears how loud something is.
pub(super) struct Meter {
    weighted: EbuR128,
    squares: f64,
    samples: f64,
    peak: f32,
}

impl Meter {
    pub(super) fn new() -> Result<Self, SoundError> {
        let weighted = EbuR128::new(1, RATE, Mode::I | Mode::HISTOGRAM).map_err(odd)?;
        Ok(Self { weighted, squares: 0.0, samples: 0.0, peak: 0.0 })
    }

    pub(super) fn hear(&mut self, block: &[f32]) -> Result<(), SoundError> {
        for sample in block {
            self.squares += f64::from(*sample).powi(2);
            self.samples += 1.0;
            self.peak = self.peak.max(sample.abs());
        }
        self.weighted.add_frames_f32(block).map_err(odd)
    }

    /// What brings it to the target.
    pub(super) fn gain(&self) -> Result<Gain, SoundError> {
        if f64::from(self.peak) < 10_f64.powf(SILENCE_DBFS / 20.0) {
            return Ok(Gain(0.0));
        }
        let mut loudness = self.weighted.loudness_global().map_err(odd)?;
        if !loudness.is_finite() {
            // Shorter than the 0.4 s of a gating block, such as a spoken digit, or quieter than its gate.
            loudness = 10.0 * (self.squares / self.samples.max(1.0)).log10();
        }
        Ok(Gain((TARGET_LUFS - loudness).min(MOST_DB)))
    }
}

/// Amplifies, and holds down what would be too much.
pub(super) struct Limiter {
    factor: f32,
    /// Amplified samples that are not out yet.
    samples: VecDeque<f32>,
    /// For each window that ends here: the least factor that its samples need, smallest first, with their places.
    least: VecDeque<(u64, f32)>,
    place: u64,
    /// The least factors of the last windows, whose mean is what is applied: never more than any sample of the window allows.
    windows: VecDeque<f32>,
    sum: f64,
    held: f32,
}

impl Limiter {
    pub(super) fn new(gain: Gain) -> Self {
        #[allow(clippy::cast_possible_truncation, reason = "a factor between 0 and 32")]
        let factor = gain.factor() as f32;
        Self {
            factor,
            samples: VecDeque::with_capacity(AHEAD + 1),
            least: VecDeque::new(),
            place: 0,
            windows: std::iter::repeat_n(1.0, AHEAD).collect(),
            sum: f64::from(u32::try_from(AHEAD).unwrap_or(u32::MAX)),
            held: 1.0,
        }
    }

    /// Takes samples, and appends those that are ready.
    pub(super) fn take(&mut self, block: &[f32], out: &mut Vec<f32>) {
        for sample in block {
            self.step(sample * self.factor, out);
        }
    }

    /// The last samples: with as much silence after them as the limiter looks ahead.
    pub(super) fn finish(mut self, out: &mut Vec<f32>) {
        for _ in 0..AHEAD {
            self.step(0.0, out);
        }
    }

    fn step(&mut self, sample: f32, out: &mut Vec<f32>) {
        let wanted = if sample.abs() > CEILING { CEILING / sample.abs() } else { 1.0 };
        while self.least.back().is_some_and(|(_, least)| *least >= wanted) {
            self.least.pop_back();
        }
        self.least.push_back((self.place, wanted));
        if self.least.front().is_some_and(|(place, _)| *place + (AHEAD as u64) < self.place) {
            self.least.pop_front();
        }
        self.place += 1;
        let least = self.least.front().map_or(1.0, |(_, least)| *least);
        // Down at once, up slowly.
        self.held = least.min(self.held + RELEASE);
        self.windows.push_back(self.held);
        self.sum += f64::from(self.held) - self.windows.pop_front().map_or(0.0, f64::from);
        self.samples.push_back(sample);
        if self.samples.len() > AHEAD
            && let Some(sample) = self.samples.pop_front()
        {
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_precision_loss,
                reason = "a mean of factors up to 1"
            )]
            let factor = (self.sum / AHEAD as f64) as f32;
            out.push((sample * factor).clamp(-1.0, 1.0));
        }
    }
}

fn odd(error: ebur128::Error) -> SoundError {
    SoundError::Undecodable(format!("its loudness cannot be measured: {error}"))
}
