//! Bringing the feed into the mirror: asked for by cursor, as a snapshot where that is needed, taken over in one transaction.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::time::Duration;

use audiospread_protocol::Version;
use jiff::{SignedDuration, Timestamp};

use super::{PullError, Session};
use crate::link::{self, Course, Downloaded, FEED_TYPE, Link, LinkError, Part, delays, wait_for};
use crate::mirror::{Applied, IncomingError, MirrorError, Removal, Repair, Request};
use crate::shared::{DataDir, SharedError};
use crate::{Amount, Event, Observer, Stop};

/// A feed that is larger is none: a million programs have some 600 MB.
const MAX_FEED: u64 = 16 << 30;

/// How often an answer that comes cut or garbled is asked for again.
const MAX_GARBLED: u32 = 2;

/// How many snapshots a pull may take: one because the cursor is not known, one because the digests differ.
const MAX_SNAPSHOTS: u32 = 2;

/// A snapshot that would take away much is believed once such snapshots have come for so long.
const HOLD: SignedDuration = SignedDuration::from_mins(30);

impl Session<'_> {
    /// Brings the mirror to the gateway's state.
    pub(super) async fn bring_feed(&mut self, link: &Link) -> Result<(), PullError> {
        let mut request = match self.mirror.position()? {
            Some(position) => Request::Delta(position.cursor),
            None => self.snapshot_if_worth_it()?,
        };
        let (mut garbled, mut snapshots) = (0, 0);
        loop {
            snapshots += u32::from(request == Request::Snapshot);
            let downloaded = match self.download_feed(link, request).await {
                Err(PullError::Link(LinkError::SnapshotNeeded(_)))
                    if request != Request::Snapshot && snapshots < MAX_SNAPSHOTS =>
                {
                    request = self.snapshot_if_worth_it()?;
                    continue;
                }
                other => other?,
            };
            match self.take_over(request, &downloaded) {
                Ok(applied) => {
                    self.note_applied(request, &applied)?;
                    // A snapshot is some seconds old: what came since follows at once.
                    match self.mirror.position()? {
                        Some(position) if request == Request::Snapshot => request = Request::Delta(position.cursor),
                        _ => return Ok(()),
                    }
                }
                Err(IncomingError::Mirror(error)) => return Err(error.into()),
                Err(error @ IncomingError::TakesMuch { .. }) => return Err(self.hold(&error)?),
                Err(IncomingError::Stopped) => return Err(PullError::Stopped),
                Err(IncomingError::Differs(version)) => {
                    self.plan_repair(version, request)?;
                    if snapshots >= MAX_SNAPSHOTS {
                        return Err(PullError::Garbled(format!("version {version} does not agree")));
                    }
                    request = Request::Snapshot;
                }
                Err(error) => {
                    garbled += 1;
                    if garbled > MAX_GARBLED {
                        return Err(PullError::Garbled(error.to_string()));
                    }
                    self.warn(format!("{error}; asking again"));
                }
            }
        }
    }

    fn feed_part(&self) -> Part {
        Part::new(self.store.incoming_dir().join("feed.part"))
    }

    /// Fetches an answer into a file, so that it can be resumed and the mirror is open for writing only while it is written.
    async fn download_feed(&mut self, link: &Link, request: Request) -> Result<Downloaded, PullError> {
        let since = match request {
            Request::Delta(cursor) => Some(cursor),
            Request::Snapshot => None,
        };
        self.check_room(0)?;
        let (url, part) = (link.feed_url(since)?, self.feed_part());
        let snapshot = request == Request::Snapshot;
        let mut delays = delays(2);
        let mut before = part.len();
        loop {
            let (directory, keep, tell) = (&self.directory, self.config.keep_free, self.tell);
            let received = std::sync::atomic::AtomicU64::new(0);
            let begun = |there: u64, total: Option<u64>| {
                received.store(there, std::sync::atomic::Ordering::Relaxed);
                tell(Event::Feed { snapshot, bytes: total });
                let free = directory.free().map_err(io::Error::other)?;
                if free < total.unwrap_or(0).saturating_sub(there).saturating_add(keep.0) {
                    return Err(io::Error::from(io::ErrorKind::StorageFull));
                }
                Ok(())
            };
            let came = |bytes: u64| {
                let received = received.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed) + bytes;
                tell(Event::FeedBytes { received });
            };
            let course = Course { accept: FEED_TYPE, at_most: MAX_FEED, begun: &begun, came: &came, stop: self.stop };
            let outcome = link.download(&url, &part, &course).await.map_err(PullError::from);
            if let Some(warning) = link.take_clock_warning() {
                self.warn(warning);
            }
            let Err(PullError::Link(error)) = &outcome else { return outcome };
            if let LinkError::NotFound(said) = error {
                return Err(LinkError::NotGateway(format!("{url} is not there: {said}")).into());
            }
            if part.len() > before {
                delays = link::delays(2);
                before = part.len();
            }
            match wait_for(error, &mut delays) {
                Some(delay) => pause(self.stop, self.tell, error, delay).await?,
                None => return outcome,
            }
        }
    }

    fn take_over(&mut self, request: Request, downloaded: &Downloaded) -> Result<Applied, IncomingError> {
        let part = self.feed_part();
        let has_stood = self.held_since()?.is_some_and(|since| Timestamp::now() >= believed_from(since));
        let removal = if self.options.accept || has_stood { Removal::Any } else { Removal::Little };
        let outcome = File::open(part.path())
            .and_then(|file| decoded(file, downloaded.encoding.as_deref()))
            .map_err(IncomingError::from)
            .and_then(|answer| self.mirror.take_over(request, removal, answer, self.stop));
        // Taken over or useless; only where the disk or the wish to stop was in the way, it is worth keeping.
        if !matches!(outcome, Err(IncomingError::Mirror(_) | IncomingError::Stopped)) {
            part.discard()?;
        }
        outcome
    }

    fn note_applied(&mut self, request: Request, applied: &Applied) -> Result<(), PullError> {
        let snapshot = request == Request::Snapshot;
        if snapshot
            && let Some(repair) = self.mirror.repair()?
            && !repair.is_settled
        {
            self.mirror.note_repair(Repair { is_settled: true, ..repair })?;
        }
        let Applied { version, put, deleted, count } = *applied;
        self.report.version = version;
        self.report.count = count;
        self.report.put += put;
        self.report.deleted += deleted;
        (self.tell)(Event::Applied { version, snapshot, put, deleted, count });
        Ok(())
    }

    /// Since when snapshots are held; a moment that is still to come was noted by a clock that was ahead.
    fn held_since(&self) -> Result<Option<Timestamp>, MirrorError> {
        Ok(self.mirror.held_since()?.filter(|since| *since <= Timestamp::now()))
    }

    /// What callers hear stays, until such snapshots have come for a while or a person says that it is meant.
    fn hold(&mut self, error: &IncomingError) -> Result<PullError, PullError> {
        let (before, now) = (self.held_since()?, Timestamp::now());
        if before.is_none() {
            self.mirror.note_held(now)?;
        }
        let since = before.unwrap_or(now);
        Ok(PullError::Held { why: error.to_string(), until: believed_from(since) })
    }

    /// A snapshot, unless the last one did not agree and it is too early for another.
    fn snapshot_if_worth_it(&self) -> Result<Request, PullError> {
        match self.mirror.repair()? {
            Some(repair) if !repair.is_settled && !repair.is_due(Timestamp::now()) => {
                Err(PullError::Differs { version: repair.version, not_before: repair.not_before })
            }
            _ => Ok(Request::Snapshot),
        }
    }

    /// One snapshot a version, and the next one for the same version later and later.
    fn plan_repair(&mut self, version: Version, request: Request) -> Result<(), PullError> {
        let now = Timestamp::now();
        let known = self.mirror.repair()?.filter(|repair| repair.version == version);
        if let Some(known) = known
            && request != Request::Snapshot
            && !known.is_due(now)
        {
            return Err(PullError::Differs { version, not_before: known.not_before });
        }
        let repair = Repair::begun(version, known.map_or(1, |known| known.tries.saturating_add(1)), now);
        self.mirror.note_repair(repair)?;
        if request == Request::Snapshot {
            return Err(PullError::Differs { version, not_before: repair.not_before });
        }
        self.warn(format!("the changes do not lead to what the gateway has at version {version}: taking a snapshot"));
        Ok(())
    }
}

