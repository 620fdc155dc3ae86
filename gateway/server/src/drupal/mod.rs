//! Drupal's database, read: the only room with SQL on Drupal's tables.
//!
//! It says what the tables hold ([`crate::catalogue::site`]) and where the bytes are ([`Storage`]); it decides nothing about what callers
//! hear, opens no file and knows no HTTP.

mod error;
mod files;
mod frame;
mod layout;
mod marks;
mod messages;
mod names;
mod nodes;
mod notes;
mod page;
mod php;
mod reader;
mod recordings;
mod rights;
mod scan;
mod session;
mod stamps;
mod storage;
mod stores;
mod values;

pub use error::ReadError;
pub use marks::Marks;
pub use messages::{MessageStorage, SoundField};
pub use names::NameError;
pub(crate) use nodes::IN_FLIGHT;
pub use reader::Reader;
pub use recordings::Moderated;
pub use storage::{Adapter, FilePath, Repository, Storage};
