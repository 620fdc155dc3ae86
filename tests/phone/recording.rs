//! Messages that callers leave: a title and a body, spoken, heard again, kept whatever happens.

use std::fs;
use std::path::Path;
use std::time::Duration;

use audiospread_caller::Sound;

use super::{holds, made_by_the_editor, settled};
use crate::harness::caller::Caller;
use crate::harness::gateway::Gateway;
use crate::harness::phone::Phone;
use crate::harness::switchboard::Switchboard;

/// "Record a message" is the item after the last category of the fixture's home menu.
const RECORD: &str = "6";
/// The keys after something was spoken: listen, again, accept.
const LISTEN: &str = "1";
const AGAIN: &str = "2";
const ACCEPT: &str = "3";

/// What callers say in these tests: two pieces of speech that no prompt has.
fn title() -> Sound {
    made_by_the_editor(171, "title").part(Duration::ZERO, Duration::from_secs(3))
}

fn message() -> Sound {
    made_by_the_editor(171, "body").part(Duration::ZERO, Duration::from_secs(5))
}

/// A caller who has heard that he may say the title after the tone.
fn asked_for_a_title(radio: &Switchboard, number: &str) -> Caller {
    let mut caller = radio.answered(number);
    caller.hears(&radio.prompt("home", "welcome_standard", "en")).presses(RECORD);
    caller.hears(&radio.prompt("recording", "record_welcome", "en"));
    caller.hears(&radio.prompt("recording", "ask_title", "en"));
    caller.waits_for_the_tone();
    caller
}

/// The same for the message.
fn asked_for_the_message(radio: &Switchboard, number: &str) -> Caller {
    let mut caller = asked_for_a_title(radio, number);
    caller.says(&title());
    caller.presses("#").hears(&radio.prompt("recording", "offer_listen", "en")).presses(ACCEPT);
    caller.hears(&radio.prompt("recording", "ask_body", "en"));
    caller.waits_for_the_tone();
    caller
}

#[tokio::test]
async fn title_and_message_are_recorded_heard_again_and_handed_over() {
    let radio = Switchboard::shared().await;
    let number = "+221770003001";
    let mut caller = asked_for_the_message(radio, number);
    caller.says(&message());
    caller.presses("#").hears(&radio.prompt("recording", "offer_listen", "en")).presses(LISTEN);
    caller.hears(&message()).presses(ACCEPT);
    caller.hears(&radio.prompt("recording", "record_ok", "en"));
    assert_eq!(settled(radio, number, "state"), "done");
    assert_eq!(settled(radio, number, "hung_up"), "0");
    assert_eq!(settled(radio, number, "language"), "en");
    holds(&settled(radio, number, "title_path"), &title());
    holds(&settled(radio, number, "body_path"), &message());
}

#[tokio::test]
async fn what_was_spoken_again_takes_the_place_of_what_was_spoken_first() {
    let radio = Switchboard::shared().await;
    let number = "+221770003002";
    let mut caller = asked_for_the_message(radio, number);
    caller.says(&title());
    caller.presses("#").hears(&radio.prompt("recording", "offer_again", "en")).presses(AGAIN);
    caller.hears(&radio.prompt("recording", "ask_body", "en"));
    caller.waits_for_the_tone();
    caller.says(&message());
    caller.presses("#").hears(&radio.prompt("recording", "offer_accept", "en")).presses(ACCEPT);
    caller.hears(&radio.prompt("recording", "record_ok", "en"));
    holds(&settled(radio, number, "body_path"), &message());
}

#[tokio::test]
async fn whoever_hangs_up_while_saying_it_again_has_left_the_longer_of_the_two() {
    let radio = Switchboard::shared().await;
    for (number, said_again, kept) in [
        ("+221770003013", title(), message()),
        ("+221770003014", made_by_the_editor(165, "body"), made_by_the_editor(165, "body")),
    ] {
        let mut caller = asked_for_the_message(radio, number);
        caller.says(&message());
        caller.presses("#").hears(&radio.prompt("recording", "offer_again", "en")).presses(AGAIN);
        caller.hears(&radio.prompt("recording", "ask_body", "en"));
        caller.waits_for_the_tone();
        caller.says(&said_again);
        caller.hangs_up();
        assert_eq!(settled(radio, number, "hung_up"), "1");
        let body = settled(radio, number, "body_path");
        holds(&body, &kept);
        assert!(!Path::new(&body.replace("-body.wav", "-body-anew.wav")).exists(), "the other one is left");
    }
}

#[tokio::test]
async fn the_language_key_is_obeyed_when_one_is_asked_to_speak() {
    let radio = Switchboard::shared().await;
    let mut caller = radio.answered("+221770003015");
    caller.hears(&radio.prompt("home", "welcome_standard", "en")).presses(RECORD);
    caller.hears(&radio.prompt("recording", "record_welcome", "en")).presses("8");
    caller.hears(&radio.prompt("home", "language_name", "fr"));
    caller.hears(&radio.prompt("recording", "ask_title", "fr")).presses("5");
    caller.waits_for_the_tone();
}

