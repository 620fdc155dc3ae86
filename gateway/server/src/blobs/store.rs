//! Copies of audio that Drupal keeps in its database, and phone renditions: files named by their SHA-256, in the gateway's storeroom.
//!
//! Bytes come in under a name of their own, and get the name of their digest when they are whole and on the disk.

use std::fs::File;
use std::io;

use audiospread_protocol::Sha256Digest;
use camino::{Utf8Path, Utf8PathBuf};
use object_store::path::Path;
use tempfile::NamedTempFile;
use uuid::Uuid;

pub use crate::storeroom::StoreError;
use crate::storeroom::{Incoming, Storeroom};

/// Where copies lie until they are whole.
const INCOMING: &str = "incoming";
/// Where renditions lie while they are made.
const SCRATCH: &str = "scratch";

/// The gateway's own copies.
#[derive(Debug)]
pub(super) struct Store {
    files: Storeroom,
    directory: Utf8PathBuf,
}

impl Store {
    /// Opens the store below `data_dir`. Blocks.
    pub(super) fn open(data_dir: &Utf8Path) -> Result<Self, StoreError> {
        let directory = data_dir.join("blobs");
        Ok(Self { files: Storeroom::open(&directory)?, directory })
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
        self.files.begin(Path::from(format!("{INCOMING}/{}", Uuid::new_v4().simple()))).await
    }

    /// Opens a copy whose bytes are all there. Blocks.
    pub(super) fn read_incoming(&self, path: &Path) -> Result<File, StoreError> {
        self.files.file(path)?.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound).into())
    }

    /// Gives a copy the name of its digest; it may have been there before.
    pub(super) async fn keep(&self, path: &Path, sha256: &Sha256Digest) -> Result<(), StoreError> {
        self.files.name(path, &path_of(sha256)).await?;
        self.discard(path).await
    }

    /// Removes a copy that is of no use.
    pub(super) async fn discard(&self, path: &Path) -> Result<(), StoreError> {
        self.files.remove(path).await
    }

    /// Removes the blob of this name; it may be gone already.
    pub(super) async fn remove(&self, sha256: &Sha256Digest) -> Result<(), StoreError> {
        self.files.remove(&path_of(sha256)).await
    }

    /// Opens the blob of this name; absent if there is none. Blocks.
    pub(super) fn blob(&self, sha256: &Sha256Digest) -> Result<Option<File>, StoreError> {
        self.files.file(&path_of(sha256))
    }
}

/// The first digits are a directory: a million files in one is more than some file systems bear.
fn path_of(sha256: &Sha256Digest) -> Path {
    let name = sha256.to_hex();
    Path::from(format!("sha256/{}/{name}", &name[..2]))
}
