//! A running gateway: the rooms put together, started, and stopped.
//!
//! It decides nothing; which room does what stands in `gateway/ARCHITECTURE.md`.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use audiospread_sound::Lame;
use camino::Utf8PathBuf;
use tokio::task::JoinSet;

use crate::blobs::{Blobs, BlobsError, Encoder, PackError, load_packs};
use crate::catalogue::Rules;
use crate::config::{Config, ConfigError};
use crate::drupal::{ReadError, Reader};
use crate::feed::{Feed, FeedError, Store};
use crate::http::tokens::{Tokens, TokensError};
use crate::intake::{DrupalStorage, Examiner, Recordings, SubmitError, Uploads};
use crate::refresh::{self, Handle, Refresher};
use crate::{calls, database, http, phone_servers};

/// Connections to the gateway's own database: some for readers of the feed, one for the refresh, one for the indexer.
const OWN_CONNECTIONS: usize = 12;

/// Why a gateway does not start, or stops.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The file with the tokens cannot be used.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// The language packs cannot be used.
    #[error(transparent)]
    Packs(#[from] PackError),
    /// The gateway's own database.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// How to connect to Drupal's database.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Recordings that were left half done.
    #[error("recordings that were left half done cannot be finished: {0}")]
    Recordings(#[from] SubmitError),
    /// The audio index.
    #[error(transparent)]
    Blobs(#[from] BlobsError),
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {address}: {source}; choose another address in the configuration (listen), or stop what uses it"
    )]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The directory for what is the gateway's own.
    #[error("cannot make {path} (data_dir): {source}")]
    DataDir {
        /// The directory.
        path: Utf8PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// This program does not know where it is.
    #[error("the gateway cannot find its own program: {0}")]
    Program(#[source] io::Error),
    /// A pool of connections cannot be made.
    #[error("cannot make a pool of connections: {0}")]
    Pool(#[from] deadpool::managed::BuildError),
    /// Answering failed as a whole.
    #[error("the gateway cannot answer any more: {0}")]
    Serve(#[source] io::Error),
}

impl GatewayError {
    /// Whether the configuration is to be changed, rather than something mended.
    pub const fn is_of_configuration(&self) -> bool {
        matches!(self, Self::Config(_) | Self::Read(_) | Self::Tokens(_) | Self::Packs(_))
    }
}

/// Opens the feed in the gateway's own database.
///
/// # Errors
/// If the database cannot be reached or is not of this program's schema.
pub async fn open_feed(config: &Config) -> Result<Store, GatewayError> {
    let pool = database::own_pool(config.database.opts()?, OWN_CONNECTIONS)?;
    Ok(Store::open(pool).await?)
}

/// Opens the store of recordings; sounds are examined by processes of this program.
fn open_recordings(config: &Config, store: Store, reader: Reader) -> Result<Recordings, GatewayError> {
    let failed = |source: io::Error| GatewayError::DataDir { path: config.data_dir.clone(), source };
    let (examiner, drupal) =
        (Examiner::new(this_program().map_err(failed)?), DrupalStorage::new(reader, &config.intake));
    let opened = Recordings::open(store, &config.data_dir, examiner, config.intake.max_minutes, drupal);
    opened.map_err(|error| failed(io::Error::other(error)))
}

/// This program, which the gateway starts for each sound that strangers made.
fn this_program() -> io::Result<Utf8PathBuf> {
    Utf8PathBuf::try_from(std::env::current_exe()?).map_err(io::Error::other)
}

/// Runs a gateway until `stop`.
///
/// # Errors
/// [`GatewayError`], which says what to do. What can come back by itself, such as a database that is away, is no error after the start.
pub async fn run(config: Config, stop: impl Future<Output = ()>) -> Result<(), GatewayError> {
    let tokens = Tokens::load(config.tokens_file.clone())?;
    let packs = load_packs(&config.packs_dir)?;
    let listener =
        TcpListener::bind(config.listen).map_err(|source| GatewayError::Listen { address: config.listen, source })?;
    std::fs::create_dir_all(&config.data_dir)
        .map_err(|source| GatewayError::DataDir { path: config.data_dir.clone(), source })?;

    let own = database::own_pool(config.database.opts()?, OWN_CONNECTIONS)?;
    let feed = Arc::new(Feed::start(Store::open(own.clone()).await?, &config.data_dir, &config.feed).await?);
    let reader = Reader::new(&config)?;
    let blobs = Blobs::open_index(own, reader.clone(), &config.data_dir, packs.sounds).await?;
    let blobs = Arc::new(match &config.renditions {
        renditions if renditions.enabled => {
            let program = this_program().map_err(GatewayError::Program)?;
            let encoder = Encoder::new(Lame::new(renditions.encoder.clone()), program);
            blobs.with_renditions(encoder, Duration::from_secs(renditions.wait_seconds))
        }
        _ => blobs,
    });

    let prompts = Arc::new(packs.packs.clone());
    let (handle, requests) = Handle::new();
    let refresher = Refresher::new(
        reader.clone(),
        feed.clone(),
        blobs.clone(),
        (Rules::new(&config), packs.packs),
        packs.findings,
        &config,
    );
    let mut background = JoinSet::new();
    background.spawn(refresh::run(refresher, requests, Duration::from_secs(config.drupal.refresh_seconds.max(1))));
    background.spawn({
        let blobs = blobs.clone();
        async move { blobs.run_indexer().await }
    });
    background.spawn({
        let blobs = blobs.clone();
        async move { blobs.run_sweep().await }
    });
    background.spawn({
        let (blobs, heads) = (blobs.clone(), feed.heads());
        async move { blobs.run_renditions(heads).await }
    });

    let uploads = Uploads::open(&config.data_dir, config.intake.max_bytes(), config.intake.keep_uploads())
        .map_err(|source| GatewayError::DataDir { path: config.data_dir.clone(), source })?;
    let uploads = Arc::new(uploads);
    background.spawn(uploads.clone().run_sweep());
    let recordings = open_recordings(&config, feed.store().clone(), reader.clone())?;
    recordings.recover().await?;
    let recordings = Arc::new(recordings);
    if let Some(site) = config.drupal.site_url.clone() {
        let recordings = recordings.clone();
        background.spawn(async move {
            if let Err(error) = recordings.run_wake(&site).await {
                tracing::error!(%error, "Drupal cannot be woken; it takes what waits at its cron");
            }
        });
    }
    background.spawn({
        let (recordings, days) = (recordings.clone(), config.privacy.keep_numbers_days);
        async move { recordings.forget_numbers(days).await }
    });
    background.spawn(phone_servers::thin_history(feed.store().clone()));
    background.spawn({
        let (recordings, reader) = (recordings.clone(), reader.clone());
        let pause = Duration::from_secs(config.intake.settle_seconds.max(1));
        async move { recordings.run_settling(&reader, pause).await }
    });
    background.spawn(calls::forget_numbers(feed.store().clone(), config.privacy.keep_numbers_days));

    let address = listener.local_addr().unwrap_or(config.listen);
    let state = http::State::new(tokens, feed, (blobs, prompts), (uploads, recordings), reader, handle);
    let server = http::serve(state, listener).map_err(GatewayError::Serve)?;
    tracing::info!(%address, "the gateway answers");
    let ended = server.run_until(stop).await.map_err(GatewayError::Serve);
    background.shutdown().await;
    ended
}
