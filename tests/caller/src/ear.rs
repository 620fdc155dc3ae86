//! Recognising a sound in what was heard: normalised cross-correlation, which neither loudness nor the line's coding disturbs.
//!
//! A likeness of 1 is the same wave; the same recording through G.711 and another resampler stays above 0.9, while two different pieces of
//! speech of a second stay below 0.4 (`different_speech_is_told_apart` measures the packs).

use std::cell::RefCell;
use std::time::Duration;

use realfft::RealFftPlanner;
use realfft::num_complex::Complex;

use crate::sound::{Sound, duration, samples};

/// From here on it is the same sound.
pub const SAME: f32 = 0.65;

/// This much of a sound's beginning is enough to know it.
const ENOUGH: Duration = Duration::from_millis(2500);

/// The mean level, of 32768, below which a line only makes noise, which resembles nothing.
const SOFTEST: f64 = 30.0;

/// Where a sound was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// Where it begins, counted from the beginning of what was searched.
    pub at: Duration,
    /// How alike the two are: 1 is the same.
    pub likeness: f32,
}

/// What is listened for: the beginning of a sound, without the silence before it.
#[derive(Debug, Clone)]
pub struct Pattern(Vec<f32>);

impl Pattern {
    /// The beginning of a sound.
    pub fn of(sound: &Sound) -> Self {
        Self(centred(sound.trimmed().part(Duration::ZERO, ENOUGH).samples()))
    }

    /// All of a sound.
    pub fn whole(sound: &Sound) -> Self {
        Self(centred(sound.trimmed().samples()))
    }

