//! The host's `lame`, as a process with bounds: a wave in, mono mp3 of 24 kbit/s out.
//!
//! No mp3 encoder in Rust is kept and free; lame is in every Debian. Its mp3 is what Drupal's editors and the gateway understand, and a
//! ninth of the wave on the link.

use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setpriority_process};
use tokio::process::{Child, Command};

use crate::Stop;
use crate::calls::Wave;

/// Kilobits a second.
const KBITS: u32 = 24;
/// Samples a second: twice what a telephone carries, since not every player knows mp3 of less.
const KHZ: u32 = 16;
/// Address space; lame needs some megabytes.
const MEMORY: u64 = 512 << 20;
/// Of a processor; an hour of sound takes a small board some minutes.
const SECONDS: u64 = 1_200;
/// Calls go first on this host.
const NICENESS: i32 = 10;
/// Beyond the sound itself: the first frame and the last ones.
const SPARE: u64 = 64 << 10;

/// The encoder of recordings.
#[derive(Debug)]
pub(super) struct Encoder {
    program: String,
}

/// Why there is no mp3.
#[derive(Debug, thiserror::Error)]
pub(super) enum EncodeError {
    /// The program is not there, or may not be run.
    #[error("{program} cannot be run: {source}")]
    Absent { program: String, source: io::Error },
    #[error("{path}: {source}")]
    File { path: Utf8PathBuf, source: io::Error },
    /// It makes nothing of this sound.
    #[error("the encoder ended with {0}")]
    Failed(ExitStatus),
    #[error("the encoder took more time, memory or room than a recording may")]
    TooMuch,
    /// Something from outside ended it.
    #[error("the encoder was ended by signal {0}")]
    Killed(i32),
    /// It says that all is well, and the sound is shorter than what was said.
    #[error("what the encoder made is too short")]
    Short,
    #[error("stopped")]
    Stopped,
}

/// How many bytes the mp3 of a wave has, or nearly so.
pub(super) const fn expected(wave: Wave) -> u64 {
    wave.duration_ms * KBITS as u64 / 8
}

/// The most bytes that it may have.
pub(super) const fn at_most(wave: Wave) -> u64 {
    expected(wave) + expected(wave) / 8 + SPARE
}

impl Encoder {
    pub(super) const fn new(program: String) -> Self {
        Self { program }
    }

    /// Makes the mp3 of a wave in the file `to`. Dropped, it ends the process.
    pub(super) async fn encode(
        &self,
        from: &Utf8Path,
        wave: Wave,
        to: &Utf8Path,
        stop: &Stop,
    ) -> Result<(), EncodeError> {
        let at = |path: &Utf8Path| {
            let path = path.to_owned();
            move |source| EncodeError::File { path, source }
        };
        let sound = File::open(from).map_err(at(from))?;
        let mut command = Command::new(&self.program);
        command.args(["--quiet", "-m", "m", "--cbr", "-b", &KBITS.to_string(), "--resample", &KHZ.to_string()]);
        // To a file rather than to a pipe: the first frame, which is written last, tells players what silence to leave out.
        command.args(["-", to.as_str()]).stdin(sound).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let absent = |source| EncodeError::Absent { program: self.program.clone(), source };
        let mut child = command.spawn().map_err(absent)?;
        bound(&child, at_most(wave)).map_err(at(to))?;
        let ended = tokio::select! {
            () = stop.wished() => return Err(EncodeError::Stopped),
            () = tokio::time::sleep(Duration::from_secs(SECONDS * 2)) => return Err(EncodeError::TooMuch),
            ended = child.wait() => ended.map_err(at(to))?,
        };
        judge(ended)?;
        let made = std::fs::metadata(to).map_err(at(to))?.len();
        if made < expected(wave) * 9 / 10 { Err(EncodeError::Short) } else { Ok(()) }
    }
}

fn judge(ended: ExitStatus) -> Result<(), EncodeError> {
    const OUT_OF_TIME: i32 = 24; // SIGXCPU
    const OUT_OF_ROOM: i32 = 25; // SIGXFSZ
    const FAULTS: [i32; 4] = [4, 6, 8, 11]; // SIGILL, SIGABRT, SIGFPE, SIGSEGV
    match ended.signal() {
        None if ended.success() => Ok(()),
        Some(OUT_OF_TIME | OUT_OF_ROOM) => Err(EncodeError::TooMuch),
        Some(signal) if !FAULTS.contains(&signal) => Err(EncodeError::Killed(signal)),
        _ => Err(EncodeError::Failed(ended)),
    }
}

/// What a process that reads foreign sounds may take of this host.
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
