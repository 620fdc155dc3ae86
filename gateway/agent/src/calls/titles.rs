//! Spoken titles that nobody takes: their recordings go to the gateway without them.

use camino::Utf8PathBuf;
use jiff::Timestamp;
use rusqlite::{Row, params};

use super::{Calls, CallsError, Quarantined};

/// A title in quarantine, by its recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Title {
    pub(crate) uuid: String,
    /// Where it was recorded.
    pub(crate) path: Utf8PathBuf,
}

impl Calls {
    /// Writes down that a recording goes without its title, and why.
    pub(crate) fn quarantine_title(&self, title: &Title, why: &str, now: i64) -> Result<(), CallsError> {
        self.connection.execute(
            "INSERT OR IGNORE INTO quarantined_title (uuid, title_path, why, since) VALUES (?1, ?2, ?3, ?4)",
            params![title.uuid, title.path.as_str(), why, now],
        )?;
        Ok(())
    }

    /// Whether a recording goes without its title.
    pub(crate) fn goes_without_title(&self, uuid: &str) -> Result<bool, CallsError> {
        let query = "SELECT EXISTS (SELECT 1 FROM quarantined_title WHERE uuid = ?1)";
        Ok(self.connection.query_row(query, [uuid], |row| row.get(0))?)
    }

    /// The titles in quarantine, the last first.
    pub(crate) fn quarantined_titles(&self) -> Result<Vec<Quarantined>, CallsError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT uuid, why, since FROM quarantined_title ORDER BY since DESC, uuid")?;
        let rows = statement.query_map([], |row| {
            let since = Timestamp::from_second(row.get(2)?).unwrap_or(Timestamp::UNIX_EPOCH);
            Ok(Quarantined { uuid: row.get(0)?, why: row.get(1)?, since })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Those whose files are to be put where they belong since.
    pub(crate) fn unfiled_titles(&self) -> Result<Vec<Title>, CallsError> {
        self.titles("SELECT uuid, title_path FROM quarantined_title WHERE filed = 0")
    }

    /// They are there now.
    pub(crate) fn note_title_filed(&self, uuid: &str) -> Result<(), CallsError> {
        self.connection.execute("UPDATE quarantined_title SET filed = 1 WHERE uuid = ?1", [uuid])?;
        Ok(())
    }

    /// Those whose recordings are forgotten.
    pub(crate) fn titles_without_recording(&self) -> Result<Vec<Title>, CallsError> {
        self.titles(
            "SELECT uuid, title_path FROM quarantined_title
             WHERE filed = 1 AND NOT EXISTS (SELECT 1 FROM recordings WHERE recordings.uuid = quarantined_title.uuid)",
        )
    }

    /// Forgets one whose file is gone.
    pub(crate) fn forget_title(&self, uuid: &str) -> Result<(), CallsError> {
        self.connection.execute("DELETE FROM quarantined_title WHERE uuid = ?1", [uuid])?;
        Ok(())
    }

    fn titles(&self, query: &str) -> Result<Vec<Title>, CallsError> {
        let mut statement = self.connection.prepare_cached(query)?;
        let title = |row: &Row<'_>| Ok(Title { uuid: row.get(0)?, path: row.get::<_, String>(1)?.into() });
        let rows = statement.query_map([], title)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
