//! Audio by digest.

pub mod measure;

mod frames;
mod section;
mod wave;
mod beneath;
mod record;
mod index;
