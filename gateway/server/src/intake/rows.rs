//! The rows of recordings in the gateway's own database.

use audiospread_protocol::{RecordingFacts, Sha256Digest};
use mysql_async::prelude::Queryable;
use mysql_async::{Row as SqlRow, Value, from_row_opt};
use uuid::Uuid;

use super::recordings::FORGOTTEN;
use super::{Heard, Part};
use crate::feed::{FeedError, Store};

/// A recording as it is written.
pub(super) struct Row<'a> {
    pub(super) uuid: Uuid,
    pub(super) content: Sha256Digest,
    pub(super) server: &'a str,
    pub(super) facts: &'a RecordingFacts,
    pub(super) category: u32,
    pub(super) body: Heard,
    pub(super) title: Option<Heard>,
}

/// A row that is there.
pub(super) struct There {
    pub(super) content: Sha256Digest,
    pub(super) storing: bool,
}

/// What a row is after it was to be written.
pub(super) enum Written {
    /// It is there, and its files are to come.
    Storing,
    /// It is there with its files.
    Pending,
    /// Another recording has its name.
    Other,
}

/// A recording that can be seen.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Its name.
    pub uuid: Uuid,
    /// The phone server's name.
    pub server: String,
    /// E.164; absent where it was withheld, or dropped since.
    pub caller: Option<String>,
    /// May be empty.
    pub language: String,
    /// The `tid`; 0: none.
    pub category: u32,
    /// When recording began, Unix seconds.
    pub recorded_at: i64,
    /// When it reached the gateway.
    pub received_at: i64,
    /// Whether the caller hung up while recording.
    pub hung_up: bool,
    /// Whether there is nearly nothing to hear in the message.
    pub silent: bool,
    /// The message.
    pub body: KeptPart,
    /// The spoken title.
    pub title: Option<KeptPart>,
}

/// A part of a recording.
#[derive(Clone, Copy, Debug)]
pub struct KeptPart {
    /// The digest of its bytes.
    pub sha256: Sha256Digest,
    /// How many there are.
    pub size: u64,
    /// How long it is.
    pub duration_ms: u64,
}

impl Kept {
    /// The parts that there are.
    pub fn parts(&self) -> impl Iterator<Item = (Part, KeptPart)> + use<> {
        self.title.map(|title| (Part::Title, title)).into_iter().chain([(Part::Body, self.body)])
    }
}

const COLUMNS: &str = "uuid, server, caller, language, category, recorded_at, received_at, hung_up, silent, body_sha256, body_size, body_ms, \
                       title_sha256, title_size, title_ms";

fn digest(bytes: Vec<u8>) -> Result<Sha256Digest, FeedError> {
    bytes.try_into().map(Sha256Digest).map_err(|_| FeedError::damaged("a digest has not 32 bytes"))
}

pub(super) fn name(bytes: &[u8]) -> Result<Uuid, FeedError> {
    Uuid::from_slice(bytes).map_err(FeedError::damaged)
}

fn kept(mut row: SqlRow) -> Result<Kept, FeedError> {
    fn cell<T: mysql_async::prelude::FromValue>(row: &mut SqlRow, at: usize) -> Result<T, FeedError> {
        row.take_opt(at).and_then(Result::ok).ok_or_else(|| FeedError::damaged("a recording has a strange value"))
    }
    let title: Option<Vec<u8>> = cell(&mut row, 12)?;
    let (title_size, title_ms) = (cell(&mut row, 13)?, cell(&mut row, 14)?);
    Ok(Kept {
        uuid: name(&cell::<Vec<u8>>(&mut row, 0)?)?,
        server: String::from_utf8_lossy(&cell::<Vec<u8>>(&mut row, 1)?).into_owned(),
        caller: cell(&mut row, 2)?,
        language: cell(&mut row, 3)?,
        category: cell(&mut row, 4)?,
        recorded_at: cell(&mut row, 5)?,
        received_at: cell(&mut row, 6)?,
        hung_up: cell::<u8>(&mut row, 7)? != 0,
        silent: cell::<u8>(&mut row, 8)? != 0,
        body: KeptPart {
            sha256: digest(cell(&mut row, 9)?)?,
            size: cell(&mut row, 10)?,
            duration_ms: cell(&mut row, 11)?,
        },
        title: match title {
            Some(bytes) => Some(KeptPart { sha256: digest(bytes)?, size: title_size, duration_ms: title_ms }),
            None => None,
        },
    })
}

pub(super) async fn find(store: &Store, uuid: Uuid) -> Result<Option<There>, FeedError> {
    let query = "SELECT content, state = 'storing' FROM recording WHERE uuid = ?";
    let row: Option<SqlRow> = store.connection().await?.exec_first(query, (uuid.as_bytes().as_slice(),)).await?;
    let Some(row) = row else { return Ok(None) };
    let (content, storing) = from_row_opt::<(Vec<u8>, u8)>(row).map_err(FeedError::damaged)?;
    Ok(Some(There { content: digest(content)?, storing: storing != 0 }))
}

