//! What decodes a sound: our own decoder, or for what that does not know the host's `ffmpeg` or `sox`.
//!
//! Such a program inherits the bounds that this process gave itself, writes into a pipe and may write into no file. It is told what the file is, and
//! so does not look for itself: there are formats that name other files and addresses.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, ExitStatus, Stdio};

use audiospread_sound::{Ended, LONGEST_HOURS, decode};
use camino::Utf8Path;

use super::{RATE, SoundError};

/// Samples that are handed on at once.
const BLOCK: usize = 4096;

/// What decodes a sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decoder {
    Own,
    Ffmpeg,
    Sox,
}

/// What only other decoders know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Wave,
    Ogg,
    /// Opus, in Ogg.
    Opus,
}

/// What a file is by its first bytes; nothing, if no other decoder is asked about it.
pub(super) fn kind_of(path: &Utf8Path) -> io::Result<Option<Kind>> {
    let mut head = Vec::new();
    File::open(path)?.take(36).read_to_end(&mut head)?;
    Ok(match head.as_slice() {
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..] => Some(Kind::Wave),
        [b'O', b'g', b'g', b'S', .., b'O', b'p', b'u', b's', b'H', b'e', b'a', b'd'] => Some(Kind::Opus),
        [b'O', b'g', b'g', b'S', ..] => Some(Kind::Ogg),
        _ => None,
    })
}

/// The programs of this host that decode what our own decoder does not know.
pub(crate) fn programs_here() -> impl Iterator<Item = &'static str> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_here = move |program: &&str| {
        std::env::split_paths(&path).any(|directory| {
            directory
                .join(program)
                .metadata()
                .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
        })
    };
    Decoder::ALL.into_iter().filter_map(Decoder::program).filter(is_here)
}

impl Decoder {
    /// All, the best one first.
    pub(super) const ALL: [Self; 3] = [Self::Own, Self::Ffmpeg, Self::Sox];

    const fn program(self) -> Option<&'static str> {
        match self {
            Self::Own => None,
            Self::Ffmpeg => Some("ffmpeg"),
            Self::Sox => Some("sox"),
        }
    }

    /// Decodes a file and hands it out as the telephone has it; says how many samples there were.
    pub(super) fn each_block(
        self,
        from: &Utf8Path,
        take: &mut dyn FnMut(&[f32]) -> Result<(), SoundError>,
    ) -> Result<u64, SoundError> {
        let Some(program) = self.program() else { return own(from, take) };
        let kind = kind_of(from)?.ok_or_else(|| unknown_to(program))?;
        let mut child = match self.command(program, kind, from).spawn() {
            Ok(child) => child,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {
                return Err(unknown_to(program));
            }
            Err(error) => return Err(error.into()),
        };
        let taken = bound(&child).map_err(SoundError::from).and_then(|()| hand_on(&mut child, take));
        if taken.is_err() {
            let _ = child.kill();
        }
        let ended = child.wait()?;
        judge(program, ended, taken?)
    }

    fn command(self, program: &str, kind: Kind, from: &Utf8Path) -> Command {
        let rate = RATE.to_string();
        let mut command = Command::new(program);
        if self == Self::Sox {
            let kind = match kind {
                Kind::Wave => "wav",
                Kind::Ogg => "ogg",
                Kind::Opus => "opus",
            };
            command.args(["-V0", "-t", kind]).arg(from);
            command.args(["-t", "raw", "-e", "signed-integer", "-b", "16", "-L", "-c", "1", "-r", &rate, "-"]);
        } else {
            let kind = if kind == Kind::Wave { "wav" } else { "ogg" };
            command.args(["-nostdin", "-loglevel", "quiet", "-threads", "1", "-protocol_whitelist", "file,pipe"]);
            command.args(["-f", kind, "-i", &format!("file:{from}"), "-vn", "-sn", "-dn"]);
            command.args(["-ac", "1", "-ar", &rate, "-f", "s16le", "pipe:1"]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        command
    }
}

/// By our own decoder. What it does not know after it has handed something on cannot be begun again by another one.
fn own(from: &Utf8Path, take: &mut dyn FnMut(&[f32]) -> Result<(), SoundError>) -> Result<u64, SoundError> {
    let mut is_begun = false;
    let decoded = decode(File::open(from)?, from.extension(), RATE, &mut |block| {
        is_begun = true;
        take(block)
    });
    match decoded {
        Err(SoundError::Unsupported(why)) if is_begun => Err(SoundError::Undecodable(why)),
        other => other,
    }
}

/// This process writes a phone sound; a program that it asks writes nothing.
fn bound(child: &Child) -> io::Result<()> {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let Some(process) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else { return Ok(()) };
    prlimit(Some(process), Resource::Fsize, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(())
}

/// Hands on what comes out of a program.
fn hand_on(child: &mut Child, take: &mut dyn FnMut(&[f32]) -> Result<(), SoundError>) -> Result<u64, SoundError> {
    let Some(out) = child.stdout.take() else { return Ok(0) };
    let (mut out, mut bytes) = (BufReader::new(out), Vec::new());
    let mut samples = 0;
    loop {
        bytes.clear();
        out.by_ref().take(2 * BLOCK as u64).read_to_end(&mut bytes)?;
        let block: Vec<f32> = bytes
            .chunks_exact(2)
            .map(|pair| f32::from(i16::from_le_bytes([pair[0], pair[1]])) / f32::from(i16::MAX))
            .collect();
        if block.is_empty() {
            return Ok(samples);
        }
        samples += block.len() as u64;
        if samples > LONGEST_HOURS * 3600 * u64::from(RATE) {
            return Err(SoundError::Undecodable(format!("it is longer than {LONGEST_HOURS} hours")));
        }
        take(&block)?;
    }
}

/// What was cut off is heard as far as it goes, whatever the program says of that.
fn judge(program: &str, ended: ExitStatus, samples: u64) -> Result<u64, SoundError> {
    match Ended::from(ended) {
        Ended::Well | Ended::Failed(_) if samples > 0 => Ok(samples),
        Ended::Well | Ended::Failed(_) => Err(unknown_to(program)),
        Ended::TooMuch => Err(SoundError::Undecodable(format!("it takes {program} more time than a sound may"))),
        Ended::Killed(signal) => Err(io::Error::other(format!("{program} was ended by signal {signal}")).into()),
    }
}

fn unknown_to(program: &str) -> SoundError {
    SoundError::Unsupported(format!("{program} does not know it either"))
}
