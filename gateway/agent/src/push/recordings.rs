//! Recordings: encoded once, uploaded, and handed in; confirmed only when the gateway has said so.

use std::io;

use audiospread_protocol::{PhoneNumber, Problem, ProblemCode, RecordingFacts, Sha256Digest};
use audiospread_sound::{Lame, LameError};
use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;

use super::encoder::{EncodeError, encode};
use super::error::{PushError, Trouble};
use super::outgoing::{digest, remove};
use super::{Session, now};
use crate::Event;
use crate::calls::{Encoded, Part, Title, Waiting, Wave, is_uuid};
use crate::link::{LinkError, SendError, Taken, delays, wait_for};
use crate::shared::{SharedError, is_disk_full};

/// How often bytes are uploaded again that the gateway says it has not.
const ROUNDS: u32 = 3;

/// Recordings that fail one after the other before the gateway is taken to be unwell altogether.
const PATIENCE: u32 = 3;

/// Space beyond what an mp3 needs.
const ROOM: u64 = 1 << 20;

/// What the gateway says when a recording is handed in.
enum Answer {
    Taken(Taken),
    /// It has not got these bytes.
    Missing(Vec<Sha256Digest>),
    /// It can use nothing but the title; why.
    WithoutTitle(String),
}

/// A part that can be sent.
struct Ready {
    part: Part,
    mp3: Utf8PathBuf,
    encoded: Encoded,
}

