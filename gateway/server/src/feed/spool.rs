//! An answer that is finished before it is sent: in memory while it is small, else in a file without a name.

use std::fs::File;

use camino::{Utf8Path, Utf8PathBuf};
use tokio::io::{AsyncSeekExt, AsyncWriteExt};

use super::FeedError;

/// Bytes that stay in memory.
const IN_MEMORY: usize = 4 * 1024 * 1024;

/// The bytes of a finished answer.
#[derive(Debug)]
pub enum Body {
    /// In memory.
    Memory(Vec<u8>),
    /// In a file that goes when it is closed; it stands at its beginning.
    File(File),
}

/// Collects an answer.
pub(super) struct Spool {
    directory: Utf8PathBuf,
    buffer: Vec<u8>,
    file: Option<tokio::fs::File>,
    written: u64,
}

impl Spool {
    /// A spool whose file, if it needs one, lies on the file system of `directory`.
    pub(super) fn new(directory: &Utf8Path) -> Self {
        Self { directory: directory.to_owned(), buffer: Vec::new(), file: None, written: 0 }
    }

    /// What is to be appended goes here; then comes [`Spool::settle`].
    pub(super) const fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// The bytes so far.
    pub(super) const fn len(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Moves the buffer out of memory if it has become large.
    pub(super) async fn settle(&mut self) -> Result<(), FeedError> {
        if self.buffer.len() >= IN_MEMORY { self.write_out().await } else { Ok(()) }
    }

    /// The answer.
    pub(super) async fn finish(mut self) -> Result<Body, FeedError> {
        if self.file.is_some() {
            self.write_out().await?;
        }
        let Some(mut file) = self.file else { return Ok(Body::Memory(self.buffer)) };
        let failed = FeedError::file(&self.directory);
        let rewound = async {
            file.flush().await?;
            file.rewind().await
        };
        match rewound.await {
            Ok(_) => Ok(Body::File(file.into_std().await)),
            Err(error) => Err(failed(error)),
        }
    }

    async fn write_out(&mut self) -> Result<(), FeedError> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => tokio::fs::File::from_std(
                tempfile::tempfile_in(&self.directory).map_err(FeedError::file(&self.directory))?,
            ),
        };
        file.write_all(&self.buffer).await.map_err(FeedError::file(&self.directory))?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        self.file = Some(file);
        Ok(())
    }
}
