//! The tone after which one speaks, as Asterisk gives it.

use std::f64::consts::TAU;
use std::time::Duration;

use crate::sound::{RATE, Sound};

/// As they were measured.
const HERTZ: f64 = 700.0;

/// How long the tone lasts.
pub const TONE: Duration = Duration::from_millis(440);

/// A piece of the tone, by which it is known.
pub fn tone() -> Sound {
    let sample = |at: u16| (f64::from(at) / f64::from(RATE) * HERTZ * TAU).sin() * 8000.0;
    #[expect(clippy::cast_possible_truncation, reason = "within a sample's bounds")]
    Sound::from_samples((0..1600).map(|at| sample(at) as i16).collect())
}
