//! What a telephone gets of files of many kinds.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    reason = "sounds are made and measured in numbers of few digits"
)]

use std::f32::consts::TAU;
use std::fs;
use std::process::Command;

use camino::Utf8PathBuf;
use proptest::prelude::*;

use super::loudness::{Limiter, Meter};
use super::*;

const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/drupal6-site/files/bitcache/file");

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8PathBuf::from_path_buf(self.0.path().join(name)).unwrap()
    }

    /// A wave of any rate and number of channels, with the same sound in each.
    fn wave(&self, rate: u32, channels: u16, samples: &[f32]) -> Utf8PathBuf {
        let mut bytes = write::head(u32::try_from(samples.len() * usize::from(channels) * 2).unwrap()).to_vec();
        bytes[22..24].copy_from_slice(&channels.to_le_bytes());
        bytes[24..28].copy_from_slice(&rate.to_le_bytes());
        bytes[28..32].copy_from_slice(&(rate * u32::from(channels) * 2).to_le_bytes());
        bytes[32..34].copy_from_slice(&(channels * 2).to_le_bytes());
        for sample in samples {
            for _ in 0..channels {
                bytes.extend_from_slice(&((sample * 32767.0) as i16).to_le_bytes());
            }
        }
        let path = self.path("in.wav");
        fs::write(&path, bytes).unwrap();
        path
    }

    fn convert(&self, from: &Utf8Path) -> Result<PhoneSound, SoundError> {
        convert(from, &self.path("out.wav"), SoundFormat::Wav, u64::MAX)
    }

    fn samples(&self) -> Vec<f32> {
        let path = self.path("out.wav");
        assert!(SoundFormat::Wav.is_whole(&path));
        fs::read(path).unwrap()[44..]
            .chunks_exact(2)
            .map(|pair| f32::from(i16::from_le_bytes([pair[0], pair[1]])) / 32767.0)
            .collect()
    }
}

fn tone(frequency: f32, rate: u32, seconds: f32, amplitude: f32) -> Vec<f32> {
    let samples = (seconds * rate as f32) as usize;
    (0..samples).map(|n| (n as f32 * frequency * TAU / rate as f32).sin() * amplitude).collect()
}

/// How much of a frequency there is: the amplitude of a sine.
fn amount_of(frequency: f32, samples: &[f32]) -> f32 {
    let (mut sine, mut cosine) = (0.0, 0.0);
    for (n, sample) in samples.iter().enumerate() {
        let (s, c) = (n as f32 * frequency * TAU / RATE as f32).sin_cos();
        sine += sample * s;
        cosine += sample * c;
    }
    2.0 * (sine * sine + cosine * cosine).sqrt() / samples.len() as f32
}

fn loudness(samples: &[f32]) -> f64 {
    let mut meter = Meter::new().unwrap();
    meter.hear(samples).unwrap();
    -20.0 - meter.gain().unwrap().decibels()
}

#[test]
fn any_rate_and_any_number_of_channels_becomes_the_same_tone_of_the_same_length() {
    let desk = Desk::new();
    for (rate, channels) in [
        (8000, 1),
        (8000, 2),
        (11_025, 1),
        (16_000, 1),
        (22_050, 2),
        (44_100, 2),
        (48_000, 6),
        (44_101, 1),
        (96_000, 2),
    ] {
        let made = desk.convert(&desk.wave(rate, channels, &tone(1000.0, rate, 1.5, 0.3))).unwrap();
        let samples = desk.samples();
        assert!((1499..=1501).contains(&made.duration_ms), "{rate}: {made:?}");
        assert!((samples.len() as i64 - 12_000).abs() <= 2, "{rate}: {}", samples.len());
        let middle = &samples[2000..10_000];
        let (wanted, all) =
            (amount_of(1000.0, middle), (middle.iter().map(|s| s * s).sum::<f32>() * 2.0 / middle.len() as f32).sqrt());
        assert!(wanted > 0.99 * all, "{rate} × {channels}: {wanted} of {all}");
    }
}

#[test]
fn what_a_telephone_cannot_carry_does_not_come_back_as_another_tone() {
    let desk = Desk::new();
    let mixed: Vec<f32> =
        tone(700.0, 44_100, 1.0, 0.3).iter().zip(tone(7300.0, 44_100, 1.0, 0.3)).map(|(a, b)| a + b).collect();
    desk.convert(&desk.wave(44_100, 1, &mixed)).unwrap();
    let samples = desk.samples();
    // 7300 Hz folded at 8 kHz would be 700 Hz again: the loudness tells that it is not.
    assert!(amount_of(700.0, &samples[1000..7000]) > 0.1);
    let made = desk.convert(&desk.wave(44_100, 1, &tone(6000.0, 44_100, 1.0, 0.9)));
    assert!(made.is_ok() && amount_of(2000.0, &desk.samples()) < 0.01);
}

