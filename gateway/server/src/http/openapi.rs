//! The contract as OpenAPI 3.1, made from the handlers and their types.
//!
//! The operations are described where they are handled; here they are put together, with what is the same for many of them: the problems,
//! the tokens, and a `HEAD` for each `GET`.

use std::collections::BTreeMap;

use audiospread_protocol::{
    AudioRef, Category, CategorySounds, DeleteReason, End, Keys, Kind, PhoneRendition, Plan, Problem, ProblemCode,
    Program, ProgramAudio, Prompt, PromptSource, Settings, Subscriber,
};
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, InfoBuilder, KnownFormat, License, ObjectBuilder, OpenApi as Document, Ref, RefOr, Required,
    Response, ResponseBuilder, SchemaFormat, Type,
};
use utoipa::{IntoResponses, OpenApi};

use crate::xmlrpc;

use super::{blobs, calls, docs, events, feed, findings, health, problems, receipts, recordings, refresh, uploads};

/// The contract as it is committed and served.
pub(super) const COMMITTED: &str = include_str!("../../../../openapi/audiospread-v1.json");

const DESCRIPTION: &str = "\
What a phone server asks of the gateway beside Drupal: the versioned feed of what is on the phone, and audio by digest.

A token comes as `Authorization: Bearer TOKEN`, or as the password of `Authorization: Basic`. Every error is a problem (RFC 9457) whose \
`type` names its code and whose `detail` says what to do. Conventions, the table of problems and the rule of the digest stand in \
`openapi/README.md` of the source.";

#[derive(OpenApi)]
#[openapi(
    paths(
        feed::get, events::get, blobs::get, findings::get, refresh::post, health::status, health::alive, health::ready,
        health::metrics, calls::post, calls::totals, receipts::put, recordings::put, recordings::list, recordings::get, recordings::part, uploads::options, uploads::post, uploads::head, uploads::patch, uploads::delete, uploads::post_to,
        xmlrpc::post, docs::document, docs::page, docs::part
    ),
    components(schemas(
        AudioRef, Category, CategorySounds, DeleteReason, End, Keys, Kind, PhoneRendition, Plan, Problem, Program, ProgramAudio, Prompt,
        PromptSource, Settings, Subscriber, feed::FeedLine
    )),
    tags(
        (name = "feed", description = "What is on the phone, as numbered changes."),
        (name = "blobs", description = "Audio, named by the SHA-256 of its bytes."),
        (name = "calls", description = "What phone servers had of calls, and its sums."),
        (name = "receipts", description = "What phone servers say of themselves."),
        (name = "recordings", description = "What callers left, and what became of it."),
        (name = "uploads", description = "Bytes in pieces, by tus 1.0.0."),
        (name = "operation", description = "How the gateway is doing, and what editors should know."),
        (name = "xmlrpc", description = "The same and more for Drupal 6, which speaks nothing else."),
        (name = "contract", description = "This document.")
    )
)]
struct Operations;

/// The contract: pretty JSON with a line feed at its end.
///
/// # Errors
/// Only if the document cannot be written as JSON, which would be a fault of this program.
pub fn document() -> Result<String, serde_json::Error> {
    let mut document = Operations::openapi();
    document.info = InfoBuilder::new()
        .title("AudioSpread gateway")
        .version("1.0.0")
        .description(Some(DESCRIPTION))
        .license(Some(license()))
        .build();
    add_security_schemes(&mut document);
    add_heads(&mut document);
    for path in ["/v1/refresh", "/v1/uploads", "/v1/uploads/{id}"] {
        say_whether_body_is_required(&mut document, path);
    }
    Ok(document.to_pretty_json()? + "\n")
}

fn license() -> License {
    let mut license = License::new("MIT OR Apache-2.0");
    license.identifier = Some("MIT OR Apache-2.0".into());
    license
}

fn add_security_schemes(document: &mut Document) {
    let components = document.components.get_or_insert_default();
    for (name, scheme, description) in [
        (
            "bearer",
            HttpAuthScheme::Bearer,
            "The token of a phone server. The roles listed with an operation are scopes of the token.",
        ),
        (
            "basic",
            HttpAuthScheme::Basic,
            "The token as the password, with any name, for clients that can send nothing else.",
        ),
    ] {
        let scheme = HttpBuilder::new().scheme(scheme).description(Some(description)).build();
        components.security_schemes.insert(name.into(), RefOr::T(SecurityScheme::Http(scheme)));
    }
}

/// A `POST` without a body is understood and a `PATCH` is not, where the body's type does not tell.
fn say_whether_body_is_required(document: &mut Document, path: &str) {
    let Some(item) = document.paths.paths.get_mut(path) else { return };
    for (operation, required) in [(&mut item.post, Required::False), (&mut item.patch, Required::True)] {
        if let Some(RefOr::T(body)) = operation.as_mut().and_then(|operation| operation.request_body.as_mut()) {
            body.required = Some(required);
        }
    }
}

/// Each `GET` is also answered as `HEAD`: the same headers, no body.
fn add_heads(document: &mut Document) {
    for item in document.paths.paths.values_mut() {
        if let Some(get) = &item.get {
            item.head = Some(head_of(get));
        }
    }
}

fn head_of(get: &Operation) -> Operation {
    let mut head = get.clone();
    head.operation_id = get.operation_id.as_ref().map(|id| id.replacen("get_", "head_", 1));
    head.summary = get.summary.as_ref().map(|summary| format!("{summary}: the headers alone"));
    for response in head.responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            response.content.clear();
        }
    }
    head
}

macro_rules! refusals {
    ($($(#[$doc:meta])+ $name:ident = [$($code:ident),+];)+) => {$(
        $(#[$doc])+
        pub(crate) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                refused(&[$(ProblemCode::$code),+])
            }
        }
    )+};
}

