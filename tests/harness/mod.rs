//! What the tests stand on: a private MariaDB and Drupal sites in it.

pub(crate) mod caller;
pub(crate) mod desk;
mod drupal_site;
pub(crate) mod editor;
pub(crate) mod gateway;
mod mariadb;
pub(crate) mod phone;
mod ports;
pub(crate) mod proxy;
pub(crate) mod said;
pub(crate) mod small_disk;
pub(crate) mod switchboard;
pub(crate) mod xmlrpc;

pub(crate) use drupal_site::{DrupalSite, Engine, copy_directory};
pub(crate) use mariadb::Mariadb;
pub(crate) use ports::free_address;
