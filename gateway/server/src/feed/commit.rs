//! Making versions: changes, tombstones, digests, blob uses and findings in one transaction, or not at all.

use audiospread_protocol::{EntityKey, Operation, leaf_hash};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Row as SqlRow};

use super::batch::{Batch, Row, State};
use super::blob_names::blob_names;
use super::findings::{FindingChanges, write_findings};
use super::head::Head;
use super::session::Session;
use super::store::digests_of;
use super::{FeedError, Published, Store};

/// What became of a commit.
#[derive(Debug)]
pub enum Commit {
    /// It is committed; where nothing changed, the version is the one before.
    Done(Published),
    /// Another gateway committed since [`Published`] was loaded, or is about to. Nothing of this commit is seen: load, read and compare again.
    Lost,
}

impl Store {
    /// Publishes `changes` as the version after `published`, in one transaction, with memory for some hundred changes at a time.
    /// An entity is among them at most once.
    ///
    /// A put of what is there already is no change, nor is a delete of what is not there, unless its tombstone gives another reason; without a
    /// change there is no version, and only the findings are written.
    ///
    /// # Errors
    /// If a value is not one JSON value on one line, or the database fails. Then load again: the transaction's end may be unknown.
    pub async fn commit<I>(
        &self,
        published: Published,
        changes: I,
        findings: &FindingChanges,
    ) -> Result<Commit, FeedError>
    where
        I: IntoIterator<Item = (EntityKey, Operation)> + Send,
        I::IntoIter: Send,
    {
        match self.attempt(published, changes.into_iter(), findings).await {
            Ok(Some(published)) => Ok(Commit::Done(published)),
            Ok(None) => Ok(Commit::Lost),
            Err(FeedError::Database(error)) if is_conflict(&error) => Ok(Commit::Lost),
            Err(error) => Err(error),
        }
    }

    async fn attempt(
        &self,
        mut published: Published,
        mut changes: impl Iterator<Item = (EntityKey, Operation)> + Send,
        findings: &FindingChanges,
    ) -> Result<Option<Published>, FeedError> {
        let mut next = next_change(&mut published, &mut changes)?;
        let makes_a_version = next.is_some();
        if !makes_a_version && findings.is_empty() {
            return Ok(Some(published));
        }
        let mut session = Session::writing(self.pool()).await?;
        if !hold_head(session.conn(), &published.head).await? {
            return Ok(None);
        }
        write_findings(session.conn(), findings).await?;
        if makes_a_version {
            let mut batch = Batch::new(published.head.version + 1);
            while let Some(row) = next {
                if !batch.has_room_for(&row) {
                    batch.write(session.conn()).await?;
                }
                batch.add(row);
                next = next_change(&mut published, &mut changes)?;
            }
            batch.write(session.conn()).await?;
            published.head.version += 1;
            let (tree, whole, public) = digests_of(published.tree).await?;
            (published.tree, published.head.whole, published.head.public) = (tree, whole, public);
            move_head(session.conn(), &published.head).await?;
            published.head = Head::read(session.conn()).await?;
        }
        session.commit().await?;
        if makes_a_version {
            self.announce(&published.head).await;
        }
        Ok(Some(published))
    }
}

/// The next change that changes something; what is published is as it is after it.
fn next_change(
    Published { tree, gone, .. }: &mut Published,
    changes: &mut impl Iterator<Item = (EntityKey, Operation)>,
) -> Result<Option<Row>, FeedError> {
    for (key, operation) in changes {
        match operation {
            Operation::Put(value) => {
                let leaf = leaf_hash(&key, &value);
                let former = tree.insert(key.clone(), leaf);
                if former != Some(leaf) {
                    let blobs = blob_names(&value).map_err(|_| FeedError::Value(key.clone()))?;
                    if value.contains(&b'\n') {
                        return Err(FeedError::Value(key));
                    }
                    gone.remove(&key);
                    let state = State::There { value, leaf, blobs };
                    return Ok(Some(Row { key, state, was_there: former.is_some() }));
                }
            }
            Operation::Delete(reason) => {
                let was_there = tree.remove(&key).is_some();
                if was_there || gone.get(&key).is_some_and(|known| *known != reason) {
                    gone.insert(key.clone(), reason);
                    return Ok(Some(Row { key, state: State::Gone(reason), was_there }));
                }
            }
        }
    }
    Ok(None)
}

/// Locks the head until the transaction ends, if it is still the one that is known: the digest too, since a restored database may have
/// come to the same number by another way.
async fn hold_head(conn: &mut Conn, head: &Head) -> Result<bool, Error> {
    let row: Option<SqlRow> = conn
        .exec_first(
            "SELECT version FROM feed_head WHERE id = 1 AND epoch = ? AND version = ? AND digest = ? FOR UPDATE",
            (head.epoch.0, head.version, head.whole.digest.0.as_slice()),
        )
        .await?;
    Ok(row.is_some())
}

async fn move_head(conn: &mut Conn, head: &Head) -> Result<(), Error> {
    conn.exec_drop(
        "UPDATE feed_head SET version = ?, digest = ?, entities = ?, digest_public = ?, entities_public = ?, \
         committed_at = UNIX_TIMESTAMP() WHERE id = 1",
        (
            head.version,
            head.whole.digest.0.as_slice(),
            head.whole.count,
            head.public.digest.0.as_slice(),
            head.public.count,
        ),
    )
    .await?;
    conn.query_drop(
        "INSERT INTO feed_version (version, digest, digest_public, committed_at) \
         SELECT version, digest, digest_public, committed_at FROM feed_head WHERE id = 1",
    )
    .await
}

/// Whether the database ended this transaction in favour of another: changed since (1020), waited too long (1205), deadlock, or a
/// cluster's certification (1213).
fn is_conflict(error: &Error) -> bool {
    matches!(error, Error::Server(server) if matches!(server.code, 1020 | 1205 | 1213))
}
