//! Proving that this host has what the gateway has, and that callers get what follows from it.
//!
//! Nothing that was noted is believed: leaves and digest are computed from the values, what callers get is derived once more, and the bytes
//! of the sounds are read. The gateway is asked whether it knows the digest at this version.

use std::collections::HashSet;

use audiospread_protocol::{AudioRef, Cursor, Sha256Digest, Tree, Version, leaf_hash};
use camino::Utf8PathBuf;
use serde::Serialize;

use crate::link::{FEED_TYPE, Link, LinkError};
use crate::lock::Lock;
use crate::mirror::{Hearing, Mirror, Position};
use crate::pull::{PullError, hearing};
use crate::shared::{DataDir, SharedError};
use crate::store::{Store, StoredFile, format_of, hash_file};
use crate::{Config, Event, Observer, SoundFormat};

/// How a verification is done.
#[derive(Clone, Copy, Debug, Default)]
pub struct VerifyOptions {
    /// Only the sizes of sounds are looked at, not their bytes.
    pub quick: bool,
    /// The gateway is not asked.
    pub offline: bool,
    /// Wrong sounds are removed, what follows from the rest is derived again, and what only the gateway can bring is left to the next pull.
    pub repair: bool,
}

/// What a verification found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Verified {
    /// The feed's version that the mirror has.
    pub version: Version,
    /// Entities.
    pub count: u64,
    /// The digest, computed from the values.
    pub digest: String,
    /// Entities that callers get.
    pub shown: u64,
    /// Sounds that were checked.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Phone sounds that were checked.
    pub phone_files: u64,
    /// Their bytes.
    pub phone_bytes: u64,
    /// Whether the gateway has the same digest at this version; absent if it was not or could not be asked.
    pub gateway_agrees: Option<bool>,
    /// Why the gateway could not be asked.
    pub gateway_away: Option<String>,
    /// What is wrong; nothing, if all is equal.
    pub faults: Vec<String>,
    /// Entities that wait for the next pull, after a repair.
    pub repaired: u64,
}

impl Verified {
    /// Whether everything that was to be checked is as it should be.
    pub fn is_equal(&self) -> bool {
        self.faults.is_empty() && self.gateway_away.is_none()
    }
}

/// Verifies mirror and store.
///
/// # Errors
/// [`PullError`], if they cannot be read at all.
pub async fn verify(config: &Config, options: VerifyOptions, tell: Observer<'_>) -> Result<Verified, PullError> {
    let directory = DataDir::existing(&config.data_dir);
    let lock = if options.repair { Some(Lock::take(&directory)?) } else { None };
    let (mut mirror, store) = (Mirror::open_to_read(&directory)?, Store::existing(&directory));
    let Some(position) = mirror.position()? else { return Err(PullError::NothingToVerify) };
    let mut verified = Verified { version: position.cursor.version, ..Verified::default() };
    let wrong = check_files(&store, &mirror, options.quick, tell, &mut verified)?;
    let digest = check_mirror(&mut mirror, &store, &position, &wrong, &mut verified)?;
    if !options.offline {
        ask_gateway(config, &position, digest, tell, &mut verified).await?;
    }
    if lock.is_some() {
        drop(mirror);
        verified.repaired = repair(&directory, &store, &wrong)?;
    }
    Ok(verified)
}

/// Sounds whose bytes are not those that their names say.
#[derive(Default)]
struct Wrong {
    paths: HashSet<Utf8PathBuf>,
}

impl Wrong {
    /// Whether a sound's phone sounds are wrong, in whatever format they are there.
    fn is_all_there_is(&self, store: &Store, audio: &AudioRef) -> bool {
        let mut there = SoundFormat::ALL.map(|format| store.phone_path(audio.sha256, format)).into_iter();
        there.all(|path| self.paths.contains(&path) || !path.exists())
    }
}

fn check_files(
    store: &Store,
    mirror: &Mirror,
    quick: bool,
    tell: Observer<'_>,
    verified: &mut Verified,
) -> Result<Wrong, PullError> {
    let (mut files, mut made) = (Vec::<StoredFile>::new(), Vec::<StoredFile>::new());
    store.each_file(&mut |file| files.push(file))?;
    store.each_phone_sound(&mut |file| made.push(file))?;
    let mut wrong = Wrong::default();
    let bytes = files.iter().chain(&made).map(|file| file.size).sum();
    tell(Event::Checking { files: (files.len() + made.len()) as u64, bytes });
    for file in files {
        if !quick {
            match hash_file(&file.path) {
                Ok(found) if found == file.sha256 => {}
                Ok(_) => {
                    verified.faults.push(format!("{}: the bytes are not those that the name says", file.path));
                    wrong.paths.insert(file.path);
                }
                // A prune may have been at work since the files were listed; whether it is missed shows below.
                Err(SharedError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error.into()),
            }
        }
        verified.files += 1;
        verified.bytes += file.size;
        tell(Event::Checked { bytes: file.size });
    }
    let is_noted = mirror.notes_phone_sounds()?;
    for file in made {
        let fault = fault_of_phone_sound(mirror, &file, is_noted, quick);
        // A prune may have been at work here too.
        if !file.path.exists() {
            continue;
        }
        if let Some(fault) = fault? {
            verified.faults.push(format!("{}: {fault}", file.path));
            wrong.paths.insert(file.path);
        }
        verified.phone_files += 1;
        verified.phone_bytes += file.size;
        tell(Event::Checked { bytes: file.size });
    }
    Ok(wrong)
}

