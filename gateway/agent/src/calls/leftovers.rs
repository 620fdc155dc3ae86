//! Recordings that nobody will finish: Asterisk was killed, or lost its power, while a caller spoke.
//!
//! Such a row is known by its channel, which Asterisk no longer lists, or by its beginning, which lies before Asterisk's own. Never by its age:
//! a caller may speak for as long as the limits allow, and a clock may be set.

use std::collections::HashSet;

use camino::Utf8PathBuf;
use rusqlite::params;

use super::wave::{Found, repair};
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

    /// Repairs what is left over and offers it; says how many recordings that were. One without any sound is dropped.
    pub(crate) fn recover(&mut self, open: &[Open], asterisk: &Running, now: i64) -> Result<u64, CallsError> {
        let mut recovered = 0;
        for row in open.iter().filter(|row| row.is_left(asterisk)) {
            let (title, body) = (self.usable(row, &row.title, "title")?, self.usable(row, &row.body, "body")?);
            let state = if title.is_empty() && body.is_empty() { "dropped" } else { "done" };
            // The dialplan may have finished it meanwhile: then its word stands.
            let changed = self.connection.execute(
                "UPDATE recordings SET state = ?2, title_path = ?3, body_path = ?4, ended_at = coalesce(ended_at, ?5), hung_up = 1
                 WHERE uuid = ?1 AND state = 'recording'",
                params![row.uuid, state, title, body, now],
            )?;
            recovered += changed as u64;
        }
        Ok(recovered)
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
        match repair(&path).map_err(|source| SharedError::at(&path, source))? {
            Found::Whole => Ok(path.into_string()),
            Found::Nothing => Ok(String::new()),
        }
    }
}
