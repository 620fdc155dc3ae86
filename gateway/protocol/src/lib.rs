//! What the two hosts of AudioSpread say to each other.
//!
//! The types of the feed and the rule of its digest, used by the gateway that writes them and by the agent that reads them.
//! Nothing here reads or writes anything: no HTTP, no database, no files.

mod cursor;
mod digest;
mod entity;
mod line;
pub mod numbers;
mod problem;
mod tree;
mod value;

pub use cursor::{Cursor, CursorError, Epoch, Version};
pub use digest::{DigestError, Sha256Digest};
pub use entity::{DeleteReason, EntityKey, KeyError, Kind};
pub use line::{Change, End, Line, LineError, Operation};
pub use numbers::NumberForms;
pub use problem::{Problem, ProblemCode};
pub use tree::{BUCKETS, Tree, bucket_hash, bucket_of, catalogue_digest, leaf_hash};
pub use value::{
    AudioRef, Category, CategorySounds, Keys, PhoneNumber, PhoneNumberError, Plan, Program, ProgramAudio, Prompt,
    PromptSource, Settings, Subscriber,
};
