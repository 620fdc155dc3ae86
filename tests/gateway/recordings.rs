//! What callers left: kept once and whole, refused where it cannot be heard, and offered to Drupal until Drupal has it.

use std::fs;
use std::net::TcpStream;
use std::time::Duration;

use audiospread_protocol::Sha256Digest;
use reqwest::{Client, Response};
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};

use super::until;
use crate::harness::DrupalSite;
use crate::harness::gateway::{EVERYTHING, Gateway, WITHOUT_FEED};

pub(super) const PENDING: &str =
    "<param><value><int>100</int></value></param><param><value><string></string></value></param>";

/// A gateway with its site, and a phone server that sends it what callers left.
pub(super) struct Phone {
    // Ends before its files go.
    pub(super) gateway: Gateway,
    pub(super) site: DrupalSite,
    pub(super) client: Client,
}

impl Phone {
    async fn new() -> Self {
        Self::of(DrupalSite::new().configure("drupal.settle_ms = 50").build().await, "").await
    }

    pub(super) async fn of(site: DrupalSite, settings: &str) -> Self {
        let gateway = Gateway::named(&site, "intake", settings);
        let phone = Self { site, gateway, client: Client::new() };
        phone.until_it_listens().await;
        phone
    }

    /// Kills the gateway and starts it again.
    pub(super) async fn again(self, settings: &str) -> Self {
        let Self { site, gateway, .. } = self;
        drop(gateway);
        Self::of(site, settings).await
    }

    pub(super) async fn until_it_listens(&self) {
        until("the gateway listens", async || TcpStream::connect(self.gateway.address).is_ok()).await;
    }

    pub(super) async fn upload(&self, bytes: &[u8]) -> String {
        let request = self.client.post(format!("{}/v1/uploads", self.gateway.url())).bearer_auth(EVERYTHING);
        let request = request.header("Tus-Resumable", "1.0.0").header("Upload-Length", bytes.len());
        let sent = request
            .header("Content-Type", "application/offset+octet-stream")
            .body(bytes.to_vec())
            .send()
            .await
            .unwrap();
        assert_eq!(sent.status(), 201);
        Sha256Digest::of(bytes).to_hex()
    }

    pub(super) async fn put(&self, uuid: &str, facts: &Value) -> reqwest::Result<Response> {
        let request = self.client.put(format!("{}/v1/recordings/{uuid}", self.gateway.url())).bearer_auth(EVERYTHING);
        request.json(facts).send().await
    }

    pub(super) async fn get(&self, path: &str) -> Value {
        let answer =
            self.client.get(format!("{}{path}", self.gateway.url())).bearer_auth(EVERYTHING).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.unwrap()
    }

    /// The states of all recordings, in the order in which they came.
    async fn states(&self) -> Vec<String> {
        let list = self.get("/v1/recordings").await;
        list["recordings"].as_array().unwrap().iter().map(|one| one["state"].as_str().unwrap().to_owned()).collect()
    }

    /// Calls an XML-RPC method as Drupal does.
    pub(super) async fn call(&self, method: &str, params: &str) -> String {
        let body = format!(
            "<?xml version=\"1.0\"?><methodCall><methodName>{method}</methodName><params>{params}</params></methodCall>"
        );
        let request = self.client.post(format!("{}/xmlrpc", self.gateway.url())).basic_auth("drupal", Some(EVERYTHING));
        request.header("Content-Type", "text/xml").body(body).send().await.unwrap().text().await.unwrap()
    }
}

