//! Refreshes, findings, status, health, metrics.

use audiospread_server::catalogue::{Finding, Severity, Subject};
use audiospread_server::feed::FindingChanges;
use serde_json::{Value, json};

use super::{ALL, Gateway, PUBLIC, header, problem};
use reqwest::Method;

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_is_accepted_at_once() {
    let mut gateway = Gateway::start().await;
    let refresh = || gateway.request(Method::POST, "/v1/refresh").bearer_auth(ALL);
    let answer = refresh().json(&json!({"nodes": [171, 9, 171]})).send().await.unwrap();
    assert_eq!(answer.status(), 202);
    assert_eq!(answer.json::<Value>().await.unwrap(), json!({"whole": false, "nodes": [9, 171]}));
    for request in [refresh(), refresh().json(&json!({}))] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 202);
        assert_eq!(answer.json::<Value>().await.unwrap(), json!({"whole": true, "nodes": []}));
    }
    drop(gateway.requests.take());
    let refresh = gateway.request(Method::POST, "/v1/refresh").bearer_auth(ALL);
    assert_eq!(problem(refresh.send().await.unwrap()).await, (503, "unavailable".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn findings_are_listed_the_severest_first() {
    let gateway = Gateway::start().await;
    let findings = [(Severity::Info, Subject::Site), (Severity::Error, Subject::Node(330))]
        .map(|(severity, subject)| Finding::new("no_category", severity, subject, "Give it a category."));
    let changes = FindingChanges::from([(String::from("owner"), findings.to_vec())]);
    gateway.store.update_findings(&changes).await.unwrap();
    let findings: Value = gateway.get("/v1/findings").send().await.unwrap().json().await.unwrap();
    assert_eq!(
        findings,
        json!({"findings": [
            {"code": "no_category", "severity": "error", "subject": {"node": 330}, "message": "Give it a category."},
            {"code": "no_category", "severity": "info", "subject": "site", "message": "Give it a category."}
        ]})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_has_not_read_the_site_lives_and_is_not_ready() {
    let gateway = Gateway::start().await;
    let alive = gateway.request(Method::GET, "/healthz").send().await.unwrap();
    assert_eq!(alive.json::<Value>().await.unwrap(), json!({"alive": true}));

    let ready = gateway.request(Method::GET, "/readyz").send().await.unwrap();
    assert_eq!(ready.status(), 503);
    assert_eq!(header(&ready, "content-type"), "application/problem+json");
    assert!(header(&ready, "retry-after").parse::<u32>().unwrap() > 0);
    let ready: Value = ready.json().await.unwrap();
    assert_eq!(ready["type"], "urn:audiospread:problem:unavailable");
    let checks: Vec<_> = ready["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| (check["name"].as_str().unwrap(), check["ok"].as_bool().unwrap()))
        .collect();
    assert_eq!(checks, [("database", true), ("storage", false), ("catalogue", false), ("held", true)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_is_that_of_what_the_token_may_see() {
    let gateway = Gateway::with_content().await;
    for (token, entities) in [(ALL, 2), (PUBLIC, 1)] {
        let answer = gateway.request(Method::GET, "/v1/status").bearer_auth(token).send().await.unwrap();
        let status: Value = answer.json().await.unwrap();
        assert_eq!((status["version"].as_u64(), status["entities"].as_u64()), (Some(1), Some(entities)));
        assert_eq!(status["cursor"], gateway.end(token).await.cursor.to_string());
        assert_eq!(status["refresh"]["loaded"], false);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_lines_that_prometheus_reads() {
    let gateway = Gateway::with_content().await;
    let answer = gateway.get("/metrics").send().await.unwrap();
    assert_eq!(header(&answer, "content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let text = answer.text().await.unwrap();
    assert!(
        text.contains("\naudiospread_feed_version 1\n") && text.contains("\naudiospread_feed_entities 2\n"),
        "{text}"
    );
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with("audiospread_") && value.parse::<f64>().is_ok(), "{line}");
    }
}
