//! What the phone remembers of a caller: bookmarks and language.

use super::{RadioOfItsOwn, made_by_the_editor};
use crate::harness::caller::Caller;
use crate::harness::switchboard::Switchboard;

const LONG: u32 = 321;
/// Its translation.
const LONG_IN_FRENCH: u32 = 327;
/// The bookmarks are the item after "record a message".
const BOOKMARKS: &str = "7";

fn sets_a_bookmark(radio: &Switchboard, number: &str, program: u32) {
    let mut caller = radio.answered(number);
    caller.hears(&radio.prompt("home", "welcome_standard", "en")).presses("#");
    caller.hears(&radio.prompt("home", "ask_code", "en")).presses(&format!("{program}#"));
    caller.hears(&made_by_the_editor(program, "body")).presses("2");
    caller.hears(&radio.prompt("playing", "bookmarked", "en"));
}

fn opens_the_bookmarks(radio: &Switchboard, number: &str) -> Caller {
    let mut caller = radio.answered(number);
    caller.hears(&radio.prompt("home", "welcome_standard", "en")).presses(BOOKMARKS);
    caller.hears(&radio.prompt("home", "bookmarks", "en"));
    caller
}

#[tokio::test]
async fn a_bookmark_that_was_set_in_one_call_is_played_in_the_next_and_can_be_removed() {
    let radio = Switchboard::shared().await;
    let number = "+221770005001";
    sets_a_bookmark(radio, number, LONG);
    let mut caller = opens_the_bookmarks(radio, number);
    caller.hears(&made_by_the_editor(LONG, "title")).presses("1");
    caller.hears(&made_by_the_editor(LONG, "title")).hears(&made_by_the_editor(LONG, "body"));
    caller.presses("2").hears(&radio.prompt("playing", "unbookmarked", "en"));
    caller.hangs_up();
    let left: i64 = radio.written(&format!("SELECT count(*) FROM bookmark WHERE caller = '{number}'"));
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_bookmark_is_the_same_in_every_language() {
    let radio = Switchboard::shared().await;
    let number = "+221770005004";
    sets_a_bookmark(radio, number, LONG);
    let mut caller = opens_the_bookmarks(radio, number);
    caller.presses("8").hears(&radio.prompt("home", "language_name", "fr"));
    caller.presses("1").hears(&made_by_the_editor(LONG_IN_FRENCH, "body")).presses("9");
    caller.hears(&radio.prompt("playing", "no_more", "fr")).presses("2");
    caller.hears(&radio.prompt("playing", "unbookmarked", "fr"));
    caller.hangs_up();
    let left: i64 = radio.written(&format!("SELECT count(*) FROM bookmark WHERE caller = '{number}'"));
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_bookmark_of_a_program_that_was_unpublished_says_so_and_can_be_removed() {
    let radio = RadioOfItsOwn::new(&[]).await;
    let number = "+221770005002";
    sets_a_bookmark(&radio.board, number, LONG);
    radio.changes(&format!("UPDATE {{node}} SET status = 0 WHERE nid = {LONG}")).await;
    radio.pulls_until(&format!("SELECT 1 FROM phone_gone WHERE program_id = {LONG}"));
    let mut caller = opens_the_bookmarks(&radio.board, number);
    caller.presses("1").hears(&radio.board.prompt("programs", "program_missing", "en"));
    caller.hears(&radio.board.prompt("playing", "offer_unbookmark", "en")).presses("2");
    caller.hears(&radio.board.prompt("playing", "unbookmarked", "en"));
}

#[tokio::test]
async fn one_key_changes_the_language_and_the_next_call_begins_in_it() {
    let radio = Switchboard::shared().await;
    let number = "+221770005003";
    let mut caller = radio.answered(number);
    caller.hears(&radio.prompt("home", "welcome_standard", "en")).presses("8");
    caller.hears(&radio.prompt("home", "language_name", "fr")).hears(&radio.category(1, "fr")).presses("1");
    caller.hears(&radio.category(1, "fr"));
    caller.hangs_up();
    let _: i64 = radio.written(&format!("SELECT 1 FROM caller_language WHERE caller = '{number}' AND language = 'fr'"));
    let mut caller = radio.answered(number);
    caller.hears(&radio.prompt("home", "welcome_standard", "fr")).presses("8");
    caller.hears(&radio.prompt("home", "language_name", "en"));
}
