//! A call record that makes sense.

use audiospread_protocol::{CallRecord, Sha256Digest};

use super::Month;

/// No call lasts longer than this, seconds.
const LONGEST: i64 = 7 * 86_400;
/// At most so many parts of programs are listened to in a call.
const MOST_LISTENED: usize = 1_000;

/// A call record that makes sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub(super) call: CallRecord,
    pub(super) month: Month,
    /// The program of each part that was listened to.
    pub(super) programs: Vec<u32>,
    pub(super) content: Sha256Digest,
}

/// Why a record makes no sense.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It is not of the form.
    #[error("{0}")]
    Form(String),
    /// A value is out of bounds.
    #[error("`{0}` {1}")]
    Value(&'static str, &'static str),
}

impl Record {
    /// The id of the row in `calls.db`.
    pub const fn id(&self) -> i64 {
        self.call.id
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`Malformed`], which names the member and never its value.
    pub fn read(json: &str) -> Result<Self, Malformed> {
        let call: CallRecord = serde_json::from_str(json).map_err(|error| Malformed::Form(without_values(&error)))?;
        Self::new(call)
    }

    /// Takes a record that makes sense.
    ///
    /// # Errors
    /// [`Malformed`] otherwise.
    pub fn new(call: CallRecord) -> Result<Self, Malformed> {
        let unless = |holds: bool, name, why| if holds { Ok(()) } else { Err(Malformed::Value(name, why)) };
        unless((1..=1 << 53).contains(&call.id), "id", "is no id of a row")?;
        let of_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        unless(call.call_id.len() <= 64 && call.call_id.bytes().all(of_name), "call_id", "names no call")?;
        let (started, ended) = (call.started_at, call.ended_at);
        let seconds = ended.as_second() - started.as_second();
        unless((0..=LONGEST).contains(&seconds), "ended_at", "is before the call began, or more than a week after")?;
        let answered = call.answered_at.unwrap_or(started);
        unless((started..=ended).contains(&answered), "answered_at", "is not within the call")?;
        unless(i64::from(call.billable_seconds) <= seconds + 60, "billable_seconds", "is more than the call lasted")?;
        let month = Month::of(started).ok_or(Malformed::Value("started_at", "is in no year of telephones"))?;
        unless(call.listened.len() <= MOST_LISTENED, "listened", "has more than 1000 parts")?;
        let mut programs = Vec::with_capacity(call.listened.len());
        for part in &call.listened {
            let program = part.program.parse().ok().filter(|nid: &u32| *nid > 0 && part.program == nid.to_string());
            programs.push(program.ok_or(Malformed::Value("program", "is no id of a program"))?);
            unless(part.from_ms <= part.to_ms, "to_ms", "is before from_ms")?;
        }
        let written = serde_json::to_vec(&call).map_err(|error| Malformed::Form(error.to_string()))?;
        Ok(Self { month, programs, content: Sha256Digest::of(&written), call })
    }
}

/// What is wrong with a text, and where; what stands there may be somebody's number.
fn without_values(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let is_of_a_name = text.starts_with("missing field") || text.starts_with("duplicate field");
    let what = if is_of_a_name {
        text.split(" at line").next().unwrap_or_default()
    } else {
        "it is not of the form of a record"
    };
    format!("{what}, at column {}", error.column())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn record() -> Value {
        json!({"id": 7, "call_id": "6f1c-1", "caller": "+221775550124", "direction": "in", "plan": "premium",
            "started_at": "2026-11-30T23:59:50Z", "answered_at": "2026-11-30T23:59:55Z", "ended_at": "2026-12-01T00:01:00Z",
            "billable_seconds": 65, "disposition": "answered", "listened": [{"program": "171", "from_ms": 0, "to_ms": 30_000}]})
    }

    #[test]
    fn a_call_is_of_the_month_in_which_it_began() {
        let read = Record::read(&record().to_string()).unwrap();
        assert_eq!((read.month.to_string(), read.programs), ("2026-11".into(), vec![171]));
    }

    #[test]
    fn the_same_record_has_the_same_content_however_it_is_written() {
        let mut other = record();
        other["unknown"] = json!("a newer agent's");
        let contents = [record().to_string(), serde_json::to_string_pretty(&other).unwrap()]
            .map(|text| Record::read(&text).unwrap().content);
        assert_eq!(contents[0], contents[1]);
        other["billable_seconds"] = json!(64);
        assert_ne!(Record::read(&other.to_string()).unwrap().content, contents[0]);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_name_and_without_its_value() {
        for (member, value, told) in [
            ("id", json!(0), "`id`"),
            ("call_id", json!("s3cret value"), "`call_id`"),
            ("caller", json!("0775550124 s3cret"), "form of a record"),
            ("caller", json!("s3cret"), "form of a record"),
            ("direction", json!("s3cret"), "form of a record"),
            ("started_at", json!("2026-11-30"), "form of a record"),
            ("ended_at", json!("2026-11-30T23:59:49Z"), "`ended_at`"),
            ("ended_at", json!("2027-11-30T23:59:49Z"), "`ended_at`"),
            ("answered_at", json!("2026-11-30T23:59:49Z"), "`answered_at`"),
            ("billable_seconds", json!(-1), "form of a record"),
            ("billable_seconds", json!(1000), "`billable_seconds`"),
            ("listened", json!([{"program": "s3cret", "from_ms": 0, "to_ms": 1}]), "`program`"),
            ("listened", json!([{"program": "007", "from_ms": 0, "to_ms": 1}]), "`program`"),
            ("listened", json!([{"program": "7", "from_ms": 2, "to_ms": 1}]), "`to_ms`"),
            ("listened", json!(vec![json!({"program": "7", "from_ms": 0, "to_ms": 1}); 1_001]), "`listened`"),
        ] {
            let mut spoilt = record();
            spoilt[member] = value.clone();
            let refused = Record::read(&spoilt.to_string()).unwrap_err().to_string();
            assert!(refused.contains(told) && !refused.contains("s3cret"), "{member} {value}: {refused}");
        }
        let twice = record().to_string().replace("\"id\":7", "\"id\":7,\"id\":8");
        assert!(Record::read(&twice).unwrap_err().to_string().contains("duplicate field `id`"));
        let mut without = record();
        without.as_object_mut().unwrap().remove("plan");
        assert!(Record::read(&without.to_string()).unwrap_err().to_string().contains("missing field `plan`"));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,200}", at in 0_usize..400, put in "\\PC{0,3}") {
            let _ = Record::read(&text);
            let mut spoilt = record().to_string();
            spoilt.insert_str(at.min(spoilt.len()), &put);
            let _ = Record::read(&spoilt);
        }
    }
}
