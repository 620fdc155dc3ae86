//! The keys while a program plays, judged by the place in it that is heard.

use std::fs;
use std::time::Duration;

use audiospread_caller::Sound;
use tokio::sync::OnceCell;

use super::{RadioOfItsOwn, listed, made_by_the_editor};
use crate::harness::caller::Caller;
use crate::harness::switchboard::Switchboard;

/// The program that is made long, found by its code.
const LONG: u32 = 165;
/// How far the keys move in a program of less than a minute.
const SKIP: Duration = Duration::from_secs(3);
/// Between pressing a key and hearing what it did: the key itself, and half a second by which the place is known.
const DELAY: Duration = Duration::from_millis(2500);

/// A radio with a program of half a minute, longer than all of the fixture: several of those, one after the other.
async fn radio_with_a_long_program() -> &'static (RadioOfItsOwn, Sound) {
    static RADIO: OnceCell<(RadioOfItsOwn, Sound)> = OnceCell::const_new();
    RADIO
        .get_or_init(|| async {
            let site = RadioOfItsOwn::site().await;
            let bodies = [165, 168, 171, 204].map(|program| made_by_the_editor(program, "body"));
            let body = Sound::from_samples(bodies.iter().flat_map(Sound::samples).copied().collect());
            let file = site.directory().join("long.wav");
            body.write(&file).unwrap();
            site.replace_file_of_program(LONG, &fs::read(&file).unwrap()).await;
            (RadioOfItsOwn::of(site, &[]), body)
        })
        .await
}

/// A caller who hears the program with this code.
fn listening(radio: &Switchboard, number: &str, program: u32) -> Caller {
    let mut caller = radio.answered(number);
    caller.hears(&radio.prompt("home", "welcome_standard", "en")).presses("#");
    caller.hears(&radio.prompt("home", "ask_code", "en")).presses(&format!("{program}#"));
    caller.hears(&radio.prompt("playing", "now_playing", "en"));
    caller
}

/// Whether the place is where it should be, give or take what a key needs.
#[track_caller]
fn near(place: Duration, expected: Duration) {
    assert!(place >= expected && place <= expected + DELAY, "{place:?} is not just after {expected:?}");
}

#[tokio::test]
async fn forward_and_rewind_skip_three_seconds_and_restart_goes_to_the_beginning() {
    let (radio, body) = radio_with_a_long_program().await;
    let radio = &radio.board;
    let mut caller = listening(radio, "+221770002001", LONG);
    let begun = caller.hears(body).is_at(body);
    let forward = caller.presses("6").is_at(body);
    near(forward, begun + SKIP);
    let back = caller.presses("4").is_at(body);
    near(back, forward.saturating_sub(SKIP));
    let restarted = caller.presses("1").is_at(body);
    near(restarted, Duration::ZERO);
    caller.presses("4");
    near(caller.is_at(body), Duration::ZERO);
}

#[tokio::test]
async fn a_pause_is_told_and_the_program_goes_on_where_it_was() {
    let (radio, body) = radio_with_a_long_program().await;
    let radio = &radio.board;
    let mut caller = listening(radio, "+221770002002", LONG);
    let before = caller.hears(body).is_at(body);
    caller.presses("5").hears(&radio.prompt("playing", "paused", "en")).presses("5");
    let after = caller.is_at(body);
    near(after, before);
}

#[tokio::test]
async fn the_next_and_the_previous_program_of_the_category_are_played() {
    let radio = Switchboard::shared().await;
    let programs = listed(radio, 2);
    let mut caller = radio.answered("+221770002003");
    caller.hears(&radio.prompt("home", "welcome_standard", "en")).presses("112");
    caller.hears(&made_by_the_editor(programs[1], "body")).presses("9");
    caller.hears(&made_by_the_editor(programs[2], "body")).presses("7");
    caller.hears(&made_by_the_editor(programs[1], "body")).presses("7");
    caller.hears(&made_by_the_editor(programs[0], "body")).presses("7");
    caller.hears(&radio.prompt("playing", "no_more", "en"));
}

#[tokio::test]
async fn stop_asks_what_next_and_again_plays_it_again() {
    let (radio, body) = radio_with_a_long_program().await;
    let radio = &radio.board;
    let mut caller = listening(radio, "+221770002004", LONG);
    caller.hears(body).presses("3").hears(&radio.prompt("playing", "stopped", "en"));
    caller.hears(&radio.prompt("playing", "offer_again", "en")).presses("1");
    near(caller.is_at(body), Duration::ZERO);
}

#[tokio::test]
async fn whoever_hung_up_in_a_program_goes_on_there_the_next_time() {
    let (radio, body) = radio_with_a_long_program().await;
    let radio = &radio.board;
    let mut caller = listening(radio, "+221770002005", LONG);
    caller.hears(body).presses("6");
    let left = caller.is_at(body);
    caller.hangs_up();
    let noted: i64 = radio.written("SELECT at_ms FROM listening WHERE caller = '+221770002005'");
    let mut caller = listening(radio, "+221770002005", LONG);
    caller
        .hears(&radio.prompt("playing", "resumed", "en"))
        .presses("5")
        .hears(&radio.prompt("playing", "paused", "en"));
    caller.presses("5");
    let resumed = caller.is_at(body);
    near(resumed, Duration::from_millis(noted.unsigned_abs()));
    assert!(left < resumed + DELAY);
}
