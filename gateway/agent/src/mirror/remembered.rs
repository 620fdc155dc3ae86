//! What the mirror remembers of the language packs' files, so that they are read once and not at each pull.

use audiospread_protocol::Sha256Digest;
use rusqlite::params;

use super::incoming::digest_at;
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
}
