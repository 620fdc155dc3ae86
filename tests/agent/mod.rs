//! The phone server's side, by its real program, against a real gateway and over a link with faults.

mod commands;
mod full_disk;
mod full_disk_pushing;
mod killing;
mod leftovers;
mod links;
mod odbc;
mod pulling;
mod pushing;
mod pushing_by_itself;
mod renditions;
mod reporting;
pub(crate) mod running;
mod sounds;
mod submissions;
mod text_messages;
mod titles;

use crate::harness::gateway::Gateway;
use crate::harness::phone::Phone;
use crate::harness::proxy::Proxy;

/// A phone server and the link to the shared gateway.
async fn phone_behind_a_link() -> (Phone, Proxy) {
    let (_, gateway) = Gateway::shared().await;
    let link = Proxy::before(gateway.address);
    (Phone::of(&link.url()), link)
}
