//! Which address and method is handled by whom.

use actix_web::http::Method;
use actix_web::{Resource, Route, web};

use super::{XML_BODY, blobs, calls, docs, events, feed, findings, health, receipts, recordings, refresh, uploads};
use crate::xmlrpc;

/// An address and what is routed there; each `GET` is also answered as `HEAD`.
pub(super) struct Routed {
    /// The address as in the contract.
    pub(super) path: &'static str,
    /// The handler of each method.
    pub(super) routes: Vec<(Method, Route)>,
    /// The largest body, in bytes, where it is not that of most addresses.
    body: Option<usize>,
}

fn get<F, Args>(path: &'static str, handler: F) -> Routed
where
    F: actix_web::Handler<Args>,
    Args: actix_web::FromRequest + 'static,
    F::Output: actix_web::Responder + 'static,
{
    Routed { path, routes: vec![route(Method::GET, handler.clone()), route(Method::HEAD, handler)], body: None }
}

fn post<F, Args>(path: &'static str, body: Option<usize>, handler: F) -> Routed
where
    F: actix_web::Handler<Args>,
    Args: actix_web::FromRequest + 'static,
    F::Output: actix_web::Responder + 'static,
{
    Routed { path, routes: vec![route(Method::POST, handler)], body }
}

fn route<F, Args>(method: Method, handler: F) -> (Method, Route)
where
    F: actix_web::Handler<Args>,
    Args: actix_web::FromRequest + 'static,
    F::Output: actix_web::Responder + 'static,
{
    (method.clone(), web::method(method).to(handler))
}

/// All that is routed.
pub(super) fn routed() -> Vec<Routed> {
    vec![
        get("/v1/feed", feed::get),
        get("/v1/feed/events", events::get),
        get("/v1/blobs/{sha256}", blobs::get),
        get("/v1/findings", findings::get),
        post("/v1/refresh", None, refresh::post),
        post("/v1/calls", Some(calls::BATCH_BODY), calls::post),
        get("/v1/calls/totals", calls::totals),
        Routed {
            path: "/v1/receipt",
            routes: vec![route(Method::PUT, receipts::put)],
            body: Some(receipts::RECEIPT_BODY),
        },
        get("/v1/recordings", recordings::list),
        Routed {
            path: "/v1/recordings/{uuid}",
            routes: vec![
                route(Method::GET, recordings::get),
                route(Method::HEAD, recordings::get),
                route(Method::PUT, recordings::put),
            ],
            body: None,
        },
        get("/v1/recordings/{uuid}/{part}", recordings::part),
        Routed {
            path: "/v1/uploads",
            routes: vec![route(Method::OPTIONS, uploads::options), route(Method::POST, uploads::post)],
            body: None,
        },
        Routed {
            path: "/v1/uploads/{id}",
            routes: vec![
                route(Method::HEAD, uploads::head),
                route(Method::PATCH, uploads::patch),
                route(Method::DELETE, uploads::delete),
                route(Method::POST, uploads::post_to),
            ],
            body: None,
        },
        get("/v1/status", health::status),
        post("/xmlrpc", Some(XML_BODY), xmlrpc::post),
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
        let routes = routed.routes.into_iter().map(|(_, route)| route);
        let resource = routes.fold(Resource::new(routed.path), Resource::route);
        config.service(match routed.body {
            Some(most) => resource.app_data(web::PayloadConfig::new(most)),
            None => resource,
        });
    }
}