impl Session<'_> {
    pub(super) async fn send_recordings(&mut self) -> Result<(), PushError> {
        let waiting = self.calls.waiting_recordings()?;
        if waiting.is_empty() {
            return Ok(());
        }
        (self.tell)(Event::Sending { recordings: waiting.len() as u64 });
        let mut failed = 0;
        for recording in &waiting {
            if self.stop.is_wished() {
                return Err(PushError::Stopped);
            }
            let uuid = &recording.uuid;
            match self.deliver(recording).await {
                Ok(taken) => {
                    failed = 0;
                    self.calls.confirm(uuid, now())?;
                    self.report.recordings += 1;
                    self.report.recordings_known += u64::from(taken == Taken::Known);
                    self.file_away()?;
                    (self.tell)(Event::Delivered { uuid: uuid.clone(), was_known: taken == Taken::Known });
                }
                Err(Trouble::ForGood(message)) => {
                    self.calls.quarantine(uuid, &message, now())?;
                    self.report.quarantined += 1;
                    self.file_away()?;
                    (self.tell)(Event::Quarantined { uuid: uuid.clone(), message });
                }
                Err(Trouble::Later { why, is_passing }) => {
                    self.calls.put_off(uuid, &why)?;
                    self.fault(is_passing, format!("the recording {uuid} waits: {why}"));
                    failed += 1;
                    if failed == PATIENCE {
                        return Ok(());
                    }
                }
                Err(Trouble::Stop(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Brings one recording to the gateway.
    async fn deliver(&mut self, recording: &Waiting) -> Result<Taken, Trouble> {
        let facts = facts(recording).map_err(|why| Trouble::ForGood(why.to_owned()))?;
        let uuid = recording.uuid.as_str();
        for _ in 0..ROUNDS {
            let body = self.ready(recording, Part::Body, &recording.body).await?;
            let title = self.uploaded_title(recording).await?;
            let mut named = facts.clone();
            named.body = body.encoded.sha256;
            named.title = title.as_ref().map(|title| title.encoded.sha256);
            if !body.encoded.uploaded {
                self.upload(uuid, body.part, &body.mp3, &body.encoded).await?;
            }
            match self.hand_in(uuid, &named).await? {
                Answer::Taken(taken) => return Ok(taken),
                Answer::WithoutTitle(why) => self.leave_out_title(recording, why)?,
                Answer::Missing(missing) => {
                    for ready in title.iter().chain([&body]).filter(|ready| missing.contains(&ready.encoded.sha256)) {
                        self.begin_again(uuid, ready)?;
                    }
                }
            }
        }
        let why =
            "the gateway says again and again that its bytes are missing: look at its log, and at its disk".to_owned();
        Err(Trouble::Later { why, is_passing: true })
    }

    /// The title, with its bytes at the gateway, if there is one that can go. One that cannot holds back nothing of the body.
    async fn uploaded_title(&mut self, recording: &Waiting) -> Result<Option<Ready>, Trouble> {
        let uuid = recording.uuid.as_str();
        if recording.title.as_str().is_empty() || self.calls.goes_without_title(uuid)? {
            return Ok(None);
        }
        let mut title = self.ready(recording, Part::Title, &recording.title).await;
        if let Ok(ready) = &title
            && !ready.encoded.uploaded
            && let Err(trouble) = self.upload(uuid, ready.part, &ready.mp3, &ready.encoded).await
        {
            title = Err(trouble);
        }
        match title {
            Ok(ready) => Ok(Some(ready)),
            Err(Trouble::ForGood(why)) => {
                self.leave_out_title(recording, why)?;
                Ok(None)
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// From now on the recording has no title, whatever becomes of the title's file: the gateway may have it without one before we hear of it.
    fn leave_out_title(&mut self, recording: &Waiting, why: String) -> Result<(), Trouble> {
        let title = Title { uuid: recording.uuid.clone(), path: recording.title.clone() };
        self.calls.quarantine_title(&title, &why, now())?;
        self.report.titles_quarantined += 1;
        self.file_away()?;
        (self.tell)(Event::TitleQuarantined { uuid: title.uuid, message: why });
        Ok(())
    }

    /// Hands it in.
    async fn hand_in(&mut self, uuid: &str, facts: &RecordingFacts) -> Result<Answer, Trouble> {
        let mut tries = delays(2);
        loop {
            let stopped = self.stop.clone();
            let answer = tokio::select! {
                () = stopped.wished() => return Err(PushError::Stopped.into()),
                answer = self.link.put_recording(uuid, facts) => answer,
            };
            self.tell_clock();
            let error = match answer {
                Ok(taken) => return Ok(Answer::Taken(taken)),
                Err(SendError::Refused(problem)) => return refused(&problem, facts),
                Err(SendError::Link(error)) => error,
            };
            match wait_for(&error, &mut tries) {
                Some(delay) => self.pause(&error, delay).await?,
                // It may be this recording that the gateway cannot cope with.
                None if matches!(error, LinkError::Unwell { retry_after: None, .. }) => {
                    return Err(Trouble::Later { why: error.to_string(), is_passing: true });
                }
                None => return Err(error.into()),
            }
        }
    }

    /// The gateway has not got these bytes: they were forgotten there, or are other ones than those that were written down.
    fn begin_again(&self, uuid: &str, ready: &Ready) -> Result<(), Trouble> {
        let is_whole = digest(&ready.mp3).is_ok_and(|(sha256, _)| sha256 == ready.encoded.sha256);
        if !is_whole {
            remove(&ready.mp3)?;
        }
        Ok(self.calls.note_upload(uuid, ready.part, None)?)
    }

    /// A part as it is sent: encoded once, and its digest written down, before anything of it goes.
    async fn ready(&self, recording: &Waiting, part: Part, recorded: &Utf8Path) -> Result<Ready, Trouble> {
        let uuid = recording.uuid.as_str();
        let mp3 = self.outgoing.mp3(uuid, part);
        let is_made = mp3.is_file();
        match self.calls.encoded(uuid, part)? {
            // Of what the gateway had once it is asked whether it has it still, before anything is made again.
            Some(encoded) if is_made || encoded.uploaded => return Ok(Ready { part, mp3, encoded }),
            _ if is_made => {}
            _ => self.encode(uuid, part, recorded, &mp3).await?,
        }
        let (sha256, bytes) = digest(&mp3).map_err(|source| SharedError::at(&mp3, source))?;
        self.calls.note_encoded(uuid, part, sha256, bytes)?;
        let encoded = Encoded { sha256, bytes, upload: None, uploaded: false };
        Ok(Ready { part, mp3, encoded })
    }

    async fn encode(&self, uuid: &str, part: Part, recorded: &Utf8Path, mp3: &Utf8Path) -> Result<(), Trouble> {
        let name = part.as_str();
        if !self.calls.is_ours(recorded) {
            return Err(Trouble::ForGood(format!("its {name} is no file in {}", self.calls.recordings())));
        }
        let recorded = self.outgoing.wave(recorded);
        let wave = match Wave::of(&recorded) {
            Ok(Ok(wave)) => wave,
            Ok(Err(why)) => return Err(Trouble::ForGood(format!("its {name} cannot be decoded: {why}"))),
            Err(source) if source.kind() == io::ErrorKind::NotFound => {
                return Err(Trouble::ForGood(format!("its {name} is gone: there is no {recorded}")));
            }
            Err(source) => return Err(of_file(SharedError::at(&recorded, source))),
        };
        let needed = Lame::at_most(wave.duration_ms) + ROOM;
        let full = || PushError::DiskFull { path: mp3.to_owned() };
        if self.outgoing.free()? < needed {
            return Err(full().into());
        }
        let unfinished = self.outgoing.unfinished(uuid, part);
        if let Err(error) = encode(&self.lame, &recorded, wave, &unfinished, self.stop).await {
            // What is left of it goes at the next start, at the latest.
            let _ = remove(&unfinished);
            return Err(match error {
                EncodeError::Stopped => PushError::Stopped.into(),
                EncodeError::Lame(LameError::Absent { program, source }) => {
                    PushError::NoEncoder { program, source }.into()
                }
                // It says nothing of why it could not write.
                _ if self.outgoing.free()? < needed => full().into(),
                EncodeError::File { path, source } => of_file(SharedError::at(&path, source)),
                EncodeError::Lame(LameError::Killed(_) | LameError::Process(_)) => {
                    Trouble::Later { why: error.to_string(), is_passing: true }
                }
                EncodeError::Lame(LameError::Failed(_) | LameError::TooMuch) | EncodeError::Short => {
                    Trouble::ForGood(format!("its {name} cannot be encoded: {error}"))
                }
            });
        }
        Ok(self.outgoing.finish(&unfinished, mp3)?)
    }
}

/// A file that cannot be read may be another user's: somebody has to look, and it may be right then.
fn of_file(error: SharedError) -> Trouble {
    match &error {
        SharedError::Io { source, .. } if !is_disk_full(source) => {
            Trouble::Later { why: error.to_string(), is_passing: false }
        }
        _ => error.into(),
    }
}

/// What the gateway's refusal of a recording means.
fn refused(problem: &Problem, facts: &RecordingFacts) -> Result<Answer, Trouble> {
    match problem.code() {
        Some(ProblemCode::MissingUploads) if problem.digests.is_empty() => {
            Ok(Answer::Missing(facts.title.into_iter().chain([facts.body]).collect()))
        }
        Some(ProblemCode::MissingUploads) => Ok(Answer::Missing(problem.digests.clone())),
        Some(ProblemCode::UnusableRecording)
            if facts.title.is_some_and(|title| title != facts.body && problem.digests == [title]) =>
        {
            Ok(Answer::WithoutTitle(problem.detail.clone()))
        }
        Some(
            ProblemCode::BadRequest | ProblemCode::Conflict | ProblemCode::TooLarge | ProblemCode::UnusableRecording,
        ) => Err(Trouble::ForGood(problem.detail.clone())),
        _ => Err(unexpected(problem).into()),
    }
}

/// An answer that says nothing about what was sent, but about who sends it.
pub(super) fn unexpected(problem: &Problem) -> LinkError {
    LinkError::Unexpected { status: problem.status, detail: format!("{} ({})", problem.detail, problem.title) }
}

/// What is known of a recording, without the digests; or what makes no sense in it.
fn facts(recording: &Waiting) -> Result<RecordingFacts, &'static str> {
    if !is_uuid(&recording.uuid) {
        return Err("its uuid is none, so that the gateway could not tell it from others");
    }
    let recorded_at = Timestamp::from_second(recording.started_at).map_err(|_| "its beginning is no moment")?;
    if recording.body.as_str().is_empty() {
        return Err("it has no body");
    }
    Ok(RecordingFacts {
        // What somebody said reaches the editors, even where a foreign menu or a trunk calls him something that is no number.
        caller: recording.caller.parse::<PhoneNumber>().ok(),
        recorded_at,
        language: recording.language.clone(),
        category: recording.category.filter(|tid| *tid > 0).map(|tid| tid.to_string()),
        hung_up: recording.hung_up,
        title: None,
        body: Sha256Digest([0; 32]),
    })
}
