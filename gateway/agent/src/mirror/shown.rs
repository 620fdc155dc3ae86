//! What callers get: the last state of each entity whose audio is complete.

use audiospread_protocol::{AudioRef, EntityKey, leaf_hash};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::hearing::{Hear, Hearing};
use super::incoming::{digest_at, stored_key};
use super::open;
use super::position::count_content_change;
use super::tables::{DERIVED, Understood, erase};
use super::{Mirror, MirrorError};
use crate::config::Prefer;

/// What came of an attempt to show some entities' new states.
#[derive(Debug, Default)]
pub(crate) struct Promotion {
    /// How many callers get now.
    pub(crate) shown: u64,
    /// Those that wait, with what they wait for.
    pub(crate) waiting: Vec<(EntityKey, Vec<AudioRef>)>,
    /// Those whose value this program does not understand, and why.
    pub(crate) not_understood: Vec<(EntityKey, String)>,
    /// Those that cannot be shown since a sound that they need cannot be decoded.
    pub(crate) undecodable: Vec<(EntityKey, AudioRef)>,
}

/// An entity whose last state callers do not get yet.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) key: EntityKey,
    /// Its last state.
    pub(crate) value: String,
    /// Whether callers get an older one meanwhile.
    pub(crate) has_older: bool,
}

/// What is said for everybody, subscribers, prompts, categories, the newest programs first.
const IN_TURN: &str = "WHERE is_shown = 0
     ORDER BY CASE kind WHEN 'settings' THEN 0 WHEN 'subscriber' THEN 1 WHEN 'prompt' THEN 2 WHEN 'category' THEN 3 ELSE 4 END,
       CASE kind WHEN 'program' THEN json_extract(value, '$.created_at') END DESC, id";

impl Mirror {
    /// The entities whose last state callers do not get yet, in the order in which they should.
    pub(crate) fn waiting(&self) -> Result<Vec<EntityKey>, MirrorError> {
        let mut statement = self.connection.prepare_cached(&format!("SELECT kind, id FROM entity {IN_TURN}"))?;
        let mut rows = statement.query([])?;
        let mut waiting = Vec::new();
        while let Some(row) = rows.next()? {
            waiting.push(stored_key(&row.get::<_, String>(0)?, &row.get::<_, String>(1)?)?);
        }
        Ok(waiting)
    }

