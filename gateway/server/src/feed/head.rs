//! The head: where the feed stands.

use audiospread_protocol::{Cursor, End, Epoch, Sha256Digest, Version};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row, from_row_opt};

use super::FeedError;

/// Where the feed stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The identity of the feed's numbering.
    pub epoch: Epoch,
    /// The last version; 0 before the first commit.
    pub version: Version,
    /// The lowest version whose readers are still told what changed.
    pub floor: Version,
    /// When the last version was committed, by the database's clock, in Unix seconds.
    pub committed_at: i64,
    /// The whole catalogue.
    pub whole: State,
    /// The catalogue without subscribers.
    pub public: State,
}

/// The catalogue at a version, as one reader may see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// The digest over it.
    pub digest: Sha256Digest,
    /// The number of its entities.
    pub count: u64,
}

const SELECT: &str = "SELECT epoch, version, floor_version, committed_at, digest, entities, digest_public, entities_public \
                      FROM feed_head WHERE id = 1";

impl Head {
    /// The catalogue as readers with or without the scope `subscribers` see it.
    pub const fn state(&self, subscribers: bool) -> &State {
        if subscribers { &self.whole } else { &self.public }
    }

    /// The cursor of a reader who has everything.
    pub fn cursor(&self, subscribers: bool) -> Cursor {
        Cursor::new(self.epoch, self.version, &self.state(subscribers).digest)
    }

    /// The last line of an answer with `changes` lines before it.
    pub fn end(&self, subscribers: bool, changes: u64) -> End {
        let State { digest, count } = *self.state(subscribers);
        End { cursor: self.cursor(subscribers), changes, count, digest }
    }

    pub(super) async fn read(conn: &mut Conn) -> Result<Self, FeedError> {
        let row: Option<Row> = conn.query_first(SELECT).await?;
        let row = row.ok_or_else(|| FeedError::damaged("feed_head has no row"))?;
        let (epoch, version, floor, committed_at, digest, count, digest_public, count_public) =
            from_row_opt::<(u64, u64, u64, i64, Vec<u8>, u64, Vec<u8>, u64)>(row).map_err(FeedError::damaged)?;
        Ok(Self {
            epoch: Epoch(epoch),
            version,
            floor,
            committed_at,
            whole: State { digest: digest_from(&digest)?, count },
            public: State { digest: digest_from(&digest_public)?, count: count_public },
        })
    }
}

/// The digest that a `BINARY(32)` holds.
pub(super) fn digest_from(bytes: &[u8]) -> Result<Sha256Digest, FeedError> {
    bytes.try_into().map(Sha256Digest).map_err(|_| FeedError::damaged("a digest has not 32 bytes"))
}
