//! Waves whose head does not tell the truth about their length: recorders that could not go back to it, or were stopped by force, leave 0, the
//! greatest length, or the one that they intended. Their sound goes to the end of the file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use symphonia::core::io::MediaSource;

/// Where the length of the whole stands.
const RIFF_LENGTH: u64 = 4;
/// Before the samples stands a handful of chunks; a file made of thousands is made to waste time.
const MOST_CHUNKS: usize = 256;

/// The file; if it is a wave, with the lengths that it has.
///
/// # Errors
/// If the file cannot be read.
pub(crate) fn with_true_lengths(file: File) -> io::Result<Box<dyn MediaSource>> {
    let metadata = file.metadata()?;
    let found = if metadata.is_file() { true_lengths(&file, metadata.len())? } else { None };
    Ok(match found {
        Some(lengths) => Box::new(Mended { file, lengths }),
        None => Box::new(file),
    })
}

/// Four bytes of a file, and where they stand.
type Field = (u64, [u8; 4]);

/// The lengths of the whole and of the samples; nothing, if it is no wave.
fn true_lengths(file: &File, size: u64) -> io::Result<Option<[Field; 2]>> {
    let mut head = [0; 12];
    if read_fully_at(file, &mut head, 0)? < head.len() || !head.starts_with(b"RIFF") || !head.ends_with(b"WAVE") {
        return Ok(None);
    }
    let mut position = head.len() as u64;
    for _ in 0..MOST_CHUNKS {
        let mut chunk = [0; 8];
        if read_fully_at(file, &mut chunk, position)? < chunk.len() {
            break;
        }
        let [name @ .., l0, l1, l2, l3] = chunk;
        let length = u64::from(u32::from_le_bytes([l0, l1, l2, l3]));
        let begin = position + chunk.len() as u64;
        if &name == b"data" {
            let there = size.saturating_sub(begin);
            let samples = if length == 0 || length > there { there } else { length };
            return Ok(Some([(RIFF_LENGTH, field(size - 8)), (position + 4, field(samples))]));
        }
        position = begin + length + length % 2;
    }
    Ok(None)
}

/// What does not fit is the greatest length, which decoders take for one that nobody knows.
fn field(length: u64) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

fn read_fully_at(file: &File, into: &mut [u8], position: u64) -> io::Result<usize> {
    let mut there = 0;
    while there < into.len() {
        match file.read_at(&mut into[there..], position + there as u64) {
            Ok(0) => break,
            Ok(length) => there += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(there)
}

/// A file in which two fields read other than they stand there.
struct Mended {
    file: File,
    lengths: [Field; 2],
}

impl Read for Mended {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let begin = self.file.stream_position()?;
        let length = self.file.read(into)?;
        for (place, bytes) in self.lengths {
            for (at, byte) in (place..).zip(bytes) {
                let offset = at.checked_sub(begin).and_then(|offset| usize::try_from(offset).ok());
                if let Some(there) = offset.and_then(|offset| into[..length].get_mut(offset)) {
                    *there = byte;
                }
            }
        }
        Ok(length)
    }
}

impl Seek for Mended {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

impl MediaSource for Mended {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        self.file.byte_len()
    }
}
