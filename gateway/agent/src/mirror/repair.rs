//! Repairing what a foreign hand, a broken disk or a lost sound spoilt, as far as this host can by itself.
//!
//! What only the gateway can bring is marked so that the next pull brings it: a wrong value makes the digests differ, which ends in a
//! snapshot, and what lacks a sound waits for it.

use audiospread_protocol::{EntityKey, Sha256Digest, leaf_hash};
use rusqlite::{Transaction, TransactionBehavior, params};

use super::hearing::{Hear, Hearing};
use super::incoming::{digest_at, stored_key};
use super::position::count_content_change;
use super::tables::{DERIVED, Understood, heard_sounds_of};
use super::{Mirror, MirrorError};
use crate::config::Prefer;

impl Mirror {
    /// Repairs in one transaction, and returns how many entities wait for a pull now.
    pub(crate) fn repair_all(&mut self, hear: Hear<'_>) -> Result<u64, MirrorError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        note_real_leaves(&transaction)?;
        derive_again(&transaction, hear)?;
        transaction.execute(
            "UPDATE entity SET is_shown = EXISTS (
               SELECT 1 FROM shown s WHERE s.kind = entity.kind AND s.id = entity.id AND s.leaf = entity.leaf)",
            [],
        )?;
        for (key, value, _) in rows(&transaction, "entity")? {
            let sounds = heard_sounds_of(&key, &value, Prefer::default(), hear);
            if sounds.is_some_and(|sounds| sounds.iter().any(|audio| hear(audio) == Hearing::Missing)) {
                transaction
                    .prepare_cached("UPDATE entity SET is_shown = 0 WHERE kind = ?1 AND id = ?2")?
                    .execute([key.kind().as_str(), key.id()])?;
            }
        }
        count_content_change(&transaction)?;
        transaction.commit()?;
        self.waiting_count()
    }
}

/// Notes the hashes that the values really have: where they are not the gateway's, the next pull notices.
fn note_real_leaves(transaction: &Transaction<'_>) -> Result<(), MirrorError> {
    for (key, value, noted) in rows(transaction, "entity")? {
        let leaf = leaf_hash(&key, value.as_bytes());
        if leaf != noted {
            transaction.prepare_cached("UPDATE entity SET leaf = ?3 WHERE kind = ?1 AND id = ?2")?.execute(params![
                key.kind().as_str(),
                key.id(),
                leaf.0
            ])?;
        }
    }
    transaction.execute("DELETE FROM bucket", [])?;
    Ok(())
}

/// Empties all that is derived from what callers get, and derives it again; what callers should not get goes.
fn derive_again(transaction: &Transaction<'_>, hear: Hear<'_>) -> Result<(), MirrorError> {
    transaction.execute(
        "DELETE FROM shown WHERE NOT EXISTS (SELECT 1 FROM entity e WHERE e.kind = shown.kind AND e.id = shown.id)",
        [],
    )?;
    for (table, _) in DERIVED {
        transaction.execute(&format!("DELETE FROM {table}"), [])?;
    }
    for (key, value, leaf) in rows(transaction, "shown")? {
        match Understood::read(&key, &value) {
            Ok(mut understood) if leaf == leaf_hash(&key, value.as_bytes()) => {
                understood.settle(Prefer::default(), hear);
                understood.write(transaction)?;
            }
            _ => {
                transaction
                    .prepare_cached("DELETE FROM shown WHERE kind = ?1 AND id = ?2")?
                    .execute([key.kind().as_str(), key.id()])?;
            }
        }
    }
    Ok(())
}

fn rows(transaction: &Transaction<'_>, table: &str) -> Result<Vec<(EntityKey, String, Sha256Digest)>, MirrorError> {
    let mut statement = transaction.prepare(&format!("SELECT kind, id, value, leaf FROM {table}"))?;
    let mut rows = statement.query([])?;
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        let key = stored_key(&row.get::<_, String>(0)?, &row.get::<_, String>(1)?)?;
        out.push((key, row.get(2)?, digest_at(row, 3)?));
    }
    Ok(out)
}
