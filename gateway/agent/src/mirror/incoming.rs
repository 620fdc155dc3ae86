//! Taking over an answer of the gateway: all of it in one transaction, or nothing.

use std::io::{self, BufRead, Read};

use audiospread_protocol::{
    BUCKETS, Change, Cursor, DeleteReason, End, EntityKey, Kind, Line, LineError, Operation, Sha256Digest, Version,
    bucket_hash, bucket_of, catalogue_digest, leaf_hash,
};
use rusqlite::types::Type;
use rusqlite::{OptionalExtension, Row, Transaction, TransactionBehavior, params};

use super::position::{Position, count_content_change, set_position};
use super::shown::hide;
use super::{Mirror, MirrorError};
use crate::Stop;

/// A line that is longer is none of the feed's: a value has some hundred bytes.
const MAX_LINE: u64 = 8 << 20;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// What changed since the mirror's cursor.
    Delta(Cursor),
    /// Everything: what it does not name is gone.
    Snapshot,
}

/// What a snapshot may take away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removal {
    /// Not much of a kind: a gateway that lost its database, or that is still reading its site, publishes less than there is.
    Little,
    /// Whatever it does not name.
    Any,
}

/// A snapshot takes away much if it is more than so many of a kind, and more than one in five.
const LITTLE: u64 = 20;

/// What an answer changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) version: Version,
    pub(crate) put: u64,
    pub(crate) deleted: u64,
    pub(crate) count: u64,
}

/// Why an answer was not taken over; the mirror is as it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IncomingError {
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    /// The bytes cannot be read, or not be decompressed.
    #[error("the feed came garbled: {0}")]
    Garbled(#[from] io::Error),
    #[error("the feed ends in the middle")]
    Cut,
    #[error("the feed has a line that is longer than {MAX_LINE} bytes")]
    LongLine,
    #[error(transparent)]
    Line(#[from] LineError),
    /// With the changes the mirror would not be what the gateway has.
    #[error("with these changes the mirror would not agree with the gateway at version {0}")]
    Differs(Version),
    /// A snapshot would take away much.
    #[error("the gateway's snapshot would take away {gone} of {of} entities of the kind {kind}")]
    TakesMuch { kind: Kind, gone: u64, of: u64 },
    #[error("stopped")]
    Stopped,
}

impl From<rusqlite::Error> for IncomingError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Mirror(error.into())
    }
}

/// An answer that is being taken over. Dropped without [`Incoming::finish`], it leaves no trace.
pub(crate) struct Incoming<'a> {
    transaction: Transaction<'a>,
    request: Request,
    removal: Removal,
    touched: [bool; BUCKETS],
    /// Change lines so far.
    lines: u64,
    put: u64,
    deleted: u64,
    hidden: u64,
}

impl Mirror {
    /// Takes over a whole answer, line by line as it is read.
    pub(crate) fn take_over(
        &mut self,
        request: Request,
        removal: Removal,
        mut answer: impl BufRead,
        stop: &Stop,
    ) -> Result<Applied, IncomingError> {
        let mut incoming = self.begin(request, removal)?;
        let mut line = Vec::new();
        loop {
            line.clear();
            (&mut answer).take(MAX_LINE + 1).read_until(b'\n', &mut line)?;
            if line.len() as u64 > MAX_LINE {
                return Err(IncomingError::LongLine);
            }
            if line.last() != Some(&b'\n') {
                return Err(IncomingError::Cut);
            }
            match Line::read(&line)? {
                Line::Change(change) => incoming.change(&change)?,
                Line::Heartbeat(_) => {}
                Line::End(end) => return incoming.finish(&end),
            }
            if incoming.lines % 256 == 0 && stop.is_wished() {
                return Err(IncomingError::Stopped);
            }
        }
    }

    /// Begins to take over an answer.
    pub(crate) fn begin(&mut self, request: Request, removal: Removal) -> Result<Incoming<'_>, MirrorError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if request == Request::Snapshot {
            transaction.execute_batch(
                "CREATE TEMP TABLE IF NOT EXISTS seen (number INTEGER PRIMARY KEY); DELETE FROM temp.seen;",
            )?;
        }
        Ok(Incoming {
            transaction,
            request,
            removal,
            touched: [false; BUCKETS],
            lines: 0,
            put: 0,
            deleted: 0,
            hidden: 0,
        })
    }
}

