//! The bytes of a part go to the gateway by tus: in pieces that suit the link, each with its checksum, from where they stopped.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use audiospread_protocol::ProblemCode;
use camino::Utf8Path;

use super::Session;
use super::error::{PushError, Trouble};
use super::recordings::unexpected;
use crate::Event;
use crate::calls::{Encoded, Part};
use crate::link::{LinkError, SendError, delays, wait_for};
use crate::shared::SharedError;

/// Tries without a byte more before the link is given up for this time.
const TRIES: usize = 4;

/// How often an upload is begun anew before it is left for later.
const BEGINNINGS: u32 = 3;

/// The size of a piece: a piece that is cut off is sent again.
const LEAST: usize = 4 << 10;
const FIRST: usize = 16 << 10;
const MOST: usize = 256 << 10;

/// A piece should take about as long as this.
const PACE: Duration = Duration::from_secs(4);

/// An upload that goes on.
struct Course<'a> {
    uuid: &'a str,
    part: Part,
    file: File,
    path: &'a Utf8Path,
    bytes: u64,
    /// Its name at the gateway.
    name: Option<String>,
    /// Bytes that are there.
    offset: u64,
    /// Of a piece.
    piece: usize,
}

impl Session<'_> {
    /// Uploads what of a part is not at the gateway yet.
    pub(super) async fn upload(
        &mut self,
        uuid: &str,
        part: Part,
        mp3: &Utf8Path,
        encoded: &Encoded,
    ) -> Result<(), Trouble> {
        let file = File::open(mp3).map_err(|source| SharedError::at(mp3, source))?;
        let (name, bytes) = (encoded.upload.clone(), encoded.bytes);
        let mut course = Course { uuid, part, file, path: mp3, bytes, name, offset: 0, piece: FIRST };
        let (mut tries, mut beginnings, mut reached) = (delays(TRIES), 0, 0);
        loop {
            let stopped = self.stop.clone();
            let outcome = tokio::select! {
                () = stopped.wished() => return Err(PushError::Stopped.into()),
                outcome = self.go_on(&mut course) => outcome,
            };
            self.tell_clock();
            let error = match outcome {
                Ok(()) => return Ok(self.calls.note_uploaded(uuid, part)?),
                Err(Trouble::Stop(PushError::Link(error))) => error,
                Err(other) => return Err(other),
            };
            // It was taken for another one, or is gone there: from its beginning then.
            if matches!(error, LinkError::NotFound(_)) {
                beginnings += 1;
                if beginnings == BEGINNINGS {
                    return Err(Trouble::Later { why: error.to_string(), is_passing: true });
                }
                course.name = None;
                self.calls.note_upload(uuid, part, None)?;
                continue;
            }
            if course.offset > reached {
                (tries, reached) = (delays(TRIES), course.offset);
            }
            course.piece = (course.piece / 2).max(LEAST);
            match wait_for(&error, &mut tries) {
                Some(delay) => self.pause(&error, delay).await?,
                None => return Err(error.into()),
            }
        }
    }

    /// Goes on until all is there or something breaks; what is to be tried again is a [`LinkError`].
    async fn go_on(&mut self, course: &mut Course<'_>) -> Result<(), Trouble> {
        let standing = match &course.name {
            Some(name) => self.link.upload_standing(name).await.map_err(meaning)?,
            None => None,
        };
        let standing = standing.filter(|it| it.length == Some(course.bytes) && it.offset <= course.bytes);
        let name = if let (Some(name), Some(standing)) = (&course.name, standing) {
            course.offset = standing.offset;
            name.clone()
        } else {
            let name = self.link.begin_upload(course.bytes).await.map_err(meaning)?;
            self.calls.note_upload(course.uuid, course.part, Some(&name))?;
            course.offset = 0;
            name
        };
        course.name = Some(name.clone());
        while course.offset < course.bytes {
            let left = usize::try_from(course.bytes - course.offset).unwrap_or(usize::MAX);
            let mut piece = vec![0; course.piece.min(left)];
            course
                .file
                .read_exact_at(&mut piece, course.offset)
                .map_err(|source| SharedError::at(course.path, source))?;
            let (length, begun) = (piece.len() as u64, Instant::now());
            let there = self.link.append(&name, course.offset, piece).await.map_err(meaning)?;
            if there != course.offset + length {
                let says = format!("the upload has {there} bytes, and should have {}", course.offset + length);
                return Err(LinkError::Broken(says).into());
            }
            course.offset = there;
            course.piece = next_piece(course.piece, begun.elapsed());
            self.report.bytes += length;
            (self.tell)(Event::SentBytes { bytes: length });
        }
        Ok(())
    }

    pub(super) async fn pause(&self, error: &LinkError, delay: Duration) -> Result<(), PushError> {
        let after_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        (self.tell)(Event::Retry { message: error.to_string(), after_ms });
        tokio::select! {
            () = self.stop.wished() => Err(PushError::Stopped),
            () = tokio::time::sleep(delay) => Ok(()),
        }
    }
}

fn next_piece(piece: usize, took: Duration) -> usize {
    if took > PACE * 2 {
        (piece / 2).max(LEAST)
    } else if took < PACE {
        (piece * 2).min(MOST)
    } else {
        piece
    }
}

/// What a refusal of an upload means.
fn meaning(error: SendError) -> Trouble {
    let problem = match error {
        SendError::Link(error) => return error.into(),
        SendError::Refused(problem) => problem,
    };
    match problem.code() {
        Some(ProblemCode::NotFound) => LinkError::NotFound(problem.detail).into(),
        // Where it stands is asked before the next piece.
        Some(ProblemCode::Conflict | ProblemCode::ChecksumMismatch) => LinkError::Broken(problem.detail).into(),
        Some(ProblemCode::TooLarge) => {
            Trouble::ForGood(format!("the gateway takes no such length: {}", problem.detail))
        }
        _ => unexpected(&problem).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_suit_the_link_within_bounds() {
        let sizes = |took: u64| {
            let mut piece = FIRST;
            for _ in 0..20 {
                piece = next_piece(piece, Duration::from_secs(took));
            }
            piece
        };
        assert_eq!((sizes(0), sizes(5), sizes(60)), (MOST, FIRST, LEAST));
    }
}
