//! `audiospread.status`: how the gateway is doing, for Drupal's status page.

use actix_web::web;
use dxr::Value;

use super::answer::{int, structure, text};
use super::fault::Fault;
use crate::catalogue::{Severity, codes};
use crate::http::State;
use crate::http::feed::refusal;

/// The gateway.
pub(super) async fn status(state: &web::Data<State>) -> Result<Value, Fault> {
    let (head, refresh) = (state.feed.head(), state.refresh.status());
    let findings = super::findings::all(state).await?;
    let recordings = state.recordings.clone();
    let backlog = state.apart(async move { recordings.backlog().await }).await?.map_err(refusal)?;
    let of = |severity| int(findings.iter().filter(|finding| finding.severity == severity).count() as u64);
    let held = findings.iter().find(|finding| finding.code == codes::HELD).map_or("", |finding| &finding.message);
    let gateway = structure([
        ("kind", text("gateway")),
        ("name", text("gateway")),
        ("software", text(env!("CARGO_PKG_VERSION"))),
        ("version", int(head.version)),
        ("changed_at", int(head.committed_at)),
        ("seen_at", int(jiff::Timestamp::now().as_second())),
        ("backlog", int(backlog)),
        ("errors", of(Severity::Error)),
        ("warnings", of(Severity::Warning)),
        ("held", text(held)),
        ("message", text(refresh.error.unwrap_or_default())),
    ]);
    Ok(Value::Array(vec![gateway]))
}
