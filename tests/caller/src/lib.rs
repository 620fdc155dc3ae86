//! A caller for tests: telephones by SIP and RTP over UDP, presses keys, speaks, and knows what it hears; it answers calls too, and sends
//! and takes text messages, so that to a phone server it is the whole network behind a trunk.
//!
//! It trusts the server: it is for loopback. What a crate does well is a crate's (RTP's packets, G.711, Fourier's transform, decoding,
//! resampling, wav); SIP, of which a caller needs little, is its own.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, clippy::float_cmp))]

mod account;
mod call;
mod codec;
mod dialog;
mod ear;
mod keys;
mod line;
mod media;
mod message;
mod session;
mod sound;
mod timeline;
mod tone;

pub use account::Account;
pub use call::{Call, CallError, Ringing};
pub use codec::Codec;
pub use ear::{Found, Hay, Pattern, SAME, position};
pub use line::{Line, Text};
pub use sound::{RATE, Sound, SoundError};
pub use tone::{TONE, tone};
