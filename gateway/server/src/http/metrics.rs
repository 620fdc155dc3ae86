//! Numbers for a monitoring system, as Prometheus's text format.
//!
//! Counted here are requests and waiting readers; how the feed and the refreshing stand is asked of them at each scrape.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::http::StatusCode;
use audiospread_protocol::Sha256Digest;

/// At most this many readers of one token wait at once: a phone server needs one, and connections are not endless.
pub(crate) const MAX_WAITING: usize = 16;

/// What is counted while the gateway runs.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    answers: [AtomicU64; 6],
    waiting: Arc<Mutex<HashMap<Sha256Digest, usize>>>,
}

/// A reader that waits; dropped when it stops, whoever ends it.
#[derive(Debug)]
pub(crate) struct Waiting {
    token: Sha256Digest,
    waiting: Arc<Mutex<HashMap<Sha256Digest, usize>>>,
}

impl Metrics {
    /// Counts an answer.
    pub(crate) fn count(&self, status: StatusCode) {
        if let Some(answers) = self.answers.get(usize::from(status.as_u16() / 100)) {
            answers.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes a place among the waiting readers of a token; `None` when all of its places are taken.
    pub(crate) fn wait(&self, token: Sha256Digest) -> Option<Waiting> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let places = waiting.entry(token).or_default();
        if *places >= MAX_WAITING {
            return None;
        }
        *places += 1;
        Some(Waiting { token, waiting: Arc::clone(&self.waiting) })
    }

    /// How many readers wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    /// How many answers of a class were given: `2` for 200 to 299.
    pub(crate) fn answers(&self, class: usize) -> u64 {
        self.answers.get(class).map_or(0, |answers| answers.load(Ordering::Relaxed))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(places) = waiting.get_mut(&self.token) {
            *places -= 1;
            if *places == 0 {
                waiting.remove(&self.token);
            }
        }
    }
}

/// A page in Prometheus's text format.
#[derive(Debug, Default)]
pub(crate) struct Page(String);

impl Page {
    /// Adds a metric with one value a label set; labels are written as `{name="value"}`, or empty.
    pub(crate) fn add(&mut self, name: &str, kind: &str, help: &str, samples: &[(&str, f64)]) {
        // Writing into a string does not fail.
        let _ = writeln!(self.0, "# HELP audiospread_{name} {help}\n# TYPE audiospread_{name} {kind}");
        for (labels, value) in samples {
            let _ = writeln!(self.0, "audiospread_{name}{labels} {value}");
        }
    }

    /// The page's text.
    pub(crate) fn into_text(self) -> String {
        self.0
    }
}

/// A text as the value of a label.
pub(crate) fn label_value(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_stops_gives_its_place_free() {
        let metrics = Metrics::default();
        let token = Sha256Digest::of(b"token");
        let mut places: Vec<_> = (0..MAX_WAITING).map(|_| metrics.wait(token).unwrap()).collect();
        assert!(metrics.wait(token).is_none());
        assert!(metrics.wait(Sha256Digest::of(b"other")).is_some());
        places.pop();
        assert!(metrics.wait(token).is_some());
        drop(places);
        assert_eq!(metrics.waiting(), 0);
    }

    #[test]
    fn a_label_holds_any_text() {
        assert_eq!(label_value("a\\b \"c\"\nd"), "a\\\\b \\\"c\\\"\\nd");
    }

    #[test]
    fn a_page_has_help_type_and_samples() {
        let mut page = Page::default();
        page.add("answers_total", "counter", "Answers.", &[("{class=\"2xx\"}", 3.0), ("{class=\"4xx\"}", 0.5)]);
        assert_eq!(
            page.into_text(),
            "# HELP audiospread_answers_total Answers.\n# TYPE audiospread_answers_total counter\n\
             audiospread_answers_total{class=\"2xx\"} 3\naudiospread_answers_total{class=\"4xx\"} 0.5\n"
        );
    }
}
