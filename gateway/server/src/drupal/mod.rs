//! Drupal's database, read: the only room with SQL on Drupal's tables.
//!
//! It says what the tables hold ([`crate::catalogue::site`]) and where the bytes are ([`Storage`]); it decides nothing about what callers
//! hear, opens no file and knows no HTTP.

mod error;
mod files;
mod frame;
mod layout;
mod marks;
mod names;
mod nodes;
mod notes;
mod page;
mod php;
mod reader;
mod rights;
mod scan;
mod session;
mod storage;
mod stores;
mod values;

pub use error::ReadError;
pub use marks::Marks;
pub use names::NameError;
pub use reader::Reader;
pub use storage::{Adapter, FilePath, Repository, Storage};
