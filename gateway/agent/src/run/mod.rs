//! The agent that stays: it pulls when something changed and by the clock, pushes when callers left something, takes text messages in by HTTP and
//! sends those that the dialplan wrote down, and looks after recordings that an Asterisk which was killed left over.
//!
//! No call needs it: while it is down the menus go on with what is here.

mod following;
mod manager;
mod pushing;
mod reporting;
mod sending;

use std::sync::Arc;
use std::time::Duration;

use backon::BackoffBuilder;

use tokio::sync::Notify;

use self::manager::{Direction, Manager};
use self::pushing::Pushing;
use self::sending::Sender;
use crate::calls::{Calls, CallsError};
use crate::hook::{self, HookError};
use crate::shared::{DataDir, SharedError};
use crate::store::Store;
use crate::{Config, ConfigError, Event, Observer, PullError, PullOptions, Stop, pull};

/// How often recordings and what foreign menus left are looked after.
const LOOK_AFTER: Duration = Duration::from_secs(30);

/// Why the agent does not stay.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A setting.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data directory.
    #[error(transparent)]
    Shared(#[from] SharedError),
    /// calls.db.
    #[error(transparent)]
    Calls(#[from] CallsError),
    /// The hook for text messages.
    #[error(transparent)]
    Hook(#[from] HookError),
    /// The hook ended.
    #[error("the hook for text messages ended: {0}")]
    HookEnded(std::io::Error),
}

/// Runs until it is told to stop; `ready` is called once everything is open.
///
/// # Errors
/// [`RunError`], if it cannot begin. What fails later is told and tried again.
pub async fn run(config: &Config, stop: &Stop, tell: Observer<'_>, ready: &dyn Fn()) -> Result<(), RunError> {
    if let Err(error) = config.token() {
        // A pull does what needs no token, and then fails of the same.
        let _ = Box::pin(pull(config, PullOptions::default(), stop, tell)).await;
        return Err(error.into());
    }
    let directory = DataDir::prepare(&config.data_dir, config.group.as_deref())?;
    Store::prepare(&directory)?;
    let wake = Wake::default();
    let hook = match &config.hook {
        Some(hook) => Some(hook::open(config, hook, &directory, Calls::open(&directory)?, wake.clone())?),
        None => None,
    };
    let sender = match &config.send {
        Some(send) => Some(Sender::new(send, Calls::open(&directory)?)?),
        None => None,
    };
    let calls = Calls::open(&directory)?;
    let pushing = Pushing::new(Calls::open(&directory)?);
    let manager = Manager::default();
    ready();
    let handle = hook.as_ref().map(actix_web::dev::Server::handle);
    let answering = async {
        if let Some(server) = hook {
            return server.await;
        }
        stop.wished().await;
        Ok(())
    };
    let stopping = async {
        stop.wished().await;
        if let Some(handle) = &handle {
            handle.stop(true).await;
        }
    };
    let (answered, ()) = futures_util::future::join(answering, async {
        futures_util::join!(
            stopping,
            keep_pulling(config, &wake, &manager, stop, tell),
            pushing.run(config, &wake, &manager, stop, tell),
            Box::pin(look_after(calls, config, stop, tell)),
            reporting::keep_reporting(config, &directory, stop, tell),
            manager::tell_that_we_live(stop),
            async {
                if let Some(mut sender) = sender {
                    sender.run(stop, tell).await;
                }
            },
        );
    })
    .await;
    answered.map_err(RunError::HookEnded)
}

/// Who wants a pull, or a push, now: each is remembered until it is done.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wake {
    pull: Arc<Notify>,
    push: Arc<Notify>,
}

impl Wake {
    /// Both, at once.
    pub(crate) fn all(&self) {
        self.pull.notify_one();
        self.push.notify_one();
    }
}

/// Pulls; then again when the feed says that something changed, by the clock, or, after a failure, later and later.
async fn keep_pulling(config: &Config, wake: &Wake, manager: &Manager, stop: &Stop, tell: Observer<'_>) {
    let mut delays = later_and_later();
    while !stop.is_wished() {
        let failure = match pull(config, PullOptions::default(), stop, tell).await {
            Ok(report) => {
                manager.say(
                    Direction::Pull,
                    format!("version {}, {} entities wait for audio", report.version, report.waiting),
                );
                report.faults.first().map(|fault| fault.message.clone())
            }
            Err(PullError::Stopped) => return,
            Err(error) => Some(error.to_string()),
        };
        if let Some(message) = failure {
            manager.say(Direction::Pull, format!("pull: {message}"));
            let delay = delays.next().unwrap_or(Duration::from_secs(60));
            tell(Event::Retry { message, after_ms: u64::try_from(delay.as_millis()).unwrap_or(u64::MAX) });
            tokio::select! {
                () = sleep(stop, delay) => {}
                () = wake.pull.notified() => {}
            }
        } else {
            delays = later_and_later();
            // The link is there: what waits for it need not wait for its own time.
            wake.push.notify_one();
            tokio::select! {
                () = following::until_something_changed(config, stop, tell) => {}
                () = wake.pull.notified() => {}
            }
        }
    }
}

async fn look_after(calls: Calls, config: &Config, stop: &Stop, tell: Observer<'_>) {
    let mut told = Vec::new();
    while !stop.is_wished() {
        let warnings = calls.look_after(&config.asterisk.command).await;
        if warnings != told {
            for message in &warnings {
                tell(Event::Warning { message: message.clone() });
            }
            told = warnings;
        }
        sleep(stop, LOOK_AFTER).await;
    }
}

/// Seconds to ten minutes, with jitter, so that a hundred phone servers do not come back in one moment.
fn later_and_later() -> impl Iterator<Item = Duration> {
    backon::ExponentialBuilder::default()
        .with_min_delay(Duration::from_secs(2))
        .with_max_delay(Duration::from_secs(600))
        .with_jitter()
        .without_max_times()
        .build()
}

async fn sleep(stop: &Stop, delay: Duration) {
    tokio::select! {
        () = stop.wished() => {}
        () = tokio::time::sleep(delay) => {}
    }
}
