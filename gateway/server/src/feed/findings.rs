//! Findings in the database: by owner, replaced with it.

use std::collections::BTreeMap;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row, Value, from_row_opt};

use super::batch::placeholders;
use super::session::Session;
use super::{FeedError, Store};
use crate::catalogue::{Finding, Severity, Subject};

/// Rows of one statement.
const ROWS: usize = 500;

/// The findings that owners have from now on, instead of those they had; an owner with an empty list has none any more.
///
/// An owner is whatever findings are derived from, such as an entity: it names, in at most 255 bytes, those that are replaced together.
pub type FindingChanges = BTreeMap<String, Vec<Finding>>;

impl Store {
    /// Replaces the findings of these owners, whatever the head.
    ///
    /// # Errors
    /// If the database cannot be written; then nothing changed.
    pub async fn update_findings(&self, changes: &FindingChanges) -> Result<(), FeedError> {
        let mut session = Session::writing(self.pool()).await?;
        write_findings(session.conn(), changes).await?;
        Ok(session.commit().await?)
    }

    /// All findings, the severest first, then by code and subject.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn findings(&self) -> Result<Vec<Finding>, FeedError> {
        let rows: Vec<Row> = self
            .connection()
            .await?
            .exec("SELECT code, severity, subject_type, subject_id, message FROM feed_finding", ())
            .await?;
        let mut findings = rows.into_iter().map(finding_from).collect::<Result<Vec<_>, _>>()?;
        findings.sort_by(|a, b| {
            (b.severity, &a.code, &a.subject, &a.message).cmp(&(a.severity, &b.code, &b.subject, &b.message))
        });
        Ok(findings)
    }

    /// The owners that have findings and belong to the refreshes, in no order: those of other rooms begin with an exclamation mark.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn finding_owners(&self) -> Result<Vec<String>, FeedError> {
        let rows: Vec<Row> = self
            .connection()
            .await?
            .exec("SELECT DISTINCT owner FROM feed_finding WHERE owner NOT LIKE '!%'", ())
            .await?;
        rows.into_iter()
            .map(|row| {
                let (owner,) = from_row_opt::<(Vec<u8>,)>(row).map_err(FeedError::damaged)?;
                String::from_utf8(owner).map_err(FeedError::damaged)
            })
            .collect()
    }
}

pub(super) async fn write_findings(conn: &mut Conn, changes: &FindingChanges) -> Result<(), mysql_async::Error> {
    let owners: Vec<&String> = changes.keys().collect();
    for owners in owners.chunks(ROWS) {
        let delete = format!("DELETE FROM feed_finding WHERE owner IN ({})", placeholders("?", owners.len()));
        conn.exec_drop(delete, owners.iter().map(|owner| Value::from(owner.as_bytes())).collect::<Vec<_>>()).await?;
    }
    let owned: Vec<_> =
        changes.iter().flat_map(|(owner, findings)| findings.iter().map(move |finding| (owner, finding))).collect();
    for findings in owned.chunks(ROWS) {
        let insert = format!(
            "INSERT INTO feed_finding (owner, code, severity, subject_type, subject_id, message) VALUES {}",
            placeholders("(?,?,?,?,?,?)", findings.len())
        );
        let params: Vec<Value> = findings.iter().flat_map(|(owner, finding)| row_of(owner, finding)).collect();
        conn.exec_drop(insert, params).await?;
    }
    Ok(())
}

fn row_of(owner: &str, finding: &Finding) -> [Value; 6] {
    let severity = match finding.severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Error => "error",
    };
    let (subject_type, subject_id) = match &finding.subject {
        Subject::Site => ("site", String::new()),
        Subject::Node(nid) => ("node", nid.to_string()),
        Subject::Term(tid) => ("term", tid.to_string()),
        Subject::Prompt(id) => ("prompt", id.clone()),
    };
    [
        owner.as_bytes().into(),
        finding.code.as_ref().into(),
        severity.into(),
        subject_type.into(),
        subject_id.into_bytes().into(),
        finding.message.as_str().into(),
    ]
}

fn finding_from(row: Row) -> Result<Finding, FeedError> {
    let (code, severity, subject_type, subject_id, message) =
        from_row_opt::<(String, String, String, Vec<u8>, String)>(row).map_err(FeedError::damaged)?;
    let subject_id = String::from_utf8(subject_id).map_err(FeedError::damaged)?;
    let severity = match severity.as_str() {
        "info" => Severity::Info,
        "warning" => Severity::Warning,
        "error" => Severity::Error,
        _ => return Err(FeedError::damaged("a finding has no severity")),
    };
    let subject = match subject_type.as_str() {
        "site" => Subject::Site,
        "node" => Subject::Node(subject_id.parse().map_err(FeedError::damaged)?),
        "term" => Subject::Term(subject_id.parse().map_err(FeedError::damaged)?),
        "prompt" => Subject::Prompt(subject_id),
        _ => return Err(FeedError::damaged("a finding has no subject")),
    };
    Ok(Finding { code: code.into(), severity, subject, message })
}
