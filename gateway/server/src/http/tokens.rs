//! Tokens: who may ask the gateway for what.
//!
//! A token is 256 random bits, written in letters that travel unchanged in a URL (Drupal does not decode them). The gateway keeps the SHA-256
//! of each, never the token: whoever reads the file cannot use it. The file is read again when it changes. How a request carries its token
//! is the business of `authorization`.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use audiospread_protocol::Sha256Digest;
use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

/// What a token may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Reading the feed, and how the gateway is doing.
    Feed,
    /// Subscribers, with their numbers, among what the feed says.
    Subscribers,
    /// Fetching audio by digest.
    Blobs,
    /// Handing in recordings.
    Recordings,
    /// Handing in call records.
    Calls,
    /// Findings, refreshes, metrics.
    Admin,
}

impl Scope {
    /// The name in the token file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Feed => "feed",
            Self::Subscribers => "subscribers",
            Self::Blobs => "blobs",
            Self::Recordings => "recordings",
            Self::Calls => "calls",
            Self::Admin => "admin",
        }
    }
}

/// A token that the gateway knows.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Whose it is, such as the phone server's name; two may have one name, so that one can replace the other.
    pub name: String,
    /// The SHA-256 of the token.
    pub sha256: Sha256Digest,
    /// What it may be used for.
    pub scopes: BTreeSet<Scope>,
}

impl Token {
    /// What the token file keeps of a token.
    pub fn hash(token: &str) -> Sha256Digest {
        Sha256Digest::of(token.as_bytes())
    }

    /// Whether the token may be used for `scope`.
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}

