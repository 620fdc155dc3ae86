//! A phone server that is killed while somebody speaks: what was said until then reaches the gateway.

use std::fs;
use std::time::Duration;

use audiospread_caller::Sound;
use reqwest::Client;
use serde_json::Value;

use super::{RadioOfItsOwn, holds, made_by_the_editor};
use crate::harness::gateway::{ALL_PROGRAMS, EVERYTHING, Gateway};
use crate::harness::phone::Phone;
use crate::harness::switchboard::Switchboard;

const PRIVATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/asterisk/private");
/// "Record a message" is the item after the last category of the fixture's home menu.
const RECORD: &str = "6";

async fn get(gateway: &Gateway, path: &str) -> reqwest::Response {
    let answer = Client::new().get(format!("{}{path}", gateway.url())).bearer_auth(EVERYTHING).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    answer
}

/// Fails unless this part of a recording at the gateway is what was said.
async fn is_at_the_gateway(gateway: &Gateway, phone: &Phone, part: &Value, said: &Sound) {
    let bytes = get(gateway, part["href"].as_str().unwrap()).await.bytes().await.unwrap();
    let path = phone.path().join("taken.mp3");
    fs::write(&path, &bytes).unwrap();
    holds(path.as_str(), said);
}

#[tokio::test]
async fn what_was_said_until_asterisk_was_killed_reaches_the_gateway() {
    let site = RadioOfItsOwn::site().await;
    let gateway = Gateway::of(&site, ALL_PROGRAMS);
    let phone = Phone::of(&gateway.url());
    phone.pull();
    let radio = Switchboard::of(phone, &[]);
    let asterisk = radio.path("").canonicalize().unwrap();
    radio.phone.configure(
        &gateway.url(),
        &format!("[asterisk]\ncommand = [\"{PRIVATE}\", \"rx\", \"{}\"]\n", asterisk.display()),
    );
    let number = "+221770009301";
    let title = made_by_the_editor(171, "title").part(Duration::ZERO, Duration::from_secs(3));
    let message = made_by_the_editor(171, "body").part(Duration::ZERO, Duration::from_secs(5));
    let mut caller = radio.answered(number);
    caller.hears(&radio.prompt("home", "welcome_standard", "en")).presses(RECORD);
    caller.hears(&radio.prompt("recording", "record_welcome", "en")).presses("1").waits_for_the_tone();
    caller.says(&title);
    caller.presses("#").hears(&radio.prompt("recording", "offer_listen", "en")).presses("3");
    caller.hears(&radio.prompt("recording", "ask_body", "en")).presses("1").waits_for_the_tone();
    caller.says(&message);
    radio.kill();
    let state = || radio.written::<String>(&format!("SELECT state FROM recordings WHERE caller = '{number}'"));
    // Asterisk cannot be asked: what it was about is not judged, and nothing of it goes.
    assert_eq!(radio.phone.run(&["push"]).code(), 0);
    assert_eq!(state(), "recording");
    radio.start();
    radio.phone.pull();
    assert_eq!(state(), "done");
    let pushed = radio.phone.run(&["push"]);
    assert_eq!(pushed.code(), 0, "{pushed}");
    let list: Value = get(&gateway, "/v1/recordings").await.json().await.unwrap();
    let kept = list["recordings"].as_array().unwrap();
    assert_eq!(kept.len(), 1, "{list}");
    assert_eq!((&kept[0]["caller"], &kept[0]["hung_up"]), (&number.into(), &true.into()), "{list}");
    is_at_the_gateway(&gateway, &radio.phone, &kept[0]["title"], &title).await;
    is_at_the_gateway(&gateway, &radio.phone, &kept[0]["body"], &message).await;
}
