//! The link to the gateway: asking, sending, and what its answers mean.
//!
//! It knows HTTP and the contract's paths; it knows neither the mirror nor where a sound is kept.

mod answer;
mod download;
mod error;
mod rate;
mod retry;
mod sending;
mod standing;

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use audiospread_protocol::{Cursor, Line, Sha256Digest};
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, DATE, HeaderMap, HeaderValue, IF_RANGE, RANGE};
use reqwest::{Client, RequestBuilder, Response, Url};
use secrecy::ExposeSecret;

pub(crate) use self::answer::FEED_TYPE;
pub(crate) use self::download::{Course, DownloadError, Downloaded, Part};
pub use self::error::LinkError;
pub(crate) use self::error::SendError;
use self::rate::Limiter;
pub(crate) use self::retry::{delays, wait_for};
pub(crate) use self::sending::Taken;
pub(crate) use self::standing::Standing;
use crate::{Amount, Config, ConfigError};

/// A clock that differs by more makes times of recordings wrong, and certificates invalid.
pub(crate) const TOLERATED_SKEW: Duration = Duration::from_secs(300);

/// Heartbeats and end lines are shorter.
const MAX_QUIET_LINE: usize = 4096;

/// The gateway, as this phone server reaches it.
#[derive(Debug)]
pub(crate) struct Link {
    client: Client,
    base: Url,
    authorization: HeaderValue,
    limiter: Arc<Limiter>,
    idle: Duration,
    /// The difference of the clocks, once it was seen and until it was told.
    skew: Mutex<Option<Skew>>,
}

#[derive(Clone, Debug)]
enum Skew {
    Seen(String),
    Told,
}