pub(super) async fn write(store: &Store, row: &Row<'_>) -> Result<Written, FeedError> {
    let facts = row.facts;
    let title = |value: fn(&Heard) -> u64| row.title.as_ref().map_or(0, value);
    let values: Vec<Value> = vec![
        row.uuid.as_bytes().as_slice().into(),
        row.content.0.as_slice().into(),
        row.server.as_bytes().into(),
        facts.caller.as_ref().map(ToString::to_string).into(),
        facts.language.as_str().into(),
        row.category.into(),
        facts.recorded_at.as_second().into(),
        u8::from(facts.hung_up).into(),
        u8::from(row.body.silent).into(),
        facts.body.0.as_slice().into(),
        row.body.size.into(),
        row.body.duration_ms.into(),
        facts.title.map(|title| title.0.to_vec()).into(),
        title(|heard| heard.size).into(),
        title(|heard| heard.duration_ms).into(),
    ];
    store
        .connection()
        .await?
        .exec_drop(
            "INSERT INTO recording (uuid, content, state, server, caller, language, category, recorded_at, received_at, hung_up, silent, \
             body_sha256, body_size, body_ms, title_sha256, title_size, title_ms, offer_at, message) \
             VALUES (?,?,'storing',?,?,?,?,?,UNIX_TIMESTAMP(),?,?,?,?,?,?,?,?,0,'') ON DUPLICATE KEY UPDATE uuid = uuid",
            values,
        )
        .await?;
    Ok(match find(store, row.uuid).await? {
        Some(there) if there.content != row.content => Written::Other,
        Some(there) if !there.storing => Written::Pending,
        _ => Written::Storing,
    })
}

/// The files are on the disk.
pub(super) async fn show(store: &Store, uuid: Uuid) -> Result<(), FeedError> {
    let update = "UPDATE recording SET state = 'pending' WHERE uuid = ? AND state = 'storing'";
    Ok(store.connection().await?.exec_drop(update, (uuid.as_bytes().as_slice(),)).await?)
}

/// The bytes are gone before it could be seen.
pub(super) async fn forget(store: &Store, uuid: Uuid) -> Result<(), FeedError> {
    let delete = "DELETE FROM recording WHERE uuid = ? AND state = 'storing'";
    Ok(store.connection().await?.exec_drop(delete, (uuid.as_bytes().as_slice(),)).await?)
}

/// A recording's name, and the digests of title and body.
pub(super) type Unfinished = (Uuid, Option<Sha256Digest>, Sha256Digest);

/// What is half done.
pub(super) async fn storing(store: &Store) -> Result<Vec<Unfinished>, FeedError> {
    unfinished(store, "SELECT uuid, title_sha256, body_sha256 FROM recording WHERE state = 'storing'").await
}

async fn unfinished(store: &Store, query: &str) -> Result<Vec<Unfinished>, FeedError> {
    let rows: Vec<SqlRow> = store.connection().await?.exec(query, ()).await?;
    rows.into_iter()
        .map(|row| {
            let (uuid, title, body) =
                from_row_opt::<(Vec<u8>, Option<Vec<u8>>, Vec<u8>)>(row).map_err(FeedError::damaged)?;
            Ok((name(&uuid)?, title.map(digest).transpose()?, digest(body)?))
        })
        .collect()
}

/// The recording of a name, if it can be seen.
pub(super) async fn one(store: &Store, uuid: Uuid) -> Result<Option<Kept>, FeedError> {
    let query = format!("SELECT {COLUMNS} FROM recording WHERE uuid = ? AND state = 'pending'");
    let row: Option<SqlRow> = store.connection().await?.exec_first(query, (uuid.as_bytes().as_slice(),)).await?;
    row.map(kept).transpose()
}

/// Recordings in the order in which they came, from behind this one on.
pub(super) async fn after(store: &Store, after: (i64, Uuid), limit: u32) -> Result<Vec<Kept>, FeedError> {
    let query = format!(
        "SELECT {COLUMNS} FROM recording WHERE state = 'pending' AND (received_at > ? OR (received_at = ? AND uuid > ?)) \
         ORDER BY received_at, uuid LIMIT ?"
    );
    let params = (after.0, after.0, after.1.as_bytes().as_slice(), limit);
    let rows: Vec<SqlRow> = store.connection().await?.exec(query, params).await?;
    rows.into_iter().map(kept).collect()
}

