//! Refreshing: what Drupal has now becomes the next version of the feed.
//!
//! The only room that knows both Drupal and the feed. It decides when to read, what to read, and which of the read is settled enough to be
//! published; how rows are read, what they mean and how versions are kept is the business of the rooms it calls.

mod compare;
mod error;
mod handle;
mod ledger;
mod memory;
mod notices;
mod refresher;
mod settled;
mod task;
mod wanted;

pub use error::RefreshError;
pub use handle::{Handle, Requests, Scope, Status};
pub use notices::Notice;
pub use refresher::{Refresher, Report};
pub use task::run;
