//! Compresses an answer in the encoding that was agreed on, so that each piece can be read by the client as soon as it arrives.

use std::fs::File;
use std::io::{self, Read as _, Write as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::follow::Sink;
use crate::feed::Encoding;

/// Level of both compressors: what a waiting reader is sent is short, and its memory is held for as long as it waits.
const ZSTD_LEVEL: i32 = 3;

/// An encoder whose output can be taken after each piece.
pub(crate) enum Encoder {
    Identity(Vec<u8>),
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl Encoder {
    /// An encoder to `encoding`.
    pub(crate) fn new(encoding: Encoding) -> io::Result<Self> {
        Ok(match encoding {
            Encoding::Identity => Self::Identity(Vec::new()),
            Encoding::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), Compression::default())),
            Encoding::Zstd => Self::Zstd(zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL)?),
        })
    }

    /// Encodes a piece, and returns bytes from which the client can decode all of it.
    pub(crate) fn flushed(&mut self, piece: &[u8]) -> io::Result<Bytes> {
        let produced = match self {
            Self::Identity(out) => {
                out.extend_from_slice(piece);
                out
            }
            Self::Gzip(encoder) => {
                encoder.write_all(piece)?;
                encoder.flush()?;
                encoder.get_mut()
            }
            Self::Zstd(encoder) => {
                encoder.write_all(piece)?;
                encoder.flush()?;
                encoder.get_mut()
            }
        };
        Ok(std::mem::take(produced).into())
    }

    /// Encodes the last piece, and ends the encoding.
    pub(crate) fn finished(self, piece: &[u8]) -> io::Result<Bytes> {
        let produced = match self {
            Self::Identity(mut out) => {
                out.extend_from_slice(piece);
                out
            }
            Self::Gzip(mut encoder) => {
                encoder.write_all(piece)?;
                encoder.finish()?
            }
            Self::Zstd(mut encoder) => {
                encoder.write_all(piece)?;
                encoder.finish()?
            }
        };
        Ok(produced.into())
    }
}

/// Sends `length` bytes from `start` on of what a Zstandard file holds, in pieces of this size.
pub(crate) fn unpressed(file: File, start: u64, length: u64, piece: usize, sink: &Sink) {
    if let Err(error) = send_unpressed(file, start, length, piece, sink) {
        // Nobody is there to hear it where the reader has left.
        let _ = sink.blocking_send(Err(error));
    }
}

fn send_unpressed(file: File, start: u64, length: u64, piece: usize, sink: &Sink) -> io::Result<()> {
    let mut decoder = zstd::stream::read::Decoder::new(file)?;
    io::copy(&mut decoder.by_ref().take(start), &mut io::sink())?;
    let mut wanted = decoder.take(length);
    loop {
        let mut bytes = Vec::with_capacity(piece);
        if wanted.by_ref().take(piece as u64).read_to_end(&mut bytes)? == 0
            || sink.blocking_send(Ok(bytes.into())).is_err()
        {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a client can read of a stream that goes on: all that decodes before the input ends.
    fn readable(encoding: Encoding, bytes: &[u8]) -> Vec<u8> {
        let mut decoder: Box<dyn io::Read> = match encoding {
            Encoding::Identity => Box::new(bytes),
            Encoding::Gzip => Box::new(flate2::read::GzDecoder::new(bytes)),
            Encoding::Zstd => Box::new(zstd::stream::read::Decoder::new(bytes).unwrap()),
        };
        let mut out = Vec::new();
        let mut piece = [0; 64];
        while let Ok(read) = decoder.read(&mut piece) {
            if read == 0 {
                break;
            }
            out.extend_from_slice(&piece[..read]);
        }
        out
    }

    #[test]
    fn each_piece_can_be_read_before_the_next_is_written() {
        for encoding in [Encoding::Identity, Encoding::Gzip, Encoding::Zstd] {
            let mut encoder = Encoder::new(encoding).unwrap();
            let mut sent = encoder.flushed(b"first\n").unwrap().to_vec();
            assert_eq!(readable(encoding, &sent), b"first\n", "{encoding:?}");
            sent.extend_from_slice(&encoder.flushed(b"second\n").unwrap());
            assert_eq!(readable(encoding, &sent), b"first\nsecond\n", "{encoding:?}");
            sent.extend_from_slice(&encoder.finished(b"end\n").unwrap());
            assert_eq!(readable(encoding, &sent), b"first\nsecond\nend\n", "{encoding:?}");
        }
    }
}
