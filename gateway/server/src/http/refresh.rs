//! `POST /v1/refresh`: asks for Drupal to be read again.

use actix_web::http::header::{CONTENT_TYPE, HeaderMap};
use actix_web::{HttpRequest, HttpResponse, web};
use audiospread_protocol::ProblemCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::authorization::{Admin, Authorized};
use super::problems::Refusal;
use super::{State, openapi};
use crate::catalogue::site::Nid;
use crate::refresh::Scope;

/// At most this many nodes are named in one request: beyond it a whole refresh costs less.
const MAX_NODES: usize = 1000;

/// What is to be read again.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RefreshRequest)]
pub(super) struct Wanted {
    /// The nodes, by `nid`; absent: everything.
    #[serde(default)]
    #[schema(min_items = 1, max_items = 1000)]
    nodes: Option<Vec<NodeNumber>>,
}

/// What will be read again.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RefreshAccepted)]
pub(super) struct Accepted {
    /// Whether everything is read; otherwise the nodes alone, and what hangs on them.
    whole: bool,
    /// The nodes, by `nid`, in ascending order.
    #[schema(value_type = Vec<NodeNumber>)]
    nodes: Vec<Nid>,
}

/// The `nid` of a node.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(try_from = "serde_json::Number")]
#[schema(value_type = u64, maximum = 4_294_967_295_u64)]
struct NodeNumber(Nid);

/// The number is no `nid`.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not the number of a node")]
struct NotOfANode(serde_json::Number);

impl TryFrom<serde_json::Number> for NodeNumber {
    type Error = NotOfANode;

    fn try_from(number: serde_json::Number) -> Result<Self, NotOfANode> {
        // To JSON, and to the writers of some languages, 171.0 is the same number as 171.
        let text = number.to_string();
        let whole = text.strip_suffix(".0").unwrap_or(&text);
        whole.parse().map(Self).map_err(|_| NotOfANode(number))
    }
}

/// Read Drupal again
///
/// Asks for everything, or the nodes that are named with what hangs on them, to be read again soon. What changed is a version of the feed
/// some seconds later: each change is read twice, so that nothing half saved is published. The answer does not wait for it; `/v1/status`
/// tells when the last refresh ended.
#[utoipa::path(post, path = "/v1/refresh", tag = "operation", operation_id = "post_refresh",
    security(("bearer" = ["admin"]), ("basic" = [])),
    request_body(content = Wanted, description = "Without a body, everything.", content_type = "application/json", example = json!({"nodes": [171]})),
    responses(
        (status = 202, description = "It will be read.", body = Accepted, example = json!({"whole": false, "nodes": [171]})),
        openapi::BodyRefused, openapi::NotAllowed, openapi::Away
    ))]
pub(super) async fn post(
    _: Authorized<Admin>,
    state: web::Data<State>,
    request: HttpRequest,
    body: web::Bytes,
) -> Result<HttpResponse, Refusal> {
    let scope = scope_of(request.headers(), &body)?;
    let accepted = match &scope {
        Scope::Whole => Accepted { whole: true, nodes: Vec::new() },
        Scope::Nodes(nodes) => Accepted { whole: false, nodes: nodes.iter().copied().collect() },
    };
    if !state.refresh.request(scope) {
        return Err(Refusal::unavailable("The part of the gateway that reads Drupal", "the refresh task has ended"));
    }
    Ok(HttpResponse::Accepted().json(accepted))
}

fn scope_of(headers: &HeaderMap, body: &[u8]) -> Result<Scope, Refusal> {
    if body.is_empty() {
        return Ok(Scope::Whole);
    }
    let essence =
        headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).and_then(|value| value.split(';').next());
    if !essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json")) {
        return Err(Refusal::new(ProblemCode::UnsupportedMediaType, "Send the body as application/json, or none."));
    }
    let malformed = |why: &dyn std::fmt::Display| {
        Refusal::new(ProblemCode::BadRequest, format!("The body is not of the form {{\"nodes\":[171]}}: {why}."))
    };
    // A list would be taken for the members in their order.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(malformed(&"it is no object"));
    }
    let wanted: Wanted = serde_json::from_slice(body).map_err(|error| malformed(&error))?;
    match wanted.nodes {
        None => Ok(Scope::Whole),
        Some(nodes) if (1..=MAX_NODES).contains(&nodes.len()) => {
            Ok(Scope::Nodes(nodes.into_iter().map(|NodeNumber(nid)| nid).collect()))
        }
        Some(_) => Err(Refusal::new(
            ProblemCode::BadRequest,
            format!("`nodes` names 1 to {MAX_NODES} nodes; leave it out to have everything read."),
        )),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError;
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn asked(content_type: &'static str, body: &str) -> Result<Scope, u16> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        scope_of(&headers, body.as_bytes()).map_err(|refusal| refusal.status_code().as_u16())
    }

    #[test]
    fn nothing_named_is_everything() {
        assert_eq!(scope_of(&HeaderMap::new(), b"").unwrap(), Scope::Whole);
        assert_eq!(asked("application/json", "{}"), Ok(Scope::Whole));
        assert_eq!(asked("Application/JSON; charset=utf-8", "{\"nodes\":null}"), Ok(Scope::Whole));
    }

    #[test]
    fn nodes_are_named_once_each() {
        assert_eq!(asked("application/json", "{\"nodes\":[9,171.0,9]}"), Ok(Scope::Nodes([9, 171].into())));
    }

    #[test]
    fn what_is_not_of_the_form_is_refused() {
        let many = format!("{{\"nodes\":[{}1]}}", "1,".repeat(MAX_NODES));
        for body in [
            "{\"nodes\":[]}",
            "{\"nodes\":[-1]}",
            "{\"nodes\":[1.5]}",
            "{\"nodes\":[4294967296]}",
            "{\"nodes\":171}",
            "{\"node\":[1]}",
            "[]",
            "{\"nodes\":[1],\"nodes\":[2]}",
            "[",
            "7",
            &many,
        ] {
            assert_eq!(asked("application/json", body), Err(400), "{body}");
        }
        assert_eq!(asked("text/plain", "{}"), Err(415));
    }
}
