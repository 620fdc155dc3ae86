//! The held refresh: a mishap upstream is not a command to delete.
//!
//! What to hold, and for how long, is decided here; the refresh obeys.

use std::collections::BTreeMap;
use std::time::Duration;

use audiospread_protocol::Kind;
use mysql_async::prelude::Queryable;
use mysql_async::{Row, from_row_opt};
use serde::{Deserialize, Serialize};

use super::{FeedError, Store};

/// How much of a kind a refresh would remove.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// The entities that would go.
    pub removed: u64,
    /// The entities that there are.
    pub of: u64,
}

/// How much a refresh would remove, by kind.
pub type Removals = BTreeMap<Kind, Removal>;

/// A refresh that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// When it was first held, in Unix seconds by the database's clock.
    pub since: i64,
    /// How long that is ago, by the database's clock.
    pub age: Duration,
    /// What it would remove.
    pub removals: Removals,
    /// Whether somebody said that this is wanted.
    pub accepted: bool,
}

/// Whether to hold a refresh that would remove `removed` of the `total` entities of a kind: more than 20 %, and more than 20.
pub const fn would_hold(removed: u64, total: u64) -> bool {
    removed > 20 && removed > total / 5
}

impl Hold {
    /// Whether a refresh that would now remove `removals` may go on: it was accepted as it is or larger, or has stood for `after`.
    pub fn lets_go(&self, removals: &Removals, after: Duration) -> bool {
        let accepted = |kind: &Kind| self.removals.get(kind).map_or(0, |removal| removal.removed);
        let as_accepted = || removals.iter().all(|(kind, removal)| removal.removed <= accepted(kind));
        self.age >= after || (self.accepted && as_accepted())
    }
}

impl Store {
    /// The refresh that waits, if one does.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn hold(&self) -> Result<Option<Hold>, FeedError> {
        let row: Option<Row> = self
            .connection()
            .await?
            .query_first(
                "SELECT since, GREATEST(CAST(UNIX_TIMESTAMP() AS SIGNED) - since, 0), removals, accepted FROM feed_hold WHERE id = 1",
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        let (since, age, removals, accepted) =
            from_row_opt::<(i64, u64, String, bool)>(row).map_err(FeedError::damaged)?;
        let removals = serde_json::from_str(&removals).map_err(FeedError::damaged)?;
        Ok(Some(Hold { since, age: Duration::from_secs(age), removals, accepted }))
    }

    /// Lets a refresh wait that would remove `removals`, or renews what a waiting one would remove: since when it waits stays, and
    /// other removals than those that were accepted are not accepted.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn set_hold(&self, removals: &Removals) -> Result<(), FeedError> {
        let removals = serde_json::to_string(removals).map_err(FeedError::damaged)?;
        self.connection()
            .await?
            .exec_drop(
                "INSERT INTO feed_hold (id, since, removals, accepted) VALUES (1, UNIX_TIMESTAMP(), ?, 0) \
                 ON DUPLICATE KEY UPDATE accepted = IF(removals = VALUES(removals), accepted, 0), removals = VALUES(removals)",
                (removals,),
            )
            .await?;
        Ok(())
    }

    /// Nothing waits any more.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn clear_hold(&self) -> Result<(), FeedError> {
        Ok(self.connection().await?.query_drop("DELETE FROM feed_hold").await?)
    }

    /// Says that the removals of the waiting refresh are wanted; false if none waits.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn accept_hold(&self) -> Result<bool, FeedError> {
        let mut conn = self.connection().await?;
        conn.query_drop("UPDATE feed_hold SET accepted = 1 WHERE id = 1").await?;
        let waiting: Option<Row> = conn.query_first("SELECT id FROM feed_hold WHERE id = 1").await?;
        Ok(waiting.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_removals_and_a_fifth_are_let_through_and_more_than_both_are_held() {
        for (removed, total, held) in [
            (0, 0, false),
            (20, 20, false),
            (21, 21, true),
            (21, 104, true),
            (21, 105, false),
            (200, 1000, false),
            (201, 1000, true),
            (u64::MAX, u64::MAX, true),
        ] {
            assert_eq!(would_hold(removed, total), held, "{removed} of {total}");
        }
    }

    #[test]
    fn a_hold_lets_go_after_its_time_or_of_what_was_accepted_and_of_no_more() {
        let removals = |removed| Removals::from([(Kind::Program, Removal { removed, of: 60 })]);
        let half_an_hour = Duration::from_secs(1800);
        let mut hold = Hold { since: 0, age: Duration::from_secs(1799), removals: removals(30), accepted: false };
        assert!(!hold.lets_go(&removals(30), half_an_hour));
        hold.accepted = true;
        assert!(hold.lets_go(&removals(30), half_an_hour));
        assert!(!hold.lets_go(&removals(31), half_an_hour));
        assert!(!hold.lets_go(&Removals::from([(Kind::Category, Removal { removed: 1, of: 9 })]), half_an_hour));
        hold.age = half_an_hour;
        assert!(hold.lets_go(&removals(60), half_an_hour));
    }
}
