//! Sounds that a phone server cannot decode, as findings: only an editor can replace them.

use std::collections::{HashMap, HashSet};

use audiospread_protocol::{EntityKey, Kind, Receipt, Sha256Digest, WaitingState};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row, Value, from_row_opt};

use crate::catalogue::{Finding, Severity, Subject, codes};
use crate::feed::{FeedError, FindingChanges, placeholders};

/// What of the feed names the sounds that `receipt` lists, in the place of the findings of the receipt before.
pub(super) async fn findings(conn: &mut Conn, server: &str, receipt: &Receipt) -> Result<FindingChanges, FeedError> {
    let owner = format!("!phone {server}");
    let why: HashMap<Sha256Digest, &str> =
        receipt.undecodable.iter().map(|sound| (sound.sha256, sound.why.as_str())).collect();
    if why.is_empty() {
        return Ok(FindingChanges::from([(owner, Vec::new())]));
    }
    let absent: HashSet<(Kind, &str)> = receipt
        .waiting
        .iter()
        .filter(|entity| entity.state == WaitingState::Absent)
        .map(|entity| (entity.kind, entity.id.as_str()))
        .collect();
    let select = format!(
        "SELECT sha256, kind, id FROM feed_blob WHERE sha256 IN ({}) AND last_version IS NULL",
        placeholders("?", why.len())
    );
    let sounds: Vec<Value> = why.keys().map(|sha256| sha256.0.as_slice().into()).collect();
    let rows: Vec<Row> = conn.exec(select, sounds).await?;
    let mut findings = Vec::new();
    for row in rows {
        let (sha256, kind, id) = from_row_opt::<(Vec<u8>, String, String)>(row).map_err(FeedError::damaged)?;
        let sha256 =
            sha256.try_into().map(Sha256Digest).map_err(|_| FeedError::damaged("a digest has not 32 bytes"))?;
        let kind: Kind = kind.parse().map_err(FeedError::damaged)?;
        let is_absent = absent.contains(&(kind, id.as_str()));
        let key = EntityKey::new(kind, id).map_err(FeedError::damaged)?;
        findings.extend(why.get(&sha256).map(|why| finding(server, &key, is_absent, why)));
    }
    findings.sort();
    findings.dedup();
    Ok(FindingChanges::from([(owner, findings)]))
}

fn finding(server: &str, key: &EntityKey, is_absent: bool, why: &str) -> Finding {
    let (what, subject) = match (key.kind(), key.number()) {
        (Kind::Program, Some(nid)) => ("program", Subject::Node(nid)),
        (Kind::Category, Some(tid)) => ("category", Subject::Term(tid)),
        (Kind::Prompt, _) => ("prompt", Subject::Prompt(key.id().to_owned())),
        _ => ("site", Subject::Site),
    };
    let (severity, effect) = if is_absent {
        (Severity::Error, "and so callers there do not get it")
    } else {
        (Severity::Warning, "and callers there do without that sound, or hear what was there before")
    };
    let message = format!(
        "The phone server {server} cannot decode a sound of this {what} ({why}), {effect}: save the sound as mp3 again, and replace it."
    );
    Finding::new(codes::UNDECODABLE_SOUND, severity, subject, message)
}
