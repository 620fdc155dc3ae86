//! Content that changes, is missing, or was never there: whatever happens to the mirror, callers hear something that makes sense.

use std::fs;

use audiospread_caller::Sound;

use super::{RadioOfItsOwn, listed, made_by_the_editor};
use crate::harness::phone::Phone;
use crate::harness::switchboard::Switchboard;

const CROPS: u32 = 2;
const NEWS: u32 = 8;
const LONG: u32 = 321;

/// What a language pack says.
fn packed(name: &str) -> Sound {
    Sound::read(format!("{}/scripts/asterisk/packs/{name}.mp3", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[tokio::test]
async fn twenty_one_programs_are_read_out_on_three_pages() {
    let radio = RadioOfItsOwn::new(&[]).await;
    let there = u32::try_from(listed(&radio.board, NEWS).len()).unwrap();
    radio
        .changes(&format!(
            "INSERT INTO {{term_node}} (tid, nid, vid)
             SELECT {NEWS}, nid, vid FROM {{node}} WHERE nid IN (165, 174, 177, 189, 198, 201, 219, 222) LIMIT {}",
            21 - there
        ))
        .await;
    let count = format!("SELECT count(*) FROM phone_category_program WHERE category_id = {NEWS} AND language = 'en'");
    radio.pulls_until(&format!("SELECT 1 WHERE ({count}) = 21"));
    let programs = listed(&radio.board, NEWS);
    let mut caller = radio.board.answered("+221770006001");
    caller.hears(&radio.board.prompt("home", "welcome_standard", "en")).presses("3");
    for (page, programs) in programs.chunks(7).enumerate() {
        for program in programs {
            if radio
                .board
                .phone
                .value::<bool>(&format!("SELECT title_sound IS NOT NULL FROM phone_program WHERE id = {program}"))
            {
                caller.hears(&radio.board.title(*program));
            } else {
                caller.hears(&radio.board.prompt("programs", "untitled", "en"));
            }
        }
        if page < 2 {
            caller.hears(&radio.board.prompt("categories", "next_page", "en")).presses("9");
        }
    }
    caller.hears(&radio.board.prompt("home", "timeout", "en"));
}

#[tokio::test]
async fn a_program_that_goes_while_it_is_heard_plays_to_its_end_and_one_that_went_since_it_was_read_out_says_so() {
    let radio = RadioOfItsOwn::new(&[]).await;
    let programs = listed(&radio.board, CROPS);
    let mut in_menu = radio.board.answered("+221770006002");
    in_menu.hears(&radio.board.prompt("home", "welcome_standard", "en")).presses("11");
    in_menu.hears(&made_by_the_editor(programs[0], "title"));
    let mut listener = radio.board.answered("+221770006003");
    listener.hears(&radio.board.prompt("home", "welcome_standard", "en")).presses(&format!("#{LONG}#"));
    let body = made_by_the_editor(LONG, "body");
    listener.hears(&body).presses("5").hears(&radio.board.prompt("playing", "paused", "en"));
    radio.changes(&format!("UPDATE {{node}} SET status = 0 WHERE nid IN ({}, {LONG})", programs[0])).await;
    radio.pulls_until(&format!("SELECT 1 FROM phone_gone WHERE program_id = {LONG}"));
    in_menu.presses("1").hears(&radio.board.prompt("programs", "program_missing", "en"));
    in_menu.hears(&made_by_the_editor(programs[1], "title"));
    listener.presses("5").hears(&body.part(body.duration() * 4 / 5, body.duration()));
    listener.hears(&radio.board.prompt("playing", "end_of_program", "en"));
}

#[tokio::test]
async fn a_prompt_that_the_site_has_not_or_that_is_damaged_is_heard_from_the_pack_until_an_editor_records_it() {
    let radio = RadioOfItsOwn::new(&[]).await;
    let theirs = radio.board.prompt("home", "welcome_standard", "en");
    let node = DrupalPrompt::named("welcome_standard", "en");
    radio.changes(&format!("UPDATE {{node}} SET status = 0 WHERE nid = {}", node.0)).await;
    let resolved = "SELECT 1 FROM phone_prompt WHERE key = 'welcome_standard' AND language = 'en' AND source = ";
    radio.pulls_until(&format!("{resolved}'pack'"));
    let message: String = radio.board.phone.value(
        "SELECT audio_dir || '/' || sound FROM phone_mirror, phone_prompt WHERE key = 'home_message' AND language = 'en'",
    );
    fs::remove_file(format!("{message}.wav")).unwrap();
    let mut caller = radio.board.answered("+221770006004");
    caller.hears(&packed("en/home/welcome_standard")).hears(&packed("en/home/home_message"));
    radio.changes(&format!("UPDATE {{node}} SET status = 1 WHERE nid = {}", node.0)).await;
    radio.pulls_until(&format!("{resolved}'site'"));
    let mut caller = radio.board.answered("+221770006005");
    caller.hears(&theirs);
}

#[tokio::test]
async fn a_phone_server_that_has_never_pulled_anything_answers_politely() {
    // Nobody listens there.
    let phone = Phone::of("http://127.0.0.1:9");
    let packs = format!("packs_dir = \"{}/scripts/asterisk/packs\"", env!("CARGO_MANIFEST_DIR"));
    phone.configure("http://127.0.0.1:9", &packs);
    assert_eq!(phone.run(&["pull"]).code(), 75);
    let radio = Switchboard::of(phone, &[]);
    let mut caller = radio.answered("+221770006006");
    caller.hears(&packed("en/home/welcome_standard")).hears(&packed("en/recording/record_title"));
    caller.presses("2").hears(&packed("en/home/invalid_key"));
    caller.hears(&packed("en/recording/record_title")).presses("1").hears(&packed("en/recording/record_welcome"));
}

/// A prompt's node in the fixture.
struct DrupalPrompt(u64);

impl DrupalPrompt {
    fn named(key: &str, language: &str) -> Self {
        let expected = crate::harness::DrupalSite::expected();
        let nodes = expected["prompts"].as_array().unwrap().iter().filter(|node| {
            let text = node.to_string();
            node["status"] == 1 && text.contains(&format!("\"{key}\"")) && text.contains(&format!("\"{language}\""))
        });
        Self(nodes.filter_map(|node| node["nid"].as_u64()).min().unwrap())
    }
}
