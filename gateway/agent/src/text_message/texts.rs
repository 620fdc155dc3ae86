//! The texts that are the same for all: help, an unknown code, the number to call, that a call follows. Their words are in `texts.toml` of the
//! language packs, since a further language needs its words and nothing else.
//!
//! `%NUMBER%` becomes the number to call, `%CODE%` the code that came in: the dialplan puts them in. The other places are filled here.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use audiospread_protocol::Sha256Digest;
use camino::{Utf8Path, Utf8PathBuf};

use super::{fits, plain};

/// The keys of the texts that the dialplan asks for.
pub(crate) const KEYS: [&str; 4] = ["help", "unknown_code", "call_number", "call_back"];

/// What `help` is where it has no category to name.
const WITHOUT_CATEGORY: &str = "help_without_category";

/// The file in the directory of the language packs.
const FILE: &str = "texts.toml";

/// The file that is shipped: what an older copy of the packs has not is in here.
const SHIPPED: &str = include_str!("../../../../scripts/asterisk/packs/texts.toml");

/// The words by key, then language.
type Words = BTreeMap<String, BTreeMap<String, String>>;

/// Why the file of the packs, or a text in it, is not as it should be. Everything else in it is used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TextsError {
    /// It cannot be read.
    #[error("{path}: {source}; text messages say what is shipped")]
    Read {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not of its form.
    #[error("{path}: {source}; text messages say what is shipped")]
    Form {
        /// The file.
        path: Utf8PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// Nobody asks for it.
    #[error("{path}: no text is called {key}")]
    Unknown {
        /// The file.
        path: Utf8PathBuf,
        /// The name.
        key: String,
    },
    /// Telephones get it in pieces.
    #[error("{path}: {key} in {language} does not fit into one text message: make it shorter")]
    Long {
        /// The file.
        path: Utf8PathBuf,
        /// The text's name.
        key: String,
        /// Its language.
        language: String,
    },
}

/// All texts in all languages.
#[derive(Clone, Debug)]
pub(crate) struct Texts {
    /// Of the packs on this host, then those that are shipped.
    sources: Vec<Words>,
}

/// What of a site stands in the texts.
#[derive(Clone, Debug)]
pub(crate) struct Site<'a> {
    /// The language of those that are not translated.
    pub(crate) default_language: &'a str,
    /// The key before a code.
    pub(crate) code_key: &'a str,
    /// The words for categories that may be named, the best first.
    pub(crate) categories: &'a [String],
}

impl Texts {
    /// Reads the texts of the packs on this host, if there are any; and what is wrong with them.
    pub(crate) fn load(packs: Option<&Utf8Path>) -> (Self, Vec<TextsError>) {
        let (mut sources, mut faults) = (Vec::new(), Vec::new());
        if let Some(path) = packs.map(|packs| packs.join(FILE)) {
            match read(&path) {
                Ok(Some(words)) => {
                    faults = check(&path, &words);
                    sources.push(words);
                }
                Ok(None) => {}
                Err(error) => faults.push(error),
            }
        }
        // A test reads it as every agent does.
        sources.extend(toml::from_str(SHIPPED).ok());
        (Self { sources }, faults)
    }

    /// Tells these texts from others.
    pub(crate) fn digest(&self) -> Sha256Digest {
        Sha256Digest::of(format!("{:?}", self.sources).as_bytes())
    }

    /// A text in a language, else in the default language, else in English; with everything in its place but the number and the code.
    pub(crate) fn text(&self, key: &str, language: &str, site: &Site<'_>) -> String {
        let words = |key| self.words(key, language, site.default_language).replace("%CODE_KEY%", site.code_key);
        let text = words(key);
        if !text.contains(CATEGORY) {
            return plain(&text);
        }
        let with = |category: &str| plain(&text.replace(CATEGORY, category));
        let mut named = site.categories.iter().map(|category| with(category));
        named
            .find(|text| fits_when_filled(text))
            // One that is too long for any category is too long with the best.
            .or_else(|| site.categories.first().filter(|_| !fits_when_filled(&with(""))).map(|best| with(best)))
            .unwrap_or_else(|| plain(&words(WITHOUT_CATEGORY)))
    }

    fn words(&self, key: &str, language: &str, default: &str) -> &str {
        let family = |language| str::split(language, ['-', '_']).next().unwrap_or_default();
        [language, family(language), default, family(default), "en"]
            .into_iter()
            .find_map(|language| {
                let mut found = self.sources.iter().filter_map(|words| words.get(key)?.get(language));
                found.find(|text| !text.trim().is_empty())
            })
            .map_or("", String::as_str)
    }
}

