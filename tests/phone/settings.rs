//! What the keeper of a phone server may choose about calls back and recordings, heard in calls.

use std::time::Duration;

use audiospread_caller::Sound;

use super::{holds, made_by_the_editor, radio_with_subscribers, settled};
use crate::harness::caller::Caller;
use crate::harness::switchboard::Switchboard;

/// Premium subscribers who speak French.
const SUBSCRIBERS: &str = "
INSERT INTO subscriber (id, plan, language, balance_seconds) VALUES
  (90200, 'premium', 'fr', NULL), (90201, 'premium', 'fr', NULL), (90202, 'premium', 'fr', NULL);
INSERT INTO subscriber_number (number, subscriber_id) VALUES
  ('+221770008300', 90200), ('+221770008301', 90201), ('+221770008302', 90202);
";
const LISTENER: &str = "+221770008300";
const SPEAKER: &str = "+221770008301";
const UNHEEDED: &str = "+221770008302";
const STRANGER: &str = "+221770008303";

/// A program of 10 seconds.
const STORY: u32 = 165;
/// "Record a message" is the item after the last category of the fixture's home menu.
const RECORD: &str = "6";

/// What callers say in these tests.
fn message() -> Sound {
    made_by_the_editor(171, "body").part(Duration::ZERO, Duration::from_secs(4))
}

/// From the home menu to the tone after which one speaks, passing over what is said before it.
fn goes_to_the_tone(radio: &Switchboard, caller: &mut Caller, language: &str) {
    caller.presses(RECORD).hears(&radio.prompt("recording", "record_welcome", language)).presses("1");
    caller.waits_for_the_tone();
}

#[tokio::test]
async fn a_call_back_that_has_lasted_its_longest_ends_with_goodbye_and_keeps_what_was_begun() {
    let radio = radio_with_subscribers(SUBSCRIBERS, &["AS_CALLBACK_LONGEST=16", "AS_CALLBACK_CAUSE=21"]).await;
    let (welcome, goodbye) = (radio.prompt("home", "welcome_premium", "fr"), radio.prompt("home", "goodbye", "fr"));
    assert_eq!(radio.call(SPEAKER).is_refused(), (403, Some(21)), "the cause is the one that was chosen");
    radio.call(LISTENER).is_refused();
    let mut speaker = radio.is_called_back(SPEAKER);
    let mut listener = radio.is_called_back(LISTENER);
    listener.hears(&welcome).presses(&format!("#{STORY}#"));
    speaker.hears(&welcome);
    goes_to_the_tone(&radio, &mut speaker, "fr");
    speaker.says(&message());
    // From the beginning once more: it must not end before the call does.
    listener.hears(&made_by_the_editor(STORY, "body"));
    listener.presses("1");
    listener.hears(&goodbye).is_hung_up();
    speaker.hears(&goodbye).is_hung_up();
    assert_eq!(settled(&radio, SPEAKER, "state || ' ' || hung_up"), "done 1");
    holds(&settled(&radio, SPEAKER, "body_path"), &message());
    let heard: i64 = radio.written(&format!(
        "SELECT to_ms FROM event WHERE caller = '{LISTENER}' AND kind = 'played' AND program_id = {STORY} AND from_ms = 0
         ORDER BY id DESC LIMIT 1"
    ));
    assert!((1000..9000).contains(&heard), "{heard} ms");
    for number in [SPEAKER, LISTENER] {
        let seconds: i64 =
            radio.written(&format!("SELECT seconds FROM callback WHERE number = '{number}' AND state = 'ended'"));
        assert!((16..40).contains(&seconds), "{number}: {seconds} s");
    }
}

#[tokio::test]
async fn without_calls_back_everybody_is_answered_and_with_missed_calls_to_all_numbers_everybody_is_called_back() {
    let radio =
        radio_with_subscribers(SUBSCRIBERS, &["AS_CALLBACK=no", "AS_MISSED_DIALLED=all", "AS_RECORD_TITLE_SECONDS=3"])
            .await;
    let mut caller = radio.answered(UNHEEDED);
    caller.hears(&radio.prompt("home", "welcome_standard", "fr")).hangs_up();
    let plan: String = radio.written(&format!("SELECT plan FROM cdr WHERE caller = '{UNHEEDED}'"));
    assert_eq!(plan, "standard");

    assert_eq!(radio.call_to(STRANGER, "731").is_refused(), (486, Some(17)));
    let mut caller = radio.is_called_back(STRANGER);
    caller.hears(&radio.prompt("home", "welcome_standard", "en")).hangs_up();
    let reason: String = radio.written(&format!("SELECT reason FROM callback WHERE number = '{STRANGER}'"));
    assert_eq!(reason, "missed");

    // Nobody can be called back who has withheld the number; what is left without one is kept, and ends at its longest.
    let mut nobody = radio.answered("");
    nobody.hears(&radio.prompt("home", "welcome_standard", "en"));
    goes_to_the_tone(&radio, &mut nobody, "en");
    nobody.says(&message());
    nobody.hears(&radio.prompt("recording", "offer_listen", "en")).hangs_up();
    assert_eq!(settled(&radio, "", "state || ' ' || hung_up"), "done 1");
    let kept = Sound::read(settled(&radio, "", "body_path")).unwrap();
    assert!((2900..3200).contains(&kept.duration().as_millis()), "{:?}", kept.duration());
}
