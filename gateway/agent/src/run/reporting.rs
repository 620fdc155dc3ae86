//! Receipts by the clock: the gateway hears of a phone server on which nothing happens, too.

use std::time::Duration;

use crate::link::{Link, SendError};
use crate::receipt::{self, ReceiptError};
use crate::shared::DataDir;
use crate::{Config, Event, Observer, Stop};

/// How often is looked whether one is due.
const LOOK: Duration = Duration::from_secs(60);

pub(super) async fn keep_reporting(config: &Config, directory: &DataDir, stop: &Stop, tell: Observer<'_>) {
    while !stop.is_wished() {
        super::sleep(stop, LOOK).await;
        if stop.is_wished() {
            return;
        }
        let outcome = match Link::new(config, None) {
            Ok(link) => tokio::select! {
                () = stop.wished() => return,
                outcome = receipt::send(&link, directory, false) => outcome.map_err(|error| error.for_a_person()),
            },
            Err(error) => Err(Some(error.to_string())),
        };
        if let Err(Some(error)) = outcome {
            tell(Event::Warning { message: format!("the gateway could not be told how things stand here: {error}") });
        }
    }
}

impl ReceiptError {
    /// What a person should know; nothing where the link is away, which the pull says.
    fn for_a_person(&self) -> Option<String> {
        match self {
            Self::Send(SendError::Link(error)) if error.is_passing() => None,
            other => Some(other.to_string()),
        }
    }
}
