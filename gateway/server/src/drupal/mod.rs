//! Drupal's database, read: the only room with SQL on Drupal's tables.
//!
//! It says what the tables hold ([`crate::catalogue::site`]) and where the bytes are ([`Storage`]); it decides nothing about what callers
//! hear, opens no file and knows no HTTP.

mod storage;

pub use storage::{Adapter, FilePath, Repository, Storage};
