//! When to refresh: by the clock, when somebody asks, when audio was indexed, and again where two readings did not agree.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep_until};

use super::{Refresher, Requests, Scope};
use crate::catalogue::site::Nid;

/// After a failure the next attempt comes this much later, then twice that, and so on up to the clock's own interval.
const FIRST_RETRY: Duration = Duration::from_secs(2);
/// Entities whose save is in flight or whose audio is not indexed are looked at again at least this often.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// While a refresh is held, everything is read again at least this often: somebody may have accepted it, or mended what was wrong.
const WHILE_HELD: Duration = Duration::from_secs(15);

/// Refreshes until the last handle is gone: a whole reading at once, then whenever there is a reason.
pub async fn run(mut refresher: Refresher, mut requests: Requests, interval: Duration) {
    let mut due = Due::at_once();
    let mut progress = refresher.progress();
    loop {
        let scope = tokio::select! {
            () = sleep_until(due.whole) => Scope::Whole,
            () = sleep_until(due.again), if due.left.is_some() => due.left.take().unwrap_or(Scope::Whole),
            Ok(()) = progress.changed() => {
                let nodes = refresher.nodes_with_new_audio();
                if nodes.is_empty() {
                    continue;
                }
                Scope::Nodes(nodes)
            }
            asked = requests.scopes.recv() => match asked {
                Some(scope) => scope,
                None => return,
            },
        };
        // A storm of requests is one refresh.
        let scope = std::iter::from_fn(|| requests.scopes.try_recv().ok()).fold(scope, Scope::union);
        let whole = scope == Scope::Whole;
        match refresher.refresh(scope.clone()).await {
            Ok(report) => {
                requests.status.send_modify(|status| {
                    status.loaded = true;
                    status.source_reachable = true;
                    status.refreshed_at = Some(Timestamp::now());
                    status.error = None;
                    status.held = report.held;
                    status.waiting = report.waiting.len();
                });
                due.after_success(
                    whole,
                    if report.held { interval.min(WHILE_HELD) } else { interval },
                    report.again,
                    report.waiting,
                );
            }
            Err(error) => {
                tracing::error!(error = %error, "the refresh failed; the feed stays as it was");
                requests.status.send_modify(|status| {
                    status.source_reachable = !error.is_of_the_source();
                    status.error = Some(error.to_string());
                });
                due.after_failure(scope, interval);
            }
        }
    }
}

/// What is to be done next, and when.
struct Due {
    /// When everything is read again.
    whole: Instant,
    /// What is to be looked at again at `again`.
    left: Option<Scope>,
    again: Instant,
    retry: Duration,
}

impl Due {
    fn at_once() -> Self {
        let now = Instant::now();
        Self { whole: now, left: None, again: now, retry: FIRST_RETRY }
    }

    fn after_success(&mut self, whole: bool, interval: Duration, left: Option<Scope>, waiting: BTreeSet<Nid>) {
        let now = Instant::now();
        self.whole = if whole { now + interval } else { self.whole.min(now + interval) };
        self.retry = FIRST_RETRY;
        self.again = now;
        self.left = left;
        if self.left.is_none() && !waiting.is_empty() {
            self.left = Some(Scope::Nodes(waiting));
            self.again = now + LOOK_AGAIN;
        }
    }

    fn after_failure(&mut self, scope: Scope, interval: Duration) {
        let now = Instant::now();
        self.again = now + self.retry;
        self.left = Some(match self.left.take() {
            Some(left) => left.union(scope),
            None => scope,
        });
        self.whole = self.whole.max(self.again);
        self.retry = (self.retry * 2).min(interval.max(FIRST_RETRY));
    }
}
