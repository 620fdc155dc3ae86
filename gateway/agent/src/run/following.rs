//! Waiting for the feed to change: a request that the gateway answers when something did (`wait=`), and the clock where that is not possible.

use std::time::Duration;

use crate::link::{FEED_TYPE, Link, LinkError};
use crate::mirror::Mirror;
use crate::shared::DataDir;
use crate::{Config, Event, Observer, Stop};

/// Seconds that a request waits: the gateway allows 300, and forgotten connections are noticed in time.
const WAIT: u16 = 240;

/// Comes back when a pull is worth it: something changed, the link broke, or the clock says so.
pub(super) async fn until_something_changed(config: &Config, stop: &Stop, tell: Observer<'_>) {
    let by_the_clock = tokio::time::sleep(Duration::from_secs(config.pull_seconds));
    let waiting = async {
        loop {
            match wait_once(config).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => {
                    tell(Event::Warning { message: format!("waiting for changes broke off: {error}") });
                    // A pull finds out what it is, with its own pauses; a gateway that cannot wait is asked by the clock.
                    if !error.is_passing() {
                        std::future::pending::<()>().await;
                    }
                    tokio::time::sleep(Duration::from_secs(5)).await;
                    return;
                }
            }
        }
    };
    tokio::select! {
        () = stop.wished() => {}
        () = by_the_clock => {}
        () = waiting => {}
    }
}

/// Waits once; says whether something changed.
async fn wait_once(config: &Config) -> Result<bool, LinkError> {
    let place = Mirror::open_to_read(&DataDir::existing(&config.data_dir)).and_then(|mirror| mirror.position());
    // Without a place there is everything to pull.
    let Ok(Some(position)) = place else { return Ok(true) };
    let link = Link::new(config, None).map_err(|error| LinkError::Broken(error.to_string()))?;
    let mut url = link.feed_url(Some(position.cursor))?;
    url.query_pairs_mut().append_pair("wait", &WAIT.to_string());
    match link.follow(&url, FEED_TYPE).await {
        Err(LinkError::SnapshotNeeded(_)) => Ok(true),
        other => other,
    }
}
