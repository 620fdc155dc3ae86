//! The beginning of an answer that has a length: whole, or the part that the client asked for (RFC 9110, 14).

use actix_web::http::{Method, header};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use audiospread_protocol::ProblemCode;

use super::conditional::{Wanted, wanted};
use super::problems::Refusal;

/// Which bytes are sent, and the answer that says so.
pub(super) struct Part {
    /// 200 or 206, with `Content-Range` where it is one.
    pub(super) answer: HttpResponseBuilder,
    /// The first byte's place.
    pub(super) start: u64,
    /// How many.
    pub(super) length: u64,
}

/// The part that is asked for of a representation of `size` bytes with this entity tag; `name` is what it is called in a refusal.
pub(super) fn asked_for(request: &HttpRequest, etag: &str, size: u64, name: &str) -> Result<Part, Refusal> {
    // A range has a meaning for GET alone.
    let part = if request.method() == Method::GET { wanted(request.headers(), etag, size) } else { Wanted::Whole };
    match part {
        Wanted::Whole => Ok(Part { answer: HttpResponse::Ok(), start: 0, length: size }),
        Wanted::Part { start, length } => {
            let mut answer = HttpResponse::PartialContent();
            answer.insert_header((header::CONTENT_RANGE, format!("bytes {start}-{}/{size}", start + length - 1)));
            Ok(Part { answer, start, length })
        }
        Wanted::Unsatisfiable => Err(outside(size, name)),
    }
}

fn outside(size: u64, name: &str) -> Refusal {
    let detail = format!("The {name} has {size} bytes. Ask for a range within them, or for all without Range.");
    let refusal = Refusal::new(ProblemCode::RangeNotSatisfiable, detail);
    match header::HeaderValue::try_from(format!("bytes */{size}")) {
        Ok(range) => refusal.with_header(header::CONTENT_RANGE, range),
        Err(_) => refusal,
    }
}
