//! Audio by digest: indexing Drupal's files as they are found on real and on hostile sites, noticing what changes, opening blobs.

mod indexing;
mod opening;
mod packs;
mod site_with_audio;
mod storage;
