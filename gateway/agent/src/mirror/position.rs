//! Where the mirror stands in the feed, and what was noted about the last pulls.

use audiospread_protocol::{Cursor, Sha256Digest, Version};
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension};

use super::{Mirror, MirrorError};

/// Where the mirror stands, as the gateway said it and the mirror's own digest proved it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) cursor: Cursor,
    pub(crate) count: u64,
    pub(crate) digest: Sha256Digest,
}

/// A repair by a snapshot that was begun because digests differed at a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Repair {
    pub(crate) version: Version,
    pub(crate) tries: u32,
    /// Before this moment the version is not worth another snapshot.
    pub(crate) not_before: Timestamp,
    /// Whether the snapshot came, and agreed.
    pub(crate) is_settled: bool,
}

impl Repair {
    /// The longest pause, in minutes: the first is one, and each further one twice as long.
    const LONGEST_MINUTES: i64 = 1 << 8;

    /// The next repair of a version, which begins now.
    pub(crate) fn begun(version: Version, tries: u32, now: Timestamp) -> Self {
        let minutes = Self::LONGEST_MINUTES.min(1 << tries.clamp(1, 9).saturating_sub(1));
        let not_before = now.checked_add(SignedDuration::from_mins(minutes)).unwrap_or(Timestamp::MAX);
        Self { version, tries, not_before, is_settled: false }
    }

    /// Whether a snapshot is worth it now. A moment further away than any pause was noted by a clock that was ahead.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        let pause = self.not_before.duration_since(now);
        pause <= SignedDuration::ZERO || pause > SignedDuration::from_mins(Self::LONGEST_MINUTES)
    }
}

/// How the last pull went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LastPull {
    /// When one last brought mirror and gateway to the same state.
    pub(crate) succeeded_at: Option<Timestamp>,
    /// When one last failed, unless one succeeded since, and why.
    pub(crate) failed: Option<(Timestamp, String)>,
}

impl Mirror {
    /// Where the mirror stands; nowhere before the first pull.
    pub(crate) fn position(&self) -> Result<Option<Position>, MirrorError> {
        let Some(cursor) = get(&self.connection, "cursor")? else { return Ok(None) };
        Ok(Some(Position {
            cursor: parsed("cursor", &cursor)?,
            count: needed(&self.connection, "count")?,
            digest: needed(&self.connection, "digest")?,
        }))
    }

    /// When the cursor that the mirror has was taken over; not known of one that a former version took over.
    pub(crate) fn applied_at(&self) -> Result<Option<Timestamp>, MirrorError> {
        get(&self.connection, "applied_at")?.map(|text| parsed("applied_at", &text)).transpose()
    }

    /// The last repair that was begun.
    pub(crate) fn repair(&self) -> Result<Option<Repair>, MirrorError> {
        let Some(version) = get(&self.connection, "repair_version")? else { return Ok(None) };
        Ok(Some(Repair {
            version: parsed("repair_version", &version)?,
            tries: needed(&self.connection, "repair_tries")?,
            not_before: needed(&self.connection, "repair_not_before")?,
            is_settled: needed(&self.connection, "repair_is_settled")?,
        }))
    }

    /// Notes how a repair stands; that it begins, before it does.
    pub(crate) fn note_repair(&mut self, repair: Repair) -> Result<(), MirrorError> {
        let transaction = self.connection.transaction()?;
        set(&transaction, "repair_version", &repair.version.to_string())?;
        set(&transaction, "repair_tries", &repair.tries.to_string())?;
        set(&transaction, "repair_not_before", &repair.not_before.to_string())?;
        set(&transaction, "repair_is_settled", &repair.is_settled.to_string())?;
        Ok(transaction.commit()?)
    }

    /// Since when snapshots are held that would take away much.
    pub(crate) fn held_since(&self) -> Result<Option<Timestamp>, MirrorError> {
        get(&self.connection, "held_since")?.map(|text| parsed("held_since", &text)).transpose()
    }

    /// Notes since when; no longer, once anything was taken over.
    pub(crate) fn note_held(&mut self, since: Timestamp) -> Result<(), MirrorError> {
        set(&self.connection, "held_since", &since.to_string())
    }

