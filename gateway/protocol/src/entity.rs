//! What the feed is about: entities of five kinds, each named by kind and id.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, format_smolstr};
use utoipa::ToSchema;

/// The kind of an entity of the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// What is said for everybody: languages, keys, the home menu. There is one, with the id `site`.
    Settings,
    /// One sound of a menu in one language; the id is `context/key@language`.
    Prompt,
    /// A category with its sounds; the id is the taxonomy term's `tid`.
    Category,
    /// A program; the id is the node's `nid`.
    Program,
    /// A phone subscriber; the id is the node's `nid`. Only for tokens with the scope `subscribers`.
    Subscriber,
}

impl Kind {
    /// All kinds, in the order in which a phone server wants them.
    pub const ALL: [Self; 5] = [Self::Settings, Self::Prompt, Self::Category, Self::Program, Self::Subscriber];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Prompt => "prompt",
            Self::Category => "category",
            Self::Program => "program",
            Self::Subscriber => "subscriber",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(KeyError::UnknownKind)
    }
}

/// Names an entity: its kind, and its id within the kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityKey {
    kind: Kind,
    // Nearly all ids are short, and there are millions: these have no memory beside the key.
    id: SmolStr,
}

/// Why a kind or an id cannot name an entity.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyError {
    /// The kind is none of [`Kind::ALL`].
    #[error("the kind is none of settings, prompt, category, program, subscriber")]
    UnknownKind,
    /// The id is empty, longer than [`EntityKey::MAX_ID`] bytes, or has a control character.
    #[error("an id has 1 to 191 bytes and no control characters")]
    BadId,
}

impl EntityKey {
    /// The longest id, in bytes.
    pub const MAX_ID: usize = 191;

    /// Names an entity.
    ///
    /// # Errors
    /// [`KeyError::BadId`] if `id` is empty, too long, or has a control character (the digest's rule joins by line feeds).
    pub fn new(kind: Kind, id: impl Into<SmolStr>) -> Result<Self, KeyError> {
        let id = id.into();
        if id.is_empty() || id.len() > Self::MAX_ID || id.chars().any(char::is_control) {
            return Err(KeyError::BadId);
        }
        Ok(Self { kind, id })
    }

    /// Names an entity whose id is a number of Drupal's: a node's `nid` or a term's `tid`.
    pub fn numbered(kind: Kind, id: u32) -> Self {
        Self { kind, id: format_smolstr!("{id}") }
    }

    /// Names the settings, of which there is one.
    pub fn settings() -> Self {
        Self { kind: Kind::Settings, id: SmolStr::new_static("site") }
    }

    /// The kind.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The id within the kind.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The id as a number of Drupal's, where it is one.
    pub fn number(&self) -> Option<u32> {
        self.id.parse().ok()
    }
}

impl fmt::Display for EntityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.id)
    }
}

/// Why an entity that was on the phone is not there any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeleteReason {
    /// The node is there, but not published.
    Unpublished,
    /// The node or term is gone.
    Deleted,
    /// The program is in no category that callers can reach.
    NoCategory,
    /// Its audio is missing or no audio.
    NoAudio,
    /// The subscriber has no usable number left.
    NoNumber,
}

impl DeleteReason {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unpublished => "unpublished",
            Self::Deleted => "deleted",
            Self::NoCategory => "no_category",
            Self::NoAudio => "no_audio",
            Self::NoNumber => "no_number",
        }
    }
}

impl fmt::Display for DeleteReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for DeleteReason {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        [Self::Unpublished, Self::Deleted, Self::NoCategory, Self::NoAudio, Self::NoNumber]
            .into_iter()
            .find(|reason| reason.as_str() == text)
            .ok_or(KeyError::UnknownKind)
    }
}
