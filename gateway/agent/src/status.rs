//! How things stand on this host, without asking anybody else.

use std::collections::HashMap;

use audiospread_protocol::{AudioRef, Kind, Sha256Digest, Version};
use jiff::Timestamp;
use serde::Serialize;

use crate::calls::Calls;
use crate::mirror::{Hearing, Mirror, MirrorError, heard_sounds_of, sounds_of};
use crate::shared::DataDir;
use crate::store::Store;
use crate::{CallsStatus, Config};

/// How things stand.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Where the mirror stands in the feed; absent before the first pull.
    pub cursor: Option<String>,
    /// The feed's version.
    pub version: Option<Version>,
    /// The digest over what is published.
    pub digest: Option<String>,
    /// What there is, by kind.
    pub kinds: Vec<KindStatus>,
    /// Sounds that callers' content waits for.
    pub missing_files: u64,
    /// Their bytes.
    pub missing_bytes: u64,
    /// Sounds in the store.
    pub stored_files: u64,
    /// Their bytes.
    pub stored_bytes: u64,
    /// Sounds that are ready for the phone.
    pub phone_files: u64,
    /// Their bytes.
    pub phone_bytes: u64,
    /// Sounds that came whole and cannot be decoded, with what names them.
    pub undecodable: Vec<UndecodableSound>,
    /// What happened on the phone; absent where calls.db cannot be read.
    pub calls: Option<CallsStatus>,
    /// Why it cannot.
    pub calls_failure: Option<String>,
    /// Bytes that are free on the disk.
    pub free_bytes: u64,
    /// When a pull last brought everything.
    pub pulled_at: Option<Timestamp>,
    /// Seconds since then: how far the mirror may lag behind the site.
    pub lag_seconds: Option<u64>,
    /// When a pull last failed, unless one succeeded since.
    pub failed_at: Option<Timestamp>,
    /// Why.
    pub failure: Option<String>,
}

/// A sound that cannot be decoded; an editor has to replace it.
#[derive(Clone, Debug, Serialize)]
pub struct UndecodableSound {
    /// Its digest.
    pub sha256: Sha256Digest,
    /// What names it, such as `program 171`.
    pub named_by: Vec<String>,
    /// Why it cannot be decoded.
    pub why: String,
}

/// What there is of a kind.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct KindStatus {
    /// The kind.
    pub kind: Kind,
    /// What the gateway publishes.
    pub published: u64,
    /// What callers get.
    pub shown: u64,
    /// Of what is published: those whose last state callers do not get yet.
    pub waiting: u64,
}

/// How things stand.
///
/// # Errors
/// If there is no mirror, or it cannot be read.
pub fn status(config: &Config) -> Result<Status, MirrorError> {
    let directory = DataDir::existing(&config.data_dir);
    let (mut mirror, store) = (Mirror::open_to_read(&directory)?, Store::existing(&directory));
    let (position, last) = (mirror.position()?, mirror.last_pull()?);
    let mut undecodable: Vec<UndecodableSound> = mirror
        .undecodable()?
        .into_iter()
        .map(|sound| UndecodableSound { sha256: sound.sha256, named_by: Vec::new(), why: sound.why })
        .collect();
    let state = mirror.state()?;
    if !undecodable.is_empty() {
        state.each_published(&mut |key, value| {
            let sounds = sounds_of(&key, value).unwrap_or_default();
            for sound in undecodable.iter_mut().filter(|odd| sounds.iter().any(|audio| audio.sha256 == odd.sha256)) {
                sound.named_by.push(key.to_string());
            }
        })?;
    }
    let kinds = state
        .counts()?
        .into_iter()
        .map(|count| KindStatus {
            kind: count.kind,
            published: count.published,
            shown: count.shown,
            waiting: count.waiting,
        })
        .collect();
    let mut missing = HashMap::new();
    state.each_waiting(&mut |key, value| {
        let hear = |audio: &AudioRef| if store.has(audio) { Hearing::Ready } else { Hearing::Missing };
        let sounds = heard_sounds_of(&key, value, config.prefer, &hear);
        for audio in sounds.into_iter().flatten().filter(|audio| !store.has(audio)) {
            missing.insert(audio.sha256, audio.size);
        }
    })?;
    let (mut stored_files, mut stored_bytes) = (0, 0);
    store.each_file(&mut |file| {
        stored_files += 1;
        stored_bytes += file.size;
    })?;
    let (mut phone_files, mut phone_bytes) = (0, 0);
    store.each_phone_sound(&mut |file| {
        phone_files += 1;
        phone_bytes += file.size;
    })?;
    let (calls, calls_failure) = match Calls::open_to_read(&directory).and_then(|calls| calls.status()) {
        Ok(calls) => (Some(calls), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let (failed_at, failure) = last.failed.unzip();
    Ok(Status {
        cursor: position.map(|position| position.cursor.to_string()),
        version: position.map(|position| position.cursor.version),
        digest: position.map(|position| format!("sha256:{}", position.digest)),
        kinds,
        missing_files: missing.len() as u64,
        missing_bytes: missing.values().sum(),
        stored_files,
        stored_bytes,
        phone_files,
        phone_bytes,
        undecodable,
        calls,
        calls_failure,
        free_bytes: directory.free()?,
        pulled_at: last.succeeded_at,
        lag_seconds: last
            .succeeded_at
            .map(|at| u64::try_from(Timestamp::now().as_second() - at.as_second()).unwrap_or(0)),
        failed_at,
        failure,
    })
}
