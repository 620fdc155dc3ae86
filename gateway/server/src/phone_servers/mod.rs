//! Phone servers: what each last said of itself, and where on them something is.
//!
//! Receipts are kept in the gateway's own database and compared there with the feed. It knows neither Drupal nor HTTP.

mod history;
mod place;
mod receipts;
mod standing;
mod undecodable;
mod whereabouts;

pub use history::thin_history;
pub use place::Place;
pub use receipts::keep;
pub use standing::{PhoneServer, all};
pub use whereabouts::{Whereabouts, whereabouts};
