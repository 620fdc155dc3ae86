//! What calls back may cost: each budget that is used up, what follows of it for the caller, and that it is named.

use std::fmt::Write as _;

use super::radio_with_subscribers;
use crate::harness::switchboard::Switchboard;

/// Small ones; calls back to four areas.
const SETTINGS: &[&str] = &[
    "AS_CALLBACK_PREFIXES=+22177,+22176,+22178,+22170",
    "AS_CALLBACK_NUMBER_CALLS=3",
    "AS_CALLBACK_NUMBER_SECONDS=600",
    "AS_CALLBACK_PREFIX_CALLS=5",
    "AS_CALLBACK_PREFIX_SECONDS=1500",
    "AS_CALLBACK_ALL_CALLS=16",
    "AS_CALLBACK_ALL_SECONDS=6000",
];

/// Premium subscribers, and what is to be said of them.
const OF_ITS_CALLS: &str = "+221770008201";
const OF_ITS_SECONDS: &str = "+221770008202";
const OF_ITS_AREAS_CALLS: &str = "+221760008203";
const OF_ITS_AREAS_SECONDS: &str = "+221780008204";
const NOWHERE: &str = "+221330008205";
const OF_YESTERDAY: &str = "+221770008206";
const LAST: &str = "+221700008207";

async fn radio() -> Switchboard {
    let numbers = [OF_ITS_CALLS, OF_ITS_SECONDS, OF_ITS_AREAS_CALLS, OF_ITS_AREAS_SECONDS, NOWHERE, OF_YESTERDAY, LAST];
    let mut sql = String::new();
    for (number, id) in numbers.iter().zip(90100..) {
        write!(
            sql,
            "INSERT INTO subscriber (id, plan, language, balance_seconds) VALUES ({id}, 'premium', 'fr', NULL);
             INSERT INTO subscriber_number (number, subscriber_id) VALUES ('{number}', {id});"
        )
        .unwrap();
    }
    radio_with_subscribers(&sql, SETTINGS).await
}

/// So many calls back to a number, each so long, that began so many seconds ago.
fn spent(radio: &Switchboard, number: &str, calls: u32, seconds: u32, ago: u32) {
    let call = format!(
        "INSERT INTO callback (number, reason, state, asked_at, settled_at, seconds) VALUES
         ('{number}', 'premium', 'ended', strftime('%s', 'now') - {ago}, strftime('%s', 'now') - {ago}, {seconds});"
    );
    radio.calls().execute_batch(&call.repeat(calls as usize)).unwrap();
}

/// Fails unless everybody is answered as a standard caller, and the budget that was used up is named.
#[track_caller]
fn are_answered(radio: &Switchboard, callers: &[(&str, &str)]) {
    let welcome = radio.prompt("home", "welcome_standard", "fr");
    let mut calls: Vec<_> = callers.iter().map(|(number, _)| radio.answered(number)).collect();
    for call in &mut calls {
        call.hears(&welcome).hangs_up();
    }
    for (number, budget) in callers {
        let last = format!("caller = '{number}' ORDER BY id DESC LIMIT 1");
        let named: String =
            radio.written(&format!("SELECT detail FROM event WHERE kind = 'budget_refused' AND {last}"));
        assert_eq!(named, format!("premium {budget}"), "{number}");
        let plan: String = radio.written(&format!("SELECT plan FROM cdr WHERE direction = 'in' AND {last}"));
        assert_eq!(plan, "standard", "{number}");
        assert!(!radio.line("alaw").was_rung(number), "{number}");
    }
}

#[tokio::test]
async fn each_budget_that_is_used_up_is_named_and_its_caller_answered_as_a_standard_one() {
    let radio = radio().await;
    spent(&radio, OF_ITS_CALLS, 3, 1, 80_000);
    spent(&radio, OF_ITS_SECONDS, 1, 600, 80_000);
    spent(&radio, "+221760000001", 2, 1, 10);
    spent(&radio, "+221760000002", 3, 1, 10);
    spent(&radio, "+221780000001", 1, 1000, 10);
    spent(&radio, "+221780000002", 1, 500, 10);
    are_answered(
        &radio,
        &[
            (OF_ITS_CALLS, "number_calls"),
            (OF_ITS_SECONDS, "number_seconds"),
            (OF_ITS_AREAS_CALLS, "prefix_calls"),
            (OF_ITS_AREAS_SECONDS, "prefix_seconds"),
            (NOWHERE, "prefix"),
        ],
    );
    // What is more than a day old does not count.
    spent(&radio, OF_YESTERDAY, 20, 600, 90_000);
    radio.call(OF_YESTERDAY).is_refused();
    radio.is_called_back(OF_YESTERDAY).hangs_up();
    radio.calls().execute_batch("DELETE FROM callback").unwrap();
    spent(&radio, "+221990000001", 16, 1, 10);
    are_answered(&radio, &[(LAST, "all_calls")]);
    radio.calls().execute_batch("DELETE FROM callback").unwrap();
    spent(&radio, "+221990000001", 1, 6000, 10);
    are_answered(&radio, &[(LAST, "all_seconds")]);
}
