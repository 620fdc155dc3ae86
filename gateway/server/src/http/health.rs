//! How the gateway is doing: for phone servers, for balancers, for a monitoring system.

use std::time::Duration;

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use audiospread_protocol::{Problem, ProblemCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::authorization::{Admin, Authorized, Feed};
use super::metrics::{Page, label_value};
use super::problems::{PROBLEM_JSON, Refusal};
use super::tokens::Scope;
use super::{State, openapi};
use crate::phone_servers::{self, PhoneServer};
use crate::refresh;

/// How the feed and the refreshing stand.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GatewayStatus)]
pub(super) struct Status {
    /// The feed's last version.
    version: u64,
    /// The cursor of a reader who has everything.
    #[schema(value_type = String)]
    cursor: audiospread_protocol::Cursor,
    /// The number of entities that this token may see.
    entities: u64,
    /// When the last version was committed.
    #[schema(value_type = Option<String>, format = DateTime)]
    committed_at: Option<jiff::Timestamp>,
    /// Files of audio of which nothing is known yet.
    audio_pending: u64,
    /// Files of audio that the site names.
    audio_known: u64,
    /// Readers that wait for the feed.
    readers_waiting: usize,
    /// How the last refresh went.
    refresh: refresh::Status,
    /// What this token may be used for.
    scopes: Vec<&'static str>,
}

/// Alive.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Alive {
    /// Always true.
    alive: bool,
}

/// Whether the gateway can do its work.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Readiness {
    /// Whether all checks are well.
    ready: bool,
    /// Each check.
    checks: Vec<Check>,
}

/// The gateway cannot do its work: a problem, with the checks.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NotReady {
    #[serde(flatten)]
    problem: Problem,
    /// Each check.
    checks: Vec<Check>,
}

/// One thing that the gateway needs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Check {
    /// `database`, `storage`, `catalogue` or `held`.
    name: String,
    /// Whether it is well.
    ok: bool,
    /// How it is, and what to do if it is not well.
    detail: String,
}

/// How the gateway is doing
///
/// Where the feed stands, how far the index of the audio is, when Drupal was last read, and what went wrong then.
#[utoipa::path(get, path = "/v1/status", tag = "operation", operation_id = "get_status",
    security(("bearer" = ["feed"]), ("basic" = [])),
    responses(
        (status = 200, description = "How it is doing.", body = Status, example = json!({
            "version": 7, "cursor": "5d0f3c9a71be2846-7-9f86d081884c7d65", "entities": 262, "committed_at": "2026-11-23T12:00:00Z",
            "audio_pending": 0, "audio_known": 187, "readers_waiting": 1,
            "refresh": {"loaded": true, "refreshed_at": "2026-11-23T12:04:30Z", "error": null, "source_reachable": true, "held": false, "waiting": 0},
            "scopes": ["feed", "subscribers", "blobs", "recordings", "calls"]
        })),
        openapi::NotAllowed, openapi::Faulty
    ))]
pub(super) async fn status(caller: Authorized<Feed>, state: web::Data<State>) -> HttpResponse {
    let subscribers = caller.token.allows(Scope::Subscribers);
    let (head, index) = (state.feed.head(), state.blobs.index().progress());
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(Status {
        version: head.version,
        cursor: head.cursor(subscribers),
        entities: head.state(subscribers).count,
        committed_at: jiff::Timestamp::from_second(head.committed_at).ok(),
        audio_pending: index.pending,
        audio_known: index.known,
        readers_waiting: state.metrics.waiting(),
        refresh: state.refresh.status(),
        scopes: caller.token.scopes.iter().map(|scope| scope.as_str()).collect(),
    })
}

/// Whether the gateway lives
///
/// Answers as long as the program does; says nothing about what it needs. Needs no token.
#[utoipa::path(get, path = "/healthz", tag = "operation", operation_id = "get_healthz",
    responses((status = 200, description = "It lives.", body = Alive, example = json!({"alive": true})), openapi::Faulty))]
pub(super) async fn alive() -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(Alive { alive: true })
}

/// Whether the gateway can do its work
///
/// Whether the gateway's database and Drupal's database and files can be reached, a catalogue was loaded, and no refresh is held because it
/// would remove much. Needs no token.
#[utoipa::path(get, path = "/readyz", tag = "operation", operation_id = "get_readyz",
    responses(
        (status = 200, description = "It can.", body = Readiness, example = json!({"ready": true, "checks": [
            {"name": "database", "ok": true, "detail": "The gateway's database answers."},
            {"name": "storage", "ok": true, "detail": "Drupal's database and files can be reached."},
            {"name": "catalogue", "ok": true, "detail": "The site's catalogue is loaded."},
            {"name": "held", "ok": true, "detail": "No refresh is held."}
        ]})),
        (status = 503, description = "It cannot: a problem with the checks.", body = NotReady, content_type = "application/problem+json",
            headers(("Retry-After" = i32, description = "Seconds to wait.")), example = json!({
            "type": "urn:audiospread:problem:unavailable", "title": "Try again later", "status": 503,
            "detail": "A refresh is held because it would remove much. If that is wanted: `audiospread feed --accept`.", "checks": [
            {"name": "database", "ok": true, "detail": "The gateway's database answers."},
            {"name": "storage", "ok": true, "detail": "Drupal's database and files can be reached."},
            {"name": "catalogue", "ok": true, "detail": "The site's catalogue is loaded."},
            {"name": "held", "ok": false, "detail": "A refresh is held because it would remove much. If that is wanted: `audiospread feed --accept`."}
        ]})),
        openapi::Faulty
    ))]
