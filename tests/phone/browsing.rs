//! Menus: down to a program, page by page, up again, and what happens to those who press nothing or the wrong key.

use super::{item, listed, made_by_the_editor};
use crate::harness::switchboard::Switchboard;

/// Terms of the fixture.
const AGRICULTURE: u32 = 1;
const CROPS: u32 = 2;
const NEWS: u32 = 8;

#[tokio::test]
async fn a_caller_goes_down_two_levels_and_hears_the_program_he_chose() {
    let radio = Switchboard::shared().await;
    let programs = listed(radio, CROPS);
    let place = 2;
    let program = programs[place];
    let mut caller = radio.answered("+221770001001");
    caller.hears(&radio.prompt("home", "welcome_standard", "en"));
    caller.hears(&radio.prompt("home", "home_message", "en"));
    caller.hears(&radio.prompt("minimals", "digit_1", "en")).hears(&radio.category(AGRICULTURE, "en")).presses("1");
    caller.hears(&radio.category(AGRICULTURE, "en")).hears(&radio.prompt("minimals", "digit_1", "en"));
    caller.hears(&radio.category(CROPS, "en")).presses("1");
    caller.hears(&radio.category(CROPS, "en"));
    caller.hears(&made_by_the_editor(programs[0], "title")).presses(&item(place));
    caller.hears(&radio.prompt("playing", "now_playing", "en")).hears(&made_by_the_editor(program, "title"));
    caller.hears(&made_by_the_editor(program, "body"));
    caller.hears(&radio.prompt("playing", "end_of_program", "en"));
    caller.presses("*").hears(&made_by_the_editor(programs[0], "title"));
    caller.presses("*").hears(&radio.category(CROPS, "en"));
    caller.presses("*").hears(&radio.category(AGRICULTURE, "en"));
}

#[tokio::test]
async fn a_long_category_is_read_out_in_pages_and_the_last_leads_back_to_the_first() {
    let radio = Switchboard::shared().await;
    let programs = listed(radio, NEWS);
    let (first, second, third) = (programs[0], programs[7], programs[14]);
    let mut caller = radio.answered("+221770001002");
    caller.hears(&radio.prompt("home", "welcome_standard", "en")).presses("3").hears(&radio.category(NEWS, "en"));
    caller.hears(&made_by_the_editor(first, "title")).presses("9");
    caller.hears(&made_by_the_editor(second, "title")).presses("9");
    caller.hears(&made_by_the_editor(third, "title")).presses("9");
    caller.hears(&made_by_the_editor(first, "title")).presses("9").presses("1");
    caller.hears(&made_by_the_editor(second, "title"));
}

#[tokio::test]
async fn a_wrong_key_is_told_and_the_menu_goes_on() {
    let radio = Switchboard::shared().await;
    let mut caller = radio.answered("+221770001003");
    caller.hears(&radio.prompt("home", "welcome_standard", "en")).presses("7");
    caller.hears(&radio.prompt("home", "invalid_key", "en")).hears(&radio.category(AGRICULTURE, "en"));
}

#[tokio::test]
async fn whoever_presses_nothing_hears_the_menu_again_then_a_short_help_then_goodbye() {
    let radio = Switchboard::shared().await;
    let mut caller = radio.answered("+221770001004");
    caller.hears(&radio.prompt("home", "welcome_standard", "en"));
    // A category with little in it, so that it is not long until nothing is pressed.
    caller.presses("1").hears(&radio.category(AGRICULTURE, "en")).presses("2");
    caller.hears(&radio.prompt("home", "timeout", "en"));
    caller.hears(&radio.prompt("home", "timeout", "en")).hears(&radio.prompt("support", "short_help", "en"));
    caller.hears(&radio.prompt("home", "goodbye", "en"));
    caller.is_hung_up();
}

#[tokio::test]
async fn help_tells_the_keys_and_leads_back() {
    let radio = Switchboard::shared().await;
    let mut caller = radio.answered("+221770001005");
    caller.hears(&radio.prompt("home", "welcome_standard", "en")).presses("0");
    caller.hears(&radio.prompt("support", "support_intro", "en"));
    caller.hears(&radio.prompt("support", "key_language", "en")).presses("1");
    caller.hears(&radio.category(AGRICULTURE, "en"));
}
