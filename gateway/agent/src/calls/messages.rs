//! Text messages that the dialplan could not send by itself: the agent posts them.

use rusqlite::params;

use super::{Calls, CallsError};

/// A text message that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outgoing {
    pub(crate) id: i64,
    pub(crate) number: String,
    pub(crate) body: String,
    pub(crate) written_at: i64,
}

impl Calls {
    /// This database's own identity: with it and its id a row is known for ever.
    pub(crate) fn uuid(&self) -> Result<String, CallsError> {
        Ok(self.connection.query_row("SELECT value FROM meta WHERE name = 'uuid'", [], |row| row.get(0))?)
    }

    /// Whether a message with this id of its sender came before.
    pub(crate) fn has_come(&self, id: &str) -> Result<bool, CallsError> {
        Ok(self.connection.query_row("SELECT EXISTS (SELECT 1 FROM sms_in WHERE id = ?1)", [id], |row| row.get(0))?)
    }

    /// Notes that it came; what came a month ago is forgotten.
    pub(crate) fn note_came(&mut self, id: &str) -> Result<(), CallsError> {
        self.connection.execute("INSERT OR IGNORE INTO sms_in (id) VALUES (?1)", [id])?;
        self.connection
            .execute("DELETE FROM sms_in WHERE came_at < CAST(strftime('%s', 'now') AS INTEGER) - 2592000", [])?;
        Ok(())
    }

    /// The messages that wait, oldest first.
    pub(crate) fn pending_messages(&self) -> Result<Vec<Outgoing>, CallsError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, number, body, written_at FROM sms_out WHERE state = 'pending' ORDER BY id LIMIT 100",
        )?;
        let rows = statement.query_map([], |row| {
            Ok(Outgoing { id: row.get(0)?, number: row.get(1)?, body: row.get(2)?, written_at: row.get(3)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Notes what became of a message: sent, or failed and why.
    pub(crate) fn settle_message(&mut self, id: i64, outcome: Result<(), &str>, now: i64) -> Result<(), CallsError> {
        let (state, why) = match outcome {
            Ok(()) => ("sent", ""),
            Err(why) => ("failed", why),
        };
        self.connection.execute(
            "UPDATE sms_out SET state = ?2, why = ?3, settled_at = ?4 WHERE id = ?1 AND state = 'pending'",
            params![id, state, why, now],
        )?;
        Ok(())
    }
}
