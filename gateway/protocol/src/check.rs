//! What the doctors of both hosts say: one sentence for each thing that was looked at.

use serde::Serialize;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub what: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// What was seen; where it is not good, what to do.
    pub message: String,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It works, and somebody should look at it; or it could not be looked at from here.
    Doubtful,
    /// It does not work.
    Bad,
}

impl Check {
    /// The check without which there are no others.
    pub const CONFIGURATION: &'static str = "configuration";

    /// What was found.
    pub fn new(what: &'static str, verdict: Verdict, message: impl Into<String>) -> Self {
        Self { what, verdict, message: message.into() }
    }

    /// As it should be.
    pub fn good(what: &'static str, message: impl Into<String>) -> Self {
        Self::new(what, Verdict::Good, message)
    }

    /// It works, and somebody should look at it; or it could not be looked at.
    pub fn doubtful(what: &'static str, message: impl Into<String>) -> Self {
        Self::new(what, Verdict::Doubtful, message)
    }

    /// It does not work.
    pub fn bad(what: &'static str, message: impl Into<String>) -> Self {
        Self::new(what, Verdict::Bad, message)
    }

    /// Good, in the words that `good` has for what came out; bad, in the error's own.
    pub fn of<T, E: std::fmt::Display>(
        what: &'static str,
        outcome: Result<T, E>,
        good: impl FnOnce(T) -> String,
    ) -> Self {
        match outcome {
            Ok(value) => Self::good(what, good(value)),
            Err(error) => Self::bad(what, error.to_string()),
        }
    }
}
