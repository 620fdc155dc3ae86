//! `audiospread.findings`: why something is not, or not well, on the phone.

use actix_web::web;
use dxr::Value;

use super::answer::{int, structure, text};
use super::arguments::Arguments;
use super::fault::Fault;
use crate::catalogue::{Finding, Severity, Subject};
use crate::http::State;
use crate::http::feed::refusal;

/// At most so many in an answer.
const MOST: u32 = 500;

/// Those from an offset on, of one node if one is named.
pub(super) async fn findings(state: &web::Data<State>, mut arguments: Arguments) -> Result<Value, Fault> {
    let (offset, limit) = (arguments.number(u32::MAX)?, arguments.number(MOST)?);
    let node = arguments.more(u32::MAX)?;
    let found = all(state).await?;
    let wanted = found.iter().filter(|finding| node.is_none_or(|nid| finding.subject == Subject::Node(nid)));
    Ok(Value::Array(wanted.skip(offset as usize).take(limit as usize).map(told).collect()))
}

/// All findings, the severest first.
pub(super) async fn all(state: &web::Data<State>) -> Result<Vec<Finding>, Fault> {
    let feed = state.feed.clone();
    Ok(state.apart(async move { feed.store().findings().await }).await?.map_err(refusal)?)
}

fn told(finding: &Finding) -> Value {
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    };
    let (kind, id, name) = match &finding.subject {
        Subject::Site => ("site", 0, ""),
        Subject::Node(nid) => ("node", *nid, ""),
        Subject::Term(tid) => ("term", *tid, ""),
        Subject::Prompt(name) => ("prompt", 0, name.as_str()),
    };
    structure([
        ("code", text(&finding.code)),
        ("severity", text(severity)),
        ("kind", text(kind)),
        ("id", int(id)),
        ("name", text(name)),
        ("message", text(&finding.message)),
    ])
}
