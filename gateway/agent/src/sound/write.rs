//! Writing what Asterisk reads: 16-bit WAVE, µ-law, or GSM by the host's sox or ffmpeg.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};

use super::{RATE, SoundError, SoundFormat};

/// The head of a WAVE file as Asterisk writes and reads it.
const HEAD: usize = 44;

/// A sound that is being written.
pub(super) struct Writer {
    file: BufWriter<File>,
    format: SoundFormat,
    to: Utf8PathBuf,
    /// Bytes of samples so far, and the most that there may be.
    written: u64,
    at_most: u64,
}

impl Writer {
    pub(super) fn create(to: &Utf8Path, format: SoundFormat, at_most: u64) -> Result<Self, SoundError> {
        let mut file = BufWriter::new(File::create(path(to, format))?);
        if format != SoundFormat::Ulaw {
            file.write_all(&head(0))?;
        }
        Ok(Self { file, format, to: to.to_owned(), written: 0, at_most })
    }

    pub(super) fn write(&mut self, samples: &[f32]) -> Result<(), SoundError> {
        for sample in samples {
            #[allow(clippy::cast_possible_truncation, reason = "within the bounds of 16 bit")]
            let sample = (sample.clamp(-1.0, 1.0) * f32::from(i16::MAX)).round() as i16;
            if self.format == SoundFormat::Ulaw {
                self.file.write_all(&[audio_codec_algorithms::encode_ulaw(sample)])?;
                self.written += 1;
            } else {
                self.file.write_all(&sample.to_le_bytes())?;
                self.written += 2;
            }
        }
        if self.written > self.at_most { Err(SoundError::TooLarge(self.at_most)) } else { Ok(()) }
    }

    /// Everything is on the disk.
    pub(super) fn finish(self) -> Result<(), SoundError> {
        let mut file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        if self.format != SoundFormat::Ulaw {
            file.seek(SeekFrom::Start(0))?;
            file.write_all(&head(u32::try_from(self.written).unwrap_or(u32::MAX)))?;
        }
        file.sync_all()?;
        if self.format == SoundFormat::Gsm {
            let wave = path(&self.to, self.format);
            let encoded = encode_gsm(&wave, &self.to);
            fs::remove_file(&wave)?;
            encoded?;
            File::open(&self.to)?.sync_all()?;
        }
        Ok(())
    }
}

/// The file that is written first: GSM is made from a wave beside it.
pub(super) fn path(to: &Utf8Path, format: SoundFormat) -> Utf8PathBuf {
    match format {
        SoundFormat::Gsm => Utf8PathBuf::from(format!("{to}.wav")),
        SoundFormat::Wav | SoundFormat::Ulaw => to.to_owned(),
    }
}

fn encode_gsm(wave: &Utf8Path, to: &Utf8Path) -> Result<(), SoundError> {
    let sox = ("sox", vec!["-t", "wav", wave.as_str(), "-t", "gsm", to.as_str()]);
    let ffmpeg =
        ["-nostdin", "-loglevel", "error", "-y", "-i", wave.as_str(), "-c:a", "libgsm", "-f", "gsm", to.as_str()];
    let mut why = Vec::new();
    for (program, arguments) in [sox, ("ffmpeg", ffmpeg.to_vec())] {
        match Command::new(program).args(arguments).stdin(Stdio::null()).output() {
            Ok(ran) if ran.status.success() => return Ok(()),
            Ok(ran) => why.push(format!("{program}: {}", String::from_utf8_lossy(&ran.stderr).trim())),
            Err(error) => why.push(format!("{program}: {error}")),
        }
    }
    Err(SoundError::NoEncoder(why.join("; ")))
}

/// The head of a wave with so many bytes of samples.
pub(crate) fn head(data: u32) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    let fields: [&[u8]; 13] = [
        b"RIFF",
        &data.saturating_add(36).to_le_bytes(),
        b"WAVE",
        b"fmt ",
        &16_u32.to_le_bytes(),
        &1_u16.to_le_bytes(), // PCM
        &1_u16.to_le_bytes(), // mono
        &RATE.to_le_bytes(),
        &(2 * RATE).to_le_bytes(),
        &2_u16.to_le_bytes(),
        &16_u16.to_le_bytes(),
        b"data",
        &data.to_le_bytes(),
    ];
    let mut rest = head.as_mut_slice();
    for field in fields {
        // The fields have 44 bytes together.
        let _ = rest.write_all(field);
    }
    head
}

/// Whether a wave of ours has as many samples as its head says.
pub(super) fn is_whole_wave(path: &Utf8Path) -> bool {
    let Ok(mut file) = File::open(path) else { return false };
    let mut found = [0; HEAD];
    let Ok(length) = file.metadata().map(|metadata| metadata.len()) else { return false };
    file.read_exact(&mut found).is_ok()
        && length > HEAD as u64
        && u32::try_from(length - HEAD as u64).is_ok_and(|data| found == head(data))
}
