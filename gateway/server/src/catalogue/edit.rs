//! Which entities a change of some rows can touch: those have to be drafted again, and no others.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use audiospread_protocol::{EntityKey, Kind};

use super::site::{AudioSource, Fid, FileNode, FileRef, ManagedFile, Nid, Site, Tid};
use super::{Catalogue, prompt};

/// What a catalogue was before some of its rows were read again. See [`Catalogue::edit`].
#[derive(Clone, Debug)]
pub struct Edit {
    nids: Vec<Nid>,
    keys: BTreeSet<EntityKey>,
    frame: u64,
    half_saved_prompt: bool,
    files: HashMap<FileRef, Option<u64>>,
}

/// Which entities have to be drafted again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Affected {
    /// All that the site could have and all that is in the feed: terms, languages or settings are not what they were, or a prompt was seen
    /// half saved, and nobody knows which it is. No further reading of Drupal is needed for it.
    Everything,
    /// These, which may be in the feed, come into it, or go.
    Keys(BTreeSet<EntityKey>),
}

impl Catalogue<'_> {
    /// Begins an edit: call it on the site as it is, then merge what was read again, then call [`Self::affected`] on the site as it is then.
    ///
    /// `nids` are all nodes that are read again: those named, and the file nodes that come along; `fids` the rows of `files` that come along.
    pub fn edit(&self, nids: impl IntoIterator<Item = Nid>, fids: impl IntoIterator<Item = Fid>) -> Edit {
        let nids: Vec<Nid> = nids.into_iter().collect();
        let nodes = nids.iter().map(|&nid| FileRef::Node(nid));
        let files =
            nodes.chain(fids.into_iter().map(FileRef::Managed)).map(|file| (file, self.state_of(file))).collect();
        let half_saved_prompt = self.has_half_saved_prompt(&nids);
        Edit { keys: self.touched(&nids), nids, frame: self.indices.frame, half_saved_prompt, files }
    }

    /// What has to be drafted again once the rows of an edit were merged.
    ///
    /// Takes some steps for each program only if a file that was there or is there is not what it was.
    pub fn affected(&self, edit: &Edit) -> Affected {
        if edit.half_saved_prompt || self.has_half_saved_prompt(&edit.nids) || self.indices.frame != edit.frame {
            return Affected::Everything;
        }
        let mut keys = edit.keys.clone();
        keys.extend(self.touched(&edit.nids));
        let changed = edit.files.iter().filter(|(file, before)| self.state_of(**file) != **before);
        let changed: HashSet<FileRef> = changed.map(|(&file, _)| file).collect();
        keys.extend(self.users_of(&changed));
        Affected::Keys(keys)
    }

    /// The entities that have audio of one of these sources, to be drafted again when more, or something else, is known of its bytes.
    pub fn users_of_audio(&self, sources: &HashSet<AudioSource>) -> BTreeSet<EntityKey> {
        if sources.is_empty() {
            return BTreeSet::new();
        }
        let nodes =
            self.site.files.iter().filter(|(_, file)| file.source.as_ref().is_some_and(|s| sources.contains(s)));
        let managed = self.site.managed_files.iter().filter(|(_, file)| sources.contains(&file.source));
        let files = nodes.map(|(&nid, _)| FileRef::Node(nid)).chain(managed.map(|(&fid, _)| FileRef::Managed(fid)));
        self.users_of(&files.collect())
    }

    /// The entities that these nodes are part of, or have a say in.
    fn touched(&self, nids: &[Nid]) -> BTreeSet<EntityKey> {
        let mut keys = BTreeSet::new();
        for &nid in nids {
            if self.site.programs.contains_key(&nid) {
                keys.insert(EntityKey::numbered(Kind::Program, nid));
            }
            self.touched_by_sound(nid, &mut keys);
            self.touched_by_prompt(nid, &mut keys);
            self.touched_by_subscriber(nid, &mut keys);
        }
        keys
    }

    fn touched_by_sound(&self, nid: Nid, keys: &mut BTreeSet<EntityKey>) {
        let Some(sound) = self.site.sounds.get(&nid) else { return };
        let category = |tid: Tid| EntityKey::numbered(Kind::Category, tid);
        if sound.node.complete {
            keys.extend(
                sound.node.terms.iter().filter(|&&tid| self.indices.outline.is_category(tid)).map(|&tid| category(tid)),
            );
        } else {
            keys.extend(self.indices.outline.categories().map(|(tid, _)| category(tid)));
        }
    }

    fn touched_by_prompt(&self, nid: Nid, keys: &mut BTreeSet<EntityKey>) {
        if let Some(prompt) = self.site.prompts.get(&nid) {
            for name in prompt::names(prompt, &self.indices.outline) {
                keys.extend(self.keys_of_prompt(&name));
            }
        }
    }

    fn touched_by_subscriber(&self, nid: Nid, keys: &mut BTreeSet<EntityKey>) {
        let Some(subscriber) = self.site.subscribers.get(&nid) else { return };
        let key = |nid: Nid| EntityKey::numbered(Kind::Subscriber, nid);
        keys.insert(key(nid));
        if subscriber.node.complete {
            keys.extend(self.sharers(subscriber).map(key));
        } else {
            keys.extend(self.site.subscribers.keys().copied().map(key));
        }
    }

    fn users_of(&self, files: &HashSet<FileRef>) -> BTreeSet<EntityKey> {
        let mut keys = BTreeSet::new();
        if files.is_empty() {
            return keys;
        }
        let among = |file: &FileRef| files.contains(file);
        for (&nid, program) in &self.site.programs {
            if program.title.iter().chain(&program.body).chain(&program.attachments).any(among) {
                keys.insert(EntityKey::numbered(Kind::Program, nid));
            }
        }
        for (&nid, sound) in &self.site.sounds {
            if sound.title.iter().chain(&sound.header).chain(&sound.footer).any(among) {
                self.touched_by_sound(nid, &mut keys);
            }
        }
        for (&nid, prompt) in &self.site.prompts {
            if prompt.audio.iter().any(among) {
                self.touched_by_prompt(nid, &mut keys);
            }
        }
        keys
    }

    fn has_half_saved_prompt(&self, nids: &[Nid]) -> bool {
        nids.iter().any(|nid| self.site.prompts.get(nid).is_some_and(|prompt| !prompt.node.complete))
    }

    /// Stands for what a draft sees of a file; nothing if the file is not there.
    fn state_of(&self, file: FileRef) -> Option<u64> {
        let mut hasher = DefaultHasher::new();
        match file {
            FileRef::Node(nid) => {
                let FileNode { vid: _, changed: _, published, complete, looks_like_audio, source } =
                    self.site.files.get(&nid)?;
                (published, complete, looks_like_audio, source).hash(&mut hasher);
            }
            FileRef::Managed(fid) => {
                let ManagedFile { permanent, looks_like_audio, source } = self.site.managed_files.get(&fid)?;
                (permanent, looks_like_audio, source).hash(&mut hasher);
            }
        }
        Some(hasher.finish())
    }
}

/// Stands for all that every entity depends on.
pub(super) fn frame(site: &Site) -> u64 {
    let mut hasher = DefaultHasher::new();
    let mut terms: Vec<_> = site.terms.iter().collect();
    terms.sort_unstable_by_key(|(tid, _)| **tid);
    for (tid, term) in terms {
        (tid, &term.name, &term.description, term.rank, &term.parents).hash(&mut hasher);
    }
    (&site.languages.default, &site.languages.enabled).hash(&mut hasher);
    site.settings.to_string().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
