//! The forms in which the agent makes sounds for Asterisk besides wav: heard, and moved about in.

use std::time::Duration;

use super::made_by_the_editor;
use crate::harness::gateway::Gateway;
use crate::harness::phone::Phone;
use crate::harness::switchboard::Switchboard;

/// A program of 10 seconds.
const STORY: u32 = 165;
/// How far the keys move in a program of less than a minute.
const SKIP: Duration = Duration::from_secs(3);
/// Between pressing a key and hearing what it did: the key itself, and half a second by which the place is known.
const DELAY: Duration = Duration::from_millis(2500);

/// Whether the place is where it should be, give or take what a key needs.
#[track_caller]
fn near(place: Duration, expected: Duration) {
    assert!(place >= expected && place <= expected + DELAY, "{place:?} is not just after {expected:?}");
}

/// A call in which the program is heard, and the keys lead to where they should.
fn hears_it_and_moves_about(radio: &Switchboard, number: &str) {
    let body = made_by_the_editor(STORY, "body");
    let mut caller = radio.answered(number);
    caller.hears(&radio.prompt("home", "welcome_standard", "en")).presses(&format!("#{STORY}#"));
    let begun = caller.hears(&body).is_at(&body);
    let forward = caller.presses("6").is_at(&body);
    near(forward, begun + SKIP);
    let back = caller.presses("4").is_at(&body);
    near(back, forward.saturating_sub(SKIP));
    caller.hangs_up();
    let pieces: i64 = radio.written(&format!(
        "SELECT min(to_ms - from_ms) FROM event WHERE caller = '{number}' AND kind = 'played' HAVING count(*) = 3"
    ));
    assert!(pieces > 0);
}

/// A radio whose sounds are all in this form.
async fn radio_in(format: &str) -> Switchboard {
    let (_, gateway) = Gateway::shared().await;
    let phone = Phone::of(&gateway.url());
    phone.configure(&gateway.url(), &format!("sound_format = \"{format}\"\n"));
    phone.pull_alone();
    assert!(phone.phone_sounds().iter().all(|path| path.extension() == Some(format)));
    Switchboard::of(phone, &[])
}

#[tokio::test]
#[ignore = "makes all sounds anew: scripts/soak runs it"]
async fn a_program_in_mu_law_is_heard_and_moved_about_in() {
    hears_it_and_moves_about(&radio_in("ulaw").await, "+221770009201");
}

#[tokio::test]
#[ignore = "makes all sounds anew: scripts/soak runs it"]
async fn a_program_in_gsm_is_heard_and_moved_about_in() {
    hears_it_and_moves_about(&radio_in("gsm").await, "+221770009202");
}
