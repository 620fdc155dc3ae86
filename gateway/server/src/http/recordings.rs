//! `/v1/recordings`: what callers left, its meaning in and its state out.

use actix_web::body::SizedStream;
use actix_web::http::Method;
use actix_web::http::header::{self, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, web};
use audiospread_protocol::{ProblemCode, RecordingFacts};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::authorization::{Authorized, Recordings};
use super::conditional::has_already;
use super::part::{Part as Asked, asked_for};
use super::problems::Refusal;
use super::{State, openapi};
use crate::intake::{AskError, KeptPart, Moderation, Part, SoundError, State as Stands, SubmitError, Submitted};

/// At most so many in an answer.
const MOST: usize = 100;

/// A recording, and what became of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Recording {
    /// Its name, given on the phone server.
    #[schema(value_type = String)]
    uuid: Uuid,
    /// How it stands, by Drupal's tables.
    state: Stands,
    /// When recording began.
    #[schema(value_type = String, format = DateTime)]
    recorded_at: Timestamp,
    /// When it reached the gateway.
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
    /// The phone server's name.
    server: String,
    /// Who left it; absent where the number was withheld, or dropped since.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    caller: Option<String>,
    /// The language of the call; may be empty.
    language: String,
    /// The category that the caller chose; absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    category: Option<String>,
    /// Whether the caller hung up while recording.
    hung_up: bool,
    /// Whether there is nearly nothing to hear in the message.
    silent: bool,
    /// The spoken title; absent where the caller left none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    title: Option<RecordedPart>,
    /// The message.
    body: RecordedPart,
    /// The node in Drupal; absent until there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    node: Option<String>,
    /// Why it was rejected, or why Drupal could not take it; absent where there is no reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<String>,
    /// When an editor last approved or rejected it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    decided_at: Option<Timestamp>,
}

/// A part of a recording.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RecordedPart {
    /// Where its bytes are.
    href: String,
    /// The digest of its bytes.
    sha256: String,
    /// How many there are.
    size: u64,
    /// `audio/mpeg`.
    mime: &'static str,
    /// How long it is.
    duration_ms: u64,
}

impl Recording {
    fn of((kept, state, row): Moderation) -> Self {
        let part = |part: Part, is: KeptPart| RecordedPart {
            href: format!("/v1/recordings/{}/{}", kept.uuid, part.as_str()),
            sha256: is.sha256.to_hex(),
            size: is.size,
            mime: "audio/mpeg",
            duration_ms: is.duration_ms,
        };
        let moment = |seconds| Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
        Self {
            uuid: kept.uuid,
            state,
            recorded_at: moment(kept.recorded_at),
            received_at: moment(kept.received_at),
            title: kept.title.map(|title| part(Part::Title, title)),
            body: part(Part::Body, kept.body),
            server: kept.server,
            caller: kept.caller,
            language: kept.language,
            category: Some(kept.category).filter(|tid| *tid > 0).map(|tid| tid.to_string()),
            hung_up: kept.hung_up,
            silent: kept.silent,
            node: row.as_ref().map(|row| row.nid).filter(|nid| *nid > 0).map(|nid| nid.to_string()),
            reason: row.as_ref().map(|row| row.reason.clone()).filter(|reason| !reason.is_empty()),
            decided_at: row.map(|row| row.decided_at).filter(|at| *at > 0).map(moment),
        }
    }
}

