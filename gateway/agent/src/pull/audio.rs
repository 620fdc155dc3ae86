//! Bringing audio into the store, and each entity to callers as soon as its audio is complete.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use audiospread_protocol::{AudioRef, EntityKey, Sha256Digest};
use futures_util::{FutureExt, StreamExt};

use super::feed::{delays, pause, room, wait_for};
use super::{Fault, PullError, Session};
use crate::link::{Course, DownloadError, Link, LinkError, Part};
use crate::shared::{DataDir, SharedError};
use crate::store::{Packs, Store};
use crate::{Amount, Event, Observer, Origin, Stop, StoreError};

/// Entities that are shown in one transaction.
const BATCH: usize = 256;

/// How often a broken link is tried again without a byte having come in between.
const TRIES: usize = 4;

/// What callers do not get yet, and the sounds that it takes.
#[derive(Default)]
struct Wanted {
    sounds: Vec<AudioRef>,
    bytes: u64,
    /// The entities that wait for a sound.
    for_whom: HashMap<Sha256Digest, Vec<EntityKey>>,
    /// How many sounds an entity waits for.
    missing: HashMap<EntityKey, usize>,
}

impl Wanted {
    fn add(&mut self, key: EntityKey, sounds: Vec<AudioRef>) {
        let mut own = HashSet::new();
        for sound in sounds {
            if !own.insert(sound.sha256) {
                continue;
            }
            let waiting = self.for_whom.entry(sound.sha256).or_default();
            waiting.push(key.clone());
            if waiting.len() == 1 {
                self.bytes += sound.size;
                self.sounds.push(sound);
            }
        }
        self.missing.insert(key, own.len());
    }

    /// The entities that wait for nothing more, now that a sound is there.
    fn completed_by(&mut self, sha256: Sha256Digest) -> Vec<EntityKey> {
        let waiting = self.for_whom.remove(&sha256).unwrap_or_default();
        let mut complete = Vec::new();
        for key in waiting {
            if let Some(missing) = self.missing.get_mut(&key) {
                *missing -= 1;
                if *missing == 0 {
                    self.missing.remove(&key);
                    complete.push(key);
                }
            }
        }
        complete
    }
}

