//! Sums of call records, by month.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use mysql_async::prelude::Queryable;
use mysql_async::{Row, from_row_opt};
use serde::Serialize;
use utoipa::ToSchema;

use crate::feed::{FeedError, Store};

/// A month in UTC, such as `2026-11`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month(u32);

/// The text names no month.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a month is written as 2026-11")]
pub struct NoMonth;

impl Month {
    /// The month of a moment; nothing beyond the years 1970 to 2999.
    pub fn of(moment: Timestamp) -> Option<Self> {
        let date = moment.to_zoned(TimeZone::UTC).date();
        let year = u32::try_from(date.year()).ok().filter(|year| (1970..3000).contains(year))?;
        Some(Self(year * 100 + u32::try_from(date.month()).ok()?))
    }

    /// Such as 202611.
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl FromStr for Month {
    type Err = NoMonth;

    fn from_str(text: &str) -> Result<Self, NoMonth> {
        let (year, month) =
            text.split_once('-').filter(|(year, month)| year.len() == 4 && month.len() == 2).ok_or(NoMonth)?;
        if !(year.bytes().chain(month.bytes())).all(|byte| byte.is_ascii_digit()) {
            return Err(NoMonth);
        }
        let (year, month): (u32, u32) = (year.parse().map_err(|_| NoMonth)?, month.parse().map_err(|_| NoMonth)?);
        if (1970..3000).contains(&year) && (1..=12).contains(&month) {
            Ok(Self(year * 100 + month))
        } else {
            Err(NoMonth)
        }
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0 / 100, self.0 % 100)
    }
}

/// What a caller has called in a month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CallerTotals {
    /// E.164.
    pub number: String,
    /// The subscriber to whom the number belongs now; absent where it is nobody's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub subscriber: Option<String>,
    /// How many calls.
    pub calls: u64,
    /// Seconds from answer to end.
    pub seconds: u64,
    /// Seconds that are paid for.
    pub billable_seconds: u64,
}

/// How a program was listened to in a month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProgramTotals {
    /// The program's id.
    pub program: String,
    /// In how many calls.
    pub calls: u64,
    /// For how many seconds, repetitions included.
    pub seconds: u64,
}

/// What callers have called, in the order of their numbers, from the first number after `after` on, at most `limit`.
///
/// # Errors
/// If the database cannot be read.
pub async fn callers(store: &Store, month: Month, after: &str, limit: u32) -> Result<Vec<CallerTotals>, FeedError> {
    let rows: Vec<Row> = store
        .connection()
        .await?
        .exec(
            "SELECT caller, COUNT(*), CAST(SUM(IF(answered_at IS NULL, 0, ended_at - answered_at)) AS UNSIGNED), \
             CAST(SUM(billable_seconds) AS UNSIGNED) FROM call_record WHERE month = ? AND caller > ? GROUP BY caller ORDER BY caller LIMIT ?",
            (month.number(), after, limit),
        )
        .await?;
    let subscribers = store.subscribers().await?;
    let totals = |row| {
        let (number, calls, seconds, billable_seconds) =
            from_row_opt::<(String, u64, u64, u64)>(row).map_err(FeedError::damaged)?;
        let subscriber = subscribers.get(&number).map(u32::to_string);
        Ok(CallerTotals { number, subscriber, calls, seconds, billable_seconds })
    };
    rows.into_iter().map(totals).collect()
}

/// How programs were listened to, in the order of their ids, from the first id after `after` on, at most `limit`.
///
/// # Errors
/// If the database cannot be read.
pub async fn programs(store: &Store, month: Month, after: u32, limit: u32) -> Result<Vec<ProgramTotals>, FeedError> {
    let rows: Vec<Row> = store
        .connection()
        .await?
        .exec(
            "SELECT program, COUNT(DISTINCT source, id), CAST(SUM(CAST(to_ms AS SIGNED) - from_ms) DIV 1000 AS UNSIGNED) \
             FROM call_listened WHERE month = ? AND program > ? GROUP BY program ORDER BY program LIMIT ?",
            (month.number(), after, limit),
        )
        .await?;
    let totals = |row| {
        let (program, calls, seconds) = from_row_opt::<(u32, u64, u64)>(row).map_err(FeedError::damaged)?;
        Ok(ProgramTotals { program: program.to_string(), calls, seconds })
    };
    rows.into_iter().map(totals).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_read_as_it_is_written_and_nothing_else_is_one() {
        assert_eq!("2026-11".parse::<Month>().unwrap().to_string(), "2026-11");
        assert_eq!(Month::of("2026-12-31T23:59:59Z".parse().unwrap()).unwrap().number(), 202_612);
        for text in ["", "2026", "2026-13", "2026-00", "26-11", "2026-1", "+026-11", "2026-11-01", "1969-12"] {
            assert_eq!(text.parse::<Month>(), Err(NoMonth), "{text}");
        }
        assert_eq!(Month::of(Timestamp::MIN), None);
    }
}
