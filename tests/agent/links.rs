//! Links that break, slow down and lie: nothing is lost, nothing is believed, and the words say what to do.

use std::fs;
use std::time::{Duration, Instant};

use reqwest::header::HeaderValue;

use super::phone_behind_a_link;
use crate::harness::DrupalSite;
use crate::harness::gateway::{ALL_PROGRAMS, EVERYTHING, Gateway, WITHOUT_FEED};
use crate::harness::phone::Phone;
use crate::harness::proxy::{Fault, Proxy};

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_breaks_off_goes_on_where_it_was() {
    let (phone, link) = phone_behind_a_link().await;
    link.fail("/v1/blobs/", 40, Fault::CutAfter(1000));
    let report = phone.pull();
    assert_eq!(report["waiting"], 0);
    let seen = link.take_seen();
    // One that breaks off again goes on from there; some end before they could.
    let resumed = seen.iter().filter(|seen| seen.range.is_some()).count();
    assert!(resumed > 20, "{resumed}: {seen:?}");
    phone.verify(&[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_breaks_off_goes_on_where_it_was() {
    let (phone, link) = phone_behind_a_link().await;
    link.fail("/v1/feed", 3, Fault::CutAfter(1000));
    phone.pull();
    let asked: Vec<_> = link.take_seen().into_iter().filter(|seen| seen.path == "/v1/feed").collect();
    let ranges: Vec<_> = asked.iter().map(|seen| seen.range.as_deref()).collect();
    assert_eq!(ranges, [None, Some("bytes=1000-"), Some("bytes=2000-"), Some("bytes=3000-")]);
    let answered: Vec<_> = asked.iter().map(|seen| seen.answered.unwrap()).collect();
    let whole = answered[0];
    assert_eq!(answered, [whole, whole - 1000, whole - 2000, whole - 3000]);
    phone.verify(&[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_is_replaced_while_it_comes_is_continued_and_one_that_is_lost_begins_anew() {
    let settings = "[drupal]\nrefresh_seconds = 1\nsettle_ms = 100\n[feed]\nsnapshot_seconds = 1";
    let site = DrupalSite::new().configure(settings).build().await;
    let gateway = Gateway::of(&site, ALL_PROGRAMS);
    let link = Proxy::before(gateway.address);
    for is_lost in [false, true] {
        let phone = Phone::of(&link.url());
        link.take_seen();
        link.fail("/v1/feed", 1, Fault::CutAfter(1000));
        link.fail("/v1/feed", 10, Fault::Drop);
        let ran = phone.run(&["pull"]);
        assert_eq!(ran.code(), 75, "{ran}");
        link.heal();
        let whole = link.take_seen()[0].answered.unwrap();
        // That of the pull, or a later one if the site was not published to its end yet.
        let tag = other_snapshot(&gateway, None).await;
        let title = format!("Another title, {is_lost}");
        site.sql(&format!("UPDATE {{node}} SET title = '{title}' WHERE nid = 165")).await;
        other_snapshot(&gateway, Some(tag)).await;
        if is_lost {
            remove_replaced_snapshots(&site);
        }
        phone.pull();
        let seen = link.take_seen();
        assert_eq!(seen[0].range.as_deref(), Some("bytes=1000-"), "{seen:?}");
        assert_eq!(seen[0].answered == Some(whole - 1000), !is_lost, "{seen:?}");
        assert!(seen[1].path.starts_with("/v1/feed?since="), "then what came since: {seen:?}");
        let patience = Instant::now() + Duration::from_secs(60);
        while phone.value::<String>("SELECT title FROM phone_program WHERE id = 165") != title {
            assert!(Instant::now() < patience, "the change does not arrive");
            phone.pull();
        }
        phone.verify(&[]);
    }
}

/// Waits for a snapshot of the whole site with another entity tag than this, and returns that.
async fn other_snapshot(gateway: &Gateway, than: Option<HeaderValue>) -> HeaderValue {
    let patience = Instant::now() + Duration::from_secs(60);
    let client = reqwest::Client::builder().no_zstd().build().unwrap();
    loop {
        let request = client.head(format!("{}/v1/feed", gateway.url())).bearer_auth(EVERYTHING);
        let answer = request.header("accept-encoding", "zstd").send().await.unwrap();
        let length =
            answer.headers().get("content-length").and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        match answer.headers().get("etag") {
            Some(tag) if Some(tag) != than.as_ref() && length > Some(2000) => return tag.clone(),
            _ => assert!(Instant::now() < patience, "there is no other snapshot"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn remove_replaced_snapshots(site: &DrupalSite) {
    let directory = site.directory().join("data/snapshots");
    let manifest = fs::read_to_string(directory.join("snapshot.json")).unwrap();
    let names = directory.read_dir_utf8().unwrap().map(|entry| entry.unwrap().file_name().to_owned());
    let replaced: Vec<_> =
        names.filter(|name| name.contains(".ndjson.") && !manifest.contains(name.as_str())).collect();
    assert!(!replaced.is_empty());
    for name in replaced {
        fs::remove_file(directory.join(name)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_a_proxy_shortens_are_noticed() {
    let (phone, link) = phone_behind_a_link().await;
    link.fail("/v1/blobs/", 10, Fault::Shorten(1000));
    link.fail("/v1/feed", 1, Fault::Shorten(60));
    let ran = phone.run(&["pull", "--json"]);
    assert_eq!(ran.code(), 0, "{ran}");
    assert!(ran.lines().iter().any(|line| line["event"] == "warning"), "{ran}");
    phone.verify(&[]);
    // For ever: it says so.
    let other = Phone::of(&link.url());
    link.fail("/v1/feed", 100, Fault::Shorten(60));
    let ran = other.run(&["pull"]);
    assert_eq!(ran.code(), 75, "{ran}");
    assert!(ran.err().contains("a proxy between here and the gateway"), "{ran}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_bytes_are_thrown_away_and_hold_nothing_else_back() {
    let (phone, link) = phone_behind_a_link().await;
    link.fail("/v1/blobs/", 1, Fault::Spoil);
    let ran = phone.run(&["pull", "--json"]);
    assert_eq!(ran.code(), 1, "{ran}");
    assert!(ran.err().contains("wrong bytes"), "{ran}");
    let report = ran.last_line();
    assert!(report["waiting"].as_u64().unwrap() >= 1 && report["shown"].as_u64().unwrap() > 60, "{report}");
    assert_eq!(phone.run(&["verify", "--offline"]).code(), 0, "what is shown is whole");
    assert_eq!(phone.pull()["stored"], 1);
    phone.verify(&[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spoilt_feed_changes_nothing() {
    let (phone, link) = phone_behind_a_link().await;
    phone.pull();
    let before: String = phone.value("SELECT cursor || pulled_at FROM (SELECT (SELECT value FROM meta WHERE name = 'cursor') AS cursor, pulled_at FROM phone_mirror)");
    link.fail("/v1/feed", 100, Fault::Spoil);
    let ran = phone.run(&["pull"]);
    assert_eq!(ran.code(), 75, "{ran}");
    let after: String = phone.value("SELECT cursor || pulled_at FROM (SELECT (SELECT value FROM meta WHERE name = 'cursor') AS cursor, pulled_at FROM phone_mirror)");
    assert_eq!(before, after);
    let status = phone.run(&["status", "--json"]).last_line();
    assert!(status["failure"].as_str().unwrap().contains("does not come through whole"), "{status}");
    link.heal();
    phone.pull();
    assert_eq!(phone.run(&["status", "--json"]).last_line()["failure"], serde_json::Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_falls_silent_is_given_up_and_a_slow_one_is_not() {
    let (phone, link) = phone_behind_a_link().await;
    link.fail("/v1/blobs/", 1, Fault::Stall);
    // Slower than the time that a connection may be silent, but never silent.
    link.fail("/v1/blobs/", 1, Fault::Throttle(1200));
    let began = Instant::now();
    phone.pull();
    assert!(began.elapsed() > Duration::from_secs(5), "the silent one was waited for");
    phone.verify(&[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_is_kept_over_all_downloads_and_the_feed() {
    let (phone, link) = phone_behind_a_link().await;
    phone.pull();
    let bytes: u64 = phone.audio().iter().map(|path| path.metadata().unwrap().len()).sum();
    let other = Phone::of(&link.url());
    let began = Instant::now();
    let ran = other.run(&["pull", "--limit-rate", "200k", "--json"]);
    let took = began.elapsed();
    assert_eq!(ran.code(), 0, "{ran}");
    let least = Duration::from_millis(bytes * 1000 / (200 * 1024) * 9 / 10);
    assert!(took > least, "{bytes} bytes in {took:?}, expected more than {least:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_went_wrong_is_said_with_what_to_do_and_the_right_exit_code() {
    let (phone, link) = phone_behind_a_link().await;
    let says = |phone: &Phone, code: i32, words: &str| {
        let ran = phone.run(&["pull"]);
        assert_eq!(ran.code(), code, "{ran}");
        assert!(ran.err().contains(words), "{words}: {ran}");
    };
    link.fail("/v1/feed", 1, Fault::Login);
    says(&phone, 1, "does this network want a login first?");
    link.fail("/v1/feed", 10, Fault::Drop);
    says(&phone, 75, "the next try");
    link.heal();
    phone.use_token("a-token-that-nobody-knows");
    says(&phone, 2, "ask its administrator for a new one");
    assert!(!phone.run(&["pull"]).err().contains("a-token-that-nobody-knows"));
    phone.use_token(WITHOUT_FEED);
    says(&phone, 2, "a token with the scopes feed, blobs, recordings and calls");
    phone.use_token("two words");
    says(&phone, 2, "is the token and nothing else");
    let away = Phone::of("http://127.0.0.1:9");
    says(&away, 75, "callers go on hearing what is here");
    let wrong = Phone::of(&format!("{}/not/here", link.url()));
    says(&wrong, 1, "is the address right");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_phone_server_speaks_whatever_is_wrong_with_its_token_or_its_link() {
    let (_, link) = phone_behind_a_link().await;
    for (what, token, url, command, code) in [
        ("there is no token", None, link.url(), "pull", 2),
        ("there is no token, and the agent is to stay", None, link.url(), "run", 2),
        ("the token is none", Some("two words"), link.url(), "pull", 2),
        ("the token is refused", Some("a-token-that-nobody-knows"), link.url(), "pull", 2),
        ("the gateway is away", Some(EVERYTHING), "http://127.0.0.1:9".to_owned(), "pull", 75),
    ] {
        let phone = Phone::of(&url);
        let pack = phone.path().join("packs/en/home");
        fs::create_dir_all(&pack).unwrap();
        let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/asterisk/packs/en/home/welcome_standard.mp3");
        fs::copy(shipped, pack.join("welcome_standard.mp3")).unwrap();
        phone.configure(&url, "packs_dir = \"packs\"\n");
        match token {
            Some(token) => phone.use_token(token),
            None => fs::remove_file(phone.path().join("token")).unwrap(),
        }
        let ran = phone.run(&[command]);
        assert_eq!(ran.code(), code, "{what}: {ran}");
        let heard = phone.data().join("packs/en/home/welcome_standard.wav");
        assert!(fs::metadata(&heard).is_ok_and(|wave| wave.len() > 8000), "{what}: {heard}");
        assert!(phone.data().join("calls.db").exists(), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_wrong_is_told() {
    let (phone, link) = phone_behind_a_link().await;
    link.fail("/v1/feed", 1, Fault::Date("Wed, 02 Mar 2011 10:00:00 GMT"));
    let ran = phone.run(&["pull", "--json"]);
    assert_eq!(ran.code(), 0, "{ran}");
    let warnings: Vec<_> = ran.lines().into_iter().filter(|line| line["event"] == "warning").collect();
    assert_eq!(warnings.len(), 1, "{ran}");
    assert!(warnings[0]["message"].as_str().unwrap().contains("clock is"), "{ran}");
}
