//! The Asterisk side of AudioSpread: a local SQL mirror and a permanent audio store that are always whole.
//!
//! [`pull()`] brings what the gateway publishes, [`push()`] takes there what callers left; everything else here reads what is on this host. What a phone menu may read is written in
//! the crate's `README.md`.

mod amount;
mod asterisk;
mod calls;
mod config;
mod database;
pub mod doctor;
mod event;
mod hook;
mod link;
mod lock;
mod menu;
mod mirror;
mod prune;
mod pull;
mod push;
mod receipt;
mod run;
mod shared;
mod sound;
mod status;
mod stop;
mod store;
mod text_message;
mod verify;
mod workshop;

pub use amount::Amount;
pub use calls::{BudgetRefusals, CallsError, CallsStatus, Quarantined, RefusedHandover};
pub use config::{Asterisk, Config, ConfigError, Hook, Prefer, PruneRules, Push, Send, SendMethod};
pub use event::{Event, Observer, Origin};
pub use hook::HookError;
pub use link::{LinkError, LinkOpenError};
pub use lock::LockError;
pub use menu::{Menu, MenuCategory, MenuProgram, menu};
pub use mirror::MirrorError;
pub use prune::{Pruned, prune};
pub use pull::{Fault, PullError, PullOptions, PullReport, pull};
pub use push::{PushError, PushOptions, PushReport, push};
pub use run::{RunError, run};
pub use shared::SharedError;
pub use sound::{PhoneSound, SoundError, SoundFormat, make_phone_sound};
pub use status::{KindStatus, Status, UndecodableSound, status};
pub use stop::{Stop, Stopper};
pub use store::StoreError;
pub use verify::{Verified, VerifyOptions, verify};
pub use workshop::{NO_ROOM, UNDECODABLE};
