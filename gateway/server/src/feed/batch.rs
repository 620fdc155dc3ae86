//! Changes on their way into the database, some hundred rows a statement.

use std::collections::{BTreeMap, BTreeSet};

use audiospread_protocol::{DeleteReason, EntityKey, Sha256Digest, Version};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Value};

/// Rows of one statement.
const ROWS: usize = 500;
/// Bytes of values in one statement: with names and hashes below the least `max_allowed_packet` that is accepted.
const BYTES: usize = 512 * 1024;

/// What becomes of an entity.
pub(super) struct Row {
    pub(super) key: EntityKey,
    pub(super) state: State,
    /// Whether it was in the catalogue, so that it may have named blobs.
    pub(super) was_there: bool,
}

/// The new state of an entity.
pub(super) enum State {
    /// It is there.
    There { value: Box<[u8]>, leaf: Sha256Digest, blobs: BTreeSet<Sha256Digest> },
    /// It is gone.
    Gone(DeleteReason),
}

/// Changes of one version that are not written yet, each of another entity.
pub(super) struct Batch {
    version: Version,
    rows: Vec<Row>,
    bytes: usize,
}

impl Batch {
    pub(super) fn new(version: Version) -> Self {
        Self { version, rows: Vec::with_capacity(ROWS), bytes: 0 }
    }

    /// Whether `row` can be added before the others are written.
    pub(super) fn has_room_for(&self, row: &Row) -> bool {
        self.rows.len() < ROWS && self.bytes + row.size() <= BYTES
    }

    pub(super) fn add(&mut self, row: Row) {
        self.bytes += row.size();
        self.rows.push(row);
    }

    /// Writes what was added, and is empty again.
    pub(super) async fn write(&mut self, conn: &mut Conn) -> Result<(), mysql_async::Error> {
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        self.end_blob_uses(conn, &rows).await?;
        write_blob_uses(conn, &rows).await?;
        self.write_entities(conn, rows).await
    }

    /// Whatever the entities named up to now ends with the version before; what they name further on begins anew.
    async fn end_blob_uses(&self, conn: &mut Conn, rows: &[Row]) -> Result<(), mysql_async::Error> {
        let names = rows
            .iter()
            .filter(|row| row.was_there)
            .map(|row| (row.key.kind().as_str().to_owned(), row.key.id().as_bytes().to_vec()));
        for (kind, ids) in by_kind(names) {
            let update = format!(
                "UPDATE feed_blob SET last_version = ? WHERE kind = ? AND id IN ({}) AND last_version IS NULL",
                placeholders("?", ids.len())
            );
            let mut params: Vec<Value> = vec![(self.version - 1).into(), kind.into()];
            params.extend(ids.into_iter().map(Value::Bytes));
            conn.exec_drop(update, params).await?;
        }
        Ok(())
    }

    async fn write_entities(&self, conn: &mut Conn, rows: Vec<Row>) -> Result<(), mysql_async::Error> {
        if rows.is_empty() {
            return Ok(());
        }
        let insert = format!(
            "INSERT INTO feed_entity (kind, id, version, value, leaf, reason) VALUES {} ON DUPLICATE KEY UPDATE \
             version = VALUES(version), value = VALUES(value), leaf = VALUES(leaf), reason = VALUES(reason)",
            placeholders("(?,?,?,?,?,?)", rows.len())
        );
        let mut params: Vec<Value> = Vec::with_capacity(rows.len() * 6);
        for Row { key, state, .. } in rows {
            params.extend([key.kind().as_str().into(), key.id().as_bytes().into(), self.version.into()]);
            params.extend(match state {
                State::There { value, leaf, .. } => [Value::Bytes(value.into()), leaf.0.as_slice().into(), Value::NULL],
                State::Gone(reason) => [Value::NULL, Value::NULL, reason.as_str().into()],
            });
        }
        conn.exec_drop(insert, params).await
    }
}

impl Row {
    fn size(&self) -> usize {
        match &self.state {
            State::There { value, .. } => value.len(),
            State::Gone(_) => 0,
        }
    }
}

async fn write_blob_uses(conn: &mut Conn, rows: &[Row]) -> Result<(), mysql_async::Error> {
    let uses: Vec<_> = rows
        .iter()
        .filter_map(|row| match &row.state {
            State::There { blobs, .. } => Some(blobs.iter().map(|blob| (blob, &row.key))),
            State::Gone(_) => None,
        })
        .flatten()
        .collect();
    for uses in uses.chunks(ROWS) {
        let insert = format!(
            "INSERT INTO feed_blob (sha256, kind, id) VALUES {} ON DUPLICATE KEY UPDATE last_version = NULL",
            placeholders("(?,?,?)", uses.len())
        );
        let params: Vec<Value> = uses
            .iter()
            .flat_map(|(blob, key)| [blob.0.as_slice().into(), key.kind().as_str().into(), key.id().as_bytes().into()])
            .collect();
        conn.exec_drop(insert, params).await?;
    }
    Ok(())
}

/// `one` as often as there are rows or values, joined by commas.
pub(crate) fn placeholders(one: &str, count: usize) -> String {
    vec![one; count].join(",")
}

/// Ids by kind: servers of old find many rows by their names only where one column is constant.
pub(super) fn by_kind(names: impl IntoIterator<Item = (String, Vec<u8>)>) -> BTreeMap<String, Vec<Vec<u8>>> {
    let mut kinds = BTreeMap::<_, Vec<_>>::new();
    for (kind, id) in names {
        kinds.entry(kind).or_default().push(id);
    }
    kinds
}