/// Hand in a recording
///
/// The bytes of title and body are uploaded before. They are decoded to their end; then title, body and facts become visible in one step. The
/// same recording again is answered with 200 and changes nothing; another one under the same uuid is refused. `missing_uploads` lists the
/// digests of bytes that were never uploaded, or have expired: upload them again. `unusable_recording` has the digest of the part that cannot be used:
/// where it is the title's, the recording may be handed in without one.
#[utoipa::path(put, path = "/v1/recordings/{uuid}", tag = "recordings", operation_id = "put_recording",
    security(("bearer" = ["recordings"]), ("basic" = [])),
    params(("uuid" = String, Path, description = "Made on the phone server when recording begins.", example = "6f1c0f1e-9a44-4b0e-8f6f-0d6f0c2b7a11", pattern = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")),
    request_body(content = RecordingFacts, description = "What is known of it.", content_type = "application/json", example = json!({
        "caller": "+221775550124", "recorded_at": "2026-11-24T10:00:00Z", "language": "fr", "category": "2", "hung_up": false,
        "title": "4f0c4dbba5d2c1d2a5c8e8b7b3f4d9f7f1f1c0a9e1c0ffee0123456789abcdef",
        "body": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    })),
    responses(
        (status = 201, description = "It is kept.", body = Recording, example = json!(example())),
        (status = 200, description = "It was kept before.", body = Recording, example = json!(example())),
        openapi::BodyRefused, openapi::NotAllowed, openapi::RecordingRefused, openapi::Away
    ))]
pub(super) async fn put(
    caller: Authorized<Recordings>,
    state: web::Data<State>,
    uuid: web::Path<String>,
    request: HttpRequest,
    body: web::Bytes,
) -> Result<HttpResponse, Refusal> {
    let uuid = named(&uuid)?;
    let facts = read(&request, &body)?;
    let (recordings, server) = (state.recordings.clone(), caller.token.name.clone());
    let submitted = state.apart(async move { recordings.submit(&server, uuid, &facts).await }).await?;
    let submitted = submitted.map_err(refusal)?;
    let recording = Recording::of(stands(&state, uuid).await?);
    Ok(match submitted {
        Submitted::New => HttpResponse::Created().json(recording),
        Submitted::Known => HttpResponse::Ok().json(recording),
    })
}

fn read(request: &HttpRequest, body: &[u8]) -> Result<RecordingFacts, Refusal> {
    let essence = request.headers().get(CONTENT_TYPE).and_then(|is| is.to_str().ok()?.split(';').next());
    if !essence.is_some_and(|is| is.trim().eq_ignore_ascii_case("application/json")) {
        return Err(Refusal::new(ProblemCode::UnsupportedMediaType, "Send the facts as application/json."));
    }
    let facts = Some(body).filter(|body| body.trim_ascii_start().starts_with(b"{"));
    let facts = facts.and_then(|body| serde_json::from_slice(body).ok());
    // What serde says may hold a part of the body, and that may be a number.
    facts.ok_or_else(|| bad("The body is not of the form that /openapi.json gives for the facts of a recording."))
}

/// Which recordings are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Only those that stand so.
    #[param(inline, nullable = false)]
    state: Option<Stands>,
    /// The `next` of the answer before.
    #[param(
        nullable = false,
        example = "1764000000-6f1c0f1e-9a44-4b0e-8f6f-0d6f0c2b7a11",
        pattern = "^[0-9]{1,18}-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
    )]
    cursor: Option<String>,
    /// At most so many.
    #[param(minimum = 1, maximum = 100, default = 100)]
    limit: Option<usize>,
}

/// Recordings.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct List {
    /// In the order in which they came.
    recordings: Vec<Recording>,
    /// What to ask for as `cursor` to get more; absent where there is no more for now. With a state an answer may be empty and have a `next`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<String>,
}

/// Recordings
///
/// What callers left, in the order in which it came, with what became of it: that is read in Drupal's tables each time.
#[utoipa::path(get, path = "/v1/recordings", tag = "recordings", operation_id = "get_recordings",
    security(("bearer" = ["recordings"]), ("basic" = [])),
    params(Wanted),
    responses(
        (status = 200, description = "The recordings.", body = List, example = json!({"recordings": [example()]})),
        openapi::Malformed, openapi::NotAllowed, openapi::Away
    ))]
