//! The Drupal side of AudioSpread: reads Drupal's tables, keeps the feed, serves audio by digest.
//!
//! The rooms and who may know whom stand in `gateway/ARCHITECTURE.md`.

mod access;
mod beneath;
pub mod blobs;
pub mod calls;
pub mod catalogue;
pub mod config;
pub mod database;
pub mod doctor;
pub mod drupal;
pub mod feed;
pub mod gateway;
pub mod http;
pub mod intake;
pub mod migrations;
pub mod phone_servers;
pub mod refresh;
mod storeroom;
mod web_user;
mod xmlrpc;
