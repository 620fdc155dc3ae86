//! The table of phone renditions, in the gateway's own database.
//!
//! What it names lies in the gateway's store; another gateway on this database may have made it.

use audiospread_protocol::Sha256Digest;
use mysql_async::prelude::Queryable;
use mysql_async::{Row, from_row_opt};

use super::rendition::Rendition;
use super::table::TableError;
use crate::database::Pool;

/// Seconds for which a rendition is kept that no version of the feed names: its program may not be published yet.
const YOUNG: i64 = 24 * 3600;

/// The renditions that were made since the second `since`, by their sounds.
pub(super) async fn load(pool: &Pool, since: i64) -> Result<Vec<(Sha256Digest, Rendition)>, TableError> {
    let select = "SELECT source, sha256, size, duration_ms FROM rendition WHERE made_at >= ?";
    let rows: Vec<Row> = pool.get().await?.exec(select, (since,)).await?;
    Ok(rows.into_iter().filter_map(read).collect())
}

fn read(row: Row) -> Option<(Sha256Digest, Rendition)> {
    let (source, sha256, size, duration_ms) = from_row_opt::<(Vec<u8>, Vec<u8>, u64, u32)>(row).ok()?;
    Some((digest(source)?, Rendition { sha256: digest(sha256)?, size, duration_ms }))
}

fn digest(bytes: Vec<u8>) -> Option<Sha256Digest> {
    bytes.try_into().ok().map(Sha256Digest)
}

/// Writes a rendition down, in place of the one that the sound had.
pub(super) async fn save(pool: &Pool, source: &Sha256Digest, rendition: &Rendition) -> Result<(), TableError> {
    let statement = "REPLACE INTO rendition (source, sha256, size, duration_ms, made_at) VALUES (?, ?, ?, ?, ?)";
    let now = jiff::Timestamp::now().as_second();
    let (source, sha256) = (source.0.as_slice(), rendition.sha256.0.as_slice());
    pool.get().await?.exec_drop(statement, (source, sha256, rendition.size, rendition.duration_ms, now)).await?;
    Ok(())
}

/// The published sounds of which there is no rendition.
pub(super) async fn without(pool: &Pool) -> Result<Vec<Sha256Digest>, TableError> {
    let select = "SELECT DISTINCT b.sha256 FROM feed_blob b JOIN audio_source a ON a.sha256 = b.sha256 \
         LEFT JOIN rendition r ON r.source = b.sha256 \
         WHERE b.last_version IS NULL AND a.state = 'ready' AND r.source IS NULL";
    let sounds: Vec<Vec<u8>> = pool.get().await?.query(select).await?;
    Ok(sounds.into_iter().filter_map(digest).collect())
}

/// Forgets the renditions that neither by themselves nor by their sounds are named by a version of the feed from the floor on; returns which
/// these are. What Drupal has as a sound of its own is left alone.
pub(super) async fn forget(pool: &Pool) -> Result<Vec<(Sha256Digest, Rendition)>, TableError> {
    let mut conn = pool.get().await?;
    let select = "SELECT source, sha256, size, duration_ms FROM rendition r WHERE made_at < ? \
         AND NOT EXISTS (SELECT 1 FROM feed_blob b WHERE b.sha256 = r.source) \
         AND NOT EXISTS (SELECT 1 FROM feed_blob b WHERE b.sha256 = r.sha256) \
         AND NOT EXISTS (SELECT 1 FROM audio_source a WHERE a.sha256 = r.sha256)";
    let rows: Vec<Row> = conn.exec(select, (jiff::Timestamp::now().as_second() - YOUNG,)).await?;
    let unnamed: Vec<_> = rows.into_iter().filter_map(read).collect();
    for (source, _) in &unnamed {
        conn.exec_drop("DELETE FROM rendition WHERE source = ?", (source.0.as_slice(),)).await?;
    }
    Ok(unnamed)
}
