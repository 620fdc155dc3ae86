//! What can go wrong between this host and the gateway, in words that say what to do.

use std::error::Error;
use std::fmt::Write;
use std::time::{Duration, SystemTime};

use audiospread_protocol::Problem;
use reqwest::Url;

/// Why the gateway did not give what it was asked for.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LinkError {
    /// No connection.
    #[error(
        "the gateway cannot be reached at {address}: {reason}; callers go on hearing what is here, what they leave is kept, and the next try goes on from there"
    )]
    Away {
        /// Its address.
        address: String,
        /// Why.
        reason: String,
    },
    /// The connection broke, or ended before the answer did.
    #[error("the connection to the gateway broke: {0}; nothing is lost, and the next try goes on from there")]
    Broken(String),
    /// Nothing came for a while.
    #[error("nothing came from the gateway for {0} seconds; nothing is lost, and the next try goes on from there")]
    Silent(u64),
    /// 401.
    #[error(
        "the gateway refuses this host's token: {0}; ask its administrator for a new one and write it into token_file"
    )]
    TokenRefused(String),
    /// 403.
    #[error(
        "this host's token may not do that: {0}; ask the gateway's administrator for a token with the scopes feed, blobs, recordings and calls"
    )]
    ScopeMissing(String),
    /// The certificate does not hold at this time.
    #[error(
        "the gateway's certificate is not valid at the time that this host's clock shows ({clock}): set the clock \
         (timedatectl set-ntp true), or have the certificate renewed ({reason})"
    )]
    Clock {
        /// What this host's clock shows.
        clock: String,
        /// What TLS says.
        reason: String,
    },
    /// TLS fails for another reason.
    #[error("no safe connection to {address}: {reason}")]
    Tls {
        /// Its address.
        address: String,
        /// Why.
        reason: String,
    },
    /// Something answers that is no gateway.
    #[error("{0}: is the address right, and does this network want a login first?")]
    NotGateway(String),
    /// 410: the cursor is not known.
    #[error("the gateway does not know our place in its feed: {0}")]
    SnapshotNeeded(String),
    /// 404 from a gateway.
    #[error("the gateway does not have it: {0}")]
    NotFound(String),
    /// 429, 5xx: for the moment.
    #[error("the gateway cannot answer now ({status}): {detail}; nothing is lost, and the next try goes on from there")]
    Unwell {
        /// The HTTP status.
        status: u16,
        /// What it says.
        detail: String,
        /// When it may be asked again, where it says so.
        retry_after: Option<Duration>,
    },
    /// An answer that the contract does not have.
    #[error(
        "the gateway answers {status} to what the contract allows: {detail}; do this program and the gateway have the same version?"
    )]
    Unexpected {
        /// The HTTP status.
        status: u16,
        /// What it says.
        detail: String,
    },
}

/// Why the gateway did not take what it was sent.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum SendError {
    #[error(transparent)]
    Link(#[from] LinkError),
    /// It answered, and refuses this.
    #[error("the gateway refuses it: {}", super::answer::in_short(.0))]
    Refused(Problem),
}

impl LinkError {
    /// Whether the same request may succeed in a moment.
    pub(crate) const fn is_passing(&self) -> bool {
        matches!(self, Self::Away { .. } | Self::Broken(_) | Self::Silent(_) | Self::Unwell { .. })
    }

    /// Whether the configuration is to be corrected: the token.
    pub(crate) const fn is_configuration(&self) -> bool {
        matches!(self, Self::TokenRefused(_) | Self::ScopeMissing(_))
    }

    /// When the gateway wants to be asked again.
    pub(crate) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unwell { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// What a failed request means.
    pub(super) fn of_request(base: &Url, error: &reqwest::Error) -> Self {
        let (address, reason) = (base.to_string(), chain(error));
        let said = reason.to_ascii_lowercase();
        let is_about_time =
            ["expired", "not valid yet", "notvalidyet", "not yet valid"].iter().any(|word| said.contains(word));
        if said.contains("certificate") && is_about_time {
            return Self::Clock { clock: httpdate::fmt_http_date(SystemTime::now()), reason };
        }
        if said.contains("certificate") || said.contains("tls") || said.contains("handshake") {
            return Self::Tls { address, reason };
        }
        if error.is_redirect() {
            return Self::NotGateway(format!("{address} redirects in a circle"));
        }
        if error.is_connect() || error.is_timeout() {
            return Self::Away { address, reason };
        }
        Self::Broken(reason)
    }
}

/// An error with its causes, without those that only repeat what was said.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        next = cause.source();
    }
    if parts.is_empty() { printable(&error.to_string()) } else { printable(&parts.join(": ")) }
}

/// What a stranger says, fit for a terminal and a log.
pub(super) fn printable(text: &str) -> String {
    const ENOUGH: usize = 400;
    let mut out: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(ENOUGH).collect();
    if text.chars().count() > ENOUGH {
        out.push('…');
    }
    out
}

/// A duration as a person would say it.
pub(super) fn in_words(duration: Duration) -> String {
    let mut out = String::new();
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    for (number, unit) in [(days, "d"), (hours, "h"), (minutes, "min")] {
        if number > 0 {
            let space = if out.is_empty() { "" } else { " " };
            let _ = write!(out, "{space}{number} {unit}");
        }
    }
    if out.is_empty() { format!("{seconds} s") } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_says_cannot_steer_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\nc"), "a [2Jb c");
        assert_eq!(printable(&"x".repeat(500)).chars().count(), 401);
    }

    #[test]
    fn durations_are_said_without_zeros() {
        assert_eq!(in_words(Duration::from_secs(90_061)), "1 d 1 h 1 min");
        assert_eq!(in_words(Duration::from_secs(42)), "42 s");
    }
}