impl Session<'_> {
    /// Whether so many bytes more fit on the disk.
    pub(super) fn check_room(&self, needed: u64) -> Result<(), PullError> {
        room(&self.directory, self.config.keep_free, needed)
    }
}

/// Whether so many bytes more fit on the disk, and `keep` is left free.
pub(super) fn room(directory: &DataDir, keep: Amount, needed: u64) -> Result<(), PullError> {
    let free = directory.free()?;
    if free >= needed.saturating_add(keep.0) {
        return Ok(());
    }
    Err(PullError::NoRoom { path: directory.path().to_owned(), free: Amount(free), needed: Amount(needed), keep })
}

/// Waits before another try.
pub(super) async fn pause(
    stop: &Stop,
    tell: Observer<'_>,
    error: &LinkError,
    delay: Duration,
) -> Result<(), PullError> {
    let after_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
    tell(Event::Retry { message: error.to_string(), after_ms });
    tokio::select! {
        () = stop.wished() => Err(PullError::Stopped),
        () = tokio::time::sleep(delay) => Ok(()),
    }
}

fn believed_from(held_since: Timestamp) -> Timestamp {
    held_since.checked_add(HOLD).unwrap_or(Timestamp::MAX)
}

fn decoded(file: File, encoding: Option<&str>) -> Result<Box<dyn BufRead>, io::Error> {
    let file = BufReader::with_capacity(64 << 10, file);
    match encoding {
        None => Ok(Box::new(file)),
        Some("zstd") => Ok(Box::new(BufReader::new(zstd::Decoder::with_buffer(file)?))),
        Some("gzip" | "x-gzip") => Ok(Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(file)))),
        Some(other) => {
            Err(io::Error::new(io::ErrorKind::InvalidData, format!("compressed as {other}, which was not asked for")))
        }
    }
}

impl From<SharedError> for IncomingError {
    fn from(error: SharedError) -> Self {
        Self::Mirror(error.into())
    }
}
