//! Recordings on their way to the gateway: which wait, what of them is encoded and uploaded, and what became of them.

use audiospread_protocol::Sha256Digest;
use camino::Utf8PathBuf;
use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};
use serde::Serialize;

use super::{Calls, CallsError, records};

/// One of the two things that a caller says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Title,
    Body,
}

impl Part {
    /// The name in the database and in files' names.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Body => "body",
        }
    }
}

/// A recording that is done and that the gateway has not confirmed. Nothing in it is believed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) uuid: String,
    /// Empty where there is none.
    pub(crate) title: Utf8PathBuf,
    pub(crate) body: Utf8PathBuf,
    /// Empty where it was withheld.
    pub(crate) caller: String,
    pub(crate) language: String,
    pub(crate) category: Option<i64>,
    pub(crate) started_at: i64,
    pub(crate) hung_up: bool,
}

/// A part as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Encoded {
    pub(crate) sha256: Sha256Digest,
    pub(crate) bytes: u64,
    /// The upload's name at the gateway, once it began.
    pub(crate) upload: Option<String>,
    pub(crate) uploaded: bool,
}

/// A recording that is settled and whose files still lie where they were recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unfiled {
    pub(crate) uuid: String,
    pub(crate) title: Utf8PathBuf,
    pub(crate) body: Utf8PathBuf,
    pub(crate) is_confirmed: bool,
}

/// A recording, or the title of one, that nobody takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Quarantined {
    /// The recording's name.
    pub uuid: String,
    /// Why nobody takes it.
    pub why: String,
    /// Since when.
    pub since: Timestamp,
}

impl Calls {
    /// Makes each commit last, whatever becomes of the power.
    pub(crate) fn commit_for_good(&self) -> Result<(), CallsError> {
        Ok(self.connection.pragma_update(None, "synchronous", "FULL")?)
    }