/// Why a token file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// It cannot be read.
    #[error("cannot read the token file {path}: {source}")]
    Read {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not of the form of a token file.
    #[error("{path} is no valid token file: {source}")]
    Form {
        /// The file.
        path: Utf8PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// One token stands twice, so that its scopes are anybody's guess.
    #[error("{path}: the token of {name:?} stands there twice; take one of the entries out")]
    Twice {
        /// The file.
        path: Utf8PathBuf,
        /// The name at the second place.
        name: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenFile {
    #[serde(default)]
    token: Vec<Token>,
}

/// The tokens of a file, read again when it changes.
#[derive(Debug)]
pub struct Tokens {
    path: Utf8PathBuf,
    known: ArcSwap<Vec<Arc<Token>>>,
    seen: Mutex<Stamp>,
}

/// By what a changed file is told from an unchanged one; `None` where there is no file.
type Stamp = Option<(u64, u64, i64, i64)>;

impl Tokens {
    /// Reads the token file.
    ///
    /// # Errors
    /// [`TokensError`] with the file, the place and what is wrong.
    pub fn load(path: impl Into<Utf8PathBuf>) -> Result<Self, TokensError> {
        let path = path.into();
        // The stamp before the text: a change in between is seen at the next look, never missed.
        let seen = Mutex::new(stamp(&path));
        let known = ArcSwap::from_pointee(read(&path)?);
        Ok(Self { path, known, seen })
    }

    /// The entry of a token, if it is known. Takes the same time for every token that is not.
    pub fn find(&self, token: &str) -> Option<Arc<Token>> {
        self.read_again_if_changed();
        let presented = Token::hash(token);
        let known = self.known.load();
        let mut place = u64::MAX;
        for (index, entry) in (0..).zip(known.iter()) {
            let same: Choice = entry.sha256.0.ct_eq(&presented.0);
            place.conditional_assign(&index, same);
        }
        known.get(usize::try_from(place).ok()?).cloned()
    }

    /// Whether an entry still stands in the file as it did when it was found.
    pub fn still_has(&self, entry: &Token) -> bool {
        self.read_again_if_changed();
        self.known.load().iter().any(|known| **known == *entry)
    }

    fn read_again_if_changed(&self) {
        let now = stamp(&self.path);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == now {
            return;
        }
        *seen = now;
        match read(&self.path) {
            Ok(tokens) => {
                tracing::info!(count = tokens.len(), "the token file has changed and was read again");
                self.known.store(Arc::new(tokens));
            }
            Err(error) => tracing::error!(%error, "the tokens known before stay in force"),
        }
    }
}

fn stamp(path: &Utf8Path) -> Stamp {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.ino(), metadata.size(), metadata.ctime(), metadata.ctime_nsec()))
}

fn read(path: &Utf8Path) -> Result<Vec<Arc<Token>>, TokensError> {
    let text = fs::read_to_string(path).map_err(|source| TokensError::Read { path: path.to_owned(), source })?;
    let file: TokenFile = toml::from_str(&text)
        .map_err(|source| TokensError::Form { path: path.to_owned(), source: Box::new(source) })?;
    let mut digests = HashSet::new();
    for token in &file.token {
        if !digests.insert(token.sha256) {
            return Err(TokensError::Twice { path: path.to_owned(), name: token.name.clone() });
        }
    }
    Ok(file.token.into_iter().map(Arc::new).collect())
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn entry(name: &str, token: &str, scopes: &str) -> String {
        format!("[[token]]\nname = \"{name}\"\nsha256 = \"{}\"\nscopes = [{scopes}]\n", Token::hash(token))
    }

    fn file_with(text: &str) -> (tempfile::TempDir, Utf8PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(directory.path().join("tokens.toml")).unwrap();
        fs::write(&path, text).unwrap();
        (directory, path)
    }

    #[test]
    fn a_known_token_is_found_with_its_scopes() {
        let mut text = String::new();
        for number in 0..20 {
            text.write_str(&entry("other", &format!("other-{number}"), "\"blobs\"")).unwrap();
        }
        text.push_str(&entry("town", "secret", "\"feed\", \"subscribers\""));
        let (_directory, path) = file_with(&text);
        let tokens = Tokens::load(path).unwrap();
        let found = tokens.find("secret").unwrap();
        assert_eq!(found.name, "town");
        assert!(found.allows(Scope::Feed) && found.allows(Scope::Subscribers) && !found.allows(Scope::Blobs));
        assert!(tokens.find("other-0").unwrap().allows(Scope::Blobs));
        assert_eq!(tokens.find("secreT"), None);
        assert_eq!(tokens.find(""), None);
    }

    #[test]
    fn two_tokens_of_one_name_are_valid_at_once() {
        let (_directory, path) = file_with(&(entry("town", "old", "\"feed\"") + &entry("town", "new", "\"feed\"")));
        let tokens = Tokens::load(path).unwrap();
        assert!(tokens.find("old").is_some() && tokens.find("new").is_some());
    }

    #[test]
    fn a_changed_file_is_in_force_at_once() {
        let (_directory, path) = file_with(&entry("town", "old", "\"feed\""));
        let tokens = Tokens::load(path.clone()).unwrap();
        let old = tokens.find("old").unwrap();
        fs::write(&path, entry("town", "new", "\"feed\"")).unwrap();
        assert!(tokens.find("new").is_some());
        assert_eq!(tokens.find("old"), None);
        assert!(!tokens.still_has(&old));
    }

    #[test]
    fn a_file_spoilt_while_the_gateway_runs_changes_nothing() {
        let (_directory, path) = file_with(&entry("town", "old", "\"feed\""));
        let tokens = Tokens::load(path.clone()).unwrap();
        fs::write(&path, "[[token]]\nname = ").unwrap();
        assert!(tokens.find("old").is_some());
        fs::remove_file(&path).unwrap();
        assert!(tokens.find("old").is_some());
        fs::write(&path, entry("town", "new", "\"feed\"")).unwrap();
        assert!(tokens.find("new").is_some());
    }

    #[test]
    fn a_faulty_file_is_refused_with_the_place_and_the_reason() {
        for (text, expected) in [
            (entry("town", "a", "\"everything\""), "unknown variant `everything`, expected one of `feed`"),
            ("[[token]]\nname = \"a\"\nsha256 = \"abc\"\nscopes = []\n".into(), "64 lower-case hexadecimal digits"),
            ("[[token]]\nname = \"a\"\nscopes = []\n".into(), "missing field `sha256`"),
            ("[[tokens]]\n".into(), "unknown field `tokens`"),
            (entry("a", "same", "\"feed\"") + &entry("b", "same", "\"admin\""), "\"b\" stands there twice"),
        ] {
            let (_directory, path) = file_with(&text);
            let message = Tokens::load(path).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
        let message = Tokens::load("/nowhere/tokens.toml").unwrap_err().to_string();
        assert!(message.starts_with("cannot read the token file /nowhere/tokens.toml"), "{message}");
    }
}
