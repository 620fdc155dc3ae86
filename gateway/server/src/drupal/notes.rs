//! What was seen while reading and an editor should know.

use crate::catalogue::site::{Nid, Tid};
use crate::catalogue::{Finding, Severity, Subject, codes};

/// More than this nobody reads, and a table that is wrong from top to bottom should not fill the memory.
const MOST: usize = 1_000;

/// Findings of one reading.
#[derive(Default)]
pub(super) struct Notes(Vec<Finding>);

impl Notes {
    /// Something about the site: a table, a field, a variable.
    pub(super) fn site(&mut self, code: &'static str, message: impl Into<String>) {
        self.add(Finding::new(code, Severity::Warning, Subject::Site, message));
    }

    /// A text that is no UTF-8.
    pub(super) fn bad_text(&mut self, subject: Subject, what: &str) {
        let message = format!(
            "The {what} holds bytes that are no UTF-8; they are shown as \u{fffd}. Open it in Drupal, correct it and save it again."
        );
        self.add(Finding::new(codes::BAD_ENCODING, Severity::Warning, subject, message));
    }

    /// A value that is not of the type that its column should have.
    pub(super) fn strange_value(&mut self, nid: Nid, field: &str, value: &str) {
        let value: String = value.chars().take(60).collect();
        let message =
            format!("The field {field} has the value {value:?}, which cannot be used here. Correct it in Drupal.");
        self.add(Finding::new(codes::STRANGE_VALUE, Severity::Warning, Subject::Node(nid), message));
    }

    /// The finding of a node whose title is no UTF-8.
    pub(super) fn bad_title(&mut self, nid: Nid) {
        self.bad_text(Subject::Node(nid), "title");
    }

    /// The finding of a term whose text is no UTF-8.
    pub(super) fn bad_term(&mut self, tid: Tid) {
        self.bad_text(Subject::Term(tid), "name or description of the category");
    }

    fn add(&mut self, finding: Finding) {
        if self.0.len() < MOST {
            self.0.push(finding);
        }
    }

    /// All of them, in a stable order.
    pub(super) fn into_findings(mut self) -> Vec<Finding> {
        self.0.sort();
        self.0.dedup();
        self.0
    }
}