#[tokio::test]
async fn whoever_hangs_up_while_speaking_has_left_a_message_that_says_so() {
    let radio = Switchboard::shared().await;
    let number = "+221770003003";
    let caller = asked_for_the_message(radio, number);
    caller.says(&message());
    caller.hangs_up();
    assert_eq!(settled(radio, number, "state"), "done");
    assert_eq!(settled(radio, number, "hung_up"), "1");
    holds(&settled(radio, number, "title_path"), &title());
    holds(&settled(radio, number, "body_path"), &message());
}

#[tokio::test]
async fn whoever_says_all_after_the_first_tone_and_hangs_up_has_left_a_message_without_a_title() {
    let radio = Switchboard::shared().await;
    let number = "+221770003004";
    let caller = asked_for_a_title(radio, number);
    caller.says(&message());
    caller.hangs_up();
    assert_eq!(settled(radio, number, "title_path"), "");
    holds(&settled(radio, number, "body_path"), &message());
}

#[tokio::test]
async fn whoever_hangs_up_between_title_and_message_has_left_what_was_said() {
    let radio = Switchboard::shared().await;
    let number = "+221770003005";
    let mut caller = asked_for_a_title(radio, number);
    caller.says(&message());
    caller.presses("#").hears(&radio.prompt("recording", "offer_listen", "en"));
    caller.hangs_up();
    assert_eq!(settled(radio, number, "hung_up"), "1");
    holds(&settled(radio, number, "body_path"), &message());
}

#[tokio::test]
async fn whoever_hangs_up_without_a_word_has_left_nothing() {
    let radio = Switchboard::shared().await;
    let number = "+221770003006";
    let caller = asked_for_a_title(radio, number);
    caller.hangs_up();
    assert_eq!(settled(radio, number, "state"), "dropped");
}

#[tokio::test]
async fn silence_is_no_message_neither_from_one_who_hangs_up_nor_from_one_who_waits_to_the_end() {
    let (_, gateway) = Gateway::shared().await;
    let phone = Phone::with_packs(&gateway.url());
    phone.pull();
    let radio = Switchboard::of(phone, &["AS_RECORD_SILENCE_SECONDS=2"]);
    let short = radio.prompt("recording", "record_too_short", "en").part(Duration::ZERO, Duration::from_secs(1));
    let number = "+221770003011";
    let mut caller = asked_for_a_title(&radio, number);
    caller.hears(&short).hangs_up();
    assert_eq!(settled(&radio, number, "state"), "dropped");
    let patient = "+221770003012";
    let mut caller = asked_for_a_title(&radio, patient);
    caller.hears(&radio.prompt("recording", "ask_body", "en"));
    caller.hears_without(
        &radio.prompt("recording", "record_dropped", "en"),
        &radio.prompt("recording", "record_ok", "en"),
    );
    assert_eq!(settled(&radio, patient, "state"), "dropped");
    assert_eq!(fs::read_dir(radio.phone.data().join("recordings")).unwrap().count(), 0, "something is left");
}

#[tokio::test]
async fn silence_ends_what_is_spoken() {
    let radio = Switchboard::shared().await;
    let mut caller = asked_for_a_title(radio, "+221770003007");
    caller.says(&title());
    caller.hears(&radio.prompt("recording", "offer_listen", "en"));
}

#[tokio::test]
async fn nobody_leaves_more_messages_a_day_than_are_allowed_and_whoever_withholds_his_number_leaves_none_if_that_is_set()
 {
    let (_, gateway) = Gateway::shared().await;
    let phone = Phone::with_packs(&gateway.url());
    phone.pull();
    let radio = Switchboard::of(phone, &["AS_RECORD_PER_DAY=1", "AS_RECORD_WITHHELD=no"]);
    let number = "+221770003008";
    let caller = asked_for_a_title(&radio, number);
    caller.says(&message());
    caller.hangs_up();
    assert_eq!(settled(&radio, number, "state"), "done");
    let mut caller = radio.answered(number);
    caller.hears(&radio.prompt("home", "welcome_standard", "en")).presses(RECORD);
    caller.hears(&radio.prompt("recording", "record_enough", "en"));
    let mut nobody = radio.answered("");
    nobody.hears(&radio.prompt("home", "welcome_standard", "en")).presses(RECORD);
    nobody.hears(&radio.prompt("recording", "record_withheld", "en"));
}

#[tokio::test]
async fn a_recording_is_on_the_disk_and_known_when_asterisk_is_killed_in_its_middle() {
    let (_, gateway) = Gateway::shared().await;
    let phone = Phone::with_packs(&gateway.url());
    phone.pull();
    let radio = Switchboard::of(phone, &[]);
    let number = "+221770003009";
    let caller = asked_for_the_message(&radio, number);
    caller.says(&message());
    radio.kill();
    radio.start();
    let state: String = radio.written(&format!("SELECT state FROM recordings WHERE caller = '{number}'"));
    assert_eq!(state, "recording");
    let uuid: String = radio.written(&format!("SELECT uuid FROM recordings WHERE caller = '{number}'"));
    let spool = radio.phone.data().join("recordings");
    let body = spool.join(format!("{uuid}-body.wav"));
    assert!(fs::metadata(Path::new(&body)).unwrap().len() > 16_000);
    let mut caller = radio.answered("+221770003010");
    caller.hears(&radio.prompt("home", "welcome_standard", "en"));
}
