//! Following the feed: a reader that has everything so far is told what comes, and that the gateway is still there.
//!
//! One task a reader, which waits for the head that the feed watches for all; no connection to the database is held meanwhile. What a delta
//! is, and which cursors there are, is the feed's business; how it is written is that of `lines`.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use audiospread_protocol::End;
use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::State;
use super::lines::Writer;
use super::metrics::Waiting;
use super::tokens::Token;
use crate::feed::{Body, FeedError};

/// The time between two heartbeats.
const HEARTBEAT: Duration = Duration::from_secs(20);

/// For how long to leave the database alone when it is ahead of the head that is watched.
const CATCH_UP: Duration = Duration::from_millis(250);

/// A reader who follows.
pub(super) struct Reader {
    /// Who it is; it is followed for as long as the token is in force.
    pub(super) token: Arc<Token>,
    /// Whether subscribers are among what it may see.
    pub(super) subscribers: bool,
    /// Its place among those who wait.
    pub(super) waiting: Waiting,
    /// How it is written to.
    pub(super) writer: Writer,
    /// When it is told that nothing came; `None`: it is told batch after batch until it leaves.
    pub(super) until: Option<Instant>,
}

/// Where what is written goes; closed when the client has left.
pub(super) type Sink = mpsc::Sender<io::Result<Bytes>>;

/// The bytes of an answer to `reader`, who begins with `first` and has everything up to `end` then.
pub(super) fn follow(
    state: web::Data<State>,
    reader: Reader,
    first: Option<Body>,
    end: End,
) -> impl Stream<Item = io::Result<Bytes>> + use<> {
    let (sink, mut bytes) = mpsc::channel(4);
    let runtime = state.runtime.clone();
    runtime.spawn(async move {
        let written = write(&state, reader, first, end, &sink).await;
        if let Err(error) = written.and(Ok(())).or_else(|error| if sink.is_closed() { Ok(()) } else { Err(error) }) {
            tracing::warn!(%error, "an answer to a waiting reader was cut off");
            // Without its last line the answer is known to be cut off, and the client asks again.
            let _ = sink.send(Err(error)).await;
        }
    });
    futures_util::stream::poll_fn(move |context| bytes.poll_recv(context))
}

async fn write(state: &State, mut reader: Reader, first: Option<Body>, mut end: End, sink: &Sink) -> io::Result<()> {
    let _place = &reader.waiting;
    if let Some(body) = first {
        reader.writer = reader.writer.batch(body, sink.clone()).await?;
    }
    let mut heartbeat = Instant::now() + HEARTBEAT;
    loop {
        let wake = reader.until.map_or(heartbeat, |until| until.min(heartbeat));
        let changed = tokio::select! {
            () = sink.closed() => return Ok(()),
            () = state.stopping.cancelled() => return reader.writer.last(&end, sink).await,
            changed = state.feed.wait_for_change(&end.cursor, wake.saturating_duration_since(Instant::now())) => changed,
        };
        if changed {
            let delta = state.feed.delta(&end.cursor, reader.subscribers).await.map_err(cut_off)?;
            if delta.end.changes > 0 {
                reader.writer = reader.writer.batch(delta.body, sink.clone()).await?;
                if reader.until.is_some() {
                    return reader.writer.close(sink).await;
                }
                heartbeat = Instant::now() + HEARTBEAT;
            } else if delta.end.cursor == end.cursor {
                tokio::time::sleep(CATCH_UP).await;
            }
            end = End { changes: 0, ..delta.end };
        } else if reader.until.is_some_and(|until| until <= Instant::now()) {
            return reader.writer.last(&end, sink).await;
        } else {
            if !state.tokens.still_has(&reader.token) {
                return Err(io::Error::other("its token is not in force any more"));
            }
            reader.writer.heartbeat(&end.cursor, sink).await?;
            heartbeat = Instant::now() + HEARTBEAT;
        }
    }
}

fn cut_off(error: FeedError) -> io::Error {
    io::Error::other(error)
}
