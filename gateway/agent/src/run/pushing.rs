//! When to push: as soon as callers left something, by the clock, when somebody wants it, and after a failure later and later.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::manager::{Direction, Manager};
use super::{Wake, later_and_later, sleep};
use crate::calls::{Calls, CallsError};
use crate::{Config, Event, Observer, PushError, PushOptions, PushReport, Stop, push};

/// How often calls.db is asked whether it changed: that reads some bytes of memory that is shared.
const LOOK: Duration = Duration::from_millis(300);

/// How often it is looked into even if it did not: records of calls ripen.
const LOOK_INTO: Duration = Duration::from_secs(5);

/// Looks at calls.db, on a connection of its own.
pub(super) struct Pushing {
    calls: Calls,
    seen: Option<i64>,
    looked_at: Instant,
}

impl Pushing {
    pub(super) fn new(calls: Calls) -> Self {
        Self { calls, seen: None, looked_at: Instant::now() }
    }

    /// Pushes until it is told to stop.
    pub(super) async fn run(
        mut self,
        config: &Config,
        wake: &Wake,
        manager: &Manager,
        stop: &Stop,
        tell: Observer<'_>,
    ) {
        let mut delays = later_and_later();
        while !stop.is_wished() {
            let mut before = self.waiting().unwrap_or_default();
            let failure = match push(config, PushOptions::default(), stop, tell).await {
                Ok(report) => {
                    if report.recordings + report.calls > 0 {
                        tell(Event::Pushed { recordings: report.recordings, calls: report.calls });
                    }
                    let PushReport { recordings_waiting, calls_waiting, .. } = report;
                    let how = format!("{recordings_waiting} recordings and {calls_waiting} call records wait");
                    manager.say(Direction::Push, how);
                    report.faults.first().map(|fault| fault.message.clone())
                }
                Err(PushError::Stopped) => return,
                Err(error) => Some(error.to_string()),
            };
            let delay = if let Some(message) = failure {
                manager.say(Direction::Push, format!("push: {message}"));
                let delay = delays.next().unwrap_or(Duration::from_secs(60));
                tell(Event::Retry { message, after_ms: u64::try_from(delay.as_millis()).unwrap_or(u64::MAX) });
                delay
            } else {
                delays = later_and_later();
                // What waits now came in the meantime.
                before = Waiting::default();
                Duration::from_secs(config.pull_seconds)
            };
            tokio::select! {
                () = sleep(stop, delay) => {}
                () = wake.push.notified() => {}
                // What is new is tried at once, even while something else fails.
                () = self.until_something_is_new(before, tell) => {}
            }
        }
    }

    async fn until_something_is_new(&mut self, before: Waiting, tell: Observer<'_>) {
        self.seen = None;
        loop {
            match self.is_more_than(before) {
                Ok(true) => return,
                Ok(false) => tokio::time::sleep(LOOK).await,
                Err(error) => {
                    tell(Event::Warning { message: error.to_string() });
                    // The clock does what is left to do.
                    std::future::pending::<()>().await;
                }
            }
        }
    }

    fn is_more_than(&mut self, before: Waiting) -> Result<bool, CallsError> {
        if !self.is_worth_a_look()? {
            return Ok(false);
        }
        let now = self.waiting()?;
        Ok(now.recordings > before.recordings || now.ripe > before.ripe)
    }

    fn is_worth_a_look(&mut self) -> Result<bool, CallsError> {
        let version = self.calls.data_version()?;
        if self.seen == Some(version) && self.looked_at.elapsed() < LOOK_INTO {
            return Ok(false);
        }
        (self.seen, self.looked_at) = (Some(version), Instant::now());
        Ok(true)
    }

    fn waiting(&self) -> Result<Waiting, CallsError> {
        let ripe = self.calls.ripe_records(MOST_RIPE, Timestamp::now().as_second())?;
        let ripe = ripe.iter().filter(|row| !row.direction.is_empty()).count();
        Ok(Waiting { recordings: self.calls.count_waiting()?, ripe })
    }
}

/// More records are not counted.
const MOST_RIPE: usize = 100;

/// What could go now.
#[derive(Clone, Copy, Debug, Default)]
struct Waiting {
    recordings: u64,
    ripe: usize,
}
