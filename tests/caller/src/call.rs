//! A call, as somebody with a receiver at the ear has it: wait, listen, press, speak, hang up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::dialog::Phase;
use crate::ear::{Found, Hay, Pattern, SAME, glimpse, position};
use crate::line::Exchange;
use crate::media::Media;
use crate::sound::{Sound, duration, samples};

/// What is listened for is looked for so often.
const LISTEN: Duration = Duration::from_millis(200);

/// What did not happen in a call.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CallError {
    /// The other side said no.
    #[error("refused: {code}, cause {cause:?}")]
    Refused {
        /// SIP's code, such as 486.
        code: u16,
        /// ISDN's cause, if one was told.
        cause: Option<u8>,
    },
    /// Nobody answered in time.
    #[error("nobody answered")]
    NoAnswer,
    /// The call is over.
    #[error("the call ended after {0:.1?}")]
    Ended(Duration),
    /// It goes on longer than expected.
    #[error("the call did not end")]
    NotEnded,
    /// It was not heard in time.
    #[error("not heard until {until:.1?} (likeness {likeness:.2}); the call {}", if *.ended { "ended" } else { "goes on" })]
    NotHeard {
        /// How alike the most similar piece was.
        likeness: f32,
        /// How long the call had been going on.
        until: Duration,
        /// Whether the call had ended.
        ended: bool,
    },
    /// Nobody rang this number.
    #[error("nobody rang {0}")]
    NoRing(String),
    /// No text message came to this number.
    #[error("no text came to {0}")]
    NoText(String),
}

/// A call; hung up when it is dropped.
pub struct Call {
    exchange: Arc<Exchange>,
    id: String,
    media: Arc<Media>,
    /// What was heard up to here is known already.
    known: usize,
}

impl Call {
    pub(crate) fn new(exchange: Arc<Exchange>, id: String, media: Arc<Media>) -> Self {
        Self { exchange, id, media, known: 0 }
    }

    /// Waits until it is answered.
    ///
    /// # Errors
    /// If it is refused, ends, or nobody answers.
    pub fn wait_for_answer(&self, patience: Duration) -> Result<(), CallError> {
        let phase = self.wait_for_phase(patience, |phase| phase != Phase::Ringing).ok_or(CallError::NoAnswer)?;
        match phase {
            Phase::Refused { code, cause } => Err(CallError::Refused { code, cause }),
            _ => Ok(()),
        }
    }

    /// Presses keys, one after the other, and returns when the last is up. What is waited for afterwards is heard after the first.
    ///
    /// # Errors
    /// If the call ends meanwhile.
    pub fn press(&mut self, keys: &str) -> Result<(), CallError> {
        self.listen_from_now();
        self.media.press(keys);
        if self.media.wait_until_done() { Ok(()) } else { Err(CallError::Ended(self.media.elapsed())) }
    }

    /// Speaks, and returns when all is said.
    ///
    /// # Errors
    /// If the call ends meanwhile.
    pub fn speak(&self, sound: &Sound) -> Result<(), CallError> {
        self.media.speak(sound.samples());
        if self.media.wait_until_done() { Ok(()) } else { Err(CallError::Ended(self.media.elapsed())) }
    }

    /// Waits until a sound is heard, by its first seconds, after all that was waited for before.
    ///
    /// # Errors
    /// If it is not heard.
    pub fn wait_until_heard(&mut self, sound: &Sound, patience: Duration) -> Result<Found, CallError> {
        self.wait_until_heard_any(&[sound], patience).map(|(_, found)| found)
    }

    /// Waits until one of several sounds is heard: which, and where in the call.
    ///
    /// # Errors
    /// If none is heard.
    pub fn wait_until_heard_any(&mut self, sounds: &[&Sound], patience: Duration) -> Result<(usize, Found), CallError> {
        let patterns: Vec<Pattern> = sounds.iter().map(|sound| Pattern::of(sound)).collect();
        let shortest = patterns.iter().map(Pattern::len).min().unwrap_or(0);
        let longest = patterns.iter().map(Pattern::len).max().unwrap_or(0);
        let deadline = Instant::now() + patience;
        let (mut from, mut enough, mut likeness) = (self.known, shortest, 0.0_f32);
        loop {
            let heard = self.media.wait_for(from, enough, deadline);
            let hay = Hay::new(&heard.samples, longest);
            let all = patterns.iter().enumerate().filter_map(|(which, pattern)| Some((which, hay.best(pattern)?)));
            let best = all.max_by(|(_, one), (_, other)| one.likeness.total_cmp(&other.likeness));
            if let Some((which, found)) = best {
                likeness = likeness.max(found.likeness);
                if found.likeness >= SAME {
                    let at = from + samples(found.at);
                    self.known = at + patterns[which].len();
                    return Ok((which, Found { at: duration(at), ..found }));
                }
            }
            if heard.ended || Instant::now() >= deadline {
                return Err(CallError::NotHeard { likeness, until: self.media.elapsed(), ended: heard.ended });
            }
            let until = from + heard.samples.len();
            from = from.max(until.saturating_sub(longest));
            enough = until - from + samples(LISTEN);
        }
    }

