//! Downloads that go on where they broke off: a `.part` file, and beside it what the server said of the bytes.
//!
//! It says when all bytes have come; whether they are the right ones is checked by those who know what they should be.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};

use camino::{Utf8Path, Utf8PathBuf};
use reqwest::header::{CONTENT_ENCODING, CONTENT_RANGE, ETAG, HeaderMap, HeaderName};
use reqwest::{Response, StatusCode, Url};
use serde::{Deserialize, Serialize};

use super::{Link, LinkError};
use crate::Stop;

/// A file that is being fetched.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    path: Utf8PathBuf,
}

/// All bytes have come.
#[derive(Clone, Debug)]
pub(crate) struct Downloaded {
    /// How the bytes are compressed, where they are.
    pub(crate) encoding: Option<String>,
}

/// Why not all bytes have come; those that have are kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DownloadError {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("{path}: {source}")]
    Disk { path: Utf8PathBuf, source: io::Error },
    /// There is more than there should be.
    #[error("the gateway sends more than the {0} bytes that it announced")]
    TooLong(u64),
    #[error("stopped")]
    Stopped,
}

/// What the server said of the bytes when they began to come.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    url: String,
    etag: String,
    encoding: Option<String>,
}

/// What a download may be told, and whom it tells.
pub(crate) struct Course<'a> {
    /// The media type that is wanted.
    pub(crate) accept: &'a str,
    /// No more bytes than these.
    pub(crate) at_most: u64,
    /// Told once the answer has begun: how many bytes are there already, and how many there will be, where it is known.
    pub(crate) begun: &'a (dyn Fn(u64, Option<u64>) -> Result<(), io::Error> + Send + Sync),
    /// Told of each piece.
    pub(crate) came: &'a (dyn Fn(u64) + Send + Sync),
    /// Ends it.
    pub(crate) stop: &'a Stop,
}

impl Part {
    pub(crate) fn new(path: Utf8PathBuf) -> Self {
        Self { path }
    }

    pub(crate) fn path(&self) -> &Utf8Path {
        &self.path
    }

    fn note_path(&self) -> Utf8PathBuf {
        Utf8PathBuf::from(format!("{}.note", self.path))
    }

    /// Bytes that are there.
    pub(crate) fn len(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |metadata| metadata.len())
    }

    /// Removes what is there.
    pub(crate) fn discard(&self) -> io::Result<()> {
        for path in [&self.note_path(), &self.path] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Removes the note, when the bytes have moved to where they belong.
    pub(crate) fn forget(&self) {
        // A note without bytes says nothing and is written over by the next.
        let _ = fs::remove_file(self.note_path());
    }

    fn note(&self, url: &Url) -> Option<Note> {
        let note: Note = serde_json::from_slice(&fs::read(self.note_path()).ok()?).ok()?;
        (note.url == url.as_str() && self.len() > 0).then_some(note)
    }

    fn disk(&self, source: io::Error) -> DownloadError {
        DownloadError::Disk { path: self.path.clone(), source }
    }
}

impl Link {
    /// Fetches into `part`, from where an earlier try broke off.
    pub(crate) async fn download(
        &self,
        url: &Url,
        part: &Part,
        course: &Course<'_>,
    ) -> Result<Downloaded, DownloadError> {
        tokio::select! {
            () = course.stop.wished() => Err(DownloadError::Stopped),
            outcome = self.download_unless_stopped(url, part, course) => outcome,
        }
    }

    async fn download_unless_stopped(
        &self,
        url: &Url,
        part: &Part,
        course: &Course<'_>,
    ) -> Result<Downloaded, DownloadError> {
        let note = part.note(url);
        let there = part.len();
        let response = self.ask(url, course.accept, note.as_ref().map(|note| (there, note.etag.as_str()))).await?;
        match (response.status(), note) {
            (StatusCode::PARTIAL_CONTENT, Some(note)) if is_range_from(&response, there) => {
                (course.begun)(there, response.content_length().map(|rest| there + rest)).map_err(|e| part.disk(e))?;
                let file = OpenOptions::new().append(true).open(&part.path).map_err(|e| part.disk(e))?;
                self.receive(response, part, file, there, course).await?;
                Ok(Downloaded { encoding: note.encoding })
            }
            (StatusCode::RANGE_NOT_SATISFIABLE, Some(note)) if is_whole_length(&response, there) => {
                (course.begun)(there, Some(there)).map_err(|e| part.disk(e))?;
                Ok(Downloaded { encoding: note.encoding })
            }
            (StatusCode::OK, _) => {
                part.discard().map_err(|e| part.disk(e))?;
                (course.begun)(0, response.content_length()).map_err(|e| part.disk(e))?;
                let encoding = header(response.headers(), &CONTENT_ENCODING).filter(|encoding| encoding != "identity");
                let file = File::create_new(&part.path).map_err(|e| part.disk(e))?;
                write_note(part, url, response.headers(), encoding.as_deref()).map_err(|e| part.disk(e))?;
                self.receive(response, part, file, 0, course).await?;
                Ok(Downloaded { encoding })
            }
            (status, _) => {
                // A range that we did not ask for, or cannot use: begin anew the next time.
                part.discard().map_err(|e| part.disk(e))?;
                Err(LinkError::Broken(format!("a range that was not asked for ({status})")).into())
            }
        }
    }

    async fn receive(
        &self,
        mut response: Response,
        part: &Part,
        mut file: File,
        there: u64,
        course: &Course<'_>,
    ) -> Result<(), DownloadError> {
        let mut received = there;
        loop {
            let piece = match tokio::time::timeout(self.idle, response.chunk()).await {
                Ok(Ok(Some(piece))) => piece,
                Ok(Ok(None)) => return Ok(()),
                Ok(Err(error)) => return Err(LinkError::Broken(super::error::chain(&error)).into()),
                Err(_) => return Err(LinkError::Silent(self.idle.as_secs()).into()),
            };
            received += piece.len() as u64;
            if received > course.at_most {
                part.discard().map_err(|e| part.disk(e))?;
                return Err(DownloadError::TooLong(course.at_most));
            }
            file.write_all(&piece).map_err(|e| part.disk(e))?;
            (course.came)(piece.len() as u64);
            self.limiter.take(piece.len()).await;
        }
    }
}

/// Notes what makes a later range safe; without a strong `ETag` there is no later range.
fn write_note(part: &Part, url: &Url, headers: &HeaderMap, encoding: Option<&str>) -> io::Result<()> {
    let Some(etag) = header(headers, &ETAG).filter(|etag| etag.starts_with('"')) else { return Ok(()) };
    let note = Note { url: url.to_string(), etag, encoding: encoding.map(str::to_owned) };
    fs::write(part.note_path(), serde_json::to_vec(&note)?)
}

fn header(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// `Content-Range: bytes FROM-TO/LENGTH` (RFC 9110, 14.4).
fn is_range_from(response: &Response, from: u64) -> bool {
    header(response.headers(), &CONTENT_RANGE)
        .and_then(|range| range.strip_prefix("bytes ")?.split_once('-')?.0.trim().parse::<u64>().ok())
        == Some(from)
}

/// `Content-Range: bytes */LENGTH`: what is there is all that there is.
fn is_whole_length(response: &Response, length: u64) -> bool {
    header(response.headers(), &CONTENT_RANGE)
        .and_then(|range| range.strip_prefix("bytes */")?.trim().parse::<u64>().ok())
        == Some(length)
}
