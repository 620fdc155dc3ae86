//! Call records: kept once each whatever happens on the way, and summed up.

use audiospread_server::catalogue::codes;
use reqwest::Method;
use serde_json::{Value, json};

use super::{ALL, Gateway, PUBLIC, problem};
use crate::harness::Mariadb;
use mysql_async::prelude::Queryable as _;

const SOURCE: &str = "6f1c0f1e-9a44-4b0e-8f6f-0d6f0c2b7a11";

/// A call of a minute, of which so many seconds are paid.
fn call(id: u32, caller: Option<&str>, day: &str, billable_seconds: u32) -> Value {
    let mut call = json!({"id": id, "call_id": format!("call-{id}"), "direction": "in", "plan": "standard",
        "started_at": format!("{day}T10:00:00Z"), "answered_at": format!("{day}T10:00:10Z"), "ended_at": format!("{day}T10:01:00Z"),
        "billable_seconds": billable_seconds, "disposition": "answered",
        "listened": [{"program": "171", "from_ms": 0, "to_ms": 20_500}, {"program": "171", "from_ms": 10_000, "to_ms": 19_500}]});
    if let Some(caller) = caller {
        call["caller"] = caller.into();
    }
    call
}

impl Gateway {
    async fn hand_in(&self, source: &str, calls: &[Value]) -> Value {
        let batch = json!({"source": source, "calls": calls});
        let answer = self.request(Method::POST, "/v1/calls").bearer_auth(ALL).json(&batch).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    }

