//! The cursor: where in a feed a reader stands, and proof that it stands in this feed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Sha256Digest;

/// A feed's version: 0 is the empty feed, each commit adds 1.
pub type Version = u64;

/// The identity of a feed's numbering: 64 random bits, made with the gateway's database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Epoch {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        hex_u64(text).map(Self)
    }
}

/// Where a reader stands: epoch, version, and the beginning of the digest of what the reader has at that version.
///
/// The check makes a restored gateway database, a changed scope, and a cursor of another feed visible: the gateway answers 410 to every
/// cursor it does not know. To clients the text is opaque.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The feed's identity.
    pub epoch: Epoch,
    /// The version up to which the reader has everything.
    pub version: Version,
    /// The first eight bytes of the digest at that version, as a big-endian number.
    pub check: u64,
}

/// The text is no cursor of ours.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("this is not a cursor of this feed: take a snapshot, and use the cursor of its last line")]
pub struct CursorError;

impl Cursor {
    /// The cursor at `version`, where the reader's state has the digest `digest`.
    pub fn new(epoch: Epoch, version: Version, digest: &Sha256Digest) -> Self {
        Self { epoch, version, check: u64::from_be_bytes(std::array::from_fn(|place| digest.0[place])) }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{:016x}", self.epoch, self.version, self.check)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let mut parts = text.split('-');
        let (Some(epoch), Some(version), Some(check), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(CursorError);
        };
        // One text for one cursor: "+7" and "007" are not ours.
        let version: Version = version.parse().map_err(|_| CursorError)?;
        let cursor = Self { epoch: epoch.parse()?, version, check: hex_u64(check)? };
        if cursor.to_string() == text { Ok(cursor) } else { Err(CursorError) }
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

fn hex_u64(text: &str) -> Result<u64, CursorError> {
    if text.len() != 16 || text.bytes().any(|b| !matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(CursorError);
    }
    u64::from_str_radix(text, 16).map_err(|_| CursorError)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_is_read_back_as_it_was_written(epoch: u64, version: u64, check: u64) {
            let cursor = Cursor { epoch: Epoch(epoch), version, check };
            prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }

        #[test]
        fn what_is_read_is_what_would_be_written(text in "\\PC*|[0-9a-f-]{30,50}") {
            if let Ok(cursor) = text.parse::<Cursor>() {
                prop_assert_eq!(cursor.to_string(), text);
            }
        }
    }
}
