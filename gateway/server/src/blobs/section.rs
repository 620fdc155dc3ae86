//! A part of a file that is read within bounds of place and time.
//!
//! What parsers of audio get instead of the file: they cannot leave the part, and a file made to keep a parser busy comes to an end.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use symphonia::core::io::MediaSource;

/// A part of a file, and the moment by which reading it must have ended.
#[derive(Debug)]
pub(super) struct Section {
    file: File,
    start: u64,
    end: u64,
    position: u64,
    deadline: Instant,
    seekable: bool,
}

impl Section {
    /// The bytes from `start` to `end`. Half a minute is enough for any file of some megabytes, a second each four for larger ones.
    pub(super) fn new(file: File, start: u64, end: u64) -> Self {
        let time = Duration::from_secs(30 + (end - start.min(end)) / (4 << 20));
        Self { file, start: start.min(end), end, position: 0, deadline: Instant::now() + time, seekable: true }
    }

    /// The part behind the first `offset` bytes.
    pub(super) fn from(self, offset: u64) -> Self {
        let start = self.start.saturating_add(offset).min(self.end);
        Self { start, position: 0, ..self }
    }

    /// The same, for a reader that must not jump to the end.
    pub(super) fn forward_only(self) -> Self {
        Self { seekable: false, ..self }
    }

    /// Its length in bytes.
    pub(super) fn len(&self) -> u64 {
        self.end - self.start
    }

    /// Reads until `buffer` is full or the part ends; returns how much was read.
    pub(super) fn read_fully_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read_some_at(&mut buffer[filled..], offset.saturating_add(filled as u64)) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn read_some_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if Instant::now() > self.deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let left = usize::try_from(self.len().saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        self.file.read_at(&mut buffer[..wanted], self.start.saturating_add(offset))
    }
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.read_some_at(buffer, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for Section {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.len().checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

impl MediaSource for Section {
    fn is_seekable(&self) -> bool {
        self.seekable
    }

    fn byte_len(&self) -> Option<u64> {
        self.seekable.then(|| self.len())
    }
}
