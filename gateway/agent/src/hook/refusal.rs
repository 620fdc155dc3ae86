//! What the hook answers when it does not take a message: a problem (RFC 9457), like the gateway's.

use std::fmt;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use audiospread_protocol::ProblemCode;

/// A request that is refused, or that failed.
#[derive(Debug)]
pub(super) struct Refusal {
    code: ProblemCode,
    detail: String,
    retry_after: Option<Duration>,
}

impl Refusal {
    pub(super) fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), retry_after: None }
    }

    pub(super) fn unavailable(what: &str) -> Self {
        Self::new(
            ProblemCode::Unavailable,
            format!("{what} cannot take the message at the moment. Send it again in a while."),
        )
        .retry_after(Duration::from_secs(30))
    }

    pub(super) fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.title(), self.detail)
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = HttpResponse::build(self.status_code());
        answer.insert_header((CONTENT_TYPE, "application/problem+json")).insert_header((CACHE_CONTROL, "no-store"));
        if self.code == ProblemCode::Unauthorized {
            answer.insert_header((WWW_AUTHENTICATE, "Bearer realm=\"audiospread\""));
        }
        if let Some(wait) = self.retry_after {
            answer.insert_header((RETRY_AFTER, wait.as_secs().max(1).to_string()));
        }
        answer.json(self.code.problem(self.detail.as_str()))
    }
}

/// For handlers that only refuse.
impl actix_web::Responder for Refusal {
    type Body = actix_web::body::BoxBody;

    fn respond_to(self, _: &actix_web::HttpRequest) -> HttpResponse {
        self.error_response()
    }
}
