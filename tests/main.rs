//! Integration tests, by behaviour: a real Drupal 6 site in a private MariaDB, and everything that reads it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on says so and stops"
)]

mod agent;
mod blobs;
mod catalogue;
mod dialplan;
mod drupal;
mod feed;
mod gateway;
mod harness;
mod http;
mod phone;
mod refresh;
mod traps;
