//! How calls come in: the caller's number in every form, plans, calls back, and what they may cost.

use super::made_by_the_editor;
use crate::harness::caller::Caller;
use crate::harness::gateway::Gateway;
use crate::harness::phone::Phone;
use crate::harness::switchboard::{PATIENCE, Switchboard};

/// A premium subscriber of the fixture, who has a balance and speaks French.
const FRENCH: &str = "+221775550124";

/// Subscribers by what the mirror says of them: each test takes one that no other has.
fn subscriber(radio: &Switchboard, condition: &str, place: u32) -> String {
    radio.phone.value(&format!(
        "SELECT number FROM phone_caller WHERE number LIKE '+221%' AND {condition} ORDER BY number LIMIT 1 OFFSET {place}"
    ))
}

async fn radio_of_its_own(settings: &[&str]) -> Switchboard {
    let (_, gateway) = Gateway::shared().await;
    let phone = Phone::with_packs(&gateway.url());
    phone.pull();
    Switchboard::of(phone, settings)
}

#[tokio::test]
async fn the_callers_number_becomes_e164_from_every_form_that_a_trunk_writes() {
    let radio = Switchboard::shared().await;
    let whole = "+221770004001";
    for form in ["+221770004001", "00221770004001", "0770004001", "770004001"] {
        let caller = radio.answered(form);
        caller.hangs_up();
    }
    let count: i64 =
        radio.written(&format!("SELECT 1 FROM cdr WHERE caller = '{whole}' GROUP BY caller HAVING count(*) = 4"));
    assert_eq!(count, 1);
}

#[tokio::test]
async fn a_withheld_number_is_its_own_value_and_hears_everything() {
    let radio = Switchboard::shared().await;
    let mut caller = radio.answered("");
    caller.hears(&radio.prompt("home", "welcome_standard", "en")).presses("1");
    caller.hears(&radio.category(1, "en"));
    caller.hangs_up();
    let caller: String = radio.written("SELECT caller FROM cdr WHERE caller = ''");
    assert_eq!(caller, "");
}

#[tokio::test]
async fn a_premium_caller_is_refused_at_no_cost_and_called_back_in_french() {
    let radio = Switchboard::shared().await;
    let call = radio.call(FRENCH);
    assert_eq!(call.is_refused(), (486, Some(17)));
    let mut caller = radio.is_called_back(FRENCH);
    caller.hears(&radio.prompt("home", "welcome_premium", "fr")).presses("1");
    caller.hears(&radio.category(1, "fr"));
    caller.hangs_up();
    let state: String =
        radio.written(&format!("SELECT state FROM callback WHERE number = '{FRENCH}' AND state = 'ended'"));
    assert_eq!(state, "ended");
}

#[tokio::test]
async fn a_busy_telephone_is_tried_again() {
    let radio = Switchboard::shared().await;
    let number = subscriber(radio, "plan = 'premium' AND balance_seconds > 0 AND language = 'en'", 0);
    radio.call(&number).is_refused();
    radio.line("alaw").wait_for_ring(&number, PATIENCE).unwrap().refuse(486);
    let mut caller = radio.is_called_back(&number);
    caller.hears(&radio.prompt("home", "welcome_premium", "en"));
}

#[tokio::test]
async fn whoever_asks_twice_is_called_back_once() {
    let radio = radio_of_its_own(&[]).await;
    radio.call(FRENCH).is_refused();
    radio.call(FRENCH).is_refused();
    let caller = radio.is_called_back(FRENCH);
    caller.hangs_up();
    let count: i64 = radio.written("SELECT count(*) FROM callback");
    assert_eq!(count, 1);
}

#[tokio::test]
async fn a_balance_that_was_spent_while_the_telephone_rang_is_told_and_the_call_ends() {
    let radio = radio_of_its_own(&[]).await;
    radio.call(FRENCH).is_refused();
    let ringing = radio.line("alaw").wait_for_ring(FRENCH, PATIENCE).unwrap();
    let spent = "INSERT INTO callback (number, reason, state, seconds, settled_at)
                 VALUES (?1, 'premium', 'ended', 100000000, CAST(strftime('%s', 'now') AS INTEGER))";
    radio.calls().execute(spent, [FRENCH]).unwrap();
    let mut caller = Caller::of(ringing.answer().unwrap(), FRENCH);
    caller.hears(&radio.prompt("home", "callback_used_up", "fr")).hears(&radio.prompt("home", "goodbye", "fr"));
    caller.is_hung_up();
}