pub(super) async fn list(
    _: Authorized<Recordings>,
    state: web::Data<State>,
    wanted: web::Query<Wanted>,
) -> Result<HttpResponse, Refusal> {
    let Wanted { state: of, cursor, limit } = wanted.into_inner();
    let limit = limit.unwrap_or(MOST);
    if !(1..=MOST).contains(&limit) {
        return Err(bad("`limit` is 1 to 100."));
    }
    let after = match cursor.as_deref() {
        None => (i64::MIN, Uuid::nil()),
        Some(cursor) => cursor_of(cursor).ok_or_else(|| bad("`cursor` is the `next` of an answer before."))?,
    };
    let (recordings, reader) = (state.recordings.clone(), state.reader.clone());
    let found = state.apart(async move { recordings.list(&reader, of, after, limit).await }).await?;
    let (found, next) = found.map_err(unanswered)?;
    let list = List {
        recordings: found.into_iter().map(Recording::of).collect(),
        next: next.map(|(received_at, uuid)| format!("{received_at}-{uuid}")),
    };
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(list))
}

fn cursor_of(text: &str) -> Option<(i64, Uuid)> {
    let (received_at, uuid) = text.split_once('-')?;
    Some((received_at.parse().ok()?, Uuid::try_parse(uuid).ok()?))
}

/// A recording
///
/// What is known of it, and what became of it.
#[utoipa::path(get, path = "/v1/recordings/{uuid}", tag = "recordings", operation_id = "get_recording",
    security(("bearer" = ["recordings"]), ("basic" = [])),
    params(("uuid" = String, Path, description = "Its name.", example = "6f1c0f1e-9a44-4b0e-8f6f-0d6f0c2b7a11", pattern = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")),
    responses(
        (status = 200, description = "The recording.", body = Recording, example = json!(example())),
        openapi::Malformed, openapi::NotAllowed, openapi::Unknown, openapi::Away
    ))]
pub(super) async fn get(
    _: Authorized<Recordings>,
    state: web::Data<State>,
    uuid: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    let stands = stands(&state, named(&uuid)?).await?;
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(Recording::of(stands)))
}

/// What is heard of a recording
///
/// The bytes of `title` or `body`, whole or in part.
#[utoipa::path(get, path = "/v1/recordings/{uuid}/{part}", tag = "recordings", operation_id = "get_recording_part",
    security(("bearer" = ["recordings"]), ("basic" = [])),
    params(
        ("uuid" = String, Path, description = "Its name.", example = "6f1c0f1e-9a44-4b0e-8f6f-0d6f0c2b7a11", pattern = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"),
        ("part" = String, Path, description = "`title` or `body`.", example = "body", pattern = "^(title|body)$"),
        ("Range" = Option<String>, Header, nullable = false, description = "One range, as for blobs.", example = "bytes=1000-")
    ),
    responses(
        (status = 200, description = "The bytes.", content((Vec<u8> = "audio/mpeg")), headers(("ETag" = String, description = "`\"sha256:…\"`, strong."))),
        (status = 206, description = "The part that was asked for.", content((Vec<u8> = "audio/mpeg")), headers(
            ("Content-Range" = String, description = "`bytes FIRST-LAST/SIZE`."),
            ("ETag" = String, description = "`\"sha256:…\"`, strong.")
        )),
        (status = 304, description = "The client has the bytes."),
        openapi::Malformed, openapi::NotAllowed, openapi::Unknown, openapi::Outside, openapi::Away
    ))]
