//! `/v1/uploads`: tus 1.0.0, with creation, creation-with-upload, creation-defer-length, checksum, expiration and termination.
//!
//! Here are its headers; how bytes are gathered is the business of `intake`. Parts that were uploaded beside each other are not joined:
//! over the links that there are they would not come any faster.

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use audiospread_protocol::ProblemCode;
use uuid::Uuid;

use super::authorization::{Authorized, Recordings};
use super::problems::Refusal;
use super::{State, openapi};
use crate::intake::{ALGORITHMS, Checksum, Standing, UploadError};

/// The version of tus that is spoken.
const VERSION: &str = "1.0.0";
/// Its extensions that are spoken.
const EXTENSIONS: &str = "creation,creation-with-upload,creation-defer-length,checksum,expiration,termination";
/// The type of the bytes of an upload.
const BYTES: &str = "application/offset+octet-stream";
/// `Upload-Metadata` of more bytes than this is refused.
const LONGEST_METADATA: usize = 4_096;
/// What the address of an upload answers: of itself, and by `POST` where a client can send nothing else.
const METHODS: &str = "HEAD, PATCH, DELETE";

/// What uploads are possible
///
/// The version of tus, its extensions, the most bytes of an upload, and the algorithms of checksums.
#[utoipa::path(options, path = "/v1/uploads", tag = "uploads", operation_id = "options_uploads",
    responses((status = 204, description = "What is possible.", headers(
        ("Tus-Version" = String, description = "`1.0.0`."),
        ("Tus-Extension" = String, description = "The extensions, with commas."),
        ("Tus-Max-Size" = i64, description = "The most bytes of an upload."),
        ("Tus-Checksum-Algorithm" = String, description = "`sha1,sha256`.")
    )), openapi::Faulty))]
pub(super) async fn options(state: web::Data<State>) -> HttpResponse {
    answer(StatusCode::NO_CONTENT)
        .insert_header(("Tus-Version", VERSION))
        .insert_header(("Tus-Extension", EXTENSIONS))
        .insert_header(("Tus-Max-Size", state.uploads.most()))
        .insert_header(("Tus-Checksum-Algorithm", ALGORITHMS))
        .finish()
}

/// Begin an upload
///
/// With `Upload-Length`, or with `Upload-Defer-Length: 1` and the length at a later `PATCH`. Bytes may come along, as with `PATCH`. When all
/// bytes are there they are kept for a recording that names their SHA-256; uploads that nobody touches expire. Uploads are not joined: a
/// request with `Upload-Concat` is refused.
#[utoipa::path(post, path = "/v1/uploads", tag = "uploads", operation_id = "post_upload",
    security(("bearer" = ["recordings"]), ("basic" = [])),
    params(
        ("Tus-Resumable" = String, Header, description = "`1.0.0`.", example = "1.0.0", pattern = "^1[.]0[.]0$"),
        ("Upload-Length" = Option<i64>, Header, nullable = false, description = "How many bytes it will have.", example = 4464, minimum = 0),
        ("Upload-Defer-Length" = Option<i64>, Header, nullable = false, description = "`1` where that is not known yet.", example = 1, minimum = 1, maximum = 1),
        ("Upload-Metadata" = Option<String>, Header, nullable = false, description = "Is kept and told again; means nothing here.", example = "filename Ym9keS5tcDM=", max_length = 4096),
        ("Upload-Checksum" = Option<String>, Header, nullable = false, description = "`sha1` or `sha256`, a space, and the digest of the bytes that come along, in base64.", example = "sha1 qZk+NkcGgWq6PiVxeFDCbJzQ2J0=", pattern = "^(sha1 [A-Za-z0-9+/]{26}[AEIMQUYcgkosw048]=|sha256 [A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=)$")
    ),
    request_body(content(("application/offset+octet-stream")), description = "The first bytes, or none."),
    responses(
        (status = 201, description = "It has begun.", headers(
            ("Location" = String, description = "Its address, relative to this one."),
            ("Upload-Offset" = i64, description = "How many bytes are there."),
            ("Upload-Expires" = String, description = "When it is removed if nobody touches it.")
        )),
        openapi::Malformed, openapi::NotAllowed, openapi::UploadRefused, openapi::Away
    ))]
