//! `audiospread.status`: how the gateway and the phone servers are doing, and on which of these a node is; for Drupal's pages.

use actix_web::web;
use dxr::Value;

use super::answer::{int, structure, text};
use super::arguments::Arguments;
use super::fault::Fault;
use crate::catalogue::{Severity, codes};
use crate::http::State;
use crate::http::feed::refusal;
use crate::phone_servers::{self, PhoneServer, Whereabouts};

/// The gateway, then the phone servers; or, of one node, where it is.
pub(super) async fn status(state: &web::Data<State>, mut arguments: Arguments) -> Result<Value, Fault> {
    if let Some(nid) = arguments.more(u32::MAX)? {
        return of_node(state, nid).await;
    }
    let mut all = vec![gateway(state).await?];
    let feed = state.feed.clone();
    let servers = state.apart(async move { phone_servers::all(feed.store()).await }).await?.map_err(refusal)?;
    all.extend(servers.iter().map(phone_server));
    Ok(Value::Array(all))
}

async fn gateway(state: &web::Data<State>) -> Result<Value, Fault> {
    let (head, refresh) = (state.feed.head(), state.refresh.status());
    let findings = super::findings::all(state).await?;
    let recordings = state.recordings.clone();
    let backlog = state.apart(async move { recordings.backlog().await }).await?.map_err(refusal)?;
    let of = |severity| int(findings.iter().filter(|finding| finding.severity == severity).count() as u64);
    let held = findings.iter().find(|finding| finding.code == codes::HELD).map_or("", |finding| &finding.message);
    Ok(structure([
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
    ]))
}

fn phone_server(server: &PhoneServer) -> Value {
    structure([
        ("kind", text("phone_server")),
        ("name", text(&server.name)),
        ("software", text(&server.software)),
        ("version", int(server.version)),
        ("changed_at", int(server.applied_at)),
        ("seen_at", int(server.seen_at)),
        ("behind", int(server.behind)),
        ("lag_seconds", int(server.lag_seconds)),
        ("backlog", int(server.backlog)),
        ("message", text(&server.message)),
    ])
}

async fn of_node(state: &web::Data<State>, nid: u32) -> Result<Value, Fault> {
    let (feed, entities) = (state.feed.clone(), state.refresh.sources().entities_of(nid));
    let places = state.apart(async move { phone_servers::whereabouts(feed.store(), &entities).await });
    let told = |place: &Whereabouts| {
        structure([
            ("name", text(&place.server)),
            ("state", text(place.place.as_str())),
            ("since", int(place.since)),
            ("message", text(&place.message)),
        ])
    };
    Ok(Value::Array(places.await?.map_err(refusal)?.iter().map(told).collect()))
}
