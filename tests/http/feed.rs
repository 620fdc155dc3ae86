//! `GET /v1/feed`: snapshot, delta, encodings, entity tags.

use std::io::Read as _;

use audiospread_protocol::{DeleteReason, Kind, Operation, Tree, leaf_hash};
use audiospread_server::feed::Encoding;
use reqwest::Method;

use super::{
    ALL, Gateway, PUBLIC, changes_of, end_of, header, lines, pack_sound, problem, program, program_value, put,
};

fn decoded(encoding: &str, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    match encoding {
        "zstd" => zstd::stream::copy_decode(bytes, &mut out).unwrap(),
        "gzip" => drop(flate2::read::GzDecoder::new(bytes).read_to_end(&mut out).unwrap()),
        _ => out.extend_from_slice(bytes),
    }
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn the_snapshot_has_everything_the_token_may_see_in_each_encoding() {
    let gateway = Gateway::with_content().await;
    for (token, count) in [(ALL, 2), (PUBLIC, 1)] {
        let mut tags = std::collections::HashSet::new();
        for encoding in ["identity", "gzip", "zstd"] {
            let request =
                gateway.request(Method::GET, "/v1/feed").bearer_auth(token).header("accept-encoding", encoding);
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 200);
            assert_eq!(header(&answer, "content-type"), "application/x-ndjson");
            assert_eq!(header(&answer, "vary"), "Accept-Encoding, Authorization");
            let said = answer.headers().get("content-encoding").map(|value| value.to_str().unwrap().to_owned());
            assert_eq!(said.as_deref().unwrap_or("identity"), encoding);
            assert!(tags.insert(header(&answer, "etag").to_owned()), "an entity tag is of one encoding");
            let length: usize = header(&answer, "content-length").parse().unwrap();
            let bytes = answer.bytes().await.unwrap();
            assert_eq!(bytes.len(), length);

            let lines = lines(&decoded(encoding, &bytes));
            let end = end_of(&lines);
            let mut tree = Tree::new();
            for change in changes_of(lines) {
                assert!(token == ALL || change.key.kind() != Kind::Subscriber);
                let Operation::Put(value) = &change.operation else { panic!("nothing was deleted") };
                tree.insert(change.key.clone(), leaf_hash(&change.key, value));
            }
            assert_eq!((tree.len(true) as u64, end.count, end.changes), (count, count, count));
            assert_eq!(tree.digest(true), end.digest);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_resumed_where_it_broke_off_in_each_encoding() {
    let gateway = Gateway::with_content().await;
    for encoding in ["identity", "gzip", "zstd"] {
        let get = |range: String, tag: &str| {
            let request = gateway.get("/v1/feed").header("accept-encoding", encoding).header("range", range);
            request.header("if-range", tag.to_owned()).send()
        };
        let whole = gateway.get("/v1/feed").header("accept-encoding", encoding).send().await.unwrap();
        assert_eq!(header(&whole, "accept-ranges"), "bytes");
        let tag = header(&whole, "etag").to_owned();
        let said = whole.headers().get("content-encoding").cloned();
        let whole = whole.bytes().await.unwrap();
        let size = whole.len();

        for (range, from, to) in [("100-", 100, size), ("0-0", 0, 1), ("-7", size - 7, size), ("5-99999999", 5, size)] {
            let part = get(format!("bytes={range}"), &tag).await.unwrap();
            assert_eq!(part.status(), 206, "{encoding} {range}");
            assert_eq!(header(&part, "content-range"), format!("bytes {from}-{}/{size}", to - 1));
            assert_eq!(header(&part, "content-length"), (to - from).to_string());
            assert_eq!((header(&part, "etag"), part.headers().get("content-encoding")), (tag.as_str(), said.as_ref()));
            assert_eq!(part.bytes().await.unwrap(), &whole[from..to], "{encoding} {range}");
        }
        let behind = get(format!("bytes={size}-"), &tag).await.unwrap();
        assert_eq!(header(&behind, "content-range"), format!("bytes */{size}"));
        assert_eq!(problem(behind).await, (416, "range_not_satisfiable".into()));
        for other in ["\"another\"".to_owned(), format!("W/{tag}"), "Mon, 01 Jan 2035 00:00:00 GMT".into()] {
            let answer = get("bytes=100-".into(), &other).await.unwrap();
            assert_eq!((answer.status().as_u16(), answer.bytes().await.unwrap()), (200, whole.clone()), "{other}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_resumed_after_it_was_replaced_by_those_who_began_it_alone() {
    let gateway = Gateway::with_content().await;
    let get = |encoding: &str| gateway.get("/v1/feed").header("accept-encoding", encoding.to_owned());
    let first = get("zstd").send().await.unwrap();
    let tag = header(&first, "etag").to_owned();
    let bytes = first.bytes().await.unwrap();
    let begun = gateway.feed.snapshot(true, Encoding::Gzip).unwrap().etag;
    gateway.commit(vec![put(program(171), &program_value("Another", &pack_sound("en/programs/untitled")))]).await;
    super::until("there is another snapshot", async || {
        gateway.feed.snapshot(true, Encoding::Zstd).is_ok_and(|snapshot| snapshot.version == 2)
    })
    .await;
    let part = get("zstd").header("range", "bytes=100-").header("if-range", &tag).send().await.unwrap();
    assert_eq!((part.status().as_u16(), header(&part, "etag")), (206, tag.as_str()));
    assert_eq!(part.bytes().await.unwrap(), bytes[100..]);
    // Without a range, or with the tag of another encoding, there is only the last one.
    let whole = get("zstd").header("if-range", &tag).send().await.unwrap();
    assert_eq!(whole.status(), 200);
    assert_ne!(header(&whole, "etag"), tag);
    let other = get("zstd").header("range", "bytes=100-").header("if-range", &begun).send().await.unwrap();
    assert_eq!(other.status(), 200);
    let public = gateway.request(Method::GET, "/v1/feed").bearer_auth(PUBLIC).header("accept-encoding", "zstd");
    let public = public.header("range", "bytes=100-").header("if-range", &tag).send().await.unwrap();
    assert_eq!(public.status(), 200, "a snapshot is of a scope");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_has_the_snapshot_gets_304_until_there_is_another() {
    let gateway = Gateway::with_content().await;
    let answer = gateway.get("/v1/feed").send().await.unwrap();
    let tag = header(&answer, "etag").to_owned();
    let again = gateway.get("/v1/feed").header("if-none-match", format!("\"x\", {tag}")).send().await.unwrap();
    assert_eq!(again.status(), 304);
    assert_eq!(header(&again, "etag"), tag);
    assert_eq!(header(&again, "vary"), "Accept-Encoding, Authorization");
    let other = gateway.request(Method::GET, "/v1/feed").bearer_auth(PUBLIC).header("if-none-match", &tag);
    assert_eq!(other.send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delta_has_what_changed_since_the_cursor() {
    let gateway = Gateway::with_content().await;
    let since = gateway.end(PUBLIC).await.cursor;
    let delta = |since: String| gateway.request(Method::GET, &format!("/v1/feed?since={since}")).bearer_auth(PUBLIC);

    let nothing = delta(since.to_string()).send().await.unwrap();
    let first_tag = header(&nothing, "etag").to_owned();
    assert_eq!(lines(&nothing.bytes().await.unwrap()).len(), 1);
    let unchanged = delta(since.to_string()).header("if-none-match", &first_tag).send().await.unwrap();
    assert_eq!(unchanged.status(), 304);

    let second = program_value("A second program", &pack_sound("en/programs/untitled"));
    let deletion = (program(171), Operation::Delete(DeleteReason::Unpublished));
    gateway.commit(vec![put(program(172), &second), deletion]).await;
    for encoding in ["identity", "gzip", "zstd"] {
        let request = delta(since.to_string()).header("accept-encoding", encoding).header("if-none-match", &first_tag);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let lines = lines(&decoded(encoding, &answer.bytes().await.unwrap()));
        let end = end_of(&lines);
        let changes = changes_of(lines);
        assert_eq!((changes.len(), end.changes, end.count, end.cursor.version), (2, 2, 1, 2));
        assert!(changes.iter().any(|change| change.operation == Operation::Delete(DeleteReason::Unpublished)));
        let value = changes.iter().find_map(|change| match &change.operation {
            Operation::Put(value) => Some(value.to_vec()),
            Operation::Delete(_) => None,
        });
        assert_eq!(value.unwrap(), second.as_bytes());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_is_not_of_this_feed_is_sent_to_the_snapshot() {
    let gateway = Gateway::with_content().await;
    let cursor = gateway.end(ALL).await.cursor;
    let mut future = cursor;
    future.version += 1;
    let mut other_state = cursor;
    other_state.check ^= 1;
    let with_subscribers = gateway.end(PUBLIC).await.cursor;
    for since in
        [future.to_string(), other_state.to_string(), with_subscribers.to_string(), "nonsense".into(), String::new()]
    {
        let answer = gateway.get(&format!("/v1/feed?since={since}&wait=5")).send().await.unwrap();
        assert_eq!(problem(answer).await, (410, "take_snapshot".into()), "{since}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn head_has_the_headers_of_get() {
    let gateway = Gateway::with_content().await;
    let cursor = gateway.end(ALL).await.cursor;
    for path in [
        "/v1/feed".to_owned(),
        format!("/v1/feed?since={cursor}"),
        "/v1/status".into(),
        "/openapi.json".into(),
        "/docs".into(),
    ] {
        let get = gateway.get(&path).send().await.unwrap();
        let head = gateway.request(Method::HEAD, &path).bearer_auth(ALL).send().await.unwrap();
        assert_eq!(head.status(), 200, "{path}");
        for name in ["content-type", "content-length", "etag", "vary", "cache-control"] {
            assert_eq!(head.headers().get(name), get.headers().get(name), "{path} {name}");
        }
    }
    // A HEAD does not wait.
    let waiting = gateway.request(Method::HEAD, &format!("/v1/feed?since={cursor}&wait=300")).bearer_auth(ALL);
    assert_eq!(waiting.send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_snapshot_is_waited_for_and_not_made_up() {
    let gateway = Gateway::start().await;
    let answer = gateway.get("/v1/feed").send().await.unwrap();
    // The feed of version 0 has a snapshot soon; until then the answer says so.
    if answer.status() == 503 {
        assert_eq!(problem(answer).await, (503, "snapshot_pending".into()));
    } else {
        assert_eq!(end_of(&lines(&answer.bytes().await.unwrap())).count, 0);
    }
}
