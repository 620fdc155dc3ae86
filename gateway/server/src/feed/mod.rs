//! The feed: what is published, as numbered changes within an epoch.
//!
//! Keeps versions, tombstones, digests and findings in the gateway's own database, answers what changed since a cursor, makes snapshots,
//! and lets readers wait. It knows neither Drupal nor HTTP: what is published is decided by the catalogue, and asked for at the edges.

mod batch;
mod blob_names;
mod commit;
mod delta;
mod entity;
mod error;
mod findings;
mod head;
mod hold;
mod lease;
mod prune;
mod service;
pub(crate) mod session;
mod snapshot;
mod spool;
mod store;

pub(crate) use batch::placeholders;
pub use commit::Commit;
pub use delta::Delta;
pub use entity::Entity;
pub use error::{FeedError, Gone};
pub use findings::FindingChanges;
pub use head::{Head, State};
pub use hold::{Hold, Removal, Removals, would_hold};
pub use service::Feed;
pub use snapshot::{Encoding, Snapshot};
pub use spool::Body;
pub use store::{Published, Store};
