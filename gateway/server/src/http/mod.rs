//! The gateway's HTTP edge: REST under `/v1`, its contract, health and metrics.
//!
//! The only room that knows actix, beside `xmlrpc`. A handler says whom it allows, reads the request, calls one room, and writes the answer; what the feed
//! is, what a blob is and when Drupal is read is decided elsewhere.

pub(crate) mod authorization;
mod blobs;
mod calls;
mod conditional;
#[cfg(test)]
mod contract;
mod docs;
mod edge;
mod encoding;
mod events;
pub(crate) mod feed;
mod findings;
mod follow;
mod health;
mod lines;
mod metrics;
pub(crate) mod openapi;
pub(crate) mod part;
mod patience;
mod press;
pub(crate) mod problems;
mod receipts;
pub(crate) mod recordings;
mod refresh;
mod router;
pub mod tokens;
mod uploads;

use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::KeepAlive;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use tokio_util::sync::CancellationToken;

use self::metrics::Metrics;
use self::problems::Refusal;
use self::tokens::Tokens;
use crate::blobs::Blobs;
use crate::catalogue::Packs;
use crate::drupal::Reader;
use crate::feed::Feed;
use crate::intake::{Recordings, Uploads};
pub use openapi::document as openapi_document;

/// A connection without a request is kept for this long: a phone server on a slow link saves its handshakes.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Downloads that are under way when the gateway stops have this long to end.
const STOP_WITHIN_SECONDS: u64 = 10;

/// The largest body of a request, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// The largest body of an XML-RPC call, in bytes: twice what the longest call of Drupal's module has.
pub(crate) const XML_BODY: usize = 512 * 1024;

/// What the handlers need.
#[derive(Debug)]
pub struct State {
    tokens: Tokens,
    pub(crate) feed: Arc<Feed>,
    blobs: Arc<Blobs>,
    pub(crate) packs: Arc<Packs>,
    uploads: Arc<Uploads>,
    pub(crate) recordings: Arc<Recordings>,
    pub(crate) reader: Reader,
    pub(crate) refresh: crate::refresh::Handle,
    metrics: Metrics,
    stopping: CancellationToken,
    runtime: tokio::runtime::Handle,
}

impl State {
    /// Puts together what the handlers need. Called within the runtime on which the feed's database is worked with.
    pub fn new(
        tokens: Tokens,
        feed: Arc<Feed>,
        (blobs, packs): (Arc<Blobs>, Arc<Packs>),
        (uploads, recordings): (Arc<Uploads>, Arc<Recordings>),
        reader: Reader,
        refresh: crate::refresh::Handle,
    ) -> Self {
        let (metrics, stopping) = (Metrics::default(), CancellationToken::new());
        Self {
            tokens,
            feed,
            blobs,
            packs,
            uploads,
            recordings,
            reader,
            refresh,
            metrics,
            stopping,
            runtime: tokio::runtime::Handle::current(),
        }
    }

    /// Works on the runtime of the rooms rather than on that of one HTTP worker: a connection to the database outlives the worker that asked
    /// for it, and a client that goes away leaves no statement half read.
    pub(crate) async fn apart<F>(&self, work: F) -> Result<F::Output, Refusal>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.runtime.spawn(work).await.map_err(Refusal::fault)
    }
}

/// A gateway that answers.
pub struct Server {
    answering: actix_web::dev::Server,
    handle: ServerHandle,
    stopping: CancellationToken,
}

/// Begins to answer on `listener`.
///
/// # Errors
/// If the listener cannot be used.
pub fn serve(state: State, listener: TcpListener) -> io::Result<Server> {
    let stopping = state.stopping.clone();
    let state = web::Data::new(state);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::clone(&state))
            .app_data(web::PayloadConfig::new(MAX_BODY))
            .app_data(web::QueryConfig::default().error_handler(|error, _| malformed("query", &error).into()))
            .app_data(web::PathConfig::default().error_handler(|error, _| malformed("address", &error).into()))
            .wrap(from_fn(edge::edge))
            .configure(router::configure)
    })
    .keep_alive(KeepAlive::Timeout(KEEP_ALIVE))
    // An answer is written in two pieces, its head and its bytes; else the second waits until the client acknowledges the first.
    .tcp_nodelay(true)
    // A waiting reader that closes its connection is noticed at once, and not at the next heartbeat.
    .h1_allow_half_closed(false)
    .shutdown_timeout(STOP_WITHIN_SECONDS)
    .disable_signals()
    .listen(listener)?
    .run();
    Ok(Server { handle: server.handle(), answering: server, stopping })
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

impl Server {
    /// Answers until `stop`; then waiting readers get their last line, downloads have some seconds to end, and new requests none.
    ///
    /// # Errors
    /// If answering fails as a whole.
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> io::Result<()> {
        let Self { mut answering, handle, stopping } = self;
        tokio::select! {
            ended = &mut answering => return ended,
            () = stop => {}
        }
        stopping.cancel();
        let ((), ended) = tokio::join!(handle.stop(true), answering);
        ended
    }
}

fn malformed(part: &str, error: &dyn std::fmt::Display) -> Refusal {
    Refusal::new(
        audiospread_protocol::ProblemCode::BadRequest,
        format!("The {part} is not of the form that /openapi.json gives: {error}."),
    )
}
