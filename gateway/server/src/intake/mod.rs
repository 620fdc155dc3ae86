//! What callers left: bytes that come in pieces, and the recordings they make.
//!
//! It knows no HTTP. The bytes go into Drupal's storage where that can be; rows and nodes are made by Drupal's module, which is told what waits.

mod checksum;
mod digests;
mod drupal_storage;
mod examine;
mod examiner;
mod moderation;
mod parts;
mod placing;
mod recordings;
mod rows;
mod scripts;
mod settling;
mod spot;
mod uploads;
mod wake;

pub use checksum::{ALGORITHMS, Checksum, NoChecksum};
pub use drupal_storage::DrupalStorage;
pub use examine::{Sound, Unusable, examine_bounded};
pub use examiner::{ExamineError, Examiner};
pub use moderation::{AskError, Standing as Moderation, State};
pub(crate) use placing::SoundError;
pub use recordings::{Part, Recordings, SubmitError, Submitted};
pub use rows::{Kept, KeptPart, backlog, wake_key};
pub use spot::StoredIn;
pub use uploads::{Standing, UploadError, Uploads};

/// What was found out about a part.
#[derive(Clone, Copy, Debug)]
struct Heard {
    size: u64,
    duration_ms: u64,
    silent: bool,
}
