//! Whatever goes wrong is said as a problem, and never more than a client should know.

use reqwest::Method;

use super::{ALL, Gateway, Mariadb, header, problem};
use mysql_async::prelude::Queryable as _;

#[tokio::test(flavor = "multi_thread")]
async fn what_the_framework_refuses_is_a_problem_too() {
    let gateway = Gateway::start().await;
    let known = |method, path: &str| gateway.request(method, path).bearer_auth(ALL);

    for path in ["/", "/v1", "/v1/nothing", "/docs/nothing.js", "/docs/..%2f..%2fetc%2fpasswd", "/v1/feed/"] {
        assert_eq!(problem(known(Method::GET, path).send().await.unwrap()).await, (404, "not_found".into()), "{path}");
    }
    for (method, path, allowed) in [
        (Method::DELETE, "/v1/feed", "GET, HEAD"),
        (Method::GET, "/v1/refresh", "POST"),
        (Method::OPTIONS, "/healthz", "GET, HEAD"),
    ] {
        let answer = known(method, path).send().await.unwrap();
        assert_eq!(header(&answer, "allow"), allowed);
        assert_eq!(problem(answer).await, (405, "method_not_allowed".into()), "{path}");
    }
    for query in ["wait=301", "wait=-1", "wait=soon", "wait=1&wait=2", "since=a&until=b", "sinc=a"] {
        let answer = known(Method::GET, &format!("/v1/feed?{query}")).send().await.unwrap();
        assert_eq!(problem(answer).await, (400, "bad_request".into()), "{query}");
    }
    for name in ["abc", &"A".repeat(64), &"0".repeat(65), "%00", "%ff"] {
        let answer = known(Method::GET, &format!("/v1/blobs/{name}")).send().await.unwrap();
        assert_eq!(problem(answer).await, (400, "bad_request".into()), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_understood_is_refused() {
    let gateway = Gateway::start().await;
    let refresh = || gateway.request(Method::POST, "/v1/refresh").bearer_auth(ALL);
    let json = |body: &str| refresh().header("content-type", "application/json").body(body.to_owned());

    assert_eq!(problem(json("{").send().await.unwrap()).await, (400, "bad_request".into()));
    assert_eq!(problem(json("{\"nodes\":[]}").send().await.unwrap()).await, (400, "bad_request".into()));
    let plain = refresh().header("content-type", "text/plain").body("{}");
    assert_eq!(problem(plain.send().await.unwrap()).await, (415, "unsupported_media_type".into()));
    let large = json(&" ".repeat(100_000));
    assert_eq!(problem(large.send().await.unwrap()).await, (413, "too_large".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encoding_that_there_is_not_is_a_problem_only_if_nothing_else_fits() {
    let gateway = Gateway::with_content().await;
    let answer = gateway.get("/v1/feed").header("accept-encoding", "br, identity;q=0").send().await.unwrap();
    assert_eq!(header(&answer, "vary"), "Accept-Encoding, Authorization");
    assert_eq!(problem(answer).await, (406, "not_acceptable".into()));
    let answer = gateway.get("/v1/feed").header("accept-encoding", "br, deflate").send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_is_said_without_its_name() {
    let gateway = Gateway::with_content().await;
    let mut root = Mariadb::shared().connect(None).await;
    root.query_drop(format!("DROP DATABASE {}", gateway.database)).await.unwrap();
    root.disconnect().await.unwrap();

    let answer = gateway.get("/v1/findings").send().await.unwrap();
    assert!(header(&answer, "retry-after").parse::<u32>().unwrap() > 0);
    let text = answer.text().await.unwrap();
    assert!(text.contains("urn:audiospread:problem:unavailable") && !text.contains(&gateway.database), "{text}");

    let answer = gateway.get("/readyz").send().await.unwrap();
    assert_eq!(problem(answer).await, (503, "unavailable".into()));
    assert_eq!(gateway.get("/healthz").send().await.unwrap().status(), 200);
}
