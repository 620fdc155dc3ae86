//! Reading a Drupal 6 site.

mod fixture;
mod harness;
mod layout;
mod manners;
mod merging;
mod moments;
mod refusals;
mod shapes;
mod storage;

use audiospread_server::catalogue::site::Site;
use audiospread_server::config::Config;
use audiospread_server::drupal::Reader;

use crate::harness::DrupalSite;

/// A reader as a gateway has it.
fn reader(config: &Config) -> Reader {
    Reader::new(config).unwrap()
}

/// All of a site.
async fn read(site: &DrupalSite) -> Site {
    reader(&site.config()).read_all().await.unwrap()
}

/// The codes of what was seen while reading, and the nodes or else nothing that each is about.
fn notes(site: &Site) -> Vec<(&str, String)> {
    site.notes.iter().map(|note| (&*note.code, format!("{:?}", note.subject))).collect()
}