pub(super) async fn post(
    _: Authorized<Recordings>,
    state: web::Data<State>,
    request: HttpRequest,
    bytes: web::Payload,
) -> Result<HttpResponse, Refusal> {
    let headers = request.headers();
    is_of_our_version(headers)?;
    if headers.contains_key("upload-concat") {
        return Err(bad(
            "Uploads are not joined here: OPTIONS tells what is. Send all bytes in one upload, without Upload-Concat.",
        ));
    }
    let length = number(headers, "upload-length")?;
    match (length, number(headers, "upload-defer-length")?) {
        (Some(_), None) | (None, Some(1)) => {}
        _ => return Err(bad("Send either Upload-Length, or Upload-Defer-Length: 1.")),
    }
    let metadata = text(headers, "upload-metadata")?.unwrap_or_default();
    if metadata.len() > LONGEST_METADATA {
        return Err(bad("Upload-Metadata has more than 4096 bytes."));
    }
    let checksum = checksum(headers)?;
    let comes_along = headers.contains_key(CONTENT_TYPE) && is_of_bytes(headers);
    let id = state.uploads.begin(length, metadata.to_owned()).map_err(refusal)?;
    let standing = if comes_along {
        state.uploads.append(id, 0, None, checksum, bytes).await
    } else {
        state.uploads.standing(id).await
    };
    let standing = match standing {
        Ok(standing) => standing,
        Err(error) => {
            // Nobody would learn its address.
            let _ = state.uploads.remove(id).await;
            return Err(refusal(error));
        }
    };
    let mut created = answer(StatusCode::CREATED);
    tell(&mut created, &standing);
    // Relative (RFC 9110, 10.2.2): whoever comes through a proxy that adds a prefix is led back through it.
    Ok(created.insert_header((LOCATION, format!("uploads/{id}"))).finish())
}

/// How an upload stands
///
/// How many bytes are there, so that the next `PATCH` goes on from there. A `PATCH` that hangs on a dead connection gives way.
#[utoipa::path(head, path = "/v1/uploads/{id}", tag = "uploads", operation_id = "head_upload",
    security(("bearer" = ["recordings"]), ("basic" = [])),
    params(
        ("id" = String, Path, description = "From `Location`.", example = "6f1c0f1e-9a44-4b0e-8f6f-0d6f0c2b7a11", pattern = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"),
        ("Tus-Resumable" = String, Header, description = "`1.0.0`.", example = "1.0.0", pattern = "^1[.]0[.]0$")
    ),
    responses(
        (status = 200, description = "How it stands.", headers(
            ("Upload-Offset" = i64, description = "How many bytes are there."),
            ("Upload-Length" = i64, description = "How many it will have; absent where that is not known yet, with `Upload-Defer-Length: 1`."),
            ("Upload-Metadata" = String, description = "As it came."),
            ("Upload-Expires" = String, description = "When it is removed if nobody touches it.")
        )),
        openapi::NotAllowed, openapi::Unknown, openapi::OtherVersion, openapi::Away
    ))]
pub(super) async fn head(
    _: Authorized<Recordings>,
    state: web::Data<State>,
    id: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Refusal> {
    is_of_our_version(request.headers())?;
    let standing = state.uploads.standing(named(&id)?).await.map_err(refusal)?;
    let mut answer = answer(StatusCode::OK);
    tell(&mut answer, &standing);
    match standing.length {
        Some(length) => answer.insert_header(("Upload-Length", length)),
        None => answer.insert_header(("Upload-Defer-Length", 1)),
    };
    if let Some(metadata) = HeaderValue::try_from(&standing.metadata).ok().filter(|metadata| !metadata.is_empty()) {
        answer.insert_header((HeaderName::from_static("upload-metadata"), metadata));
    }
    Ok(answer.insert_header((CACHE_CONTROL, "no-store")).finish())
}

/// Add bytes to an upload
///
/// From `Upload-Offset` on, which must be what `HEAD` says. If the connection breaks, what came is kept; with a checksum, only a whole piece is.
#[utoipa::path(patch, path = "/v1/uploads/{id}", tag = "uploads", operation_id = "patch_upload",
    security(("bearer" = ["recordings"]), ("basic" = [])),
    params(
        ("id" = String, Path, description = "From `Location`.", example = "6f1c0f1e-9a44-4b0e-8f6f-0d6f0c2b7a11", pattern = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"),
        ("Tus-Resumable" = String, Header, description = "`1.0.0`.", example = "1.0.0", pattern = "^1[.]0[.]0$"),
        ("Upload-Offset" = i64, Header, description = "Where these bytes begin.", example = 0, minimum = 0),
        ("Upload-Length" = Option<i64>, Header, nullable = false, description = "How many it will have, where that was not said before.", example = 4464, minimum = 0),
        ("Upload-Checksum" = Option<String>, Header, nullable = false, description = "`sha1` or `sha256`, a space, and the digest of these bytes in base64.", example = "sha1 qZk+NkcGgWq6PiVxeFDCbJzQ2J0=", pattern = "^(sha1 [A-Za-z0-9+/]{26}[AEIMQUYcgkosw048]=|sha256 [A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=)$")
    ),
    request_body(content(("application/offset+octet-stream")), description = "The bytes."),
    responses(
        (status = 204, description = "They are there.", headers(
            ("Upload-Offset" = i64, description = "How many bytes are there now."),
            ("Upload-Expires" = String, description = "When it is removed if nobody touches it.")
        )),
        openapi::Malformed, openapi::NotAllowed, openapi::Unknown, openapi::UploadRefused, openapi::Away
    ))]
