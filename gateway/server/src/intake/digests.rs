//! The digests of a file.

use std::fs::File;
use std::io::{self, Read, Seek};

use audiospread_protocol::Sha256Digest;
use camino::Utf8Path;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// What a file's bytes are named by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Digests {
    /// Ours.
    pub(super) sha256: Sha256Digest,
    /// bitcache's.
    pub(super) sha1: [u8; 20],
}

/// The digests of a file's bytes. Blocks.
pub(super) fn digests_of(path: &Utf8Path) -> io::Result<Digests> {
    digests_of_open(&mut File::open(path)?)
}

/// The digests of an open file's bytes, from its beginning, where it then stands again. Blocks.
pub(super) fn digests_of_open(file: &mut File) -> io::Result<Digests> {
    let (mut sha256, mut sha1, mut piece) = (Sha256::new(), Sha1::new(), vec![0; 64 * 1024]);
    file.rewind()?;
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            break;
        }
        sha256.update(&piece[..read]);
        sha1.update(&piece[..read]);
    }
    file.rewind()?;
    Ok(Digests { sha256: Sha256Digest(sha256.finalize().into()), sha1: sha1.finalize().into() })
}
