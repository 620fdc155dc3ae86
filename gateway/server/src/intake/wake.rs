//! Waking Drupal: its module is told that recordings wait, and asks for them while the call lasts.
//!
//! A call that is lost costs nothing but the time until Drupal's next cron: so there is one attempt, and no other.

use std::time::Duration;

use reqwest::Client;
use reqwest::header::CONTENT_TYPE;

use super::Recordings;
use super::rows;
use crate::feed::FeedError;

/// The module makes nodes while the call lasts.
const PATIENCE: Duration = Duration::from_secs(120);
/// Recordings that come at the same moment are one call.
const GATHER: Duration = Duration::from_millis(100);

/// Why Drupal was not woken.
#[derive(Debug, thiserror::Error)]
enum WakeError {
    /// The gateway's database.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// Drupal did not answer.
    #[error("{0}")]
    Away(reqwest::Error),
    /// Drupal's module answered that it will not.
    #[error("it answered with status {0}, or with a fault: look at the module's settings and at Drupal's log")]
    Refused(u16),
}

impl Recordings {
    /// Wakes Drupal whenever a recording has come; `site` is the address of Drupal, without `xmlrpc.php`.
    ///
    /// # Errors
    /// Only if no HTTP client can be made.
    pub async fn run_wake(&self, site: &str) -> Result<(), reqwest::Error> {
        let client = Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none()).build()?;
        let address = format!("{}/xmlrpc.php", site.trim_end_matches('/'));
        // What came while this gateway was not there may wait too.
        self.ring.notify_one();
        loop {
            self.ring.notified().await;
            tokio::time::sleep(GATHER).await;
            match self.wake(&client, &address).await {
                Ok(()) => {}
                Err(error) => tracing::warn!(%error, "Drupal was not woken; it takes what waits at its next cron"),
            }
        }
    }

    /// Remembers by which key the module knows the gateway.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn remember_wake_key(&self, key: &str) -> Result<(), FeedError> {
        rows::remember_wake_key(&self.store, key).await
    }

    async fn wake(&self, client: &Client, address: &str) -> Result<(), WakeError> {
        if rows::backlog(&self.store).await? == 0 {
            return Ok(());
        }
        let Some(key) = rows::wake_key(&self.store).await? else {
            tracing::info!(
                "recordings wait for Drupal, and its module has never asked: is it installed, and are its settings right?"
            );
            return Ok(());
        };
        let call = format!(
            "<?xml version=\"1.0\"?>\n<methodCall>\n<methodName>audiospread.wake</methodName>\n<params>\n<param>\n<value><string>{key}</string>\
             </value>\n</param>\n</params></methodCall>"
        );
        let answer = client.post(address).header(CONTENT_TYPE, "text/xml").body(call).send().await;
        let answer = answer.map_err(|error| WakeError::Away(error.without_url()))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| WakeError::Away(error.without_url()))?;
        if status.is_success() && text.contains("<methodResponse") && !text.contains("<fault>") {
            return Ok(());
        }
        Err(WakeError::Refused(status.as_u16()))
    }
}
