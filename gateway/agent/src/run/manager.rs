//! What the service manager hears: that the agent lives, as often as it wants to (`WatchdogSec=`), and in a line how it goes
//! (`systemctl status`). Without a manager nobody is told.

use std::sync::Mutex;
use std::time::Duration;

use sd_notify::NotifyState;

use crate::Stop;

/// How the two directions go.
#[derive(Debug, Default)]
pub(super) struct Manager {
    lines: Mutex<[String; 2]>,
}

/// One of the two.
#[derive(Clone, Copy, Debug)]
pub(super) enum Direction {
    Pull,
    Push,
}

impl Manager {
    /// Says how a direction goes now.
    pub(super) fn say(&self, direction: Direction, how: String) {
        let Ok(mut lines) = self.lines.lock() else { return };
        lines[direction as usize] = how;
        let line = lines.iter().filter(|line| !line.is_empty()).cloned().collect::<Vec<_>>().join("; ");
        // One that does not listen will say so itself.
        let _ = sd_notify::notify(&[NotifyState::Status(&line)]);
    }
}

/// Says it until the end, three times in each span that the manager waits.
pub(super) async fn tell_that_we_live(stop: &Stop) {
    let Some(patience) = sd_notify::watchdog_enabled() else { return };
    while !stop.is_wished() {
        // As above.
        let _ = sd_notify::notify(&[NotifyState::Watchdog]);
        super::sleep(stop, (patience / 3).max(Duration::from_millis(100))).await;
    }
}
