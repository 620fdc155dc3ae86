//! Reading the mirror as one state, while it may be written: for `verify`, `status`, `menu` and `prune`.

use audiospread_protocol::{EntityKey, Kind, Sha256Digest};
use rusqlite::{Connection, Transaction};

use super::hearing::Hear;
use super::incoming::{digest_at, stored_key};
use super::shown::ShownCheck;
use super::{Mirror, MirrorError};

/// The mirror's state at one moment.
pub(crate) struct State<'a> {
    transaction: Transaction<'a>,
}

/// How many entities of a kind there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KindCount {
    pub(crate) kind: Kind,
    /// Published.
    pub(crate) published: u64,
    /// Of which callers get a state.
    pub(crate) shown: u64,
    /// Whose last state callers do not get yet.
    pub(crate) waiting: u64,
}

impl Mirror {
    /// The state as it is now, until it is dropped.
    pub(crate) fn state(&mut self) -> Result<State<'_>, MirrorError> {
        Ok(State { transaction: self.connection.transaction()? })
    }
}

impl State<'_> {
    /// For queries on the views.
    pub(crate) fn connection(&self) -> &Connection {
        &self.transaction
    }

    /// Calls `each` with all that is published.
    pub(crate) fn each_published(&self, each: &mut dyn FnMut(EntityKey, &str)) -> Result<(), MirrorError> {
        self.each("SELECT kind, id, value FROM entity", each)
    }

    /// Calls `each` with all that callers get.
    pub(crate) fn each_shown(&self, each: &mut dyn FnMut(EntityKey, &str)) -> Result<(), MirrorError> {
        self.each("SELECT kind, id, value FROM shown", each)
    }

    /// Calls `each` with all whose last state callers do not get yet.
    pub(crate) fn each_waiting(&self, each: &mut dyn FnMut(EntityKey, &str)) -> Result<(), MirrorError> {
        self.each("SELECT kind, id, value FROM entity WHERE is_shown = 0", each)
    }

    /// Calls `each` with all that is published, and the hash that is noted for it.
    pub(crate) fn each_with_leaf(
        &self,
        each: &mut dyn FnMut(EntityKey, &str, Sha256Digest),
    ) -> Result<(), MirrorError> {
        let mut statement = self.transaction.prepare("SELECT kind, id, value, leaf FROM entity")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let key = stored_key(&row.get::<_, String>(0)?, &row.get::<_, String>(1)?)?;
            let value = row.get_ref(2)?.as_str().map_err(|error| MirrorError::Odd(error.to_string()))?;
            each(key, value, digest_at(row, 3)?);
        }
        Ok(())
    }

    fn each(&self, query: &str, each: &mut dyn FnMut(EntityKey, &str)) -> Result<(), MirrorError> {
        let mut statement = self.transaction.prepare(query)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let key = stored_key(&row.get::<_, String>(0)?, &row.get::<_, String>(1)?)?;
            each(key, row.get_ref(2)?.as_str().map_err(|error| MirrorError::Odd(error.to_string()))?);
        }
        Ok(())
    }

    /// How many there are of each kind.
    pub(crate) fn counts(&self) -> Result<Vec<KindCount>, MirrorError> {
        let count = |query: &str, kind: Kind| -> Result<u64, MirrorError> {
            let count: i64 = self.transaction.prepare_cached(query)?.query_row([kind.as_str()], |row| row.get(0))?;
            Ok(count.unsigned_abs())
        };
        Kind::ALL
            .into_iter()
            .map(|kind| {
                Ok(KindCount {
                    kind,
                    published: count("SELECT count(*) FROM entity WHERE kind = ?1", kind)?,
                    shown: count("SELECT count(*) FROM shown WHERE kind = ?1", kind)?,
                    waiting: count("SELECT count(*) FROM entity WHERE kind = ?1 AND is_shown = 0", kind)?,
                })
            })
            .collect()
    }

    /// Derives what callers get once more and compares.
    pub(crate) fn check_shown(&self, hear: Hear<'_>) -> Result<ShownCheck, MirrorError> {
        ShownCheck::of(&self.transaction, hear)
    }
}