    /// How the last pull went.
    pub(crate) fn last_pull(&self) -> Result<LastPull, MirrorError> {
        let at = |name| match get(&self.connection, name)? {
            Some(text) => parsed(name, &text).map(Some),
            None => Ok(None),
        };
        let failed_at: Option<Timestamp> = at("failed_at")?;
        let failed = failed_at.zip(get(&self.connection, "failure")?);
        Ok(LastPull { succeeded_at: at("pulled_at")?, failed })
    }

    /// Notes that a pull brought mirror and gateway to the same state.
    pub(crate) fn note_success(&mut self, at: Timestamp) -> Result<(), MirrorError> {
        let transaction = self.connection.transaction()?;
        set(&transaction, "pulled_at", &at.to_string())?;
        transaction.execute("DELETE FROM meta WHERE name IN ('failed_at', 'failure')", [])?;
        Ok(transaction.commit()?)
    }

    /// Notes why a pull failed.
    pub(crate) fn note_failure(&mut self, at: Timestamp, why: &str) -> Result<(), MirrorError> {
        let transaction = self.connection.transaction()?;
        set(&transaction, "failed_at", &at.to_string())?;
        set(&transaction, "failure", why)?;
        Ok(transaction.commit()?)
    }
}

/// Where the mirror will stand when the transaction commits.
pub(super) fn set_position(transaction: &Connection, position: &Position) -> Result<(), MirrorError> {
    let cursor = position.cursor.to_string();
    // The same again is no news.
    if get(transaction, "cursor")?.as_ref() != Some(&cursor) {
        set(transaction, "applied_at", &Timestamp::now().to_string())?;
    }
    set(transaction, "cursor", &cursor)?;
    set(transaction, "version", &position.cursor.version.to_string())?;
    set(transaction, "count", &position.count.to_string())?;
    set(transaction, "digest", &position.digest.to_string())?;
    transaction.prepare_cached("DELETE FROM meta WHERE name = 'held_since'")?.execute([])?;
    Ok(())
}

/// Tells calls in progress that what callers get is changing with this transaction.
pub(super) fn count_content_change(transaction: &Connection) -> Result<(), MirrorError> {
    transaction
        .prepare_cached(
            "INSERT INTO meta (name, value) VALUES ('content', '1') ON CONFLICT (name) DO UPDATE SET value = CAST(value AS INTEGER) + 1",
        )?
        .execute([])?;
    Ok(())
}

pub(super) fn get(connection: &Connection, name: &str) -> Result<Option<String>, MirrorError> {
    Ok(connection
        .prepare_cached("SELECT value FROM meta WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?)
}

pub(super) fn set(connection: &Connection, name: &str, value: &str) -> Result<(), MirrorError> {
    connection
        .prepare_cached(
            "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )?
        .execute([name, value])?;
    Ok(())
}

fn needed<T: std::str::FromStr>(connection: &Connection, name: &str) -> Result<T, MirrorError> {
    let text = get(connection, name)?.ok_or_else(|| MirrorError::Odd(format!("no {name}")))?;
    parsed(name, &text)
}

fn parsed<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, MirrorError> {
    text.parse().map_err(|_| MirrorError::Odd(format!("{text} as {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repair_is_put_off_later_and_later_and_not_by_a_clock_that_was_ahead() {
        let (now, version) = (Timestamp::now(), 7);
        let minutes = |tries| Repair::begun(version, tries, now).not_before.duration_since(now).as_mins();
        assert_eq!([1, 2, 3, 9].map(minutes), [1, 2, 4, 256]);
        assert!((9..200).chain([u32::MAX]).map(minutes).all(|minutes| minutes == 256));
        for tries in [1, 99] {
            let repair = Repair::begun(version, tries, now);
            assert!(!repair.is_due(now) && repair.is_due(repair.not_before));
            let ahead = Repair::begun(version, tries, now + SignedDuration::from_hours(24 * 20));
            assert!(ahead.is_due(now));
        }
    }
}
