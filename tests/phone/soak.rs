//! What takes minutes, for `scripts/soak`: every key in every place of the menus, and 200 calls at once.

use std::fs;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use audiospread_caller::{Hay, Pattern, SAME, Sound};
use camino::Utf8Path;

use super::{RadioOfItsOwn, made_by_the_editor};
use crate::harness::caller::Caller;
use crate::harness::switchboard::Switchboard;

const KEYS: &str = "1234567890*#";
/// Longer than this nobody waits on a telephone that says nothing.
const LONGEST_SILENCE: Duration = Duration::from_secs(10);
/// How long each key's consequences are listened to.
const LISTENED: Duration = Duration::from_secs(40);

/// Where somebody speaks on the way to a place.
const SPEAKS: char = '~';
/// Without a program, from the beginning of the test on.
const EMPTY: u32 = 11;

/// Places of the menus, and how one comes there from the home menu.
const PLACES: &[(&str, &str)] = &[
    ("home", ""),
    ("category with categories", "1"),
    ("category with programs", "11"),
    ("last page", "399"),
    ("empty category", "5"),
    ("bookmarks", "7"),
    ("bookmark of what is gone", "73"),
    ("code", "#"),
    ("digits of a code", "#32"),
    ("help", "0"),
    ("program", "#321#"),
    ("paused", "#321#5"),
    ("stopped", "#321#3"),
    ("help while playing", "#321#0"),
    ("program of a category", "111"),
    ("missing program", "#99999#"),
    ("recording", "6"),
    ("recording, in the title", "6#"),
    ("title was spoken", "6#~#"),
    ("asked for the message", "6#~#3"),
    ("recording, in the message", "6#~#3#"),
    ("message was spoken", "6#~#3#~#"),
];

/// As many calls as may be made once more: telephony is in real time, and on a machine that stands still for a second a call breaks up.
const ONCE_MORE: usize = 8;

/// A place, the way to it, the key that is pressed there, and the number of who calls.
type Walk = (&'static str, &'static str, char, usize);

#[tokio::test]
#[ignore = "takes minutes: scripts/soak runs it"]
async fn every_key_in_every_place_leads_to_something_that_is_heard() {
    let radio = RadioOfItsOwn::new(&["AS_RECORD_PER_DAY=0"]).await;
    let content = "SELECT nid FROM {node} WHERE type IN ('program', 'legacy_program', 'phone_message')";
    radio.changes(&format!("DELETE FROM {{term_node}} WHERE tid = {EMPTY} AND nid IN ({content})")).await;
    radio.pulls_until(&format!(
        "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM phone_category_program WHERE category_id = {EMPTY})"
    ));
    let radio = radio.board;
    let places = PLACES.iter().flat_map(|(place, way)| {
        // And nothing at all.
        KEYS.chars().chain([' ']).map(move |key| (*place, *way, key))
    });
    let walks = places.enumerate().map(|(number, (place, way, key))| (place, way, key, number)).collect();
    let broken = walked(&radio, walks, 48);
    assert!(broken.len() <= ONCE_MORE, "{broken:#?}");
    let again = broken.into_iter().map(|((place, way, key, number), fault)| {
        println!("once more: {place}, key {key}: {fault}");
        // The first caller may have chosen another language.
        (place, way, key, number + 5_000)
    });
    let faults = walked(&radio, again.collect(), 2);
    assert!(faults.is_empty(), "{faults:#?}");
}

/// What was wrong on which of these walks, so many at a time.
fn walked(radio: &Switchboard, walks: Vec<Walk>, at_once: usize) -> Vec<(Walk, String)> {
    let (waiting, faults) = (Mutex::new(walks), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(one) = { waiting.lock().unwrap().pop() } {
                    // A caller who does not hear what he expects ends his thread.
                    let fault = match thread::scope(|scope| scope.spawn(|| walk(radio, one)).join()) {
                        Ok(Ok(())) => continue,
                        Ok(Err(fault)) => fault,
                        Err(_) => "the welcome was not heard".to_owned(),
                    };
                    faults.lock().unwrap().push((one, fault));
                }
            });
        }
    });
    faults.into_inner().unwrap()
}

