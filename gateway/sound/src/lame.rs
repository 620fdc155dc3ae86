//! The host's `lame`, as a process with bounds: a sound in, mono mp3 of 24 kbit/s out.
//!
//! No mp3 encoder in Rust is kept and free; lame is in every Debian. Its mp3 is what Drupal's editors, the gateway and phone servers understand,
//! and a ninth of a telephone's wave on the link.

use std::fs::File;
use std::io::{self, PipeReader};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use camino::Utf8Path;
use tokio::process::Command;

use crate::{Bounds, Ended};

/// Kilobits a second; also bytes of eight milliseconds.
const KBITS: u32 = 24;
/// Address space; lame needs some megabytes.
const MEMORY: u64 = 512 << 20;
/// Seconds of a processor; an hour of sound takes a small board some minutes.
const SECONDS: u64 = 1_200;
/// Calls, and the site, go first.
const NICENESS: i32 = 10;
/// Bytes beyond the sound itself: the first frame, which says how much of silence was added, and the last ones.
const SPARE: u64 = 64 << 10;
/// How long the version may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The encoder, by the name or path of its program.
#[derive(Clone, Debug)]
pub struct Lame {
    program: String,
}

/// What is encoded.
#[derive(Debug)]
pub enum Source {
    /// A wave, from its beginning.
    Wave(File),
    /// Samples of 16 bit, little-endian, [`Lame::RATE`] a second, as they come.
    Samples(PipeReader),
}

/// Why there is no mp3.
#[derive(Debug, thiserror::Error)]
pub enum LameError {
    /// The program is not there, or may not be run.
    #[error("{program} cannot be run ({source}): apt install lame, or name another encoder in the configuration")]
    Absent {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// It makes nothing of this sound.
    #[error("the encoder ended with {0}")]
    Failed(ExitStatus),
    /// It took more time, processor or room than a sound may.
    #[error("the encoder took more time, memory or room than a sound may")]
    TooMuch,
    /// Something from outside ended it.
    #[error("the encoder was ended by signal {0}")]
    Killed(i32),
    /// It cannot be bounded, or waited for.
    #[error("{0}")]
    Process(#[from] io::Error),
}

impl Lame {
    /// Samples a second of the mp3: twice what a telephone carries, since not every player knows mp3 of less.
    pub const RATE: u32 = 16_000;

    /// The encoder by the name or path of its program.
    pub const fn new(program: String) -> Self {
        Self { program }
    }

    /// How many bytes the mp3 of so much sound has, or nearly so.
    pub const fn expected(duration_ms: u64) -> u64 {
        duration_ms * KBITS as u64 / 8
    }

    /// The most bytes that it may have.
    pub const fn at_most(duration_ms: u64) -> u64 {
        Self::expected(duration_ms) + Self::expected(duration_ms) / 8 + SPARE
    }

    /// What the program says that it is.
    ///
    /// # Errors
    /// [`LameError`], if it cannot be run.
    pub async fn version(&self) -> Result<String, LameError> {
        let mut command = Command::new(&self.program);
        command.arg("--version").stdin(Stdio::null()).kill_on_drop(true);
        let said = tokio::time::timeout(PATIENCE, command.output()).await.map_err(|_| LameError::TooMuch)?;
        let said = said.map_err(|source| self.absent(source))?;
        if !said.status.success() {
            return Err(LameError::Failed(said.status));
        }
        Ok(String::from_utf8_lossy(&said.stdout).lines().next().unwrap_or_default().to_owned())
    }

    /// Makes the mp3 of a sound in the file `to`. Dropped, it ends the process.
    ///
    /// # Errors
    /// [`LameError`].
    pub async fn encode(&self, sound: Source, duration_ms: u64, to: &Utf8Path) -> Result<(), LameError> {
        let mut child = self.start(sound, to).map_err(|source| self.absent(source))?;
        let file = Some(Self::at_most(duration_ms));
        Bounds { memory: MEMORY, seconds: SECONDS, file, niceness: NICENESS }.give(&child)?;
        let ended = tokio::time::timeout(Duration::from_secs(SECONDS * 2), child.wait()).await;
        match ended.map_err(|_| LameError::TooMuch)??.into() {
            Ended::Well => Ok(()),
            Ended::Failed(status) => Err(LameError::Failed(status)),
            Ended::TooMuch => Err(LameError::TooMuch),
            Ended::Killed(signal) => Err(LameError::Killed(signal)),
        }
    }

    /// The command goes at once, and with it this process's end of the pipe: else nobody noticed that lame does not read any more.
    fn start(&self, sound: Source, to: &Utf8Path) -> io::Result<tokio::process::Child> {
        let rate = format!("{}", f64::from(Self::RATE) / 1000.0);
        let mut command = Command::new(&self.program);
        command.args(["--quiet", "-m", "m", "--cbr", "-b", &KBITS.to_string(), "--resample", &rate]);
        match sound {
            Source::Wave(file) => command.stdin(file),
            Source::Samples(pipe) => {
                command.args(["-r", "-s", &rate, "--bitwidth", "16", "--signed", "--little-endian"]).stdin(pipe)
            }
        };
        // To a file rather than to a pipe: the first frame, which is written last, tells players what silence to leave out.
        command.args(["-", to.as_str()]).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        command.spawn()
    }

    fn absent(&self, source: io::Error) -> LameError {
        LameError::Absent { program: self.program.clone(), source }
    }
}
