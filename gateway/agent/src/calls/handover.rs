//! Recordings of foreign menus: `<uuid>.json` in the directory of recordings, with the names of the table's columns, renamed into place last.

use std::fs;
use std::io;

use audiospread_protocol::PhoneNumber;
use camino::{Utf8Path, Utf8PathBuf};
use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::{Calls, CallsError};
use crate::shared::SharedError;
use crate::store::entries;

/// A larger file is none of ours.
const MAX_BYTES: u64 = 16 << 10;

/// A row of the table as a foreign menu writes it. Each column of the table may be there, and be empty where that makes sense.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Handed {
    /// That of the file's name, once more.
    uuid: Option<String>,
    /// `done`: of what still goes on there is no file yet.
    state: Option<String>,
    title_path: Option<String>,
    body_path: String,
    /// E.164, or empty where it was withheld.
    caller: Option<String>,
    language: Option<String>,
    category_id: Option<i64>,
    started_at: i64,
    ended_at: Option<i64>,
    hung_up: Option<Flag>,
    /// Meaningful only while it records.
    #[serde(rename = "channel")]
    _channel: Option<String>,
}

/// As JSON says it, or as SQLite does.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
enum Flag {
    Word(bool),
    Number(u8),
}

/// A row that may be taken over, or that is in the table.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    is_done: bool,
    title: String,
    body: String,
    caller: String,
    language: String,
    category: Option<i64>,
    started_at: i64,
    ended_at: Option<i64>,
    hung_up: bool,
}

