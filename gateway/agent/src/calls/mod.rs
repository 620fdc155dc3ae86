//! What happened on the phone: `calls.db`, written by the dialplan, read by the agent. What stands in it is written in the crate's `README.md`.
//!
//! Of its rows the agent changes the state of recordings that nobody will finish any more, those of text messages that it sent, and what
//! foreign menus handed over by file; and it keeps here what became of what it sends to the gateway. Everything else is the dialplan's.

mod budget;
mod cleaning;
mod delivery;
mod handover;
mod leftovers;
mod messages;
mod records;
mod titles;
mod wave;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;

pub use self::budget::BudgetRefusals;
pub(crate) use self::cleaning::Old;
pub use self::delivery::Quarantined;
pub(crate) use self::delivery::{Encoded, Part, Waiting};
pub use self::handover::RefusedHandover;
pub(crate) use self::handover::is_uuid;
pub(crate) use self::leftovers::Running;
pub(crate) use self::messages::Outgoing;
pub(crate) use self::records::Row;
pub(crate) use self::titles::Title;
pub(crate) use self::wave::Wave;
use crate::database::{self, Migrations, OpenError};
use crate::shared::{DataDir, SharedError};

const MIGRATIONS: Migrations = &[
    include_str!("../../schema/calls/0001.sql"),
    include_str!("../../schema/calls/0002.sql"),
    include_str!("../../schema/calls/0003.sql"),
    include_str!("../../schema/calls/0004.sql"),
];

/// Names in `meta`: when a push last brought everything, when one last failed, and why; when a receipt was last sent.
const PUSHED_AT: &str = "pushed_at";
const PUSH_FAILED_AT: &str = "push_failed_at";
const PUSH_FAILURE: &str = "push_failure";
const REPORTED_AT: &str = "reported_at";

/// Seconds for which what budgets refused is told of.
const DAY: i64 = 24 * 60 * 60;

/// The database of what happens on the phone.
#[derive(Debug)]
pub(crate) struct Calls {
    connection: Connection,
    /// Where recordings lie.
    recordings: Utf8PathBuf,
}

/// Why it cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CallsError {
    /// SQLite says no.
    #[error("calls.db cannot be used: {0}")]
    Database(#[from] rusqlite::Error),
    /// A file of it cannot be made or read.
    #[error(transparent)]
    Shared(#[from] SharedError),
    /// It cannot be opened.
    #[error("calls.db cannot be opened: {0}")]
    Open(String),
}

impl CallsError {
    /// Whether the disk is full.
    pub(crate) fn is_disk_full(&self) -> bool {
        match self {
            Self::Database(error) => database::is_disk_full(error),
            Self::Shared(error) => error.is_disk_full(),
            Self::Open(_) => false,
        }
    }
}

impl From<OpenError> for CallsError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Database(error) => Self::Database(error),
            OpenError::Shared(error) => Self::Shared(error),
            OpenError::Newer { .. } => Self::Open(format!("{error}: install the newer program again")),
            OpenError::Absent(_) => Self::Open(format!("{error}: `audiospread pull` and `audiospread run` make it")),
        }
    }
}

/// What waits in it, and what went wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CallsStatus {
    /// Recordings that are being made now.
    pub recording: u64,
    /// Recordings that are done and that the gateway has not confirmed.
    pub recordings_waiting: u64,
    /// Recordings that nobody takes, the last first.
    pub quarantined: Vec<Quarantined>,
    /// Spoken titles that nobody takes, the last first; their recordings go without them.
    pub quarantined_titles: Vec<Quarantined>,
    /// What foreign menus handed over and is not taken as it is.
    pub handovers_refused: Vec<RefusedHandover>,
    /// Call records that are kept here.
    pub call_records: u64,
    /// Call records that the gateway has not confirmed.
    pub call_records_waiting: u64,
    /// Call records that the gateway did not take.
    pub call_records_refused: u64,
    /// Why the last of them was not.
    pub last_refused: Option<String>,
    /// When a push last brought everything.
    pub pushed_at: Option<Timestamp>,
    /// When a push last failed, unless one succeeded since.
    pub push_failed_at: Option<Timestamp>,
    /// Why.
    pub push_failure: Option<String>,
    /// Calls back that wait.
    pub callbacks_pending: u64,
    /// Text messages that wait to be sent.
    pub messages_pending: u64,
    /// Text messages that could not be sent.
    pub messages_failed: u64,
    /// What budgets refused in the last 24 hours, by what it was.
    pub budgets_refused: Vec<BudgetRefusals>,
    /// Faults that the dialplan noted.
    pub faults: u64,
    /// The last of them.
    pub last_fault: Option<String>,
}

impl Calls {
    /// Makes it where it is absent, with the directory for recordings beside it.
    pub(crate) fn open(directory: &DataDir) -> Result<Self, CallsError> {
        let recordings = directory.path().join("recordings");
        DataDir::create_shared_directory(&recordings)?;
        Ok(Self { connection: database::open(&Self::path_in(directory), MIGRATIONS)?, recordings })
    }

    /// Opens it for reading.
    pub(crate) fn open_to_read(directory: &DataDir) -> Result<Self, CallsError> {
        let recordings = directory.path().join("recordings");
        Ok(Self { connection: database::open_to_read(&Self::path_in(directory), MIGRATIONS)?, recordings })
    }

