//! Waves that nobody closed: Asterisk writes the length into the head when a recording ends, so that of a killed one says 0 bytes.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};

use camino::{Utf8Path, Utf8PathBuf};

use crate::shared::{set_mode, sync_directory};

/// What was found of a recording's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It has sound, and its head says how much.
    Whole,
    /// There is no sound in it, or no file.
    Nothing,
}

/// Chunks in front of the samples that are looked at; Asterisk writes one.
const MAX_CHUNKS: usize = 16;

/// Repairs the head of a wave where it is wrong. The file is replaced by a repaired copy, since it belongs to Asterisk's user; a crash leaves the
/// one or the other.
pub(super) fn repair(path: &Utf8Path) -> io::Result<Found> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    let Some((data, said)) = data_chunk(&mut file)? else { return Ok(Found::Nothing) };
    // A sample has two bytes; half a one was cut off.
    let there = metadata.len().saturating_sub(data) & !1;
    if !metadata.is_file() || there == 0 {
        return Ok(Found::Nothing);
    }
    if u64::from(said) == there {
        return Ok(Found::Whole);
    }
    let (size, riff) = (length(there)?, length(data + there - 8)?);
    let repaired = Utf8PathBuf::from(format!("{path}.repaired"));
    fs::copy(path, &repaired)?;
    set_mode(&repaired, 0o660)?;
    let mut copy = File::options().write(true).open(&repaired)?;
    copy.set_len(data + there)?;
    copy.seek(SeekFrom::Start(4))?;
    copy.write_all(&riff.to_le_bytes())?;
    copy.seek(SeekFrom::Start(data - 4))?;
    copy.write_all(&size.to_le_bytes())?;
    copy.sync_all()?;
    fs::rename(&repaired, path)?;
    sync_directory(path.parent().unwrap_or(path)).map_err(io::Error::other)?;
    Ok(Found::Whole)
}

/// Where the samples begin, and how many bytes of them the head promises.
fn data_chunk(file: &mut File) -> io::Result<Option<(u64, u32)>> {
    let mut head = [0; 12];
    if !filled(file, &mut head)? || &head[..4] != b"RIFF" || &head[8..] != b"WAVE" {
        return Ok(None);
    }
    let mut at = 12_u64;
    for _ in 0..MAX_CHUNKS {
        let mut chunk = [0; 8];
        file.seek(SeekFrom::Start(at))?;
        if !filled(file, &mut chunk)? {
            return Ok(None);
        }
        let [a, b, c, d, size @ ..] = chunk;
        let size = u32::from_le_bytes(size);
        at += 8;
        if [a, b, c, d] == *b"data" {
            return Ok(Some((at, size)));
        }
        at += u64::from(size) + u64::from(size % 2);
    }
    Ok(None)
}

/// Whether there were enough bytes.
fn filled(file: &mut File, bytes: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn length(bytes: u64) -> io::Result<u32> {
    u32::try_from(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a wave has at most 4 GB"))
}
