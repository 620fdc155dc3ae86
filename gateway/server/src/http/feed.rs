//! `GET /v1/feed`: the snapshot, what changed since a cursor, and waiting for it.

use std::io::{Seek as _, SeekFrom};
use std::time::Duration;

use actix_web::body::SizedStream;
use actix_web::http::{Method, header};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use audiospread_protocol::{
    Category, Cursor, DeleteReason, End, Kind, ProblemCode, Program, Prompt, Settings, Subscriber,
};
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::io::ReaderStream;
use utoipa::{IntoParams, ToSchema};

use super::authorization::{self, Authorized};
use super::conditional::{has_already, resumed};
use super::encoding::{name_of, negotiated};
use super::follow::{Reader, follow};
use super::lines::Writer;
use super::metrics::{MAX_WAITING, Waiting};
use super::part::{Part, asked_for};
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
/// A snapshot that was cut off is resumed with `Range` and `If-Range`.
///
/// With `wait` an answer that would be empty is held back until something changes, with heartbeat lines meanwhile; if nothing comes it ends
/// with the end line alone. Subscribers are there only for tokens with the scope `subscribers`.
#[utoipa::path(get, path = "/v1/feed", tag = "feed", operation_id = "get_feed",
    security(("bearer" = ["feed"]), ("basic" = [])),
    params(Asked,
        ("Accept-Encoding" = Option<String>, Header, nullable = false, description = "`zstd`, `gzip` or `identity`, with weights.", example = "zstd, gzip"),
        ("If-None-Match" = Option<String>, Header, nullable = false, description = "`ETag`s that the client has.", example = "\"none\""),
        ("Range" = Option<String>, Header, nullable = false, description = "Of a snapshot, in the encoding in which it is sent: `bytes=FIRST-LAST`, `bytes=FIRST-` or `bytes=-LENGTH`, one range. Several, another form, and a range of anything but a snapshot are answered with the whole.", example = "bytes=1000-"),
        ("If-Range" = Option<String>, Header, nullable = false, description = "The `ETag` of the answer that is resumed; a snapshot that was begun is kept for a while when it is replaced; if it is not there any more, the whole of the last one is sent.", example = "\"none\"")
    ),
    responses(
        (status = 200, description = "The lines.", content_type = "application/x-ndjson", body = String,
            headers(
                ("ETag" = String, description = "Strong, of these lines in this encoding; absent when the answer waits."),
                ("Content-Encoding" = String, description = "`zstd` or `gzip`; absent for `identity`."),
                ("Accept-Ranges" = String, description = "`bytes`, where the answer is a snapshot."),
                ("Vary" = String, description = "The answer depends on the encoding and on the token."),
                ("Cache-Control" = String, description = "For this client alone, to be asked for again.")
            ),
            example = json!("{\"version\":8,\"kind\":\"program\",\"id\":\"229\",\"op\":\"delete\",\"reason\":\"unpublished\"}\n{\"kind\":\"end\",\"cursor\":\"5d0f3c9a71be2846-8-2c26b46b68ffc68f\",\"changes\":1,\"count\":262,\"digest\":\"sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae\"}\n")),
        (status = 206, description = "The part of the snapshot that was asked for.", content_type = "application/x-ndjson", body = String,
            headers(
                ("Content-Range" = String, description = "`bytes FIRST-LAST/SIZE`, of the encoded snapshot."),
                ("ETag" = String, description = "That of the snapshot in this encoding."),
                ("Content-Encoding" = String, description = "`zstd` or `gzip`: how the whole is encoded of which this is a part; absent for `identity`."),
                ("Vary" = String, description = "The answer depends on the encoding and on the token."),
                ("Cache-Control" = String, description = "For this client alone, to be asked for again.")
            ),
            example = json!("the bytes of the encoded lines from FIRST to LAST")),
        (status = 304, description = "The client has these lines.", headers(("ETag" = String, description = "That of the lines."))),
        openapi::Malformed, openapi::NotAllowed, openapi::FeedRefused, openapi::Outside, openapi::Crowded
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
        let begun = resumed(request.headers()).and_then(|tag| state.feed.begun_snapshot(subscribers, encoding, tag));
        let snapshot = match begun {
            Some(begun) => begun,
            None => state.feed.snapshot(subscribers, encoding).map_err(refusal)?,
        };
        if snapshot.version == 0 {
            // The site was not read yet: nobody is told that it is empty.
            return Err(refusal(FeedError::SnapshotPending));
        }
        return whole(&state, snapshot, encoding, &request);
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
        let lines = follow(state, reader, None, delta.end);
        return Ok(describe_lines(&mut HttpResponse::Ok(), encoding).streaming(lines));
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
pub(super) fn refusal(error: FeedError) -> Refusal {
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

/// The headers of every answer of the feed's.
fn describe(answer: &mut HttpResponseBuilder) -> &mut HttpResponseBuilder {
    answer
        .insert_header((header::VARY, "Accept-Encoding, Authorization"))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
}

/// Those, and what the lines are and how they are encoded.
fn describe_lines(answer: &mut HttpResponseBuilder, encoding: Encoding) -> &mut HttpResponseBuilder {
    describe(answer).insert_header((header::CONTENT_TYPE, NDJSON));
    if encoding != Encoding::Identity {
        answer.insert_header((header::CONTENT_ENCODING, name_of(encoding)));
    }
    answer
}

fn not_modified(etag: &str) -> HttpResponse {
    describe(&mut HttpResponse::NotModified()).insert_header((header::ETAG, etag)).finish()
}

/// The snapshot or a part of it, in the encoding in which it lies on the disk, or decompressed on the way.
fn whole(
    state: &State,
    mut snapshot: Snapshot,
    encoding: Encoding,
    request: &HttpRequest,
) -> Result<HttpResponse, Refusal> {
    if has_already(request.headers(), &snapshot.etag) {
        return Ok(not_modified(&snapshot.etag));
    }
    let Part { mut answer, start, length } = asked_for(request, &snapshot.etag, snapshot.size, "snapshot")?;
    describe_lines(&mut answer, encoding)
        .insert_header((header::ETAG, snapshot.etag))
        .insert_header((header::ACCEPT_RANGES, "bytes"));
    if request.method() == Method::HEAD {
        return Ok(answer.body(SizedStream::new(length, futures_util::stream::empty::<std::io::Result<_>>())));
    }
    if encoding != Encoding::Identity {
        snapshot.file.seek(SeekFrom::Start(start)).map_err(Refusal::fault)?;
        let file = tokio::fs::File::from_std(snapshot.file).take(length);
        return Ok(answer.body(SizedStream::new(length, ReaderStream::with_capacity(file, PIECE))));
    }
    let (sink, mut bytes) = mpsc::channel(4);
    state.runtime.spawn_blocking(move || super::press::unpressed(snapshot.file, start, length, PIECE, &sink));
    let bytes = futures_util::stream::poll_fn(move |context| bytes.poll_recv(context));
    Ok(answer.body(SizedStream::new(length, bytes)))
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
    if has_already(request.headers(), &etag) {
        return Ok(not_modified(&etag));
    }
    let mut answer = HttpResponse::Ok();
    describe_lines(&mut answer, encoding).insert_header((header::ETAG, etag));
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
