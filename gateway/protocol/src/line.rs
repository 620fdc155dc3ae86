//! The lines of the feed: one JSON object a line, `value` its last member.
//!
//! A value is carried as the exact bytes that were sent, since the digest is over bytes; it is never parsed and written again on the way.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{Cursor, DeleteReason, EntityKey, KeyError, Sha256Digest, Version};

/// One line of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// An entity's last change.
    Change(Change),
    /// Nothing happened so far; the connection lives.
    Heartbeat(Cursor),
    /// The answer is whole.
    End(End),
}

/// An entity's last change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The version in which it happened.
    pub version: Version,
    /// The entity.
    pub key: EntityKey,
    /// What happened to it.
    pub operation: Operation,
}

/// What happened to an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// It is now this: the exact bytes of its JSON value, without a line feed.
    Put(Box<[u8]>),
    /// It is not on the phone any more.
    Delete(DeleteReason),
}

/// The last line of an answer: where the reader now stands, and what it must have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct End {
    /// What to ask with next, as `since`.
    #[schema(value_type = String)]
    pub cursor: Cursor,
    /// The number of change lines in this answer.
    pub changes: u64,
    /// The number of entities of the catalogue at the cursor's version.
    pub count: u64,
    /// The digest of the catalogue at the cursor's version: `sha256:` and 64 hexadecimal digits.
    #[serde(with = "prefixed")]
    #[schema(value_type = String, pattern = "^sha256:[0-9a-f]{64}$")]
    pub digest: Sha256Digest,
}

/// Why a line is none of the feed's.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// The line is no JSON object with the members of a line.
    #[error("a line of the feed is not of the form that the contract gives: {0}")]
    Form(#[from] serde_json::Error),
    /// Kind or id cannot name an entity.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A put without a value, or a delete without a reason.
    #[error("a line of the feed has neither the value of a put nor the reason of a delete")]
    Incomplete,
}

#[derive(Serialize)]
struct Written<'a> {
    version: Version,
    kind: &'a str,
    id: &'a str,
    op: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<DeleteReason>,
}

#[derive(Deserialize)]
struct Read<'a> {
    kind: &'a str,
    #[serde(default)]
    version: Version,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    op: Option<&'a str>,
    #[serde(default)]
    reason: Option<DeleteReason>,
    #[serde(default, borrow)]
    value: Option<&'a RawValue>,
}

#[derive(Serialize, Deserialize)]
struct HeartbeatLine {
    cursor: Cursor,
}

impl Line {
    /// Writes the line with its line feed.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Change(change) => change.write_to(out),
            Self::Heartbeat(cursor) => writeln!(out, r#"{{"kind":"heartbeat","cursor":"{cursor}"}}"#),
            Self::End(end) => writeln!(
                out,
                r#"{{"kind":"end","cursor":"{}","changes":{},"count":{},"digest":"sha256:{}"}}"#,
                end.cursor, end.changes, end.count, end.digest
            ),
        }
    }

    /// Reads a line, with or without its line feed. Members that it does not know are passed over.
    ///
    /// # Errors
    /// [`LineError`] if the line is none of the feed's.
    pub fn read(line: &[u8]) -> Result<Self, LineError> {
        let read: Read<'_> = serde_json::from_slice(line)?;
        match read.kind {
            "heartbeat" => Ok(Self::Heartbeat(serde_json::from_slice::<HeartbeatLine>(line)?.cursor)),
            "end" => Ok(Self::End(serde_json::from_slice(line)?)),
            kind => {
                let key = EntityKey::new(kind.parse()?, read.id.ok_or(LineError::Incomplete)?)?;
                let operation = match (read.op, read.value, read.reason) {
                    (Some("put"), Some(value), _) => Operation::Put(value.get().as_bytes().into()),
                    (Some("delete"), _, Some(reason)) => Operation::Delete(reason),
                    _ => return Err(LineError::Incomplete),
                };
                Ok(Self::Change(Change { version: read.version, key, operation }))
            }
        }
    }
}

impl Change {
    /// Writes the change as a line of the feed, with its line feed.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        let (op, reason) = match &self.operation {
            Operation::Put(_) => ("put", None),
            Operation::Delete(reason) => ("delete", Some(*reason)),
        };
        let head = Written { version: self.version, kind: self.key.kind().as_str(), id: self.key.id(), op, reason };
        let head = serde_json::to_vec(&head)?;
        match &self.operation {
            Operation::Put(value) => {
                out.write_all(&head[..head.len() - 1])?;
                out.write_all(br#","value":"#)?;
                out.write_all(value)?;
                out.write_all(b"}\n")
            }
            Operation::Delete(_) => {
                out.write_all(&head)?;
                out.write_all(b"\n")
            }
        }
    }
}

mod prefixed {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::Sha256Digest;

    pub(super) fn serialize<S: Serializer>(digest: &Sha256Digest, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("sha256:{digest}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Sha256Digest, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let digits =
            text.strip_prefix("sha256:").ok_or_else(|| serde::de::Error::custom("a digest begins with sha256:"))?;
        digits.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Epoch, Kind};

    fn written(line: &Line) -> Vec<u8> {
        let mut out = Vec::new();
        line.write_to(&mut out).unwrap();
        out
    }

    fn any_line() -> impl Strategy<Value = Line> {
        let cursor = || {
            (any::<u64>(), any::<u64>(), any::<u64>()).prop_map(|(epoch, version, check)| Cursor {
                epoch: Epoch(epoch),
                version,
                check,
            })
        };
        let operation = prop_oneof![
            "\\PC{0,30}".prop_map(|title| {
                Operation::Put(serde_json::to_vec(&serde_json::json!({ "title": title })).unwrap().into())
            }),
            Just(Operation::Delete(DeleteReason::NoAudio)),
        ];
        prop_oneof![
            cursor().prop_map(Line::Heartbeat),
            (cursor(), any::<u64>(), any::<u64>(), any::<[u8; 32]>()).prop_map(|(cursor, changes, count, digest)| {
                Line::End(End { cursor, changes, count, digest: Sha256Digest(digest) })
            }),
            (any::<u64>(), "[\\PC&&[^\\p{Cc}]]{1,40}", operation).prop_map(|(version, id, operation)| {
                Line::Change(Change { version, key: EntityKey::new(Kind::Prompt, id).unwrap(), operation })
            }),
        ]
    }

    proptest! {
        #[test]
        fn a_line_is_read_back_as_it_was_written(line in any_line()) {
            prop_assert_eq!(Line::read(&written(&line)).unwrap(), line);
        }

        #[test]
        fn foreign_bytes_are_refused_without_a_panic(bytes: Vec<u8>) {
            let _ = Line::read(&bytes);
        }
    }

    #[test]
    fn the_value_keeps_its_very_bytes() {
        let line =
            br#"{"version":7,"kind":"program","id":"171","op":"put","later":1,"value":{"b": 1.0,  "a":"\u00e9"}}"#;
        let Line::Change(Change { operation: Operation::Put(value), .. }) = Line::read(line).unwrap() else {
            panic!("no put");
        };
        assert_eq!(&*value, br#"{"b": 1.0,  "a":"\u00e9"}"#);
    }

    #[test]
    fn a_deletion_is_written_as_the_contract_shows_it() {
        let line = Line::Change(Change {
            version: 8,
            key: EntityKey::numbered(Kind::Program, 229),
            operation: Operation::Delete(DeleteReason::Unpublished),
        });
        assert_eq!(
            written(&line),
            b"{\"version\":8,\"kind\":\"program\",\"id\":\"229\",\"op\":\"delete\",\"reason\":\"unpublished\"}\n"
        );
    }
}
