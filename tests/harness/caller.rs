//! Somebody at the telephone: what he expects to hear he hears in time, or the test fails and keeps what was heard instead.

use std::path::PathBuf;
use std::time::Duration;

use audiospread_caller::{Call, CallError, Sound, TONE, tone};

use super::switchboard::PATIENCE;

/// Somebody at the telephone; hangs up when he is dropped.
pub(crate) struct Caller {
    call: Call,
    number: String,
}

impl Caller {
    pub(crate) fn of(call: Call, number: &str) -> Self {
        Self { call, number: number.to_owned() }
    }

    /// The call is answered.
    #[track_caller]
    pub(crate) fn is_answered(&self) {
        self.expect(self.call.wait_for_answer(PATIENCE), "is answered");
    }

    /// The call is refused: why, as the network is told.
    #[track_caller]
    pub(crate) fn is_refused(&self) -> (u16, Option<u8>) {
        match self.call.wait_for_answer(PATIENCE) {
            Err(CallError::Refused { code, cause }) => (code, cause),
            other => panic!("{}: not refused but {other:?}", self.number),
        }
    }

    /// This is heard next, after what was heard before.
    #[track_caller]
    pub(crate) fn hears(&mut self, sound: &Sound) -> &mut Self {
        self.hears_within(sound, PATIENCE)
    }

    /// This is heard before so long has passed.
    #[track_caller]
    pub(crate) fn hears_within(&mut self, sound: &Sound, patience: Duration) -> &mut Self {
        let heard = self.call.wait_until_heard(sound, patience);
        self.expect(heard, "hears what is expected");
        self
    }

    /// One of these is heard next: which.
    #[track_caller]
    pub(crate) fn hears_one_of(&mut self, sounds: &[&Sound]) -> usize {
        let heard = self.call.wait_until_heard_any(sounds, PATIENCE);
        self.expect(heard, "hears one of what is expected").0
    }

    /// This is never heard until the other one is.
    #[track_caller]
    pub(crate) fn hears_without(&mut self, sound: &Sound, other: &Sound) {
        assert_eq!(self.hears_one_of(&[sound, other]), 0, "{}: heard what should not be", self.number);
    }

    /// Presses keys.
    #[track_caller]
    pub(crate) fn presses(&mut self, keys: &str) -> &mut Self {
        let pressed = self.call.press(keys);
        self.expect(pressed, "can press keys");
        self
    }

    /// Speaks.
    #[track_caller]
    pub(crate) fn says(&self, sound: &Sound) {
        self.expect(self.call.speak(sound), "can speak");
    }

    /// The tone is heard after which one speaks, to its end.
    #[track_caller]
    pub(crate) fn waits_for_the_tone(&mut self) {
        self.hears(&tone()).listens(TONE);
    }

    /// Where in a sound the call is now.
    #[track_caller]
    pub(crate) fn is_at(&mut self, sound: &Sound) -> Duration {
        let place = self.call.position_in(sound, PATIENCE);
        self.expect(place, "hears a place in it")
    }

    /// Listens for so long, or until the radio hangs up.
    pub(crate) fn listens(&mut self, how_long: Duration) -> &mut Self {
        let enough = self.call.heard().duration() + how_long;
        self.call.wait_for_sound(enough, how_long + PATIENCE);
        self
    }

    /// The radio hangs up.
    #[track_caller]
    pub(crate) fn is_hung_up(&self) {
        self.expect(self.call.wait_for_end(PATIENCE), "is hung up");
    }

    /// Whether the call goes on.
    pub(crate) fn is_on_the_line(&self) -> bool {
        self.call.goes_on()
    }

    /// Hangs up.
    pub(crate) fn hangs_up(&self) {
        self.call.hang_up();
    }

    /// All that was heard.
    pub(crate) fn heard(&self) -> Sound {
        self.call.heard()
    }

    #[track_caller]
    fn expect<T>(&self, result: Result<T, CallError>, what: &str) -> T {
        match result {
            Ok(value) => value,
            Err(error) => {
                let kept = self.keep();
                panic!("{} {what}: {error}; what was heard is in {}", self.number, kept.display());
            }
        }
    }

    fn keep(&self) -> PathBuf {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("heard");
        let _ = std::fs::create_dir_all(&directory);
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("call").replace("::", "-");
        let path = directory.join(format!("{name}-{}.wav", self.number.trim_start_matches('+')));
        let _ = self.call.heard().write(&path);
        path
    }
}
