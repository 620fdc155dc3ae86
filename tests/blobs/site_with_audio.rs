//! A Drupal site and an audio index at work on it.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use audiospread_protocol::AudioRef;
use audiospread_server::blobs::{Blobs, load_packs};
use audiospread_server::catalogue::site::{AudioIndex, AudioSource, AudioState};
use audiospread_server::database::{Pool, own_pool};
use audiospread_server::drupal::{Adapter, Reader, Repository, Storage};
use audiospread_server::migrations::migrate;
use camino::{Utf8Path, Utf8PathBuf};
use mysql_async::prelude::Queryable;
use sha1::{Digest, Sha1};
use tokio::task::JoinHandle;

use crate::harness::DrupalSite;

/// Nothing of a test takes longer than this on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// The fixture's 62 frames of 36 ms.
const SPEECH: &str = "bitcache/file/97cb0789fc8bb28db4d912c405fb449bf285ad9f";

pub(super) struct SiteWithAudio {
    pub(super) site: DrupalSite,
    pub(super) blobs: Arc<Blobs>,
    pub(super) storage: Storage,
    worker: JoinHandle<()>,
}

impl Drop for SiteWithAudio {
    fn drop(&mut self) {
        self.worker.abort();
    }
}

impl SiteWithAudio {
    /// The fixture with an indexer at work, which knows nothing yet.
    pub(super) async fn new() -> Self {
        let site = DrupalSite::new().build().await;
        migrate(&own(&site)).await.unwrap();
        Self::of(site).await
    }

    async fn of(site: DrupalSite) -> Self {
        let storage = reader(&site).read_storage().await.unwrap();
        let blobs = open_blobs(&site).await;
        let worker = tokio::spawn({
            let blobs = blobs.clone();
            async move { blobs.run_indexer().await }
        });
        Self { site, blobs, storage, worker }
    }

    /// Stops the gateway, and starts it again on the same site: it knows what it has written down.
    pub(super) async fn restarted(mut self) -> Self {
        self.worker.abort();
        self.blobs = open_blobs(&self.site).await;
        let blobs = self.blobs.clone();
        self.worker = tokio::spawn(async move { blobs.run_indexer().await });
        self
    }

    /// What another gateway beside this one has, which looks at nothing itself.
    pub(super) async fn beside(&self) -> Arc<Blobs> {
        open_blobs(&self.site).await
    }

    /// Changes the gateway's own database.
    pub(super) async fn own_sql(&self, statement: &str) {
        own(&self.site).get().await.unwrap().query_drop(statement).await.unwrap();
    }

    /// Wants sources, as a refresh does that finds them in Drupal's tables, and waits until something is known of all of them.
    pub(super) async fn index(&self, sources: impl IntoIterator<Item = AudioSource>) {
        self.blobs.check_storage(self.storage.clone()).await.unwrap();
        self.blobs.index().want(sources);
        self.until("nothing is pending", |blobs| blobs.index().progress().pending == 0).await;
    }

    /// Wants one source, and says what was found.
    pub(super) async fn indexed(&self, source: &AudioSource) -> AudioState {
        self.index([source.clone()]).await;
        self.state(source)
    }

    pub(super) fn state(&self, source: &AudioSource) -> AudioState {
        self.blobs.index().state(source)
    }

    pub(super) async fn until_state(&self, source: &AudioSource, wanted: impl Fn(&AudioState) -> bool) {
        self.until("a source is in the wanted state", |blobs| wanted(&blobs.index().state(source))).await;
    }

    pub(super) async fn until(&self, what: &str, holds: impl Fn(&Blobs) -> bool) {
        let mut progress = self.blobs.index().watch();
        let wait = async {
            while !holds(&self.blobs) {
                progress.changed().await.unwrap();
            }
        };
        assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "waited in vain until {what}");
    }

    /// Writes a file below the files directory, old enough to be read at once.
    pub(super) fn write(&self, path: impl AsRef<Utf8Path>, bytes: &[u8]) -> Utf8PathBuf {
        let path = self.write_young(path, bytes);
        age(&path);
        path
    }

    /// Writes a file below the files directory just now.
    pub(super) fn write_young(&self, path: impl AsRef<Utf8Path>, bytes: &[u8]) -> Utf8PathBuf {
        let path = self.site.files().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// The only repository: files in this directory below the files directory.
    pub(super) fn file_repository(&self, directory: &str) -> Repository {
        let directory = self.site.files().join(directory);
        Repository { name: directory.file_name().unwrap().to_owned(), adapter: Adapter::File { directory } }
    }
}

/// The gateway's own database of a site.
fn own(site: &DrupalSite) -> Pool {
    own_pool(site.config().database.opts().unwrap(), 4).unwrap()
}

pub(super) fn reader(site: &DrupalSite) -> Reader {
    Reader::new(&site.config()).unwrap()
}

async fn open_blobs(site: &DrupalSite) -> Arc<Blobs> {
    let packs = site.directory().join("packs");
    fs::create_dir_all(&packs).unwrap();
    if !packs.join("prompts.toml").exists() {
        fs::write(packs.join("prompts.toml"), "").unwrap();
    }
    let sounds = load_packs(&packs).unwrap().sounds;
    Arc::new(Blobs::open_index(own(site), reader(site), &site.config().data_dir, sounds).await.unwrap())
}

/// A file of a minute ago.
pub(super) fn age(path: &Utf8Path) {
    let then = std::time::SystemTime::now() - Duration::from_secs(60);
    fs::File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
}

/// A file below the files directory, as `files.filepath` says it.
pub(super) fn file(path: &str) -> AudioSource {
    AudioSource::Path(format!("sites/default/files/{path}").into())
}

/// What bitcache calls these bytes.
pub(super) fn blob(bytes: &[u8]) -> AudioSource {
    AudioSource::Bitcache(Sha1::digest(bytes).into())
}

/// The name of bitcache's file for these bytes.
pub(super) fn blob_name(bytes: &[u8]) -> String {
    hex::encode(Sha1::digest(bytes))
}

/// Some speech; each number its own bytes, all of the same length.
pub(super) fn speech(number: u8) -> Vec<u8> {
    let path = format!("{}/tests/fixtures/drupal6-site/files/{SPEECH}", env!("CARGO_MANIFEST_DIR"));
    let mut bytes = fs::read(path).unwrap();
    *bytes.last_mut().unwrap() = number;
    bytes
}

pub(super) fn ready(state: &AudioState) -> &AudioRef {
    match state {
        AudioState::Ready(audio) => audio,
        other => panic!("not ready: {other:?}"),
    }
}
