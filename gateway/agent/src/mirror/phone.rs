//! What the mirror remembers of the phone sounds that were made here: their bytes, so that `verify` can tell those from others.

use audiospread_protocol::Sha256Digest;
use rusqlite::{Connection, OptionalExtension, params};

use super::incoming::digest_at;
use super::position::{get, set};
use super::{Mirror, MirrorError};
use crate::SoundFormat;
use crate::store::Bytes;

/// The name in `meta` that says that each phone sound is noted.
const ALL_ARE_NOTED: &str = "phone_sounds_are_noted";

impl Mirror {
    /// Whether each phone sound of this host is noted. Of those that a former version made none is, until the next pull.
    pub(crate) fn notes_phone_sounds(&self) -> Result<bool, MirrorError> {
        Ok(get(&self.connection, ALL_ARE_NOTED)?.is_some())
    }

    /// What is noted of a phone sound, by what it was made of.
    pub(crate) fn phone_sound(&self, of: Sha256Digest, format: SoundFormat) -> Result<Option<Bytes>, MirrorError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT bytes, digest FROM phone_sound WHERE sha256 = ?1 AND format = ?2")?;
        let row = statement.query_row(params![of.0, format.extension()], |row| {
            Ok(Bytes { count: row.get::<_, i64>(0)?.unsigned_abs(), sha256: digest_at(row, 1)? })
        });
        Ok(row.optional()?)
    }

    /// Notes a phone sound, for good: a loss of power must not leave a file of which nothing is known.
    pub(crate) fn note_phone_sound(
        &mut self,
        of: Sha256Digest,
        format: SoundFormat,
        bytes: Bytes,
    ) -> Result<(), MirrorError> {
        self.connection.pragma_update(None, "synchronous", "FULL")?;
        let noted = note(&self.connection, of, format, bytes);
        self.connection.pragma_update(None, "synchronous", "NORMAL")?;
        noted
    }

    /// Notes all phone sounds that a former version made.
    pub(crate) fn note_former_phone_sounds(
        &mut self,
        sounds: &[(Sha256Digest, SoundFormat, Bytes)],
    ) -> Result<(), MirrorError> {
        let transaction = self.connection.transaction()?;
        for (of, format, bytes) in sounds {
            note(&transaction, *of, *format, *bytes)?;
        }
        set(&transaction, ALL_ARE_NOTED, "1")?;
        Ok(transaction.commit()?)
    }

    /// Forgets phone sounds that were removed.
    pub(crate) fn forget_phone_sounds(&mut self, gone: &[(Sha256Digest, SoundFormat)]) -> Result<(), MirrorError> {
        let transaction = self.connection.transaction()?;
        for (of, format) in gone {
            transaction
                .prepare_cached("DELETE FROM phone_sound WHERE sha256 = ?1 AND format = ?2")?
                .execute(params![of.0, format.extension()])?;
        }
        Ok(transaction.commit()?)
    }
}

fn note(connection: &Connection, of: Sha256Digest, format: SoundFormat, bytes: Bytes) -> Result<(), MirrorError> {
    connection
        .prepare_cached("REPLACE INTO phone_sound (sha256, format, bytes, digest) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![of.0, format.extension(), i64::try_from(bytes.count).unwrap_or(i64::MAX), bytes.sha256.0])?;
    Ok(())
}
