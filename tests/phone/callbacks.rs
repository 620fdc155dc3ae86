//! Calls back: tried again, given up, remembered through a crash, and never more of them than was allowed.

use std::process::Command;
use std::time::{Duration, Instant};

use tokio::sync::OnceCell;

use super::radio_with_subscribers;
use crate::agent::running::until;
use crate::harness::switchboard::{PATIENCE, Switchboard};

/// The radio of these tests: gives up after the second try, and calls back after missed calls to two of its numbers, once.
async fn radio() -> &'static Switchboard {
    static RADIO: OnceCell<Switchboard> = OnceCell::const_new();
    RADIO
        .get_or_init(|| {
            radio_with_subscribers(
                SUBSCRIBERS,
                &["AS_CALLBACK_RETRIES=1", "AS_MISSED_DIALLED=701, 702", "AS_MISSED_NUMBER_CALLS=1"],
            )
        })
        .await
}

/// Premium subscribers, one for each test; the fourth has two numbers and a balance.
const SUBSCRIBERS: &str = "
INSERT INTO subscriber (id, plan, language, balance_seconds) VALUES
  (90000, 'premium', 'fr', NULL), (90001, 'premium', 'fr', NULL), (90002, 'premium', 'fr', NULL), (90003, 'premium', 'fr', 3600),
  (90005, 'premium', 'fr', NULL), (90006, 'premium', 'fr', NULL);
INSERT INTO subscriber_number (number, subscriber_id) VALUES
  ('+221770008100', 90000), ('+221770008101', 90001), ('+221770008102', 90002), ('+221770008103', 90003), ('+221770008104', 90003),
  ('+221770008105', 90005), ('+221770008106', 90006);
";
const BUSY: &str = "+221770008100";
const LOST: &str = "+221770008101";
const SPENDER: &str = "+221770008103";
const SPENDERS_OTHER: &str = "+221770008104";

const TEXTER: &str = "+221770008105";
const GIVEN_UP: &str = "+221770008106";

fn change(radio: &Switchboard, sql: &str) {
    radio.calls().execute_batch(sql).unwrap();
}

/// What `budget_refused` says of a caller.
fn refused(radio: &Switchboard, number: &str) -> String {
    radio.written(&format!("SELECT detail FROM event WHERE kind = 'budget_refused' AND caller = '{number}'"))
}

#[tokio::test]
async fn a_telephone_that_stays_busy_is_given_up_and_may_ask_again() {
    let radio = radio().await;
    let number = BUSY;
    radio.call(number).is_refused();
    for _ in 0..2 {
        radio.line("alaw").wait_for_ring(number, PATIENCE).unwrap().refuse(486);
    }
    let tries: i64 =
        radio.written(&format!("SELECT tries FROM callback WHERE number = '{number}' AND state = 'failed'"));
    assert_eq!(tries, 2);
    let records: i64 = radio.written(&format!(
        "SELECT count(*) FROM cdr WHERE caller = '{number}' AND direction = 'callback' AND disposition = 'BUSY' HAVING count(*) = 2"
    ));
    assert_eq!(records, 2);
    radio.call(number).is_refused();
    radio.is_called_back(number).hangs_up();
}

#[tokio::test]
async fn a_call_back_that_was_never_settled_stands_in_nobodys_way() {
    let radio = radio().await;
    let number = LOST;
    let lost = "INSERT INTO callback (number, reason, state, asked_at, settled_at) VALUES";
    change(radio, &format!("{lost} ('{number}', 'premium', 'pending', strftime('%s', 'now') - 100000, NULL)"));
    radio.call(number).is_refused();
    radio.is_called_back(number).hangs_up();
    let failed: i64 =
        radio.written(&format!("SELECT count(*) FROM callback WHERE number = '{number}' AND state = 'failed'"));
    assert_eq!(failed, 1);
}

#[tokio::test]
async fn a_call_file_that_outlives_its_call_back_leads_nobody_to_the_menus() {
    let radio = radio().await;
    let number = GIVEN_UP;
    radio.call(number).is_refused();
    change(radio, &format!("UPDATE callback SET state = 'failed' WHERE number = '{number}' AND state = 'pending'"));
    radio.is_called_back(number).is_hung_up();
    let _: i64 = radio.written(&format!("SELECT 1 FROM cdr WHERE caller = '{number}' AND direction = 'callback'"));
    let state: String = radio.written(&format!("SELECT state FROM callback WHERE number = '{number}'"));
    assert_eq!(state, "failed");
    let noted: i64 = radio.written(&format!(
        "SELECT count(*) FROM event WHERE caller = '{number}' AND kind IN ('callback_answered', 'callback_ended')"
    ));
    assert_eq!(noted, 0);
}