    /// How long it lasts.
    pub fn duration(&self) -> Duration {
        duration(self.0.len())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Where in a long sound the last moments of what was heard lie: the place at which `heard` ends.
pub fn position(long: &Sound, heard: &[i16]) -> Option<Found> {
    let found = Hay::new(long.samples(), heard.len()).best(&Pattern(centred(heard)))?;
    Some(Found { at: found.at + duration(heard.len()), ..found })
}

/// How many samples tell a place in a long sound.
pub(crate) fn glimpse() -> usize {
    samples(Duration::from_millis(500))
}

#[allow(clippy::cast_precision_loss, reason = "far fewer samples than 2^24")]
fn centred(samples: &[i16]) -> Vec<f32> {
    let mean = samples.iter().map(|sample| f32::from(*sample)).sum::<f32>() / samples.len().max(1) as f32;
    samples.iter().map(|sample| f32::from(*sample) - mean).collect()
}

/// What is searched, transformed once for any number of patterns.
pub struct Hay {
    length: usize,
    spectrum: Vec<Complex<f32>>,
    size: usize,
    planner: RefCell<RealFftPlanner<f32>>,
    /// The sums of all samples before each place, and of their squares.
    sums: Vec<(f64, f64)>,
}

impl Hay {
    /// For a pattern of its own length.
    pub fn of(heard: &Sound, pattern: &Pattern) -> Self {
        Self::new(heard.samples(), pattern.len())
    }

    /// For patterns of at most so many samples.
    pub fn new(heard: &[i16], longest: usize) -> Self {
        let size = (heard.len() + longest).next_power_of_two();
        let mut planner = RealFftPlanner::new();
        let spectrum = transform(&mut planner, size, heard.iter().map(|sample| f32::from(*sample)));
        let mut sums = Vec::with_capacity(heard.len() + 1);
        let mut sum = (0.0, 0.0);
        sums.push(sum);
        for sample in heard.iter().map(|sample| f64::from(*sample)) {
            sum = (sum.0 + sample, sum.1 + sample * sample);
            sums.push(sum);
        }
        Self { length: heard.len(), spectrum, size, planner: RefCell::new(planner), sums }
    }

    /// The place that is most like a pattern; nothing if the pattern is silent, or longer than this.
    pub fn best(&self, pattern: &Pattern) -> Option<Found> {
        let likenesses = self.likenesses(pattern)?;
        let (at, likeness) = likenesses.into_iter().enumerate().max_by(|(_, one), (_, other)| one.total_cmp(other))?;
        Some(Found { at: duration(at), likeness })
    }

    /// All places at which a pattern is heard, in their order.
    pub fn all(&self, pattern: &Pattern) -> Vec<Found> {
        let mut found: Vec<Found> = Vec::new();
        for (at, likeness) in self.likenesses(pattern).unwrap_or_default().into_iter().enumerate() {
            let at = duration(at);
            match found.last_mut() {
                _ if likeness < SAME => {}
                Some(last) if at < last.at + pattern.duration() => {
                    if likeness > last.likeness {
                        *last = Found { at, likeness };
                    }
                }
                _ => found.push(Found { at, likeness }),
            }
        }
        found
    }

    /// How alike the pattern is at each place.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "sums in f64, likeness in f32")]
    fn likenesses(&self, pattern: &Pattern) -> Option<Vec<f32>> {
        let length = pattern.0.len();
        let energy: f64 = pattern.0.iter().map(|sample| f64::from(*sample).powi(2)).sum();
        if length == 0 || energy == 0.0 || length > self.length || self.length + length > self.size {
            return None;
        }
        let mut planner = self.planner.borrow_mut();
        let mut product = transform(&mut planner, self.size, pattern.0.iter().copied());
        for (one, hay) in product.iter_mut().zip(&self.spectrum) {
            *one = *hay * one.conj();
        }
        // Of real signals these are real; rounding leaves a trace that the library refuses.
        for end in [0, product.len() - 1] {
            product[end].im = 0.0;
        }
        let back = planner.plan_fft_inverse(self.size);
        let mut correlation = back.make_output_vec();
        back.process(&mut product, &mut correlation).ok()?;
        // Each transform was of samples between -1 and 1, since products of whole ones leave a float few digits.
        let scale = f64::from(32768.0_f32).powi(2) / self.size as f64;
        let count = length as f64;
        let audible = count * SOFTEST.powi(2);
        let likeness = |place: usize| {
            let (before, after) = (self.sums[place], self.sums[place + length]);
            let sum = after.0 - before.0;
            let window = after.1 - before.1 - sum * sum / count;
            if window < audible {
                0.0
            } else {
                (f64::from(correlation[place]) * scale / (energy * window).sqrt()) as f32
            }
        };
        Some((0..=self.length - length).map(likeness).collect())
    }
}

/// The spectrum of samples of 16 bits, scaled to 1.
fn transform(planner: &mut RealFftPlanner<f32>, size: usize, samples: impl Iterator<Item = f32>) -> Vec<Complex<f32>> {
    let forward = planner.plan_fft_forward(size);
    let mut input: Vec<f32> = samples.map(|sample| sample / 32768.0).collect();
    input.resize(size, 0.0);
    let mut spectrum = forward.make_output_vec();
    // It fails only where a length is wrong; then nothing resembles anything.
    if forward.process(&mut input, &mut spectrum).is_err() {
        spectrum.fill(Complex::default());
    }
    spectrum
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::codec::Codec;

    fn pack(name: &str) -> Sound {
        let packs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scripts/asterisk/packs");
        Sound::read(packs.join(name)).unwrap()
    }

    /// Speech of both languages, longer than a second.
    fn speech() -> Vec<Sound> {
        ["home/home_message", "home/welcome_standard", "home/invalid_key", "recording/ask_title", "recording/ask_body"]
            .iter()
            .flat_map(|name| ["en", "fr"].map(|language| pack(&format!("{language}/{name}.mp3"))))
            .collect()
    }

    fn find(sound: &Sound, heard: &[i16]) -> Option<Found> {
        let pattern = Pattern::of(sound);
        Hay::new(heard, pattern.len()).best(&pattern)
    }

    #[test]
    fn all_places_are_found_in_their_order() {
        let all = speech();
        let mut heard = Vec::new();
        for which in [0, 3, 0, 5, 0] {
            heard.extend(over_the_line(&all[which], Codec::Ulaw, 0.5, 100));
        }
        let pattern = Pattern::of(&all[0]);
        let found = Hay::new(&heard, pattern.len()).all(&pattern);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found.windows(2).all(|pair| pair[0].at < pair[1].at));
    }

    /// As a line delivers it: softer, coded, behind a piece of silence.
    fn over_the_line(sound: &Sound, codec: Codec, gain: f32, before: usize) -> Vec<i16> {
        let mut heard = vec![0; before];
        #[allow(clippy::cast_possible_truncation)]
        heard.extend(
            sound.samples().iter().map(|sample| codec.decode(codec.encode((f32::from(*sample) * gain) as i16))),
        );
        heard.extend([0; 4000]);
        heard
    }

    #[test]
    fn a_sound_is_known_whatever_its_loudness_its_place_and_the_coding() {
        for sound in speech() {
            for (codec, gain, before) in [(Codec::Ulaw, 1.0, 0), (Codec::Alaw, 0.2, 12_345), (Codec::Ulaw, 0.05, 777)] {
                let heard = over_the_line(&sound, codec, gain, before);
                let found = find(&sound, &heard).unwrap();
                assert!(found.likeness > 0.9, "{found:?} {codec:?} {gain}");
                let silence = sound.samples().iter().position(|sample| sample.unsigned_abs() >= 300).unwrap();
                assert!(found.at.abs_diff(duration(before + silence)) < Duration::from_millis(2), "{found:?}");
            }
        }
    }

    #[test]
    fn different_speech_is_told_apart() {
        let all = speech();
        let mut worst: f32 = 0.0;
        for (index, sound) in all.iter().enumerate() {
            for other in all.iter().enumerate().filter(|(place, _)| *place != index).map(|(_, other)| other) {
                let heard = over_the_line(other, Codec::Ulaw, 1.0, 8000);
                worst = worst.max(find(sound, &heard).map_or(0.0, |found| found.likeness));
            }
        }
        assert!(worst < 0.45, "{worst}");
    }

    #[test]
    fn a_glimpse_tells_the_place_in_a_long_sound() {
        let mut long = Vec::new();
        for sound in speech() {
            long.extend(sound.samples());
        }
        let long = Sound::from_samples(long);
        for from in [8000, 20_000, 40_000] {
            let heard: Vec<i16> = long.samples()[from..from + glimpse()].iter().map(|sample| sample / 3).collect();
            let found = position(&long, &heard).unwrap();
            assert!(found.likeness > 0.95 && found.at.abs_diff(duration(from + glimpse())) < Duration::from_millis(1));
        }
    }

    #[test]
    fn silence_and_what_is_too_short_resemble_nothing() {
        let sound = &speech()[0];
        assert!(find(sound, &vec![0; 80_000]).unwrap().likeness < 0.01);
        assert_eq!(find(sound, &[1000; 100]), None);
        assert_eq!(find(&Sound::default(), &[1000; 100]), None);
    }
}
