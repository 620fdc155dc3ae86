//! Sounds as strangers make them, whole or joined.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "sounds are made and measured in numbers of few digits"
)]

use std::f32::consts::TAU;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;

const RATE: u32 = 8000;

/// Waves and mp3s, made by the programs of the host.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A tone in each channel, by `sox`.
    fn wave(&self, name: &str, seconds: f32, (rate, channels): (u32, u32), frequency: u32) -> PathBuf {
        let path = self.path(name);
        let mut sox = Command::new("sox");
        sox.args(["-D", "-n", "-b", "16", "-r", &rate.to_string(), "-c", &channels.to_string()]).arg(&path);
        run(sox.args(["synth", &seconds.to_string(), "sine", &frequency.to_string(), "vol", "0.3"]));
        path
    }

    fn mp3(&self, seconds: f32, form: (u32, u32), frequency: u32, options: &[&str]) -> Vec<u8> {
        let (wave, mp3) = (self.wave("mp3.wav", seconds, form, frequency), self.path("made.mp3"));
        run(Command::new("lame").arg("--quiet").args(options).arg(&wave).arg(&mp3));
        fs::read(mp3).unwrap()
    }

    fn heard(&self, name: &str, bytes: &[u8]) -> Result<Vec<f32>, DecodeError> {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        heard(&path)
    }
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

fn heard(path: &Path) -> Result<Vec<f32>, DecodeError> {
    let mut samples = Vec::new();
    let extension = path.extension().and_then(|extension| extension.to_str());
    decode(File::open(path)?, extension, RATE, &mut |block| {
        samples.extend_from_slice(block);
        Ok::<_, DecodeError>(())
    })?;
    Ok(samples)
}

fn seconds(samples: &[f32]) -> f32 {
    samples.len() as f32 / RATE as f32
}

/// How much of a frequency there is in a second from the middle of the samples: the amplitude of a sine.
fn amount_of(frequency: u32, samples: &[f32]) -> f32 {
    let middle = &samples[samples.len() / 2 - 2000..samples.len() / 2 + 2000];
    let (mut sine, mut cosine) = (0.0, 0.0);
    for (n, sample) in middle.iter().enumerate() {
        let (s, c) = (n as f32 * frequency as f32 * TAU / RATE as f32).sin_cos();
        sine += sample * s;
        cosine += sample * c;
    }
    2.0 * (sine * sine + cosine * cosine).sqrt() / middle.len() as f32
}

#[track_caller]
fn assert_parts(samples: &[f32], parts: &[(f32, u32)]) {
    let whole: f32 = parts.iter().map(|(length, _)| length).sum();
    assert!((seconds(samples) - whole).abs() < 0.15 * parts.len() as f32, "{} of {whole} seconds", seconds(samples));
    let mut begin = 0.0;
    for (length, frequency) in parts {
        let at = |place: f32| ((place * RATE as f32) as usize).min(samples.len());
        let found = amount_of(*frequency, &samples[at(begin)..at(begin + length)]);
        assert!(found > 0.25, "{found} of {frequency} Hz from second {begin}");
        begin += length;
    }
}

#[test]
fn mp3s_that_were_joined_are_heard_to_the_end_of_the_last() {
    let desk = Desk::new();
    for options in [["-b", "64"], ["-V", "4"]] {
        let first = desk.mp3(2.0, (44_100, 2), 500, &options);
        let second = desk.mp3(3.0, (44_100, 2), 900, &options);
        let samples = desk.heard("a.mp3", &[first, second].concat()).unwrap();
        assert_parts(&samples, &[(2.0, 500), (3.0, 900)]);
    }
}

