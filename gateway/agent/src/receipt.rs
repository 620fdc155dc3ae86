//! Receipts: the gateway hears what of the feed is here, what callers do not get yet, and what waits to be sent, so that editors and operators see
//! it where they work.

use audiospread_protocol::{Receipt, UndecodableSound, WaitingEntity, WaitingState};
use jiff::Timestamp;

use crate::calls::{Calls, CallsError};
use crate::link::{Link, SendError};
use crate::mirror::{Mirror, MirrorError, sounds_of};
use crate::shared::DataDir;

/// Seconds after which one is due though nothing changed: the gateway takes a phone server that is silent for an hour to be away.
const DUE: i64 = 600;

/// Why no receipt was sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReceiptError {
    #[error(transparent)]
    Calls(#[from] CallsError),
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    #[error(transparent)]
    Send(#[from] SendError),
}

/// Sends a receipt, if something changed or one is due.
pub(crate) async fn send(link: &Link, directory: &DataDir, has_changed: bool) -> Result<(), ReceiptError> {
    let calls = Calls::open(directory)?;
    let now = Timestamp::now().as_second();
    let is_due = calls.reported_at()?.is_none_or(|at| (now - at).abs() >= DUE);
    if !has_changed && !is_due {
        return Ok(());
    }
    let receipt = receipt(directory, &calls)?;
    match link.put_receipt(&receipt).await {
        // A gateway of a former version has no place for it: it is asked again when the next one is due.
        Err(SendError::Refused(problem)) if matches!(problem.status, 404 | 405) => {}
        other => other?,
    }
    Ok(calls.note_reported(now)?)
}

fn receipt(directory: &DataDir, calls: &Calls) -> Result<Receipt, ReceiptError> {
    let status = calls.status()?;
    let mut receipt = Receipt {
        software: env!("CARGO_PKG_VERSION").to_owned(),
        cursor: None,
        applied_at: None,
        backlog: counted(status.recordings_waiting),
        calls_backlog: counted(status.call_records_waiting),
        message: String::new(),
        waiting_count: 0,
        waiting: Vec::new(),
        undecodable: Vec::new(),
    };
    let of_push = status.push_failure.or_else(|| {
        let what = match (status.quarantined.len(), status.quarantined_titles.len()) {
            (0, 0) => return None,
            (recordings, 0) => format!("{recordings} recordings"),
            (0, titles) => format!("{titles} spoken titles of recordings"),
            (recordings, titles) => format!("{recordings} recordings, and {titles} spoken titles of recordings,"),
        };
        Some(format!("{what} are in quarantine: `audiospread status` on the phone server says why"))
    });
    let of_pull = match Mirror::open_to_read(directory) {
        Ok(mirror) => tell_of_mirror(&mirror, &mut receipt)?,
        // Nothing was pulled yet.
        Err(MirrorError::Absent(_)) => None,
        Err(error) => return Err(error.into()),
    };
    receipt.message = Receipt::text(&of_pull.or(of_push).unwrap_or_default());
    Ok(receipt)
}

/// Says what of the feed is here; what the last pull failed with, if it did.
fn tell_of_mirror(mirror: &Mirror, receipt: &mut Receipt) -> Result<Option<String>, MirrorError> {
    let last = mirror.last_pull()?;
    let applied_at = mirror.applied_at()?.or(last.succeeded_at);
    (receipt.cursor, receipt.applied_at) = mirror.position()?.map(|position| position.cursor).zip(applied_at).unzip();
    receipt.waiting_count = counted(mirror.waiting_count()?);
    let undecodable = mirror.undecodable()?;
    for waiting in mirror.first_waiting(Receipt::MOST_WAITING)? {
        let sounds = sounds_of(&waiting.key, &waiting.value).unwrap_or_default();
        let odd = undecodable.iter().find(|odd| sounds.iter().any(|audio| audio.sha256 == odd.sha256));
        let why = odd.map_or_else(
            || "its audio is on its way".to_owned(),
            |odd| format!("a sound of it cannot be decoded: {}", odd.why),
        );
        receipt.waiting.push(WaitingEntity {
            kind: waiting.key.kind(),
            id: waiting.key.id().to_string(),
            state: if waiting.has_older { WaitingState::Coming } else { WaitingState::Absent },
            why: Receipt::text(&why),
        });
    }
    // Another process may have shown some since they were counted.
    receipt.waiting_count = receipt.waiting_count.max(counted(receipt.waiting.len() as u64));
    let sounds = undecodable.into_iter().take(Receipt::MOST_UNDECODABLE);
    receipt.undecodable =
        sounds.map(|odd| UndecodableSound { sha256: odd.sha256, why: Receipt::text(&odd.why) }).collect();
    Ok(last.failed.map(|(_, why)| why))
}

fn counted(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
