//! `GET /v1/feed`: the snapshot, what changed since a cursor, and waiting for it.

use std::time::Duration;

use actix_web::body::SizedStream;
use actix_web::http::header;
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use audiospread_protocol::{
    Category, Cursor, DeleteReason, End, Kind, ProblemCode, Program, Prompt, Settings, Subscriber,
};
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::io::ReaderStream;
use utoipa::{IntoParams, ToSchema};

use super::authorization::{self, Authorized};
use super::conditional::has_already;
use super::encoding::{name_of, negotiated};
use super::follow::{Reader, follow};
use super::lines::Writer;
use super::metrics::{MAX_WAITING, Waiting};
use super::press::Encoder;
use super::problems::Refusal;
use super::tokens::{Scope, Token};
use super::{State, openapi};
use crate::feed::{Body, Delta, Encoding, FeedError, Snapshot};

/// The longest wait, in seconds: proxies and modems forget connections on which nothing is answered.
const MAX_WAIT: u16 = 300;

/// Bytes of a snapshot that are read at once.
const PIECE: usize = 256 * 1024;

const NDJSON: &str = "application/x-ndjson";

/// What is asked of the feed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// The cursor of the last line that was read: what changed since then. Absent: the snapshot. Opaque.
    #[serde(default)]
    #[param(required = false, nullable = false, example = "5d0f3c9a71be2846-7-9f86d081884c7d65")]
    since: Option<String>,
    /// With `since`: seconds to wait if nothing changed, with a heartbeat line every 20 seconds.
    #[serde(default)]
    #[param(required = false, nullable = false, minimum = 0, maximum = 300, example = 60)]
    wait: Option<u16>,
}

/// One line of the feed: an entity's last change, a heartbeat, or the end.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(
    dead_code,
    clippy::large_enum_variant,
    reason = "it describes the lines; they are written and read by the protocol crate, whose values are bytes"
)]
pub(super) enum FeedLine {
    /// The entity is now this.
    Put {
        /// The version of its last change.
        version: u64,
        /// Its kind.
        kind: Kind,
        /// Its id within the kind.
        id: String,
        /// `put`.
        #[schema(pattern = "^put$")]
        op: String,
        /// What it is; the last member of the line.
        value: EntityValue,
    },
    /// The entity is not on the phone any more.
    Delete {
        /// The version of its last change.
        version: u64,
        /// Its kind.
        kind: Kind,
        /// Its id within the kind.
        id: String,
        /// `delete`.
        #[schema(pattern = "^delete$")]
        op: String,
        /// Why.
        reason: DeleteReason,
    },
    /// Nothing came so far; the connection lives.
    Heartbeat {
        /// `heartbeat`.
        #[schema(pattern = "^heartbeat$")]
        kind: String,
        /// Where the reader stands.
        cursor: String,
    },
    /// The answer is whole.
    End {
        /// `end`.
        #[schema(pattern = "^end$")]
        kind: String,
        /// Where the reader stands now, and what it must have.
        #[serde(flatten)]
        end: End,
    },
}

/// What an entity is, by its kind.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it describes the values; they travel as bytes")]
pub(super) enum EntityValue {
    /// Of the kind `program`.
    Program(Program),
    /// Of the kind `category`.
    Category(Category),
    /// Of the kind `prompt`.
    Prompt(Prompt),
    /// Of the kind `subscriber`.
    Subscriber(Subscriber),
    /// Of the kind `settings`.
    Settings(Settings),
}