#[test]
fn quiet_and_loud_become_equally_loud() {
    let desk = Desk::new();
    for amplitude in [0.005, 0.05, 0.5, 0.99] {
        desk.convert(&desk.wave(16_000, 1, &tone(500.0, 16_000, 3.0, amplitude))).unwrap();
        let heard = loudness(&desk.samples());
        assert!((heard + 20.0).abs() < 0.5, "{amplitude}: {heard} LUFS");
    }
}

#[test]
fn a_digit_of_a_fifth_of_a_second_is_levelled_too() {
    let desk = Desk::new();
    desk.convert(&desk.wave(8000, 1, &tone(500.0, 8000, 0.2, 0.02))).unwrap();
    let samples = desk.samples();
    let rms = (samples.iter().map(|s| s * s).sum::<f32>() / samples.len() as f32).sqrt();
    assert!((20.0 * rms.log10() + 20.0).abs() < 0.5, "{rms}");
}

#[test]
fn silence_stays_silence() {
    let desk = Desk::new();
    let made = desk.convert(&desk.wave(8000, 1, &vec![0.0; 8000])).unwrap();
    assert_eq!((made.gain_db, desk.samples()), (0.0, vec![0.0; 8000]));
}

#[test]
fn a_slammed_door_neither_clips_nor_keeps_the_voice_quiet() {
    let desk = Desk::new();
    let mut voice = tone(500.0, 8000, 30.0, 0.02);
    voice[16_000..16_020].fill(0.95);
    desk.convert(&desk.wave(8000, 1, &voice)).unwrap();
    let samples = desk.samples();
    assert!(samples.iter().all(|sample| sample.abs() <= 0.9), "beyond the ceiling");
    let voice = loudness(&samples[20_000..]);
    assert!((voice + 20.0).abs() < 2.0, "{voice} LUFS");
}

#[test]
fn mp3_and_ogg_of_the_fixture_are_heard_to_their_end() {
    let desk = Desk::new();
    for (name, milliseconds) in [
        ("97cb0789fc8bb28db4d912c405fb449bf285ad9f", 2232),
        ("52a55ce0daa6495be07f53416881da05809a1747", 4145),
        ("a7d287eb313b8c2c5c6a6da12a40f31a95eeedaa", 5160),
    ] {
        let made = desk.convert(&Utf8PathBuf::from(format!("{FILES}/{name}"))).unwrap();
        assert!(made.duration_ms.abs_diff(milliseconds) < 120, "{name}: {made:?}");
        assert!((loudness(&desk.samples()) + 20.0).abs() < 1.0);
    }
}

#[test]
fn waves_that_only_a_program_of_the_host_decodes_are_heard_in_the_same_length() {
    let desk = Desk::new();
    let from = desk.wave(8000, 1, &tone(500.0, 8000, 2.0, 0.2));
    for encoding in ["ima-adpcm", "ms-adpcm", "gsm-full-rate"] {
        let other = desk.path("other.wav");
        assert!(Command::new("sox").arg(&from).args(["-e", encoding]).arg(&other).status().unwrap().success());
        let made = desk.convert(&other).unwrap_or_else(|error| panic!("{encoding}: {error}"));
        assert!(made.duration_ms.abs_diff(2000) < 130, "{encoding}: {made:?}");
        let samples = desk.samples();
        assert!(amount_of(500.0, &samples[1000..15_000]) > 0.1, "{encoding}");
        assert!((loudness(&samples) + 20.0).abs() < 1.0, "{encoding}");
    }
}

#[test]
fn a_finding_about_a_kind_that_other_decoders_know_says_so() {
    let desk = Desk::new();
    let mut wave = fs::read(desk.wave(8000, 1, &tone(500.0, 8000, 1.0, 0.2))).unwrap();
    // An encoding that nobody has.
    wave[20..22].copy_from_slice(&0x7a7a_u16.to_le_bytes());
    fs::write(desk.path("in.wav"), &wave).unwrap();
    let error = desk.convert(&desk.path("in.wav")).unwrap_err();
    assert!(matches!(&error, SoundError::Undecodable(why) if why.contains("ffmpeg or sox")), "{error}");
    fs::write(desk.path("x.mp3"), b"<html>").unwrap();
    assert!(!desk.convert(&desk.path("x.mp3")).unwrap_err().to_string().contains("ffmpeg"));
}

