//! Who may ask for what.

use reqwest::Method;

use super::{ALL, Gateway, PUBLIC, header, problem, write_tokens};

#[tokio::test(flavor = "multi_thread")]
async fn a_request_needs_a_token_that_is_known_and_has_the_scope() {
    let gateway = Gateway::start().await;
    let findings = || gateway.request(Method::GET, "/v1/findings");

    let answer = findings().send().await.unwrap();
    assert_eq!(header(&answer, "www-authenticate"), r#"Bearer realm="audiospread""#);
    assert_eq!(problem(answer).await, (401, "unauthorized".into()));

    let answer = findings().bearer_auth("unknown").send().await.unwrap();
    assert!(header(&answer, "www-authenticate").contains("invalid_token"));
    assert_eq!(problem(answer).await, (401, "unauthorized".into()));

    let answer = findings().bearer_auth(PUBLIC).send().await.unwrap();
    assert!(header(&answer, "www-authenticate").contains(r#"scope="admin""#));
    assert_eq!(problem(answer).await, (403, "forbidden".into()));

    assert_eq!(findings().bearer_auth(ALL).send().await.unwrap().status(), 200);
    assert_eq!(findings().basic_auth("drupal", Some(ALL)).send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scope_that_the_contract_names_is_the_one_that_is_asked_for() {
    let gateway = Gateway::start().await;
    let scopes = ["feed", "subscribers", "blobs", "recordings", "calls", "admin"];
    let lists: Vec<_> = scopes.map(|scope| (scope, format!("\"{scope}\""))).into();
    let tokens: Vec<_> = lists.iter().map(|(scope, list)| (*scope, *scope, list.as_str())).collect();
    write_tokens(gateway.path(), &tokens);
    let contract: serde_json::Value =
        gateway.request(Method::GET, "/openapi.json").send().await.unwrap().json().await.unwrap();
    let mut checked = 0;
    for (path, item) in contract["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let needed = operation["security"][0]["bearer"][0].as_str();
            let method: Method = method.to_uppercase().parse().unwrap();
            let path = path.replace("{sha256}", &"0".repeat(64)).replace("{file}", "index.css");
            for scope in scopes {
                let answer = gateway.request(method.clone(), &path).bearer_auth(scope).send().await.unwrap();
                let refused = needed.is_some_and(|needed| needed != scope);
                assert_eq!(answer.status() == 403, refused, "{method} {path} with {scope}: {}", answer.status());
                checked += 1;
            }
        }
    }
    assert!(checked > 60, "{checked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_replaced_without_a_restart() {
    let gateway = Gateway::start().await;
    let status = async |token: &str| {
        gateway.request(Method::GET, "/v1/status").bearer_auth(token).send().await.unwrap().status().as_u16()
    };
    write_tokens(gateway.path(), &[("town", ALL, r#""feed""#), ("town", "new", r#""feed""#)]);
    assert_eq!((status(ALL).await, status("new").await), (200, 200));
    write_tokens(gateway.path(), &[("town", "new", r#""feed""#)]);
    assert_eq!((status(ALL).await, status("new").await), (401, 200));
    std::fs::write(gateway.path().join("tokens.toml"), "[[token]").unwrap();
    assert_eq!((status(ALL).await, status("new").await), (401, 200));
}