refusals! {
    /// The token is missing, unknown, or lacks the scope.
    NotAllowed = [Unauthorized, Forbidden];
    /// The request is malformed.
    Malformed = [BadRequest];
    /// There is no such thing.
    Unknown = [NotFound];
    /// A fault of the gateway's.
    Faulty = [Internal];
    /// Something the gateway needs is away.
    Away = [Internal, Unavailable];
    /// The feed cannot be read from where the client stands, or not yet.
    FeedRefused = [NotAcceptable, TakeSnapshot, Internal, Unavailable, SnapshotPending];
    /// The feed cannot be followed from where the client stands.
    FollowingRefused = [TakeSnapshot, TooManyRequests, Internal, Unavailable];
    /// Too many readers wait with one token.
    Crowded = [TooManyRequests];
    /// The range lies outside.
    Outside = [RangeNotSatisfiable];
    /// The body is of no type of XML.
    NotXml = [UnsupportedMediaType];
    /// A recording is not kept.
    RecordingRefused = [Conflict, MissingUploads, UnusableRecording];
    /// The method is not one of those here.
    OtherMethod = [MethodNotAllowed];
    /// Another version of tus.
    OtherVersion = [OtherVersion];
    /// An upload does not go on so.
    UploadRefused = [Conflict, OtherVersion, TooLarge, UnsupportedMediaType, ChecksumMismatch];
    /// The body is not accepted.
    BodyRefused = [BadRequest, TooLarge, UnsupportedMediaType];
}

/// The responses with these problems; those of one status are one response.
fn refused(codes: &[ProblemCode]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<u16, Vec<ProblemCode>> = BTreeMap::new();
    for code in codes {
        by_status.entry(code.status()).or_default().push(*code);
    }
    by_status.into_iter().map(|(status, codes)| (status.to_string(), RefOr::T(refusal(status, &codes)))).collect()
}

fn refusal(status: u16, codes: &[ProblemCode]) -> Response {
    let described: Vec<_> = codes.iter().map(|code| format!("`{}`: {}.", code.code(), code.title())).collect();
    let example = codes.first().map(|code| code.problem(example_detail(*code)));
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .example(example.and_then(|problem| serde_json::to_value(problem).ok()))
        .build();
    let mut response = ResponseBuilder::new().description(described.join(" ")).content(problems::PROBLEM_JSON, content);
    if matches!(status, 429 | 503) {
        let seconds =
            ObjectBuilder::new().schema_type(Type::Integer).format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)));
        response = response.header(
            "Retry-After",
            HeaderBuilder::new().schema(Some(seconds)).description(Some("Seconds to wait.")).build(),
        );
    }
    if matches!(status, 401 | 403) {
        let challenge = ObjectBuilder::new().schema_type(Type::String);
        response = response.header(
            "WWW-Authenticate",
            HeaderBuilder::new()
                .schema(Some(challenge))
                .description(Some("How to authenticate, and with which scope."))
                .build(),
        );
    }
    if status == 405 {
        let methods = ObjectBuilder::new().schema_type(Type::String);
        response = response.header(
            "Allow",
            HeaderBuilder::new().schema(Some(methods)).description(Some("The methods, with commas.")).build(),
        );
    }
    if status == 416 {
        let range = ObjectBuilder::new().schema_type(Type::String);
        response = response.header(
            "Content-Range",
            HeaderBuilder::new().schema(Some(range)).description(Some("`bytes */SIZE`.")).build(),
        );
    }
    response.build()
}

/// What the detail of a problem says, for example.
const fn example_detail(code: ProblemCode) -> &'static str {
    match code {
        ProblemCode::BadRequest => "`wait` is 0 to 300 seconds.",
        ProblemCode::Unauthorized => "Send the token of this phone server as `Authorization: Bearer TOKEN`.",
        ProblemCode::Forbidden => {
            "The token needs the scope `admin`. The gateway's operator can add it in the token file."
        }
        ProblemCode::NotFound => "The feed names no blob of this digest. Pull the feed again.",
        ProblemCode::MethodNotAllowed => "The header Allow lists the methods that this address understands.",
        ProblemCode::NotAcceptable => "Accept one of the encodings zstd, gzip, identity.",
        ProblemCode::TakeSnapshot => "The feed does not know this cursor. Take a snapshot: ask without `since`.",
        ProblemCode::Conflict => "The upload has 4464 bytes. Go on from there: Upload-Offset: 4464.",
        ProblemCode::MissingUploads => {
            "Bytes were never uploaded, or have expired. Upload them again: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08."
        }
        ProblemCode::UnusableRecording => {
            "It is not kept: the body cannot be used: it is no mp3 that can be played. Keep your copy for somebody to listen to."
        }
        ProblemCode::OtherVersion => "Send Tus-Resumable: 1.0.0; no other version is spoken here.",
        ProblemCode::ChecksumMismatch => {
            "The bytes were damaged on their way and thrown away. Send them again, from the same offset."
        }
        ProblemCode::TooLarge => "Send at most 65536 bytes.",
        ProblemCode::UnsupportedMediaType => "Send the body as application/json.",
        ProblemCode::RangeNotSatisfiable => "The blob has 4464 bytes. Ask for a range within them.",
        ProblemCode::TooManyRequests => "16 readers wait with this token already. Close one of them.",
        ProblemCode::Internal => "The fault is in the gateway's log. Try again later; if it stays, tell the operator.",
        ProblemCode::Unavailable => "The gateway's database cannot be reached at the moment. Try again in a while.",
        ProblemCode::SnapshotPending => "The first snapshot is being made. Try again in a few seconds.",
    }
}
