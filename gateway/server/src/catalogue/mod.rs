//! The catalogue: what of a Drupal site is on the phone, and why the rest is not.
//!
//! Pure: rows and what is known of the audio come in, entities of the feed and findings go out. It reads no database and no file.
//!
//! [`Catalogue`] is a view of a [`site::Site`]. Each entity is made by one function of the site in memory, [`Catalogue::draft`]; a whole
//! refresh asks it for every key, an incremental one for those that [`Catalogue::affected`] names, and so both give the same.

mod audio;
mod behind;
mod category;
pub mod codes;
mod draft;
mod edit;
mod finding;
mod masking;
mod outline;
mod packs;
mod partial;
mod program;
mod prompt;
mod rules;
#[cfg(test)]
mod sample;
mod settings;
pub mod site;
mod subscriber;
mod survey;

use std::collections::{BTreeMap, HashMap};

use audiospread_protocol::{DeleteReason, EntityKey, Kind, PhoneNumber};

pub use draft::{Draft, MAX_VALUE, Outcome, Wait};
pub use edit::{Affected, Edit};
pub use finding::{Finding, Severity, Subject};
pub use packs::{Packs, PromptName};
pub use rules::Rules;
pub use survey::ProgramCounts;

use behind::LastSaved;
use outline::Outline;
use settings::SettledSettings;
use site::{AudioIndex, Language, Nid, Node, Site, Tid};
use subscriber::Holders;

/// A site as the rules see it: its rows, and small indices of all but the programs.
///
/// Made anew for each refresh: it costs some steps for each term, sound, prompt and subscriber, and none for programs.
pub struct Catalogue<'a> {
    site: &'a Site,
    audio: &'a dyn AudioIndex,
    rules: &'a Rules,
    packs: &'a Packs,
    outline: Outline,
    settings: SettledSettings,
    /// The nodes with sounds that are tagged with each term, ascending, unpublished ones included.
    sounds: HashMap<Tid, Vec<Nid>>,
    /// The nodes of each prompt, ascending, unpublished ones and all languages included.
    prompts: BTreeMap<PromptName, Vec<Nid>>,
    /// The published subscribers that have each number.
    holders: HashMap<PhoneNumber, Holders>,
    /// Whether a node of each kind was seen half saved.
    saving: Saving,
    last_saved: LastSaved,
}

/// Whether a node was seen half saved, whose terms, key or numbers are therefore not known: it may belong to any entity of its kind.
#[derive(Clone, Copy, Default)]
struct Saving {
    sounds: bool,
    prompts: bool,
    subscribers: bool,
}

impl<'a> Catalogue<'a> {
    /// The catalogue of a site.
    pub fn new(site: &'a Site, audio: &'a dyn AudioIndex, rules: &'a Rules, packs: &'a Packs) -> Self {
        let outline = Outline::new(&site.terms, rules);
        let settings = SettledSettings::new(site, rules, &outline);
        let saving = Saving {
            sounds: site.sounds.values().any(|sound| !sound.node.complete),
            prompts: site.prompts.values().any(|prompt| !prompt.node.complete),
            subscribers: site.subscribers.values().any(|subscriber| !subscriber.node.complete),
        };
        let sounds = category::sounds_by_term(site);
        let prompts = prompt::prompts_by_name(site, &outline);
        let holders = subscriber::holders_by_number(site, rules);
        Self {
            site,
            audio,
            rules,
            packs,
            outline,
            settings,
            sounds,
            prompts,
            holders,
            saving,
            last_saved: LastSaved::of(site),
        }
    }

    /// Every key that the site could have in the feed, each once, in no order.
    pub fn keys(&self) -> impl Iterator<Item = EntityKey> {
        let numbered = |kind| move |id: &u32| EntityKey::numbered(kind, *id);
        std::iter::once(EntityKey::settings())
            .chain(self.prompt_keys())
            .chain(self.outline.categories().map(|(tid, _)| EntityKey::numbered(Kind::Category, tid)))
            .chain(self.site.programs.keys().map(numbered(Kind::Program)))
            .chain(self.site.subscribers.keys().map(numbered(Kind::Subscriber)))
    }

    /// Whether [`Self::keys`] has the key.
    pub fn covers(&self, key: &EntityKey) -> bool {
        match key.kind() {
            Kind::Settings => *key == EntityKey::settings(),
            Kind::Prompt => self.prompt_of(key).is_some(),
            Kind::Category => key.number().is_some_and(|tid| self.outline.is_category(tid)),
            Kind::Program => key.number().is_some_and(|nid| self.site.programs.contains_key(&nid)),
            Kind::Subscriber => key.number().is_some_and(|nid| self.site.subscribers.contains_key(&nid)),
        }
    }

    /// What the rules make of an entity. A key that the site does not have is absent, deleted; one that is too large for the feed keeps its
    /// old state.
    pub fn draft(&self, key: &EntityKey) -> Draft {
        self.unbounded_draft(key).within_bounds(key)
    }

    fn unbounded_draft(&self, key: &EntityKey) -> Draft {
        let gone = || {
            let drafting = draft::Drafting::default();
            if key.kind() == Kind::Prompt && self.saving.prompts {
                drafting.keep(Wait::Save)
            } else {
                drafting.absent(DeleteReason::Deleted)
            }
        };
        if *key == EntityKey::settings() {
            return self.settings.draft();
        }
        match (key.kind(), key.number()) {
            (Kind::Prompt, _) => self.prompt_of(key).map_or_else(gone, |(name, language)| self.prompt(&name, language)),
            (Kind::Category, Some(tid)) => self.category(tid),
            (Kind::Program, Some(nid)) => self.program(nid),
            (Kind::Subscriber, Some(nid)) => self.subscriber(nid),
            _ => gone(),
        }
    }

    /// A node's language: its own, else the language field's, else the site's default.
    fn language_of<'n>(&'n self, node: &'n Node) -> &'n str {
        let own: Option<&Language> = node.language.as_ref().or(node.language_field.as_ref());
        own.map_or(self.settings.default_language(), |language| language)
    }
}
