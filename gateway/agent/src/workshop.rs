//! Where phone sounds are made: each in a process of its own, as many at once as this host has processors.
//!
//! A process, and not a thread with a caught panic: a parser that goes round in circles or wants all memory can be ended only as a process,
//! and calls keep their processor since it runs with a lower priority. It is this very program, by its hidden command `phone-sound`.

use std::os::unix::process::ExitStatusExt;
use std::process::{Output, Stdio};
use std::time::Duration;

use audiospread_protocol::Sha256Digest;
use camino::{Utf8Path, Utf8PathBuf};
use tokio::process::Command;
use tokio::sync::Semaphore;

use crate::mirror::Mirror;
use crate::pull::PullError;
use crate::shared::{DataDir, SharedError};
use crate::sound::{self, PhoneSound, SoundFormat};
use crate::store::{Bytes, Store};
use crate::{Amount, Event, Stop};

/// Which decoder this is: its number grows when it understands more.
const DECODER: &str = "symphonia 0.6, 2";

/// Exit codes of `phone-sound`, of `sysexits.h`: the bytes are at fault; there is no room.
pub const UNDECODABLE: u8 = 65;
/// There is no room for the sound.
pub const NO_ROOM: u8 = 73;

/// The program itself, also after its file was replaced by a newer one.
const PROGRAM: &str = "/proc/self/exe";

/// What sounds are decoded by on this host: with another answer, what could not be decoded is tried again.
pub(crate) fn decoders() -> String {
    let programs = sound::programs_here().map(|program| format!(", {program}"));
    programs.fold(DECODER.to_owned(), |decoders, program| decoders + &program)
}

/// How many sounds are made at once.
#[derive(Debug)]
pub(crate) struct Workshop {
    places: Semaphore,
    format: SoundFormat,
    keep_free: Amount,
}

/// A phone sound that was made, and has not got its place yet.
#[derive(Debug)]
pub(crate) struct Made {
    sha256: Sha256Digest,
    format: SoundFormat,
    path: Utf8PathBuf,
    bytes: Bytes,
    sound: PhoneSound,
}

impl Made {
    /// Gives it its place in the store; its bytes are noted before, so that none is there of which nothing is known.
    pub(crate) fn place(self, mirror: &mut Mirror, store: &Store) -> Result<Event, PullError> {
        mirror.note_phone_sound(self.sha256, self.format, self.bytes)?;
        store.adopt_phone(&self.path, self.sha256, self.format)?;
        let PhoneSound { duration_ms, gain_db } = self.sound;
        Ok(Event::Made { sha256: self.sha256, duration_ms, gain_db })
    }
}

/// Why there is no phone sound.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MakeError {
    /// It cannot be heard, today or tomorrow.
    #[error("{0}")]
    Undecodable(String),
    /// No room on the disk.
    #[error("there is no room on the disk for phone sounds")]
    NoRoom,
    #[error("a phone sound could not be made: {0}")]
    Failed(String),
    #[error(transparent)]
    Shared(#[from] SharedError),
    #[error("stopped")]
    Stopped,
}

impl Workshop {
    pub(crate) fn new(format: SoundFormat, keep_free: Amount) -> Self {
        let places = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { places: Semaphore::new(places), format, keep_free }
    }

    /// Makes the phone sound of a file that is whole.
    pub(crate) async fn make(
        &self,
        store: &Store,
        directory: &DataDir,
        from: &Utf8Path,
        sha256: Sha256Digest,
        stop: &Stop,
    ) -> Result<Made, MakeError> {
        // Whoever waits in vain is not here any more.
        let Ok(_place) = self.places.acquire().await else { return Err(MakeError::Stopped) };
        let room = directory.free()?.saturating_sub(self.keep_free.0);
        let to = store.incoming_dir().join(format!("{sha256}.{}.{}", std::process::id(), self.format));
        let outcome = self.run(from, &to, room, stop).await;
        match outcome {
            Ok(sound) => {
                let path = to.clone();
                let read = tokio::task::spawn_blocking(move || Bytes::of(&path)).await;
                let bytes = read.map_err(|error| MakeError::Failed(error.to_string()))??;
                Ok(Made { sha256, format: self.format, path: to, bytes, sound })
            }
            Err(error) => {
                // A file that is not there, or stays until the next pull clears up, is no second fault.
                for path in self.format.files(&to) {
                    let _ = std::fs::remove_file(path);
                }
                Err(error)
            }
        }
    }

