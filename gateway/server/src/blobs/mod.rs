//! Audio by digest: what of Drupal's files is audio, and opening it for those who send it away.
//!
//! The index ([`Index`]) answers the catalogue without touching a disk; a worker looks at what is new, a sweep at what may have changed. Which
//! blobs a phone server may have is the feed's business, sending them that of the HTTP edge.

mod encoder;
mod examine;
mod frames;
mod index;
mod indexer;
mod measure;
mod open;
mod packs;
mod record;
mod rendition;
mod rendition_table;
mod roots;
mod section;
mod state;
mod store;
mod sweep;
mod table;
mod wave;

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use audiospread_protocol::Sha256Digest;
use camino::Utf8Path;
use tokio::sync::Mutex;

pub use encoder::{EncodeError, Encoder, UNDECODABLE, decode_bounded};
pub use index::{Index, Progress};
pub use open::{BlobError, OpenBlob};
pub use packs::{LoadedPacks, PackError, PackSounds, load_packs};
pub use roots::StorageError;
pub use store::StoreError;
pub use table::TableError;

use crate::database::Pool;
use crate::drupal::{Reader, Storage};
use store::Store;

/// How long the directories with Drupal's files may take to answer.
const SILENCE: Duration = Duration::from_secs(10);

/// Audio by digest.
#[derive(Debug)]
pub struct Blobs {
    index: Arc<Index>,
    store: Arc<Store>,
    packs: Arc<PackSounds>,
    reader: Reader,
    pool: Pool,
    storage: ArcSwapOption<Storage>,
    checking: Arc<Mutex<()>>,
    encoder: Option<Encoder>,
    /// How long a new sound waits for its rendition.
    rendition_wait: Duration,
    /// The sounds of which no rendition could be made since the start.
    unrendered: std::sync::Mutex<HashSet<Sha256Digest>>,
}

/// Why there is no audio by digest.
#[derive(Debug, thiserror::Error)]
pub enum BlobsError {
    /// The gateway's own copies.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The table of the index.
    #[error(transparent)]
    Table(#[from] TableError),
}

impl Blobs {
    /// Loads the index from the gateway's database and opens the gateway's copies below `data_dir`. Nothing is looked at before
    /// [`Blobs::check_storage`] has said where.
    ///
    /// # Errors
    /// If the table cannot be read, or the directory not made.
    pub async fn open_index(
        pool: Pool,
        reader: Reader,
        data_dir: &Utf8Path,
        packs: PackSounds,
    ) -> Result<Self, BlobsError> {
        let index = Index::default();
        table::load(&pool, &index).await?;
        // Also where none are published any more: phone servers that are behind may ask for them.
        index.add_renditions(&rendition_table::load(&pool, 0).await?);
        let data_dir = data_dir.to_owned();
        let store = unblocked(move || Store::open(&data_dir)).await.map_err(StoreError::from)??;
        Ok(Self {
            index: Arc::new(index),
            store: Arc::new(store),
            packs: Arc::new(packs),
            reader,
            pool,
            storage: ArcSwapOption::empty(),
            checking: Arc::default(),
            encoder: None,
            rendition_wait: Duration::ZERO,
            unrendered: std::sync::Mutex::default(),
        })
    }

    /// What is known of audio.
    pub fn index(&self) -> &Arc<Index> {
        &self.index
    }

    /// Whether the directories with Drupal's files can be reached and hold what is known to be in them: a few looks, however large the site
    /// is. Asked at each refresh before anything is derived from the index: if it fails, so does the refresh. If not, this is where audio is
    /// looked for from now on.
    ///
    /// # Errors
    /// [`StorageError`], which says which directory and what to do.
    pub async fn check_storage(&self, storage: Storage) -> Result<(), StorageError> {
        // A network disk that is away holds whoever touches it, for hours perhaps: one thread is enough.
        let Ok(only) = self.checking.clone().try_lock_owned() else { return Err(StorageError::Silent) };
        let (storage, index) = (Arc::new(storage), self.index.clone());
        let checked = storage.clone();
        let check = unblocked(move || {
            let _only = only;
            roots::check(&checked, &index)
        });
        match tokio::time::timeout(SILENCE, check).await {
            Ok(Ok(checked)) => checked?,
            Ok(Err(_)) | Err(_) => return Err(StorageError::Silent),
        }
        let before = self.storage.swap(Some(storage.clone()));
        if before.is_none_or(|before| before != storage) {
            self.index.doubt_useless();
        }
        Ok(())
    }
}

impl Blobs {
    /// Forgets the sources that the site did not name when it was last read as a whole, but for those whose bytes the feed still serves to
    /// phone servers that are behind. Only for after a whole reading that was published: what is named by a site that is half there says
    /// nothing.
    ///
    /// # Errors
    /// [`TableError`]; what was not forgotten is for the next time.
    pub async fn forget_unwanted(&self) -> Result<(), TableError> {
        let unwanted = self.index.unwanted();
        if unwanted.is_empty() {
            return Ok(());
        }
        let forgotten = table::forget(&self.pool, unwanted).await?;
        if !forgotten.is_empty() {
            tracing::info!(sources = forgotten.len(), "audio that the site does not name any more was forgotten");
            self.index.forget(&forgotten);
        }
        Ok(())
    }
}

/// Does what blocks on a thread of its own.
async fn unblocked<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)
}
