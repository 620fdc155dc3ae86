//! Text messages: a keyword, a code, anything else.

use std::net::TcpStream;

use super::{RadioOfItsOwn, made_by_the_editor};
use crate::agent::running::{Running, until};
use crate::harness::free_address;
use crate::harness::switchboard::{PATIENCE, RADIO, SENDS_NO_TEXTS, Switchboard};

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
async fn a_premium_subscriber_who_sends_a_code_from_a_list_is_called_back_into_the_program() {
    let radio = RadioOfItsOwn::new(&[]).await.board;
    sends(&radio, FRENCH, "crops");
    let list = receives(&radio, FRENCH);
    let mut codes = list.split(|letter: char| !letter.is_ascii_digit()).filter_map(|number| number.parse::<u32>().ok());
    let body_of = |code: u32| {
        let query = format!(
            "SELECT p.body_sound FROM phone_translation t JOIN phone_program p ON p.id = t.member_id
             WHERE t.program_id = {code} AND t.language = 'fr'"
        );
        radio.phone.mirror().query_row(&query, [], |row| row.get::<_, String>(0)).ok()
    };
    let (code, body) = codes.find_map(|code| Some((code, body_of(code)?))).unwrap();
    sends(&radio, FRENCH, &code.to_string());
    let mut caller = radio.is_called_back(FRENCH);
    caller.hears(&radio.sound(&body));
}

#[tokio::test]
async fn a_code_that_comes_while_a_call_back_is_on_its_way_is_where_that_call_leads() {
    let radio = RadioOfItsOwn::new(&["AS_CALLBACK_DELAY=3"]).await.board;
    radio.call(FRENCH).is_refused();
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

#[tokio::test]
async fn texts_come_by_modems_of_every_kind() {
    let radio = Switchboard::shared().await;
    for (number, variables) in [
        ("+221770007003", &[("SMS", "99999")][..]),
        ("+221770007004", &[("SMS_BASE64", "OTk5OTk="), ("SMS", "?")]),
        ("+221770007005", &[("SMSTXT", "99999"), ("SMSSRC", "0770007005")]),
    ] {
        radio.starts_from_a_modem("sms", number, variables);
        assert!(receives(radio, number).contains("99999"), "{variables:?}");
    }
}

/// The link is down meanwhile: texts need it as little as calls do.
#[tokio::test]
async fn texts_that_come_by_the_agents_hook_are_answered_by_the_trunk_it_names() {
    let radio = RadioOfItsOwn::new(&[]).await.board;
    let address = free_address();
    std::fs::write(radio.phone.path().join("sms.token"), "token-of-the-senders\n").unwrap();
    let settings = format!(
        "[asterisk]\noutgoing = \"{}\"\n[hook]\nlisten = \"{address}\"\ntoken_file = \"sms.token\"\ncountry_code = \"221\"\n\
         trunk = \"audiospread-trunk-alaw\"\n",
        radio.path("spool/outgoing").display()
    );
    radio.phone.configure("http://127.0.0.1:9", &settings);
    let _run = Running::of(&radio.phone);
    until("the hook listens", || TcpStream::connect(address).is_ok());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let text = serde_json::json!({"from": "0770007008", "body": "Été, 99999?", "id": "1"});
    let code = serde_json::json!({"from": "0770007008", "body": "99999", "id": "2"});
    for (message, answered) in [(&code, "99999"), (&text, "")] {
        let posted = client.post(format!("http://{address}/v1/sms")).bearer_auth("token-of-the-senders");
        assert!(posted.json(message).send().await.unwrap().status().is_success());
        assert!(receives(&radio, "+221770007008").contains(answered));
    }
}

#[tokio::test]
async fn what_is_in_a_text_message_is_neither_run_nor_asked_of_a_database() {
    let radio = Switchboard::shared().await;
    let number = "+221770007006";
    let made = radio.path("made-by-a-text");
    let help: String = radio.phone.value("SELECT text FROM phone_sms_text WHERE key = 'help' AND language = 'en'");
    let help = help.replace("%NUMBER%", RADIO);
    for text in [
        format!("${{SHELL(touch {})}}", made.display()),
        format!("x):System(touch {})", made.display()),
        format!("`touch {0}` $(touch {0}) ; touch {0}", made.display()),
        "zz' OR 'a'='a".to_owned(),
        "zz' OR 1 --):1".to_owned(),
        "'):x".to_owned(),
        "zz'; DELETE FROM sms_out; --".to_owned(),
        "zz%' UNION SELECT number FROM phone_caller --".to_owned(),
        "\u{0}\u{1}\u{7f}\r\n\t\"\\".to_owned(),
        "é".repeat(900),
    ] {
        sends(radio, number, &text);
        assert_eq!(receives(radio, number), help, "{text:?}");
    }
    assert!(!made.exists());
    let sent: i64 = radio.written(&format!(
        "SELECT count(*) FROM sms_out WHERE number = '{number}' AND state = 'sent' HAVING count(*) = 10"
    ));
    assert_eq!(sent, 10);
}

#[tokio::test]
async fn a_trunk_that_sends_no_texts_leaves_the_answer_to_the_agent() {
    let radio = Switchboard::shared().await;
    let number = "+221770007009";
    let code = radio.line(SENDS_NO_TEXTS).send_text(number, RADIO, "99999", PATIENCE).unwrap();
    assert_eq!(code, 202);
    let answer: String =
        radio.written(&format!("SELECT body FROM sms_out WHERE number = '{number}' AND state = 'pending'"));
    assert!(answer.contains("99999"), "{answer}");
    let came: i64 = radio.written(&format!("SELECT count(*) FROM event WHERE caller = '{number}' AND kind = 'sms_in'"));
    assert_eq!(came, 1, "the answer was taken for another text that came in");
}

#[tokio::test]
async fn texts_out_have_a_budget() {
    let radio = Switchboard::shared().await;
    let number = "+221770007007";
    let many = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 19)
         INSERT INTO sms_out (number, body, state) SELECT '{number}', 'before', 'sent' FROM n"
    );
    radio.calls().execute_batch(&many).unwrap();
    sends(radio, number, "99999");
    receives(radio, number);
    sends(radio, number, "99999");
    let refused: String =
        radio.written(&format!("SELECT detail FROM event WHERE caller = '{number}' AND kind = 'budget_refused'"));
    assert_eq!(refused, "sms number_texts");
    let sent: i64 = radio.written(&format!("SELECT count(*) FROM sms_out WHERE number = '{number}'"));
    assert_eq!(sent, 20);
}