/// What is wrong with a sound that was made here: its name says what it was made of, the mirror what its bytes are.
fn fault_of_phone_sound(
    mirror: &Mirror,
    file: &StoredFile,
    is_noted: bool,
    quick: bool,
) -> Result<Option<&'static str>, PullError> {
    let format = format_of(&file.path).filter(|format| format.is_whole(&file.path));
    let Some(format) = format else { return Ok(Some("the phone sound is not whole")) };
    // A former version noted nothing.
    if !is_noted {
        return Ok(None);
    }
    let Some(noted) = mirror.phone_sound(file.sha256, format)? else {
        return Ok(Some("the phone sound was not made here"));
    };
    let is_same = noted.count == file.size && (quick || hash_file(&file.path)? == noted.sha256);
    Ok((!is_same).then_some("the bytes are not those of the phone sound that was made here"))
}

fn check_mirror(
    mirror: &mut Mirror,
    store: &Store,
    position: &Position,
    wrong: &Wrong,
    verified: &mut Verified,
) -> Result<Sha256Digest, PullError> {
    let undecodable = undecodable_of(mirror)?;
    let state = mirror.state()?;
    let mut tree = Tree::new();
    let mut faults = Vec::new();
    state.each_with_leaf(&mut |key, value, noted| {
        let leaf = leaf_hash(&key, value.as_bytes());
        if leaf != noted {
            faults.push(format!("{key}: the value does not have the hash that is noted for it"));
        }
        tree.insert(key, leaf);
    })?;
    let digest = tree.digest(true);
    if digest != position.digest {
        faults.push(format!("what is stored has the digest {digest}, and {} is noted", position.digest));
    }
    if tree.len(true) as u64 != position.count {
        faults.push(format!("{} entities are stored, and {} are noted", tree.len(true), position.count));
    }
    verified.count = tree.len(true) as u64;
    verified.digest = format!("sha256:{digest}");
    let check = state.check_shown(&|audio| match hearing(store, &undecodable, audio) {
        _ if wrong.paths.contains(&store.path(audio)) => Hearing::Missing,
        Hearing::Ready if wrong.is_all_there_is(store, audio) => Hearing::Missing,
        other => other,
    })?;
    verified.shown = check.entities;
    verified.faults.extend(faults.into_iter().chain(check.faults));
    Ok(digest)
}

/// Asks the gateway for what changed since the cursor that our own digest makes: it knows the pair of version and digest, or it does not.
async fn ask_gateway(
    config: &Config,
    position: &Position,
    digest: Sha256Digest,
    tell: Observer<'_>,
    verified: &mut Verified,
) -> Result<(), PullError> {
    let link = Link::new(config, None)?;
    let cursor = Cursor::new(position.cursor.epoch, position.cursor.version, &digest);
    let answer = link.ask(&link.feed_url(Some(cursor))?, FEED_TYPE, None).await;
    if let Some(message) = link.take_clock_warning() {
        tell(Event::Warning { message });
    }
    match answer {
        Ok(_) => verified.gateway_agrees = Some(true),
        Err(LinkError::SnapshotNeeded(detail)) => {
            verified.gateway_agrees = Some(false);
            verified
                .faults
                .push(format!("the gateway does not know our digest at version {}: {detail}", cursor.version));
        }
        Err(error) if error.is_passing() => verified.gateway_away = Some(error.to_string()),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

fn repair(directory: &DataDir, store: &Store, wrong: &Wrong) -> Result<u64, PullError> {
    for path in &wrong.paths {
        std::fs::remove_file(path).map_err(|source| SharedError::at(path, source))?;
    }
    let mut mirror = Mirror::open(directory)?;
    let undecodable = undecodable_of(&mirror)?;
    Ok(mirror.repair_all(&|audio| hearing(store, &undecodable, audio))?)
}

fn undecodable_of(mirror: &Mirror) -> Result<HashSet<Sha256Digest>, PullError> {
    Ok(mirror.undecodable()?.into_iter().map(|sound| sound.sha256).collect())
}
