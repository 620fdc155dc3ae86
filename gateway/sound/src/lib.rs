//! What both hosts do with sounds that strangers made: decode them ([`decode()`]), make mp3s of them ([`Lame`]), and bound the processes in which
//! that happens ([`Bounds`]).
//!
//! It knows neither of the two hosts, no network and no database. What a sound is for, and what an error means for it, is the business of
//! those who ask.

mod bounds;
mod decode;
mod lame;
mod mix;
mod resample;
mod wave;

pub use bounds::{Bounds, Ended};
pub use decode::{DecodeError, Decoder, LONGEST_HOURS, decode};
pub use lame::{Lame, LameError, Source};