const CATEGORY: &str = "%CATEGORY%";

/// Whether a text fits into one message with the longest number and code.
fn fits_when_filled(text: &str) -> bool {
    fits(&text.replace("%NUMBER%", "+221775550109").replace("%CODE%", "4294967295"))
}

/// `None`, if there is none.
fn read(path: &Utf8Path) -> Result<Option<Words>, TextsError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(TextsError::Read { path: path.to_owned(), source }),
    };
    let words =
        toml::from_str(&text).map_err(|source| TextsError::Form { path: path.to_owned(), source: Box::new(source) })?;
    Ok(Some(words))
}

fn check(path: &Utf8Path, words: &Words) -> Vec<TextsError> {
    let mut faults = Vec::new();
    for (key, texts) in words {
        if key != WITHOUT_CATEGORY && !KEYS.contains(&key.as_str()) {
            faults.push(TextsError::Unknown { path: path.to_owned(), key: key.clone() });
            continue;
        }
        for (language, text) in texts {
            let text = plain(&text.replace("%CODE_KEY%", "#").replace(CATEGORY, "HEALTH"));
            if !fits_when_filled(&text) {
                let (key, language) = (key.clone(), language.clone());
                faults.push(TextsError::Long { path: path.to_owned(), key, language });
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site<'a>(code_key: &'a str, categories: &'a [String]) -> Site<'a> {
        Site { default_language: "fr", code_key, categories }
    }

    /// The texts of a directory of packs with this file.
    fn texts_of(text: &str) -> (Texts, Vec<String>) {
        let directory = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(directory.path().to_owned()).unwrap();
        fs::write(path.join(FILE), text).unwrap();
        let (texts, faults) = Texts::load(Some(&path));
        (texts, faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_text_that_is_shipped_fits_into_one_message_with_the_longest_number_and_code() {
        let words: Words = toml::from_str(SHIPPED).unwrap();
        assert!(check("texts.toml".into(), &words).is_empty());
        assert!(KEYS.iter().chain([&WITHOUT_CATEGORY]).all(|key| words[*key].contains_key("en")));
        let (texts, faults) = Texts::load(None);
        assert!(faults.is_empty());
        let long = ["A".repeat(200), "B".repeat(60), "SANTE".to_owned()];
        for key in KEYS {
            for language in ["en", "fr", "fr-CA", "wo"] {
                for categories in [&[][..], &long[..1], &long] {
                    let text = texts.text(key, language, &site("*", categories));
                    assert!(!text.is_empty() && fits_when_filled(&text), "{key} {language}: {text}");
                    assert!(!text.replace("%NUMBER%", "").replace("%CODE%", "").contains('%'), "{text}");
                }
            }
        }
        assert_eq!(texts.text("help", "wo", &site("#", &long)), texts.text("help", "fr", &site("#", &long)));
    }

    #[test]
    fn a_third_language_needs_its_words_and_nothing_else_and_what_is_not_translated_is_in_the_default_language() {
        let (texts, faults) = texts_of("[call_back]\nwo = \"Dinanu la woo ci %CODE%.\"\n");
        assert!(faults.is_empty(), "{faults:?}");
        assert_eq!(texts.text("call_back", "wo", &site("#", &[])), "Dinanu la woo ci %CODE%.");
        assert!(texts.text("unknown_code", "wo", &site("#", &[])).contains("d'émission %CODE%"));
        let (shipped, _) = Texts::load(None);
        assert_ne!(texts.digest(), shipped.digest());
    }

    #[test]
    fn the_key_for_codes_and_the_category_are_those_of_the_site() {
        let (texts, _) = Texts::load(None);
        let categories = ["C".repeat(150), "CULTURES".to_owned()];
        assert!(texts.text("call_number", "en", &site("*", &categories)).contains("press *%CODE%#"));
        assert!(texts.text("help", "fr", &site("#", &categories)).contains("par exemple CULTURES,"));
        assert!(!texts.text("help", "fr", &site("#", &[])).contains("exemple"));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_and_the_rest_is_used() {
        let (texts, faults) =
            texts_of(&format!("[hlp]\nen = \"x\"\n[call_back]\nen = \"{}\"\nfr = \"oui\"\n", "a".repeat(161)));
        assert!(faults.len() == 2 && faults[0].contains("call_back in en") && faults[1].contains("hlp"), "{faults:?}");
        assert_eq!(texts.text("call_back", "fr", &site("#", &[])), "oui");
        let (texts, faults) = texts_of("help = 1");
        assert!(faults.len() == 1 && texts.text("help", "en", &site("#", &[])).starts_with("Send "), "{faults:?}");
    }
}