pub(super) async fn patch(
    _: Authorized<Recordings>,
    state: web::Data<State>,
    id: web::Path<String>,
    request: HttpRequest,
    bytes: web::Payload,
) -> Result<HttpResponse, Refusal> {
    let headers = request.headers();
    is_of_our_version(headers)?;
    if !is_of_bytes(headers) {
        return Err(Refusal::new(ProblemCode::UnsupportedMediaType, format!("Send the bytes as {BYTES}.")));
    }
    let offset =
        number(headers, "upload-offset")?.ok_or_else(|| bad("Send Upload-Offset: where these bytes begin."))?;
    let (length, checksum) = (number(headers, "upload-length")?, checksum(headers)?);
    let standing = state.uploads.append(named(&id)?, offset, length, checksum, bytes).await.map_err(refusal)?;
    let mut answer = answer(StatusCode::NO_CONTENT);
    tell(&mut answer, &standing);
    Ok(answer.finish())
}

/// End an upload
///
/// Its bytes go, unless they are whole and wait for a recording.
#[utoipa::path(delete, path = "/v1/uploads/{id}", tag = "uploads", operation_id = "delete_upload",
    security(("bearer" = ["recordings"]), ("basic" = [])),
    params(
        ("id" = String, Path, description = "From `Location`.", example = "6f1c0f1e-9a44-4b0e-8f6f-0d6f0c2b7a11", pattern = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"),
        ("Tus-Resumable" = String, Header, description = "`1.0.0`.", example = "1.0.0", pattern = "^1[.]0[.]0$")
    ),
    responses((status = 204, description = "It is gone."), openapi::NotAllowed, openapi::Unknown, openapi::OtherVersion, openapi::Away))]
pub(super) async fn delete(
    _: Authorized<Recordings>,
    state: web::Data<State>,
    id: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Refusal> {
    is_of_our_version(request.headers())?;
    state.uploads.remove(named(&id)?).await.map_err(refusal)?;
    Ok(answer(StatusCode::NO_CONTENT).finish())
}

/// Say by `POST` what cannot be sent otherwise
///
/// For clients, and for what stands between them and the gateway, that know no `PATCH` and no `DELETE`: the request is what its
/// `X-HTTP-Method-Override` says, with the headers, the body and the answer of that.
#[utoipa::path(post, path = "/v1/uploads/{id}", tag = "uploads", operation_id = "post_to_upload",
    security(("bearer" = ["recordings"]), ("basic" = [])),
    params(
        ("id" = String, Path, description = "From `Location`.", example = "6f1c0f1e-9a44-4b0e-8f6f-0d6f0c2b7a11", pattern = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"),
        ("X-HTTP-Method-Override" = String, Header, description = "`PATCH`, `HEAD` or `DELETE`.", example = "PATCH", pattern = "^(PATCH|HEAD|DELETE)$"),
        ("Tus-Resumable" = String, Header, description = "`1.0.0`.", example = "1.0.0", pattern = "^1[.]0[.]0$"),
        ("Upload-Offset" = Option<i64>, Header, nullable = false, description = "As with `PATCH`, which needs it.", example = 0, minimum = 0),
        ("Upload-Length" = Option<i64>, Header, nullable = false, description = "As with `PATCH`.", example = 4464, minimum = 0),
        ("Upload-Checksum" = Option<String>, Header, nullable = false, description = "As with `PATCH`.", example = "sha1 qZk+NkcGgWq6PiVxeFDCbJzQ2J0=", pattern = "^(sha1 [A-Za-z0-9+/]{26}[AEIMQUYcgkosw048]=|sha256 [A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=)$")
    ),
    request_body(content(("application/offset+octet-stream")), description = "The bytes, with `PATCH`."),
    responses(
        (status = 200, description = "With `HEAD`: how it stands.", headers(
            ("Upload-Offset" = i64, description = "How many bytes are there."),
            ("Upload-Length" = i64, description = "How many it will have, where that is known."),
            ("Upload-Expires" = String, description = "When it is removed if nobody touches it.")
        )),
        (status = 204, description = "With `PATCH`: they are there. With `DELETE`: it is gone.", headers(
            ("Upload-Offset" = i64, description = "With `PATCH`: how many bytes are there now."),
            ("Upload-Expires" = String, description = "With `PATCH`: when it is removed if nobody touches it.")
        )),
        openapi::Malformed, openapi::NotAllowed, openapi::Unknown, openapi::OtherMethod, openapi::UploadRefused, openapi::Away
    ))]
