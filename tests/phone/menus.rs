//! What menus owe to sites that are not like others: other keys, several parents, empty places, further languages; and to servers in trouble.

use std::fs;
use std::process::Command;
use std::time::Duration;

use audiospread_caller::Sound;
use rusqlite::Connection;
use tempfile::TempDir;

use super::{RadioOfItsOwn, at_home, made_by_the_editor};
use crate::harness::caller::Caller;
use crate::harness::gateway::{ALL_PROGRAMS, Gateway};
use crate::harness::phone::Phone;
use crate::harness::switchboard::Switchboard;
use crate::harness::{DrupalSite, copy_directory};

const AGRICULTURE: u32 = 1;
const CROPS: u32 = 2;
const HEALTH: u32 = 5;
const HELP: u32 = 11;
/// A program, and the member of its translation set in French.
const LONG: u32 = 321;
const LONG_IN_FRENCH: u32 = 327;
/// A program of 10 seconds.
const STORY: u32 = 165;
/// Without a spoken title.
const UNTITLED: u32 = 228;

/// A caller who hears the program.
fn listening(radio: &Switchboard, number: &str, program: u32) -> Caller {
    let mut caller = at_home(radio, number);
    caller.presses(&format!("#{program}#")).hears(&made_by_the_editor(program, "body"));
    caller
}

/// From now on it takes about a second to find this prompt in the mirror, as on a small server that is busy with other things.
fn finds_slowly(radio: &Switchboard, key: &str) {
    let mirror = Connection::open(radio.phone.data().join("mirror.db")).unwrap();
    let view: String =
        mirror.query_row("SELECT sql FROM sqlite_master WHERE name = 'phone_prompt'", [], |row| row.get(0)).unwrap();
    let at_once = view.replacen("phone_prompt", "prompt_at_once", 1);
    mirror
        .execute_batch(&format!(
            "BEGIN; DROP VIEW phone_prompt; {at_once};
             CREATE VIEW phone_prompt AS SELECT * FROM prompt_at_once WHERE key <> '{key}' OR 0 < (
                WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 5000000) SELECT count(*) FROM n);
             COMMIT"
        ))
        .unwrap();
}

/// The module's settings as PHP writes them.
fn chosen(serialised: &str) -> String {
    format!("REPLACE INTO {{variable}} (name, value) VALUES ('audiospread_settings', '{serialised}')")
}

#[tokio::test]
async fn the_language_key_in_a_program_leads_to_its_translation() {
    let radio = Switchboard::shared().await;
    let mut caller = listening(radio, "+221770007001", LONG);
    caller.presses("8").hears(&radio.prompt("home", "language_name", "fr"));
    caller.hears(&radio.title(LONG_IN_FRENCH)).hears(&made_by_the_editor(LONG_IN_FRENCH, "body"));
}

#[tokio::test]
async fn a_code_leads_to_the_program_in_the_language_of_the_call() {
    let radio = Switchboard::shared().await;
    let mut caller = at_home(radio, "+221770007002");
    caller.presses("8").hears(&radio.prompt("home", "language_name", "fr"));
    caller.presses(&format!("#{LONG}#")).hears(&radio.title(LONG_IN_FRENCH));
}

#[tokio::test]
async fn a_code_may_be_typed_without_its_end_and_taken_back() {
    let radio = Switchboard::shared().await;
    let mut caller = at_home(radio, "+221770007003");
    caller.presses("#1*").hears(&radio.category(AGRICULTURE, "en"));
    caller.presses(&format!("#{LONG}")).hears(&radio.title(LONG));
}

#[tokio::test]
async fn a_number_that_never_was_a_program_says_so() {
    let radio = Switchboard::shared().await;
    let mut caller = at_home(radio, "+221770007004");
    caller.presses("#99999#").hears(&radio.prompt("programs", "program_unknown", "en"));
    caller.hears(&radio.category(AGRICULTURE, "en"));
}

#[tokio::test]
async fn a_program_without_a_spoken_title_is_announced_by_its_number_digit_by_digit() {
    let radio = Switchboard::shared().await;
    let digit = |digit: char| radio.prompt("minimals", &format!("digit_{digit}"), "en");
    let mut caller = at_home(radio, "+221770007005");
    caller.presses(&format!("#{UNTITLED}#")).hears(&radio.prompt("programs", "untitled", "en"));
    for one in UNTITLED.to_string().chars() {
        caller.hears(&digit(one));
    }
}

