//! Refreshing: what editors do becomes versions, and never half of it.

mod edits;
mod hold;
mod running;