    async fn run(&self, from: &Utf8Path, to: &Utf8Path, room: u64, stop: &Stop) -> Result<PhoneSound, MakeError> {
        let failed = |error: std::io::Error| MakeError::Failed(error.to_string());
        let size = std::fs::metadata(from).map_err(failed)?.len();
        let child = Command::new(PROGRAM)
            .args(["phone-sound", "--format", self.format.extension(), "--at-most", &room.to_string()])
            .args([from, to])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        tokio::select! {
            () = stop.wished() => Err(MakeError::Stopped),
            () = tokio::time::sleep(patience(size)) => Err(late(from)),
            ended = child.wait_with_output() => judge(&ended.map_err(failed)?, stop),
        }
    }
}

/// How long a process may take, as a clock shows it: several times what it may take of a processor, of which calls and others come first.
const fn patience(size: u64) -> Duration {
    Duration::from_secs(4 * sound::seconds_for(size))
}

/// A sound that keeps a processor busy without end is told by its own bound: if the clock comes first, this host had other things to do.
fn late(from: &Utf8Path) -> MakeError {
    MakeError::Failed(format!(
        "the phone sound of {from} was not made in time, so busy is this host: the next pull tries again"
    ))
}

fn judge(ended: &Output, stop: &Stop) -> Result<PhoneSound, MakeError> {
    const OUT_OF_TIME: i32 = 24; // SIGXCPU
    const OUT_OF_MEMORY: i32 = 6; // SIGABRT: what Rust does when an allocation fails
    let said = String::from_utf8_lossy(&ended.stderr);
    let said = said.trim().strip_prefix("audiospread: ").unwrap_or(said.trim()).chars().take(300).collect::<String>();
    match (ended.status.code(), ended.status.signal()) {
        (Some(0), _) => serde_json::from_slice(&ended.stdout).map_err(|error| MakeError::Failed(error.to_string())),
        (Some(code), _) if code == i32::from(UNDECODABLE) => Err(MakeError::Undecodable(said)),
        (Some(code), _) if code == i32::from(NO_ROOM) => Err(MakeError::NoRoom),
        // A panic.
        (Some(101), _) => Err(MakeError::Undecodable("the decoder gives up on it".to_owned())),
        (None, Some(OUT_OF_TIME)) => {
            Err(MakeError::Undecodable("it takes the decoder more of a processor than a sound may".to_owned()))
        }
        (None, Some(OUT_OF_MEMORY)) => Err(MakeError::Undecodable("it wants more memory than it may have".to_owned())),
        _ if stop.is_wished() => Err(MakeError::Stopped),
        _ => Err(MakeError::Failed(format!("{}: {said}", ended.status))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_host_condemns_no_sound_since_its_own_bound_comes_first() {
        for size in [0, 100_000, 10_000_000, 1 << 40] {
            let bound = sound::seconds_for(size);
            assert!(
                (300..=3600).contains(&bound) && patience(size) >= Duration::from_secs(3 * bound),
                "{size}: {bound}"
            );
        }
    }

    #[test]
    fn what_the_clock_ends_is_tried_again_and_what_a_processor_ends_is_not() {
        let ended = |signal: i32| Output {
            status: std::process::ExitStatus::from_raw(signal),
            stdout: Vec::new(),
            stderr: Vec::new(),
        };
        assert!(matches!(late("x.mp3".into()), MakeError::Failed(_)));
        let (_stopper, stop) = crate::Stopper::new();
        assert!(matches!(judge(&ended(24), &stop), Err(MakeError::Undecodable(_))));
        assert!(matches!(judge(&ended(9), &stop), Err(MakeError::Failed(_))));
    }
}
