//! What a pull brings, and what it costs when little or nothing changed.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use super::phone_behind_a_link;
use crate::harness::DrupalSite;
use crate::harness::gateway::{ALL_PROGRAMS, EVERYTHING, Gateway, WITHOUT_SUBSCRIBERS};
use crate::harness::phone::Phone;
use crate::harness::proxy::Proxy;

#[tokio::test(flavor = "multi_thread")]
async fn the_first_pull_brings_the_whole_site_and_proves_it() {
    let (phone, link) = phone_behind_a_link().await;
    let report = phone.pull();
    assert_eq!(report["waiting"], 0);
    assert_eq!(report["shown"], report["count"]);
    assert_eq!(phone.value::<u32>("SELECT count(*) FROM phone_program"), ALL_PROGRAMS);
    let verified = phone.verify(&[]);
    assert_eq!(verified["gateway_agrees"], true);
    assert_eq!(verified["files"], phone.audio().len());
    link.take_seen();
    let again = phone.pull();
    assert_eq!((&again["put"], &again["stored"], &again["shown"]), (&0.into(), &0.into(), &0.into()));
    assert_eq!(link.take_seen().len(), 1, "a pull that brings nothing asks once");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_menu_is_read_in_the_language_of_the_call() {
    let (phone, _) = phone_behind_a_link().await;
    phone.pull();
    let menu = |language: &str| phone.run(&["menu", "--json", "--language", language]).last_line();
    let (english, french) = (menu("en"), menu("fr"));
    let names: Vec<&str> = english["home"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Agriculture", "Health / Santé", "News", "Musique et culture", "Help"]);
    let crops = |menu: &serde_json::Value| {
        let programs = menu["home"][0]["categories"][0]["programs"].as_array().unwrap().clone();
        programs.iter().map(|program| program["id"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    assert!(crops(&english).contains(&171));
    assert!(crops(&french).contains(&171));
    let text = phone.run(&["menu"]);
    assert!(text.out().starts_with("home (en)\n  1 Agriculture\n      1 Crops\n"), "{text}");
    let unknown = phone.run(&["menu", "--language", "wo"]);
    assert_eq!(unknown.code(), 2, "{unknown}");
    assert!(unknown.err().contains("no menus in wo"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_without_subscribers_brings_none_and_takes_away_those_that_were_there() {
    let (phone, link) = phone_behind_a_link().await;
    phone.pull();
    assert_ne!(phone.value::<i64>("SELECT count(*) FROM phone_caller"), 0);
    phone.use_token(WITHOUT_SUBSCRIBERS);
    // The snapshot of a gateway that has just begun may be of the time before.
    let patience = Instant::now() + Duration::from_secs(60);
    while phone.run(&["pull", "--accept"]).code() != 0 {
        assert!(Instant::now() < patience, "the snapshot does not come");
    }
    assert_eq!(phone.value::<i64>("SELECT count(*) FROM phone_caller"), 0);
    phone.verify(&[]);
    phone.use_token(EVERYTHING);
    phone.pull();
    assert_ne!(phone.value::<i64>("SELECT count(*) FROM phone_caller"), 0);
    drop(link);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_on_the_site_changes_on_the_phone_and_nothing_else_travels() {
    let site = DrupalSite::new().configure("[drupal]\nrefresh_seconds = 1\nsettle_ms = 100").build().await;
    let gateway = Gateway::of(&site, ALL_PROGRAMS);
    let link = Proxy::before(gateway.address);
    let phone = Phone::of(&link.url());
    phone.pull();
    link.take_seen();
    site.sql("UPDATE {node} SET status = 0 WHERE nid = 171").await;
    site.sql("UPDATE {node} SET title = 'Another title', changed = changed + 1 WHERE nid = 165").await;
    let patience = Instant::now() + Duration::from_secs(60);
    while phone.value::<String>("SELECT coalesce(max(reason), '') FROM phone_gone WHERE program_id = 171")
        != "unpublished"
        || phone.value::<String>("SELECT title FROM phone_program WHERE id = 165") != "Another title"
    {
        assert!(Instant::now() < patience, "the changes do not arrive");
        phone.pull();
    }
    site.sql("DELETE FROM {node} WHERE nid = 171").await;
    while phone.value::<String>("SELECT reason FROM phone_gone WHERE program_id = 171") != "deleted" {
        assert!(Instant::now() < patience, "the other reason does not arrive");
        phone.pull();
    }
    let is_asked_for = |path: &str| path.starts_with("/v1/feed?since=") || path == "/v1/receipt";
    assert!(link.take_seen().iter().all(|seen| is_asked_for(&seen.path)));
    phone.verify(&[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_lost_everything_does_not_empty_the_phones() {
    let (phone, _link) = phone_behind_a_link().await;
    phone.pull();
    let site = DrupalSite::new().build().await;
    site.sql("UPDATE {node} SET status = 0").await;
    let lost = Gateway::of(&site, 0);
    phone.configure(&format!("http://{}", lost.address), "");
    let held = phone.run(&["pull"]);
    assert_eq!(held.code(), 75, "{held}");
    assert!(held.err().contains("audiospread pull --accept"), "{held}");
    assert_eq!(phone.value::<u32>("SELECT count(*) FROM phone_program"), ALL_PROGRAMS);
    phone.verify(&["--offline"]);
    // Noted by a clock that was ahead, it would be held for as long.
    phone.mirror().execute("UPDATE meta SET value = '2999-01-01T00:00:00Z' WHERE name = 'held_since'", []).unwrap();
    assert_eq!(phone.run(&["pull"]).code(), 75);
    assert!(phone.value::<String>("SELECT value FROM meta WHERE name = 'held_since'").as_str() < "2999");
    let accepted = phone.run(&["pull", "--accept"]);
    assert_eq!(accepted.code(), 0, "{accepted}");
    assert_eq!(phone.value::<i64>("SELECT count(*) FROM phone_program"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sounds_of_installed_packs_do_not_travel() {
    let (phone, link) = phone_behind_a_link().await;
    let packs = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/asterisk/packs");
    phone.configure(&link.url(), &format!("packs_dir = \"{packs}\"\n"));
    let ran = phone.run(&["pull", "--json"]);
    assert_eq!(ran.code(), 0, "{ran}");
    let from_packs = ran.lines().iter().filter(|line| line["event"] == "stored" && line["from"] == "pack").count();
    assert!(from_packs > 0, "{ran}");
    let fetched = link.take_seen().iter().filter(|seen| seen.path.starts_with("/v1/blobs/")).count();
    assert_eq!(fetched + from_packs, phone.audio().len());
    phone.verify(&[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_and_directories_are_for_the_group_under_any_umask() {
    let (phone, _) = phone_behind_a_link().await;
    let mut pull = phone.command(&["pull", "--json"]);
    let program = pull.get_program().to_owned();
    let arguments: Vec<_> = pull.get_args().map(ToOwned::to_owned).collect();
    let ran = std::process::Command::new("sh")
        .args(["-c", "umask 077; \"$0\" \"$@\""])
        .arg(program)
        .args(arguments)
        .output()
        .unwrap();
    assert!(ran.status.success());
    pull.stdin(std::process::Stdio::null());
    let mode = |path: &camino::Utf8Path| fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!(mode(&phone.data()), 0o2770);
    assert_eq!(mode(&phone.data().join("mirror.db")), 0o660);
    let sound = &phone.audio()[0];
    assert_eq!(mode(sound), 0o640);
    for directory in sound.ancestors().skip(1).take(3) {
        assert_eq!(mode(directory), 0o2750, "{directory}");
    }
}
