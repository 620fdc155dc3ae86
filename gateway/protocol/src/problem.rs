//! The problems that the gateway answers with (RFC 9457), from one table.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Sha256Digest;

/// An error as `application/problem+json` (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Names the problem: `urn:audiospread:problem:` and its code.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the problem is, in few words; the same for each occurrence.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time, and what to do about it.
    pub detail: String,
    /// The digests of the bytes that it is about, where it is about some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub digests: Vec<Sha256Digest>,
}

macro_rules! problem_codes {
    ($($(#[$doc:meta])+ $variant:ident = ($code:literal, $status:literal, $title:literal);)+) => {
        /// The code of a problem, its HTTP status and its title.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ProblemCode {
            $($(#[$doc])+ $variant,)+
        }

        impl ProblemCode {
            /// All codes, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The code: the end of the problem's type.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// The HTTP status.
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)+ }
            }

            /// What the problem is, in few words.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }
        }
    };
}

problem_codes! {
    /// The request is not of the form that the contract gives.
    BadRequest = ("bad_request", 400, "The request is not well formed");
    /// No token, or none that is known.
    Unauthorized = ("unauthorized", 401, "A valid token is needed");
    /// The token lacks the scope.
    Forbidden = ("forbidden", 403, "The token does not have the scope");
    /// There is no such thing.
    NotFound = ("not_found", 404, "Not found");
    /// The method is not one of those of the resource.
    MethodNotAllowed = ("method_not_allowed", 405, "The method is not allowed here");
    /// The client accepts no encoding in which the answer exists.
    NotAcceptable = ("not_acceptable", 406, "No acceptable encoding");
    /// What is there is another thing than the request supposes.
    Conflict = ("conflict", 409, "What is there differs");
    /// Bytes that a recording names were not uploaded, or have expired.
    MissingUploads = ("missing_uploads", 409, "Bytes are to be uploaded again");
    /// The cursor is not one that the gateway knows, or the delta would be larger than the snapshot.
    TakeSnapshot = ("take_snapshot", 410, "Take a snapshot");
    /// The protocol of uploads is spoken in another version.
    OtherVersion = ("other_version", 412, "Another version of the protocol");
    /// The body is larger than what is accepted.
    TooLarge = ("too_large", 413, "The body is too large");
    /// The body is of a type that is not understood.
    UnsupportedMediaType = ("unsupported_media_type", 415, "The type of the body is not understood");
    /// The range is outside the blob.
    RangeNotSatisfiable = ("range_not_satisfiable", 416, "The range cannot be satisfied");
    /// The sounds of a recording cannot be used.
    UnusableRecording = ("unusable_recording", 422, "The recording cannot be used");
    /// Too many requests from one client.
    TooManyRequests = ("too_many_requests", 429, "Too many requests");
    /// Bytes were damaged on their way.
    ChecksumMismatch = ("checksum_mismatch", 460, "The bytes do not have their checksum");
    /// A fault of the gateway's.
    Internal = ("internal", 500, "The gateway has a fault");
    /// Something the gateway needs is away for the moment.
    Unavailable = ("unavailable", 503, "Try again later");
    /// The snapshot is not made yet.
    SnapshotPending = ("snapshot_pending", 503, "The snapshot is being made");
}

impl ProblemCode {
    /// What precedes the code in a problem's type.
    pub const TYPE_PREFIX: &'static str = "urn:audiospread:problem:";

    /// The problem of this code, with what happened this time and what to do about it.
    pub fn problem(self, detail: impl Into<String>) -> Problem {
        Problem {
            kind: format!("{}{}", Self::TYPE_PREFIX, self.code()),
            title: self.title().to_owned(),
            status: self.status(),
            detail: detail.into(),
            digests: Vec::new(),
        }
    }
}

impl Problem {
    /// The code, where it is one of ours.
    pub fn code(&self) -> Option<ProblemCode> {
        let code = self.kind.strip_prefix(ProblemCode::TYPE_PREFIX)?;
        ProblemCode::ALL.iter().copied().find(|known| known.code() == code)
    }
}
