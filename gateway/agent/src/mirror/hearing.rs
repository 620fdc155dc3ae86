//! Whether callers could hear a sound, and what is remembered of those that nobody can.

use audiospread_protocol::{AudioRef, Sha256Digest};
use rusqlite::params;

use super::incoming::digest_at;
use super::position::{get, set};
use super::{Mirror, MirrorError};

/// What callers would get of a sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hearing {
    /// It is here, verified, and made for the phone.
    Ready,
    /// It is not, yet.
    Missing,
    /// It is here, and cannot be decoded.
    Never,
}

/// Who knows of sounds what callers would get.
pub(crate) type Hear<'a> = &'a dyn Fn(&AudioRef) -> Hearing;

/// A sound that cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Undecodable {
    pub(crate) sha256: Sha256Digest,
    pub(crate) why: String,
}

impl Mirror {
    /// The sounds that cannot be decoded.
    pub(crate) fn undecodable(&self) -> Result<Vec<Undecodable>, MirrorError> {
        let mut statement = self.connection.prepare("SELECT sha256, why FROM undecodable")?;
        let rows = statement.query_map([], |row| Ok(Undecodable { sha256: digest_at(row, 0)?, why: row.get(1)? }))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Remembers that a sound cannot be decoded.
    pub(crate) fn note_undecodable(&mut self, sha256: Sha256Digest, why: &str) -> Result<(), MirrorError> {
        self.connection.execute(
            "INSERT INTO undecodable (sha256, why) VALUES (?1, ?2) ON CONFLICT (sha256) DO UPDATE SET why = excluded.why",
            params![sha256.0, why],
        )?;
        Ok(())
    }

    /// With another decoder, what could not be decoded is worth a try again, and so is what named it.
    pub(crate) fn use_decoder(&mut self, decoder: &str) -> Result<(), MirrorError> {
        if get(&self.connection, "decoder")?.as_deref() == Some(decoder) {
            return Ok(());
        }
        let transaction = self.connection.transaction()?;
        transaction.execute(
            "UPDATE entity SET is_shown = 0
             WHERE EXISTS (SELECT 1 FROM undecodable u WHERE instr(entity.value, lower(hex(u.sha256))) > 0)",
            [],
        )?;
        transaction.execute("DELETE FROM undecodable", [])?;
        set(&transaction, "decoder", decoder)?;
        Ok(transaction.commit()?)
    }

    /// The directory and the format of the phone sounds that callers get, as last noted.
    pub(crate) fn sound_format(&self) -> Result<Option<String>, MirrorError> {
        get(&self.connection, "sound_format")
    }

    /// Notes where the phone sounds are and of which format, for those who read the views.
    pub(crate) fn note_sounds(&mut self, directory: &str, format: &str) -> Result<(), MirrorError> {
        let transaction = self.connection.transaction()?;
        set(&transaction, "audio_dir", directory)?;
        set(&transaction, "sound_format", format)?;
        Ok(transaction.commit()?)
    }

    /// Whether readers are told this directory.
    pub(crate) fn audio_dir(&self) -> Result<Option<String>, MirrorError> {
        get(&self.connection, "audio_dir")
    }
}
