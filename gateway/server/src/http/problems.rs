//! What the gateway answers when it cannot do what it was asked: a problem from the table in `protocol`, and the headers that go with it.
//!
//! The words for the client and the cause inside are kept apart: the cause is for the log, and never leaves the gateway.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use audiospread_protocol::{Problem, ProblemCode, Sha256Digest};

/// The media type of a problem (RFC 9457).
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// A request that is refused, or that failed.
#[derive(Debug)]
pub(crate) struct Refusal {
    code: ProblemCode,
    detail: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    digests: Vec<Sha256Digest>,
    cause: Option<Box<dyn StdError>>,
}

impl Refusal {
    /// A refusal: what happened this time, and what to do about it.
    pub(crate) fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), headers: Vec::new(), digests: Vec::new(), cause: None }
    }

    /// A fault of the gateway's own; `cause` is for the log.
    pub(crate) fn fault(cause: impl Into<Box<dyn StdError>>) -> Self {
        Self::new(
            ProblemCode::Internal,
            "The fault is in the gateway's log. Try again later; if it stays, tell the operator.",
        )
        .because(cause)
    }

    /// Something the gateway needs is away; `cause` is for the log.
    pub(crate) fn unavailable(what: &str, cause: impl Into<Box<dyn StdError>>) -> Self {
        Self::new(ProblemCode::Unavailable, format!("{what} cannot be reached at the moment. Try again in a while."))
            .retry_after(Duration::from_secs(10))
            .because(cause)
    }

    /// Says when to try again.
    pub(crate) fn retry_after(self, delay: Duration) -> Self {
        self.with_header(header::RETRY_AFTER, HeaderValue::from(delay.as_secs().max(1)))
    }

    /// Names the bytes that it is about.
    pub(crate) fn about(mut self, digests: Vec<Sha256Digest>) -> Self {
        self.digests = digests;
        self
    }

    /// Adds a header.
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Adds the cause, for the log.
    pub(crate) fn because(mut self, cause: impl Into<Box<dyn StdError>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The code of the problem.
    pub(crate) const fn code(&self) -> ProblemCode {
        self.code
    }

    /// What happened this time, and what to do about it.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// Why, for the log; nothing where the client alone is at fault.
    pub(crate) fn cause(&self) -> Option<String> {
        let mut cause: &dyn StdError = &**self.cause.as_ref()?;
        let mut text = cause.to_string();
        while let Some(deeper) = cause.source() {
            let words = deeper.to_string();
            if !text.contains(&words) {
                text = format!("{text}: {words}");
            }
            cause = deeper;
        }
        Some(text)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.title(), self.detail)
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        status(self.code)
    }

    fn error_response(&self) -> HttpResponse {
        let problem = Problem { digests: self.digests.clone(), ..self.code.problem(self.detail.as_str()) };
        let mut response = answer(&problem);
        for (name, value) in &self.headers {
            response.headers_mut().append(name.clone(), value.clone());
        }
        response
    }
}

fn status(code: ProblemCode) -> StatusCode {
    StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn answer(problem: &Problem) -> HttpResponse {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    HttpResponse::build(status)
        .insert_header((header::CONTENT_TYPE, PROBLEM_JSON))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(problem)
}

/// The problem for a status that the framework answers with on its own, before or beside our handlers.
pub(crate) fn of_status(status: StatusCode) -> Problem {
    let (code, detail) = match status {
        StatusCode::NOT_FOUND => {
            (ProblemCode::NotFound, "There is nothing at this address. /openapi.json lists what there is.")
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            (ProblemCode::MethodNotAllowed, "The header Allow lists the methods that this address understands.")
        }
        StatusCode::PAYLOAD_TOO_LARGE => {
            (ProblemCode::TooLarge, "Send a smaller body; /openapi.json says how large it may be.")
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            (ProblemCode::UnsupportedMediaType, "/openapi.json says in which type the body is understood.")
        }
        StatusCode::TOO_MANY_REQUESTS => (ProblemCode::TooManyRequests, "Wait for as long as Retry-After says."),
        StatusCode::SERVICE_UNAVAILABLE => (ProblemCode::Unavailable, "Wait for as long as Retry-After says."),
        _ if status.is_client_error() => (ProblemCode::BadRequest, "/openapi.json says which form a request has."),
        _ => (
            ProblemCode::Internal,
            "The fault is in the gateway's log. Try again later; if it stays, tell the operator.",
        ),
    };
    code.problem(detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_stays_inside() {
        let refusal = Refusal::fault(std::io::Error::other("password of root is 123"));
        assert_eq!(refusal.cause().as_deref(), Some("password of root is 123"));
        assert!(!refusal.to_string().contains("123"));
        assert_eq!(refusal.error_response().status(), 500);
    }

    #[test]
    fn what_is_away_says_when_to_try_again() {
        let response = Refusal::unavailable("The database", "refused").error_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers().get(header::RETRY_AFTER).unwrap(), "10");
        assert_eq!(response.headers().get(header::CONTENT_TYPE).unwrap(), PROBLEM_JSON);
    }

    #[test]
    fn each_code_has_a_status_of_an_error() {
        for code in ProblemCode::ALL {
            assert!(status(*code).is_client_error() || status(*code).is_server_error(), "{code:?}");
        }
    }
}
