//! The gateway as it is run: its real program, killed, doubled, misconfigured, and watched from outside.

mod commands;
mod doctor;
mod drupals_module;
mod killing;
mod manners;
mod notified;
mod phone_servers;
mod recordings;
mod room;
mod several;
mod stopping;
mod storing;

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use audiospread_server::config::Config;

use crate::feed::mirror::Mirror;
use crate::harness::DrupalSite;
use crate::refresh::running::{Rooms, Running};

/// A command of the program, run to its end.
pub(crate) fn audiospread(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_audiospread")).args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// The rooms of a gateway that looks at the same database as the others of the site, and refreshes nothing.
async fn onlooker(site: &DrupalSite) -> Running {
    let config = Config { data_dir: site.directory().join("data-onlooker"), ..site.config() };
    let running = Running::with(&config).await;
    // Where the files are is learnt by a refresh, and this one makes none.
    let storage = running.rooms.reader.read_storage().await.unwrap();
    running.rooms.blobs.check_storage(storage).await.unwrap();
    running
}

/// Waits until all that the site has is published as it is now.
async fn until_published(rooms: &Rooms) {
    let patience = Instant::now() + Duration::from_secs(60);
    loop {
        let (published, now) = (rooms.published().await, rooms.as_read_now().await);
        if published == now {
            return;
        }
        let wrong: Vec<_> =
            now.iter().filter(|(key, leaf)| published.get(key) != Some(leaf)).map(|(key, _)| key).collect();
        let surplus: Vec<_> = published.keys().filter(|key| !now.contains_key(key)).collect();
        assert!(Instant::now() < patience, "never published: {wrong:?}; never removed: {surplus:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Pulls to the newest version. What another gateway committed is seen a moment later: until then there is rightly nothing new.
async fn catch_up(mirror: &mut Mirror, rooms: &Rooms) {
    let version = rooms.feed.store().head().await.unwrap().version;
    until("the feed sees the newest version", async || rooms.feed.head().version >= version).await;
    mirror.pull(&rooms.feed).await;
    assert!(mirror.cursor.version >= version);
}

/// Fails if a version is missing from the feed's own books, or has more than one commit.
async fn versions_are_without_gaps(site: &DrupalSite) {
    let query = "SELECT COUNT(*) = MAX(version) - MIN(version) + 1 AND MAX(version) = (SELECT version FROM feed_head)
                 AND (SELECT MAX(version) FROM feed_entity) <= MAX(version) FROM feed_version";
    assert_eq!(site.own_value::<u8>(query).await, 1, "the versions have gaps");
}

/// Waits for a condition.
async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let patience = Instant::now() + Duration::from_secs(60);
    while !condition().await {
        assert!(Instant::now() < patience, "never: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
