//! What callers left reaches the gateway, each thing once, whatever breaks on the way.

use std::fs;
use std::time::Duration;

use audiospread_caller::{Hay, Pattern, SAME, Sound};
use camino::Utf8PathBuf;
use rand::Rng;
use reqwest::Client;
use rusqlite::{Connection, params};
use serde_json::{Value, json};

use super::running::until;
use crate::harness::DrupalSite;
use crate::harness::gateway::{EVERYTHING, Gateway};
use crate::harness::phone::{Phone, Ran, files_below};
use crate::harness::proxy::{Fault, Proxy};
use crate::harness::small_disk::SmallDisk;

/// Kills a push as often as this in each test run.
const KILLS: u32 = 20;

/// A phone server on which callers leave something, its link, and its gateway.
pub(super) struct Office {
    pub(super) site: DrupalSite,
    pub(super) gateway: Gateway,
    pub(super) link: Proxy,
    pub(super) phone: Phone,
}

impl Office {
    pub(super) async fn new() -> Self {
        Self::of(DrupalSite::new().configure("drupal.settle_ms = 50").build().await)
    }

    pub(super) fn of(site: DrupalSite) -> Self {
        let gateway = Gateway::named(&site, "intake", "");
        until("the gateway listens", || std::net::TcpStream::connect(gateway.address).is_ok());
        let link = Proxy::before(gateway.address);
        let phone = Phone::of(&link.url());
        let office = Self { site, gateway, link, phone };
        // Makes calls.db.
        assert_eq!(office.push(&[]).code(), 0);
        office.link.take_seen();
        office
    }

    /// The same, its gateway killed and started again.
    pub(super) fn with_a_gateway_that_was_killed(self) -> Self {
        let Self { site, gateway, link, phone } = self;
        drop(gateway);
        let gateway = Gateway::named(&site, "intake", "");
        link.aim_at(gateway.address);
        until("the gateway listens", || std::net::TcpStream::connect(gateway.address).is_ok());
        Self { site, gateway, link, phone }
    }

    /// Ends the gateway, then the disk of its data, then what that was in.
    pub(super) fn end_with(self, disk: SmallDisk) {
        let Self { site, gateway, .. } = self;
        drop(gateway);
        drop(disk);
        drop(site);
    }

    pub(super) fn push(&self, arguments: &[&str]) -> Ran {
        self.phone.run(&[&["push", "--json"], arguments].concat())
    }

    /// Pushes, and fails unless nothing fails; what it says at its end.
    pub(super) fn pushed(&self) -> Value {
        let ran = self.push(&[]);
        assert_eq!(ran.code(), 0, "{ran}");
        ran.last_line()
    }

    pub(super) fn calls(&self) -> Connection {
        let connection = Connection::open(self.phone.data().join("calls.db")).unwrap();
        connection.busy_timeout(Duration::from_secs(10)).unwrap();
        connection
    }

    pub(super) fn recordings(&self) -> Utf8PathBuf {
        self.phone.data().join("recordings")
    }

    /// What the menus do when a caller has left something.
    pub(super) fn leaves(&self, number: u32, title: Option<&Sound>, body: &Sound) -> String {
        let uuid = uuid(number);
        let write = |part: &str, sound: &Sound| {
            let path = self.recordings().join(format!("{uuid}-{part}.wav"));
            sound.write(&path).unwrap();
            path.into_string()
        };
        let title = title.map_or_else(String::new, |title| write("title", title));
        self.hands_over(&uuid, &title, &write("body", body));
        uuid
    }

    fn hands_over(&self, uuid: &str, title: &str, body: &str) {
        self.calls()
            .execute(
                "INSERT INTO recordings (uuid, state, title_path, body_path, caller, language, category_id, started_at, ended_at, hung_up)
                 VALUES (?1, 'done', ?2, ?3, '+221775550109', 'fr', 2, 1795396648, 1795396711, 1)",
                params![uuid, title, body],
            )
            .unwrap();
    }

    pub(super) async fn get(&self, path: &str) -> reqwest::Response {
        let request = Client::new().get(format!("{}{path}", self.gateway.url())).bearer_auth(EVERYTHING);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer
    }

    /// What the gateway has.
    pub(super) async fn kept(&self) -> Vec<Value> {
        let list: Value = self.get("/v1/recordings").await.json().await.unwrap();
        list["recordings"].as_array().unwrap().clone()
    }

