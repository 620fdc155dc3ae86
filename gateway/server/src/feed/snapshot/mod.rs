//! Snapshots: the whole feed as compressed files, made in the background.

mod making;
mod press;
mod shelf;

use std::fs::File;

use audiospread_protocol::{Cursor, Version};

pub(super) use making::keep_fresh;
pub(super) use shelf::Shelf;

/// How the bytes of a snapshot are encoded for the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Zstandard.
    Zstd,
    /// gzip.
    Gzip,
    /// As they are.
    Identity,
}

/// The whole feed at a version, as one reader may see it: a put line an entity, a delete line a tombstone above the floor, the end line.
#[derive(Debug)]
pub struct Snapshot {
    /// The file, at its beginning. For [`Encoding::Identity`] it is the Zstandard file, to be decompressed while it is sent.
    pub file: File,
    /// The strong `ETag` of what is sent, with its quotes: of this encoding and scope.
    pub etag: String,
    /// The bytes of what is sent.
    pub size: u64,
    /// The bytes before compression.
    pub plain_size: u64,
    /// The version.
    pub version: Version,
    /// What its end line says to ask with next.
    pub cursor: Cursor,
}
