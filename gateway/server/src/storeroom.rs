//! What is the gateway's own and no row of its database: files below its data directory, as an object store has them.
//!
//! `blobs` has copies of Drupal's audio and phone renditions here, `intake` the copies of recordings. Whoever finds a name finds all bytes of it:
//! they gather under another one. What is here can be read from the disk, since sounds are decoded by processes that are handed an open file.

use std::fs::File;
use std::io;

use camino::Utf8Path;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStoreExt};

/// Why the storeroom refused.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The object store failed.
    #[error("the gateway's own files cannot be read or written: {0}")]
    Store(#[from] object_store::Error),
    /// The disk.
    #[error("the gateway's own files cannot be read or written: {0}")]
    Disk(#[from] io::Error),
}

impl StoreError {
    /// Whether there is nothing of that name.
    pub(crate) const fn is_missing(&self) -> bool {
        matches!(self, Self::Store(object_store::Error::NotFound { .. }))
    }
}

/// The gateway's own files.
#[derive(Debug)]
pub(crate) struct Storeroom {
    files: LocalFileSystem,
}

/// Bytes that are being gathered.
#[derive(Debug)]
pub(crate) struct Incoming {
    path: Path,
    upload: Box<dyn MultipartUpload>,
}

impl Storeroom {
    /// Opens the storeroom in `directory`, which is made. Blocks.
    pub(crate) fn open(directory: &Utf8Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(directory)?;
        Ok(Self { files: LocalFileSystem::new_with_prefix(directory)?.with_fsync(true) })
    }

    /// Begins to gather bytes under a name.
    pub(crate) async fn begin(&self, path: Path) -> Result<Incoming, StoreError> {
        let upload = self.files.put_multipart(&path).await?;
        Ok(Incoming { path, upload })
    }

    /// Gives the bytes under `from` another name too, unless that is taken. The name is on the disk then.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::is_missing`] if there is nothing under `from`.
    pub(crate) async fn name(&self, from: &Path, to: &Path) -> Result<(), StoreError> {
        match self.files.copy_if_not_exists(from, to).await {
            Ok(()) | Err(object_store::Error::AlreadyExists { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes sure that a file is on the disk, with its name; whoever made it may have been killed before. Whether there is one of this name.
    pub(crate) async fn secure(&self, path: &Path) -> Result<bool, StoreError> {
        let path = self.files.path_to_filesystem(path)?;
        let secured = move || {
            match File::open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                opened => opened?.sync_all()?,
            }
            if let Some(directory) = path.parent() {
                File::open(directory)?.sync_all()?;
            }
            Ok(true)
        };
        tokio::task::spawn_blocking(secured).await.map_err(io::Error::other)?
    }

    /// Removes a name; it may be gone already.
    pub(crate) async fn remove(&self, path: &Path) -> Result<(), StoreError> {
        match self.files.delete(path).await {
            Err(error) if !matches!(error, object_store::Error::NotFound { .. }) => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Opens a file; absent if there is none of this name. Blocks.
    pub(crate) fn file(&self, path: &Path) -> Result<Option<File>, StoreError> {
        match File::open(self.files.path_to_filesystem(path)?) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl Incoming {
    /// Adds a piece.
    pub(crate) async fn add(&mut self, piece: Vec<u8>) -> Result<(), StoreError> {
        Ok(self.upload.put_part(piece.into()).await?)
    }

    /// Ends it: the bytes are on the disk then, under the name that is returned.
    pub(crate) async fn finish(mut self) -> Result<Path, StoreError> {
        self.upload.complete().await?;
        Ok(self.path)
    }

    /// Gives it up.
    pub(crate) async fn abort(mut self) -> Result<(), StoreError> {
        Ok(self.upload.abort().await?)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn room() -> (tempfile::TempDir, Storeroom) {
        let directory = tempfile::tempdir().unwrap();
        let room = Storeroom::open(&Utf8Path::from_path(directory.path()).unwrap().join("room")).unwrap();
        (directory, room)
    }

    async fn gathered(room: &Storeroom, name: &str, bytes: &str) -> Path {
        let mut incoming = room.begin(name.into()).await.unwrap();
        assert!(room.file(&name.into()).unwrap().is_none(), "the name is there only with all bytes");
        incoming.add(bytes.into()).await.unwrap();
        incoming.finish().await.unwrap()
    }

    fn read(room: &Storeroom, name: &str) -> Option<String> {
        let mut text = String::new();
        room.file(&name.into()).unwrap().map(|mut file| file.read_to_string(&mut text).unwrap())?;
        Some(text)
    }

    #[tokio::test]
    async fn a_name_that_is_taken_keeps_its_bytes() {
        let (_directory, room) = room();
        let (first, second) = (gathered(&room, "in/1", "first").await, gathered(&room, "in/2", "second").await);
        let name = Path::from("deep/down/name");
        room.name(&first, &name).await.unwrap();
        room.name(&second, &name).await.unwrap();
        room.remove(&first).await.unwrap();
        assert_eq!(read(&room, "deep/down/name").as_deref(), Some("first"));
        assert_eq!((read(&room, "in/1"), read(&room, "in/2").as_deref()), (None, Some("second")));
    }

    #[tokio::test]
    async fn what_is_not_there_is_said_and_may_be_removed_again() {
        let (_directory, room) = room();
        let (nothing, name) = (Path::from("nothing"), Path::from("name"));
        assert!(room.name(&nothing, &name).await.unwrap_err().is_missing());
        assert!(!room.secure(&name).await.unwrap());
        room.remove(&name).await.unwrap();
        let there = gathered(&room, "there", "bytes").await;
        assert!(room.secure(&there).await.unwrap());
        let given_up = room.begin(name.clone()).await.unwrap();
        given_up.abort().await.unwrap();
        assert!(!room.secure(&name).await.unwrap());
    }
}
