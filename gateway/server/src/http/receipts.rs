//! `PUT /v1/receipt`: what a phone server says of itself.

use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpRequest, HttpResponse, web};
use audiospread_protocol::{ProblemCode, Receipt};

use super::authorization::{Authorized, Feed};
use super::feed::refusal;
use super::problems::Refusal;
use super::tokens::Scope;
use super::{State, openapi};
use crate::phone_servers;

/// The largest receipt, in bytes.
pub(super) const RECEIPT_BODY: usize = 2 * 1024 * 1024;

/// Report how a phone server is doing
///
/// What the phone server has taken over, what of it callers do not get in its last state, and what waits to be sent. The phone server is
/// the name of the token. Each receipt replaces the one before; send one after each pull and push, and at least once an hour. Editors are shown from it
/// on which phones something is, and since when.
#[utoipa::path(put, path = "/v1/receipt", tag = "receipts", operation_id = "put_receipt",
    security(("bearer" = ["feed"]), ("basic" = [])),
    request_body(content = Receipt, description = "The receipt, of at most 2 MiB.", content_type = "application/json", example = json!({
        "software": "0.4.0", "cursor": "5d0f3c9a71be2846-7-9f86d081884c7d65", "applied_at": "2026-11-24T10:00:00Z", "backlog": 0,
        "calls_backlog": 2, "message": "", "waiting_count": 1, "waiting": [
            {"kind": "program", "id": "171", "state": "coming", "why": "Its audio is on its way."}
        ], "undecodable": []
    })),
    responses(
        (status = 204, description = "It is kept."),
        openapi::BodyRefused, openapi::NotAllowed, openapi::Away
    ))]
pub(super) async fn put(
    caller: Authorized<Feed>,
    state: web::Data<State>,
    request: HttpRequest,
    body: web::Bytes,
) -> Result<HttpResponse, Refusal> {
    let receipt = read(&request, &body)?;
    let (feed, token) = (state.feed.clone(), caller.token);
    let kept = state.apart(async move {
        phone_servers::keep(feed.store(), &token.name, token.allows(Scope::Subscribers), &receipt).await
    });
    kept.await?.map_err(refusal)?;
    Ok(HttpResponse::NoContent().finish())
}

fn read(request: &HttpRequest, body: &[u8]) -> Result<Receipt, Refusal> {
    let essence = request.headers().get(CONTENT_TYPE).and_then(|is| is.to_str().ok()?.split(';').next());
    if !essence.is_some_and(|is| is.trim().eq_ignore_ascii_case("application/json")) {
        return Err(Refusal::new(ProblemCode::UnsupportedMediaType, "Send the receipt as application/json."));
    }
    let bad = |why: String| Refusal::new(ProblemCode::BadRequest, format!("The body is no receipt: {why}."));
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(bad("it is no object".to_owned()));
    }
    // What serde says may hold a part of the body.
    let receipt: Receipt = serde_json::from_slice(body)
        .map_err(|error| bad(format!("see line {}, column {}", error.line(), error.column())))?;
    receipt.check().map_err(|error| bad(error.to_string()))?;
    Ok(receipt)
}
