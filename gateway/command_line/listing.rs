//! How what is published, findings and checks look in a terminal.

use std::io::{self, Write};

use audiospread_protocol::{Category, Check, Kind, Plan, Program, Prompt, Subscriber, Verdict};
use audiospread_server::catalogue::{Finding, Severity, Subject};
use audiospread_server::feed::Entity;
use serde::de::DeserializeOwned;

use super::Failure;

/// A page of entities as a table; the first page of a kind has the heading.
pub(crate) fn entities(out: &mut impl Write, kind: Kind, first: bool, page: &[Entity]) -> Result<(), Failure> {
    if first {
        writeln!(out, "\n{}", heading(kind))?;
    }
    for entity in page {
        writeln!(out, "{}", row(entity)?)?;
    }
    Ok(())
}

/// Entities as JSON lines, their values as they stand in the feed.
pub(crate) fn entity_lines(out: &mut impl Write, page: &[Entity]) -> Result<(), Failure> {
    for entity in page {
        let key = &entity.key;
        let id = serde_json::to_string(key.id()).map_err(io::Error::from)?;
        write!(out, r#"{{"version":{},"kind":"{}","id":{id},"value":"#, entity.version, key.kind())?;
        out.write_all(&entity.value)?;
        out.write_all(b"}\n")?;
    }
    Ok(())
}

/// Findings, the severest first.
pub(crate) fn findings(out: &mut impl Write, findings: &[Finding]) -> Result<(), Failure> {
    if findings.is_empty() {
        writeln!(out, "Nothing to tell: all that is published is well on the phone.")?;
    }
    for finding in findings {
        let severity = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "info",
        };
        let subject = match &finding.subject {
            Subject::Site => "site".to_owned(),
            Subject::Node(nid) => format!("node {nid}"),
            Subject::Term(tid) => format!("term {tid}"),
            Subject::Prompt(name) => name.clone(),
        };
        writeln!(out, "{severity:<8} {subject:<32} {:<24} {}", finding.code, finding.message)?;
    }
    Ok(())
}

/// What the doctor found; the bad ones with what to do.
pub(crate) fn checks(out: &mut impl Write, checks: &[Check], colour: bool) -> Result<(), Failure> {
    for check in checks {
        let (mark, code) = match check.verdict {
            Verdict::Good => ("good", "32"),
            Verdict::Doubtful => ("hmm ", "33"),
            Verdict::Bad => ("BAD ", "31"),
        };
        if colour {
            write!(out, "\x1b[{code}m{mark}\x1b[0m")?;
        } else {
            write!(out, "{mark}")?;
        }
        writeln!(out, "  {:<18} {}", check.what, check.message)?;
    }
    Ok(())
}

fn heading(kind: Kind) -> String {
    match kind {
        Kind::Settings => "SETTINGS".into(),
        Kind::Prompt => format!("{:<44} {:<8} {:>7}", "PROMPT", "FROM", "SECONDS"),
        Kind::Category => format!("{:<8} {:<6} {:<10} {:<16} NAME", "CATEGORY", "PLACE", "BELOW", "SOUNDS IN"),
        Kind::Program => format!("{:<8} {:<4} {:<14} {:>7}  TITLE", "PROGRAM", "LANG", "CATEGORIES", "SECONDS"),
        Kind::Subscriber => format!("{:<10} {:<9} {:<4} {:>9}  NUMBERS", "SUBSCRIBER", "PLAN", "LANG", "SECONDS"),
    }
}

fn row(entity: &Entity) -> Result<String, Failure> {
    let id = entity.key.id();
    Ok(match entity.key.kind() {
        Kind::Settings => String::from_utf8_lossy(&entity.value).into_owned(),
        Kind::Prompt => {
            let prompt: Prompt = value(entity)?;
            let source = serde_json::to_value(prompt.source).map_err(io::Error::from)?;
            format!("{id:<44} {:<8} {:>7}", source.as_str().unwrap_or_default(), seconds(prompt.audio.duration_ms))
        }
        Kind::Category => {
            let category: Category = value(entity)?;
            let languages: Vec<&str> = category.audio.keys().map(String::as_str).collect();
            format!(
                "{id:<8} {:<6} {:<10} {:<16} {}",
                category.position,
                or_dash(&category.parents.join(",")),
                or_dash(&languages.join(",")),
                plain(&category.name)
            )
        }
        Kind::Program => {
            let program: Program = value(entity)?;
            format!(
                "{id:<8} {:<4} {:<14} {:>7}  {}",
                program.language,
                program.categories.join(","),
                seconds(program.audio.body.duration_ms),
                plain(&program.title)
            )
        }
        Kind::Subscriber => {
            let subscriber: Subscriber = value(entity)?;
            let plan = if subscriber.plan == Plan::Premium { "premium" } else { "standard" };
            let balance = subscriber.balance_seconds.map_or_else(|| "unlimited".into(), |seconds| seconds.to_string());
            let numbers: Vec<&str> = subscriber.numbers.iter().map(audiospread_protocol::PhoneNumber::as_str).collect();
            format!("{id:<10} {plan:<9} {:<4} {balance:>9}  {}", subscriber.language, numbers.join(" "))
        }
    })
}

fn value<T: DeserializeOwned>(entity: &Entity) -> Result<T, Failure> {
    serde_json::from_slice(&entity.value)
        .map_err(|error| Failure::Failed(format!("the feed's {} is damaged: {error}", entity.key)))
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

#[expect(clippy::cast_precision_loss, reason = "a length is shown to a tenth of a second")]
fn seconds(milliseconds: u64) -> String {
    format!("{:.1}", milliseconds as f64 / 1000.0)
}

/// A text out of the database without what a terminal would obey.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