    async fn totals(&self, query: &str) -> Value {
        self.get(&format!("/v1/calls/totals?{query}")).send().await.unwrap().json().await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_kept_once_however_often_and_from_however_many_sides_it_is_sent() {
    let gateway = Gateway::with_content().await;
    let batch: Vec<Value> = (1..=50).map(|id| call(id, Some("+221775550124"), "2026-11-24", 50)).collect();
    let send = || gateway.hand_in(SOURCE, &batch);
    let receipts: [Value; 6] = tokio::join!(send(), send(), send(), send(), send(), send()).into();
    let sum = |member: &str| receipts.iter().map(|receipt| receipt[member].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("accepted"), sum("known")), (50, 250));
    assert!(receipts.iter().all(|receipt| receipt["refused"] == json!([])));
    assert_eq!(
        gateway.totals("month=2026-11").await,
        json!({"month": "2026-11", "callers": [
            {"number": "+221775550124", "subscriber": "318", "calls": 50, "seconds": 2500, "billable_seconds": 2500}
        ]})
    );
    assert_eq!(
        gateway.totals("month=2026-11&by=program").await,
        json!({"month": "2026-11", "programs": [{"program": "171", "calls": 50, "seconds": 1500}]})
    );
    let other = gateway.hand_in("6f1c0f1e-9a44-4b0e-8f6f-0d6f0c2b7a12", &batch[..1]).await;
    assert_eq!(other["accepted"], 1, "another calls.db has ids of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_record_is_refused_by_itself_and_the_answer_says_which() {
    let gateway = Gateway::start().await;
    gateway.hand_in(SOURCE, &[call(1, None, "2026-11-24", 50)]).await;
    let (mut nonsense, mut number) = (call(3, None, "2026-11-24", 50), call(4, None, "2026-11-24", 50));
    nonsense["ended_at"] = "2020-01-01T00:00:00Z".into();
    number["caller"] = "0775550124".into();
    let batch =
        [call(1, None, "2026-11-24", 49), call(2, None, "2026-11-24", 50), nonsense, number, json!("no record")];
    let receipt = gateway.hand_in(SOURCE, &batch).await;
    assert_eq!((receipt["accepted"].as_u64(), receipt["known"].as_u64()), (Some(1), Some(0)));
    let refused: Vec<_> = receipt["refused"].as_array().unwrap().iter().collect();
    let told: Vec<_> =
        refused.iter().map(|call| (call["position"].as_u64(), call["id"].as_u64(), call["reason"].as_str())).collect();
    assert_eq!(
        told,
        [
            (Some(0), Some(1), Some("conflict")),
            (Some(2), Some(3), Some("malformed")),
            (Some(3), Some(4), Some("malformed")),
            (Some(4), None, Some("malformed"))
        ]
    );
    assert!(refused[1]["detail"].as_str().unwrap().contains("`ended_at`"));
    assert!(!receipt.to_string().contains("0775550124"), "{receipt}");
    let findings = gateway.store.findings().await.unwrap();
    assert_eq!(findings.iter().filter(|finding| finding.code == codes::CALL_CONFLICT).count(), 1);
    assert!(
        !gateway.store.finding_owners().await.unwrap().iter().any(|owner| owner.contains("calls")),
        "no refresh takes it away"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sums_are_of_a_month_and_come_in_pages_of_numbers() {
    let gateway = Gateway::start().await;
    let numbers = ["+221775550101", "+221775550102", "+33612345603"];
    let mut batch: Vec<Value> =
        (1..).zip(numbers).map(|(id, number)| call(id, Some(number), "2026-11-24", id)).collect();
    batch.extend([call(10, None, "2026-11-24", 7), call(11, Some(numbers[0]), "2026-12-01", 9)]);
    assert_eq!(gateway.hand_in(SOURCE, &batch).await["accepted"], 5);
    let mut after = String::new();
    for expected in numbers {
        let page = gateway.totals(&format!("month=2026-11&limit=1{after}")).await;
        assert_eq!(page["callers"][0]["number"], expected);
        after = format!("&after={}", page["next"].as_str().unwrap().replace('+', "%2B"));
    }
    let end = gateway.totals(&format!("month=2026-11&limit=1{after}")).await;
    assert_eq!(end, json!({"month": "2026-11", "callers": []}));
    assert_eq!(gateway.totals("month=2026-12").await["callers"][0]["billable_seconds"], 9);
    for query in [
        "",
        "month=2026-13",
        "month=2026-11&limit=0",
        "month=2026-11&limit=501",
        "month=2026-11&by=weather",
        "month=2026-11&by=program&after=x",
    ] {
        let refused = gateway.get(&format!("/v1/calls/totals?{query}")).send().await.unwrap();
        assert_eq!(problem(refused).await, (400, "bad_request".into()), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_are_none_are_refused() {
    let gateway = Gateway::start().await;
    let post = |body: String| {
        gateway
            .request(Method::POST, "/v1/calls")
            .bearer_auth(ALL)
            .header("content-type", "application/json")
            .body(body)
    };
    let many = json!({"source": SOURCE, "calls": vec![json!({}); 501]}).to_string();
    for body in
        ["", "[]", "{}", "{\"source\":\"s3cret\",\"calls\":[]}", "{\"source\":1,\"source\":2,\"calls\":[]}", &many]
    {
        let refused = post(body.to_owned()).send().await.unwrap();
        assert_eq!(problem(refused).await, (400, "bad_request".into()), "{body:.60}");
    }
    let large = post("x".repeat(3 * 1024 * 1024)).send().await;
    // The connection may be closed while the body is still on its way.
    if let Ok(large) = large {
        assert_eq!(large.status(), 413);
    }
    let plain = gateway.request(Method::POST, "/v1/calls").bearer_auth(ALL).body("{}").send().await.unwrap();
    assert_eq!(problem(plain).await, (415, "unsupported_media_type".into()));
    let forbidden =
        gateway.request(Method::POST, "/v1/calls").bearer_auth(PUBLIC).json(&json!({})).send().await.unwrap();
    assert_eq!(problem(forbidden).await, (403, "forbidden".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_dropped_when_their_time_is_over_and_the_records_stay() {
    let gateway = Gateway::start().await;
    let old = call(1, Some("+221775550101"), "2020-01-01", 50);
    let today = jiff::Timestamp::now().to_string()[..10].to_owned();
    gateway.hand_in(SOURCE, &[old.clone(), call(2, Some("+221775550102"), &today, 50)]).await;
    let forgetting = tokio::spawn(audiospread_server::calls::forget_numbers(gateway.store.clone(), 400));
    super::until("the number is gone", async || gateway.totals("month=2020-01").await["callers"] == json!([])).await;
    forgetting.abort();
    assert_eq!(gateway.totals(&format!("month={}", &today[..7])).await["callers"][0]["calls"], 1);
    assert_eq!(gateway.totals("month=2020-01&by=program").await["programs"][0]["calls"], 1);
    assert_eq!(gateway.hand_in(SOURCE, &[old]).await["known"], 1, "and it does not come back");
    let mut root = Mariadb::shared().connect(Some(&gateway.database)).await;
    let left: Option<u32> =
        root.query_first("SELECT COUNT(*) FROM call_record WHERE caller LIKE '%0101'").await.unwrap();
    assert_eq!(left, Some(0));
}