impl Session<'_> {
    /// Brings what is missing; returns the sounds that the gateway publishes and does not serve.
    pub(super) async fn bring_audio(&mut self) -> Result<Vec<Sha256Digest>, PullError> {
        let mut wanted = self.show_what_is_complete()?;
        let outcome = if wanted.sounds.is_empty() { Ok(Vec::new()) } else { self.bring_wanted(&mut wanted).await };
        self.report.waiting = self.mirror.waiting_count()?;
        outcome
    }

    /// Shows all whose audio is complete already, and collects what the others wait for.
    fn show_what_is_complete(&mut self) -> Result<Wanted, PullError> {
        let keys = self.mirror.waiting()?;
        let mut left = keys.len() as u64;
        let mut wanted = Wanted::default();
        for batch in keys.chunks(BATCH) {
            if self.stop.is_wished() {
                return Err(PullError::Stopped);
            }
            let store = &self.store;
            let promotion = self.mirror.promote(batch, &|audio| store.has(audio))?;
            left -= promotion.shown;
            self.report.shown += promotion.shown;
            if promotion.shown > 0 {
                (self.tell)(Event::Shown { entities: promotion.shown, waiting: left });
            }
            for (entity, message) in promotion.not_understood {
                (self.tell)(Event::NotUnderstood { entity, message });
            }
            for (key, missing) in promotion.waiting {
                wanted.add(key, missing);
            }
        }
        Ok(wanted)
    }

    async fn bring_wanted(&mut self, wanted: &mut Wanted) -> Result<Vec<Sha256Digest>, PullError> {
        (self.tell)(Event::Audio { files: wanted.sounds.len() as u64, bytes: wanted.bytes });
        if let Err(error) = self.check_room(wanted.bytes) {
            self.warn(format!("not all sounds will fit: {error}"));
        }
        let packs = self.look_at_packs()?;
        let sounds = std::mem::take(&mut wanted.sounds);
        let mut unserved = Vec::new();
        let fetcher = Fetcher {
            link: &self.link,
            store: &self.store,
            directory: &self.directory,
            keep_free: self.config.keep_free,
            packs: &packs,
            stop: self.stop,
            tell: self.tell,
        };
        let mut arriving = futures_util::stream::iter(&sounds)
            .map(|audio| fetcher.bring(audio).map(move |outcome| (audio, outcome)))
            .buffer_unordered(self.config.downloads);
        while let Some((audio, outcome)) = arriving.next().await {
            match outcome {
                Ok(from) => {
                    (self.tell)(Event::Stored { sha256: audio.sha256, size: audio.size, from });
                    self.report.stored += 1;
                    self.report.stored_bytes += audio.size;
                    let mut shown = 0;
                    for batch in wanted.completed_by(audio.sha256).chunks(BATCH) {
                        shown += self.mirror.promote(batch, &|audio| self.store.has(audio))?.shown;
                    }
                    self.report.shown += shown;
                    if shown > 0 {
                        (self.tell)(Event::Shown { entities: shown, waiting: wanted.missing.len() as u64 });
                    }
                }
                Err(PullError::Link(LinkError::NotFound(_))) => unserved.push(audio.sha256),
                // One sound's wrong bytes hold no other back.
                Err(error @ (PullError::Store(_) | PullError::Garbled(_))) => {
                    let message = format!(
                        "the gateway sends wrong bytes for the sound {}: {error}; they were thrown away",
                        audio.sha256
                    );
                    self.report.faults.push(Fault { message, is_passing: false });
                }
                Err(PullError::Stopped) => return Err(PullError::Stopped),
                // Nothing more will come, but what came is shown, and the report says what waits.
                Err(error)
                    if error.is_passing() || matches!(error, PullError::DiskFull { .. } | PullError::NoRoom { .. }) =>
                {
                    self.report.faults.push(Fault { is_passing: error.is_passing(), message: error.to_string() });
                    return Ok(Vec::new());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(unserved)
    }

    fn look_at_packs(&mut self) -> Result<Packs, PullError> {
        let Some(directory) = &self.config.packs_dir else { return Ok(Packs::default()) };
        let memory = self.mirror.pack_memory()?;
        let (packs, now) = match Packs::look(directory, &memory) {
            Ok(found) => found,
            // The gateway has these sounds too.
            Err(error) => {
                self.warn(format!("the language packs cannot be read, their sounds are fetched instead: {error}"));
                return Ok(Packs::default());
            }
        };
        if now != memory {
            self.mirror.remember_packs(&now)?;
        }
        Ok(packs)
    }
}

/// Brings single sounds, several at once.
struct Fetcher<'a> {
    link: &'a Link,
    store: &'a Store,
    directory: &'a DataDir,
    keep_free: Amount,
    packs: &'a Packs,
    stop: &'a Stop,
    tell: Observer<'a>,
}

impl Fetcher<'_> {
    /// Brings a sound into the store: from a pack, else from the gateway.
    async fn bring(&self, audio: &AudioRef) -> Result<Origin, PullError> {
        let part = Part::new(self.store.incoming_dir().join(format!("{}.part", audio.sha256)));
        room(self.directory, self.keep_free, audio.size.saturating_sub(part.len()))?;
        if self.packs.have(audio) {
            let copy = self.store.incoming_dir().join(format!("{}.copy", audio.sha256));
            if self.packs.copy(audio, self.store, &copy)? {
                (self.tell)(Event::AudioBytes { bytes: audio.size });
                return Ok(Origin::Pack);
            }
        }
        let counted = AtomicU64::new(0);
        let mut is_from_earlier = part.len() > 0;
        loop {
            self.fetch(audio, &part, &counted).await?;
            match self.adopt(&part, audio).await {
                // What an earlier pull left may have been spoilt by a loss of power: the gateway is not to blame yet.
                Err(StoreError::WrongBytes { .. }) if is_from_earlier => is_from_earlier = false,
                other => return Ok(other.map(|()| Origin::Gateway)?),
            }
        }
    }

    /// Fetches until all bytes are there, over as many connections as it takes, while each brings something.
    async fn fetch(&self, audio: &AudioRef, part: &Part, counted: &AtomicU64) -> Result<(), PullError> {
        let url = self.link.blob_url(audio.sha256)?;
        let begun = |there: u64, _: Option<u64>| {
            self.count(counted, there);
            Ok::<_, io::Error>(())
        };
        let came = |bytes: u64| self.count(counted, counted.load(Ordering::Relaxed) + bytes);
        let course = Course { accept: "*/*", at_most: audio.size, begun: &begun, came: &came, stop: self.stop };
        let (mut delays, mut before) = (delays(TRIES), part.len());
        while part.len() != audio.size {
            let error = match self.link.download(&url, part, &course).await {
                Ok(_) if part.len() == audio.size => break,
                Ok(_) => LinkError::Broken(format!("a sound of {} bytes ended after {}", audio.size, part.len())),
                Err(DownloadError::Link(error)) => error,
                Err(other) => return Err(other.into()),
            };
            if part.len() > before {
                before = part.len();
                delays = self::delays(TRIES);
            }
            let Some(delay) = wait_for(&error, &mut delays) else { return Err(error.into()) };
            pause(self.stop, self.tell, &error, delay).await?;
        }
        Ok(())
    }

    /// Tells of bytes once, however often a download is begun.
    fn count(&self, counted: &AtomicU64, there: u64) {
        let before = counted.fetch_max(there, Ordering::Relaxed);
        if there > before {
            (self.tell)(Event::AudioBytes { bytes: there - before });
        }
    }

    /// Checks and takes over what came, on a thread where it holds nobody up.
    async fn adopt(&self, part: &Part, audio: &AudioRef) -> Result<(), StoreError> {
        let (store, path, sound) = (self.store.clone(), part.path().to_owned(), audio.clone());
        let adopted = tokio::task::spawn_blocking(move || store.adopt(&path, &sound)).await;
        part.forget();
        adopted.unwrap_or_else(|error| Err(SharedError::at(part.path(), io::Error::other(error)).into()))
    }
}
