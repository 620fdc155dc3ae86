//! The canonical list of prompts and the sounds of the language packs, as the rules see them; the blobs room reads them from disk.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use audiospread_protocol::AudioRef;

/// Names a prompt: a sound of a menu, whatever the language.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PromptName {
    /// The menu: home, recording, categories, programs, playing, support, or minimals for the digits.
    pub context: String,
    /// The sound's name within the menu.
    pub key: String,
}

impl PromptName {
    /// The prompt `key` of the menu `context`.
    pub fn new(context: impl Into<String>, key: impl Into<String>) -> Self {
        Self { context: context.into(), key: key.into() }
    }
}

impl fmt::Display for PromptName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.context, self.key)
    }
}

/// What the packs say as a prompt, by language.
pub type Words = BTreeMap<String, String>;

/// The canonical list of prompts, and the sounds of the language packs.
#[derive(Clone, Debug, Default)]
pub struct Packs {
    names: Vec<PromptName>,
    known: HashSet<PromptName>,
    words: HashMap<PromptName, Words>,
    sounds: HashMap<String, HashMap<PromptName, AudioRef>>,
}

impl Packs {
    /// The canonical list in its order (`prompts.toml`), and no sounds yet. A name that comes twice counts once.
    pub fn new(mut names: Vec<PromptName>) -> Self {
        let mut known = HashSet::with_capacity(names.len());
        names.retain(|name| known.insert(name.clone()));
        Self { names, known, words: HashMap::new(), sounds: HashMap::new() }
    }

    /// Adds the sound of a prompt in the pack of `language`.
    pub fn insert(&mut self, language: &str, name: PromptName, sound: AudioRef) {
        self.sounds.entry(language.to_owned()).or_default().insert(name, sound);
    }

    /// Adds what the packs say as this prompt.
    pub fn put_into_words(&mut self, name: PromptName, words: Words) {
        self.words.insert(name, words);
    }

    /// What the pack of `language` says as this prompt, if it has words for it.
    pub fn words(&self, language: &str, name: &PromptName) -> Option<&str> {
        self.words.get(name)?.get(language).map(String::as_str)
    }

    /// The canonical list, in its order.
    pub fn names(&self) -> &[PromptName] {
        &self.names
    }

    /// All sounds, for those who serve them: language, prompt, audio; in no order.
    pub fn sounds(&self) -> impl Iterator<Item = (&str, &PromptName, &AudioRef)> {
        self.sounds
            .iter()
            .flat_map(|(language, sounds)| sounds.iter().map(move |(name, sound)| (language.as_str(), name, sound)))
    }

    pub(super) fn has(&self, name: &PromptName) -> bool {
        self.known.contains(name)
    }

    pub(super) fn sound(&self, language: &str, name: &PromptName) -> Option<&AudioRef> {
        self.sounds.get(language)?.get(name)
    }
}
