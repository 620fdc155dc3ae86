//! Call records: what phone servers had of calls, kept once each, and their sums.
//!
//! It knows no HTTP. Which records make sense is decided here; whose a number is now, the feed says.

mod forget;
mod record;
mod store;
mod totals;

pub use forget::forget_numbers;
pub use record::{Malformed, Record};
pub use store::{Kept, keep};
pub use totals::{CallerTotals, Month, ProgramTotals, callers, programs};