/// Why a file is not taken over. It stays where it is.
#[derive(Debug, thiserror::Error)]
enum HandoverError {
    #[error("its name is no uuid and .json")]
    Name,
    #[error("it has more than {MAX_BYTES} bytes")]
    TooLarge,
    #[error("{0}")]
    File(#[from] io::Error),
    #[error("{0}")]
    Form(#[from] serde_json::Error),
    #[error("uuid is {0}, and not that of the file's name")]
    OtherUuid(String),
    #[error("state is {0}: a recording is handed over when it is done")]
    State(String),
    #[error("hung_up is {0}: it is true or false, 1 or 0")]
    HungUp(u8),
    #[error("caller is no E.164 number such as +221775550109, and not empty")]
    Caller,
    #[error("{path} is no file in {recordings}")]
    Elsewhere { path: String, recordings: Utf8PathBuf },
    #[error("another recording with this uuid was handed over before: give this one a uuid of its own")]
    Another,
    #[error("calls.db cannot be used: {0}")]
    Database(#[from] rusqlite::Error),
    #[error(transparent)]
    Calls(#[from] CallsError),
}

/// A file of a foreign menu that is not taken over until somebody mends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefusedHandover {
    /// The file.
    pub path: Utf8PathBuf,
    /// Why.
    pub why: String,
}

/// What is to be done with a file that is as it should be.
enum Step {
    Insert(Row),
    /// The table has it: only the file is left.
    Remove,
}

impl Calls {
    /// Takes what was handed over into the table; says why some of it was not. What is not understood stays where it is.
    pub(crate) fn take_handed_over(&self) -> Result<Vec<String>, CallsError> {
        let mut faults = Vec::new();
        for path in self.handovers()? {
            match self.take(&path) {
                Ok(()) => {}
                // Another look of ours was faster.
                Err(HandoverError::File(error)) if error.kind() == io::ErrorKind::NotFound => {}
                Err(why) => faults.push(format!("{path}: {why}")),
            }
        }
        Ok(faults)
    }

    /// What would not be taken over as it is now.
    pub(super) fn refused_handovers(&self) -> Result<Vec<RefusedHandover>, CallsError> {
        let mut refused = Vec::new();
        for path in self.handovers()? {
            match self.read(&path) {
                Ok(_) => {}
                // Taken over between two looks.
                Err(HandoverError::File(error)) if error.kind() == io::ErrorKind::NotFound => {}
                Err(why) => refused.push(RefusedHandover { path, why: why.to_string() }),
            }
        }
        Ok(refused)
    }

    fn handovers(&self) -> Result<Vec<Utf8PathBuf>, SharedError> {
        let mut paths = entries(&self.recordings)?;
        paths.retain(|path| path.extension() == Some("json"));
        Ok(paths)
    }

    fn take(&self, path: &Utf8Path) -> Result<(), HandoverError> {
        let (uuid, step) = self.read(path)?;
        if let Step::Insert(row) = step {
            // The file goes only after that.
            self.commit_for_good()?;
            if !self.insert(&uuid, &row)? && self.row_of(&uuid)? != Some(row) {
                return Err(HandoverError::Another);
            }
        }
        // A crash before this finds the same row the next time.
        Ok(fs::remove_file(path)?)
    }

    /// Says no where the uuid is taken since it was looked for.
    fn insert(&self, uuid: &str, row: &Row) -> Result<bool, rusqlite::Error> {
        let inserted = self.connection.execute(
            "INSERT OR IGNORE INTO recordings
               (uuid, state, title_path, body_path, caller, language, category_id, started_at, ended_at, hung_up)
             VALUES (?1, 'done', ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                uuid,
                row.title,
                row.body,
                row.caller,
                row.language,
                row.category,
                row.started_at,
                row.ended_at,
                row.hung_up
            ],
        )?;
        Ok(inserted > 0)
    }

    fn read(&self, path: &Utf8Path) -> Result<(String, Step), HandoverError> {
        let uuid = path.file_stem().filter(|stem| is_uuid(stem)).ok_or(HandoverError::Name)?;
        if fs::metadata(path)?.len() > MAX_BYTES {
            return Err(HandoverError::TooLarge);
        }
        let row = serde_json::from_slice::<Handed>(&fs::read(path)?)?.checked(uuid)?;
        // Before its files are looked for: those of one that is settled lie elsewhere.
        let step = match self.row_of(uuid)? {
            Some(there) if there == row => Step::Remove,
            Some(_) => return Err(HandoverError::Another),
            None => {
                self.check_sounds(&row)?;
                Step::Insert(row)
            }
        };
        Ok((uuid.to_owned(), step))
    }

    fn check_sounds(&self, row: &Row) -> Result<(), HandoverError> {
        let title = Some(&row.title).filter(|title| !title.is_empty());
        for path in [Some(&row.body), title].into_iter().flatten() {
            let sound = Utf8Path::new(path);
            if !self.is_ours(sound) || !sound.is_file() {
                return Err(HandoverError::Elsewhere { path: path.clone(), recordings: self.recordings.clone() });
            }
        }
        Ok(())
    }

    /// What the table has of this uuid.
    fn row_of(&self, uuid: &str) -> Result<Option<Row>, rusqlite::Error> {
        let mut statement = self.connection.prepare_cached(
            "SELECT state = 'done', title_path, body_path, caller, language, category_id, started_at, ended_at, hung_up
             FROM recordings WHERE uuid = ?1",
        )?;
        let row = statement.query_row([uuid], |row| {
            Ok(Row {
                is_done: row.get(0)?,
                title: row.get(1)?,
                body: row.get(2)?,
                caller: row.get(3)?,
                language: row.get(4)?,
                category: row.get(5)?,
                started_at: row.get(6)?,
                ended_at: row.get(7)?,
                hung_up: row.get(8)?,
            })
        });
        row.optional()
    }
}

impl Handed {
    /// The row, if it can be that of this uuid.
    fn checked(self, uuid: &str) -> Result<Row, HandoverError> {
        if let Some(other) = self.uuid.filter(|own| own != uuid) {
            return Err(HandoverError::OtherUuid(other));
        }
        if let Some(state) = self.state.filter(|state| state != "done") {
            return Err(HandoverError::State(state));
        }
        let hung_up = match self.hung_up {
            None | Some(Flag::Word(false) | Flag::Number(0)) => false,
            Some(Flag::Word(true) | Flag::Number(1)) => true,
            Some(Flag::Number(other)) => return Err(HandoverError::HungUp(other)),
        };
        let caller = self.caller.unwrap_or_default();
        if !caller.is_empty() && caller.parse::<PhoneNumber>().is_err() {
            return Err(HandoverError::Caller);
        }
        Ok(Row {
            is_done: true,
            title: self.title_path.unwrap_or_default(),
            body: self.body_path,
            caller,
            language: self.language.unwrap_or_default(),
            category: self.category_id,
            started_at: self.started_at,
            ended_at: self.ended_at,
            hung_up,
        })
    }
}

/// Whether a text is a uuid as we write them; only then it is part of a file's name.
pub(crate) fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && text.bytes().all(|byte| byte == b'-' || matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
