//! Recordings that nobody will finish: Asterisk was killed, or lost its power, while a caller spoke.
//!
//! Such a row is known by its channel, which Asterisk no longer lists, or by its beginning, which lies before Asterisk's own. Never by its age:
//! a caller may speak for as long as the limits allow, and a clock may be set.

use std::collections::HashSet;
use std::{fs, io};

use camino::{Utf8Path, Utf8PathBuf};
use rusqlite::params;

use super::wave::{Found, Origin, repair};
use super::{Calls, CallsError};
use crate::shared::SharedError;

/// What Asterisk says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Running {
    /// When it started, in Unix seconds; exact to the second.
    pub(crate) since: i64,
    /// The channels that are up.
    pub(crate) channels: HashSet<String>,
}

/// A recording that is being made, or was.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    uuid: String,
    title: String,
    body: String,
    started_at: i64,
    channel: String,
}

/// What became of those that are left over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recovered {
    /// How many were offered or dropped.
    pub(crate) count: u64,
    /// Why others wait.
    pub(crate) faults: Vec<String>,
}

impl Open {
    /// Whether nobody is going on with it. Both clocks are cut off to the second, so that one second apart says nothing.
    fn is_left(&self, asterisk: &Running) -> bool {
        self.started_at + 1 < asterisk.since || !asterisk.channels.contains(&self.channel)
    }
}

impl Calls {
    /// The rows that are not done. To be read *before* Asterisk is asked: a channel that is not listed afterwards has ended.
    pub(crate) fn open_recordings(&self) -> Result<Vec<Open>, CallsError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT uuid, title_path, body_path, started_at, channel FROM recordings WHERE state = 'recording'",
        )?;
        let rows = statement.query_map([], |row| {
            Ok(Open {
                uuid: row.get(0)?,
                title: row.get(1)?,
                body: row.get(2)?,
                started_at: row.get(3)?,
                channel: row.get(4)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Repairs what is left over and offers it. One without any sound is dropped; one that cannot be repaired now waits and holds up no other.
    pub(crate) fn recover(&self, open: &[Open], asterisk: &Running, now: i64) -> Recovered {
        let mut recovered = Recovered::default();
        for row in open.iter().filter(|row| row.is_left(asterisk)) {
            match self.offer(row, now) {
                Ok(changed) => recovered.count += changed,
                Err(error) => {
                    recovered.faults.push(format!("the recording {} that is left over waits: {error}", row.uuid));
                }
            }
        }
        recovered
    }

    /// Offers one, or drops it; how many rows that changed.
    fn offer(&self, row: &Open, now: i64) -> Result<u64, CallsError> {
        let (title, body) = (self.usable(row, &row.title, "title")?, self.usable(row, &row.body, "body")?);
        let state = if title.is_empty() && body.is_empty() { "dropped" } else { "done" };
        // The dialplan may have finished it meanwhile: then its word stands.
        let changed = self.connection.execute(
            "UPDATE recordings SET state = ?2, title_path = ?3, body_path = ?4, ended_at = coalesce(ended_at, ?5), hung_up = 1
             WHERE uuid = ?1 AND state = 'recording'",
            params![row.uuid, state, title, body, now],
        )?;
        Ok(changed as u64)
    }

    /// The path of a part, if there is sound behind it. The dialplan writes it down when the recording is done; until then it is that of its uuid.
    fn usable(&self, row: &Open, path: &str, part: &str) -> Result<String, CallsError> {
        let path = if path.is_empty() {
            self.recordings.join(format!("{}-{part}.wav", row.uuid))
        } else {
            Utf8PathBuf::from(path)
        };
        if !self.is_ours(&path) {
            return Ok(String::new());
        }
        keep_the_longer(&path).map_err(|source| SharedError::at(&path, source))?;
        match repair(&path, Origin::LeftOver).map_err(|source| SharedError::at(&path, source))? {
            Found::Whole => Ok(path.into_string()),
            Found::Nothing => Ok(String::new()),
        }
    }
}

/// Of what was said first and what was being said anew when the call broke off, the longer one stays, as the dialplan has it (`longer` of
/// `recording.conf`).
fn keep_the_longer(first: &Utf8Path) -> io::Result<()> {
    let anew = first.with_file_name(format!("{}-anew.wav", first.file_stem().unwrap_or_default()));
    let bytes = |path: &Utf8Path| fs::metadata(path).map_or(0, |file| file.len());
    if !anew.is_file() {
        return Ok(());
    }
    if repair(&anew, Origin::LeftOver)? == Found::Whole && bytes(&anew) > bytes(first) {
        fs::rename(anew, first)
    } else {
        fs::remove_file(anew)
    }
}
