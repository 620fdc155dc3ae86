//! One pull: what the gateway publishes comes into the mirror, its audio into the store, and from there to callers.
//!
//! It can be cut off at any moment and goes on the next time. It runs on the thread that drives it and blocks that thread while it writes to
//! the mirror; only the checking of sounds runs on others. So it wants a runtime's `block_on`, and not to be spawned.

mod audio;
mod conversion;
mod error;
mod feed;

use std::collections::HashSet;

use audiospread_protocol::{Sha256Digest, Version};
use jiff::Timestamp;
use serde::Serialize;

pub(crate) use self::audio::hearing;
pub use self::error::PullError;
use crate::calls::Calls;
use crate::link::Link;
use crate::lock::Lock;
use crate::mirror::Mirror;
use crate::shared::DataDir;
use crate::store::Store;
use crate::text_message::Texts;
use crate::workshop::{Workshop, decoders};
use crate::{Amount, Config, Event, Observer, Stop, prune, receipt};

/// A sound that is published and not served sends the pull back to the feed, as often as this.
const MAX_ROUNDS: u32 = 3;

/// How a pull is done.
#[derive(Clone, Copy, Debug, Default)]
pub struct PullOptions {
    /// The rate, instead of the configured one.
    pub limit: Option<Amount>,
    /// A snapshot may take away whatever it does not name.
    pub accept: bool,
}

/// What a pull brought.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PullReport {
    /// The version that the mirror has now.
    pub version: Version,
    /// Entities that the mirror has now.
    pub count: u64,
    /// Entities that are new or different.
    pub put: u64,
    /// Entities that are gone.
    pub deleted: u64,
    /// Sounds that were added to the store.
    pub stored: u64,
    /// Their bytes.
    pub stored_bytes: u64,
    /// Entities of which callers got a new state.
    pub shown: u64,
    /// Entities whose last state callers do not get yet.
    pub waiting: u64,
    /// Sounds that came whole and cannot be decoded.
    pub undecodable: u64,
    /// Why they do not, where the reason is other than that they are not understood.
    pub faults: Vec<Fault>,
}

/// Why something of what is published did not reach callers.
#[derive(Clone, Debug, Serialize)]
pub struct Fault {
    /// What happened, and what to do about it.
    pub message: String,
    /// Whether the next pull may find it gone.
    pub is_passing: bool,
}

/// What a pull works with.
struct Session<'a> {
    config: &'a Config,
    options: PullOptions,
    directory: DataDir,
    store: Store,
    mirror: Mirror,
    workshop: Workshop,
    /// Sounds that are here and cannot be decoded.
    undecodable: HashSet<Sha256Digest>,
    stop: &'a Stop,
    tell: Observer<'a>,
    report: PullReport,
}

/// Pulls once.
///
/// # Errors
/// [`PullError`], if nothing new was taken over. What comes of single sounds stands in [`PullReport::faults`].
pub async fn pull(
    config: &Config,
    options: PullOptions,
    stop: &Stop,
    tell: Observer<'_>,
) -> Result<PullReport, PullError> {
    let directory = DataDir::prepare(&config.data_dir, config.group.as_deref())?;
    let _lock = Lock::take(&directory)?;
    let store = Store::prepare(&directory)?;
    store.clear_unfinished()?;
    // What the menus write into is there before the first call, whatever the link does.
    let calls = Calls::open(&directory)?;
    let mut mirror = Mirror::open(&directory)?;
    mirror.use_decoder(&decoders())?;
    let undecodable = mirror.undecodable()?.into_iter().map(|sound| sound.sha256).collect();
    let workshop = Workshop::new(config.sound_format, config.keep_free);
    let report = PullReport::default();
    let mut session = Session { config, options, directory, store, mirror, workshop, undecodable, stop, tell, report };
    session.look_after_calls(calls).await;
    let outcome = match Link::new(config, options.limit) {
        Ok(link) => {
            let outcome = session.run(&link).await;
            session.note(&outcome);
            session.send_receipt(&link, &outcome).await;
            outcome
        }
        // A phone server that waits for its token speaks all the same.
        Err(error) => {
            let outcome = session.use_what_is_here().await.and(Err(error.into()));
            session.note(&outcome);
            outcome
        }
    };
    outcome.map(|()| session.report)
}

impl Session<'_> {
    /// What needs neither link nor token.
    async fn use_what_is_here(&mut self) -> Result<(), PullError> {
        self.note_former_sounds()?;
        self.make_packs_audible().await?;
        self.announce_sounds_if_nothing_is_shown()
    }

    async fn run(&mut self, link: &Link) -> Result<(), PullError> {
        self.use_what_is_here().await?;
        for round in 1..=MAX_ROUNDS {
            self.bring_feed(link).await?;
            let unserved = self.bring_audio(link).await;
            // What callers hear by now, they may ask for.
            self.derive_messages()?;
            let unserved = unserved?;
            if unserved.is_empty() || self.stop.is_wished() {
                break;
            }
            if round == MAX_ROUNDS {
                self.fault(true, error::unserved(&unserved));
            }
        }
        if self.stop.is_wished() {
            return Err(PullError::Stopped);
        }
        self.change_format().await?;
        self.report.undecodable = self.undecodable.len() as u64;
        if self.report.faults.is_empty() {
            self.store.clear_incoming()?;
        }
        if self.config.prune.after_pull && self.report.faults.is_empty() {
            prune::prune_locked(self.config, &mut self.mirror, &self.store)?;
        }
        Ok(())
    }

    fn derive_messages(&mut self) -> Result<(), PullError> {
        let (texts, faults) = Texts::load(self.config.packs_dir.as_deref());
        for fault in faults {
            self.warn(fault.to_string());
        }
        Ok(self.mirror.derive_messages(&texts)?)
    }

    /// Tells the gateway how things stand here. Without a link it cannot be told, and whoever wants to stop does not wait for it.
    async fn send_receipt(&self, link: &Link, outcome: &Result<(), PullError>) {
        if self.stop.is_wished() || matches!(outcome, Err(PullError::Link(_))) {
            return;
        }
        let PullReport { put, deleted, shown, .. } = self.report;
        let has_changed = put + deleted + shown > 0 || outcome.is_err();
        if let Err(error) = receipt::send(link, &self.directory, has_changed).await {
            self.warn(format!("the gateway could not be told how things stand here: {error}"));
        }
    }

    /// Recordings that an Asterisk which was killed left over. Where it cannot be asked, the next pull does it.
    async fn look_after_calls(&self, calls: Calls) {
        for warning in calls.look_after(&self.config.asterisk.command).await {
            self.warn(warning);
        }
    }

    fn fault(&mut self, is_passing: bool, message: String) {
        self.report.faults.push(Fault { message, is_passing });
    }

    fn warn(&self, message: String) {
        (self.tell)(Event::Warning { message });
    }

    /// Writes down how it went. Where that fails, the outcome itself is what the caller must hear of.
    fn note(&mut self, outcome: &Result<(), PullError>) {
        let failure = match outcome {
            Ok(()) => self.report.faults.first().map(|fault| fault.message.clone()),
            Err(error) => Some(error.to_string()),
        };
        let noted = match failure {
            None => self.mirror.note_success(Timestamp::now()),
            Some(why) => self.mirror.note_failure(Timestamp::now(), &why),
        };
        if let Err(error) = noted.and_then(|()| self.mirror.checkpoint()) {
            self.warn(format!("how the pull went could not be noted: {error}"));
        }
    }
}