/// The feed
///
/// What is on the phone, one JSON object a line (`FeedLine`). Without `since` the snapshot: everything, at most a minute old. With `since`
/// what changed after that cursor, each entity once. The last line is the end line: its `cursor` is what to ask with next, and its `digest`
/// proves that the reader has what the gateway has. An answer without an end line was cut off: ask again with the cursor before it.
/// A cursor that the gateway does not know is answered with 410: take a snapshot.
///
/// With `wait` an answer that would be empty is held back until something changes, with heartbeat lines meanwhile; if nothing comes it ends
/// with the end line alone. Subscribers are there only for tokens with the scope `subscribers`.
#[utoipa::path(get, path = "/v1/feed", tag = "feed", operation_id = "get_feed",
    security(("bearer" = ["feed"]), ("basic" = [])),
    params(Asked,
        ("Accept-Encoding" = Option<String>, Header, nullable = false, description = "`zstd`, `gzip` or `identity`, with weights.", example = "zstd, gzip"),
        ("If-None-Match" = Option<String>, Header, nullable = false, description = "`ETag`s that the client has.", example = "\"none\"")
    ),
    responses(
        (status = 200, description = "The lines.", content_type = "application/x-ndjson", body = String,
            headers(
                ("ETag" = String, description = "Strong, of these lines in this encoding; absent when the answer waits."),
                ("Content-Encoding" = String, description = "`zstd` or `gzip`; absent for `identity`."),
                ("Vary" = String, description = "The answer depends on the encoding and on the token."),
                ("Cache-Control" = String, description = "For this client alone, to be asked for again.")
            ),
            example = json!("{\"version\":8,\"kind\":\"program\",\"id\":\"229\",\"op\":\"delete\",\"reason\":\"unpublished\"}\n{\"kind\":\"end\",\"cursor\":\"5d0f3c9a71be2846-8-2c26b46b68ffc68f\",\"changes\":1,\"count\":262,\"digest\":\"sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae\"}\n")),
        (status = 304, description = "The client has these lines.", headers(("ETag" = String, description = "That of the lines."))),
        openapi::Malformed, openapi::NotAllowed, openapi::FeedRefused, openapi::Crowded
    ))]
pub(super) async fn get(
    caller: Authorized<authorization::Feed>,
    state: web::Data<State>,
    asked: web::Query<Asked>,
    request: HttpRequest,
) -> Result<HttpResponse, Refusal> {
    let wait = asked.wait.unwrap_or(0);
    if wait > MAX_WAIT {
        return Err(Refusal::new(ProblemCode::BadRequest, format!("`wait` is 0 to {MAX_WAIT} seconds.")));
    }
    let encoding = negotiated(request.headers()).ok_or_else(|| {
        Refusal::new(ProblemCode::NotAcceptable, "Accept one of the encodings zstd, gzip, identity.")
            .with_header(header::VARY, header::HeaderValue::from_static("Accept-Encoding, Authorization"))
    })?;
    let subscribers = caller.token.allows(Scope::Subscribers);
    let Some(since) = &asked.since else {
        let snapshot = state.feed.snapshot(subscribers, encoding).map_err(refusal)?;
        if snapshot.version == 0 {
            // The site was not read yet: nobody is told that it is empty.
            return Err(refusal(FeedError::SnapshotPending));
        }
        return Ok(whole(&state, snapshot, encoding, &request));
    };
    let since = cursor(since)?;
    let delta = delta(&state, since, subscribers).await?;
    if wait > 0 && delta.end.changes == 0 && request.method() == Method::GET {
        let reader = Reader {
            subscribers,
            waiting: place(&state, &caller.token)?,
            token: caller.token,
            writer: Writer::Lines(Encoder::new(encoding).map_err(Refusal::fault)?),
            until: Some(Instant::now() + Duration::from_secs(wait.into())),
        };
        return Ok(described(StatusCode::OK, encoding).streaming(follow(state, reader, None, delta.end)));
    }
    changes(&state, since, delta, encoding, &request).await
}

/// The cursor that a client gave.
pub(super) fn cursor(text: &str) -> Result<Cursor, Refusal> {
    text.parse().map_err(|_| take_snapshot("The feed does not know this cursor"))
}

/// The delta since a cursor.
pub(super) async fn delta(state: &State, since: Cursor, subscribers: bool) -> Result<Delta, Refusal> {
    let feed = state.feed.clone();
    state.apart(async move { feed.delta(&since, subscribers).await }).await?.map_err(refusal)
}

/// A place among the waiting readers of a token.
pub(super) fn place(state: &State, token: &Token) -> Result<Waiting, Refusal> {
    state.metrics.wait(token.sha256).ok_or_else(|| {
        let detail = format!("{MAX_WAITING} readers wait with this token already. Close one of them.");
        Refusal::new(ProblemCode::TooManyRequests, detail).retry_after(Duration::from_secs(30))
    })
}

