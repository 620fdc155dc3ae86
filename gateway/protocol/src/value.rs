//! The values of the feed's entities, as they stand on its lines.
//!
//! Members are written in the order of the fields; what is missing is absent, except where `null` has a meaning of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use crate::Sha256Digest;

/// Audio, named by the SHA-256 of its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub struct AudioRef {
    /// The SHA-256 of the bytes: the blob's name.
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
    pub sha256: Sha256Digest,
    /// Size in bytes.
    pub size: u64,
    /// Media type by content, such as `audio/mpeg`.
    pub mime: String,
    /// Length in milliseconds.
    pub duration_ms: u64,
    /// The same for slow links; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<PhoneRendition>,
}

/// The same sound as the telephone carries it: mp3, one channel, at most 24 kbit/s.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub struct PhoneRendition {
    /// The SHA-256 of the bytes: the blob's name.
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
    pub sha256: Sha256Digest,
    /// Size in bytes.
    pub size: u64,
    /// Media type, `audio/mpeg`.
    pub mime: String,
    /// Length in milliseconds.
    pub duration_ms: u64,
}

impl PhoneRendition {
    /// The rendition as audio of its own.
    pub fn audio(&self) -> AudioRef {
        let Self { sha256, size, mime, duration_ms } = self.clone();
        AudioRef { sha256, size, mime, duration_ms, phone: None }
    }
}

/// A published node with a spoken body in one or more categories.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Program {
    /// The node's title, with telephone numbers masked.
    pub title: String,
    /// The language's code.
    pub language: String,
    /// The `nid` of the translation set's source node.
    pub translation_set: Option<String>,
    /// The ids of the categories it is in, in ascending order of number.
    pub categories: Vec<String>,
    /// Lighter programs come first.
    pub weight: i32,
    /// When the node was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When the node was last saved.
    #[schema(value_type = String, format = DateTime)]
    pub changed_at: Timestamp,
    /// What is heard.
    pub audio: ProgramAudio,
}

/// The sounds of a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProgramAudio {
    /// The spoken title; a program without one is announced by the prompt `programs/untitled` and its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<AudioRef>,
    /// The program itself.
    pub body: AudioRef,
}

/// A taxonomy term of the phone's vocabulary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Category {
    /// The term's name.
    pub name: String,
    /// The term's description.
    pub description: String,
    /// The ids of the categories it is below; empty at the top level. `0` among others: at the top level as well.
    pub parents: Vec<String>,
    /// Its place, from 0, in the order in which Drupal's `taxonomy_get_tree` first meets it.
    pub position: u32,
    /// Its sounds, by language.
    pub audio: BTreeMap<String, CategorySounds>,
}

/// The sounds of a category in one language.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CategorySounds {
    /// Its name, spoken in the menu above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<AudioRef>,
    /// What is heard before its items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<AudioRef>,
    /// What is heard after its items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub footer: Option<AudioRef>,
}

/// One sound of a menu in one language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Prompt {
    /// The menu: home, recording, categories, programs, playing, support, or minimals for the digits.
    pub context: String,
    /// The sound's name within the menu.
    pub key: String,
    /// The language's code.
    pub language: String,
    /// Whose sound it is.
    pub source: PromptSource,
    /// What is heard.
    pub audio: AudioRef,
}

/// Where a prompt's sound comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PromptSource {
    /// Recorded by the site's editors.
    Site,
    /// From the language pack in this language.
    Pack,
    /// From the language pack in the site's default language.
    Default,
}

/// What a caller pays for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Plan {
    /// Called back at the site's cost.
    Premium,
    /// Pays the call.
    Standard,
}

/// A telephone number in E.164 form: `+` and 7 to 15 digits, the first of them not 0.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhoneNumber(Box<str>);

/// The text is no telephone number in E.164 form.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a telephone number in E.164 form, such as +221775550109")]
pub struct PhoneNumberError;

impl PhoneNumber {
    /// The number with its `+`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PhoneNumber {
    type Err = PhoneNumberError;

    fn from_str(text: &str) -> Result<Self, PhoneNumberError> {
        let digits = text.strip_prefix('+').ok_or(PhoneNumberError)?;
        let well_formed =
            (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
        if well_formed { Ok(Self(text.into())) } else { Err(PhoneNumberError) }
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Masked: numbers of callers do not belong into logs.
impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.len().saturating_sub(2);
        write!(f, "{}…{}", &self.0[..4], &self.0[shown..])
    }
}

impl Serialize for PhoneNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for PhoneNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What the phone needs of a subscriber; nothing else of a subscriber leaves the site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Subscriber {
    /// The numbers by which the subscriber is known, in E.164 form.
    #[schema(value_type = Vec<String>)]
    pub numbers: Vec<PhoneNumber>,
    /// What the subscriber pays for.
    pub plan: Plan,
    /// The language's code.
    pub language: String,
    /// Seconds left; `null` is unlimited; may be negative.
    pub balance_seconds: Option<i64>,
}

/// What holds for the whole site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Settings {
    /// The language for callers of whom none is known.
    pub default_language: String,
    /// The languages of the menus.
    pub languages: Vec<String>,
    /// The ids of the categories of the home menu; empty: those of the top level.
    pub home_categories: Vec<String>,
    /// How many items a menu reads out before it offers the next page.
    pub menu_page_size: u32,
    /// The keys of the telephone.
    pub keys: Keys,
}

/// Which key does what, by action: in menus, and while a program plays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Keys {
    /// In menus: `help`, `language`, `next_page`, `up`, `code`.
    pub menu: BTreeMap<String, String>,
    /// While a program plays: `restart`, `bookmark`, `stop`, `rewind`, `play_pause`, `forward`, `previous`, `language`, `next`, `help`, `up`.
    pub playing: BTreeMap<String, String>,
}