pub(super) fn sound(name: &str) -> Vec<u8> {
    fs::read(format!("{}/scripts/asterisk/packs/{name}.mp3", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// Two seconds of frames in which nothing is.
pub(super) fn silence() -> Vec<u8> {
    [&[0xff, 0xfb, 0x90, 0xc4][..], &[0; 413]].concat().repeat(80)
}

pub(super) fn facts(title: Option<&str>, body: &str) -> Value {
    let mut facts = json!({"caller": "+221775550124", "recorded_at": "2026-11-24T10:00:00Z", "language": "fr", "category": "2",
        "hung_up": true, "body": body});
    if let Some(title) = title {
        facts["title"] = title.into();
    }
    facts
}

pub(super) fn uuid(number: u32) -> String {
    format!("6f1c0f1e-9a44-4b0e-8f6f-{number:012x}")
}

pub(super) fn sha1(bytes: &[u8]) -> String {
    hex::encode(Sha1::digest(bytes))
}

pub(super) async fn problem(answer: Response) -> (u16, Value) {
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_seen_whole_at_once_and_kept_once() {
    let phone = Phone::new().await;
    let (title, body) = (sound("en/programs/untitled"), sound("en/home/welcome_standard"));
    let facts = facts(Some(&phone.upload(&title).await), &phone.upload(&body).await);
    let kept = phone.put(&uuid(1), &facts).await.unwrap();
    assert_eq!(kept.status(), 201);
    let kept: Value = kept.json().await.unwrap();
    assert_eq!((kept["state"].as_str(), kept["server"].as_str()), (Some("waiting"), Some("everything")));
    assert_eq!((kept["hung_up"].as_bool(), kept["silent"].as_bool()), (Some(true), Some(false)));
    assert!(kept["body"]["duration_ms"].as_u64().unwrap() > 500 && kept["received_at"] != kept["recorded_at"]);
    for _ in 0..3 {
        assert_eq!(phone.put(&uuid(1), &facts).await.unwrap().status(), 200);
    }
    let mut other = facts.clone();
    other["caller"] = "+221775550125".into();
    let (status, refused) = problem(phone.put(&uuid(1), &other).await.unwrap()).await;
    assert_eq!((status, refused["type"].as_str().unwrap()), (409, "urn:audiospread:problem:conflict"));
    assert_eq!(phone.states().await, ["waiting"]);

    let bytes = |path: String| phone.client.get(format!("{}{path}", phone.gateway.url())).bearer_auth(EVERYTHING);
    for (part, expected) in [("title", &title), ("body", &body)] {
        let path = kept[part]["href"].as_str().unwrap().to_owned();
        assert_eq!(bytes(path.clone()).send().await.unwrap().bytes().await.unwrap(), expected);
        let rest = bytes(path.clone()).header("Range", "bytes=100-").send().await.unwrap();
        assert_eq!((rest.status().as_u16(), rest.bytes().await.unwrap()), (206, expected[100..].to_vec().into()));
        let forbidden = phone.client.get(format!("{}{path}", phone.gateway.url())).bearer_auth(WITHOUT_FEED);
        assert_eq!(forbidden.send().await.unwrap().status(), 403);
    }
    assert_eq!(bytes(format!("/v1/recordings/{}/tail", uuid(1))).send().await.unwrap().status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_kept_is_refused_and_nothing_of_it_is_seen() {
    let phone = Phone::new().await;
    let body = phone.upload(&sound("en/programs/untitled")).await;
    let away = Sha256Digest::of(b"never uploaded").to_hex();
    let (status, refused) = problem(phone.put(&uuid(1), &facts(Some(&away), &body)).await.unwrap()).await;
    assert_eq!((status, &refused["digests"]), (409, &json!([away])));
    assert_eq!(refused["type"], "urn:audiospread:problem:missing_uploads");

    let wave = fs::read(phone.site.files().join("transcript_04.txt")).unwrap();
    let mut noise = 1_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        noise.to_be_bytes()[0]
    })
    .take(200_000)
    .collect();
    for bytes in [wave, noise, vec![0; 100_000], b"\xff\xfb".to_vec(), b"ID3".repeat(1_000)] {
        let digest = phone.upload(&bytes).await;
        let (status, refused) = problem(phone.put(&uuid(2), &facts(None, &digest)).await.unwrap()).await;
        assert_eq!((status, refused["type"].as_str().unwrap()), (422, "urn:audiospread:problem:unusable_recording"));
    }
    let mut odd = facts(None, &body);
    odd["caller"] = "0775550124".into();
    let (status, refused) = problem(phone.put(&uuid(3), &odd).await.unwrap()).await;
    assert!(status == 400 && !refused.to_string().contains("0775550124"), "{refused}");
    assert_eq!(phone.put("not-a-uuid", &facts(None, &body)).await.unwrap().status(), 400);
    assert_eq!(phone.put(&uuid(4).to_uppercase(), &facts(None, &body)).await.unwrap().status(), 400);
    assert!(phone.states().await.is_empty());

    let silent = phone.upload(&silence()).await;
    let kept: Value = phone.put(&uuid(5), &facts(None, &silent)).await.unwrap().json().await.unwrap();
    assert_eq!(kept["silent"], true, "what is silent is kept, and says so: {kept}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_recorded_by_a_clock_that_is_wrong_is_kept_too() {
    let phone = Phone::new().await;
    let body = phone.upload(&sound("en/home/welcome_standard")).await;
    let mut facts = facts(None, &body);
    for (number, moment) in (1..).zip(["1969-12-31T23:00:00Z", "2106-02-07T06:28:16Z", "9999-12-30T00:00:00Z"]) {
        facts["recorded_at"] = moment.into();
        assert_eq!(phone.put(&uuid(number), &facts).await.unwrap().status(), 201, "{moment}");
        assert_eq!(phone.get(&format!("/v1/recordings/{}", uuid(number))).await["recorded_at"], moment);
    }
    let offered = phone.call("audiospread.recordings.pending", PENDING).await;
    assert_eq!(offered.matches("<i4>2147483647</i4>").count(), 2, "{offered}");
}

#[tokio::test(flavor = "multi_thread")]
async fn drupals_tables_say_what_became_of_a_recording() {
    let phone = Phone::new().await;
    let body = phone.upload(&sound("en/programs/untitled")).await;
    for number in 1..=6 {
        assert_eq!(phone.put(&uuid(number), &facts(None, &body)).await.unwrap().status(), 201);
    }
    assert_eq!(phone.states().await, ["waiting"; 6], "without the module nobody has taken them");
    let waiting = phone.call("audiospread.recordings.pending", PENDING).await;
    assert_eq!(waiting.matches("<name>uuid</name>").count(), 6);
    for told in [
        "<name>caller</name><value><string>+221775550124</string></value>",
        "<name>category</name><value><i4>2</i4></value>",
        "<name>body_store</name><value><string>bitcache</string></value>",
        "<name>title_store</name><value><string></string></value>",
        "<name>title_size</name><value><i4>0</i4></value>",
        &format!(
            "<name>body_ref</name><value><string>bitcache://{}</string></value>",
            sha1(&sound("en/programs/untitled"))
        ),
        &format!("<name>body_sha256</name><value><string>{body}</string></value>"),
    ] {
        assert!(waiting.contains(told), "{told}: {waiting}");
    }
    let status = phone.call("audiospread.status", "").await;
    assert!(status.contains("<name>backlog</name><value><i4>6</i4></value>"), "{status}");

    phone
        .site
        .sql(&format!(
            "CREATE TABLE {{audiospread_recording}} (uuid VARCHAR(36) NOT NULL PRIMARY KEY, nid INT UNSIGNED NOT NULL DEFAULT 0,
               state VARCHAR(16) NOT NULL, reason VARCHAR(255) NOT NULL DEFAULT '', decided_at INT UNSIGNED NOT NULL DEFAULT 0,
               caller VARCHAR(32) NOT NULL DEFAULT '');
             INSERT INTO {{audiospread_recording}} (uuid, nid, state, reason) VALUES
               ('{}', 0, 'claimed', ''), ('{}', 171, 'rejected', ''), ('{}', 999999, 'made', ''), ('{}', 165, 'made', ''),
               ('{}', 166, 'rejected', 'Too loud');
             UPDATE {{node}} SET status = 0 WHERE nid = 165; UPDATE {{node}} SET status = 0 WHERE nid = 166;
             UPDATE {{node}} SET status = 1 WHERE nid = 171",
            uuid(1),
            uuid(2),
            uuid(3),
            uuid(4),
            uuid(5)
        ))
        .await;
    let mut states = phone.states().await;
    states.sort();
    assert_eq!(states, ["approved", "deleted", "pending", "rejected", "waiting", "waiting"]);
    let rejected = phone.get("/v1/recordings?state=rejected").await;
    assert_eq!(
        (rejected["recordings"][0]["reason"].as_str(), rejected["recordings"].as_array().unwrap().len()),
        (Some("Too loud"), 1)
    );
    let mut all = Vec::new();
    let mut path = "/v1/recordings?limit=2".to_owned();
    loop {
        let page = phone.get(&path).await;
        all.extend(page["recordings"].as_array().unwrap().iter().map(|one| one["uuid"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/recordings?limit=2&cursor={next}");
    }
    all.sort();
    assert_eq!(all, (1..=6).map(uuid).collect::<Vec<_>>(), "page by page each comes once");

    let waiting = phone.call("audiospread.recordings.pending", PENDING).await;
    assert_eq!(waiting.matches("<name>uuid</name>").count(), 2, "what Drupal has a node of is not offered again");
    let said = |number: u32, state: &str| {
        format!(
            "<value><struct><member><name>uuid</name><value>{}</value></member><member><name>nid</name><value><int>7</int></value></member>\
             <member><name>state</name><value>{state}</value></member><member><name>message</name><value>No type.</value></member></struct></value>",
            uuid(number)
        )
    };
    let taken = [said(1, "made"), said(6, "refused"), said(99, "made"), said(1, "nonsense")].concat();
    for _ in 0..2 {
        let params = format!("<param><value><array><data>{taken}</data></array></value></param>");
        let known = phone.call("audiospread.recordings.taken", &params).await;
        assert!(known.contains("<value><i4>2</i4></value>"));
    }
    let waiting = phone.call("audiospread.recordings.pending", PENDING).await;
    assert!(
        waiting.contains("<array><data></data></array>"),
        "one is taken, the other is offered in an hour: {waiting}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_half_done_when_the_gateway_stopped_is_finished_or_undone() {
    let mut phone = Phone::new().await;
    let (title, body) = (sound("en/programs/untitled"), sound("en/home/welcome_standard"));
    let facts = facts(Some(&phone.upload(&title).await), &phone.upload(&body).await);
    for number in 1..=2 {
        assert_eq!(phone.put(&uuid(number), &facts).await.unwrap().status(), 201);
    }
    let Phone { site, gateway, client } = phone;
    drop(gateway);
    let recordings = site.directory().join("data-intake/recordings");
    fs::remove_dir_all(site.directory().join("data-intake/uploads/staged")).unwrap();
    fs::remove_file(recordings.join(format!("{}-title.mp3", uuid(2)))).unwrap();
    let mut own = crate::harness::Mariadb::shared().connect(Some(&site.own_database)).await;
    mysql_async::prelude::Queryable::query_drop(&mut own, "UPDATE recording SET state = 'storing'").await.unwrap();
    let gateway = Gateway::named(&site, "intake", "");
    phone = Phone { gateway, site, client };
    phone.until_it_listens().await;
    let list = phone.get("/v1/recordings").await;
    assert_eq!(list["recordings"].as_array().unwrap().len(), 1, "{list}");
    assert_eq!(list["recordings"][0]["uuid"], uuid(1));
    assert_eq!(phone.put(&uuid(2), &facts).await.unwrap().status(), 409, "its bytes are to be sent again");
    assert!(!recordings.join(format!("{}-body.mp3", uuid(2))).exists());
}

/// Drupal, as far as it answers a wake-up: what was asked, word for word, for each call.
fn drupal_that_is_woken() -> (String, std::sync::mpsc::Receiver<String>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/drupal", listener.local_addr().unwrap());
    let (woken, calls) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            while !String::from_utf8_lossy(&request).contains("</methodCall>") {
                let mut piece = [0; 4_096];
                let read = std::io::Read::read(&mut stream, &mut piece).unwrap();
                request.extend_from_slice(&piece[..read]);
            }
            let body = "<?xml version=\"1.0\"?><methodResponse><params><param><value><int>1</int></value></param></params></methodResponse>";
            let answer =
                format!("HTTP/1.0 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            std::io::Write::write_all(&mut stream, answer.as_bytes()).unwrap();
            if woken.send(String::from_utf8(request).unwrap()).is_err() {
                return;
            }
        }
    });
    (address, calls)
}

#[tokio::test(flavor = "multi_thread")]
async fn drupal_is_woken_by_the_key_that_its_module_gave_last() {
    let (address, calls) = drupal_that_is_woken();
    let site =
        DrupalSite::new().configure(&format!("drupal.settle_ms = 50\ndrupal.site_url = \"{address}\"")).build().await;
    let phone = Phone { gateway: Gateway::named(&site, "intake", ""), client: Client::new(), site };
    phone.until_it_listens().await;
    let body = phone.upload(&sound("en/programs/untitled")).await;
    // As long as the module has never asked, nobody knows the key, and nobody is woken.
    assert_eq!(phone.put(&uuid(1), &facts(None, &body)).await.unwrap().status(), 201);
    until("it is said that the module never asked", async || phone.gateway.log().contains("has never asked")).await;
    for key in ["a".repeat(64), "b".repeat(64)] {
        let params =
            format!("<param><value><int>1</int></value></param><param><value><string>{key}</string></value></param>");
        assert!(phone.call("audiospread.recordings.pending", &params).await.contains("<name>uuid</name>"));
    }
    assert_eq!(phone.put(&uuid(2), &facts(None, &body)).await.unwrap().status(), 201);
    let call = tokio::task::block_in_place(|| calls.recv_timeout(Duration::from_secs(60))).unwrap();
    assert!(call.starts_with("POST /drupal/xmlrpc.php "), "{call}");
    assert!(call.contains("<methodName>audiospread.wake</methodName>") && call.contains(&"b".repeat(64)), "{call}");
    let refused =
        phone.call("audiospread.recordings.pending", &PENDING.replace("<string></string>", "<string>x</string>")).await;
    assert!(refused.contains("<i4>400</i4>"), "{refused}");
}
