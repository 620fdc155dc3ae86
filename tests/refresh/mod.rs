//! Refreshing: what editors do becomes versions, and never half of it.

mod boundaries;
mod edits;
mod files;
mod hold;
mod incremental;
pub(crate) mod legitimate;
pub(crate) mod running;
