//! The checksum that a client sends with a piece of an upload.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// The algorithms that are understood, as tus names them.
pub const ALGORITHMS: &str = "sha1,sha256";

/// A checksum that bytes are to have.
pub struct Checksum {
    hasher: Hasher,
    expected: Vec<u8>,
}

enum Hasher {
    Sha1(Sha1),
    Sha256(Sha256),
}

/// The header is none of a checksum that is understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a checksum is `sha1` or `sha256`, a space, and the digest in base64")]
pub struct NoChecksum;

impl Checksum {
    /// Reads `Upload-Checksum`.
    ///
    /// # Errors
    /// [`NoChecksum`].
    pub fn read(header: &str) -> Result<Self, NoChecksum> {
        let (algorithm, digest) = header.trim().split_once(' ').ok_or(NoChecksum)?;
        let (hasher, length) = match algorithm {
            "sha1" => (Hasher::Sha1(Sha1::new()), 20),
            "sha256" => (Hasher::Sha256(Sha256::new()), 32),
            _ => return Err(NoChecksum),
        };
        let expected = BASE64_STANDARD.decode(digest.trim()).map_err(|_| NoChecksum)?;
        if expected.len() == length { Ok(Self { hasher, expected }) } else { Err(NoChecksum) }
    }

    /// Adds bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        match &mut self.hasher {
            Hasher::Sha1(hasher) => hasher.update(bytes),
            Hasher::Sha256(hasher) => hasher.update(bytes),
        }
    }

    /// Whether the bytes have it.
    pub fn holds(self) -> bool {
        match self.hasher {
            Hasher::Sha1(hasher) => hasher.finalize().as_slice() == self.expected,
            Hasher::Sha256(hasher) => hasher.finalize().as_slice() == self.expected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(header: &str, bytes: &[u8]) -> Result<bool, NoChecksum> {
        let mut checksum = Checksum::read(header)?;
        bytes.chunks(2).for_each(|piece| checksum.add(piece));
        Ok(checksum.holds())
    }

    #[test]
    fn a_checksum_is_that_of_all_bytes_together() {
        assert_eq!(holds("sha1 qZk+NkcGgWq6PiVxeFDCbJzQ2J0=", b"abc"), Ok(true));
        assert_eq!(holds("sha1 qZk+NkcGgWq6PiVxeFDCbJzQ2J0=", b"abd"), Ok(false));
        assert_eq!(holds("sha256 ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=", b"abc"), Ok(true));
    }

    #[test]
    fn other_algorithms_and_digests_of_another_length_are_none() {
        for header in [
            "",
            "sha1",
            "md5 kAFQmDzST7DWlj99KOF/cg==",
            "sha1 !",
            "sha256 qZk+NkcGgWq6PiVxeFDCbJzQ2J0=",
            "SHA1 qZk+NkcGgWq6PiVxeFDCbJzQ2J0=",
        ] {
            assert_eq!(holds(header, b"abc"), Err(NoChecksum), "{header}");
        }
    }
}