pub(super) async fn post_to(
    authorized: Authorized<Recordings>,
    state: web::Data<State>,
    id: web::Path<String>,
    request: HttpRequest,
    bytes: web::Payload,
) -> Result<HttpResponse, Refusal> {
    match text(request.headers(), "x-http-method-override")? {
        Some("PATCH") => patch(authorized, state, id, request, bytes).await,
        Some("HEAD") => head(authorized, state, id, request).await,
        Some("DELETE") => delete(authorized, state, id, request).await,
        _ => {
            let detail =
                format!("Send one of {METHODS}, or say in X-HTTP-Method-Override which of them POST stands for.");
            Err(Refusal::new(ProblemCode::MethodNotAllowed, detail)
                .with_header(ALLOW, HeaderValue::from_static(METHODS)))
        }
    }
}

fn answer(status: StatusCode) -> HttpResponseBuilder {
    let mut answer = HttpResponse::build(status);
    answer.insert_header(("Tus-Resumable", VERSION));
    answer
}

fn tell(answer: &mut HttpResponseBuilder, standing: &Standing) {
    let expires = actix_web::http::header::HttpDate::from(standing.expires);
    answer.insert_header(("Upload-Offset", standing.offset)).insert_header(("Upload-Expires", expires.to_string()));
}

fn bad(detail: impl Into<String>) -> Refusal {
    Refusal::new(ProblemCode::BadRequest, detail)
}

/// An upload of another name than ours is none.
fn named(id: &str) -> Result<Uuid, Refusal> {
    Uuid::try_parse(id).map_err(|_| refusal(UploadError::Unknown))
}

fn is_of_our_version(headers: &HeaderMap) -> Result<(), Refusal> {
    if headers.get("tus-resumable").is_some_and(|version| version == VERSION) {
        return Ok(());
    }
    Err(Refusal::new(ProblemCode::OtherVersion, "Send Tus-Resumable: 1.0.0; no other version is spoken here.")
        .with_header(HeaderName::from_static("tus-version"), HeaderValue::from_static(VERSION)))
}

fn is_of_bytes(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|is| is == BYTES)
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Refusal> {
    let mut values = headers.get_all(name);
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| bad(format!("{name} is no text."))),
        _ => Err(bad(format!("{name} was sent twice."))),
    }
}

fn number(headers: &HeaderMap, name: &str) -> Result<Option<u64>, Refusal> {
    let Some(text) = text(headers, name)? else { return Ok(None) };
    let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let number = digits.and_then(|text| text.parse().ok()).filter(|number: &u64| i64::try_from(*number).is_ok());
    number.map(Some).ok_or_else(|| bad(format!("{name} is a whole number.")))
}

fn checksum(headers: &HeaderMap) -> Result<Option<Checksum>, Refusal> {
    let header = text(headers, "upload-checksum")?;
    header.map(Checksum::read).transpose().map_err(|error| bad(format!("Upload-Checksum: {error}.")))
}

/// What went wrong with an upload, as a problem.
pub(super) fn refusal(error: UploadError) -> Refusal {
    let (code, detail) = match &error {
        UploadError::Unknown => {
            (ProblemCode::NotFound, "There is no upload of this name, or it has expired. Begin a new one.".to_owned())
        }
        UploadError::Offset(there) => {
            (ProblemCode::Conflict, format!("The upload has {there} bytes. Go on from there: Upload-Offset: {there}."))
        }
        UploadError::OtherLength => {
            (ProblemCode::Conflict, "The upload was begun with another length. Begin a new one.".to_owned())
        }
        UploadError::TooLarge(most) => (ProblemCode::TooLarge, format!("The upload may have at most {most} bytes.")),
        UploadError::Checksum => (
            ProblemCode::ChecksumMismatch,
            "The bytes were damaged on their way and thrown away. Send them again, from the same offset.".to_owned(),
        ),
        UploadError::CutOff => {
            (ProblemCode::BadRequest, "The bytes stopped coming. Ask with HEAD where to go on.".to_owned())
        }
        UploadError::Disk { .. } => return Refusal::unavailable("The gateway's disk", error),
    };
    let there = match &error {
        UploadError::Offset(there) => Some(HeaderValue::from(*there)),
        _ => None,
    };
    let refusal = Refusal::new(code, detail)
        .with_header(HeaderName::from_static("tus-resumable"), HeaderValue::from_static(VERSION));
    match there {
        Some(there) => refusal.with_header(HeaderName::from_static("upload-offset"), there),
        None => refusal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_headers_are_plain_digits() {
        let of = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(HeaderName::from_static("upload-offset"), HeaderValue::from_static(value));
            number(&headers, "upload-offset").ok().flatten()
        };
        assert_eq!((of("0"), of("4464")), (Some(0), Some(4464)));
        for wrong in ["", "-1", "+1", "1.0", "0x1", " 1 2", "99999999999999999999"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
