//! Indices of all of a site but its programs and files, and a site that has them beside it.

use std::collections::{BTreeMap, HashMap};
use std::ops::Deref;
use std::sync::Arc;

use audiospread_protocol::PhoneNumber;

use super::behind::LastSaved;
use super::outline::Outline;
use super::partial::Partial;
use super::settings::SettledSettings;
use super::site::{AudioIndex, Nid, Site, Tid};
use super::subscriber::{self, Holders};
use super::{Catalogue, Packs, PromptName, Rules, category, edit, prompt};

/// What the rules look up in a site's terms, languages, settings, sounds, prompts and subscribers. Of the other rows nothing is in it:
/// [`IndexedSite::merge`] relies on that.
pub(super) struct Indices {
    pub(super) outline: Outline,
    pub(super) settings: SettledSettings,
    /// The nodes with sounds that are tagged with each term, ascending, unpublished ones included.
    pub(super) sounds: HashMap<Tid, Vec<Nid>>,
    /// The nodes of each prompt, ascending, unpublished ones and all languages included.
    pub(super) prompts: BTreeMap<PromptName, Vec<Nid>>,
    /// The published subscribers that have each number.
    pub(super) holders: HashMap<PhoneNumber, Holders>,
    /// Whether a node of each kind was seen half saved.
    pub(super) saving: Saving,
    pub(super) last_saved: LastSaved,
    /// Stands for all that every entity depends on.
    pub(super) frame: u64,
}

/// Whether a node was seen half saved, whose terms, key or numbers are therefore not known: it may belong to any entity of its kind.
#[derive(Clone, Copy, Default)]
pub(super) struct Saving {
    pub(super) sounds: bool,
    pub(super) prompts: bool,
    pub(super) subscribers: bool,
}

impl Indices {
    /// Costs some steps for each term, sound, prompt and subscriber, and none for programs.
    pub(super) fn of(site: &Site, rules: &Rules) -> Self {
        let outline = Outline::new(&site.terms, rules);
        Self {
            settings: SettledSettings::new(site, rules, &outline),
            sounds: category::sounds_by_term(site),
            prompts: prompt::prompts_by_name(site, &outline),
            holders: subscriber::holders_by_number(site, rules),
            saving: Saving {
                sounds: site.sounds.values().any(|sound| !sound.node.complete),
                prompts: site.prompts.values().any(|prompt| !prompt.node.complete),
                subscribers: site.subscribers.values().any(|subscriber| !subscriber.node.complete),
            },
            last_saved: LastSaved::of(site),
            frame: edit::frame(site),
            outline,
        }
    }
}

/// A site and its indices. Its rows change only by [`Self::merge`], and so the indices are always those of the rows.
pub struct IndexedSite {
    site: Site,
    rules: Arc<Rules>,
    indices: Arc<Indices>,
}

/// Stands for the indices of a site at one moment: equal to another one if nothing that they are made of changed between.
#[derive(Clone)]
pub struct Edition(Arc<Indices>);

impl PartialEq for Edition {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl IndexedSite {
    /// The site as these rules see it.
    pub fn new(site: Site, rules: Arc<Rules>) -> Self {
        let indices = Arc::new(Indices::of(&site, &rules));
        Self { site, rules, indices }
    }

    /// The catalogue of the site; this costs nothing.
    pub fn catalogue<'a>(&'a self, audio: &'a dyn AudioIndex, packs: &'a Packs) -> Catalogue<'a> {
        Catalogue { site: &self.site, audio, rules: &self.rules, packs, indices: self.indices.clone() }
    }

    /// As [`Site::merge`]. The indices are made anew unless the rows that they are made of stay what they are, as they do where programs and
    /// files alone were saved.
    pub fn merge(&mut self, partial: Partial) {
        let stands = partial.has_the_frame_of(&self.site) && partial.has_all_but_programs_and_files_of(&self.site);
        self.site.merge(partial);
        if !stands {
            self.indices = Arc::new(Indices::of(&self.site, &self.rules));
        }
    }

    /// Which indices these are.
    pub fn edition(&self) -> Edition {
        Edition(self.indices.clone())
    }
}

impl Deref for IndexedSite {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}
