//! What the mirror remembers of the language packs' files, and the marks that send a pull to fetch lost audio again.

use audiospread_protocol::{AudioRef, EntityKey, Sha256Digest};
use rusqlite::params;

use super::incoming::digest_at;
use super::tables::sounds_of;
use super::{Mirror, MirrorError};
use crate::store::{PackMemory, Remembered};

impl Mirror {
    /// What is remembered of the packs' files.
    pub(crate) fn pack_memory(&self) -> Result<PackMemory, MirrorError> {
        let mut statement = self.connection.prepare("SELECT path, size, modified_ns, sha256 FROM pack_file")?;
        let rows = statement.query_map([], |row| {
            let sha256: Sha256Digest = digest_at(row, 3)?;
            Ok((row.get(0)?, Remembered { size: row.get(1)?, modified_ns: row.get(2)?, sha256 }))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Remembers what is now known of the packs' files, and nothing else.
    pub(crate) fn remember_packs(&mut self, memory: &PackMemory) -> Result<(), MirrorError> {
        let transaction = self.connection.transaction()?;
        transaction.execute("DELETE FROM pack_file", [])?;
        for (path, file) in memory {
            transaction
                .prepare_cached("INSERT INTO pack_file (path, size, modified_ns, sha256) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![path, file.size, file.modified_ns, file.sha256.0])?;
        }
        Ok(transaction.commit()?)
    }

    /// Marks the entities of which a sound is not there as waiting, so that the next pull fetches it; what callers get stays as it is.
    pub(crate) fn mark_incomplete(&mut self, is_there: &dyn Fn(&AudioRef) -> bool) -> Result<u64, MirrorError> {
        let mut incomplete: Vec<EntityKey> = Vec::new();
        self.state()?.each_published(&mut |key, value| {
            if sounds_of(&key, value).is_some_and(|sounds| !sounds.iter().all(is_there)) {
                incomplete.push(key);
            }
        })?;
        let transaction = self.connection.transaction()?;
        let mut marked = 0;
        for key in &incomplete {
            marked += transaction
                .prepare_cached("UPDATE entity SET is_shown = 0 WHERE kind = ?1 AND id = ?2 AND is_shown = 1")?
                .execute([key.kind().as_str(), key.id()])?;
        }
        transaction.commit()?;
        Ok(marked as u64)
    }
}