#[tokio::test]
async fn a_key_that_is_stuck_ends_the_call() {
    let radio = Switchboard::shared().await;
    let mut caller = listening(radio, "+221770007006", LONG);
    for _ in 0..5 {
        caller.presses("#").hears(&radio.prompt("home", "invalid_key", "en"));
    }
    caller.presses("#").hears(&radio.prompt("home", "goodbye", "en")).is_hung_up();
}

#[tokio::test]
async fn a_key_counts_whenever_it_is_pressed_however_slow_the_server_is() {
    let radio = RadioOfItsOwn::new(&[]).await.board;
    // It is spoken after the title of the first category.
    finds_slowly(&radio, "digit_2");
    let (first, code) = (radio.category(AGRICULTURE, "en"), radio.prompt("home", "ask_code", "en"));
    let mut caller = radio.answered("+221770007012");
    for turn in 0..7 {
        // Towards its end, which is where the next one was looked up.
        caller.hears(&first).listens(Duration::from_millis(50) * turn);
        caller.presses("#").hears(&code).presses("*");
    }
}

#[tokio::test]
async fn up_leads_to_the_menu_one_came_from_and_an_empty_category_says_so() {
    let radio = RadioOfItsOwn::new(&[]).await;
    let content = "SELECT nid FROM {node} WHERE type IN ('program', 'legacy_program', 'phone_message')";
    radio
        .changes(&format!(
            "INSERT INTO {{term_hierarchy}} (tid, parent) VALUES ({CROPS}, {HEALTH});
             DELETE FROM {{term_node}} WHERE tid = {HELP} AND nid IN ({content})"
        ))
        .await;
    radio.pulls_until(&format!(
        "SELECT 1 FROM phone_subcategory WHERE parent_id = {HEALTH} AND category_id = {CROPS}
         AND NOT EXISTS (SELECT 1 FROM phone_category_program WHERE category_id = {HELP})"
    ));
    let board = &radio.board;
    let value = |query: String| board.phone.value::<u32>(&query);
    let siblings = "SELECT count(*) FROM phone_subcategory WHERE parent_id = ";
    let crops =
        format!("(SELECT position FROM phone_subcategory WHERE parent_id = {HEALTH} AND category_id = {CROPS})");
    let place = value(format!("{siblings}{HEALTH} AND position <= {crops}"));
    let first = value(format!(
        "SELECT category_id FROM phone_subcategory WHERE parent_id = {HEALTH} ORDER BY position LIMIT 1"
    ));

    let mut caller = at_home(board, "+221770007007");
    caller.presses("2").hears(&board.category(HEALTH, "en"));
    caller.presses(&place.to_string()).hears(&board.category(CROPS, "en")).presses("*");
    caller.hears(&board.category(first, "en")).presses("*");
    caller.hears(&board.category(AGRICULTURE, "en")).presses("1");
    caller.hears(&board.category(AGRICULTURE, "en")).presses("1").hears(&board.category(CROPS, "en")).presses("*");
    caller.hears(&board.category(CROPS, "en")).presses("*");
    caller.presses("5").hears(&board.category(HELP, "en")).hears(&board.prompt("categories", "no_items", "en"));
    caller.hears(&board.category(AGRICULTURE, "en"));
}

#[tokio::test]
async fn keys_are_those_of_the_site_and_items_have_the_digits_that_are_left() {
    let radio = RadioOfItsOwn::new(&[]).await;
    let keys = r#"a:1:{s:4:"keys";a:1:{s:4:"menu";a:5:{s:4:"help";s:1:"1";s:8:"language";s:1:"2";s:9:"next_page";s:1:"3";s:2:"up";s:1:"0";s:4:"code";s:1:"*";}}}"#;
    radio.changes(&chosen(keys)).await;
    radio.pulls_until("SELECT 1 FROM phone_key WHERE context = 'menu' AND action = 'up' AND key = '0'");
    let board = &radio.board;
    let digit = |digit: u8| board.prompt("minimals", &format!("digit_{digit}"), "en");
    let mut caller = at_home(board, "+221770007008");
    caller.hears(&digit(4)).hears(&board.category(AGRICULTURE, "en")).presses("4");
    caller.hears(&board.category(AGRICULTURE, "en")).hears(&digit(4)).hears(&board.category(CROPS, "en")).presses("0");
    caller.hears(&board.category(AGRICULTURE, "en")).hears(&digit(5)).presses("1");
    caller.hears(&board.prompt("support", "support_intro", "en"));
    caller.hears(&digit(3)).hears(&board.prompt("support", "key_next_page", "en"));
    caller.hears(&digit(0)).hears(&board.prompt("support", "key_up", "en")).presses("2");
    caller.hears(&board.prompt("home", "language_name", "fr")).presses(&format!("*{LONG}#"));
    caller.hears(&board.title(LONG_IN_FRENCH));
}