/// Goes to a place, presses a key, and listens.
fn walk(radio: &Switchboard, (_, way, key, number): Walk) -> Result<(), String> {
    let number = format!("+22177010{number:04}");
    radio
        .calls()
        .execute(
            "INSERT OR IGNORE INTO bookmark (caller, program_id) VALUES (?1, 321), (?1, 165), (?1, 99999)",
            [&number],
        )
        .map_err(|error| error.to_string())?;
    let mut caller = radio.answered(&number);
    caller.hears(&radio.prompt("home", "welcome_standard", "en"));
    for pressed in way.chars().chain((key != ' ').then_some(key)) {
        if pressed == SPEAKS {
            caller.says(&made_by_the_editor(171, "body").part(Duration::ZERO, Duration::from_secs(3)));
            continue;
        }
        caller.presses(&pressed.to_string());
        // Time to say something, as a caller leaves it.
        caller.listens(Duration::from_millis(1200));
    }
    caller.listens(LISTENED);
    let heard = caller.heard();
    let silence = longest_silence(&heard);
    if silence > LONGEST_SILENCE {
        return Err(format!("silent for {silence:?}"));
    }
    if !caller.is_on_the_line() && !ends_with_goodbye(radio, &heard) {
        return Err(format!("the call ended after {:?} without goodbye", heard.duration()));
    }
    Ok(())
}

fn longest_silence(heard: &Sound) -> Duration {
    let piece = Duration::from_millis(100);
    let (mut now, mut longest, mut at) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    while at < heard.duration() {
        now = if heard.part(at, at + piece).is_silent() { now + piece } else { Duration::ZERO };
        longest = longest.max(now);
        at += piece;
    }
    longest
}

fn ends_with_goodbye(radio: &Switchboard, heard: &Sound) -> bool {
    let end = heard.part(heard.duration().saturating_sub(Duration::from_secs(15)), heard.duration());
    // In either language: a key may have changed it.
    ["en", "fr"].iter().any(|language| contains(&end, &radio.prompt("home", "goodbye", language)))
}

fn contains(heard: &Sound, sound: &Sound) -> bool {
    let pattern = Pattern::of(sound);
    Hay::of(heard, &pattern).best(&pattern).is_some_and(|found| found.likeness >= SAME)
}

#[tokio::test]
#[ignore = "takes minutes: scripts/soak runs it"]
async fn two_hundred_calls_at_once_hear_a_program_to_its_end() {
    let radio = RadioOfItsOwn::new(&[]).await.board;
    let body = made_by_the_editor(165, "body").trimmed();
    let tail = body.part(body.duration().saturating_sub(Duration::from_secs(2)), body.duration());
    let callers: Vec<Caller> = (0..200).map(|number| radio.call(&format!("+22177020{number:04}"))).collect();
    let heard: Vec<Sound> = thread::scope(|scope| {
        let listening: Vec<_> = callers
            .into_iter()
            .map(|mut caller| {
                scope.spawn(move || {
                    caller.is_answered();
                    caller.presses("#").listens(Duration::from_secs(1));
                    caller.presses("165#").listens(Duration::from_secs(35));
                    caller.heard()
                })
            })
            .collect();
        listening.into_iter().map(|caller| caller.join().unwrap()).collect()
    });
    let failed: Vec<(usize, bool, bool)> = heard
        .iter()
        .enumerate()
        .map(|(number, heard)| (number, contains(heard, &body), contains(heard, &tail)))
        .filter(|(_, whole, ended)| !whole || !ended)
        .collect();
    let directory = Utf8Path::new(env!("CARGO_TARGET_TMPDIR")).join("heard");
    fs::create_dir_all(&directory).unwrap();
    for (number, ..) in &failed {
        heard[*number].write(directory.join(format!("two-hundred-{number}.wav"))).unwrap();
    }
    if !failed.is_empty() {
        fs::copy(radio.path("log/full"), directory.join("two-hundred.log")).unwrap();
    }
    assert!(
        failed.is_empty(),
        "the call, whether it heard the program as a whole, and its end: {failed:?}; see {directory}"
    );
}
