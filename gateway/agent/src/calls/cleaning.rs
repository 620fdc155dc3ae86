//! What is old and settled goes, so that neither the disk fills nor callers' numbers stay for ever.

use camino::Utf8PathBuf;
use rusqlite::params;

use super::{Calls, CallsError};

/// Rows that are removed at once: the menus wait for each commit.
const AT_ONCE: i64 = 500;

/// A recording that may be forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Old {
    pub(crate) uuid: String,
    /// Where its files were recorded; empty where there is none.
    pub(crate) title: Utf8PathBuf,
    pub(crate) body: Utf8PathBuf,
}

impl Calls {
    /// Recordings that were confirmed, or dropped by their callers, before a moment.
    pub(crate) fn old_recordings(&self, before: i64) -> Result<Vec<Old>, CallsError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT uuid, title_path, body_path FROM recordings LEFT JOIN delivery USING (uuid)
             WHERE (delivery.state = 'confirmed' AND filed = 1 AND settled_at < ?1)
                OR (recordings.state = 'dropped' AND coalesce(ended_at, started_at) < ?1)",
        )?;
        let rows = statement.query_map([before], |row| {
            Ok(Old { uuid: row.get(0)?, title: row.get::<_, String>(1)?.into(), body: row.get::<_, String>(2)?.into() })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Forgets a recording whose files are gone.
    pub(crate) fn forget_recording(&mut self, uuid: &str) -> Result<(), CallsError> {
        let transaction = self.connection.transaction()?;
        for statement in [
            "DELETE FROM delivery_part WHERE uuid = ?1",
            "DELETE FROM delivery WHERE uuid = ?1",
            "DELETE FROM recordings WHERE uuid = ?1",
        ] {
            transaction.execute(statement, [uuid])?;
        }
        Ok(transaction.commit()?)
    }

    /// Forgets call records that are settled and ended before a moment, and events of before.
    pub(crate) fn forget_records(&mut self, before: i64) -> Result<(), CallsError> {
        let settled = self.settled_records()?;
        self.delete(
            "DELETE FROM cdr WHERE id IN (SELECT id FROM cdr WHERE id <= ?2
               AND coalesce(CAST(strftime('%s', \"end\") AS INTEGER), 0) < ?1 ORDER BY id LIMIT ?3)",
            params![before, settled, AT_ONCE],
        )?;
        // What a record that waits was listening to stays with it.
        self.delete(
            "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE at < ?1
               AND NOT EXISTS (SELECT 1 FROM cdr WHERE cdr.call_id = event.call_id AND cdr.id > ?2) ORDER BY id LIMIT ?3)",
            params![before, settled, AT_ONCE],
        )?;
        self.delete(
            "DELETE FROM refused_call WHERE cdr_id IN (SELECT cdr_id FROM refused_call WHERE refused_at < ?1 LIMIT ?3)
               AND ?2 >= 0",
            params![before, settled, AT_ONCE],
        )
    }

    fn delete(&self, statement: &str, values: &[&dyn rusqlite::ToSql]) -> Result<(), CallsError> {
        while self.connection.execute(statement, values)? > 0 {}
        Ok(())
    }
}