pub(super) async fn ready(state: web::Data<State>) -> Result<HttpResponse, Refusal> {
    let store = state.feed.store().clone();
    let answers = state.apart(async move { store.head().await.is_ok() }).await?;
    let refresh = state.refresh.status();
    let checks = vec![
        check(
            "database",
            answers,
            "The gateway's database answers.",
            "The gateway's database does not answer. Is it running?",
        ),
        check(
            "storage",
            refresh.source_reachable,
            "Drupal's database and files can be reached.",
            "Drupal's database or files cannot be reached, or were not asked for yet. The gateway's log says which.",
        ),
        check(
            "catalogue",
            refresh.loaded,
            "The site's catalogue is loaded.",
            "The site was not read yet. Wait; if it stays so, the gateway's log says why.",
        ),
        check(
            "held",
            !refresh.held,
            "No refresh is held.",
            "A refresh is held because it would remove much. If that is wanted: `audiospread feed --accept`.",
        ),
    ];
    let Some(wrong) = checks.iter().find(|check| !check.ok) else {
        let ready = Readiness { ready: true, checks };
        return Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(ready));
    };
    let problem = ProblemCode::Unavailable.problem(wrong.detail.as_str());
    Ok(HttpResponse::ServiceUnavailable()
        .insert_header((header::CONTENT_TYPE, PROBLEM_JSON))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::RETRY_AFTER, Duration::from_secs(10).as_secs()))
        .json(NotReady { problem, checks }))
}

fn check(name: &str, ok: bool, well: &str, wrong: &str) -> Check {
    Check { name: name.to_owned(), ok, detail: if ok { well } else { wrong }.to_owned() }
}

/// Metrics
///
/// Numbers for a monitoring system, in Prometheus's text format.
#[utoipa::path(get, path = "/metrics", tag = "operation", operation_id = "get_metrics",
    security(("bearer" = ["admin"]), ("basic" = [])),
    responses(
        (status = 200, description = "The numbers.", content_type = "text/plain", body = String, example = json!(
            "# HELP audiospread_feed_version The feed's last version.\n# TYPE audiospread_feed_version gauge\naudiospread_feed_version 7\n")),
        openapi::NotAllowed, openapi::Faulty
    ))]
pub(super) async fn metrics(_: Authorized<Admin>, state: web::Data<State>) -> HttpResponse {
    let feed = state.feed.clone();
    let servers = state.apart(async move { phone_servers::all(feed.store()).await }).await;
    let (head, index, refresh) = (state.feed.head(), state.blobs.index().progress(), state.refresh.status());
    let answers = |class| number(state.metrics.answers(class));
    let mut page = Page::default();
    page.add(
        "http_answers_total",
        "counter",
        "Answers, by class of status.",
        &[
            ("{class=\"2xx\"}", answers(2)),
            ("{class=\"3xx\"}", answers(3)),
            ("{class=\"4xx\"}", answers(4)),
            ("{class=\"5xx\"}", answers(5)),
        ],
    );
    let mut gauge = |name, help, value| page.add(name, "gauge", help, &[("", value)]);
    gauge("http_readers_waiting", "Readers that wait for the feed.", number(state.metrics.waiting() as u64));
    gauge("feed_version", "The feed's last version.", number(head.version));
    gauge("feed_entities", "Entities of the catalogue.", number(head.whole.count));
    gauge(
        "feed_committed_timestamp_seconds",
        "When the last version was committed, in Unix seconds.",
        number(head.committed_at.unsigned_abs()),
    );
    gauge("audio_known", "Files of audio that the site names.", number(index.known));
    gauge("audio_pending", "Files of audio of which nothing is known yet.", number(index.pending));
    gauge(
        "refresh_success_timestamp_seconds",
        "When the last refresh ended well, in Unix seconds; 0 if none has.",
        number(refresh.refreshed_at.map_or(0, |at| at.as_second().unsigned_abs())),
    );
    gauge("refresh_failing", "1 if the last refresh failed.", f64::from(u8::from(refresh.error.is_some())));
    gauge("refresh_held", "1 if a refresh is held because it would remove much.", f64::from(u8::from(refresh.held)));
    gauge(
        "refresh_waiting",
        "Entities that wait for their audio or for a save to end.",
        number(refresh.waiting as u64),
    );
    // While the database is away, all else is told.
    if let Ok(Ok(servers)) = servers {
        add_phone_servers(&mut page, &servers);
    }
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(page.into_text())
}

fn add_phone_servers(page: &mut Page, servers: &[PhoneServer]) {
    let labels: Vec<String> =
        servers.iter().map(|server| format!("{{server=\"{}\"}}", label_value(&server.name))).collect();
    let mut gauge = |name, help, value: fn(&PhoneServer) -> u64| {
        let samples: Vec<_> =
            labels.iter().zip(servers).map(|(label, server)| (label.as_str(), number(value(server)))).collect();
        page.add(name, "gauge", help, &samples);
    };
    gauge("phone_server_versions_behind", "Versions that a phone server has yet to take over.", |server| server.behind);
    gauge(
        "phone_server_lag_seconds",
        "For how long a phone server has not had the last version; 0 if it has.",
        |server| server.lag_seconds.unsigned_abs(),
    );
    gauge("phone_server_silent_seconds", "How long ago a phone server last reported.", |server| {
        server.silent_seconds.unsigned_abs()
    });
    gauge("phone_server_backlog", "Recordings that wait on a phone server.", |server| u64::from(server.backlog));
    gauge("phone_server_waiting", "Entities of which callers do not get the last state.", |server| {
        u64::from(server.waiting)
    });
}

/// As Prometheus has numbers; beyond 2^53, which nothing here reaches, the last digits are lost.
#[expect(clippy::cast_precision_loss, reason = "nothing that is counted here comes near 2^53")]
const fn number(value: u64) -> f64 {
    value as f64
}
