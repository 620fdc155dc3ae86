//! The table of the audio index: `audio_source` in the gateway's own database.
//!
//! Read at start, and again for what only another gateway knows; else only written, in batches.

use std::collections::HashSet;

use audiospread_protocol::Sha256Digest;
use camino::Utf8Path;
use futures_util::StreamExt;
use mysql_async::prelude::Queryable;
use mysql_async::{Params, Row, Value, from_row_opt};

use super::index::Index;
use super::measure::Mime;
use super::record::{Audio, Condition, Entry, Home, source_of, source_text};
use crate::beneath::Facts;
use crate::catalogue::site::AudioSource;
use crate::database::{Connection, Pool, PoolError};

/// Why the table of the audio index cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// No connection.
    #[error("{}", crate::database::own_is_away(.0))]
    Pool(#[from] PoolError),
    /// A statement failed.
    #[error("the audio index cannot be read or written: {0}")]
    Statement(#[from] mysql_async::Error),
}

/// Rows of one INSERT: below 1 MiB together, however long their paths.
const BATCH: usize = 100;
const COLUMNS: usize = 12;
/// Bytes of the longest source that the table takes: four times what Drupal's `files.filepath` holds. A longer one is looked at at each start.
const LONGEST: usize = 4096;

const SELECT: &str =
    "SELECT source, state, sha256, size, mime, duration_ms, home, directory, mtime_ns, inode FROM audio_source";

/// Fills an index with what the table has. Rows that make no sense are left out: their sources are looked at anew.
pub(super) async fn load(pool: &Pool, index: &Index) -> Result<(), TableError> {
    let mut conn = pool.get().await?;
    let mut rows = conn.exec_stream::<Row, _, _>(SELECT, ()).await?;
    while let Some(row) = rows.next().await {
        if let Some((source, directory, entry)) = read(row?) {
            index.restore(source, directory.as_deref().map(Utf8Path::new), entry);
        }
    }
    Ok(())
}

/// Takes over what the table has of audio with this digest: another gateway may have looked at it.
pub(super) async fn look_up(pool: &Pool, index: &Index, sha256: &Sha256Digest) -> Result<(), TableError> {
    let rows: Vec<Row> = pool.get().await?.exec(format!("{SELECT} WHERE sha256 = ?"), (sha256.0.as_slice(),)).await?;
    for (source, directory, entry) in rows.into_iter().filter_map(read) {
        index.take_over(source, directory.as_deref().map(Utf8Path::new), entry);
    }
    Ok(())
}

/// Forgets those of these sources whose bytes no version of the feed names from the floor on; returns which these are.
pub(super) async fn forget(pool: &Pool, sources: Vec<AudioSource>) -> Result<Vec<AudioSource>, TableError> {
    let mut conn = pool.get().await?;
    let mut forgotten = Vec::new();
    for batch in sources.chunks(BATCH) {
        let ids: Vec<Value> = batch.iter().map(|source| id(&source_text(source)).into()).collect();
        let places = vec!["?"; ids.len()].join(",");
        // What is below the floor is not in the feed's table any more.
        let delete = format!(
            "DELETE FROM audio_source WHERE id IN ({places}) AND \
             NOT EXISTS (SELECT 1 FROM feed_blob WHERE feed_blob.sha256 = audio_source.sha256)"
        );
        conn.exec_drop(delete, Params::Positional(ids.clone())).await?;
        let select = format!("SELECT source FROM audio_source WHERE id IN ({places})");
        let kept: Vec<Vec<u8>> = conn.exec(select, Params::Positional(ids)).await?;
        let kept: HashSet<Vec<u8>> = kept.into_iter().collect();
        forgotten.extend(batch.iter().filter(|source| !kept.contains(source_text(source).as_bytes())).cloned());
    }
    Ok(forgotten)
}

/// The key of a source's row.
fn id(source: &str) -> Vec<u8> {
    Sha256Digest::of(source.as_bytes()).0.to_vec()
}

type Columns =
    (Vec<u8>, String, Option<Vec<u8>>, u64, Option<String>, Option<u32>, Option<String>, Option<String>, i64, u64);

fn read(row: Row) -> Option<(AudioSource, Option<String>, Entry)> {
    let (source, state, sha256, size, mime, duration_ms, home, directory, mtime_ns, inode) =
        from_row_opt::<Columns>(row).ok()?;
    let source = source_of(&String::from_utf8(source).ok()?)?;
    let condition = match state.as_str() {
        "ready" => Condition::Ready(Audio {
            sha256: Sha256Digest(sha256?.try_into().ok()?),
            mime: Mime::named(&mime?)?,
            duration_ms: duration_ms?,
        }),
        "missing" => Condition::Missing,
        "not_audio" => Condition::NotAudio,
        "corrupt" => Condition::Corrupt,
        "unreadable" => Condition::Unreadable,
        _ => return None,
    };
    let (home, directory) = match home.as_deref() {
        Some("store") => (Some(Home::Store), None),
        _ => (None, directory),
    };
    Some((source, directory, Entry { condition, home, facts: Facts { size, mtime_ns, inode } }))
}

/// Writes what was found out; all of it, or an error, after which some may be written.
pub(super) async fn save(pool: &Pool, index: &Index, found: &[(AudioSource, Entry)]) -> Result<(), TableError> {
    let mut conn = pool.get().await?;
    let found: Vec<_> = found.iter().filter(|(source, _)| source_text(source).len() <= LONGEST).collect();
    for batch in found.chunks(BATCH) {
        insert(&mut conn, index, batch).await?;
    }
    Ok(())
}

async fn insert(conn: &mut Connection, index: &Index, batch: &[&(AudioSource, Entry)]) -> Result<(), TableError> {
    let places = ["?"; COLUMNS].join(",");
    let rows = vec![format!("({places})"); batch.len()].join(",");
    let statement = format!(
        "INSERT INTO audio_source \
         (id, source, state, sha256, size, mime, duration_ms, home, directory, mtime_ns, inode, checked_at) VALUES {rows} \
         ON DUPLICATE KEY UPDATE state = VALUES(state), sha256 = VALUES(sha256), size = VALUES(size), mime = VALUES(mime), \
         duration_ms = VALUES(duration_ms), home = VALUES(home), directory = VALUES(directory), \
         mtime_ns = VALUES(mtime_ns), inode = VALUES(inode), checked_at = VALUES(checked_at)"
    );
    let now = jiff::Timestamp::now().as_second();
    let values = batch.iter().flat_map(|(source, entry)| values(index, source, entry, now)).collect();
    conn.exec_drop(statement, Params::Positional(values)).await?;
    Ok(())
}

fn values(index: &Index, source: &AudioSource, entry: &Entry, now: i64) -> [Value; COLUMNS] {
    let text = source_text(source);
    let (state, audio) = match entry.condition {
        Condition::Ready(audio) => ("ready", Some(audio)),
        // What is pending is not written: nothing is known of it.
        Condition::Pending | Condition::Missing => ("missing", None),
        Condition::NotAudio => ("not_audio", None),
        Condition::Corrupt => ("corrupt", None),
        Condition::Unreadable => ("unreadable", None),
    };
    let (home, directory) = match entry.home {
        Some(Home::Store) => (Some("store"), None),
        Some(Home::Directory(number)) => (Some("directory"), index.directory_path(number).map(Into::<String>::into)),
        None => (None, None),
    };
    [
        id(&text).into(),
        text.into_bytes().into(),
        state.into(),
        audio.map(|audio| audio.sha256.0.to_vec()).into(),
        entry.facts.size.into(),
        audio.map(|audio| audio.mime.as_str()).into(),
        audio.map(|audio| audio.duration_ms).into(),
        home.into(),
        directory.into(),
        entry.facts.mtime_ns.into(),
        entry.facts.inode.into(),
        now.into(),
    ]
}