/// As a modem's driver starts them: for a text that went to this number, and for what its network answers.
#[tokio::test]
async fn what_a_modem_tells_of_a_text_and_what_its_network_answers_are_no_calls() {
    let radio = radio().await;
    let number = TEXTER;
    for extension in ["report", "ussd"] {
        radio.starts_from_a_modem(extension, number, &[]);
    }
    until("both were looked at", || !radio.spooled().iter().any(|name| name.starts_with("modem-")));
    let other = "+221770008002";
    radio.answered(other).hangs_up();
    let _: i64 = radio.written(&format!("SELECT 1 FROM cdr WHERE caller = '{other}'"));
    let asked: i64 = radio.written(&format!("SELECT count(*) FROM callback WHERE number = '{number}'"));
    assert_eq!(asked, 0, "nobody asked to be called back");
    // (The other end of each channel is no driver's: it comes of the call file.)
    let records: i64 = radio
        .written("SELECT count(*) FROM cdr WHERE channel LIKE 'Local/report@%;2' OR channel LIKE 'Local/ussd@%;2'");
    assert_eq!(records, 0);
}

#[tokio::test]
async fn what_a_subscriber_spent_since_the_pull_counts() {
    let radio = radio().await;
    let (number, any_number, balance) = (SPENDER, SPENDERS_OTHER, 3600);
    let spent = "INSERT INTO callback (number, reason, state, asked_at, settled_at, seconds) VALUES";
    // Before the pull it is in the balance already, in which the site counts it.
    change(radio, &format!("{spent} ('{any_number}', 'premium', 'ended', 1, 100, {balance})"));
    radio.call(number).is_refused();
    radio.is_called_back(number).hangs_up();
    change(radio, &format!("{spent} ('{any_number}', 'premium', 'ended', 1, strftime('%s', 'now'), {balance})"));
    let mut caller = radio.answered(number);
    caller.hears(&radio.prompt("home", "balance_used_up", "fr"));
    caller.hears(&radio.prompt("home", "welcome_standard", "fr"));
    assert_eq!(refused(radio, number), "premium balance");
}

#[tokio::test]
async fn missed_calls_are_called_back_where_that_is_wanted_and_as_often() {
    let radio = radio().await;
    let number = "+221770008001";
    radio.answered(number).hangs_up();
    assert_eq!(radio.call_to("00221770008001", "702").is_refused(), (486, Some(17)));
    let mut caller = radio.is_called_back(number);
    caller.hears(&radio.prompt("home", "welcome_standard", "en"));
    caller.hangs_up();
    let _: i64 = radio.written(&format!("SELECT 1 FROM callback WHERE number = '{number}' AND state = 'ended'"));
    let caller = radio.call_to(number, "702");
    caller.is_answered();
    assert_eq!(refused(radio, number), "missed missed_number_calls");
}

#[tokio::test]
async fn in_quiet_hours_nobody_is_called_back() {
    let radio = radio_with_subscribers(SUBSCRIBERS, &[]).await;
    let number = BUSY;
    let hour = |when: &str| {
        let said = Command::new("date").args(["-d", when, "+%H:%M"]).output().unwrap();
        String::from_utf8(said.stdout).unwrap().trim().to_owned()
    };
    // Over midnight too, whenever this runs: hours that are not now, and hours that are.
    let (before, after) = (hour("3 hours ago"), hour("3 hours"));
    radio.console(&format!("dialplan set global AS_CALLBACK_QUIET {before}-{after}"));
    let mut caller = radio.answered(number);
    caller.hears(&radio.prompt("home", "welcome_standard", "fr"));
    assert_eq!(refused(&radio, number), "premium quiet_hours");
    caller.hangs_up();
    radio.console(&format!("dialplan set global AS_CALLBACK_QUIET {after}-{before}"));
    radio.call(number).is_refused();
    radio.is_called_back(number).hangs_up();
}

#[tokio::test]
async fn a_call_back_that_was_promised_is_made_though_asterisk_was_killed_before_it() {
    let radio = radio_with_subscribers(SUBSCRIBERS, &["AS_CALLBACK_DELAY=4"]).await;
    let number = BUSY;
    radio.call(number).is_refused();
    let asked = Instant::now();
    radio.kill();
    assert!(asked.elapsed() < Duration::from_secs(4), "it was not killed in time");
    assert!(!radio.line("alaw").was_rung(number));
    radio.start();
    let mut caller = radio.is_called_back(number);
    caller.hears(&radio.prompt("home", "welcome_premium", "fr"));
    caller.hangs_up();
    let ended: String =
        radio.written(&format!("SELECT state FROM callback WHERE number = '{number}' AND state = 'ended'"));
    assert_eq!(ended, "ended");
}

#[tokio::test]
async fn without_its_spool_or_with_a_setting_that_is_no_number_the_radio_answers_by_itself() {
    let radio = radio_with_subscribers(SUBSCRIBERS, &[]).await;
    let number = BUSY;
    std::fs::rename(radio.path("spool/tmp"), radio.path("spool/elsewhere")).unwrap();
    radio.answered(number).hangs_up();
    assert_eq!(refused(&radio, number), "premium call_file");
    std::fs::rename(radio.path("spool/elsewhere"), radio.path("spool/tmp")).unwrap();
    let other = LOST;
    radio.console("dialplan set global AS_CALLBACK_ALL_CALLS many");
    radio.answered(other).hangs_up();
    assert_eq!(refused(&radio, other), "premium database");
    radio.console("dialplan set global AS_CALLBACK_ALL_CALLS 500");
    radio.call(number).is_refused();
    radio.is_called_back(number).hangs_up();
}
