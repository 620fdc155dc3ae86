//! What became of recordings. Drupal's tables are the truth: the gateway keeps no opinion of its own.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Recordings;
use super::rows::{self, Kept};
use crate::drupal::{Moderated, ReadError, Reader};
use crate::feed::FeedError;

/// How a recording stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = RecordingState)]
pub enum State {
    /// Drupal has not taken it.
    Waiting,
    /// It waits for an editor.
    Pending,
    /// It is published.
    Approved,
    /// An editor does not want it.
    Rejected,
    /// Its node was deleted.
    Deleted,
}

impl FromStr for State {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "waiting" => Ok(Self::Waiting),
            "pending" => Ok(Self::Pending),
            "approved" => Ok(Self::Approved),
            "rejected" => Ok(Self::Rejected),
            "deleted" => Ok(Self::Deleted),
            _ => Err(()),
        }
    }
}

impl State {
    /// The state by the module's row and its node.
    pub fn of(row: Option<&Moderated>) -> Self {
        let Some(row) = row.filter(|row| row.nid > 0) else { return Self::Waiting };
        match row.published {
            None => Self::Deleted,
            Some(true) => Self::Approved,
            Some(false) if row.state == "rejected" => Self::Rejected,
            Some(false) => Self::Pending,
        }
    }
}

/// Why it cannot be said how recordings stand.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The gateway's database.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// Drupal's.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// A recording, and what became of it.
pub type Standing = (Kept, State, Option<Moderated>);

/// So many rows are looked through for one answer that asks for one state.
const LOOKED_THROUGH: usize = 2_000;

impl Recordings {
    /// The recording of a name, if it can be seen.
    ///
    /// # Errors
    /// If a database cannot be read.
    pub async fn one(&self, reader: &Reader, uuid: Uuid) -> Result<Option<Standing>, AskError> {
        let Some(kept) = rows::one(&self.store, uuid).await? else { return Ok(None) };
        Ok(self.with_states(reader, vec![kept]).await?.pop())
    }

    /// At most `limit` recordings, of one state if one is named, in the order in which they came, from behind `after` on; and where to go on,
    /// if there may be more.
    ///
    /// # Errors
    /// If a database cannot be read.
    pub async fn list(
        &self,
        reader: &Reader,
        state: Option<State>,
        mut after: (i64, Uuid),
        limit: usize,
    ) -> Result<(Vec<Standing>, Option<(i64, Uuid)>), AskError> {
        let page = u32::try_from(limit).unwrap_or(100).clamp(1, 100);
        let (mut found, mut looked_through) = (Vec::new(), 0);
        while found.len() < limit && looked_through < LOOKED_THROUGH {
            let rows = rows::after(&self.store, after, page).await?;
            let is_last = rows.len() < page as usize;
            looked_through += rows.len();
            for standing in self.with_states(reader, rows).await? {
                if found.len() == limit {
                    return Ok((found, Some(after)));
                }
                after = (standing.0.received_at, standing.0.uuid);
                if state.is_none_or(|state| state == standing.1) {
                    found.push(standing);
                }
            }
            if is_last {
                return Ok((found, None));
            }
        }
        Ok((found, Some(after)))
    }

    /// At most `limit` recordings that Drupal has not taken, the oldest first. Of which Drupal has a node, that is noted instead.
    ///
    /// # Errors
    /// If a database cannot be read.
    pub async fn waiting(&self, reader: &Reader, limit: u32) -> Result<Vec<Kept>, AskError> {
        loop {
            let rows = rows::waiting(&self.store, limit).await?;
            let (mut waiting, mut had) = (Vec::new(), false);
            for (kept, state, _) in self.with_states(reader, rows).await? {
                if state == State::Waiting {
                    waiting.push(kept);
                } else {
                    had |= rows::taken(&self.store, kept.uuid).await?;
                }
            }
            if !had {
                return Ok(waiting);
            }
        }
    }

    /// Drupal made a node of it; true if the recording is known.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn taken(&self, uuid: Uuid) -> Result<bool, FeedError> {
        rows::taken(&self.store, uuid).await
    }

    /// Drupal could not make one, and is asked again in an hour; true if the recording is known.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn refused(&self, uuid: Uuid, message: &str) -> Result<bool, FeedError> {
        rows::refused(&self.store, uuid, message).await
    }

    /// How many Drupal has not taken.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn backlog(&self) -> Result<u64, FeedError> {
        rows::backlog(&self.store).await
    }

    /// Drops the numbers of recordings that Drupal took more than `days` ago, now and every hour; 0 days: never.
    pub async fn forget_numbers(&self, days: u32) {
        if days == 0 {
            return;
        }
        loop {
            if let Err(error) = rows::drop_numbers(&self.store, days).await {
                tracing::warn!(%error, "the numbers of old recordings could not be dropped; it is tried again in an hour");
            }
            tokio::time::sleep(std::time::Duration::from_secs(3600)).await;
        }
    }

    pub(super) async fn with_states(&self, reader: &Reader, kept: Vec<Kept>) -> Result<Vec<Standing>, AskError> {
        let uuids: Vec<Uuid> = kept.iter().map(|kept| kept.uuid).collect();
        let mut rows = reader.read_recordings(&uuids).await?;
        let with_state = |kept: Kept| {
            let row = rows.remove(&kept.uuid);
            (kept, State::of(row.as_ref()), row)
        };
        Ok(kept.into_iter().map(with_state).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_says_how_a_recording_stands() {
        let of = |nid, published, state: &str| {
            let row = Moderated { nid, published, state: state.into(), reason: String::new(), decided_at: 0 };
            State::of(Some(&row))
        };
        assert_eq!(State::of(None), State::Waiting);
        assert_eq!(of(0, None, "claimed"), State::Waiting);
        assert_eq!(of(7, Some(false), "made"), State::Pending);
        assert_eq!(of(7, Some(true), "rejected"), State::Approved);
        assert_eq!(of(7, Some(false), "rejected"), State::Rejected);
        assert_eq!(of(7, None, "made"), State::Deleted);
    }
}
