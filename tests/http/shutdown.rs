//! A gateway that is told to stop ends what is under way, and begins nothing.

use std::time::{Duration, Instant};

use super::{ALL, Gateway, end_of, lines, until};

#[tokio::test(flavor = "multi_thread")]
async fn waiting_readers_get_their_end_line_when_the_gateway_stops() {
    let mut gateway = Gateway::with_content().await;
    let cursor = gateway.end(ALL).await.cursor;
    let request = gateway.get(&format!("/v1/feed?since={cursor}&wait=300"));
    let waiting = tokio::spawn(async move { request.send().await.unwrap().bytes().await.unwrap() });
    until("the reader waits", async || {
        let status: serde_json::Value = gateway.get("/v1/status").send().await.unwrap().json().await.unwrap();
        status["readers_waiting"] == 1
    })
    .await;
    let told = Instant::now();
    gateway.stop.take().unwrap().send(()).unwrap();
    let lines = lines(&waiting.await.unwrap());
    assert_eq!((lines.len(), end_of(&lines).changes), (1, 0));
    gateway.ended.take().unwrap().await.unwrap().unwrap();
    assert!(told.elapsed() < Duration::from_secs(11), "{:?}", told.elapsed());
    assert!(gateway.get("/healthz").send().await.is_err());
}
