//! Recordings: what a phone server tells the gateway of what a caller left.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{PhoneNumber, Sha256Digest};

/// What a caller left. The bytes are uploaded before, and named by their digests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordingFacts {
    /// Who left it; absent where the number was withheld.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false, pattern = "^[+][1-9][0-9]{6,14}$")]
    pub caller: Option<PhoneNumber>,
    /// When recording began, on the phone server.
    #[schema(value_type = String, format = DateTime)]
    pub recorded_at: Timestamp,
    /// The language of the call; may be empty.
    #[serde(default)]
    #[schema(max_length = 12, pattern = "^[A-Za-z0-9-]*$")]
    pub language: String,
    /// The id of the category that the caller chose; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^[1-9][0-9]{0,8}$")]
    pub category: Option<String>,
    /// Whether the caller hung up while recording.
    #[serde(default)]
    pub hung_up: bool,
    /// The spoken title; absent where the caller left none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false, pattern = "^[0-9a-f]{64}$")]
    pub title: Option<Sha256Digest>,
    /// The message.
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
    pub body: Sha256Digest,
}