/// Recordings that Drupal has not taken, the oldest first.
pub(super) async fn waiting(store: &Store, limit: u32) -> Result<Vec<Kept>, FeedError> {
    let query = format!(
        "SELECT {COLUMNS} FROM recording WHERE state = 'pending' AND taken_at IS NULL AND offer_at <= UNIX_TIMESTAMP() \
         ORDER BY received_at, uuid LIMIT ?"
    );
    let rows: Vec<SqlRow> = store.connection().await?.exec(query, (limit,)).await?;
    rows.into_iter().map(kept).collect()
}

/// Recordings of which the gateway has copies of its own, in the order of their names, from behind this one on.
pub(super) async fn with_copies(store: &Store, after: Uuid, limit: u32) -> Result<Vec<Kept>, FeedError> {
    let query = format!(
        "SELECT {COLUMNS} FROM recording WHERE state = 'pending' AND uuid > ? \
         AND EXISTS (SELECT 1 FROM recording_part p WHERE p.uuid = recording.uuid AND p.kept = 1) ORDER BY uuid LIMIT ?"
    );
    let rows: Vec<SqlRow> = store.connection().await?.exec(query, (after.as_bytes().as_slice(), limit)).await?;
    rows.into_iter().map(kept).collect()
}

/// Recordings that were kept before it was noted where their parts are.
pub(super) async fn without_parts(store: &Store) -> Result<Vec<Unfinished>, FeedError> {
    let query = "SELECT uuid, title_sha256, body_sha256 FROM recording WHERE state = 'pending' \
                 AND NOT EXISTS (SELECT 1 FROM recording_part p WHERE p.uuid = recording.uuid)";
    unfinished(store, query).await
}

/// How many recordings Drupal has not taken.
///
/// # Errors
/// If the database cannot be read.
pub async fn backlog(store: &Store) -> Result<u64, FeedError> {
    let query = "SELECT COUNT(*) FROM recording WHERE state = 'pending' AND taken_at IS NULL";
    let row: Option<SqlRow> = store.connection().await?.exec_first(query, ()).await?;
    row.map_or(Ok(0), |row| from_row_opt::<(u64,)>(row).map(|(count,)| count).map_err(FeedError::damaged))
}

/// Drupal has it; true if the recording is known.
pub(super) async fn taken(store: &Store, uuid: Uuid) -> Result<bool, FeedError> {
    let update = "UPDATE recording SET taken_at = COALESCE(taken_at, UNIX_TIMESTAMP()), message = '' WHERE uuid = ? AND state = 'pending'";
    settle(store, uuid, update, vec![uuid.as_bytes().as_slice().into()]).await
}

/// Drupal could not take it, and is asked again in an hour; true if the recording is known.
pub(super) async fn refused(store: &Store, uuid: Uuid, message: &str) -> Result<bool, FeedError> {
    let update =
        "UPDATE recording SET offer_at = UNIX_TIMESTAMP() + 3600, message = ? WHERE uuid = ? AND state = 'pending'";
    settle(store, uuid, update, vec![message.into(), uuid.as_bytes().as_slice().into()]).await
}

async fn settle(store: &Store, uuid: Uuid, update: &str, params: Vec<Value>) -> Result<bool, FeedError> {
    store.connection().await?.exec_drop(update, params).await?;
    Ok(find(store, uuid).await?.is_some_and(|there| !there.storing))
}

/// Drops the numbers of recordings that Drupal has had for so many days.
pub(super) async fn drop_numbers(store: &Store, days: u32) -> Result<(), FeedError> {
    let update = "UPDATE recording SET caller = NULL, content = ? WHERE caller IS NOT NULL AND taken_at < UNIX_TIMESTAMP() - 86400 * ?";
    Ok(store.connection().await?.exec_drop(update, (FORGOTTEN.0.as_slice(), days)).await?)
}

/// The key that Drupal's module gave last; nothing if it never asked for recordings.
///
/// # Errors
/// If the database cannot be read.
pub async fn wake_key(store: &Store) -> Result<Option<String>, FeedError> {
    let row: Option<SqlRow> =
        store.connection().await?.exec_first("SELECT wake_key FROM recording_wake WHERE id = 1", ()).await?;
    row.map(|row| from_row_opt::<(String,)>(row).map(|(key,)| key).map_err(FeedError::damaged)).transpose()
}

/// Remembers the key.
pub(super) async fn remember_wake_key(store: &Store, key: &str) -> Result<(), FeedError> {
    if wake_key(store).await?.as_deref() == Some(key) {
        return Ok(());
    }
    let insert =
        "INSERT INTO recording_wake (id, wake_key) VALUES (1, ?) ON DUPLICATE KEY UPDATE wake_key = VALUES(wake_key)";
    Ok(store.connection().await?.exec_drop(insert, (key,)).await?)
}
