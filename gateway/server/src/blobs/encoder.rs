//! The host's `lame`, as a process with bounds: mp3 or wav in, mono mp3 of 24 kbit/s out.

use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use camino::Utf8Path;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setpriority_process};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

use super::measure::Mime;

/// Kilobits a second; also bytes of eight milliseconds.
const KBITS: u32 = 24;
/// Samples a second: twice what a telephone carries.
const KHZ: u32 = 16;
/// Address space; lame needs some megabytes.
const MEMORY: u64 = 512 << 20;
/// Of a processor; half an hour of sound was seen to take nine.
const SECONDS: u64 = 600;
/// The site on this host goes first.
const NICENESS: i32 = 15;
/// Beyond the sound itself: the first frame, which says how much of silence was added, and the last ones.
const SPARE: u64 = 64 << 10;
/// How long the version may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The encoder of phone renditions.
#[derive(Debug)]
pub struct Encoder {
    program: String,
    /// One at once.
    turn: Semaphore,
}

/// Why there is no rendition.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The program is not there.
    #[error("{program} cannot be run ({source}): apt install lame, or name another encoder in [renditions]")]
    Absent {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// It made nothing of the sound.
    #[error("the encoder ended with {0}")]
    Failed(ExitStatus),
    /// It took more time, processor or room than a sound may.
    #[error("the encoder took more time, memory or room than a rendition may")]
    TooMuch,
    /// What it made is not what was wanted.
    #[error("what the encoder made is no mp3 of the same length that is smaller")]
    Unlike,
    /// A file cannot be read or written.
    #[error("{0}")]
    File(#[from] io::Error),
}

/// Whether a rendition of a sound would be a quarter smaller at least, and can be made.
pub(super) fn gains(mime: Mime, size: u64, duration_ms: u32) -> bool {
    matches!(mime, Mime::Mpeg | Mime::Wav) && bytes_of(duration_ms) * 4 < size * 3
}

/// The bytes of so much sound.
fn bytes_of(duration_ms: u32) -> u64 {
    u64::from(duration_ms) * u64::from(KBITS) / 8
}

impl Encoder {
    /// The encoder by the name or path of its program.
    pub fn new(program: String) -> Self {
        Self { program, turn: Semaphore::new(1) }
    }

    /// What the program says that it is.
    ///
    /// # Errors
    /// [`EncodeError`], if it cannot be run.
    pub async fn version(&self) -> Result<String, EncodeError> {
        let mut command = Command::new(&self.program);
        command.arg("--version").stdin(Stdio::null()).kill_on_drop(true);
        let said = tokio::time::timeout(PATIENCE, command.output()).await.map_err(|_| EncodeError::TooMuch)?;
        let said = said.map_err(|source| self.absent(source))?;
        if !said.status.success() {
            return Err(EncodeError::Failed(said.status));
        }
        Ok(String::from_utf8_lossy(&said.stdout).lines().next().unwrap_or_default().to_owned())
    }

    /// Makes the rendition of `sound` in the file `to`. Dropped, it ends the process.
    pub(super) async fn encode(
        &self,
        sound: File,
        mime: Mime,
        duration_ms: u32,
        to: &Utf8Path,
    ) -> Result<(), EncodeError> {
        let _turn = self.turn.acquire().await.map_err(io::Error::other)?;
        let mut command = Command::new(&self.program);
        command.args(["--quiet", "-m", "m", "--cbr", "-b", &KBITS.to_string(), "--resample", &KHZ.to_string()]);
        if mime == Mime::Mpeg {
            command.arg("--mp3input");
        }
        // To a file rather than to a pipe: the first frame, which is written last, tells players what silence to leave out.
        command.args(["-", to.as_str()]).stdin(sound).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|source| self.absent(source))?;
        bound(&child, bytes_of(duration_ms) + bytes_of(duration_ms) / 8 + SPARE)?;
        let ended = tokio::time::timeout(Duration::from_secs(SECONDS * 2), child.wait()).await;
        match ended.map_err(|_| EncodeError::TooMuch)?? {
            status if status.success() => Ok(()),
            status if status.signal().is_some() => Err(EncodeError::TooMuch),
            status => Err(EncodeError::Failed(status)),
        }
    }

    fn absent(&self, source: io::Error) -> EncodeError {
        EncodeError::Absent { program: self.program.clone(), source }
    }
}

/// What a process that reads strangers' sounds may take of this host.
fn bound(child: &Child, file: u64) -> io::Result<()> {
    let process = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    // One that has ended already needs none.
    let Some(process) = process else { return Ok(()) };
    let limits = [(Resource::As, MEMORY), (Resource::Cpu, SECONDS), (Resource::Fsize, file), (Resource::Core, 0)];
    for (resource, most) in limits {
        let most = getrlimit(resource).maximum.map_or(most, |maximum| maximum.min(most));
        prlimit(Some(process), resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    // Where that is not allowed, it is only less polite.
    let _ = setpriority_process(Some(process), NICENESS);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_becomes_a_quarter_smaller_gains() {
        assert!(gains(Mime::Mpeg, 16_000, 1000));
        assert!(gains(Mime::Wav, 4_001, 1000));
        assert!(!gains(Mime::Mpeg, 4_000, 1000));
        assert!(!gains(Mime::Ogg, 16_000, 1000), "lame does not read it from a pipe");
    }
}
