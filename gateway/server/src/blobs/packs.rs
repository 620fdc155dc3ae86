//! The language packs of this host: the canonical list of prompts (`prompts.toml`) and their sounds, `LANGUAGE/CONTEXT/KEY.mp3`.
//!
//! Read once, at start. Which sound a caller hears is the catalogue's business.

use std::collections::{HashMap, HashSet};
use std::io;

use audiospread_protocol::{AudioRef, Sha256Digest};
use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;

use super::measure::{Mime, measure};
use crate::beneath::{Facts, Found, Root};
use crate::catalogue::{Finding, Packs, PromptName, Severity, Subject, Words, codes};

/// Why the packs cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The directory or the list cannot be read.
    #[error("{path} cannot be read ({source}): packs_dir is the directory with prompts.toml and the language packs")]
    Read {
        /// What was to be read.
        path: Utf8PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The list is no TOML, or not of the form that it should have.
    #[error("{path} is not a list of prompts: {source}")]
    Form {
        /// The list.
        path: Utf8PathBuf,
        /// What is the matter with it.
        source: Box<toml::de::Error>,
    },
    /// The list contains a name that is none, or the same prompt twice.
    #[error("{path}: the prompt {name} is there twice, or its context or key is not of the form [a-z0-9_]+")]
    Name {
        /// The list.
        path: Utf8PathBuf,
        /// The prompt.
        name: PromptName,
    },
}

/// What was found in a directory of packs.
#[derive(Debug)]
pub struct LoadedPacks {
    /// For the catalogue.
    pub packs: Packs,
    /// For those who open blobs.
    pub sounds: PackSounds,
    /// Sounds that are of no use.
    pub findings: Vec<Finding>,
}

/// The sounds of the packs by their digest.
#[derive(Debug)]
pub struct PackSounds {
    directory: Utf8PathBuf,
    sounds: HashMap<Sha256Digest, PackSound>,
}

#[derive(Debug)]
pub(super) struct PackSound {
    pub(super) path: Utf8PathBuf,
    pub(super) facts: Facts,
    pub(super) mime: Mime,
}

impl PackSounds {
    pub(super) fn directory(&self) -> &Utf8Path {
        &self.directory
    }

    pub(super) fn sound(&self, sha256: &Sha256Digest) -> Option<&PackSound> {
        self.sounds.get(sha256)
    }
}

#[derive(Deserialize)]
struct PromptList {
    #[serde(default)]
    prompt: Vec<PromptEntry>,
}

#[derive(Deserialize)]
struct PromptEntry {
    context: String,
    key: String,
    /// What the packs say, by language; for whoever records it.
    #[serde(default)]
    text: Words,
}

/// Loads the packs in `directory`. Blocks.
///
/// # Errors
/// [`PackError`]; a sound that is missing is none, and one that is no audio is a finding.
pub fn load_packs(directory: &Utf8Path) -> Result<LoadedPacks, PackError> {
    let prompts = prompts(&directory.join("prompts.toml"))?;
    let names: Vec<_> = prompts.iter().map(|(name, _)| name.clone()).collect();
    let unreadable = |source| PackError::Read { path: directory.to_owned(), source };
    let root = Root::open(directory).map_err(unreadable)?;
    let mut loaded = LoadedPacks {
        packs: Packs::new(names.clone()),
        sounds: PackSounds { directory: directory.to_owned(), sounds: HashMap::new() },
        findings: Vec::new(),
    };
    for (name, words) in prompts {
        loaded.packs.put_into_words(name, words);
    }
    for language in languages(directory).map_err(unreadable)? {
        for name in &names {
            loaded.add(&root, &language, name);
        }
    }
    Ok(loaded)
}

impl LoadedPacks {
    fn add(&mut self, root: &Root, language: &str, name: &PromptName) {
        let path = Utf8PathBuf::from(format!("{language}/{name}.mp3"));
        let measured = root.open_file(path.as_str()).and_then(|found| match found {
            Found::File((file, facts)) => measure(&file).map(|measured| Some((measured, facts))),
            Found::Other | Found::Nothing => Ok(None),
        });
        let reason = match measured {
            Ok(None) => return,
            Ok(Some((measured, facts))) => match measured.sound {
                Some(sound) => {
                    let audio = AudioRef {
                        sha256: measured.sha256,
                        size: measured.size,
                        mime: sound.mime.as_str().to_owned(),
                        duration_ms: u64::from(sound.duration_ms),
                        phone: None,
                    };
                    self.packs.insert(language, name.clone(), audio);
                    self.sounds.sounds.insert(measured.sha256, PackSound { path, facts, mime: sound.mime });
                    return;
                }
                None => "it is no audio".to_owned(),
            },
            Err(error) => error.to_string(),
        };
        self.findings.push(Finding::new(
            codes::PACK_SOUND_UNUSABLE,
            Severity::Warning,
            Subject::Prompt(format!("{name}@{language}")),
            format!("The sound {path} of the language pack is left out ({reason}): install the pack again."),
        ));
    }
}

/// The canonical list, in its order, with the words of each prompt.
fn prompts(path: &Utf8Path) -> Result<Vec<(PromptName, Words)>, PackError> {
    let text = std::fs::read_to_string(path).map_err(|source| PackError::Read { path: path.to_owned(), source })?;
    let list: PromptList =
        toml::from_str(&text).map_err(|source| PackError::Form { path: path.to_owned(), source: Box::new(source) })?;
    let entries = list.prompt.into_iter().map(|entry| (PromptName::new(entry.context, entry.key), entry.text));
    let prompts: Vec<_> = entries.collect();
    let mut seen = HashSet::new();
    let is_bad = |name: &PromptName| !is_word(&name.context) || !is_word(&name.key);
    match prompts.iter().map(|(name, _)| name).find(|name| is_bad(name) || !seen.insert(*name)) {
        Some(name) => Err(PackError::Name { path: path.to_owned(), name: name.clone() }),
        None => Ok(prompts),
    }
}

/// The names of the directories that may be those of languages, such as `fr` and `pt-br`; in their order.
fn languages(directory: &Utf8Path) -> io::Result<Vec<String>> {
    let mut languages = Vec::new();
    for entry in directory.read_dir_utf8()? {
        let entry = entry?;
        let name = entry.file_name();
        let is_code = name.len() <= 12 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if is_code && entry.file_type()?.is_dir() {
            languages.push(name.to_owned());
        }
    }
    languages.sort();
    Ok(languages)
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}