#[tokio::test]
async fn a_call_back_ends_politely_when_the_seconds_of_a_budget_are_used_up() {
    let radio = radio_of_its_own(&["AS_CALLBACK_NUMBER_SECONDS=6"]).await;
    radio.call(FRENCH).is_refused();
    let mut caller = radio.is_called_back(FRENCH);
    caller.hears(&radio.prompt("home", "welcome_premium", "fr"));
    caller.hears_without(&radio.prompt("home", "goodbye", "fr"), &radio.prompt("home", "timeout", "fr"));
    caller.is_hung_up();
}

#[tokio::test]
async fn what_was_asked_for_by_a_clock_that_was_ahead_stands_in_nobodys_way() {
    let radio = radio_of_its_own(&["AS_CALLBACK_NUMBER_CALLS=2"]).await;
    let ahead = "INSERT INTO callback (number, reason, state, seconds, asked_at)
                 VALUES (?1, 'premium', ?2, 0, CAST(strftime('%s', 'now') AS INTEGER) + 864000)";
    for state in ["pending", "ended", "ended"] {
        radio.calls().execute(ahead, [FRENCH, state]).unwrap();
    }
    radio.call(FRENCH).is_refused();
    radio.is_called_back(FRENCH).hears(&radio.prompt("home", "welcome_premium", "fr"));
}

#[tokio::test]
async fn a_premium_caller_whose_balance_is_used_up_is_told_so_and_answered_as_a_standard_one() {
    let radio = Switchboard::shared().await;
    let number = subscriber(radio, "plan = 'premium' AND balance_seconds <= 0", 0);
    let mut caller = radio.answered(&number);
    let language: String =
        radio.phone.value(&format!("SELECT coalesce(language, 'en') FROM phone_caller WHERE number = '{number}'"));
    caller.hears(&radio.prompt("home", "balance_used_up", &language));
    caller.hears(&radio.prompt("home", "welcome_standard", &language));
}

#[tokio::test]
async fn beyond_the_budget_a_premium_caller_is_answered_as_a_standard_one_and_that_is_noted() {
    let radio = radio_of_its_own(&["AS_CALLBACK_NUMBER_CALLS=1"]).await;
    radio.call(FRENCH).is_refused();
    let mut caller = radio.is_called_back(FRENCH);
    caller.hears(&radio.prompt("home", "welcome_premium", "fr"));
    caller.hangs_up();
    let _: String = radio.written("SELECT state FROM callback WHERE state = 'ended'");
    let mut caller = radio.answered(FRENCH);
    caller.hears(&radio.prompt("home", "welcome_standard", "fr"));
    let refused: String = radio.written("SELECT kind FROM event WHERE kind = 'budget_refused'");
    assert_eq!(refused, "budget_refused");
}

#[tokio::test]
async fn a_prefix_that_is_not_allowed_is_never_called() {
    let radio = radio_of_its_own(&["AS_CALLBACK_PREFIXES=+222"]).await;
    let mut caller = radio.answered(FRENCH);
    caller.hears(&radio.prompt("home", "welcome_standard", "fr"));
    caller.hangs_up();
    let _: i64 = radio.written("SELECT 1 FROM event WHERE kind = 'budget_refused'");
    assert!(!radio.line("alaw").was_rung(FRENCH));
}

#[tokio::test]
async fn keys_that_are_pressed_as_soon_as_the_radio_answers_count() {
    let radio = Switchboard::shared().await;
    let mut caller = radio.answered("+221770004077");
    caller.presses("#").hears(&radio.prompt("home", "ask_code", "en"));
    caller.presses("321#").hears(&made_by_the_editor(321, "body"));
}
