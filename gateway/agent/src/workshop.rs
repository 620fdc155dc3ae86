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
use crate::sound::{PhoneSound, SoundFormat};
use crate::store::{Bytes, Store};
use crate::{Amount, Event, Stop};

/// Which decoder this is: with another one, what could not be decoded is tried again.
pub(crate) const DECODER: &str = "symphonia 0.6, 2";

/// Exit codes of `phone-sound`, of `sysexits.h`: the bytes are at fault; there is no room.
pub const UNDECODABLE: u8 = 65;
/// There is no room for the sound.
pub const NO_ROOM: u8 = 73;

/// The program itself, also after its file was replaced by a newer one.
const PROGRAM: &str = "/proc/self/exe";

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
                let _ = std::fs::remove_file(&to);
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
            () = tokio::time::sleep(patience(size)) => {
                Err(MakeError::Undecodable("the decoder does not come to an end with it".to_owned()))
            }
            ended = child.wait_with_output() => judge(&ended.map_err(failed)?, stop),
        }
    }
}

/// The slowest board decodes ten kilobytes a second: 80 kbit/s in real time.
const fn patience(size: u64) -> Duration {
    Duration::from_secs(120 + size / 10_000)
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
        (None, Some(OUT_OF_TIME)) => Err(MakeError::Undecodable("it takes the decoder an hour and more".to_owned())),
        (None, Some(OUT_OF_MEMORY)) => Err(MakeError::Undecodable("it wants more memory than it may have".to_owned())),
        _ if stop.is_wished() => Err(MakeError::Stopped),
        _ => Err(MakeError::Failed(format!("{}: {said}", ended.status))),
    }
}
