//! What the tests stand on: a private MariaDB and Drupal sites in it.

mod drupal_site;
pub(crate) mod editor;
mod mariadb;

pub(crate) use drupal_site::{DrupalSite, Engine};
pub(crate) use mariadb::Mariadb;