    /// The recordings that wait: the oldest first, those behind the others that went wrong before.
    pub(crate) fn waiting_recordings(&self) -> Result<Vec<Waiting>, CallsError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT uuid, title_path, body_path, caller, language, category_id, started_at, hung_up
             FROM recordings LEFT JOIN delivery USING (uuid)
             WHERE recordings.state = 'done' AND coalesce(delivery.state, 'waiting') = 'waiting'
             ORDER BY coalesce(why, '') <> '', started_at, uuid",
        )?;
        let rows = statement.query_map([], |row| {
            Ok(Waiting {
                uuid: row.get(0)?,
                title: row.get::<_, String>(1)?.into(),
                body: row.get::<_, String>(2)?.into(),
                caller: row.get(3)?,
                language: row.get(4)?,
                category: row.get(5)?,
                started_at: row.get(6)?,
                hung_up: row.get(7)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many wait.
    pub(crate) fn count_waiting(&self) -> Result<u64, CallsError> {
        let count: i64 = self.connection.query_row(
            "SELECT count(*) FROM recordings LEFT JOIN delivery USING (uuid)
             WHERE recordings.state = 'done' AND coalesce(delivery.state, 'waiting') = 'waiting'",
            [],
            |row| row.get(0),
        )?;
        Ok(count.unsigned_abs())
    }

    /// A part as it is sent, if it was encoded.
    pub(crate) fn encoded(&self, uuid: &str, part: Part) -> Result<Option<Encoded>, CallsError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT sha256, bytes, upload, uploaded FROM delivery_part WHERE uuid = ?1 AND part = ?2",
        )?;
        let row = statement.query_row([uuid, part.as_str()], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?, row.get::<_, bool>(3)?))
        });
        let Some((sha256, bytes, upload, uploaded)) = row.optional()? else { return Ok(None) };
        // A digest that is none was not written by us: encoded again, it is one.
        let Ok(sha256) = sha256.parse() else { return Ok(None) };
        Ok(Some(Encoded {
            sha256,
            bytes: bytes.unsigned_abs(),
            upload: Some(upload).filter(|name| !name.is_empty()),
            uploaded,
        }))
    }

    /// Writes down what is going to be sent.
    pub(crate) fn note_encoded(
        &self,
        uuid: &str,
        part: Part,
        sha256: Sha256Digest,
        bytes: u64,
    ) -> Result<(), CallsError> {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.connection.execute(
            "REPLACE INTO delivery_part (uuid, part, sha256, bytes) VALUES (?1, ?2, ?3, ?4)",
            params![uuid, part.as_str(), sha256.to_hex(), bytes],
        )?;
        Ok(())
    }

    /// Writes down under which name a part is uploaded; with none, that it is to be uploaded from its beginning.
    pub(crate) fn note_upload(&self, uuid: &str, part: Part, upload: Option<&str>) -> Result<(), CallsError> {
        self.connection.execute(
            "UPDATE delivery_part SET upload = ?3, uploaded = 0 WHERE uuid = ?1 AND part = ?2",
            params![uuid, part.as_str(), upload.unwrap_or_default()],
        )?;
        Ok(())
    }

    /// Writes down that all bytes of a part are at the gateway.
    pub(crate) fn note_uploaded(&self, uuid: &str, part: Part) -> Result<(), CallsError> {
        self.connection
            .execute("UPDATE delivery_part SET uploaded = 1 WHERE uuid = ?1 AND part = ?2", [uuid, part.as_str()])?;
        Ok(())
    }

    /// The gateway has it.
    pub(crate) fn confirm(&self, uuid: &str, now: i64) -> Result<(), CallsError> {
        self.settle(uuid, "confirmed", "", now)
    }

    /// Nobody takes it.
    pub(crate) fn quarantine(&self, uuid: &str, why: &str, now: i64) -> Result<(), CallsError> {
        self.settle(uuid, "quarantined", why, now)
    }

    fn settle(&self, uuid: &str, state: &str, why: &str, now: i64) -> Result<(), CallsError> {
        self.connection.execute(
            "REPLACE INTO delivery (uuid, state, why, settled_at) VALUES (?1, ?2, ?3, ?4)",
            params![uuid, state, why, now],
        )?;
        Ok(())
    }

    /// It waits on; why.
    pub(crate) fn put_off(&self, uuid: &str, why: &str) -> Result<(), CallsError> {
        self.connection
            .execute("REPLACE INTO delivery (uuid, state, why) VALUES (?1, 'waiting', ?2)", params![uuid, why])?;
        Ok(())
    }

    /// Lets everything in quarantine wait again, to be encoded anew; how many recordings that are.
    pub(crate) fn release_quarantine(&mut self) -> Result<u64, CallsError> {
        let transaction = self.connection.transaction()?;
        for table in ["delivery_part", "quarantined_title"] {
            transaction.execute(
                &format!("DELETE FROM {table} WHERE uuid IN (SELECT uuid FROM delivery WHERE state = 'quarantined')"),
                [],
            )?;
        }
        let released = transaction.execute(
            "UPDATE delivery SET state = 'waiting', settled_at = NULL, filed = 0 WHERE state = 'quarantined'",
            [],
        )?;
        transaction.commit()?;
        Ok(released as u64)
    }

    /// Lets wait again what was confirmed since a moment, recordings and call records.
    pub(crate) fn send_again(&mut self, since: i64) -> Result<(), CallsError> {
        let transaction = self.connection.transaction()?;
        transaction.execute(
            "UPDATE delivery SET state = 'waiting', settled_at = NULL, filed = 0 WHERE state = 'confirmed' AND settled_at >= ?1",
            [since],
        )?;
        records::unsettle(&transaction, since)?;
        Ok(transaction.commit()?)
    }

    /// What is in quarantine, the last first.
    pub(crate) fn quarantined(&self) -> Result<Vec<Quarantined>, CallsError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT uuid, why, coalesce(settled_at, 0) FROM delivery WHERE state = 'quarantined' ORDER BY settled_at DESC, uuid",
        )?;
        let rows = statement.query_map([], |row| {
            let since = Timestamp::from_second(row.get(2)?).unwrap_or(Timestamp::UNIX_EPOCH);
            Ok(Quarantined { uuid: row.get(0)?, why: row.get(1)?, since })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What is settled, and whose files are to be put where they belong since; without titles that have their own place.
    pub(crate) fn unfiled(&self) -> Result<Vec<Unfiled>, CallsError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT uuid, iif(uuid IN (SELECT uuid FROM quarantined_title), '', recordings.title_path), body_path,
               delivery.state = 'confirmed'
             FROM delivery JOIN recordings USING (uuid)
             WHERE filed = 0 AND delivery.state <> 'waiting'",
        )?;
        let rows = statement.query_map([], |row| {
            Ok(Unfiled {
                uuid: row.get(0)?,
                title: row.get::<_, String>(1)?.into(),
                body: row.get::<_, String>(2)?.into(),
                is_confirmed: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// They are there now.
    pub(crate) fn note_filed(&self, uuid: &str) -> Result<(), CallsError> {
        self.connection.execute("UPDATE delivery SET filed = 1 WHERE uuid = ?1", [uuid])?;
        Ok(())
    }
}
