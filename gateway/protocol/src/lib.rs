//! What the two hosts of AudioSpread say to each other.
//!
//! The types of the feed, the rule of its digest, and what phone servers send back, used by the gateway and by the agent; and the form in which
//! both say what is wrong on their host.
//! Nothing here reads or writes anything: no HTTP, no database, no files.

mod calls;
mod check;
mod cursor;
mod digest;
mod entity;
mod line;
pub mod numbers;
mod problem;
mod receipt;
mod recording;
mod tree;
mod value;

pub use calls::{CallBatch, CallRecord, CallsReceipt, Direction, Disposition, Listened, RefusedBecause, RefusedCall};
pub use check::{Check, Verdict};
pub use cursor::{Cursor, CursorError, Epoch, Version};
pub use digest::{DigestError, Sha256Digest};
pub use entity::{DeleteReason, EntityKey, KeyError, Kind};
pub use line::{Change, End, Line, LineError, Operation};
pub use numbers::NumberForms;
pub use problem::{Problem, ProblemCode};
pub use receipt::{Receipt, ReceiptError, UndecodableSound, WaitingEntity, WaitingState};
pub use recording::RecordingFacts;
pub use tree::{BUCKETS, Tree, bucket_hash, bucket_of, catalogue_digest, leaf_hash};
pub use value::{
    AudioRef, Category, CategorySounds, Keys, PhoneNumber, PhoneNumberError, PhoneRendition, Plan, Program,
    ProgramAudio, Prompt, PromptSource, Settings, Subscriber,
};
