//! The digest of a file.

use std::fs::File;
use std::io::{self, Read};

use audiospread_protocol::Sha256Digest;
use camino::Utf8Path;
use sha2::{Digest, Sha256};

/// The SHA-256 of a file's bytes.
pub(super) fn sha256_of(path: &Utf8Path) -> io::Result<Sha256Digest> {
    let (mut file, mut hasher, mut piece) = (File::open(path)?, Sha256::new(), vec![0; 64 * 1024]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(Sha256Digest(hasher.finalize().into())),
            read => hasher.update(&piece[..read]),
        }
    }
}
