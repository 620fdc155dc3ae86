//! Entities as rows: reading them, and listing what is published.

use audiospread_protocol::{Change, DeleteReason, EntityKey, Kind, Operation, Sha256Digest, Version};
use mysql_async::prelude::Queryable;
use mysql_async::{Row, from_row_opt};

use super::head::digest_from;
use super::{FeedError, Store};

/// An entity that is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity {
    /// The version of its last change.
    pub version: Version,
    /// Its name.
    pub key: EntityKey,
    /// The exact bytes of its value.
    pub value: Box<[u8]>,
}

/// The change that a row `(version, kind, id, value, reason)` is.
pub(super) fn change_from(row: Row) -> Result<Change, FeedError> {
    let (version, kind, id, value, reason) =
        from_row_opt::<(Version, String, Vec<u8>, Option<Vec<u8>>, Option<String>)>(row).map_err(FeedError::damaged)?;
    let key = key_from(&kind, id)?;
    let operation = match (value, reason) {
        (Some(value), None) => Operation::Put(value.into()),
        (None, Some(reason)) => Operation::Delete(reason.parse().map_err(FeedError::damaged)?),
        _ => return Err(FeedError::damaged(format_args!("{key} is neither there nor gone"))),
    };
    Ok(Change { version, key, operation })
}

/// The name, and the leaf or the reason of its absence, that a row `(kind, id, leaf, reason)` is.
pub(super) fn outline_from(row: Row) -> Result<(EntityKey, Result<Sha256Digest, DeleteReason>), FeedError> {
    let (kind, id, leaf, reason) =
        from_row_opt::<(String, Vec<u8>, Option<Vec<u8>>, Option<String>)>(row).map_err(FeedError::damaged)?;
    let key = key_from(&kind, id)?;
    let state = match (leaf, reason) {
        (Some(leaf), None) => Ok(digest_from(&leaf)?),
        (None, Some(reason)) => Err(reason.parse().map_err(FeedError::damaged)?),
        _ => return Err(FeedError::damaged(format_args!("{key} is neither there nor gone"))),
    };
    Ok((key, state))
}

fn key_from(kind: &str, id: Vec<u8>) -> Result<EntityKey, FeedError> {
    let kind: Kind = kind.parse().map_err(FeedError::damaged)?;
    let id = String::from_utf8(id).map_err(FeedError::damaged)?;
    EntityKey::new(kind, id).map_err(FeedError::damaged)
}

impl Store {
    /// What is published of a kind: at most `limit` entities, in the bytewise order of their ids, after the id `after`.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn entities(&self, kind: Kind, after: &str, limit: u32) -> Result<Vec<Entity>, FeedError> {
        let rows: Vec<Row> = self
            .connection()
            .await?
            .exec(
                "SELECT version, kind, id, value, reason FROM feed_entity \
                 WHERE kind = ? AND id > ? AND value IS NOT NULL ORDER BY id LIMIT ?",
                (kind.as_str(), after.as_bytes(), limit),
            )
            .await?;
        rows.into_iter()
            .map(|row| {
                let Change { version, key, operation } = change_from(row)?;
                match operation {
                    Operation::Put(value) => Ok(Entity { version, key, value }),
                    Operation::Delete(_) => Err(FeedError::damaged(format_args!("{key} has a value and is gone"))),
                }
            })
            .collect()
    }
}
