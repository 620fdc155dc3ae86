//! `GET /v1/feed/events`: the feed as server-sent events, for as long as the client stays.

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use utoipa::IntoParams;

use super::authorization::{self, Authorized};
use super::feed::{cursor, delta, place, take_snapshot};
use super::follow::{Reader, follow};
use super::lines::Writer;
use super::problems::Refusal;
use super::tokens::Scope;
use super::{State, openapi};

const LAST_EVENT_ID: &str = "last-event-id";

/// Where to begin.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// The cursor to begin at, for clients that cannot send `Last-Event-ID` the first time.
    #[serde(default)]
    #[param(required = false, nullable = false, example = "5d0f3c9a71be2846-7-9f86d081884c7d65")]
    since: Option<String>,
}

/// The feed as server-sent events
///
/// Goes on from a cursor for as long as the client stays: an event `change` for each line of a change, an event `end` after each batch, an
/// event `heartbeat` every 20 seconds in which nothing came. Only `end` carries an `id`, the cursor: a client that comes back with it as
/// `Last-Event-ID` gets every batch whole. `Last-Event-ID` goes before `since`. Without either, or with a cursor that the gateway does not
/// know, the answer is 410: take a snapshot from `/v1/feed` first.
#[utoipa::path(get, path = "/v1/feed/events", tag = "feed", operation_id = "get_feed_events",
    security(("bearer" = ["feed"]), ("basic" = [])),
    params(Asked, ("Last-Event-ID" = Option<String>, Header, nullable = false, description = "The id of the last event that had one.", example = "5d0f3c9a71be2846-7-9f86d081884c7d65")),
    responses(
        (status = 200, description = "The events.", content_type = "text/event-stream", body = String,
            example = json!("event: change\ndata: {\"version\":8,\"kind\":\"program\",\"id\":\"229\",\"op\":\"delete\",\"reason\":\"unpublished\"}\n\nevent: end\nid: 5d0f3c9a71be2846-8-2c26b46b68ffc68f\ndata: {\"kind\":\"end\",\"cursor\":\"5d0f3c9a71be2846-8-2c26b46b68ffc68f\",\"changes\":1,\"count\":262,\"digest\":\"sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae\"}\n\n")),
        openapi::Malformed, openapi::NotAllowed, openapi::FollowingRefused
    ))]
pub(super) async fn get(
    caller: Authorized<authorization::Feed>,
    state: web::Data<State>,
    asked: web::Query<Asked>,
    request: HttpRequest,
) -> Result<HttpResponse, Refusal> {
    let since = last_event_id(request.headers())
        .or(asked.since.as_deref())
        .ok_or_else(|| take_snapshot("The events begin at a cursor"))?;
    let subscribers = caller.token.allows(Scope::Subscribers);
    let delta = delta(&state, cursor(since)?, subscribers).await?;
    let mut answer = HttpResponse::Ok();
    answer
        .insert_header((header::CONTENT_TYPE, "text/event-stream"))
        .insert_header((header::VARY, "Authorization"))
        .insert_header((header::CACHE_CONTROL, "private, no-store"))
        // A proxy that collects an answer before it passes it on would pass nothing on.
        .insert_header(("x-accel-buffering", "no"));
    if request.method() == Method::HEAD {
        return Ok(answer.streaming(futures_util::stream::empty::<std::io::Result<_>>()));
    }
    let waiting = place(&state, &caller.token)?;
    let reader = Reader { token: caller.token, subscribers, waiting, writer: Writer::Events, until: None };
    let first = (delta.end.changes > 0).then_some(delta.body);
    Ok(answer.streaming(follow(state, reader, first, delta.end)))
}

fn last_event_id(headers: &HeaderMap) -> Option<&str> {
    headers.get(LAST_EVENT_ID)?.to_str().ok().filter(|id| !id.is_empty())
}