    /// Fails unless this part of a recording at the gateway is what was said.
    pub(super) async fn assert_holds(&self, part: &Value, said: &Sound) {
        let bytes = self.get(part["href"].as_str().unwrap()).await.bytes().await.unwrap();
        let path = self.phone.path().join("heard.mp3");
        fs::write(&path, &bytes).unwrap();
        let (kept, pattern) = (Sound::read(&path).unwrap(), Pattern::of(said));
        let found = Hay::of(&kept, &pattern).best(&pattern);
        assert!(found.is_some_and(|found| found.likeness >= SAME), "{:?}: {found:?}", kept.duration());
    }

    pub(super) fn status(&self) -> Value {
        // It wants a mirror, which here nobody has pulled into.
        let ran = self.phone.run(&["pull", "--json"]);
        assert!(self.phone.data().join("mirror.db").exists(), "{ran}");
        self.phone.run(&["status", "--json"]).last_line()["calls"].clone()
    }

    pub(super) fn files(&self, directory: &str) -> Vec<String> {
        let entries = self.phone.data().join(directory).read_dir_utf8().unwrap().map(|entry| entry.unwrap());
        let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
        let mut names: Vec<String> = files.map(|entry| entry.file_name().to_owned()).collect();
        names.sort();
        names
    }

    /// The month in which the last call began, as the gateway counts.
    fn month(&self) -> String {
        let query = "SELECT strftime('%Y-%m', start) FROM cdr ORDER BY id DESC LIMIT 1";
        self.calls().query_row(query, [], |row| row.get(0)).unwrap()
    }

    /// A call that ended some days ago.
    fn called(&self, caller: &str, direction: Option<&str>, heard: &[(u32, u32, u32)]) -> i64 {
        let calls = self.calls();
        let id: i64 = calls.query_row("SELECT coalesce(max(id), 0) + 1 FROM cdr", [], |row| row.get(0)).unwrap();
        let call = format!("call-{id}");
        for (program, from, to) in heard {
            calls
                .execute(
                    "INSERT INTO event (call_id, caller, kind, program_id, from_ms, to_ms) VALUES (?1, ?2, 'played', ?3, ?4, ?5)",
                    params![call, caller, program, from, to],
                )
                .unwrap();
        }
        calls
            .execute(
                "INSERT INTO cdr (start, answer, \"end\", duration, billsec, disposition, call_id, caller, direction, plan)
                 VALUES (datetime('now', '-3 days'), datetime('now', '-3 days', '2 seconds'), datetime('now', '-3 days', '3 minutes'), 180, 178,
                   'ANSWERED', ?1, ?2, ?3, 'premium')",
                params![call, caller, direction],
            )
            .unwrap();
        id
    }
}

pub(super) fn uuid(number: u32) -> String {
    format!("7a1c0f1e-9a44-4b0e-8f6f-{number:012x}")
}

