//! Recordings of foreign menus: `<uuid>.json` in the directory of recordings, with the names of the table's columns, renamed into place last.

use std::fs;

use camino::Utf8Path;
use rusqlite::params;
use serde::Deserialize;

use super::{Calls, CallsError};
use crate::shared::SharedError;
use crate::store::entries;

/// A larger file is none of ours.
const MAX_BYTES: u64 = 16 << 10;

/// What a foreign menu says of a recording.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Handed {
    #[serde(default)]
    title_path: String,
    body_path: String,
    /// E.164, or empty where it was withheld.
    #[serde(default)]
    caller: String,
    #[serde(default)]
    language: String,
    category_id: Option<i64>,
    started_at: i64,
    ended_at: i64,
    #[serde(default)]
    hung_up: bool,
}

impl Calls {
    /// Takes what was handed over into the table; says why some of it was not. What is not understood stays where it is.
    pub(crate) fn take_handed_over(&mut self) -> Result<Vec<String>, CallsError> {
        let mut faults = Vec::new();
        for path in entries(&self.recordings)? {
            if path.extension() != Some("json") {
                continue;
            }
            match self.read(&path) {
                Ok((uuid, handed)) => {
                    // The file goes only after that.
                    self.commit_for_good()?;
                    self.connection.execute(
                        "INSERT OR IGNORE INTO recordings
                           (uuid, state, title_path, body_path, caller, language, category_id, started_at, ended_at, hung_up)
                         VALUES (?1, 'done', ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                        params![
                            uuid,
                            handed.title_path,
                            handed.body_path,
                            handed.caller,
                            handed.language,
                            handed.category_id,
                            handed.started_at,
                            handed.ended_at,
                            handed.hung_up
                        ],
                    )?;
                    // A crash before this takes it over again, which changes nothing.
                    fs::remove_file(&path).map_err(|source| SharedError::at(&path, source))?;
                }
                Err(why) => faults.push(format!("{path}: {why}")),
            }
        }
        Ok(faults)
    }

    fn read(&self, path: &Utf8Path) -> Result<(String, Handed), String> {
        let uuid = path.file_stem().filter(|stem| is_uuid(stem)).ok_or("its name is no uuid and .json")?;
        if fs::metadata(path).map_err(|error| error.to_string())?.len() > MAX_BYTES {
            return Err(format!("it has more than {MAX_BYTES} bytes"));
        }
        let bytes = fs::read(path).map_err(|error| error.to_string())?;
        let handed: Handed = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
        if !handed.caller.is_empty() && handed.caller.parse::<audiospread_protocol::PhoneNumber>().is_err() {
            return Err("caller is no E.164 number such as +221775550109, and not empty".to_owned());
        }
        let title = Some(Utf8Path::new(&handed.title_path)).filter(|title| !title.as_str().is_empty());
        for sound in [Some(Utf8Path::new(&handed.body_path)), title].into_iter().flatten() {
            if !self.is_ours(sound) || !sound.is_file() {
                return Err(format!("{sound} is no file in {}", self.recordings));
            }
        }
        Ok((uuid.to_owned(), handed))
    }
}

/// Whether a text is a uuid as we write them; only then it is part of a file's name.
pub(crate) fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && text.bytes().all(|byte| byte == b'-' || matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
