//! Making the rendition of a sound: a process of this program decodes it, the host's `lame` encodes what comes of it.
//!
//! So whatever an editor uploads is read by one decoder, which has bounds and is the phone servers' as well; lame sees samples and nothing else.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::process::Stdio;
use std::time::Duration;

use audiospread_sound::{Bounds, DecodeError, Ended, Lame, LameError, Source, decode};
use camino::{Utf8Path, Utf8PathBuf};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

/// What decoding may take; half an hour of sound was seen to take half a minute without any optimisation. It writes to a pipe, and to no file.
const BOUNDS: Bounds = Bounds { memory: 1 << 30, seconds: 1_200, file: Some(0), niceness: 10 };
/// How long the decoder may go on when the encoder has ended.
const PATIENCE: Duration = Duration::from_secs(10);

/// The exit code of `decode-sound`, of `sysexits.h`, where the bytes are at fault.
pub const UNDECODABLE: u8 = 65;

/// The encoder of phone renditions.
#[derive(Debug)]
pub struct Encoder {
    lame: Lame,
    /// The decoder: this program.
    program: Utf8PathBuf,
    /// One at once.
    turn: Semaphore,
}

/// Why there is no rendition.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The encoder.
    #[error(transparent)]
    Lame(#[from] LameError),
    /// The decoder makes nothing of the sound.
    #[error("it cannot be decoded within the bounds of a sound")]
    Undecodable,
    /// Something from outside ended the decoder.
    #[error("the decoder was ended by signal {0}")]
    Killed(i32),
    /// What was made is not what was wanted.
    #[error("what the encoder made is no mp3 of the same length that is smaller")]
    Unlike,
    /// A file cannot be read or written, or a process not be started.
    #[error("{0}")]
    File(#[from] io::Error),
}

/// Whether a rendition of a sound would be a quarter smaller at least.
pub(super) const fn gains(size: u64, duration_ms: u32) -> bool {
    Lame::expected(duration_ms as u64) * 4 < size * 3
}

/// Bounds this process, then decodes a sound to its end: samples as [`Source::Samples`] wants them.
///
/// # Errors
/// [`DecodeError`]; also when nobody reads on.
pub fn decode_bounded(sound: File, out: impl Write) -> Result<(), DecodeError> {
    BOUNDS.take()?;
    let mut out = BufWriter::new(out);
    decode(sound, None, Lame::RATE, &mut |block| {
        for sample in block {
            #[expect(clippy::cast_possible_truncation, reason = "within the bounds of 16 bit")]
            let sample = (sample.clamp(-1.0, 1.0) * f32::from(i16::MAX)).round() as i16;
            out.write_all(&sample.to_le_bytes())?;
        }
        Ok::<_, DecodeError>(())
    })?;
    Ok(out.flush()?)
}

impl Encoder {
    /// By `lame`, and `program`, which is this one.
    pub fn new(lame: Lame, program: Utf8PathBuf) -> Self {
        Self { lame, program, turn: Semaphore::new(1) }
    }

    /// Makes the rendition of `sound` in the file `to`. Dropped, it ends the processes.
    pub(super) async fn encode(&self, sound: File, duration_ms: u32, to: &Utf8Path) -> Result<(), EncodeError> {
        let _turn = self.turn.acquire().await.map_err(io::Error::other)?;
        let (reader, writer) = io::pipe()?;
        let mut decoder = self.start_decoder(sound, writer)?;
        let encoded = self.lame.encode(Source::Samples(reader), duration_ms.into(), to).await;
        // It ends when it has written all, or when nobody reads any more.
        let decoded = tokio::time::timeout(PATIENCE, decoder.wait()).await.map_err(|_| EncodeError::Undecodable)??;
        match Ended::from(decoded) {
            // The encoder has its own reasons.
            Ended::Well => Ok(encoded?),
            Ended::Killed(signal) => Err(EncodeError::Killed(signal)),
            Ended::Failed(status) if status.code() != Some(UNDECODABLE.into()) => {
                encoded?;
                Err(EncodeError::Undecodable)
            }
            Ended::Failed(_) | Ended::TooMuch => Err(EncodeError::Undecodable),
        }
    }

    /// The command goes at once, and with it this process's end of the pipe: else the encoder would wait for more.
    fn start_decoder(&self, sound: File, out: io::PipeWriter) -> io::Result<Child> {
        let mut command = Command::new(&self.program);
        command.arg("decode-sound").env_clear().stdin(sound).stdout(out).stderr(Stdio::null()).kill_on_drop(true);
        command.spawn()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_becomes_a_quarter_smaller_gains() {
        assert!(gains(16_000, 1000));
        assert!(gains(4_001, 1000));
        assert!(!gains(4_000, 1000));
    }
}
