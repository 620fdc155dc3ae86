//! The catalogue: what of a Drupal site is on the phone, and why the rest is not.
//!
//! Pure: rows and what is known of the audio come in, entities of the feed and findings go out. It reads no database and no file.

mod finding;
pub mod site;

pub use finding::{Finding, Severity, Subject};
