//! One push: what callers left, and the records of their calls, go to the gateway; each once, and nothing is let go before it is confirmed.
//!
//! It can be cut off at any moment and goes on the next time: what is encoded is written down before it is sent, and how far it was sent is
//! asked. Like a pull it wants a runtime's `block_on`.

mod encoder;
mod error;
mod filing;
mod outgoing;
mod recordings;
mod records;
mod upload;

use audiospread_sound::Lame;
use jiff::Timestamp;
use serde::Serialize;

pub use self::error::PushError;
use self::outgoing::Outgoing;
use crate::calls::Calls;
use crate::link::Link;
use crate::lock::Lock;
use crate::pull::Fault;
use crate::shared::DataDir;
use crate::{Amount, Config, Event, Observer, Stop, receipt};

/// How a push is done.
#[derive(Clone, Copy, Debug, Default)]
pub struct PushOptions {
    /// The rate, instead of the configured one.
    pub limit: Option<Amount>,
    /// What is in quarantine is tried once more.
    pub retry_quarantined: bool,
    /// What the gateway has confirmed since goes again: its database was restored from a backup of then.
    pub again_since: Option<Timestamp>,
}

/// What a push brought.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PushReport {
    /// Recordings that the gateway has since.
    pub recordings: u64,
    /// Of them, those that it had already: its answer was lost on the way.
    pub recordings_known: u64,
    /// Bytes of recordings that were uploaded.
    pub bytes: u64,
    /// Recordings that nobody takes.
    pub quarantined: u64,
    /// Spoken titles that nobody takes; their recordings went, or will go, without them.
    pub titles_quarantined: u64,
    /// Recordings that still wait.
    pub recordings_waiting: u64,
    /// Call records that the gateway has since.
    pub calls: u64,
    /// Of them, those that it had already.
    pub calls_known: u64,
    /// Call records that it does not take.
    pub calls_refused: u64,
    /// Call records that still wait, those of calls that ended a moment ago included.
    pub calls_waiting: u64,
    /// Why something waits.
    pub faults: Vec<Fault>,
}

/// What a push works with.
struct Session<'a> {
    link: Link,
    calls: Calls,
    outgoing: Outgoing,
    lame: Lame,
    keep_days: u32,
    stop: &'a Stop,
    tell: Observer<'a>,
    report: PushReport,
}

/// Pushes once.
///
/// # Errors
/// [`PushError`], if the rest could not be tried. What comes of single recordings stands in [`PushReport::faults`].
pub async fn push(
    config: &Config,
    options: PushOptions,
    stop: &Stop,
    tell: Observer<'_>,
) -> Result<PushReport, PushError> {
    let link = Link::new(config, options.limit)?;
    let directory = DataDir::prepare(&config.data_dir, config.group.as_deref())?;
    let _lock = Lock::take_for_push(&directory)?;
    let mut calls = Calls::open(&directory)?;
    calls.commit_for_good()?;
    let outgoing = Outgoing::prepare(&directory, calls.recordings())?;
    if options.retry_quarantined {
        calls.release_quarantine()?;
    }
    if let Some(since) = options.again_since {
        calls.send_again(since.as_second())?;
    }
    for message in calls.look_after(&config.asterisk.command).await {
        tell(Event::Warning { message });
    }
    let lame = Lame::new(config.push.encoder.clone());
    let report = PushReport::default();
    let mut session = Session { link, calls, outgoing, lame, keep_days: config.push.keep_days, stop, tell, report };
    let outcome = session.run().await;
    session.note(&outcome);
    session.send_receipt(&directory, &outcome).await;
    outcome.map(|()| session.report)
}

impl Session<'_> {
    async fn run(&mut self) -> Result<(), PushError> {
        self.file_away()?;
        let records = self.send_records().await;
        // They say nothing of whether recordings would be taken, unless it is the link or this host that is at fault.
        let records = match records {
            Err(PushError::Records(message)) => {
                self.fault(false, message);
                Ok(())
            }
            other => other,
        };
        records?;
        self.send_recordings().await?;
        self.clean()
    }

    /// Tells the gateway how things stand here. Without a link it cannot be told, and whoever wants to stop does not wait for it.
    async fn send_receipt(&self, directory: &DataDir, outcome: &Result<(), PushError>) {
        if self.stop.is_wished() || matches!(outcome, Err(PushError::Link(_))) {
            return;
        }
        let PushReport { recordings, quarantined, titles_quarantined, calls, calls_refused, .. } = self.report;
        let has_changed = recordings + quarantined + titles_quarantined + calls + calls_refused > 0
            || outcome.is_err()
            || !self.report.faults.is_empty();
        if let Err(error) = receipt::send(&self.link, directory, has_changed).await {
            self.warn(format!("the gateway could not be told how things stand here: {error}"));
        }
    }

    fn fault(&mut self, is_passing: bool, message: String) {
        self.report.faults.push(Fault { message, is_passing });
    }

    fn warn(&self, message: String) {
        (self.tell)(Event::Warning { message });
    }

    fn tell_clock(&self) {
        if let Some(warning) = self.link.take_clock_warning() {
            self.warn(warning);
        }
    }

    /// Writes down how it went. Where that fails, the outcome itself is what the caller must hear of.
    fn note(&mut self, outcome: &Result<(), PushError>) {
        self.tell_clock();
        let failure = match outcome {
            Ok(()) => self.report.faults.first().map(|fault| fault.message.clone()),
            Err(error) => Some(error.to_string()),
        };
        let mut noted = || {
            self.report.recordings_waiting = self.calls.count_waiting()?;
            self.report.calls_waiting = self.calls.count_waiting_records()?;
            self.calls.note_push(Timestamp::now(), failure.as_deref())
        };
        if let Err(error) = noted() {
            self.warn(format!("how the push went could not be noted: {error}"));
        }
    }
}

fn now() -> i64 {
    Timestamp::now().as_second()
}