    /// The first of them, with what they wait for.
    pub(crate) fn first_waiting(&self, most: usize) -> Result<Vec<Waiting>, MirrorError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT kind, id, value, EXISTS (SELECT 1 FROM shown WHERE shown.kind = entity.kind AND shown.id = entity.id)
             FROM entity {IN_TURN} LIMIT ?1"
        ))?;
        let mut rows = statement.query([i64::try_from(most).unwrap_or(i64::MAX)])?;
        let mut waiting = Vec::new();
        while let Some(row) = rows.next()? {
            let key = stored_key(&row.get::<_, String>(0)?, &row.get::<_, String>(1)?)?;
            waiting.push(Waiting { key, value: row.get(2)?, has_older: row.get(3)? });
        }
        Ok(waiting)
    }

    /// How many entities' last states callers do not get yet.
    pub(crate) fn waiting_count(&self) -> Result<u64, MirrorError> {
        let count: i64 =
            self.connection.query_row("SELECT count(*) FROM entity WHERE is_shown = 0", [], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    /// How many entities callers get.
    pub(crate) fn shown_count(&self) -> Result<u64, MirrorError> {
        let count: i64 = self.connection.query_row("SELECT count(*) FROM shown", [], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    /// Shows the last states of `keys`, as far as all their sounds are there. One transaction.
    pub(crate) fn promote(
        &mut self,
        keys: &[EntityKey],
        prefer: Prefer,
        hear: Hear<'_>,
    ) -> Result<Promotion, MirrorError> {
        let mut promotion = Promotion::default();
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for key in keys {
            let Some(value) = waiting_value(&transaction, key)? else { continue };
            match Understood::read(key, &value) {
                Err(why) => promotion.not_understood.push((key.clone(), why)),
                Ok(mut understood) => {
                    understood.settle(prefer, hear);
                    let of = |hearing| understood.sounds().into_iter().filter(move |audio| hear(audio) == hearing);
                    let missing: Vec<AudioRef> = of(Hearing::Missing).cloned().collect();
                    let never = of(Hearing::Never).next().cloned();
                    if let Some(audio) = never {
                        promotion.undecodable.push((key.clone(), audio));
                    } else if missing.is_empty() {
                        show(&transaction, key, &value, &understood)?;
                        promotion.shown += 1;
                    } else {
                        promotion.waiting.push((key.clone(), missing));
                    }
                }
            }
        }
        if promotion.shown > 0 {
            count_content_change(&transaction)?;
        }
        transaction.commit()?;
        Ok(promotion)
    }
}

fn waiting_value(transaction: &Transaction<'_>, key: &EntityKey) -> Result<Option<String>, MirrorError> {
    Ok(transaction
        .prepare_cached("SELECT value FROM entity WHERE kind = ?1 AND id = ?2 AND is_shown = 0")?
        .query_row([key.kind().as_str(), key.id()], |row| row.get(0))
        .optional()?)
}

fn show(
    transaction: &Transaction<'_>,
    key: &EntityKey,
    value: &str,
    understood: &Understood,
) -> Result<(), MirrorError> {
    let (kind, id) = (key.kind().as_str(), key.id());
    let leaf = leaf_hash(key, value.as_bytes());
    let formerly = transaction
        .prepare_cached(
            "INSERT INTO shown (kind, id, leaf, value) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (kind, id) DO UPDATE SET leaf = excluded.leaf, value = excluded.value",
        )?
        .execute(params![kind, id, leaf.0, value])?;
    debug_assert_eq!(formerly, 1);
    erase(transaction, key)?;
    understood.write(transaction)?;
    transaction.prepare_cached("UPDATE entity SET is_shown = 1 WHERE kind = ?1 AND id = ?2")?.execute([kind, id])?;
    Ok(())
}

/// Callers do not get an entity any more; says whether they did.
pub(super) fn hide(transaction: &Transaction<'_>, key: &EntityKey) -> Result<bool, MirrorError> {
    let gone = transaction
        .prepare_cached("DELETE FROM shown WHERE kind = ?1 AND id = ?2")?
        .execute([key.kind().as_str(), key.id()])?;
    if gone > 0 {
        erase(transaction, key)?;
    }
    Ok(gone > 0)
}

/// What is wrong with what callers get; nothing, if all is well.
#[derive(Debug, Default)]
pub(crate) struct ShownCheck {
    pub(crate) entities: u64,
    pub(crate) faults: Vec<String>,
}

impl ShownCheck {
    /// Derives what callers get once more, from `entity` and from what is in the store, and compares.
    pub(crate) fn of(connection: &Connection, hear: Hear<'_>) -> Result<Self, MirrorError> {
        let mut check = Self::default();
        let fresh = open::empty()?;
        fresh.execute_batch("BEGIN")?;
        let mut statement = connection.prepare(
            "SELECT s.kind, s.id, s.leaf, s.value, e.leaf, e.is_shown
             FROM shown s LEFT JOIN entity e ON e.kind = s.kind AND e.id = s.id",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            check.entities += 1;
            let key = stored_key(&row.get::<_, String>(0)?, &row.get::<_, String>(1)?)?;
            let (leaf, value) = (digest_at(row, 2)?, row.get::<_, String>(3)?);
            if leaf != leaf_hash(&key, value.as_bytes()) {
                check.faults.push(format!("{key}: what is shown does not have the hash that is noted for it"));
            }
            match row.get::<_, Option<bool>>(5)? {
                None => check.faults.push(format!("{key}: shown, and not published")),
                Some(is_shown) if is_shown != (digest_at(row, 4)? == leaf) => {
                    check.faults.push(format!("{key}: it is not noted rightly whether the last state is shown"));
                }
                Some(_) => {}
            }
            match Understood::read(&key, &value) {
                Err(why) => check.faults.push(format!("{key}: shown, and not understood: {why}")),
                Ok(mut understood) => {
                    understood.settle(Prefer::default(), hear);
                    if !understood.is_ready(hear) {
                        check.faults.push(format!("{key}: shown, and a sound of it is not in the store"));
                    }
                    understood.write(&fresh)?;
                }
            }
        }
        check.look_for_the_forgotten(connection, hear)?;
        for (table, order) in DERIVED {
            if let Some(fault) = first_difference(connection, &fresh, table, order)? {
                check.faults.push(fault);
            }
        }
        Ok(check)
    }

    /// Entities that callers could get and do not.
    fn look_for_the_forgotten(&mut self, connection: &Connection, hear: Hear<'_>) -> Result<(), MirrorError> {
        let mut statement = connection.prepare(
            "SELECT e.kind, e.id, e.value, e.is_shown,
               EXISTS (SELECT 1 FROM shown s WHERE s.kind = e.kind AND s.id = e.id)
             FROM entity e
             WHERE e.is_shown = 0 OR NOT EXISTS (SELECT 1 FROM shown s WHERE s.kind = e.kind AND s.id = e.id)",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let key = stored_key(&row.get::<_, String>(0)?, &row.get::<_, String>(1)?)?;
            if row.get(3)? {
                self.faults.push(format!("{key}: noted as shown, and is not"));
            } else if let Ok(mut understood) = Understood::read(&key, &row.get::<_, String>(2)?) {
                understood.settle(Prefer::default(), hear);
                if understood.is_ready(hear) {
                    self.faults
                        .push(format!("{key}: its audio is complete, and its last state is not shown (pull shows it)"));
                }
            }
        }
        Ok(())
    }
}

fn first_difference(
    ours: &Connection,
    fresh: &Connection,
    table: &str,
    order: &str,
) -> Result<Option<String>, MirrorError> {
    let query = format!("SELECT * FROM {table} ORDER BY {order}");
    let (mut ours, mut fresh) = (ours.prepare(&query)?, fresh.prepare(&query)?);
    let columns = ours.column_count();
    let (mut ours, mut fresh) = (ours.query([])?, fresh.query([])?);
    loop {
        let values = |row: Option<&rusqlite::Row<'_>>| {
            row.map(|row| (0..columns).map(|column| row.get(column)).collect::<Result<Vec<Value>, _>>()).transpose()
        };
        let (our, derived) = (values(ours.next()?)?, values(fresh.next()?)?);
        if our != derived {
            return Ok(Some(format!(
                "the table {table} is not what follows from what is shown: {our:?} instead of {derived:?}"
            )));
        }
        if our.is_none() {
            return Ok(None);
        }
    }
}
