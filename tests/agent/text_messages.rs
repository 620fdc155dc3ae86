//! Text messages: in by the hook, once each and no more than allowed; out to a configured address, once each.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::{Client, StatusCode};
use rusqlite::Connection;

use super::phone_behind_a_link;
use super::running::{Running, until};
use crate::harness::free_address;
use crate::harness::phone::Phone;

struct Desk {
    phone: Phone,
    address: SocketAddr,
    client: Client,
    _run: Running,
}

impl Desk {
    /// An agent without a gateway, with its hook open and a spool of its own.
    fn new(more: &str) -> Self {
        let phone = Phone::of("http://127.0.0.1:9");
        let address = free_address();
        for directory in ["spool/outgoing", "spool/tmp"] {
            fs::create_dir_all(phone.path().join(directory)).unwrap();
        }
        fs::write(phone.path().join("sms.token"), "secret-token\n").unwrap();
        phone.configure(
            "http://127.0.0.1:9",
            &format!(
                "[asterisk]\noutgoing = \"spool/outgoing\"\n[hook]\nlisten = \"{address}\"\ntoken_file = \"sms.token\"\n\
                 country_code = \"221\"\ntrunk = \"my-trunk\"\n{more}"
            ),
        );
        let run = Running::of(&phone);
        until("the hook listens", || std::net::TcpStream::connect(address).is_ok());
        Self { phone, address, client: Client::builder().no_proxy().build().unwrap(), _run: run }
    }

    fn url(&self) -> String {
        format!("http://{}/v1/sms", self.address)
    }

    async fn post(&self, body: &serde_json::Value) -> reqwest::Response {
        self.client.post(self.url()).bearer_auth("secret-token").json(body).send().await.unwrap()
    }

    /// What lies in the spool: the lines of each call file.
    fn call_files(&self) -> Vec<String> {
        let spool = self.phone.path().join("spool/outgoing");
        spool.read_dir_utf8().unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect()
    }
}

