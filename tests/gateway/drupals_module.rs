//! The code of Drupal's modules, under Debian 11's PHP and without a Drupal, asks the gateway itself. In a real Drupal: `tests/drupal/run`.

use std::process::Command;

use serde_json::json;

use super::recordings::{Phone, facts, sound, uuid};
use super::until;
use crate::harness::gateway::{ALL_PROGRAMS, EVERYTHING};
use crate::harness::{DrupalSite, Mariadb};

#[tokio::test(flavor = "multi_thread")]
async fn drupals_module_calls_each_method_that_it_ever_calls_and_understands_the_answers() {
    // The gateway keeps the bytes, so that the module fetches them.
    let phone =
        Phone::of(DrupalSite::new().configure("drupal.settle_ms = 50").build().await, "intake.store = \"gateway\"")
            .await;
    phone.gateway.wait_for(ALL_PROGRAMS);
    let both = facts(
        Some(&phone.upload(&sound("en/programs/untitled")).await),
        &phone.upload(&sound("en/home/welcome_standard")).await,
    );
    assert_eq!(phone.put(&uuid(1), &both).await.unwrap().status(), 201);
    let now = jiff::Timestamp::now();
    // Of this month, whenever the test runs.
    let call = json!({"id": 1, "call_id": "call", "caller": "+221775550111", "direction": "in", "plan": "premium", "started_at": now,
        "answered_at": now, "ended_at": now + jiff::SignedDuration::from_secs(100), "billable_seconds": 100, "disposition": "answered"});
    let calls = phone.client.post(format!("{}/v1/calls", phone.gateway.url())).bearer_auth(EVERYTHING);
    let kept = calls.json(&json!({"source": uuid(2), "calls": [call]})).send().await.unwrap();
    assert_eq!(kept.status(), 200, "{}", kept.text().await.unwrap());
    let cursor = phone.get("/v1/status").await["cursor"].clone();
    let receipt = json!({"software": "0.4.0", "cursor": cursor, "applied_at": now, "backlog": 0, "calls_backlog": 0, "waiting_count": 0});
    let put = phone.client.put(format!("{}/v1/receipt", phone.gateway.url())).bearer_auth(EVERYTHING).json(&receipt);
    assert_eq!(put.send().await.unwrap().status(), 204);
    phone.site.sql("UPDATE {node} SET title = 'Told by the module' WHERE nid = 171").await;

    let root = env!("CARGO_MANIFEST_DIR");
    let mut php = Command::new(format!("{root}/tests/drupal/module/php"));
    php.arg(format!("{root}/tests/drupal/module/calls.php")).arg(format!("{root}/drupal-module"));
    php.args([&phone.gateway.url(), EVERYTHING]).arg(Mariadb::shared().socket()).arg(&phone.site.database);
    let output = tokio::task::block_in_place(|| php.output()).unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains(" checks, 0 failed"), "{said}");

    // What it told has been read: nothing else makes the gateway look within minutes.
    until("what the module told is in the feed", async || {
        let feed = phone.client.get(format!("{}/v1/feed?since={}", phone.gateway.url(), cursor.as_str().unwrap()));
        feed.bearer_auth(EVERYTHING).send().await.unwrap().text().await.unwrap().contains("Told by the module")
    })
    .await;
}
