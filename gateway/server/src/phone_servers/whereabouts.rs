//! Where something is on the phone: on each phone server, and since when.

use audiospread_protocol::{EntityKey, Version};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row, from_row_opt};

use super::place::{Judgement, Place, Published, Reported, judge};
use super::standing::{PhoneServer, all};
use crate::feed::{FeedError, Store};

/// Where something is on one phone server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whereabouts {
    /// The phone server's name.
    pub server: String,
    /// What callers get there.
    pub place: Place,
    /// Since when, Unix seconds; 0: not known.
    pub since: i64,
    /// Why it is not shown as it is now; empty if it is.
    pub message: String,
}

/// Where that is of which these are the entities, one of each phone server. Of several the worst counts; those that are gone count only where
/// no other is there.
///
/// # Errors
/// If the database cannot be read.
pub async fn whereabouts(store: &Store, keys: &[EntityKey]) -> Result<Vec<Whereabouts>, FeedError> {
    let servers = all(store).await?;
    let mut conn = store.connection().await?;
    let mut entities = Vec::new();
    for key in keys {
        entities.extend(published(&mut conn, key).await?.map(|published| (key, published)));
    }
    if entities.iter().any(|(_, published)| published.gone.is_none()) {
        entities.retain(|(_, published)| published.gone.is_none());
    }
    let mut places = Vec::with_capacity(servers.len());
    for server in servers {
        let mut judgements = Vec::with_capacity(entities.len());
        for (key, entity) in &entities {
            let reported = reported(&mut conn, &server.name, key).await?;
            let reached_at = reached_at(&mut conn, &server, entity.version).await?;
            judgements.push(judge(&server, *entity, reported, reached_at));
        }
        let since = judgements.iter().map(|judgement| judgement.since).max();
        let worst = judgements.into_iter().min_by_key(|judgement| judgement.place).unwrap_or_else(nothing);
        places.push(Whereabouts {
            server: server.name,
            place: worst.place,
            since: if worst.place == Place::Shown { since.unwrap_or(0) } else { worst.since },
            message: worst.why,
        });
    }
    Ok(places)
}

fn nothing() -> Judgement {
    let why = "Nothing of it is published for the phone.".to_owned();
    Judgement { place: Place::Absent, since: 0, why }
}

async fn published(conn: &mut Conn, key: &EntityKey) -> Result<Option<Published>, FeedError> {
    let row: Option<Row> = conn
        .exec_first(
            "SELECT version, reason FROM feed_entity WHERE kind = ? AND id = ?",
            (key.kind().as_str(), key.id().as_bytes()),
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let (version, reason) = from_row_opt::<(Version, Option<String>)>(row).map_err(FeedError::damaged)?;
    let gone = reason.map(|reason| reason.parse()).transpose().map_err(FeedError::damaged)?;
    Ok(Some(Published { kind: key.kind(), version, gone }))
}

async fn reported(conn: &mut Conn, server: &str, key: &EntityKey) -> Result<Option<Reported>, FeedError> {
    let row: Option<Row> = conn
        .exec_first(
            "SELECT state, why, since FROM phone_server_entity WHERE server = ? AND kind = ? AND id = ?",
            (server.as_bytes(), key.kind().as_str(), key.id().as_bytes()),
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let (state, why, since) = from_row_opt::<(String, String, i64)>(row).map_err(FeedError::damaged)?;
    let known = [Place::Absent, Place::Coming, Place::Shown].into_iter().find(|place| place.as_str() == state);
    let place = known.ok_or_else(|| FeedError::damaged("an entity is nowhere on a phone server"))?;
    Ok(Some(Reported { place, why, since }))
}

/// When a phone server first had a version or a later one.
async fn reached_at(conn: &mut Conn, server: &PhoneServer, version: Version) -> Result<Option<i64>, FeedError> {
    Ok(conn
        .exec_first(
            "SELECT applied_at FROM phone_server_version WHERE server = ? AND version >= ? ORDER BY version LIMIT 1",
            (server.name.as_bytes(), version),
        )
        .await?)
}
