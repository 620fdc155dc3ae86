//! The two codings of a telephone's wave, G.711, by their payload types in RTP (RFC 3551).

use audio_codec_algorithms::{decode_alaw, decode_ulaw, encode_alaw, encode_ulaw};

/// A coding: one byte a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// North America and Japan.
    Ulaw,
    /// The rest of the world.
    Alaw,
}

impl Codec {
    /// The one of a payload type.
    pub(crate) fn of(payload_type: u8) -> Option<Self> {
        match payload_type {
            0 => Some(Self::Ulaw),
            8 => Some(Self::Alaw),
            _ => None,
        }
    }

    pub(crate) fn payload_type(self) -> u8 {
        match self {
            Self::Ulaw => 0,
            Self::Alaw => 8,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ulaw => "PCMU",
            Self::Alaw => "PCMA",
        }
    }

    pub(crate) fn encode(self, sample: i16) -> u8 {
        match self {
            Self::Ulaw => encode_ulaw(sample),
            Self::Alaw => encode_alaw(sample),
        }
    }

    pub(crate) fn decode(self, byte: u8) -> i16 {
        match self {
            Self::Ulaw => decode_ulaw(byte),
            Self::Alaw => decode_alaw(byte),
        }
    }
}
