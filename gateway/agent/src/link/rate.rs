//! The speed limit: one bucket of tokens for all that goes over a link.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::Amount;

/// Keeps all who take from it, together, at a number of bytes a second.
#[derive(Debug)]
pub(super) struct Limiter {
    bytes_a_second: Option<f64>,
    /// When all that was taken so far will have been paid for.
    paid_until: Mutex<Option<Instant>>,
}

/// What may be taken at once after a pause, so that a pause is not lost altogether.
const BURST: Duration = Duration::from_millis(250);

impl Limiter {
    pub(super) fn new(limit: Option<Amount>) -> Self {
        #[allow(clippy::cast_precision_loss, reason = "a rate need not be exact to the byte")]
        Self { bytes_a_second: limit.map(|limit| limit.0.max(1) as f64), paid_until: Mutex::new(None) }
    }

    /// How long so many bytes take at least.
    pub(super) fn time_of(&self, bytes: usize) -> Duration {
        #[allow(clippy::cast_precision_loss, reason = "a piece of a body is small")]
        self.bytes_a_second.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(bytes as f64 / rate))
    }

    /// Takes so many bytes, and waits until they are paid for. A debt is taken rather than a piece refused.
    pub(super) async fn take(&self, bytes: usize) {
        let wait = self.debt_after(bytes, Instant::now());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    fn debt_after(&self, bytes: usize, now: Instant) -> Duration {
        if self.bytes_a_second.is_none() {
            return Duration::ZERO;
        }
        let Ok(mut paid_until) = self.paid_until.lock() else { return Duration::ZERO };
        let price = self.time_of(bytes);
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let until = paid_until.map_or(earliest, |until| until.max(earliest)) + price;
        *paid_until = Some(until);
        until.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_debt_grows_by_the_price_of_what_is_taken_and_shrinks_with_time() {
        let limiter = Limiter::new(Some(Amount(1000)));
        let start = Instant::now();
        assert_eq!(limiter.debt_after(1250, start), Duration::from_secs(1));
        assert_eq!(limiter.debt_after(1000, start), Duration::from_secs(2));
        assert_eq!(limiter.debt_after(0, start + Duration::from_secs(1)), Duration::from_secs(1));
        assert_eq!(limiter.debt_after(1250, start + Duration::from_secs(1000)), Duration::from_secs(1));
    }

    #[test]
    fn without_a_limit_nobody_waits() {
        assert_eq!(Limiter::new(None).debt_after(usize::MAX, Instant::now()), Duration::ZERO);
    }
}