    /// Where in a long sound the call is now, by what is heard from now on.
    ///
    /// # Errors
    /// If that is not a piece of it.
    pub fn position_in(&mut self, long: &Sound, patience: Duration) -> Result<Duration, CallError> {
        let deadline = Instant::now() + patience;
        let (mut from, mut likeness) = (self.media.heard(), 0.0_f32);
        loop {
            let heard = self.media.wait_for(from, glimpse(), deadline);
            let last = &heard.samples[heard.samples.len().saturating_sub(glimpse())..];
            if let Some(found) = position(long, last).filter(|_| last.len() == glimpse()) {
                likeness = likeness.max(found.likeness);
                if found.likeness >= SAME {
                    self.known = from + heard.samples.len();
                    return Ok(found.at);
                }
            }
            if heard.ended || Instant::now() >= deadline {
                return Err(CallError::NotHeard { likeness, until: self.media.elapsed(), ended: heard.ended });
            }
            from = from + heard.samples.len() - last.len() + samples(LISTEN).min(last.len());
        }
    }

    /// What is waited for next is heard from now on.
    pub fn listen_from_now(&mut self) {
        self.known = self.known.max(self.media.heard());
    }

    /// Waits until so much was heard of the call in all; less if it ends before.
    pub fn wait_for_sound(&self, enough: Duration, patience: Duration) -> Sound {
        Sound::from_samples(self.media.wait_for(0, samples(enough), Instant::now() + patience).samples)
    }

    /// All that was heard.
    pub fn heard(&self) -> Sound {
        Sound::from_samples(self.media.wait_for(0, 0, Instant::now()).samples)
    }

    /// How long nothing has been heard, up to now.
    pub fn silence(&self) -> Duration {
        let heard = self.heard();
        let last = heard.samples().iter().rposition(|sample| sample.unsigned_abs() >= crate::sound::AUDIBLE);
        self.media.elapsed().saturating_sub(duration(last.map_or(0, |last| last + 1)))
    }

    /// Waits until the other side hangs up.
    ///
    /// # Errors
    /// If it does not.
    pub fn wait_for_end(&self, patience: Duration) -> Result<(), CallError> {
        let ended = |phase| matches!(phase, Phase::Ended | Phase::Refused { .. });
        self.wait_for_phase(patience, ended).map(|_| ()).ok_or(CallError::NotEnded)
    }

    /// Whether it goes on.
    pub fn goes_on(&self) -> bool {
        self.wait_for_phase(Duration::ZERO, |phase| phase == Phase::Talking).is_some()
    }

    /// Hangs up, whether it was answered or not.
    pub fn hang_up(&self) {
        self.exchange.hang_up(&self.id);
    }

    fn wait_for_phase(&self, patience: Duration, is: impl Fn(Phase) -> bool) -> Option<Phase> {
        self.exchange.wait(patience, |state| {
            let phase = state.dialogs.get(&self.id).map_or(Phase::Ended, |dialog| dialog.phase);
            is(phase).then_some(phase)
        })
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.hang_up();
    }
}

/// A call that rings and is not answered yet.
pub struct Ringing {
    call: Call,
    dialled: String,
}

impl Ringing {
    pub(crate) fn new(call: Call, dialled: String) -> Self {
        Self { call, dialled }
    }

    /// The number as it was dialled.
    pub fn dialled(&self) -> &str {
        &self.dialled
    }

    /// Answers it.
    ///
    /// # Errors
    /// If it has stopped ringing.
    pub fn answer(self) -> Result<Call, CallError> {
        if self.call.exchange.accept(&self.call.id) { Ok(self.call) } else { Err(CallError::Ended(Duration::ZERO)) }
    }

    /// Refuses it with a code of SIP: 486 is busy.
    pub fn refuse(self, code: u16) {
        self.call.exchange.refuse(&self.call.id, code);
    }
}
