//! Reading a Drupal 6 site.

mod harness;