fn spoken(prompt: &str) -> Sound {
    Sound::read(format!("{}/scripts/asterisk/packs/en/{prompt}.mp3", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

pub(super) fn title() -> Sound {
    spoken("home/goodbye")
}

pub(super) fn message() -> Sound {
    spoken("recording/record_welcome")
}

/// A message that goes in several pieces.
fn long_message() -> Sound {
    let message = message();
    let times = 40 * 8_000 / message.samples().len() + 1;
    Sound::from_samples(message.samples().repeat(times))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_reaches_the_gateway_once_and_is_what_was_said() {
    let office = Office::new().await;
    let whole = office.leaves(1, Some(&title()), &message());
    let bare = office.leaves(2, None, &message());
    office
        .calls()
        .execute(
            "UPDATE recordings SET caller = '', category_id = NULL, language = '', hung_up = 0 WHERE uuid = ?1",
            [&bare],
        )
        .unwrap();
    let report = office.pushed();
    assert_eq!((&report["recordings"], &report["recordings_known"]), (&json!(2), &json!(0)), "{report}");
    let kept = office.kept().await;
    let of = |uuid: &str| kept.iter().find(|kept| kept["uuid"] == uuid).unwrap();
    assert_eq!(kept.len(), 2);
    let expected = json!({"caller": "+221775550109", "language": "fr", "category": "2", "hung_up": true, "recorded_at": "2026-11-23T01:17:28Z"});
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&of(&whole)[name], value, "{name}");
    }
    office.assert_holds(&of(&whole)["title"], &title()).await;
    office.assert_holds(&of(&whole)["body"], &message()).await;
    for absent in ["caller", "category", "title"] {
        assert_eq!(of(&bare)[absent], Value::Null, "{absent}");
    }
    assert_eq!((&of(&bare)["language"], &of(&bare)["hung_up"]), (&json!(""), &json!(false)));
    assert!(office.files("recordings").is_empty() && office.files("outgoing").is_empty());
    assert_eq!(office.files("recordings/archive").len(), 3, "what was recorded stays for a while");
    office.link.take_seen();
    assert_eq!(office.pushed()["recordings"], 0);
    assert!(office.link.take_seen().is_empty(), "nothing is sent twice");
    assert_eq!(office.status()["recordings_waiting"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_cut_off_goes_on_where_it_was_after_a_restart_too() {
    let office = Office::new().await;
    let uuid = office.leaves(1, None, &long_message());
    // The first piece arrives, though its answer does not; then the link carries no whole piece any more.
    office.link.fail("PATCH /v1/uploads/", 1, Fault::LoseAnswer);
    office.link.fail("PATCH /v1/uploads/", usize::MAX, Fault::CutRequestAfter(1000));
    let cut = office.push(&[]);
    assert_eq!(cut.code(), 75, "{cut}");
    let first = office.link.take_seen().iter().find(|seen| seen.method == "PATCH").unwrap().sent;
    let (digest, size): (String, u64) = office
        .calls()
        .query_row("SELECT sha256, bytes FROM delivery_part WHERE uuid = ?1", [&uuid], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()))
        })
        .unwrap();
    office.link.heal();
    assert_eq!(office.pushed()["recordings"], 1);
    let seen = office.link.take_seen();
    let sent: u64 = seen.iter().filter(|seen| seen.method == "PATCH").map(|seen| seen.sent).sum();
    assert_eq!((sent, size > 3 * first), (size - first, true), "not a byte twice");
    assert!(!seen.iter().any(|seen| seen.method == "POST"), "the upload is the one that was begun");
    let kept = office.kept().await;
    assert_eq!(kept[0]["body"]["sha256"], digest, "it was encoded once");
    office.assert_holds(&kept[0]["body"], &message()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_is_killed_at_random_moments_brings_each_recording_once_and_each_call_once() {
    let office = Office::new().await;
    let recordings: u32 = 6;
    for number in 1..=recordings {
        office.leaves(number, (number % 2 == 0).then(title).as_ref(), &message());
        office.called("+221775550109", Some("in"), &[(171, 0, 5_000)]);
    }
    let kills = std::env::var("AUDIOSPREAD_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    for _ in 0..kills {
        let mut push = office.phone.start(&["push"]).unwrap();
        std::thread::sleep(Duration::from_millis(rand::rng().random_range(5..250)));
        push.kill().unwrap();
        push.wait().unwrap();
    }
    let report = office.pushed();
    assert_eq!((&report["recordings_waiting"], &report["calls_waiting"]), (&json!(0), &json!(0)), "{report}");
    let kept = office.kept().await;
    let mut uuids: Vec<String> = kept.iter().map(|kept| kept["uuid"].as_str().unwrap().to_owned()).collect();
    uuids.sort();
    assert_eq!(uuids, (1..=recordings).map(uuid).collect::<Vec<_>>());
    assert_eq!(office.files("recordings/quarantine"), Vec::<String>::new());
    for kept in &kept {
        office.assert_holds(&kept["body"], &message()).await;
    }
    assert_eq!(office.files("recordings/archive").len(), 9);
    // The encoder of a push that was killed may have begun its file since; that goes with the next push.
    until("nothing is left over", || {
        office.pushed();
        office.files("outgoing").is_empty()
    });
    let totals: Value = office.get(&format!("/v1/calls/totals?month={}", office.month())).await.json().await.unwrap();
    assert_eq!(totals["callers"][0]["calls"], recordings, "{totals}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_takes_goes_into_quarantine_with_its_reason_and_holds_up_nobody() {
    let office = Office::new().await;
    let spoilt = office.leaves(1, None, &message());
    fs::write(office.recordings().join(format!("{spoilt}-body.wav")), "no wave at all").unwrap();
    let gone = office.leaves(2, None, &message());
    fs::remove_file(office.recordings().join(format!("{gone}-body.wav"))).unwrap();
    let outside = uuid(3);
    office.hands_over(&outside, "", "/etc/passwd");
    let unnamed = "../../evil".to_owned();
    office.hands_over(&unnamed, "", office.recordings().join("evil.wav").as_str());
    let good = office.leaves(5, Some(&title()), &message());
    let report = office.pushed();
    assert_eq!((&report["recordings"], &report["quarantined"]), (&json!(1), &json!(4)), "{report}");
    let kept = office.kept().await;
    assert_eq!((kept.len(), &kept[0]["uuid"]), (1, &json!(good)));

    // The gateway keeps what it has.
    office.calls().execute_batch("DELETE FROM delivery WHERE state = 'confirmed'; DELETE FROM delivery_part").unwrap();
    office.leaves_again(&good, &title());
    let ran = office.push(&[]);
    assert_eq!(ran.last_line()["quarantined"], 1, "{ran}");
    let status = office.status();
    let why = |uuid: &str| {
        let kept = status["quarantined"].as_array().unwrap().iter().find(|kept| kept["uuid"] == uuid);
        kept.unwrap_or_else(|| panic!("{uuid}: {status}"))["why"].as_str().unwrap().to_owned()
    };
    assert!(why(&spoilt).contains("cannot be decoded"), "{}", why(&spoilt));
    assert!(why(&gone).contains("is gone"), "{}", why(&gone));
    assert!(why(&outside).contains("no file in"), "{}", why(&outside));
    assert!(why(&unnamed).contains("uuid"), "{}", why(&unnamed));
    assert!(why(&good).contains("another recording of this uuid"), "{}", why(&good));
    assert!(office.files("recordings/quarantine").contains(&format!("{spoilt}-body.wav")));
    let said = office.phone.run(&["status"]).out();
    assert!(said.contains("--retry-quarantined") && said.contains(&why(&spoilt)), "{said}");

    // Somebody mends it.
    message().write(office.recordings().join(format!("quarantine/{spoilt}-body.wav"))).unwrap();
    let again = office.push(&["--retry-quarantined"]).last_line();
    assert_eq!((&again["recordings"], &again["quarantined"]), (&json!(1), &json!(4)), "{again}");
    assert!(office.files("recordings/archive").contains(&format!("{spoilt}-body.wav")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_gateway_forgot_that_was_restored_from_a_backup_is_sent_again_when_that_is_asked_for() {
    let office = Office::new().await;
    office.called("+221775550109", Some("in"), &[]);
    let (kept, forgotten) =
        (office.leaves(1, Some(&title()), &message()), office.leaves(2, Some(&title()), &message()));
    assert_eq!(office.pushed()["recordings"], 2);
    for table in ["recording", "recording_part"] {
        office.site.own(&format!("DELETE FROM {table} WHERE uuid = UNHEX(REPLACE('{forgotten}', '-', ''))")).await;
    }
    office.site.own("DELETE FROM call_record").await;
    for file in files_below(&office.site.directory().join("data-intake")) {
        if file.as_str().contains("/staged/") || file.as_str().contains(&forgotten) {
            fs::remove_file(file).unwrap();
        }
    }
    assert_eq!(office.pushed()["recordings"], 0, "it is not known here");
    let before = office.push(&["--again-since", "2999-01-01"]).last_line();
    assert_eq!((&before["recordings"], &before["calls"]), (&json!(0), &json!(0)), "{before}");
    office.link.take_seen();
    let again = office.push(&["--again-since", "2000-01-01T00:00:00Z"]).last_line();
    assert_eq!(
        (&again["recordings"], &again["recordings_known"], &again["quarantined"]),
        (&json!(2), &json!(1), &json!(0)),
        "{again}"
    );
    assert_eq!((&again["calls"], &again["calls_known"]), (&json!(1), &json!(0)), "{again}");
    let uploads = office.link.take_seen().iter().filter(|seen| seen.path == "/v1/uploads").count();
    assert_eq!(uploads, 2, "only what is forgotten travels");
    let mut uuids: Vec<_> =
        office.kept().await.iter().map(|recording| recording["uuid"].as_str().unwrap().to_owned()).collect();
    uuids.sort();
    assert_eq!(uuids, [kept, forgotten]);
    assert_eq!(office.files("recordings/archive").len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_of_whom_no_number_is_known_is_heard_all_the_same() {
    let office = Office::new().await;
    for (number, caller) in (1..).zip(["", "Unavailable", "0775550109"]) {
        let uuid = office.leaves(number, None, &message());
        office.calls().execute("UPDATE recordings SET caller = ?2 WHERE uuid = ?1", [uuid.as_str(), caller]).unwrap();
    }
    assert_eq!(office.pushed()["recordings"], 3);
    let kept = office.kept().await;
    assert!(kept.len() == 3 && kept.iter().all(|recording| recording.get("caller").is_none()), "{kept:?}");
}

impl Office {
    /// The same row with another sound, as no menu ever does it.
    fn leaves_again(&self, uuid: &str, sound: &Sound) {
        sound.write(self.recordings().join(format!("{uuid}-body.wav"))).unwrap();
        title().write(self.recordings().join(format!("{uuid}-title.wav"))).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_gateway_nothing_is_lost_and_the_exit_code_says_later() {
    let office = Office::new().await;
    let uuid = office.leaves(1, None, &message());
    let call = office.called("+221775550109", Some("in"), &[]);
    for fault in [Fault::Drop, Fault::Answer(429, "3600"), Fault::Answer(502, "")] {
        office.link.fail("/v1/", usize::MAX, fault.clone());
        let ran = office.push(&[]);
        assert_eq!(ran.code(), 75, "{fault:?}: {ran}");
        office.link.heal();
    }
    // A network that wants a login, and an old gateway, are for a person to look at; what is here stays all the same.
    office.link.fail("/v1/", usize::MAX, Fault::Login);
    let ran = office.push(&[]);
    assert!(ran.code() == 1 && ran.err().contains("login"), "{ran}");
    office.link.heal();
    let status = office.status();
    assert_eq!((&status["recordings_waiting"], &status["call_records_waiting"]), (&json!(1), &json!(1)));
    assert!(status["push_failure"].as_str().unwrap().contains("login"), "{status}");
    assert_eq!(office.files("recordings"), [format!("{uuid}-body.wav")]);
    let report = office.pushed();
    assert_eq!((&report["recordings"], &report["calls"]), (&json!(1), &json!(1)), "{report}");
    assert_eq!((call, &office.status()["push_failure"]), (1, &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_the_gateway_forgot_and_an_answer_that_was_lost_are_sent_again_without_doubling_anything() {
    let office = Office::new().await;
    office.leaves(1, Some(&title()), &message());
    office.link.fail("PUT /v1/recordings/", usize::MAX, Fault::Answer(503, ""));
    let ran = office.push(&[]);
    assert_eq!(ran.code(), 75, "{ran}");
    office.link.heal();
    // As when they have expired.
    let mut removed = 0;
    for path in files_below(&office.site.directory().join("data-intake")) {
        if path.as_str().contains("upload") {
            fs::remove_file(&path).or_else(|error| if path.exists() { Err(error) } else { Ok(()) }).unwrap();
            removed += 1;
        }
    }
    assert!(removed > 0, "the gateway keeps its uploads somewhere else");
    // It is kept, and the answer is lost as often as this program asks.
    office.link.fail("PUT /v1/recordings/", 1, Fault::LoseAnswer);
    let report = office.pushed();
    assert_eq!((&report["recordings"], &report["recordings_waiting"]), (&json!(1), &json!(0)), "{report}");
    assert_eq!(office.kept().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn call_records_go_once_with_what_was_listened_to_and_a_refused_one_holds_up_no_other() {
    let office = Office::new().await;
    let first = office.called("+221775550109", Some("in"), &[(171, 0, 5_000), (171, 5_000, 9_000), (165, 0, 1_000)]);
    let senseless = office.called("SIP/ibrahim", Some("in"), &[]);
    office.called("", None, &[]);
    let backwards = office.called("+221775550109", Some("callback"), &[]);
    office.calls().execute("UPDATE cdr SET \"end\" = datetime(start, '-1 day') WHERE id = ?1", [backwards]).unwrap();
    office.called("+221775550110", Some("in"), &[]);
    let month = office.month();
    // One that ended just now: its last events may still come.
    let recent = office.called("+221775550110", Some("in"), &[]);
    let ends_now = || {
        let now =
            "UPDATE cdr SET start = datetime('now'), answer = datetime('now'), \"end\" = datetime('now') WHERE id = ?1";
        assert_eq!(office.calls().execute(now, [recent]).unwrap(), 1);
    };
    ends_now();
    let report = office.pushed();
    let counts = |report: &Value| ["calls", "calls_known", "calls_refused"].map(|name| report[name].as_u64().unwrap());
    assert_eq!(counts(&report), [2, 0, 2], "{report}");
    let totals = async |query: &str| -> Value {
        let mut totals: Value =
            office.get(&format!("/v1/calls/totals?month={month}{query}")).await.json().await.unwrap();
        // Who that is, the gateway knows as soon as it has read the site.
        for caller in totals["callers"].as_array_mut().into_iter().flatten() {
            caller.as_object_mut().unwrap().remove("subscriber");
        }
        totals
    };
    let (callers, programs) = (totals("").await, totals("&by=program").await);
    assert_eq!(
        (&callers["callers"][0]["number"], &callers["callers"][0]["calls"]),
        (&json!("+221775550109"), &json!(1))
    );
    assert_eq!(callers["callers"][1]["number"], "+221775550110");
    assert!(programs.to_string().contains("171"), "{programs}");
    let refused: Vec<i64> = {
        let calls = office.calls();
        let mut statement = calls.prepare("SELECT cdr_id FROM refused_call ORDER BY cdr_id").unwrap();
        let ids = statement.query_map([], |row| row.get(0)).unwrap();
        ids.collect::<Result<_, _>>().unwrap()
    };
    assert_eq!(refused, [senseless, backwards]);
    let status = office.status();
    assert!(status["last_refused"].as_str().unwrap().contains(&format!("record {backwards}: ")), "{status}");
    assert_eq!(status["call_records_waiting"], 1);

    // A calls.db that was restored from before: what goes again is known.
    office.calls().execute("DELETE FROM meta WHERE name = 'calls_settled'", []).unwrap();
    ends_now();
    let again = office.pushed();
    assert_eq!(counts(&again), [2, 2, 2], "{again}");
    assert_eq!((totals("").await, totals("&by=program").await), (callers, programs));
    assert_eq!(first, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_menus_file_goes_too_and_what_is_old_and_confirmed_is_cleaned() {
    let office = Office::new().await;
    let uuid = uuid(7);
    let body = office.recordings().join("theirs.wav");
    message().write(&body).unwrap();
    fs::write(
        office.recordings().join(format!("{uuid}.json")),
        json!({"body_path": body, "caller": "+221775550109", "started_at": 1_795_396_648, "ended_at": 1_795_396_711})
            .to_string(),
    )
    .unwrap();
    office.called("+221775550109", Some("in"), &[(171, 0, 5_000)]);
    let thrown_away = office.leaves(8, None, &message());
    office
        .calls()
        .execute("UPDATE recordings SET state = 'dropped', ended_at = 9 WHERE uuid = ?1", [&thrown_away])
        .unwrap();
    assert_eq!(office.pushed()["recordings"], 1);
    assert_eq!(office.kept().await[0]["uuid"], uuid);
    assert_eq!(office.files("recordings/archive"), ["theirs.wav"]);
    assert!(office.files("recordings").is_empty(), "what a caller threw away goes: {:?}", office.files("recordings"));
    office
        .calls()
        .execute_batch("UPDATE delivery SET settled_at = 0; UPDATE cdr SET \"end\" = '2020-01-01 00:00:00'; UPDATE event SET at = 0")
        .unwrap();
    office.pushed();
    assert!(office.files("recordings/archive").is_empty());
    for table in ["recordings", "delivery", "delivery_part", "cdr", "event"] {
        let left: i64 =
            office.calls().query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
        assert_eq!(left, 0, "{table}");
    }
    assert_eq!(office.kept().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_keep_to_the_limit_and_a_missing_encoder_and_a_wrong_clock_are_said() {
    let office = Office::new().await;
    office.leaves(1, None, &long_message());
    office.phone.configure(&office.link.url(), "[push]\nencoder = \"/no/such/lame\"\n");
    let ran = office.push(&[]);
    assert!(ran.code() == 1 && ran.err().contains("apt install lame"), "{ran}");
    office.phone.configure(&office.link.url(), "");
    office.link.fail("POST /v1/uploads", 1, Fault::Date("Tue, 01 Jan 2019 00:00:00 GMT"));
    let begun = std::time::Instant::now();
    let ran = office.push(&["--limit-rate", "32k"]);
    assert_eq!(ran.code(), 0, "{ran}");
    assert!(ran.out().contains("this host's clock is"), "{ran}");
    let bytes = ran.last_line()["bytes"].as_u64().unwrap();
    // The first quarter of a second is free.
    let least = Duration::from_millis((bytes * 1000 / (32 << 10)).saturating_sub(250));
    assert!(begun.elapsed() >= least && least > Duration::from_secs(2), "{bytes} bytes in {:?}", begun.elapsed());
}
