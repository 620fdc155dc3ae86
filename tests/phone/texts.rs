//! Text messages: a keyword, a code, anything else.

use super::{RadioOfItsOwn, made_by_the_editor};
use crate::harness::switchboard::{PATIENCE, RADIO, Switchboard};

const CROPS: u32 = 2;
/// A premium subscriber of the fixture, who has a balance.
const FRENCH: &str = "+221775550124";

fn sends(radio: &Switchboard, from: &str, text: &str) {
    let code = radio.line("alaw").send_text(from, RADIO, text, PATIENCE).unwrap();
    assert_eq!(code, 202);
}

fn receives(radio: &Switchboard, number: &str) -> String {
    radio.line("alaw").wait_for_text(number, PATIENCE).unwrap().body
}

#[tokio::test]
async fn a_keyword_is_answered_by_titles_and_codes() {
    let radio = Switchboard::shared().await;
    let number = "+221770009001";
    sends(radio, number, " Crops ");
    let mut all = receives(radio, number);
    let parts: i64 =
        radio.phone.value("SELECT count(*) FROM phone_sms_part WHERE keyword = 'crops' AND language = 'en'");
    for _ in 1..parts {
        all += &receives(radio, number);
    }
    for program in super::listed(radio, CROPS) {
        assert!(all.contains(&program.to_string()), "{program} is not in {all}");
    }
}

#[tokio::test]
async fn a_premium_subscriber_who_sends_a_code_is_called_back_into_the_program() {
    let radio = RadioOfItsOwn::new(&[]).await.board;
    sends(&radio, FRENCH, "165");
    let mut caller = radio.is_called_back(FRENCH);
    caller.hears(&made_by_the_editor(165, "body"));
}

#[tokio::test]
async fn another_sender_of_a_code_is_told_the_number_to_call_and_an_unknown_code_and_anything_else_are_answered() {
    let radio = Switchboard::shared().await;
    let number = "+221770009002";
    sends(radio, number, "165");
    assert!(receives(radio, number).contains(RADIO));
    sends(radio, number, "99999");
    let unknown = receives(radio, number);
    sends(radio, number, "hello? ${EXTEN} $[1+1] \"'; DROP");
    let help = receives(radio, number);
    assert!(unknown != help && !help.is_empty(), "{unknown} {help}");
}