impl Link {
    /// A link by a configuration; nothing is sent yet.
    pub(crate) fn new(config: &Config, limit: Option<Amount>) -> Result<Self, LinkOpenError> {
        let mut authorization = HeaderValue::try_from(format!("Bearer {}", config.token()?.expose_secret()))
            .map_err(|_| LinkOpenError::Client("the token cannot be sent".into()))?;
        authorization.set_sensitive(true);
        let client = Client::builder()
            .user_agent(concat!("audiospread/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(config.idle().min(Duration::from_secs(30)))
            // What is counted and resumed are the bytes on the wire.
            .no_gzip()
            .no_zstd()
            .build()
            .map_err(|error| LinkOpenError::Client(error::chain(&error)))?;
        Ok(Self {
            client,
            base: config.gateway.clone(),
            authorization,
            limiter: Arc::new(Limiter::new(limit.or(config.limit_rate))),
            idle: config.idle(),
            skew: Mutex::new(None),
        })
    }

    /// The address of the feed from a cursor on, or of a snapshot.
    pub(crate) fn feed_url(&self, since: Option<Cursor>) -> Result<Url, LinkError> {
        let mut url = self.url("v1/feed")?;
        if let Some(cursor) = since {
            url.query_pairs_mut().append_pair("since", &cursor.to_string());
        }
        Ok(url)
    }

    /// The address of a sound.
    pub(crate) fn blob_url(&self, sha256: Sha256Digest) -> Result<Url, LinkError> {
        self.url(&format!("v1/blobs/{sha256}"))
    }

    fn url(&self, path: &str) -> Result<Url, LinkError> {
        self.base.join(path).map_err(|_| LinkError::NotGateway(format!("{} is no address of a gateway", self.base)))
    }

    /// Asks, from a byte on where something is there already, and judges how the answer begins.
    pub(crate) async fn ask(
        &self,
        url: &Url,
        accept: &str,
        resume: Option<(u64, &str)>,
    ) -> Result<Response, LinkError> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, self.authorization.clone());
        headers.insert(ACCEPT, HeaderValue::from_str(accept).unwrap_or(HeaderValue::from_static("*/*")));
        let encodings = if accept == FEED_TYPE { "zstd, gzip" } else { "identity" };
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(encodings));
        if let Some((from, etag)) = resume
            && let Ok(etag) = HeaderValue::from_str(etag)
        {
            headers.insert(
                RANGE,
                HeaderValue::try_from(format!("bytes={from}-")).unwrap_or(HeaderValue::from_static("bytes=0-")),
            );
            headers.insert(IF_RANGE, etag);
        }
        let response = self.send(self.client.get(url.clone()).headers(headers)).await?;
        answer::judge(response, accept, self.idle).await
    }

    /// Waits at an address that answers when something changed; says whether it did. Heartbeats keep it up, silence ends it.
    pub(crate) async fn follow(&self, url: &Url, accept: &str) -> Result<bool, LinkError> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, self.authorization.clone());
        headers.insert(ACCEPT, HeaderValue::from_str(accept).unwrap_or(HeaderValue::from_static("*/*")));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let response = self.send(self.client.get(url.clone()).headers(headers)).await?;
        let mut response = answer::judge(response, accept, self.idle).await?;
        let mut line = Vec::new();
        loop {
            let piece = match tokio::time::timeout(self.idle, response.chunk()).await {
                Ok(Ok(Some(piece))) => piece,
                Ok(Ok(None)) => return Err(LinkError::Broken("the feed ends in the middle".to_owned())),
                Ok(Err(error)) => return Err(LinkError::Broken(error::chain(&error))),
                Err(_) => return Err(LinkError::Silent(self.idle.as_secs())),
            };
            for byte in piece {
                if byte != b'\n' {
                    line.push(byte);
                    // A longer line is a change, whatever is in it.
                    if line.len() > MAX_QUIET_LINE {
                        return Ok(true);
                    }
                    continue;
                }
                match Line::read(&line).map_err(|error| LinkError::Broken(error.to_string()))? {
                    Line::Heartbeat(_) => line.clear(),
                    Line::Change(_) => return Ok(true),
                    Line::End(end) => return Ok(end.changes > 0),
                }
            }
        }
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, LinkError> {
        self.send_within(request, self.idle).await
    }

    /// Sends, and waits so long for the answer to begin.
    async fn send_within(&self, request: RequestBuilder, patience: Duration) -> Result<Response, LinkError> {
        match tokio::time::timeout(patience, request.send()).await {
            Ok(Ok(response)) => {
                self.compare_clocks(response.headers());
                Ok(response)
            }
            Ok(Err(error)) => Err(LinkError::of_request(&self.base, &error)),
            Err(_) => Err(LinkError::Silent(patience.as_secs())),
        }
    }

    fn compare_clocks(&self, headers: &HeaderMap) {
        let Some(theirs) = headers.get(DATE).and_then(|date| date.to_str().ok()) else { return };
        let Ok(theirs) = httpdate::parse_http_date(theirs) else { return };
        let ours = SystemTime::now();
        let (apart, word) = match ours.duration_since(theirs) {
            Ok(ahead) => (ahead, "ahead of"),
            Err(behind) => (behind.duration(), "behind"),
        };
        if apart > TOLERATED_SKEW
            && let Ok(mut skew) = self.skew.lock()
            && skew.is_none()
        {
            *skew = Some(Skew::Seen(format!(
                "this host's clock is {} {word} the gateway's ({} here): set it (timedatectl set-ntp true), or the times of calls and \
                 recordings will be wrong",
                error::in_words(apart),
                httpdate::fmt_http_date(ours),
            )));
        }
    }

    /// A sentence about clocks that differ, the first time that it is asked for.
    pub(crate) fn take_clock_warning(&self) -> Option<String> {
        let mut skew = self.skew.lock().ok()?;
        match skew.clone()? {
            Skew::Seen(warning) => {
                *skew = Some(Skew::Told);
                Some(warning)
            }
            Skew::Told => None,
        }
    }
}

/// Why there is no link at all.
#[derive(Debug, thiserror::Error)]
pub enum LinkOpenError {
    /// The token or another setting.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The HTTP client cannot be made, such as without any certificates of authorities on this host.
    #[error("cannot speak HTTPS on this host (is the package ca-certificates installed?): {0}")]
    Client(String),
}

impl LinkOpenError {
    /// Whether the configuration is to be corrected.
    pub(crate) const fn is_configuration(&self) -> bool {
        matches!(self, Self::Config(_))
    }
}
