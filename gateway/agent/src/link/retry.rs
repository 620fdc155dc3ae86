//! When to try again what the link did not carry.

use std::time::Duration;

use backon::BackoffBuilder;

use super::LinkError;

/// Pauses between tries: half a second, doubled, with jitter.
pub(crate) fn delays(times: usize) -> impl Iterator<Item = Duration> {
    backon::ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(500))
        .with_jitter()
        .with_max_times(times)
        .build()
}

/// How long to wait before the next try, if there is to be one.
pub(crate) fn wait_for(error: &LinkError, delays: &mut impl Iterator<Item = Duration>) -> Option<Duration> {
    const LONGEST: Duration = Duration::from_secs(60);
    if !error.is_passing() {
        return None;
    }
    let delay = delays.next()?;
    match error.retry_after() {
        Some(wanted) if wanted > LONGEST => None,
        Some(wanted) => Some(delay.max(wanted)),
        None => Some(delay),
    }
}