#[tokio::test]
async fn a_body_that_was_recorded_again_is_heard_from_its_beginning() {
    let radio = RadioOfItsOwn::new(&[]).await;
    let board = &radio.board;
    let number = "+221770007009";
    let body = made_by_the_editor(STORY, "body");
    let mut caller = listening(board, number, STORY);
    // A place too near to the beginning is not remembered.
    while caller.is_at(&body) < Duration::from_secs(3) {}
    caller.presses("5").hears(&board.prompt("playing", "paused", "en"));
    caller.hangs_up();
    let _: i64 = board.written(&format!("SELECT at_ms FROM listening WHERE caller = '{number}'"));
    let sound: String = board.phone.value(&format!("SELECT body_sound FROM phone_program WHERE id = {STORY}"));
    radio
        .changes(&format!(
            "UPDATE {{content_field_audio_body}} b JOIN {{node}} n ON n.vid = b.vid SET b.field_audio_body_value = 437 WHERE n.nid = {STORY}"
        ))
        .await;
    radio.pulls_until(&format!("SELECT 1 FROM phone_program WHERE id = {STORY} AND body_sound <> '{sound}'"));
    let mut caller = at_home(board, number);
    caller.presses(&format!("#{STORY}#"));
    caller.hears_without(&made_by_the_editor(171, "body"), &board.prompt("playing", "resumed", "en"));
}

#[tokio::test]
async fn a_disk_without_room_is_said_before_anybody_has_spoken_and_a_locked_database_holds_up_no_menu() {
    let radio = RadioOfItsOwn::new(&["AS_RECORD_FREE_KB=99999999999"]).await;
    let board = &radio.board;
    let mut caller = at_home(board, "+221770007010");
    caller.presses("6").hears(&board.prompt("recording", "record_full", "en"));
    assert_eq!(board.written::<i64>("SELECT count(*) FROM recordings"), 0);

    let calls = board.calls();
    calls.execute_batch("BEGIN IMMEDIATE").unwrap();
    // Twice 0.3 seconds for each event, and what a key needs.
    let patience = Duration::from_secs(6);
    caller.presses("1").hears_within(&board.category(AGRICULTURE, "en"), patience);
    caller.presses("1").hears_within(&board.category(CROPS, "en"), patience);
    caller.presses("#").presses(&format!("{LONG}#")).hears_within(&board.title(LONG), patience);
    caller.hears(&made_by_the_editor(LONG, "body")).presses("2");
    caller.hears_within(&board.prompt("support", "support_unavailable", "en"), patience);
    calls.execute_batch("ROLLBACK").unwrap();
    caller.presses("2").hears(&board.prompt("playing", "bookmarked", "en"));
}

#[tokio::test]
async fn a_language_that_was_translated_and_nothing_else_is_heard_from_its_pack() {
    let directory = TempDir::new().unwrap();
    let packs = directory.path().join("packs");
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/asterisk/packs");
    copy_directory(shipped.as_ref(), &packs);
    let list = packs.join("prompts.toml");
    let words = fs::read_to_string(&list).unwrap();
    let translated =
        words.replacen("fr = \"Français.\"\n", "fr = \"Français.\"\nes-419 = \"Español de América.\"\n", 1);
    assert_ne!(words, translated);
    fs::write(&list, translated).unwrap();
    let made = Command::new(format!("{shipped}/make"))
        .args(["--missing", "--list", list.to_str().unwrap(), "--out", packs.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

    let settings = format!("packs_dir = \"{}\"", packs.display());
    let site = DrupalSite::new().configure(&settings).build().await;
    let languages = r#"a:1:{s:9:"languages";a:3:{i:0;s:2:"en";i:1;s:2:"fr";i:2;s:6:"es-419";}}"#;
    site.sql(&chosen(languages)).await;
    let gateway = Gateway::of(&site, ALL_PROGRAMS);
    let phone = Phone::of(&gateway.url());
    phone.pull();
    let board = Switchboard::of(phone, &[]);
    let mut caller = at_home(&board, "+221770007011");
    caller.presses("8").hears(&board.prompt("home", "language_name", "fr")).presses("8");
    caller.hears(&Sound::read(packs.join("es-419/home/language_name.mp3").to_str().unwrap()).unwrap());
    // Not translated, and so in the site's default language.
    caller.hears(&board.prompt("minimals", "digit_1", "en"));
    caller.hangs_up();
    // Remembered: the language after it is the first.
    let mut caller = board.answered("+221770007011");
    caller.hears(&board.prompt("home", "welcome_standard", "es-419")).presses("8");
    caller.hears(&board.prompt("home", "language_name", "en"));
}
