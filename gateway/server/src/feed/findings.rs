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
/// Bytes of texts in one statement: well below the least `max_allowed_packet`.
const BYTES: usize = 512 * 1024;
/// Bytes of the longest message that is kept whole.
const MESSAGE: usize = 16 * 1024;

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
    let rows = owned.into_iter().map(|(owner, finding)| row_of(owner, finding));
    let (mut params, mut bytes) = (Vec::new(), 0);
    for row in rows {
        let size: usize = row.iter().map(size_of_value).sum();
        if params.len() == ROWS * row.len() || (bytes + size > BYTES && !params.is_empty()) {
            insert(conn, std::mem::take(&mut params)).await?;
            bytes = 0;
        }
        bytes += size;
        params.extend(row);
    }
    insert(conn, params).await
}

async fn insert(conn: &mut Conn, params: Vec<Value>) -> Result<(), mysql_async::Error> {
    if params.is_empty() {
        return Ok(());
    }
    let insert = format!(
        "INSERT INTO feed_finding (owner, code, severity, subject_type, subject_id, message) VALUES {}",
        placeholders("(?,?,?,?,?,?)", params.len() / 6)
    );
    conn.exec_drop(insert, params).await
}

fn size_of_value(value: &Value) -> usize {
    if let Value::Bytes(bytes) = value { bytes.len() } else { 0 }
}

fn cut(message: &str) -> &str {
    let mut end = message.len().min(MESSAGE);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    &message[..end]
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
        cut(&finding.message).into(),
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
