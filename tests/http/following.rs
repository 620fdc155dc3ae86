//! Waiting for the feed, as lines and as events.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use audiospread_protocol::Line;

use super::{
    ALL, Gateway, PUBLIC, end_of, lines, pack_sound, problem, program, program_value, put, subscriber, until,
    write_tokens,
};

impl Gateway {
    async fn readers_waiting(&self) -> u64 {
        let answer = self.get("/v1/status").send().await.unwrap();
        answer.json::<serde_json::Value>().await.unwrap()["readers_waiting"].as_u64().unwrap()
    }

    async fn add_program(&self, nid: u32) {
        self.commit(vec![put(program(nid), &program_value("Another", &pack_sound("en/programs/untitled")))]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_reader_is_told_as_soon_as_something_changes() {
    let gateway = Gateway::with_content().await;
    for (nid, encoding) in [(201, "identity"), (202, "gzip"), (203, "zstd")] {
        let cursor = gateway.store.head().await.unwrap().cursor(true);
        let request = gateway.get(&format!("/v1/feed?since={cursor}&wait=300")).header("accept-encoding", encoding);
        let waiting = tokio::spawn(async move { request.send().await.unwrap().bytes().await.unwrap() });
        until("the reader waits", async || gateway.readers_waiting().await == 1).await;
        let committed = Instant::now();
        gateway.add_program(nid).await;
        let bytes = waiting.await.unwrap();
        assert!(committed.elapsed() < Duration::from_secs(5));
        let mut plain = Vec::new();
        match encoding {
            "zstd" => zstd::stream::copy_decode(&bytes[..], &mut plain).unwrap(),
            "gzip" => drop(flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut plain).unwrap()),
            _ => plain.extend_from_slice(&bytes),
        }
        let lines = lines(&plain);
        assert_eq!(end_of(&lines).cursor.version, cursor.version + 1);
        assert_eq!(lines.len(), 2);
    }
    assert_eq!(gateway.readers_waiting().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_for_whom_nothing_comes_gets_the_end_line_alone() {
    let gateway = Gateway::with_content().await;
    let cursor = gateway.end(PUBLIC).await.cursor;
    let began = Instant::now();
    let request = gateway.request(reqwest::Method::GET, &format!("/v1/feed?since={cursor}&wait=3")).bearer_auth(PUBLIC);
    let waiting = tokio::spawn(async move { request.send().await.unwrap().bytes().await.unwrap() });
    until("the reader waits", async || gateway.readers_waiting().await == 1).await;
    // A change that this reader may not see moves the cursor, and does not end the waiting.
    gateway
        .commit(vec![put(
            subscriber(400),
            r#"{"numbers":["+221775550125"],"plan":"standard","language":"en","balance_seconds":null}"#,
        )])
        .await;
    let lines = lines(&waiting.await.unwrap());
    assert!(began.elapsed() >= Duration::from_secs(3));
    let end = end_of(&lines);
    assert_eq!((lines.len(), end.changes, end.count, end.cursor.version), (1, 0, 1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heartbeat_is_readable_when_it_is_sent() {
    let gateway = Gateway::with_content().await;
    let cursor = gateway.end(ALL).await.cursor;
    let mut connections = Vec::new();
    for encoding in ["identity", "zstd", "gzip"] {
        let mut stream = TcpStream::connect(gateway.address).unwrap();
        write!(
            stream,
            "GET /v1/feed?since={cursor}&wait=60 HTTP/1.0\r\nAuthorization: Bearer {ALL}\r\nAccept-Encoding: {encoding}\r\n\r\n"
        )
        .unwrap();
        connections.push((encoding, stream));
    }
    tokio::task::spawn_blocking(move || {
        for (encoding, stream) in connections {
            let mut reader = BufReader::new(stream);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if line == "\r\n" {
                    break;
                }
            }
            let mut decoder: Box<dyn std::io::Read> = match encoding {
                "zstd" => Box::new(zstd::stream::read::Decoder::new(reader).unwrap()),
                "gzip" => Box::new(flate2::read::GzDecoder::new(reader)),
                _ => Box::new(reader),
            };
            let mut line = Vec::new();
            while line.last() != Some(&b'\n') {
                let mut byte = [0];
                decoder.read_exact(&mut byte).unwrap();
                line.push(byte[0]);
            }
            assert_eq!(Line::read(&line).unwrap(), Line::Heartbeat(cursor), "{encoding}");
        }
    })
    .await
    .unwrap();
    until("those who left are not waited for", async || gateway.readers_waiting().await == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_frees_its_place() {
    let gateway = Gateway::with_content().await;
    let cursor = gateway.end(ALL).await.cursor;
    let mut stream = TcpStream::connect(gateway.address).unwrap();
    write!(stream, "GET /v1/feed?since={cursor}&wait=300 HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {ALL}\r\n\r\n")
        .unwrap();
    until("it waits", async || gateway.readers_waiting().await == 1).await;
    drop(stream);
    let left = Instant::now();
    until("its place is free", async || gateway.readers_waiting().await == 0).await;
    assert!(left.elapsed() < Duration::from_secs(10));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_token_cannot_take_all_places() {
    let gateway = Gateway::with_content().await;
    let cursor = gateway.end(ALL).await.cursor;
    let path = format!("/v1/feed?since={cursor}&wait=300");
    let waiting: Vec<_> = (0..16)
        .map(|_| {
            let request = gateway.get(&path);
            tokio::spawn(async move { request.send().await.unwrap().bytes().await })
        })
        .collect();
    until("all places are taken", async || gateway.readers_waiting().await == 16).await;
    let answer = gateway.get(&path).send().await.unwrap();
    assert!(super::header(&answer, "retry-after").parse::<u32>().unwrap() > 0);
    assert_eq!(problem(answer).await, (429, "too_many_requests".into()));
    for reader in waiting {
        reader.abort();
    }
    until("they are gone", async || gateway.readers_waiting().await == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_http_1_0_is_never_sent_chunks() {
    let gateway = Gateway::with_content().await;
    let cursor = gateway.end(ALL).await.cursor;
    for path in ["/v1/feed".to_owned(), format!("/v1/feed?since={cursor}"), format!("/v1/feed?since={cursor}&wait=1")] {
        let answer = tokio::task::block_in_place(|| {
            gateway.raw(&format!("GET {path} HTTP/1.0\r\nAuthorization: Bearer {ALL}\r\n\r\n"))
        });
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.0 200"), "{head}");
        assert!(!head.to_lowercase().contains("transfer-encoding"), "{head}");
        end_of(&lines(body.as_bytes()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_go_on_from_the_cursor_of_the_last_whole_batch() {
    let gateway = Gateway::with_content().await;
    let cursor = gateway.end(ALL).await.cursor;
    gateway.add_program(300).await;

    let answer =
        gateway.get("/v1/feed/events?since=ignored").header("last-event-id", cursor.to_string()).send().await.unwrap();
    assert_eq!(super::header(&answer, "content-type"), "text/event-stream");
    let mut events = Events { answer, text: String::new() };
    let change = events.next().await;
    assert!(change.starts_with("event: change\ndata: {\"version\":2,\"kind\":\"program\",\"id\":\"300\""), "{change}");
    let end = events.next().await;
    let head = gateway.store.head().await.unwrap().cursor(true);
    assert!(
        end.starts_with(&format!(
            "event: end\nid: {head}\ndata: {{\"kind\":\"end\",\"cursor\":\"{head}\",\"changes\":1"
        )),
        "{end}"
    );

    gateway.add_program(301).await;
    assert!(events.next().await.contains("\"id\":\"301\""));
    assert!(events.next().await.starts_with("event: end\nid: "));
    drop(events);
    until("the reader is gone", async || gateway.readers_waiting().await == 0).await;

    assert_eq!(problem(gateway.get("/v1/feed/events").send().await.unwrap()).await, (410, "take_snapshot".into()));
    let unknown = gateway.get("/v1/feed/events?since=unknown").send().await.unwrap();
    assert_eq!(problem(unknown).await, (410, "take_snapshot".into()));
}

struct Events {
    answer: reqwest::Response,
    text: String,
}

impl Events {
    async fn next(&mut self) -> String {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let event = self.text.drain(..end + 2).collect::<String>();
                return event.trim_end().to_owned();
            }
            let piece = self.answer.chunk().await.unwrap().expect("the events have ended");
            self.text.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_taken_away_ends_the_events_at_the_next_heartbeat() {
    let gateway = Gateway::with_content().await;
    let cursor = gateway.end(PUBLIC).await.cursor;
    let request = gateway.request(reqwest::Method::GET, &format!("/v1/feed/events?since={cursor}")).bearer_auth(PUBLIC);
    let mut answer = request.send().await.unwrap();
    write_tokens(gateway.path(), &[("all", ALL, r#""feed", "admin""#)]);
    assert!(answer.chunk().await.is_err(), "the connection is cut");
}
