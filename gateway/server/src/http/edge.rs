//! What happens to every request and every answer, whoever handles it.
//!
//! Errors of the framework become problems, causes are logged here and nowhere else, requests are counted, and a client that speaks
//! HTTP/1.0 is never sent chunks; a body that stops coming is given up.

use std::time::Instant;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use actix_web::http::{ConnectionType, Version};
use actix_web::middleware::Next;
use actix_web::{HttpResponse, web};
use tracing::Instrument as _;
use uuid::Uuid;

use super::problems::{self, PROBLEM_JSON, Refusal};
use super::{State, patience};

/// Wraps all handlers.
pub(super) async fn edge(
    state: web::Data<State>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let started = Instant::now();
    // The query is left out: nothing in it explains a fault, and clients put things there that belong in no log.
    let span = tracing::info_span!("request", id = %Uuid::now_v7(), method = %request.method(), path = request.path());
    let response = next.call(patience::limited(request)).instrument(span.clone()).await?;
    let response = finished(response.map_into_boxed_body(), &span);
    state.metrics.count(response.status());
    let status = response.status().as_u16();
    span.in_scope(|| tracing::debug!(status, milliseconds = started.elapsed().as_millis(), "answered"));
    Ok(response)
}

fn finished(response: ServiceResponse, span: &tracing::Span) -> ServiceResponse {
    if let Some(cause) =
        response.response().error().and_then(|error| error.as_error::<Refusal>()).and_then(Refusal::cause)
    {
        span.in_scope(|| tracing::error!(status = response.status().as_u16(), cause, "a request failed"));
    }
    let version = response.request().version();
    let mut response = response.map_body(|_, body| body);
    if is_error_of_the_framework(&response) {
        response = as_problem(response);
    }
    if version < Version::HTTP_11 && matches!(response.response().body().size(), BodySize::Stream) {
        let head = response.response_mut().head_mut();
        head.no_chunking(true);
        head.set_connection_type(ConnectionType::Close);
    }
    response
}

fn is_error_of_the_framework(response: &ServiceResponse) -> bool {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    is_error && response.headers().get(CONTENT_TYPE).is_none_or(|is| is != PROBLEM_JSON)
}

/// The same answer with a problem for a body; headers such as `Allow` and `Content-Range` stay.
fn as_problem(response: ServiceResponse) -> ServiceResponse {
    let problem = problems::of_status(response.status());
    let (request, original) = response.into_parts();
    let mut answer = HttpResponse::build(original.status()).json(&problem);
    for (name, value) in original.headers() {
        if name != CONTENT_TYPE && name != CONTENT_LENGTH {
            answer.headers_mut().append(name.clone(), value.clone());
        }
    }
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    ServiceResponse::new(request, answer)
}
