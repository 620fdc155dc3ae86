//! Bringing audio into the store, and each entity to callers as soon as its audio is complete.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use audiospread_protocol::{AudioRef, EntityKey, Sha256Digest};
use futures_util::{FutureExt, StreamExt};
use tokio::sync::Semaphore;

use super::feed::{pause, room};
use super::{Fault, PullError, Session};
use crate::link::{self, Course, DownloadError, Link, LinkError, Part, delays, wait_for};
use crate::mirror::{Hearing, Mirror};
use crate::shared::{DataDir, SharedError};
use crate::store::{Packs, Store};
use crate::workshop::{Made, MakeError, Workshop};
use crate::{Amount, Event, Observer, Origin, Stop, StoreError};

/// Entities that are shown in one transaction.
const BATCH: usize = 256;

/// Sounds that are being made, or wait for it, beside the downloads.
const MAKING_AHEAD: usize = 16;

/// How often a broken link is tried again without a byte having come in between.
const TRIES: usize = 4;

/// What callers do not get yet, and the sounds that it takes.
#[derive(Default)]
struct Wanted {
    sounds: Vec<AudioRef>,
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
    pub(super) async fn bring_audio(&mut self, link: &Link) -> Result<Vec<Sha256Digest>, PullError> {
        let mut wanted = self.show_what_is_complete()?;
        let outcome =
            if wanted.sounds.is_empty() { Ok(Vec::new()) } else { self.bring_wanted(link, &mut wanted).await };
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
            let (store, undecodable) = (&self.store, &self.undecodable);
            let promotion =
                self.mirror.promote(batch, self.config.prefer, &|audio| hearing(store, undecodable, audio))?;
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

    async fn bring_wanted(&mut self, link: &Link, wanted: &mut Wanted) -> Result<Vec<Sha256Digest>, PullError> {
        let sounds = std::mem::take(&mut wanted.sounds);
        let missing = || sounds.iter().filter(|audio| !self.store.has(audio));
        let (files, bytes) = (missing().count() as u64, missing().map(|audio| audio.size).sum());
        if files > 0 {
            (self.tell)(Event::Audio { files, bytes });
        }
        (self.tell)(Event::Making { files: sounds.len() as u64 });
        let played: u64 = sounds.iter().map(|audio| self.config.sound_format.size_of(audio.duration_ms)).sum();
        if let Err(error) = self.check_room(bytes + played) {
            self.warn(format!("not all sounds will fit: {error}"));
        }
        let packs = self.look_at_packs()?;
        let mut unserved = Vec::new();
        let fetcher = Fetcher {
            link,
            store: &self.store,
            directory: &self.directory,
            keep_free: self.config.keep_free,
            packs: &packs,
            workshop: &self.workshop,
            fetching: Semaphore::new(self.config.downloads),
            stop: self.stop,
            tell: self.tell,
        };
        let mut arriving = futures_util::stream::iter(&sounds)
            .map(|audio| fetcher.prepare(audio).map(move |outcome| (audio, outcome)))
            .buffer_unordered(self.config.downloads + MAKING_AHEAD);
        while let Some((audio, outcome)) = arriving.next().await {
            match outcome.and_then(|prepared| prepared.place(&mut self.mirror, &self.store, self.tell)) {
                Ok(prepared) => {
                    if prepared.is_new {
                        self.report.stored += 1;
                        self.report.stored_bytes += audio.size;
                    }
                    if let Some(why) = prepared.undecodable {
                        self.mirror.note_undecodable(audio.sha256, &why)?;
                        self.undecodable.insert(audio.sha256);
                        (self.tell)(Event::Undecodable { sha256: audio.sha256, message: why });
                    }
                    let mut shown = 0;
                    let (store, undecodable) = (&self.store, &self.undecodable);
                    let hear = |audio: &AudioRef| hearing(store, undecodable, audio);
                    for batch in wanted.completed_by(audio.sha256).chunks(BATCH) {
                        shown += self.mirror.promote(batch, self.config.prefer, &hear)?.shown;
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
                Err(PullError::NotMade(why)) => self.report.faults.push(Fault { message: why, is_passing: true }),
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

    pub(super) fn look_at_packs(&mut self) -> Result<Packs, PullError> {
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

/// What callers would get of a sound.
pub(crate) fn hearing(store: &Store, undecodable: &HashSet<Sha256Digest>, audio: &AudioRef) -> Hearing {
    match store.has(audio) {
        true if undecodable.contains(&audio.sha256) => Hearing::Never,
        true if store.is_playable(audio.sha256) => Hearing::Ready,
        _ => Hearing::Missing,
    }
}

/// A sound that is in the store, and ready for the phone unless it cannot be.
struct Prepared {
    /// Whether it came now.
    is_new: bool,
    /// The phone sound, if it was made now.
    made: Option<Made>,
    /// Why it cannot be decoded.
    undecodable: Option<String>,
}

impl Prepared {
    /// Gives what was made its place.
    fn place(mut self, mirror: &mut Mirror, store: &Store, tell: Observer<'_>) -> Result<Self, PullError> {
        if let Some(made) = self.made.take() {
            tell(made.place(mirror, store)?);
        }
        Ok(self)
    }
}

/// Brings single sounds, several at once.
struct Fetcher<'a> {
    link: &'a Link,
    store: &'a Store,
    directory: &'a DataDir,
    keep_free: Amount,
    packs: &'a Packs,
    workshop: &'a Workshop,
    /// Sounds that are being made hold up no download, and the other way round.
    fetching: Semaphore,
    stop: &'a Stop,
    tell: Observer<'a>,
}

impl Fetcher<'_> {
    /// Brings a sound into the store, and makes it for the phone.
    async fn prepare(&self, audio: &AudioRef) -> Result<Prepared, PullError> {
        let is_new = !self.store.has(audio);
        if is_new {
            // Nobody closes it.
            let _turn = self.fetching.acquire().await;
            let from = self.bring(audio).await?;
            (self.tell)(Event::Stored { sha256: audio.sha256, size: audio.size, from });
        }
        let (mut made, mut undecodable) = (None, None);
        if !self.store.is_playable(audio.sha256) {
            let path = self.store.path(audio);
            match self.workshop.make(self.store, self.directory, &path, audio.sha256, self.stop).await {
                Ok(sound) => made = Some(sound),
                Err(MakeError::Undecodable(why)) => undecodable = Some(why),
                Err(error) => return Err(PullError::of_workshop(error, self.directory)),
            }
        }
        Ok(Prepared { is_new, made, undecodable })
    }

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
                delays = link::delays(TRIES);
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
