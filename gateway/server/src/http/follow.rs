//! Following the feed: a reader that has everything so far is told of what comes, and that the gateway is still there.
//!
//! One task a reader, which waits for the head that the feed watches for all; no connection to the database is held meanwhile. What a delta
//! is, and which cursors there are, is the feed's business.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use audiospread_protocol::{Cursor, End, Line};
use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::State;
use super::lines::Encoder;
use super::metrics::Waiting;
use super::tokens::Token;

/// The time between two heartbeats.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(20);

/// How what happens is written.
pub(super) enum Form {
    /// As the lines of the feed; the answer ends with the first batch, or at this moment.
    Lines(Encoder, Instant),
    /// As server-sent events, batch after batch until the reader leaves.
    Events,
}

/// A reader who follows.
pub(super) struct Reader {
    /// What the reader may see, for as long as the token is in force.
    pub(super) token: Arc<Token>,
    /// Whether subscribers are among it.
    pub(super) subscribers: bool,
    /// Its place among those who wait.
    pub(super) waiting: Waiting,
    /// How it is written to.
    pub(super) form: Form,
}

/// Where what is written goes; closed when the client has left.
type Sink = mpsc::Sender<io::Result<Bytes>>;

/// The bytes of an answer to `reader`, who has everything up to `end`; `heads` was taken before `end` was read.
pub(super) fn follow(
    state: web::Data<State>,
    reader: Reader,
    end: End,
    heads: tokio::sync::watch::Receiver<crate::feed::Head>,
    first: Bytes,
) -> impl Stream<Item = io::Result<Bytes>> + use<> {
    let (sink, mut bytes) = mpsc::channel(4);
    let runtime = state.runtime.clone();
    runtime.spawn(async move {
        if let Err(error) = write(&state, reader, end, heads, first, &sink).await {
            // Without its last line the answer is known to be cut off, and the client asks again.
            let _ = sink.send(Err(error)).await;
        }
    });
    futures_util::stream::poll_fn(move |context| bytes.poll_recv(context))
}