#[test]
fn other_decoders_are_asked_about_waves_and_ogg_only() {
    let desk = Desk::new();
    let opus = [b"OggS".as_slice(), &[0; 24], b"OpusHead"].concat();
    for (bytes, kind) in [
        (b"RIFF....WAVEfmt ".as_slice(), Some(host::Kind::Wave)),
        (&opus, Some(host::Kind::Opus)),
        (&opus[..30], Some(host::Kind::Ogg)),
        (b"#EXTM3U\nfile:///etc/passwd", None),
        (b"ffconcat version 1.0", None),
        (b"", None),
    ] {
        fs::write(desk.path("x"), bytes).unwrap();
        assert_eq!(host::kind_of(&desk.path("x")).unwrap(), kind);
    }
}

#[test]
fn all_that_is_written_for_a_sound_that_came_to_nothing_is_known() {
    for format in SoundFormat::ALL {
        let desk = Desk::new();
        let (from, to) = (desk.wave(8000, 1, &tone(500.0, 8000, 2.0, 0.1)), desk.path(&format!("out.{format}")));
        assert!(matches!(convert(&from, &to, format, 1000), Err(SoundError::TooLarge(1000))));
        fs::remove_file(&from).unwrap();
        for path in format.files(&to) {
            let _ = fs::remove_file(path);
        }
        assert_eq!(fs::read_dir(desk.0.path()).unwrap().count(), 0, "{format}");
    }
}

#[test]
fn what_is_no_audio_is_said_to_be_none() {
    let desk = Desk::new();
    let path = desk.path("x.mp3");
    for bytes in [
        b"".to_vec(),
        b"<html>".to_vec(),
        vec![0; 100_000],
        (0..200_000_u32).map(|n| (n.wrapping_mul(n).wrapping_mul(31) >> 7) as u8).collect(),
    ] {
        fs::write(&path, &bytes).unwrap();
        let error = desk.convert(&path).unwrap_err();
        assert!(matches!(error, SoundError::Undecodable(_)), "{error}");
    }
}

#[test]
fn a_sound_that_would_fill_the_disk_stops_at_its_bound() {
    let desk = Desk::new();
    let from = desk.wave(8000, 1, &tone(500.0, 8000, 2.0, 0.1));
    let error = convert(&from, &desk.path("out.wav"), SoundFormat::Wav, 20_000).unwrap_err();
    assert!(matches!(error, SoundError::TooLarge(20_000)), "{error}");
    assert!(fs::metadata(desk.path("out.wav")).unwrap().len() < 60_000);
}

#[test]
fn mu_law_has_a_byte_a_sample_and_gsm_thirty_three_for_160() {
    let desk = Desk::new();
    let from = desk.wave(16_000, 1, &tone(500.0, 16_000, 1.0, 0.2));
    for (format, size) in [(SoundFormat::Ulaw, 8000), (SoundFormat::Gsm, 50 * 33)] {
        let to = desk.path(&format!("out.{format}"));
        convert(&from, &to, format, u64::MAX).unwrap();
        assert!(format.is_whole(&to));
        assert_eq!(fs::metadata(&to).unwrap().len(), size, "{format}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_limiter_keeps_its_ceiling_and_every_sample(
        samples in proptest::collection::vec(-1.0_f32..1.0, 0..3000), amplitude in 0.001_f32..1.0,
    ) {
        let samples: Vec<f32> = samples.iter().map(|sample| sample * amplitude).collect();
        let mut meter = Meter::new().unwrap();
        meter.hear(&samples).unwrap();
        let (mut limiter, mut out) = (Limiter::new(meter.gain().unwrap()), Vec::new());
        for block in samples.chunks(77) {
            limiter.take(block, &mut out);
        }
        limiter.finish(&mut out);
        prop_assert_eq!(out.len(), samples.len());
        prop_assert!(out.iter().all(|sample| sample.abs() <= 0.8911));
    }

    #[test]
    fn spoilt_files_are_heard_in_part_or_refused_and_nothing_panics(
        which in 0_usize..3, at in 0_usize..20_000, with in proptest::collection::vec(any::<u8>(), 1..64), cut in 0_usize..40_000,
    ) {
        let name = ["97cb0789fc8bb28db4d912c405fb449bf285ad9f", "52a55ce0daa6495be07f53416881da05809a1747", "a7d287eb313b8c2c5c6a6da12a40f31a95eeedaa"][which];
        let mut bytes = fs::read(format!("{FILES}/{name}")).unwrap();
        bytes.truncate(bytes.len().saturating_sub(cut));
        for (place, byte) in bytes.iter_mut().skip(at).zip(with) {
            *place = byte;
        }
        let desk = Desk::new();
        fs::write(desk.path("in.mp3"), bytes).unwrap();
        match desk.convert(&desk.path("in.mp3")) {
            Ok(_) | Err(SoundError::Undecodable(_)) => {}
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}