    /// How its file stands.
    pub(crate) fn standing(directory: &DataDir) -> Result<database::Standing, CallsError> {
        Ok(database::standing(&Self::path_in(directory), MIGRATIONS)?)
    }

    /// Where recordings lie.
    pub(crate) fn recordings(&self) -> &Utf8Path {
        &self.recordings
    }

    /// Grows with each commit of another connection.
    pub(crate) fn data_version(&self) -> Result<i64, CallsError> {
        Ok(self.connection.query_row("PRAGMA data_version", [], |row| row.get(0))?)
    }

    /// Notes how a push went: nothing failed, or why.
    pub(crate) fn note_push(&self, at: Timestamp, failure: Option<&str>) -> Result<(), CallsError> {
        let at = at.to_string();
        if failure.is_none() {
            self.remember(PUSHED_AT, Some(&at))?;
        }
        self.remember(PUSH_FAILED_AT, failure.map(|_| at.as_str()))?;
        self.remember(PUSH_FAILURE, failure)
    }

    /// When a receipt was last sent, in Unix seconds.
    pub(crate) fn reported_at(&self) -> Result<Option<i64>, CallsError> {
        Ok(self.remembered(REPORTED_AT)?.and_then(|at| at.parse().ok()))
    }

    /// Notes when one was.
    pub(crate) fn note_reported(&self, at: i64) -> Result<(), CallsError> {
        self.remember(REPORTED_AT, Some(&at.to_string()))
    }

    fn remembered(&self, name: &str) -> Result<Option<String>, CallsError> {
        let value = self.connection.query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| row.get(0));
        Ok(value.optional()?)
    }

    fn remember(&self, name: &str, value: Option<&str>) -> Result<(), CallsError> {
        match value {
            Some(value) => self.connection.execute("REPLACE INTO meta (name, value) VALUES (?1, ?2)", [name, value])?,
            None => self.connection.execute("DELETE FROM meta WHERE name = ?1", [name])?,
        };
        Ok(())
    }

    pub(crate) fn path_in(directory: &DataDir) -> Utf8PathBuf {
        directory.path().join("calls.db")
    }

    /// What waits, and what went wrong.
    pub(crate) fn status(&self) -> Result<CallsStatus, CallsError> {
        let count = |query: &str| -> Result<u64, CallsError> {
            let count: i64 = self.connection.query_row(query, [], |row| row.get(0))?;
            Ok(count.unsigned_abs())
        };
        let (call_records_refused, last_refused) = self.refused_records()?;
        let at = |name: &str| -> Result<Option<Timestamp>, CallsError> {
            Ok(self.remembered(name)?.and_then(|at| at.parse().ok()))
        };
        Ok(CallsStatus {
            recordings_waiting: self.count_waiting()?,
            quarantined: self.quarantined()?,
            quarantined_titles: self.quarantined_titles()?,
            handovers_refused: self.refused_handovers()?,
            budgets_refused: self.budget_refusals(Timestamp::now().as_second() - DAY)?,
            call_records_waiting: self.count_waiting_records()?,
            call_records_refused,
            last_refused,
            pushed_at: at(PUSHED_AT)?,
            push_failed_at: at(PUSH_FAILED_AT)?,
            push_failure: self.remembered(PUSH_FAILURE)?,
            recording: count("SELECT count(*) FROM recordings WHERE state = 'recording'")?,
            call_records: count("SELECT count(*) FROM cdr")?,
            callbacks_pending: count("SELECT count(*) FROM callback WHERE state = 'pending'")?,
            messages_pending: count("SELECT count(*) FROM sms_out WHERE state = 'pending'")?,
            messages_failed: count("SELECT count(*) FROM sms_out WHERE state = 'failed'")?,
            faults: count("SELECT count(*) FROM event WHERE kind = 'fault'")?,
            last_fault: self.connection.query_row(
                "SELECT max(id), detail FROM event WHERE kind = 'fault'",
                [],
                |row| row.get(1),
            )?,
        })
    }

    /// What the agent does for the dialplan, again and again: takes what foreign menus handed over, and offers what is left over of recordings.
    /// Says what a person should know.
    pub(crate) async fn look_after(&self, asterisk: &[String]) -> Vec<String> {
        let mut warnings = self.take_handed_over().unwrap_or_else(|error| vec![error.to_string()]);
        match self.recover_leftovers(asterisk).await {
            Ok(faults) => warnings.extend(faults),
            Err(error) => warnings.push(format!("recordings that may be left over wait: {error}")),
        }
        warnings
    }

    async fn recover_leftovers(&self, asterisk: &[String]) -> Result<Vec<String>, Box<dyn std::error::Error>> {
        let open = self.open_recordings()?;
        if open.is_empty() {
            return Ok(Vec::new());
        }
        let running = crate::asterisk::running(asterisk).await?;
        Ok(self.recover(&open, &running, Timestamp::now().as_second()).faults)
    }

    /// Whether a path that stands in the database is that of a recording of ours.
    pub(crate) fn is_ours(&self, path: &Utf8Path) -> bool {
        path.parent() == Some(&self.recordings) && path.components().all(|part| part != Utf8Component::ParentDir)
    }
}

#[cfg(test)]
mod tests;
