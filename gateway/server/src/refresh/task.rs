//! When to refresh: by the clock, when somebody asks, when Drupal says that something changed, when audio was indexed, and again where two readings did not agree.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::notices::Ripe;
use super::{Refresher, Report, Requests, Scope};
use crate::blobs::Progress;
use crate::catalogue::site::Nid;

/// After a failure the next attempt comes this much later, then twice that, and so on up to the clock's own interval.
const FIRST_RETRY: Duration = Duration::from_secs(2);

/// Entities whose save was seen half done are looked at again after this long.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// While a refresh is held, everything is read again at least this often: somebody may have accepted it, or mended what was wrong.
const WHILE_HELD: Duration = Duration::from_secs(15);

/// Refreshes until the last handle is gone: a whole reading at once, then whenever there is a reason.
pub async fn run(mut refresher: Refresher, mut requests: Requests, interval: Duration) {
    let mut due = Due::at_once(interval);
    let mut progress = refresher.progress();
    while let Some(reason) = next_reason(&mut due, &mut requests, &mut progress).await {
        let scope = match reason {
            Reason::Clock if due.has_begun && !is_its_turn(&refresher, interval).await => {
                due.whole = Instant::now() + interval;
                continue;
            }
            Reason::Clock => Scope::Whole,
            Reason::Asked(scope) => scope,
            Reason::Notified(ripe) => {
                refresher.hear(ripe.saved);
                ripe.scope
            }
            Reason::Indexed => match refresher.nodes_with_new_audio() {
                nodes if nodes.is_empty() => continue,
                nodes => Scope::Nodes(nodes),
            },
        };
        // A storm of requests is one refresh.
        let scope = std::iter::from_fn(|| requests.scopes.try_recv().ok()).fold(scope, Scope::union);
        let mut outcome = refresher.refresh(scope.clone()).await;
        if let Ok(report) = &mut outcome {
            requests.sources.send_replace(Arc::new(std::mem::take(&mut report.sources)));
        }
        requests.status.send_modify(|status| match &outcome {
            Ok(report) => {
                status.loaded = true;
                status.source_reachable = true;
                status.refreshed_at = Some(Timestamp::now());
                status.error = None;
                status.held = report.held;
                status.waiting = report.waiting;
            }
            Err(error) => {
                tracing::error!(%error, "the refresh failed; the feed stays as it was");
                status.source_reachable = !error.is_of_the_source();
                status.error = Some(error.to_string());
            }
        });
        match outcome {
            Ok(report) => due.after_success(&scope, report),
            Err(_) => due.after_failure(scope),
        }
    }
}

/// Why to refresh.
enum Reason {
    /// It is time to read everything.
    Clock,
    /// Somebody asked, or an earlier refresh left something.
    Asked(Scope),
    /// Drupal said that something changed.
    Notified(Ripe),
    /// Something was learnt about audio.
    Indexed,
}

/// Waits for a reason; none is left when the last handle is gone.
async fn next_reason(
    due: &mut Due,
    requests: &mut Requests,
    progress: &mut watch::Receiver<Progress>,
) -> Option<Reason> {
    tokio::select! {
        asked = requests.scopes.recv() => asked.map(Reason::Asked),
        () = sleep_until(due.again), if due.left.is_some() => due.left.take().map(Reason::Asked),
        () = sleep_until(due.whole) => Some(Reason::Clock),
        ripe = requests.notices.ripe() => Some(Reason::Notified(ripe)),
        Ok(()) = progress.changed() => Some(Reason::Indexed),
    }
}

/// Several gateways at one site take turns; where that cannot be found out, reading once too often does no harm.
async fn is_its_turn(refresher: &Refresher, interval: Duration) -> bool {
    refresher.is_its_turn(interval).await.unwrap_or(true)
}

/// What is to be done next, and when.
struct Due {
    interval: Duration,
    /// Whether this gateway has read the site since it started.
    has_begun: bool,
    /// When everything is read again.
    whole: Instant,
    /// What is to be looked at again at `again`.
    left: Option<Scope>,
    again: Instant,
    retry: Duration,
}

impl Due {
    fn at_once(interval: Duration) -> Self {
        let now = Instant::now();
        Self { interval, has_begun: false, whole: now, left: None, again: now, retry: FIRST_RETRY }
    }

    fn after_success(&mut self, scope: &Scope, report: Report) {
        let now = Instant::now();
        let next = now + if report.held { self.interval.min(WHILE_HELD) } else { self.interval };
        self.whole = if *scope == Scope::Whole { next } else { self.whole.min(next) };
        self.has_begun = true;
        self.retry = FIRST_RETRY;
        (self.left, self.again) = match report.again {
            Some(left) => (Some(left), now),
            None => (Self::half_saved(report.saving), now + LOOK_AGAIN),
        };
    }

    fn half_saved(nodes: BTreeSet<Nid>) -> Option<Scope> {
        (!nodes.is_empty()).then_some(Scope::Nodes(nodes))
    }

    fn after_failure(&mut self, scope: Scope) {
        self.again = Instant::now() + self.retry;
        self.left = Some(match self.left.take() {
            Some(left) => left.union(scope),
            None => scope,
        });
        self.whole = self.whole.max(self.again);
        self.retry = (self.retry * 2).min(self.interval.max(FIRST_RETRY));
    }
}
