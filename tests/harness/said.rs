//! What the doctor of either host said.

use std::process::Output;

use serde_json::Value;

/// What the doctor said of a configuration.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) checks: Vec<Value>,
    pub(crate) err: String,
}

impl Said {
    pub(crate) fn read(ran: Output) -> Self {
        let out = String::from_utf8(ran.stdout).unwrap();
        let checks = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        Self { code: ran.status.code(), checks, err: String::from_utf8(ran.stderr).unwrap() }
    }

    /// What has this verdict, and in which words.
    pub(crate) fn complaints(&self, verdict: &str) -> Vec<String> {
        let with = self.checks.iter().filter(|check| check["verdict"] == verdict);
        with.map(|check| format!("{}: {}", check["what"].as_str().unwrap(), check["message"].as_str().unwrap()))
            .collect()
    }

    /// Fails unless the doctor has exactly one complaint, of this verdict, with these words.
    pub(crate) fn complains(&self, verdict: &str, words: &[&str]) {
        let mut complaints = [self.complaints("bad"), self.complaints("doubtful")].concat();
        // The fixture's site has oddities of its own.
        complaints.retain(|complaint| !complaint.starts_with("Drupal's tables: ") || verdict == "bad");
        assert_eq!(complaints.len(), 1, "{complaints:#?}");
        assert_eq!(self.complaints(verdict).len().min(1), 1, "not {verdict}: {complaints:#?}");
        for word in words {
            assert!(complaints[0].contains(word), "{word}: {}", complaints[0]);
        }
        assert!(
            !complaints[0].contains("reads ") && !complaints[0].contains("writes "),
            "a password: {}",
            complaints[0]
        );
        assert_eq!(self.code, Some(i32::from(verdict == "bad")), "{}", self.err);
    }
}
