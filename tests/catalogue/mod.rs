//! The catalogue of the fixture's site, read by the real reader, is what Drupal's own API says by the rules of the feed.

mod expected;
mod findings;
mod shapes;
