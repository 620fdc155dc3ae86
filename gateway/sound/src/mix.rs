//! Several channels to one.

/// What a former block still counts for when the next one is judged: that of half a second ago, about nothing.
const MEMORY: f64 = 0.95;
/// Channels cancel each other if their mix has less than this share of the energy that it would have if they had nothing to do with each other.
const CANCELLED: f64 = 0.1;

/// Mixes block by block. Where channels cancel each other, as those of a cable with two wires swapped do, the loudest one is taken alone.
#[derive(Default)]
pub(crate) struct Mixer {
    /// The energy of each channel, and of their mix, of late.
    channels: Vec<f64>,
    mix: f64,
    /// The channel that is taken alone. It stays the same while they cancel each other: one after the other they would crackle.
    alone: Option<usize>,
}

impl Mixer {
    /// All channels to one. What is no number is silence.
    pub(crate) fn mix(&mut self, interleaved: &[f32], channels: usize, mono: &mut Vec<f32>) {
        mono.clear();
        #[allow(clippy::cast_precision_loss, reason = "there are few channels")]
        let share = 1.0 / channels as f32;
        let frames = interleaved.chunks_exact(channels);
        mono.extend(frames.clone().map(|frame| frame.iter().copied().map(finite).sum::<f32>() * share));
        if channels == 1 {
            return;
        }
        self.hear(interleaved, channels, mono);
        if let Some(alone) = self.alone {
            mono.clear();
            mono.extend(frames.filter_map(|frame| frame.get(alone)).copied().map(finite));
        }
    }

    fn hear(&mut self, interleaved: &[f32], channels: usize, mix: &[f32]) {
        if self.channels.len() != channels {
            *self = Self { channels: vec![0.0; channels], ..Self::default() };
        }
        for (channel, energy) in self.channels.iter_mut().enumerate() {
            *energy = *energy * MEMORY + energy_of(interleaved.iter().skip(channel).step_by(channels));
        }
        self.mix = self.mix * MEMORY + energy_of(mix.iter());
        #[allow(clippy::cast_precision_loss, reason = "there are few channels")]
        let unrelated = self.channels.iter().sum::<f64>() / (channels as f64).powi(2);
        self.alone = if self.mix < CANCELLED * unrelated { self.alone.or_else(|| self.loudest()) } else { None };
    }

    fn loudest(&self) -> Option<usize> {
        let channels = self.channels.iter().enumerate();
        channels.max_by(|(_, one), (_, other)| one.total_cmp(other)).map(|(channel, _)| channel)
    }
}

fn energy_of<'a>(samples: impl Iterator<Item = &'a f32>) -> f64 {
    samples.map(|sample| f64::from(finite(*sample)).powi(2)).sum()
}

fn finite(sample: f32) -> f32 {
    if sample.is_finite() { sample.clamp(-8.0, 8.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::cast_precision_loss, reason = "few samples")]
    fn tone() -> Vec<f32> {
        (0..1000).map(|n| (n as f32 * 0.1).sin() * 0.5).collect()
    }

    fn mixed(mixer: &mut Mixer, left: f32, right: f32) -> Vec<f32> {
        let mut mono = Vec::new();
        let frames: Vec<f32> = tone().iter().flat_map(|sample| [sample * left, sample * right]).collect();
        mixer.mix(&frames, 2, &mut mono);
        mono
    }

    #[test]
    fn channels_that_cancel_each_other_are_heard_as_the_loudest_of_them() {
        let mut mixer = Mixer::default();
        assert_eq!(mixed(&mut mixer, -0.99, 1.0), tone());
        // The same channel goes on, though now the other one is a little louder.
        assert_eq!(mixed(&mut mixer, -1.01, 1.0), tone());
        // Half of them, with those before: as soon as they agree they are mixed.
        assert_eq!(mixed(&mut mixer, 1.0, 1.0), tone());
    }

    #[test]
    fn one_channel_of_six_and_channels_that_agree_are_mixed() {
        assert_eq!(mixed(&mut Mixer::default(), 1.0, 1.0), tone());
        let mut mono = Vec::new();
        let frames: Vec<f32> = tone().iter().flat_map(|sample| [0.0, 0.0, *sample * 6.0, 0.0, 0.0, 0.0]).collect();
        Mixer::default().mix(&frames, 6, &mut mono);
        assert!(mono.iter().zip(tone()).all(|(one, other)| (one - other).abs() < 1e-5));
    }

    #[test]
    fn what_is_no_number_is_silence_and_does_not_stay() {
        let (mut mixer, mut mono) = (Mixer::default(), Vec::new());
        mixer.mix(&[f32::NAN, f32::INFINITY, 0.5, 0.5], 2, &mut mono);
        assert_eq!(mono, [0.0, 0.5]);
        assert_eq!(mixed(&mut mixer, 1.0, -1.0).iter().filter(|sample| **sample != 0.0).count(), 999);
    }
}
