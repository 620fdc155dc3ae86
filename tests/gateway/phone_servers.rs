//! What editors are told of the phone, by a gateway that reads their site.

use serde_json::{Value, json};

use super::until;
use crate::harness::gateway::{ALL_PROGRAMS, EVERYTHING, Gateway};
use crate::harness::{DrupalSite, xmlrpc};

/// The state of a node on each phone server.
async fn states(gateway: &Gateway, nid: i64) -> Vec<Value> {
    let places = xmlrpc::ask(&gateway.url(), EVERYTHING, "audiospread.status", &[i32::try_from(nid).unwrap()]).await;
    places.into_iter().map(|place| place["state"].clone()).collect()
}

/// Reports as a phone server that has all there is but what waits.
async fn report(gateway: &Gateway, waiting: Vec<Value>) {
    let client = reqwest::Client::new();
    let status = client.get(format!("{}/v1/status", gateway.url())).bearer_auth(EVERYTHING).send().await.unwrap();
    let receipt = json!({"software": "0.4.0", "cursor": status.json::<Value>().await.unwrap()["cursor"], "backlog": 0, "calls_backlog": 0,
        "applied_at": jiff::Timestamp::now(), "waiting_count": waiting.len(), "waiting": waiting});
    let put = client.put(format!("{}/v1/receipt", gateway.url())).bearer_auth(EVERYTHING).json(&receipt);
    assert_eq!(put.send().await.unwrap().status(), 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn prompts_and_sounds_of_categories_lead_to_the_nodes_they_come_from_and_back() {
    let site = DrupalSite::new().configure("drupal.settle_ms = 50").build().await;
    let gateway = Gateway::of(&site, ALL_PROGRAMS);
    let prompts = async || xmlrpc::ask(&gateway.url(), EVERYTHING, "audiospread.prompts", &[0, 400]).await;
    let own = async || -> Vec<Value> { prompts().await.into_iter().filter(|one| one["source"] == "site").collect() };
    until("the site's own prompts are known with their nodes", async || {
        let own = own().await;
        !own.is_empty() && own.iter().all(|one| one["nid"].as_i64().is_some_and(|nid| nid > 0))
    })
    .await;
    assert!(prompts().await.iter().any(|one| one["source"] == "pack" && one["nid"] == 0));
    let waiting: Vec<Value> = own()
        .await
        .iter()
        .map(|one| {
            let part = |name: &str| one[name].as_str().unwrap();
            let id = format!("{}/{}@{}", part("context"), part("key"), part("language"));
            json!({"kind": "prompt", "id": id, "state": "coming", "why": "It is on its way."})
        })
        .collect();
    report(&gateway, waiting).await;
    for one in own().await {
        let nid = one["nid"].as_i64().unwrap();
        let kind: String = site.value(&format!("SELECT type FROM {{node}} WHERE nid = {nid}")).await;
        assert_eq!((kind.as_str(), states(&gateway, nid).await), ("prompt", vec![json!("coming")]), "{one}");
    }
    // The sounds of a category: those of one node are heard, and the node knows.
    let nid = "SELECT MIN(n.nid) FROM {node} n JOIN {term_node} t ON t.vid = n.vid WHERE n.type = 'category_info' AND n.status = 1 AND t.tid = 2";
    let nid: i64 = site.value(nid).await;
    assert_eq!(states(&gateway, nid).await, ["shown"]);
    report(&gateway, vec![json!({"kind": "category", "id": "2", "state": "absent", "why": "It is on its way."})]).await;
    assert_eq!(states(&gateway, nid).await, ["absent"]);
    assert_eq!(states(&gateway, 171).await, ["shown"]);
}
