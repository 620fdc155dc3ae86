//! Making room: sounds that nothing names any more, once they are old enough, and downloads that nobody will go on with.
//!
//! Only when asked or configured: the store is permanent, since a program that went may come back.

use std::collections::HashSet;
use std::fs;
use std::time::{Duration, SystemTime};

use audiospread_protocol::Sha256Digest;
use camino::Utf8Path;
use serde::Serialize;

use crate::Config;
use crate::lock::Lock;
use crate::mirror::{Mirror, sounds_of};
use crate::pull::PullError;
use crate::shared::{DataDir, SharedError};
use crate::store::{Packs, Store, entries, format_of};

/// What was removed, or would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pruned {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Whether it was only counted.
    pub dry_run: bool,
}

/// Removes sounds that neither what is published nor what callers get nor a pack names, older than `days`.
///
/// # Errors
/// [`PullError`], as a pull: the lock, the mirror, the disk.
pub fn prune(config: &Config, days: Option<u32>, dry_run: bool) -> Result<Pruned, PullError> {
    let directory = DataDir::prepare(&config.data_dir, config.group.as_deref())?;
    let _lock = Lock::take(&directory)?;
    // Opened for writing, one that is absent would be made, and name no sound: all would go.
    let mirror = Mirror::open_to_read(&directory)?;
    let mut mirror = if dry_run { mirror } else { Mirror::open(&directory)? };
    let store = Store::existing(&directory);
    let packs = config.packs_dir.as_deref();
    remove(days.unwrap_or(config.prune.older_than_days), dry_run, &mut mirror, &store, packs)
}

/// The same, for those who have the lock.
pub(crate) fn prune_locked(config: &Config, mirror: &mut Mirror, store: &Store) -> Result<Pruned, PullError> {
    remove(config.prune.older_than_days, false, mirror, store, config.packs_dir.as_deref())
}

fn remove(
    days: u32,
    dry_run: bool,
    mirror: &mut Mirror,
    store: &Store,
    packs_dir: Option<&Utf8Path>,
) -> Result<Pruned, PullError> {
    let named = named_sounds(mirror, packs_dir)?;
    let too_young = SystemTime::now().checked_sub(Duration::from_secs(u64::from(days) * 86_400));
    let is_old = |modified: SystemTime| too_young.is_some_and(|limit| modified < limit);
    let (mut pruned, mut doomed, mut unmade) = (Pruned { dry_run, ..Pruned::default() }, Vec::new(), Vec::new());
    store.each_file(&mut |file| {
        if !named.contains(&file.sha256) && is_old(file.modified) {
            doomed.push((file.path, file.size));
        }
    })?;
    store.each_phone_sound(&mut |file| {
        if !named.contains(&file.sha256) && is_old(file.modified) {
            unmade.extend(format_of(&file.path).map(|format| (file.sha256, format)));
            doomed.push((file.path, file.size));
        }
    })?;
    for path in entries(&store.incoming_dir())? {
        let metadata = fs::metadata(&path).map_err(|source| SharedError::at(&path, source))?;
        if is_old(metadata.modified().unwrap_or_else(|_| SystemTime::now())) {
            doomed.push((path, metadata.len()));
        }
    }
    for (path, size) in doomed {
        if !dry_run {
            fs::remove_file(&path).map_err(|source| SharedError::at(&path, source))?;
        }
        pruned.files += 1;
        pruned.bytes += size;
    }
    if !dry_run {
        mirror.forget_phone_sounds(&unmade)?;
    }
    Ok(pruned)
}

fn named_sounds(mirror: &mut Mirror, packs_dir: Option<&Utf8Path>) -> Result<HashSet<Sha256Digest>, PullError> {
    let mut named = HashSet::new();
    if let Some(directory) = packs_dir {
        named.extend(Packs::look(directory, &mirror.pack_memory()?)?.0.digests());
    }
    let mut not_understood = 0_u64;
    let state = mirror.state()?;
    state.each_published(&mut |key, value| match sounds_of(&key, value) {
        Some(sounds) => named.extend(sounds.iter().map(|audio| audio.sha256)),
        None => not_understood += 1,
    })?;
    state.each_shown(&mut |key, value| {
        named.extend(sounds_of(&key, value).into_iter().flatten().map(|audio| audio.sha256));
    })?;
    if not_understood > 0 {
        return Err(PullError::CannotPrune { not_understood });
    }
    Ok(named)
}
