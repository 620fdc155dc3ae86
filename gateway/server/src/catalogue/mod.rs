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
mod indices;
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
mod source;
mod subscriber;
mod survey;

use std::sync::Arc;

use audiospread_protocol::{DeleteReason, EntityKey, Kind};

pub use draft::{Draft, MAX_VALUE, Outcome, Wait};
pub use edit::{Affected, Edit};
pub use finding::{Finding, Severity, Subject};
pub use indices::{Edition, IndexedSite};
pub use packs::{Packs, PromptName, Words};
pub use rules::Rules;
pub use source::Sources;
pub use survey::ProgramCounts;

use indices::Indices;
use site::{AudioIndex, Language, Node, Site};

/// A site as the rules see it: its rows, and small indices of all but the programs.
pub struct Catalogue<'a> {
    site: &'a Site,
    audio: &'a dyn AudioIndex,
    rules: &'a Rules,
    packs: &'a Packs,
    indices: Arc<Indices>,
}

impl<'a> Catalogue<'a> {
    /// The catalogue of a site of which no indices are kept: makes them, which costs some steps for each term, sound, prompt and subscriber.
    pub fn new(site: &'a Site, audio: &'a dyn AudioIndex, rules: &'a Rules, packs: &'a Packs) -> Self {
        Self { site, audio, rules, packs, indices: Arc::new(Indices::of(site, rules)) }
    }

    /// Every key that the site could have in the feed, each once, in no order.
    pub fn keys(&self) -> impl Iterator<Item = EntityKey> {
        let numbered = |kind| move |id: &u32| EntityKey::numbered(kind, *id);
        std::iter::once(EntityKey::settings())
            .chain(self.prompt_keys())
            .chain(self.indices.outline.categories().map(|(tid, _)| EntityKey::numbered(Kind::Category, tid)))
            .chain(self.site.programs.keys().map(numbered(Kind::Program)))
            .chain(self.site.subscribers.keys().map(numbered(Kind::Subscriber)))
    }

    /// Whether [`Self::keys`] has the key.
    pub fn covers(&self, key: &EntityKey) -> bool {
        match key.kind() {
            Kind::Settings => *key == EntityKey::settings(),
            Kind::Prompt => self.prompt_of(key).is_some(),
            Kind::Category => key.number().is_some_and(|tid| self.indices.outline.is_category(tid)),
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
            if key.kind() == Kind::Prompt && self.indices.saving.prompts {
                drafting.keep(Wait::Save)
            } else {
                drafting.absent(DeleteReason::Deleted)
            }
        };
        if *key == EntityKey::settings() {
            return self.indices.settings.draft();
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
        own.map_or(self.indices.settings.default_language(), |language| language)
    }
}
