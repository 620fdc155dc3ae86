//! Call records on their way to the gateway: which wait, with what was listened to, and how far they are settled.

use rusqlite::{Connection, params};

use super::{Calls, CallsError};

/// Seconds after its end during which a call's last events may still come: Asterisk writes the record before the menus have hung up.
const SETTLING: i64 = 10;

/// How far the records are settled: each up to this id was taken, refused, or is none of ours.
const SETTLED: &str = "calls_settled";

/// What is left out of the events of one call, however long it is: the gateway takes no more.
const MAX_HEARD: usize = 1_000;

/// A row of `cdr` as Asterisk wrote it. Nothing in it is believed yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) id: i64,
    pub(crate) call_id: String,
    pub(crate) caller: String,
    /// Empty for calls that have nothing to do with our menus.
    pub(crate) direction: String,
    pub(crate) plan: String,
    /// `2026-11-24 10:00:00`, UTC.
    pub(crate) start: String,
    pub(crate) answer: String,
    pub(crate) end: String,
    pub(crate) billsec: i64,
    pub(crate) disposition: String,
    /// Program, from and to, in milliseconds.
    pub(crate) heard: Vec<(i64, i64, i64)>,
}

/// Lets those wait again that ended since a moment, and all after the first of them.
pub(super) fn unsettle(connection: &Connection, since: i64) -> Result<(), rusqlite::Error> {
    connection.execute(
        "UPDATE meta SET value = min(CAST(value AS INTEGER),
           (SELECT coalesce(min(id) - 1, CAST(value AS INTEGER)) FROM cdr WHERE CAST(strftime('%s', \"end\") AS INTEGER) >= ?1))
         WHERE name = ?2",
        params![since, SETTLED],
    )?;
    Ok(())
}

impl Calls {
    /// The next records after those that are settled, at most so many; up to the first that is not ripe.
    pub(crate) fn ripe_records(&self, most: usize, now: i64) -> Result<Vec<Row>, CallsError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, coalesce(call_id, ''), caller, coalesce(direction, ''), coalesce(plan, ''), coalesce(start, ''),
               coalesce(answer, ''), coalesce(\"end\", ''), coalesce(billsec, 0), coalesce(disposition, ''),
               coalesce(CAST(strftime('%s', \"end\") AS INTEGER) BETWEEN ?2 AND ?3, 0)
             FROM cdr WHERE id > ?1 ORDER BY id LIMIT ?4",
        )?;
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        // A call that ends in the future was written by another clock: it is not waited for.
        let mut found = statement.query(params![self.settled_records()?, now - SETTLING, now, most])?;
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            if row.get(10)? {
                break;
            }
            let (id, call_id): (i64, String) = (row.get(0)?, row.get(1)?);
            rows.push(Row {
                heard: self.heard(id, &call_id)?,
                id,
                call_id,
                caller: row.get(2)?,
                direction: row.get(3)?,
                plan: row.get(4)?,
                start: row.get(5)?,
                answer: row.get(6)?,
                end: row.get(7)?,
                billsec: row.get(8)?,
                disposition: row.get(9)?,
            });
        }
        Ok(rows)
    }

    /// What was listened to. A call may have several records; the first one has it, so that nothing counts twice.
    fn heard(&self, id: i64, call_id: &str) -> Result<Vec<(i64, i64, i64)>, CallsError> {
        let mut heard: Vec<(i64, i64, i64)> = Vec::new();
        if call_id.is_empty() {
            return Ok(heard);
        }
        let mut statement = self.connection.prepare_cached(
            "SELECT program_id, coalesce(from_ms, 0), coalesce(to_ms, 0) FROM event
             WHERE call_id = ?1 AND kind = 'played' AND program_id IS NOT NULL
               AND NOT EXISTS (SELECT 1 FROM cdr WHERE cdr.call_id = ?1 AND cdr.id < ?2)
             ORDER BY id",
        )?;
        let rows = statement.query_map(params![call_id, id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        for next in rows {
            let (program, from, to) = next?;
            match heard.last_mut() {
                // Without a pause between them they are one.
                Some(last) if last.0 == program && last.2 == from => last.2 = to,
                _ => heard.push((program, from, to)),
            }
        }
        heard.truncate(MAX_HEARD);
        Ok(heard)
    }

    /// The id up to which all are settled.
    pub(crate) fn settled_records(&self) -> Result<i64, CallsError> {
        Ok(self.remembered(SETTLED)?.and_then(|id| id.parse().ok()).unwrap_or(0))
    }

    /// All up to this id are settled; these were refused, and why.
    pub(crate) fn settle_records(&mut self, up_to: i64, refused: &[(i64, String)], now: i64) -> Result<(), CallsError> {
        let transaction = self.connection.transaction()?;
        for (id, why) in refused {
            transaction.execute(
                "REPLACE INTO refused_call (cdr_id, why, refused_at) VALUES (?1, ?2, ?3)",
                params![id, why, now],
            )?;
        }
        transaction.execute("REPLACE INTO meta (name, value) VALUES (?1, ?2)", params![SETTLED, up_to.to_string()])?;
        Ok(transaction.commit()?)
    }

    /// How many call records wait, ripe or not. Those of other calls on the same Asterisk are none.
    pub(crate) fn count_waiting_records(&self) -> Result<u64, CallsError> {
        let count: i64 = self.connection.query_row(
            "SELECT count(*) FROM cdr WHERE id > ?1 AND coalesce(direction, '') <> ''",
            [self.settled_records()?],
            |row| row.get(0),
        )?;
        Ok(count.unsigned_abs())
    }

    /// How many were refused, and why the last was.
    pub(crate) fn refused_records(&self) -> Result<(u64, Option<String>), CallsError> {
        let (count, last): (i64, Option<String>) = self.connection.query_row(
            "SELECT count(*), (SELECT 'record ' || cdr_id || ': ' || why FROM refused_call ORDER BY cdr_id DESC LIMIT 1) FROM refused_call",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        Ok((count.unsigned_abs(), last))
    }
}