impl Incoming<'_> {
    /// Takes one change.
    pub(crate) fn change(&mut self, change: &Change) -> Result<(), IncomingError> {
        self.lines += 1;
        let version = i64::try_from(change.version).map_err(|_| IncomingError::Differs(change.version))?;
        match &change.operation {
            Operation::Put(value) => self.put(&change.key, version, value),
            Operation::Delete(reason) => Ok(self.delete(&change.key, version, *reason)?),
        }
    }

    fn put(&mut self, key: &EntityKey, version: i64, value: &[u8]) -> Result<(), IncomingError> {
        let leaf = leaf_hash(key, value);
        let (kind, id) = (key.kind().as_str(), key.id());
        let former: Option<(i64, i64, Sha256Digest)> = self
            .transaction
            .prepare_cached("SELECT number, version, leaf FROM entity WHERE kind = ?1 AND id = ?2")?
            .query_row([kind, id], |row| Ok((row.get(0)?, row.get(1)?, digest_at(row, 2)?)))
            .optional()?;
        let number = match former {
            Some((number, same_version, same_leaf)) if same_leaf == leaf => {
                if same_version != version {
                    self.transaction
                        .prepare_cached("UPDATE entity SET version = ?2 WHERE number = ?1")?
                        .execute([number, version])?;
                }
                number
            }
            _ => {
                // serde_json has checked that it is UTF-8.
                let text =
                    std::str::from_utf8(value).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
                self.put += 1;
                self.touched[usize::from(bucket_of(key))] = true;
                self.transaction
                    .prepare_cached(
                        "INSERT INTO entity (kind, id, version, value, leaf, bucket, is_shown)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6,
                           EXISTS (SELECT 1 FROM shown WHERE kind = ?1 AND id = ?2 AND leaf = ?5))
                         ON CONFLICT (kind, id) DO UPDATE
                         SET version = excluded.version, value = excluded.value, leaf = excluded.leaf, is_shown = excluded.is_shown",
                    )?
                    .execute(params![kind, id, version, text, leaf.0, bucket_of(key)])?;
                self.transaction
                    .prepare_cached("DELETE FROM tombstone WHERE kind = ?1 AND id = ?2")?
                    .execute([kind, id])?;
                match former {
                    Some((number, ..)) => number,
                    None => self.transaction.last_insert_rowid(),
                }
            }
        };
        if self.request == Request::Snapshot {
            self.transaction
                .prepare_cached("INSERT OR IGNORE INTO temp.seen (number) VALUES (?1)")?
                .execute([number])?;
        }
        Ok(())
    }

    fn delete(&mut self, key: &EntityKey, version: i64, reason: DeleteReason) -> Result<(), MirrorError> {
        let (kind, id) = (key.kind().as_str(), key.id());
        self.transaction
            .prepare_cached(
                "INSERT INTO tombstone (kind, id, version, reason) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (kind, id) DO UPDATE SET version = excluded.version, reason = excluded.reason",
            )?
            .execute(params![kind, id, version, reason.as_str()])?;
        let gone =
            self.transaction.prepare_cached("DELETE FROM entity WHERE kind = ?1 AND id = ?2")?.execute([kind, id])?;
        if gone > 0 {
            self.deleted += 1;
            self.touched[usize::from(bucket_of(key))] = true;
        }
        // Deletions act at once: they need no audio.
        self.hidden += u64::from(hide(&self.transaction, key)?);
        Ok(())
    }

    /// Commits, if all changes came and the mirror then is what the gateway has.
    pub(crate) fn finish(mut self, end: &End) -> Result<Applied, IncomingError> {
        let differs = IncomingError::Differs(end.cursor.version);
        if end.changes != self.lines {
            return Err(differs);
        }
        let takes_much = match self.request {
            Request::Snapshot => self.delete_unnamed(end)?,
            Request::Delta(_) => None,
        };
        let digest = self.digest()?;
        let count: u64 = count(&self.transaction)?;
        if digest != end.digest
            || count != end.count
            || Cursor::new(end.cursor.epoch, end.cursor.version, &digest) != end.cursor
        {
            return Err(differs);
        }
        if let Some(takes_much) = takes_much
            && self.removal == Removal::Little
        {
            return Err(takes_much);
        }
        set_position(&self.transaction, &Position { cursor: end.cursor, count, digest })?;
        if self.hidden > 0 {
            count_content_change(&self.transaction)?;
        }
        self.transaction.commit()?;
        Ok(Applied { version: end.cursor.version, put: self.put, deleted: self.deleted, count })
    }

    /// Deletes what a snapshot does not name; the value says so, if that is much.
    fn delete_unnamed(&mut self, end: &End) -> Result<Option<IncomingError>, IncomingError> {
        let version = i64::try_from(end.cursor.version).map_err(|_| IncomingError::Differs(end.cursor.version))?;
        let unnamed: Vec<(String, String)> = self
            .transaction
            .prepare("SELECT kind, id FROM entity WHERE number NOT IN (SELECT number FROM temp.seen)")?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        let unnamed: Vec<EntityKey> =
            unnamed.into_iter().map(|(kind, id)| stored_key(&kind, &id)).collect::<Result<_, _>>()?;
        let takes_much = self.takes_much(&unnamed, end)?;
        for key in unnamed {
            self.delete(&key, version, DeleteReason::Deleted)?;
        }
        Ok(takes_much)
    }

    fn takes_much(&self, unnamed: &[EntityKey], end: &End) -> Result<Option<IncomingError>, IncomingError> {
        for kind in Kind::ALL {
            let gone = unnamed.iter().filter(|key| key.kind() == kind).count() as u64;
            let of: i64 = self
                .transaction
                .prepare_cached("SELECT count(*) FROM shown WHERE kind = ?1")?
                .query_row([kind.as_str()], |row| row.get(0))?;
            let of = of.unsigned_abs();
            if (gone > LITTLE && gone * 5 > of) || (end.count == 0 && of > 0) {
                return Ok(Some(IncomingError::TakesMuch { kind, gone, of }));
            }
        }
        Ok(None)
    }

    /// The digest with the changes: only buckets that changed are computed again.
    fn digest(&self) -> Result<Sha256Digest, MirrorError> {
        let mut hashes = Vec::with_capacity(BUCKETS);
        let mut kept = self.transaction.prepare_cached("SELECT hash FROM bucket WHERE number = ?1")?;
        let mut leaves = self.transaction.prepare_cached("SELECT leaf FROM entity WHERE bucket = ?1 ORDER BY leaf")?;
        let mut keep =
            self.transaction.prepare_cached("INSERT OR REPLACE INTO bucket (number, hash) VALUES (?1, ?2)")?;
        for (number, touched) in (0_i64..).zip(self.touched) {
            let known = if touched { None } else { kept.query_row([number], |row| digest_at(row, 0)).optional()? };
            if let Some(hash) = known {
                hashes.push(hash);
                continue;
            }
            let leaves: Vec<Sha256Digest> =
                leaves.query_map([number], |row| digest_at(row, 0))?.collect::<Result<_, _>>()?;
            let hash = bucket_hash(leaves);
            keep.execute(params![number, hash.0])?;
            hashes.push(hash);
        }
        Ok(catalogue_digest(hashes))
    }
}

fn count(transaction: &Transaction<'_>) -> Result<u64, MirrorError> {
    let count: i64 = transaction.query_row("SELECT count(*) FROM entity", [], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

/// A digest in a column.
pub(super) fn digest_at(row: &Row<'_>, index: usize) -> Result<Sha256Digest, rusqlite::Error> {
    row.get(index).map(Sha256Digest).map_err(|error| match error {
        rusqlite::Error::FromSqlConversionFailure(..) => error,
        other => rusqlite::Error::FromSqlConversionFailure(index, Type::Blob, other.to_string().into()),
    })
}

/// The key of a row that was written from a key.
pub(super) fn stored_key(kind: &str, id: &str) -> Result<EntityKey, MirrorError> {
    let odd = || MirrorError::Odd(format!("an entity {kind} {id:?}"));
    let kind = kind.parse().map_err(|_| odd())?;
    EntityKey::new(kind, id).map_err(|_| odd())
}
