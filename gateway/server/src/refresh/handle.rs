//! How others ask for a refresh and learn how the last one went.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use utoipa::ToSchema;

use super::notices::{Notice, Notices};
use crate::catalogue::Sources;
use crate::catalogue::site::Nid;

/// What is to be read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    Whole,
    /// These nodes, and what hangs on them.
    Nodes(BTreeSet<Nid>),
}

impl Scope {
    /// Both scopes in one.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nodes(mut nodes), Self::Nodes(others)) => {
                nodes.extend(others);
                Self::Nodes(nodes)
            }
            _ => Self::Whole,
        }
    }
}

/// How the refreshing stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = RefreshStatus)]
pub struct Status {
    /// Whether a catalogue was loaded since the gateway started.
    pub loaded: bool,
    /// When the last refresh ended well.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub refreshed_at: Option<Timestamp>,
    /// Why the last refresh failed, and what to do; absent when it ended well.
    pub error: Option<String>,
    /// Whether Drupal's database and files could be reached at the last refresh.
    pub source_reachable: bool,
    /// Whether a refresh is held because it would remove much.
    pub held: bool,
    /// The entities that wait: their audio is not indexed yet, or a save is in flight.
    pub waiting: usize,
}

/// Asks for refreshes and sees how they went; cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    requests: mpsc::UnboundedSender<Scope>,
    notices: Notices,
    status: watch::Receiver<Status>,
    sources: watch::Receiver<Arc<Sources>>,
}

/// The other end of a [`Handle`], for the task that refreshes.
#[derive(Debug)]
pub struct Requests {
    pub(super) scopes: mpsc::UnboundedReceiver<Scope>,
    pub(super) notices: Notices,
    pub(super) status: watch::Sender<Status>,
    pub(super) sources: watch::Sender<Arc<Sources>>,
}

impl Handle {
    /// A handle and its other end.
    pub fn new() -> (Self, Requests) {
        let (requests, scopes) = mpsc::unbounded_channel();
        let (status, seen) = watch::channel(Status::default());
        let (sources, seen_sources) = watch::channel(Arc::default());
        let notices = Notices::default();
        let handle = Self { requests, notices: notices.clone(), status: seen, sources: seen_sources };
        (handle, Requests { scopes, notices, status, sources })
    }

    /// Asks for a refresh; false when the gateway is stopping.
    pub fn request(&self, scope: Scope) -> bool {
        self.requests.send(scope).is_ok()
    }

    /// Says what changed in Drupal; it is read about a second after the last such word, and a storm of them once.
    pub fn notify(&self, notices: impl IntoIterator<Item = Notice>) {
        self.notices.add(notices);
    }

    /// How the last refresh went.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Whose sounds callers hear, by the last refresh that ended well; nobody's before the first.
    pub fn sources(&self) -> Arc<Sources> {
        self.sources.borrow().clone()
    }

    /// Follows how refreshes go.
    pub fn watch(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }
}
