//! Which address and method is handled by whom.

use actix_web::http::Method;
use actix_web::{Resource, Route, web};

use super::{blobs, docs, events, feed, findings, health, refresh};

/// An address and what is routed there; each `GET` is also answered as `HEAD`.
pub(super) struct Routed {
    /// The address as in the contract.
    pub(super) path: &'static str,
    /// The methods.
    pub(super) methods: Vec<Method>,
    routes: Vec<Route>,
}

fn get<F, Args>(path: &'static str, handler: F) -> Routed
where
    F: actix_web::Handler<Args> + Clone,
    Args: actix_web::FromRequest + 'static,
    F::Output: actix_web::Responder + 'static,
{
    let routes = vec![web::get().to(handler.clone()), web::head().to(handler)];
    Routed { path, methods: vec![Method::GET, Method::HEAD], routes }
}

/// All that is routed.
pub(super) fn routed() -> Vec<Routed> {
    vec![
        get("/v1/feed", feed::get),
        get("/v1/feed/events", events::get),
        get("/v1/blobs/{sha256}", blobs::get),
        get("/v1/findings", findings::get),
        Routed { path: "/v1/refresh", methods: vec![Method::POST], routes: vec![web::post().to(refresh::post)] },
        get("/v1/status", health::status),
        get("/healthz", health::alive),
        get("/readyz", health::ready),
        get("/metrics", health::metrics),
        get("/openapi.json", docs::document),
        get("/docs", docs::page),
        get("/docs/{file}", docs::part),
    ]
}

/// Registers all that is routed. A resource answers other methods with 405 and `Allow`.
pub(super) fn configure(config: &mut web::ServiceConfig) {
    for routed in routed() {
        config.service(routed.routes.into_iter().fold(Resource::new(routed.path), Resource::route));
    }
}
