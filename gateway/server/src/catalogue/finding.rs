//! Findings: why something is not, or not well, on the phone, said to an editor.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::site::{Nid, Tid};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know; it takes care of itself.
    Info,
    /// It is on the phone, but not as somebody wanted.
    Warning,
    /// It is not on the phone.
    Error,
}

/// What a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// The site as a whole: its tables, settings, storage.
    Site,
    /// A node, by `nid`.
    Node(Nid),
    /// A term, by `tid`.
    Term(Tid),
    /// A prompt: `context/key@language`.
    Prompt(String),
}

/// Why something is not, or not well, on the phone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// Names the kind of finding, such as `no_category`; stable.
    #[schema(value_type = String)]
    pub code: std::borrow::Cow<'static, str>,
    /// How much it matters.
    pub severity: Severity,
    /// What it is about.
    pub subject: Subject,
    /// A sentence for an editor: what is the matter and what to do.
    pub message: String,
}

impl Finding {
    /// A finding of a code of ours.
    pub fn new(code: &'static str, severity: Severity, subject: Subject, message: impl Into<String>) -> Self {
        Self { code: code.into(), severity, subject, message: message.into() }
    }
}
