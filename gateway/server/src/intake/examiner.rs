//! Has sounds examined by a process of its own, for a bounded time.

use std::fs::File;
use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use audiospread_sound::Ended;
use camino::Utf8PathBuf;
use tokio::sync::Semaphore;

use super::Sound;

/// On a host that needs longer than this for what may take a minute of a processor, nothing is found out now.
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
    /// The process could not be run, or not to its end: nothing is said about the sound.
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
        let (status, said) = ran.map_err(|error| failed(io::Error::other(error)))?.map_err(failed)?;
        self.judge(status, &said)
    }

    /// What is known of a sound by how the process ended that examined it, and by what it said.
    fn judge(&self, status: ExitStatus, said: &[u8]) -> Result<Sound, ExamineError> {
        let failed = |source| ExamineError::Process { program: self.program.clone(), source };
        match (status.into(), status.code()) {
            (Ended::Well, _) => serde_json::from_slice(said).map_err(|error| failed(error.into())),
            // The exit code of a sound that is none; a panic of the decoder is the sound's fault as well.
            (Ended::Failed(_), Some(1 | 101)) => Err(ExamineError::NotAudio),
            // Who wants more memory than there is ends by a signal of his own.
            (Ended::TooMuch, _) | (Ended::Failed(_), None) => Err(ExamineError::TooMuch),
            (Ended::Failed(_) | Ended::Killed(_), _) => Err(failed(io::Error::other(status.to_string()))),
        }
    }
}

/// Runs a command to its end: how it ended, and what it said.
fn run(mut command: Command) -> io::Result<(ExitStatus, Vec<u8>)> {
    let mut child = Killed(command.spawn()?);
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.0.try_wait()? {
            break status;
        }
        if started.elapsed() > PATIENCE {
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("not within {} seconds", PATIENCE.as_secs())));
        }
        thread::sleep(LOOK);
    };
    let mut said = Vec::new();
    if let Some(out) = child.0.stdout.take() {
        out.take(4_096).read_to_end(&mut said)?;
    }
    Ok((status, said))
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

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn what_ends_the_process_from_outside_says_nothing_about_the_sound() {
        let examiner = Examiner::new("/no/such/program".into());
        let judged = |status: i32| examiner.judge(ExitStatus::from_raw(status), b"{\"duration_ms\":5,\"silent\":true}");
        let code = |code: i32| judged(code << 8);
        assert_eq!(judged(0).unwrap(), Sound { duration_ms: 5, silent: true });
        for it_is_none in [code(1), code(101)] {
            assert!(matches!(it_is_none, Err(ExamineError::NotAudio)), "{it_is_none:?}");
        }
        for it_is_too_much in [judged(6), judged(24)] {
            assert!(matches!(it_is_too_much, Err(ExamineError::TooMuch)), "{it_is_too_much:?}");
        }
        // A stop of the gateway's service, the system where memory is short, a disk that cannot be read.
        for later in [judged(15), judged(9), code(75)] {
            assert!(matches!(later, Err(ExamineError::Process { .. })), "{later:?}");
        }
    }
}
