//! Encoding a recording's wave: whole, or not at all.

use std::fs::File;
use std::io;

use audiospread_sound::{Lame, LameError, Source};
use camino::{Utf8Path, Utf8PathBuf};

use crate::Stop;
use crate::calls::Wave;

/// Why there is no mp3.
#[derive(Debug, thiserror::Error)]
pub(super) enum EncodeError {
    #[error(transparent)]
    Lame(#[from] LameError),
    #[error("{path}: {source}")]
    File { path: Utf8PathBuf, source: io::Error },
    /// It says that all is well, and the sound is shorter than what was said.
    #[error("what the encoder made is too short")]
    Short,
    #[error("stopped")]
    Stopped,
}

/// Makes the mp3 of a wave in the file `to`. Dropped, it ends the encoder.
pub(super) async fn encode(
    lame: &Lame,
    from: &Utf8Path,
    wave: Wave,
    to: &Utf8Path,
    stop: &Stop,
) -> Result<(), EncodeError> {
    let at = |path: &Utf8Path| {
        let path = path.to_owned();
        move |source| EncodeError::File { path, source }
    };
    let sound = Source::Wave(File::open(from).map_err(at(from))?);
    tokio::select! {
        () = stop.wished() => return Err(EncodeError::Stopped),
        encoded = lame.encode(sound, wave.duration_ms, to) => encoded?,
    }
    let made = std::fs::metadata(to).map_err(at(to))?.len();
    if made < Lame::expected(wave.duration_ms) * 9 / 10 { Err(EncodeError::Short) } else { Ok(()) }
}
