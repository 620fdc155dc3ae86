//! Audio by digest.

use std::time::{Duration, Instant};

use audiospread_protocol::Sha256Digest;
use base64::Engine as _;
use reqwest::Method;

use super::{ALL, Gateway, PUBLIC, header, pack_sound, problem};

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_the_feed_names_is_served_whole() {
    let gateway = Gateway::with_content().await;
    let sound = pack_sound("en/programs/untitled");
    let digest = Sha256Digest::of(&sound);
    for method in [Method::GET, Method::HEAD] {
        let request = gateway.request(method.clone(), &format!("/v1/blobs/{digest}")).bearer_auth(ALL);
        let answer = request
            .header("accept-encoding", "zstd, gzip")
            .header("range", if method == Method::HEAD { "bytes=5-" } else { "x" })
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(header(&answer, "etag"), format!("\"sha256:{digest}\""));
        assert_eq!(header(&answer, "content-type"), "audio/mpeg");
        assert_eq!(header(&answer, "content-length"), sound.len().to_string());
        assert_eq!(header(&answer, "accept-ranges"), "bytes");
        assert_eq!(header(&answer, "cache-control"), "private, max-age=31536000, immutable");
        let encoded = base64::prelude::BASE64_STANDARD.encode(digest.0);
        assert_eq!(header(&answer, "repr-digest"), format!("sha-256=:{encoded}:"));
        assert!(!answer.headers().contains_key("content-encoding"));
        assert!(!answer.headers().contains_key("transfer-encoding"));
        let bytes = answer.bytes().await.unwrap();
        assert!(if method == Method::GET { bytes == sound } else { bytes.is_empty() });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_is_resumed_where_it_broke_off() {
    let gateway = Gateway::with_content().await;
    let sound = pack_sound("en/programs/untitled");
    let (digest, size) = (Sha256Digest::of(&sound), sound.len());
    let tag = format!("\"sha256:{digest}\"");
    let get = |range: &str| gateway.get(&format!("/v1/blobs/{digest}")).header("range", range.to_owned());

    for (range, from, to) in [
        ("bytes=1000-", 1000, size),
        ("bytes=0-0", 0, 1),
        ("bytes=-100", size - 100, size),
        ("bytes=5-999999999", 5, size),
    ] {
        let answer = get(range).header("if-range", &tag).send().await.unwrap();
        assert_eq!(answer.status(), 206, "{range}");
        assert_eq!(header(&answer, "content-range"), format!("bytes {from}-{}/{size}", to - 1));
        assert_eq!(header(&answer, "etag"), tag);
        assert_eq!(answer.bytes().await.unwrap(), &sound[from..to]);
    }
    let other = get("bytes=1000-").header("if-range", "\"sha256:other\"").send().await.unwrap();
    assert_eq!(other.status(), 200);
    assert_eq!(other.bytes().await.unwrap(), sound);

    let behind = get(&format!("bytes={size}-")).send().await.unwrap();
    assert_eq!(header(&behind, "content-range"), format!("bytes */{size}"));
    assert_eq!(problem(behind).await, (416, "range_not_satisfiable".into()));

    let known = gateway.get(&format!("/v1/blobs/{digest}")).header("if-none-match", &tag).send().await.unwrap();
    assert_eq!(known.status(), 304);
    assert_eq!(header(&known, "etag"), tag);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bytes_of_a_sound_do_not_wait_for_an_acknowledgement_of_the_head() {
    let gateway = Gateway::with_content().await;
    let path = format!("/v1/blobs/{}", Sha256Digest::of(&pack_sound("en/programs/untitled")));
    let mut medians = Vec::new();
    for method in [Method::HEAD, Method::GET] {
        let mut times = Vec::new();
        // A kernel acknowledges the first pieces of a connection at once, and later ones only after 40 ms.
        for _ in 0..60 {
            let began = Instant::now();
            gateway.request(method.clone(), &path).bearer_auth(ALL).send().await.unwrap().bytes().await.unwrap();
            times.push(began.elapsed());
        }
        times.sort();
        medians.push(times[times.len() / 2]);
    }
    assert!(medians[1] < medians[0] + Duration::from_millis(30), "{medians:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_that_the_feed_does_not_name_is_not_found() {
    let gateway = Gateway::with_content().await;
    let digest = Sha256Digest::of(&pack_sound("fr/programs/untitled"));
    let answer = gateway.get(&format!("/v1/blobs/{digest}")).send().await.unwrap();
    assert_eq!(problem(answer).await, (404, "not_found".into()));
    let refused =
        gateway.request(Method::GET, &format!("/v1/blobs/{digest}")).bearer_auth(PUBLIC).send().await.unwrap();
    assert_eq!(problem(refused).await, (403, "forbidden".into()));
}
