//! What the budgets of the menus refused: calls back and text messages that were not made.

use jiff::Timestamp;
use serde::Serialize;

use super::{Calls, CallsError};

/// What was refused of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BudgetRefusals {
    /// What would have been made: `premium` and `missed` (calls back), `sms` (text messages, and calls back for them).
    pub kind: String,
    /// How often.
    pub count: u64,
    /// When that last happened.
    pub last_at: Timestamp,
    /// What refused it then, such as `premium day_calls`.
    pub last_detail: String,
}

impl Calls {
    /// What was refused since a moment, by kind: the first word of what the menus noted.
    pub(super) fn budget_refusals(&self, since: i64) -> Result<Vec<BudgetRefusals>, CallsError> {
        // Of the columns beside max() SQLite gives those of the row that has it.
        let mut statement = self.connection.prepare_cached(
            "SELECT substr(detail, 1, instr(detail || ' ', ' ') - 1) AS refused, count(*), max(at * 1000000000 + id), at, detail
             FROM event WHERE at >= ?1 AND kind = 'budget_refused' GROUP BY refused ORDER BY refused",
        )?;
        let rows = statement.query_map([since], |row| {
            Ok(BudgetRefusals {
                kind: row.get(0)?,
                count: row.get::<_, i64>(1)?.unsigned_abs(),
                last_at: Timestamp::from_second(row.get(3)?).unwrap_or(Timestamp::UNIX_EPOCH),
                last_detail: row.get(4)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