/// What the feed refuses, as a problem.
pub(crate) fn refusal(error: FeedError) -> Refusal {
    match error {
        FeedError::Gone(gone) => take_snapshot(match gone {
            crate::feed::Gone::UnknownCursor => "The feed does not know this cursor",
            crate::feed::Gone::LargerThanSnapshot => "More has changed since this cursor than a snapshot holds",
        }),
        FeedError::SnapshotPending => {
            Refusal::new(ProblemCode::SnapshotPending, "The first snapshot is being made. Try again in a few seconds.")
                .retry_after(Duration::from_secs(3))
        }
        FeedError::Pool(_) | FeedError::Database(_) => Refusal::unavailable("The gateway's database", error),
        FeedError::ShuttingDown => Refusal::unavailable("The gateway", error),
        error => Refusal::fault(error),
    }
}

/// Sends the client back to the snapshot.
pub(super) fn take_snapshot(why: &str) -> Refusal {
    Refusal::new(ProblemCode::TakeSnapshot, format!("{why}. Take a snapshot: GET /v1/feed without `since`."))
}

fn described(status: StatusCode, encoding: Encoding) -> HttpResponseBuilder {
    let mut answer = HttpResponse::build(status);
    answer
        .insert_header((header::VARY, "Accept-Encoding, Authorization"))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"));
    if status == StatusCode::OK {
        answer.insert_header((header::CONTENT_TYPE, NDJSON));
        if encoding != Encoding::Identity {
            answer.insert_header((header::CONTENT_ENCODING, name_of(encoding)));
        }
    }
    answer
}

/// The answer with this entity tag, without its lines; 304 where the client knows them.
fn tagged(known: bool, etag: &str, encoding: Encoding) -> HttpResponseBuilder {
    let status = if known { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let mut answer = described(status, encoding);
    answer.insert_header((header::ETAG, etag));
    answer
}

/// The snapshot, in the encoding in which it lies on the disk, or decompressed on the way.
fn whole(state: &State, snapshot: Snapshot, encoding: Encoding, request: &HttpRequest) -> HttpResponse {
    let known = has_already(request.headers(), &snapshot.etag);
    let mut answer = tagged(known, &snapshot.etag, encoding);
    if known {
        return answer.finish();
    }
    if request.method() == Method::HEAD {
        return answer.body(SizedStream::new(snapshot.size, futures_util::stream::empty::<std::io::Result<_>>()));
    }
    if encoding != Encoding::Identity {
        let file = ReaderStream::with_capacity(tokio::fs::File::from_std(snapshot.file), PIECE);
        return answer.body(SizedStream::new(snapshot.size, file));
    }
    let (sink, mut bytes) = mpsc::channel(4);
    state.runtime.spawn_blocking(move || super::press::unpressed(snapshot.file, PIECE, &sink));
    let bytes = futures_util::stream::poll_fn(move |context| bytes.poll_recv(context));
    answer.body(SizedStream::new(snapshot.size, bytes))
}

/// The finished delta, encoded: with its length while it is small.
async fn changes(
    state: &State,
    since: Cursor,
    delta: Delta,
    encoding: Encoding,
    request: &HttpRequest,
) -> Result<HttpResponse, Refusal> {
    let etag = format!("\"{since}..{}-{}\"", delta.end.cursor, name_of(encoding));
    let known = has_already(request.headers(), &etag);
    let mut answer = tagged(known, &etag, encoding);
    if known {
        return Ok(answer.finish());
    }
    let encoder = Encoder::new(encoding).map_err(Refusal::fault)?;
    if let Body::Memory(lines) = delta.body {
        let bytes = state.runtime.spawn_blocking(move || encoder.finished(&lines)).await.map_err(Refusal::fault)?;
        return Ok(answer.body(bytes.map_err(Refusal::fault)?));
    }
    if request.method() == Method::HEAD {
        return Ok(answer.streaming(futures_util::stream::empty::<std::io::Result<_>>()));
    }
    let (sink, mut bytes) = mpsc::channel(4);
    state.runtime.spawn(async move {
        let written = async { Writer::Lines(encoder).batch(delta.body, sink.clone()).await?.close(&sink).await };
        if let Err(error) = written.await {
            let _ = sink.send(Err(error)).await;
        }
    });
    Ok(answer.streaming(futures_util::stream::poll_fn(move |context| bytes.poll_recv(context)).fuse()))
}
