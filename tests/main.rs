//! Integration tests, by behaviour: a real Drupal 6 site in a private MariaDB, and everything that reads it.

mod drupal;
mod harness;
