//! The wish to stop, carried from a signal to everything that is at work.
//!
//! Stopping is a courtesy: whatever is cut off at any moment leaves mirror and store whole.

use tokio::sync::watch;

/// The wish to stop, as those see it who work.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

/// Tells all holders of a [`Stop`] to stop.
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

impl Stopper {
    /// A pair: who may tell, and who listens.
    pub fn new() -> (Self, Stop) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), Stop(receiver))
    }

    /// Tells them.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Whether it was wished.
    pub fn is_wished(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is wished; for ever, if nobody can wish it any more.
    pub async fn wished(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|wished| *wished).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