pub(super) async fn part(
    _: Authorized<Recordings>,
    state: web::Data<State>,
    path: web::Path<(String, String)>,
    request: HttpRequest,
) -> Result<HttpResponse, Refusal> {
    let (uuid, part) = path.into_inner();
    let uuid = named(&uuid)?;
    let (kept, ..) = stands(&state, uuid).await?;
    let (part, is) = match part.as_str() {
        "title" => (Part::Title, kept.title),
        "body" => (Part::Body, Some(kept.body)),
        _ => (Part::Body, None),
    };
    let is = is.ok_or_else(|| Refusal::new(ProblemCode::NotFound, "The recording has no such part."))?;
    let etag = format!("\"sha256:{}\"", is.sha256);
    if has_already(request.headers(), &etag) {
        return Ok(HttpResponse::NotModified().insert_header((header::ETAG, etag)).finish());
    }
    let recordings = state.recordings.clone();
    let opened = state.apart(async move { recordings.sound(uuid, part, &is).await }).await?;
    let opened = opened.map_err(|error| match error {
        SoundError::Feed(error) => super::feed::refusal(error),
        error => Refusal::unavailable("The store of the recordings", error),
    })?;
    let mut file = tokio::fs::File::from_std(opened.ok_or_else(|| {
        Refusal::new(
            ProblemCode::NotFound,
            "The sound is gone: its node was deleted in Drupal, or has another one now.",
        )
    })?);
    let Asked { mut answer, start, length } = asked_for(&request, &etag, is.size, "recording")?;
    answer
        .insert_header((header::ETAG, etag))
        .insert_header((header::CONTENT_TYPE, "audio/mpeg"))
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
    if request.method() == Method::HEAD {
        return Ok(answer.body(SizedStream::new(length, futures_util::stream::empty::<std::io::Result<_>>())));
    }
    file.seek(std::io::SeekFrom::Start(start)).await.map_err(Refusal::fault)?;
    Ok(answer.body(SizedStream::new(length, ReaderStream::new(file.take(length)))))
}

async fn stands(state: &web::Data<State>, uuid: Uuid) -> Result<Moderation, Refusal> {
    let (recordings, reader) = (state.recordings.clone(), state.reader.clone());
    let found = state.apart(async move { recordings.one(&reader, uuid).await }).await?.map_err(unanswered)?;
    found.ok_or_else(|| Refusal::new(ProblemCode::NotFound, "There is no recording of this uuid."))
}

fn bad(detail: &str) -> Refusal {
    Refusal::new(ProblemCode::BadRequest, detail)
}

fn named(uuid: &str) -> Result<Uuid, Refusal> {
    // The other forms of a uuid would be other names of the same thing.
    let is = Uuid::try_parse(uuid).ok().filter(|is| is.hyphenated().to_string() == *uuid);
    is.ok_or_else(|| bad("A recording is named by a uuid in lower case, with hyphens."))
}

fn refusal(error: SubmitError) -> Refusal {
    match error {
        SubmitError::Facts(_) => bad(&format!("The member {error}.")),
        SubmitError::Conflict => Refusal::new(
            ProblemCode::Conflict,
            "The gateway has another recording of this uuid, and keeps it. Keep yours, and tell the operator.",
        ),
        SubmitError::Missing(digests) => {
            let list: Vec<String> = digests.iter().map(ToString::to_string).collect();
            Refusal::new(
                ProblemCode::MissingUploads,
                format!("Bytes were never uploaded, or have expired. Upload them again: {}.", list.join(", ")),
            )
            .about(digests)
        }
        SubmitError::Unusable { sha256, .. } => {
            let why = error.to_string();
            Refusal::new(
                ProblemCode::UnusableRecording,
                format!("It is not kept: {why}. Keep your copy for somebody to listen to."),
            )
            .about(vec![sha256])
        }
        SubmitError::Feed(error) => super::feed::refusal(error),
        SubmitError::Store(error) => Refusal::unavailable("The gateway's disk", error),
        SubmitError::Examine(error) => Refusal::unavailable("The part of the gateway that examines sounds", error),
    }
}

/// Why it cannot be said how recordings stand.
pub(crate) fn unanswered(error: AskError) -> Refusal {
    match error {
        AskError::Feed(error) => super::feed::refusal(error),
        AskError::Read(error) => Refusal::unavailable("Drupal's database", error),
    }
}

fn example() -> serde_json::Value {
    serde_json::json!({
        "uuid": "6f1c0f1e-9a44-4b0e-8f6f-0d6f0c2b7a11", "state": "pending", "recorded_at": "2026-11-24T10:00:00Z",
        "received_at": "2026-11-24T10:02:00Z", "server": "town", "caller": "+221775550124", "language": "fr", "category": "2",
        "hung_up": false, "silent": false, "body": {
            "href": "/v1/recordings/6f1c0f1e-9a44-4b0e-8f6f-0d6f0c2b7a11/body",
            "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "size": 44640, "mime": "audio/mpeg", "duration_ms": 22320
        }, "node": "451"
    })
}