async fn assert_problem(answer: reqwest::Response, status: StatusCode, code: &str) {
    assert_eq!(answer.status(), status);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let problem: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(problem["type"], format!("urn:audiospread:problem:{code}"), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_reaches_the_dialplan_once_with_its_sender_in_e164_form() {
    let desk = Desk::new("");
    let message = serde_json::json!({"from": "0775550109", "body": "Santé\nSet: EVIL=1", "id": "42"});
    for _ in 0..3 {
        assert_eq!(desk.post(&message).await.status(), StatusCode::ACCEPTED);
    }
    let files = desk.call_files();
    assert_eq!(files.len(), 1, "{files:?}");
    assert!(files[0].starts_with("Channel: Local/s@audiospread-sms-http\n") && !files[0].contains("EVIL"));
    assert!(
        files[0].contains("\nSet: SMS_FROM=+221775550109\n") && files[0].contains("\nSet: AS_SMS_TRUNK=my-trunk\n")
    );
    let text = files[0].lines().find_map(|line| line.strip_prefix("Set: SMS_BASE64=")).unwrap();
    assert_eq!(BASE64_STANDARD.decode(text).unwrap(), "Santé\nSet: EVIL=1".as_bytes());
    // Asterisk has taken it; the sender's answer was lost.
    fs::remove_file(desk.phone.path().join("spool/outgoing").read_dir_utf8().unwrap().next().unwrap().unwrap().path())
        .unwrap();
    assert_eq!(desk.post(&message).await.status(), StatusCode::ACCEPTED);
    assert!(desk.call_files().is_empty(), "it does not come twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn kannel_asks_by_address_and_forms_come_by_post() {
    let desk = Desk::new("");
    let kannel = format!("{}?from=%2B221775550109&text=health&id=1", desk.url());
    let answer = desk.client.get(kannel).basic_auth("kannel", Some("secret-token")).send().await.unwrap();
    assert_eq!((answer.status(), answer.text().await.unwrap().as_str()), (StatusCode::ACCEPTED, ""));
    let form = [("from", "+221775550109"), ("text", "171"), ("id", "2"), ("token", "secret-token")];
    let body = form.map(|(name, value)| format!("{name}={}", value.replace('+', "%2B"))).join("&");
    let post = desk.client.post(desk.url()).header("content-type", "application/x-www-form-urlencoded").body(body);
    assert_eq!(post.send().await.unwrap().status(), StatusCode::ACCEPTED);
    assert_eq!(desk.call_files().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_and_what_makes_no_sense_is_refused_with_a_problem() {
    let desk = Desk::new("messages_a_number_an_hour = 2\n");
    let message = |from: &str| serde_json::json!({"from": from, "body": "health"});
    let post = |token: &str| desk.client.post(desk.url()).bearer_auth(token);
    let good = message("+221775550109");
    assert_problem(post("wrong").json(&good).send().await.unwrap(), StatusCode::UNAUTHORIZED, "unauthorized").await;
    assert_problem(desk.post(&message("SIP/ibrahim")).await, StatusCode::BAD_REQUEST, "bad_request").await;
    assert_problem(desk.post(&serde_json::json!({"from": 7})).await, StatusCode::BAD_REQUEST, "bad_request").await;
    assert_problem(
        post("secret-token").body("x").send().await.unwrap(),
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
    )
    .await;
    let long = serde_json::json!({"from": "+221775550109", "body": "x".repeat(2000)});
    assert_problem(desk.post(&long).await, StatusCode::PAYLOAD_TOO_LARGE, "too_large").await;
    let huge = serde_json::json!({"from": "+221775550109", "body": "x".repeat(100_000)});
    assert_problem(desk.post(&huge).await, StatusCode::PAYLOAD_TOO_LARGE, "too_large").await;
    let wrong_method = desk.client.delete(desk.url()).send().await.unwrap();
    assert_eq!(wrong_method.headers()["allow"], "GET, POST");
    assert_problem(wrong_method, StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed").await;
    assert!(desk.call_files().is_empty());
    for _ in 0..2 {
        assert_eq!(desk.post(&good).await.status(), StatusCode::ACCEPTED);
    }
    let too_many = desk.post(&good).await;
    assert!(too_many.headers().contains_key("retry-after"));
    assert_problem(too_many, StatusCode::TOO_MANY_REQUESTS, "too_many_requests").await;
    assert_eq!(desk.post(&message("+221775550110")).await.status(), StatusCode::ACCEPTED, "another number has its own");
}

/// A provider that answers each request with the next of these statuses, and the last one for ever; the first lines of the requests come out.
fn provider(statuses: Vec<u16>) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (seen, requests) = channel();
    std::thread::spawn(move || {
        let mut statuses = statuses.into_iter().peekable();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut first = String::new();
            reader.read_line(&mut first).unwrap();
            let (mut line, mut length) = (String::new(), 0);
            while reader.read_line(&mut line).unwrap() > 2 {
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let status = *statuses.peek().unwrap();
            if statuses.len() > 1 {
                statuses.next();
            }
            write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
            if seen.send(format!("{}{}", first.trim(), String::from_utf8_lossy(&body))).is_err() {
                return;
            }
        }
    });
    (address, requests)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_dialplan_wrote_down_is_sent_once_and_again_only_after_a_failure() {
    let (address, requests) = provider(vec![503, 200, 400, 200]);
    let desk = Desk::new(&format!("[send]\nurl = \"http://{address}/send?to={{number}}&text={{text}}&ref={{id}}\"\n"));
    let calls = Connection::open(desk.phone.data().join("calls.db")).unwrap();
    calls.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    for text in ["1/2\n171 Santé & co", "refused", "last"] {
        calls.execute("INSERT INTO sms_out (number, body) VALUES ('+221775550109', ?1)", [text]).unwrap();
    }
    let state = |id: i64| -> String {
        calls.query_row("SELECT state FROM sms_out WHERE id = ?1", [id], |row| row.get(0)).unwrap()
    };
    until("all are settled", || (1..=3).all(|id| state(id) != "pending"));
    assert_eq!((state(1), state(2), state(3)), ("sent".into(), "failed".into(), "sent".into()));
    let seen: Vec<String> = requests.try_iter().collect();
    assert_eq!(seen.len(), 4, "{seen:?}");
    assert_eq!(seen[0], seen[1], "the same message, with the same id");
    assert!(seen[0].contains("to=%2B221775550109&text=1%2F2%0A171%20Sant%C3%A9%20%26%20co&ref="), "{}", seen[0]);
    assert!(seen[2].contains("text=refused") && seen[3].contains("text=last"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_gets_a_text_by_its_input_and_what_it_does_not_take_waits() {
    let room = tempfile::tempdir().unwrap();
    let place = room.path().to_str().unwrap();
    let program = format!("touch {place}/tried; test -e {place}/open && cat > \"{place}/$0\"");
    let program = toml::Value::from(["sh", "-c", &program, "{number}"].map(toml::Value::from).to_vec());
    let desk = Desk::new(&format!("[send]\ncommand = {program}\n"));
    let calls = Connection::open(desk.phone.data().join("calls.db")).unwrap();
    calls.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    let text = "1/2\n171 Santé $(id) \"'; {number}";
    calls.execute("INSERT INTO sms_out (number, body) VALUES ('+221775550109', ?1)", [text]).unwrap();
    let state = || -> String { calls.query_row("SELECT state FROM sms_out", [], |row| row.get(0)).unwrap() };
    until("it was tried", || room.path().join("tried").exists());
    assert_eq!(state(), "pending");
    fs::write(room.path().join("open"), "").unwrap();
    until("it is sent", || state() == "sent");
    assert_eq!(fs::read_to_string(room.path().join("+221775550109")).unwrap(), text);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mirror_says_what_text_messages_say() {
    let (phone, _link) = phone_behind_a_link().await;
    phone.pull();
    let list: String = phone
        .value("SELECT group_concat(text, char(10)) FROM phone_sms_part WHERE keyword = 'crops' AND language = 'en'");
    assert!(list.contains("171 Fertilizer today"), "{list}");
    for word in ["health", "sante", "santé", "healthsanté"] {
        let category: String =
            phone.value(&format!("SELECT c.name FROM phone_sms_keyword k JOIN phone_category c ON c.id = k.category_id WHERE keyword = '{word}'"));
        assert_eq!(category, "Health / Santé");
    }
    let help: String = phone.value("SELECT text FROM phone_sms_text WHERE key = 'help' AND language = 'fr'");
    assert!(help.contains("%NUMBER%"), "{help}");
}
