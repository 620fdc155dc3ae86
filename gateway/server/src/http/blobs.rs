//! `GET /v1/blobs/{sha256}`: audio by digest, whole or in part.
//!
//! Which files there are and how they are opened is the business of `blobs`; which of them a phone server may have is said by the feed.

use actix_web::body::SizedStream;
use actix_web::http::{Method, header};
use actix_web::{HttpRequest, HttpResponse, web};
use audiospread_protocol::{ProblemCode, Sha256Digest};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

use super::authorization::{self, Authorized};
use super::conditional::has_already;
use super::part::{Part, asked_for};
use super::problems::Refusal;
use super::{State, openapi};
use crate::blobs::BlobError;

/// Bytes read at once: larger pieces cost less, and some hundred readers of this size fit into memory.
const PIECE: usize = 256 * 1024;

/// The bytes of a name never change.
const FOREVER: &str = "private, max-age=31536000, immutable";

/// Audio by digest
///
/// The bytes whose SHA-256 is the name, as they lie in Drupal's storage or in a language pack; only blobs that a version of the feed names.
/// A download is resumed with `Range` and `If-Range`. Blobs are never compressed, and never change.
#[utoipa::path(get, path = "/v1/blobs/{sha256}", tag = "blobs", operation_id = "get_blob",
    security(("bearer" = ["blobs"]), ("basic" = [])),
    params(
        ("sha256" = String, Path, description = "The digest from the feed: 64 lower-case hexadecimal digits.", pattern = "^[0-9a-f]{64}$",
         example = "4f0c4dbba5d2c1d2a5c8e8b7b3f4d9f7f1f1c0a9e1c0ffee0123456789abcdef"),
        ("Range" = Option<String>, Header, nullable = false, description = "`bytes=FIRST-LAST`, `bytes=FIRST-` or `bytes=-LENGTH`: one range; several, or another form, are answered with the whole.", example = "bytes=1000-"),
        ("If-Range" = Option<String>, Header, nullable = false, description = "The `ETag` of the answer that is resumed; if it is another, the whole is sent.", example = "\"sha256:4f0c4dbba5d2c1d2a5c8e8b7b3f4d9f7f1f1c0a9e1c0ffee0123456789abcdef\""),
        ("If-None-Match" = Option<String>, Header, nullable = false, description = "`ETag`s that the client has.", example = "\"sha256:4f0c4dbba5d2c1d2a5c8e8b7b3f4d9f7f1f1c0a9e1c0ffee0123456789abcdef\"")
    ),
    responses(
        (status = 200, description = "The blob.", content((Vec<u8> = "audio/mpeg"), (Vec<u8> = "audio/wav"), (Vec<u8> = "audio/ogg")), headers(
            ("ETag" = String, description = "`\"sha256:…\"`, strong."),
            ("Repr-Digest" = String, description = "`sha-256=:…:` (RFC 9530), of the whole blob."),
            ("Accept-Ranges" = String, description = "`bytes`."),
            ("Cache-Control" = String, description = "The bytes of a name never change.")
        )),
        (status = 206, description = "The part that was asked for.", content((Vec<u8> = "audio/mpeg"), (Vec<u8> = "audio/wav"), (Vec<u8> = "audio/ogg")), headers(
            ("Content-Range" = String, description = "`bytes FIRST-LAST/SIZE`."),
            ("ETag" = String, description = "`\"sha256:…\"`, strong."),
            ("Repr-Digest" = String, description = "`sha-256=:…:` (RFC 9530), of the whole blob.")
        )),
        (status = 304, description = "The client has the blob.", headers(("ETag" = String, description = "`\"sha256:…\"`, strong."))),
        openapi::Malformed, openapi::NotAllowed, openapi::Unknown, openapi::Outside, openapi::Away
    ))]
pub(super) async fn get(
    _: Authorized<authorization::Blobs>,
    state: web::Data<State>,
    name: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Refusal> {
    let sha256: Sha256Digest = name.parse().map_err(|error| {
        Refusal::new(ProblemCode::BadRequest, format!("The name of a blob is its digest: {error}."))
    })?;
    let (feed, blobs) = (state.feed.clone(), state.blobs.clone());
    if !state.apart(async move { feed.store().names_blob(&sha256).await }).await?.map_err(super::feed::refusal)? {
        return Err(Refusal::new(
            ProblemCode::NotFound,
            "The feed names no blob of this digest. Pull the feed again: the audio may have been replaced.",
        ));
    }
    let etag = format!("\"sha256:{sha256}\"");
    if has_already(request.headers(), &etag) {
        return Ok(described(&mut HttpResponse::NotModified(), &sha256, &etag).finish());
    }
    let blob = state.apart(async move { blobs.open(&sha256).await }).await?.map_err(cannot_open)?;

    let Part { mut answer, start, length } = asked_for(&request, &etag, blob.size, "blob")?;
    described(&mut answer, &sha256, &etag).insert_header((header::CONTENT_TYPE, blob.mime));
    if request.method() == Method::HEAD {
        return Ok(answer.body(SizedStream::new(length, futures_util::stream::empty::<std::io::Result<_>>())));
    }
    let mut file = tokio::fs::File::from_std(blob.file);
    file.set_max_buf_size(PIECE);
    if start > 0 {
        file.seek(std::io::SeekFrom::Start(start)).await.map_err(Refusal::fault)?;
    }
    Ok(answer.body(SizedStream::new(length, ReaderStream::with_capacity(file.take(length), PIECE))))
}

fn described<'a>(
    answer: &'a mut actix_web::HttpResponseBuilder,
    sha256: &Sha256Digest,
    etag: &str,
) -> &'a mut actix_web::HttpResponseBuilder {
    answer
        .insert_header((header::ETAG, etag))
        .insert_header(("repr-digest", format!("sha-256=:{}:", BASE64_STANDARD.encode(sha256.0))))
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        .insert_header((header::CACHE_CONTROL, FOREVER))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
}

fn cannot_open(error: BlobError) -> Refusal {
    match error {
        BlobError::NotFound | BlobError::Changed => Refusal::new(
            ProblemCode::NotFound,
            "The audio of this digest was changed or removed on the site a moment ago. Pull the feed again.",
        ),
        BlobError::TooEarly | BlobError::Unavailable(_) | BlobError::Store(_) => {
            Refusal::unavailable("The storage of the audio", error)
        }
    }
}
