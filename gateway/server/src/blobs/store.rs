//! What is the gateway's own: copies of audio that Drupal keeps in its database, and phone renditions; files named by their SHA-256, in an object store.
//!
//! Bytes come in under a name of their own, and get the name of their digest when they are whole and on the disk: whoever finds that name
//! finds all of them.

use std::fs::File;
use std::io;

use audiospread_protocol::Sha256Digest;
use camino::{Utf8Path, Utf8PathBuf};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStoreExt};
use tempfile::NamedTempFile;
use uuid::Uuid;

/// Where copies lie until they are whole.
const INCOMING: &str = "incoming";
/// Where renditions lie while they are made.
const SCRATCH: &str = "scratch";

/// Why the store refused.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The object store failed.
    #[error("the gateway's copies of audio cannot be read or written: {0}")]
    Store(#[from] object_store::Error),
    /// Its directory cannot be made.
    #[error("the directory for the gateway's copies of audio cannot be made: {0}")]
    Directory(#[from] io::Error),
}

/// The gateway's own copies.
#[derive(Debug)]
pub(super) struct Store {
    files: LocalFileSystem,
    directory: Utf8PathBuf,
}

/// A copy that is being made.
#[derive(Debug)]
pub(super) struct Incoming {
    path: Path,
    upload: Box<dyn MultipartUpload>,
}

impl Store {
    /// Opens the store below `data_dir`. Blocks.
    pub(super) fn open(data_dir: &Utf8Path) -> Result<Self, StoreError> {
        let directory = data_dir.join("blobs");
        std::fs::create_dir_all(&directory)?;
        Ok(Self { files: LocalFileSystem::new_with_prefix(&directory)?.with_fsync(true), directory })
    }

    /// Removes what was left half made; only for the one who makes copies, and before the first. Blocks.
    pub(super) fn clear(&self) -> Result<(), StoreError> {
        // The object store does not list what a crash left of its uploads.
        for directory in [INCOMING, SCRATCH] {
            match std::fs::remove_dir_all(self.directory.join(directory)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }

    /// A file for what is not whole yet; it goes when it is dropped. Blocks.
    pub(super) fn scratch(&self) -> Result<NamedTempFile, StoreError> {
        let directory = self.directory.join(SCRATCH);
        std::fs::create_dir_all(&directory)?;
        Ok(NamedTempFile::new_in(directory)?)
    }

    /// Begins a copy.
    pub(super) async fn begin(&self) -> Result<Incoming, StoreError> {
        let path = Path::from(format!("{INCOMING}/{}", Uuid::new_v4().simple()));
        let upload = self.files.put_multipart(&path).await?;
        Ok(Incoming { path, upload })
    }

    /// Opens a copy whose bytes are all there. Blocks.
    pub(super) fn read_incoming(&self, path: &Path) -> Result<File, StoreError> {
        Ok(File::open(self.files.path_to_filesystem(path)?)?)
    }

    /// Gives a copy the name of its digest; it may have been there before.
    pub(super) async fn keep(&self, path: &Path, sha256: &Sha256Digest) -> Result<(), StoreError> {
        match self.files.copy_if_not_exists(path, &path_of(sha256)).await {
            Ok(()) | Err(object_store::Error::AlreadyExists { .. }) => self.discard(path).await,
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a copy that is of no use.
    pub(super) async fn discard(&self, path: &Path) -> Result<(), StoreError> {
        Ok(self.files.delete(path).await?)
    }

    /// Removes the blob of this name; it may be gone already.
    pub(super) async fn remove(&self, sha256: &Sha256Digest) -> Result<(), StoreError> {
        match self.files.delete(&path_of(sha256)).await {
            Err(error) if !matches!(error, object_store::Error::NotFound { .. }) => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Opens the blob of this name; absent if there is none. Blocks.
    pub(super) fn blob(&self, sha256: &Sha256Digest) -> Result<Option<File>, StoreError> {
        match File::open(self.files.path_to_filesystem(&path_of(sha256))?) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl Incoming {
    /// Adds a piece.
    pub(super) async fn add(&mut self, piece: Vec<u8>) -> Result<(), StoreError> {
        Ok(self.upload.put_part(piece.into()).await?)
    }

    /// Ends the copy: its bytes are on the disk then, under the path that is returned.
    pub(super) async fn finish(mut self) -> Result<Path, StoreError> {
        self.upload.complete().await?;
        Ok(self.path)
    }

    /// Gives the copy up.
    pub(super) async fn abort(mut self) -> Result<(), StoreError> {
        Ok(self.upload.abort().await?)
    }
}

/// The first digits are a directory: a million files in one is more than some file systems bear.
fn path_of(sha256: &Sha256Digest) -> Path {
    let name = sha256.to_hex();
    Path::from(format!("sha256/{}/{name}", &name[..2]))
}