#[test]
fn an_mp3_of_variable_bit_rate_without_a_head_is_heard_to_its_end() {
    let desk = Desk::new();
    // It begins with what takes many bits, so that an estimate by its first frames is far too short.
    let noise = desk.path("noise.wav");
    run(Command::new("sox").args(["-D", "-n", "-b", "16", "-r", "44100", "-c", "2"]).arg(&noise).args([
        "synth",
        "1.5",
        "whitenoise",
        "vol",
        "0.5",
    ]));
    let (tone, both, mp3) = (desk.wave("tone.wav", 8.0, (44_100, 2), 500), desk.path("both.wav"), desk.path("v.mp3"));
    run(Command::new("sox").arg(&noise).arg(&tone).arg(&both));
    run(Command::new("lame").args(["--quiet", "-t", "-V", "2"]).arg(&both).arg(&mp3));
    let samples = heard(&mp3).unwrap();
    assert!((seconds(&samples) - 9.5).abs() < 0.2, "{}", seconds(&samples));
    assert!(amount_of(500, &samples[7 * RATE as usize..]) > 0.25);
}

#[test]
fn joined_mp3s_of_other_rates_and_channels_are_heard_at_their_own_pitch() {
    let desk = Desk::new();
    let forms = [((44_100, 2), 500), ((22_050, 1), 900), ((44_100, 1), 700), ((8_000, 1), 600)];
    let joined: Vec<u8> = forms.iter().flat_map(|(form, tone)| desk.mp3(2.0, *form, *tone, &["-b", "64"])).collect();
    let samples = desk.heard("a.mp3", &joined).unwrap();
    assert_parts(&samples, &[(2.0, 500), (2.0, 900), (2.0, 700), (2.0, 600)]);
}

#[test]
fn an_mp3_begins_where_its_encoder_began() {
    let desk = Desk::new();
    let samples = desk.heard("a.mp3", &desk.mp3(1.0, (44_100, 1), 500, &["-b", "64"])).unwrap();
    let begin = samples.iter().position(|sample| sample.abs() > 0.1).unwrap();
    assert!(begin < 40, "after {begin} samples");
}

#[test]
fn waves_whose_recorder_could_not_go_back_to_their_head_are_heard_to_their_end() {
    let desk = Desk::new();
    let wave = fs::read(desk.wave("in.wav", 2.0, (16_000, 1), 500)).unwrap();
    assert_eq!(&wave[36..40], b"data");
    for length in [0, u32::MAX, u32::MAX - 36, 1_000_000] {
        for whole in [0, 36, u32::MAX, length.saturating_add(36)] {
            let mut wave = wave.clone();
            wave[4..8].copy_from_slice(&whole.to_le_bytes());
            wave[40..44].copy_from_slice(&length.to_le_bytes());
            let samples = desk.heard("a.wav", &wave).unwrap_or_else(|error| panic!("{length} {whole}: {error}"));
            assert_eq!(samples.len(), 16_000, "{length} {whole}");
            assert_parts(&samples, &[(2.0, 500)]);
        }
    }
}

#[test]
fn what_follows_the_samples_of_a_wave_is_not_heard() {
    let desk = Desk::new();
    let mut wave = fs::read(desk.wave("in.wav", 1.0, (8_000, 1), 500)).unwrap();
    wave.extend_from_slice(b"LIST\x04\0\0\0INFO");
    assert_eq!(desk.heard("a.wav", &wave).unwrap().len(), 8_000);
}

#[test]
fn channels_in_opposite_phase_are_heard() {
    let desk = Desk::new();
    let (one, opposite) = (desk.wave("in.wav", 1.0, (8_000, 1), 500), desk.path("opposite.wav"));
    run(Command::new("sox").arg(&one).arg(&opposite).args(["remix", "1", "1v-1"]));
    assert_parts(&heard(&opposite).unwrap(), &[(1.0, 500)]);
}

#[test]
fn an_encoding_that_is_not_known_is_told_from_what_is_no_sound() {
    let desk = Desk::new();
    let (wave, other) = (desk.wave("in.wav", 1.0, (8_000, 1), 500), desk.path("other.wav"));
    for encoding in ["ima-adpcm", "ms-adpcm", "gsm-full-rate"] {
        run(Command::new("sox").arg(&wave).args(["-e", encoding]).arg(&other));
        assert!(matches!(heard(&other), Err(DecodeError::Unsupported(_))), "{encoding}");
    }
}
