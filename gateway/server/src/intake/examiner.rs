//! Has sounds examined by a process of its own, for a bounded time.

use std::fs::File;
use std::io::{self, Read};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use tokio::sync::Semaphore;

use super::Sound;

/// A sound that takes longer than this is not examined to its end.
const PATIENCE: Duration = Duration::from_secs(90);
/// So many at once: the site on this host goes on.
const AT_ONCE: usize = 2;
/// How often is looked whether the process has ended.
const LOOK: Duration = Duration::from_millis(10);

/// Examines sounds.
#[derive(Clone, Debug)]
pub struct Examiner {
    program: Utf8PathBuf,
    places: Arc<Semaphore>,
}

/// Why nothing was found out.
#[derive(Debug, thiserror::Error)]
pub enum ExamineError {
    /// It is no sound that can be used.
    #[error("it is no mp3 that can be played")]
    NotAudio,
    /// It took more time or memory than a sound may.
    #[error("it takes more time or memory than any recording does")]
    TooMuch,
    /// The process could not be run.
    #[error("{program} cannot be run: {source}")]
    Process {
        /// The program.
        program: Utf8PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Examiner {
    /// Examines by `program`, which is this one.
    pub fn new(program: Utf8PathBuf) -> Self {
        Self { program, places: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// What the sound in a file is, which is read from where it stands.
    ///
    /// # Errors
    /// [`ExamineError`].
    pub async fn examine(&self, file: File) -> Result<Sound, ExamineError> {
        let failed = |source| ExamineError::Process { program: self.program.clone(), source };
        let _place = self.places.acquire().await.map_err(|error| failed(io::Error::other(error)))?;
        let mut command = Command::new(&self.program);
        command.arg("examine-sound").env_clear().stdin(file).stdout(Stdio::piped()).stderr(Stdio::null());
        let ran = tokio::task::spawn_blocking(move || run(command)).await;
        match ran.map_err(|error| failed(io::Error::other(error)))?.map_err(failed)? {
            // The exit code of a sound that is none.
            (Some(1), _) => Err(ExamineError::NotAudio),
            (Some(0), said) => serde_json::from_slice(&said).map_err(|error| failed(error.into())),
            (None, _) => Err(ExamineError::TooMuch),
            (Some(code), _) => Err(failed(io::Error::other(format!("it ended with {code}")))),
        }
    }
}

/// Runs a command to its end or for as long as is waited for it; its exit code, unless it was killed, and what it said.
fn run(mut command: Command) -> io::Result<(Option<i32>, Vec<u8>)> {
    let mut child = Killed(command.spawn()?);
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.0.try_wait()? {
            break status;
        }
        if started.elapsed() > PATIENCE {
            return Ok((None, Vec::new()));
        }
        thread::sleep(LOOK);
    };
    let mut said = Vec::new();
    if let Some(out) = child.0.stdout.take() {
        out.take(4_096).read_to_end(&mut said)?;
    }
    // A panic of the decoder is the sound's fault as well.
    let code = status.code().map(|code| if code == 101 { 1 } else { code });
    Ok((code, said))
}

/// A process that does not outlive whoever waits for it.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // One that has ended is no more to be killed, and is only waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
