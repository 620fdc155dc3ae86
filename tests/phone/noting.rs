//! What is written down of a call while it goes on: the menus, the codes, what was not there, and what was heard of a program, from when to when.

use std::time::Duration;

use super::{at_home, made_by_the_editor};
use crate::harness::switchboard::Switchboard;

const AGRICULTURE: u32 = 1;
const CROPS: u32 = 2;
const HEALTH: u32 = 5;
const LONG: u32 = 321;
/// A program of 10 seconds.
const STORY: u32 = 165;
/// A program that was on the phone once.
const GONE: u32 = 88888;
/// How far a key moves in a program of less than a minute, in ms.
const SKIP: u64 = 3000;
/// Between the place that was heard last and the key that ends the hearing, in ms.
const DELAY: u64 = 2500;

/// The events of one kind of a caller, in order, each by this expression.
fn noted(radio: &Switchboard, number: &str, kind: &str, expression: &str) -> Vec<String> {
    let calls = radio.calls();
    let query = format!("SELECT {expression} FROM event WHERE caller = '{number}' AND kind = '{kind}' ORDER BY id");
    let mut statement = calls.prepare(&query).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// Waits until the call is written down, which is when it is over.
fn is_over(radio: &Switchboard, number: &str) {
    let _: i64 = radio.written(&format!("SELECT 1 FROM cdr WHERE caller = '{number}'"));
}

fn ms(place: Duration) -> u64 {
    u64::try_from(place.as_millis()).unwrap()
}

/// Whether a hearing ended just after a place that was heard.
#[track_caller]
fn just_after(ended: u64, heard: u64) {
    assert!((heard..=heard + DELAY).contains(&ended), "{ended} ms is not just after {heard} ms");
}

#[tokio::test]
async fn every_menu_that_a_caller_opens_is_noted_with_its_category_and_language() {
    let radio = Switchboard::shared().await;
    let number = "+221770009401";
    let mut caller = at_home(radio, number);
    caller.presses("1").hears(&radio.category(AGRICULTURE, "en")).presses("1").hears(&radio.category(CROPS, "en"));
    caller.presses("8").hears(&radio.prompt("home", "language_name", "fr")).presses("*");
    caller.presses("*").presses("2").hears(&radio.category(HEALTH, "fr"));
    caller.hangs_up();
    is_over(radio, number);
    let menus = noted(radio, number, "menu", "detail || ' ' || coalesce(category_id, '-') || ' ' || language");
    assert_eq!(
        menus,
        ["home - en".to_owned(), category(AGRICULTURE, "en"), category(CROPS, "en"), category(HEALTH, "fr")]
    );
    let calls: i64 = radio.written(&format!(
        "SELECT count(DISTINCT event.call_id) FROM event JOIN cdr USING (call_id) WHERE event.caller = '{number}'"
    ));
    assert_eq!(calls, 1, "the events are those of the call that was recorded");
}

fn category(id: u32, language: &str) -> String {
    format!("category {id} {language}")
}

#[tokio::test]
async fn a_program_that_is_heard_in_pieces_is_noted_piece_by_piece() {
    let radio = Switchboard::shared().await;
    let number = "+221770009402";
    let body = made_by_the_editor(STORY, "body");
    let mut caller = at_home(radio, number);
    caller.presses(&format!("#{STORY}#"));
    let first = ms(caller.hears(&body).is_at(&body));
    caller.presses("6");
    let second = ms(caller.is_at(&body));
    caller.hangs_up();
    is_over(radio, number);
    let _: i64 = radio.written(&format!(
        "SELECT count(*) FROM event WHERE caller = '{number}' AND kind = 'played' HAVING count(*) = 2"
    ));
    let played = noted(radio, number, "played", "program_id || ' ' || from_ms || ' ' || to_ms");
    let pieces: Vec<Vec<u64>> =
        played.iter().map(|piece| piece.split(' ').map(|number| number.parse().unwrap()).collect()).collect();
    assert!(pieces.iter().all(|piece| piece[0] == u64::from(STORY)), "{pieces:?}");
    assert_eq!(pieces[0][1], 0);
    just_after(pieces[0][2], first);
    assert_eq!(pieces[1][1], pieces[0][2] + SKIP, "what was skipped was not heard");
    just_after(pieces[1][2], second);
}

#[tokio::test]
async fn a_program_of_a_category_that_is_heard_to_its_end_is_noted_as_whole_and_with_the_category() {
    let radio = Switchboard::shared().await;
    let number = "+221770009403";
    let program = super::listed(radio, CROPS)[0];
    let body = made_by_the_editor(program, "body");
    let mut caller = at_home(radio, number);
    caller.presses("111").hears(&body).hears(&radio.prompt("playing", "end_of_program", "en"));
    let length: i64 = radio.phone.value(&format!("SELECT body_ms FROM phone_program WHERE id = {program}"));
    let what = "category_id || ' ' || program_id || ' ' || from_ms || ' ' || to_ms";
    assert_eq!(noted(radio, number, "played", what), [format!("{CROPS} {program} 0 {length}")]);
}

#[tokio::test]
async fn codes_are_noted_and_so_is_what_they_did_not_find_and_why() {
    let radio = Switchboard::shared().await;
    let number = "+221770009404";
    let taken_down =
        format!("INSERT INTO tombstone (kind, id, version, reason) VALUES ('program', {GONE}, 0, 'unpublished')");
    radio.phone.mirror().execute_batch(&taken_down).unwrap();
    let mut caller = at_home(radio, number);
    caller.presses(&format!("#{GONE}#")).hears(&radio.prompt("programs", "program_missing", "en"));
    caller.presses("#99999#").hears(&radio.prompt("programs", "program_unknown", "en"));
    caller.presses(&format!("#{LONG}#")).hears(&radio.title(LONG));
    let codes = noted(radio, number, "code", "detail || ' ' || program_id");
    assert_eq!(codes, [GONE, 99999, LONG].map(|code| format!("{code} {code}")));
    let missing = noted(radio, number, "missing", "program_id || ' ' || detail");
    assert_eq!(missing, [format!("{GONE} unpublished"), "99999 unknown".to_owned()]);
}
