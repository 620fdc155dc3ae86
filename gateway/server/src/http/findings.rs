//! `GET /v1/findings`: why something is not, or not well, on the phone.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::authorization::{Admin, Authorized};
use super::problems::Refusal;
use super::{State, openapi};
use crate::catalogue::Finding;

/// All findings.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Findings {
    /// The severest first, then by code and subject.
    findings: Vec<Finding>,
}

/// Findings
///
/// Why something of the site is not, or not well, on the phone: for each node, term or prompt concerned a sentence that says to an editor
/// what is the matter and what to do.
#[utoipa::path(get, path = "/v1/findings", tag = "operation", operation_id = "get_findings",
    security(("bearer" = ["admin"]), ("basic" = [])),
    responses(
        (status = 200, description = "All findings, the severest first.", body = Findings, example = json!({"findings": [
            {"code": "no_category", "severity": "error", "subject": {"node": 330}, "message": "The program is in no category: give it one to have it on the phone."}
        ]})),
        openapi::NotAllowed, openapi::Away
    ))]
pub(super) async fn get(_: Authorized<Admin>, state: web::Data<State>) -> Result<HttpResponse, Refusal> {
    let feed = state.feed.clone();
    let findings = state.apart(async move { feed.store().findings().await }).await?.map_err(super::feed::refusal)?;
    Ok(HttpResponse::Ok().json(Findings { findings }))
}
