//! Call records: batches by ascending id, each confirmed before the next; what the gateway does not take is written down and holds nothing up.

use audiospread_protocol::{
    CallBatch, CallRecord, CallsReceipt, Direction, Disposition, Listened, PhoneNumber, Plan, Problem, ProblemCode,
};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::recordings::unexpected;
use super::{PushError, Session, now};
use crate::calls::Row;
use crate::link::{SendError, delays, wait_for};

/// Records of a batch; the gateway takes up to 500.
const AT_ONCE: usize = 200;

/// Bytes of a batch, unless one record alone has more: what a slow link takes in some seconds.
const BYTES: usize = 32 << 10;

impl Session<'_> {
    pub(super) async fn send_records(&mut self) -> Result<(), PushError> {
        let source = self.calls.uuid()?;
        let mut most = AT_ONCE;
        loop {
            if self.stop.is_wished() {
                return Err(PushError::Stopped);
            }
            let rows = self.calls.ripe_records(most, now())?;
            let Some(batch) = Batch::of(&source, &rows) else { return Ok(()) };
            let mut refused = batch.senseless;
            if !batch.calls.calls.is_empty() {
                let receipt = match self.hand_in_records(&batch.calls).await {
                    Ok(receipt) => receipt,
                    Err(SendError::Link(error)) => return Err(error.into()),
                    Err(SendError::Refused(problem)) if is_of_content(&problem) => {
                        // One of them is at fault: which, shows when each goes by itself.
                        if rows.len() > 1 {
                            most = 1;
                            continue;
                        }
                        refused.extend(batch.calls.calls.iter().map(|call| (call.id, problem.detail.clone())));
                        self.settle(batch.up_to, &refused)?;
                        continue;
                    }
                    Err(SendError::Refused(problem)) => {
                        return Err(PushError::Records(unexpected(&problem).to_string()));
                    }
                };
                self.report.calls += u64::from(receipt.accepted) + u64::from(receipt.known);
                self.report.calls_known += u64::from(receipt.known);
                let of = |position: u32| batch.calls.calls.get(position as usize).map(|call| call.id);
                let named = receipt.refused.into_iter();
                refused.extend(named.filter_map(|it| Some((of(it.position)?, it.detail))));
            }
            self.settle(batch.up_to, &refused)?;
        }
    }

    fn settle(&mut self, up_to: i64, refused: &[(i64, String)]) -> Result<(), PushError> {
        self.calls.settle_records(up_to, refused, now())?;
        self.report.calls_refused += refused.len() as u64;
        for (id, why) in refused {
            self.warn(format!("the call record {id} is not taken: {why}"));
        }
        Ok(())
    }

    async fn hand_in_records(&mut self, batch: &CallBatch) -> Result<CallsReceipt, SendError> {
        let mut tries = delays(2);
        loop {
            let answer = self.link.post_calls(batch).await;
            self.tell_clock();
            let Err(SendError::Link(error)) = &answer else { return answer };
            match wait_for(error, &mut tries) {
                Some(delay) if !self.stop.is_wished() => {
                    if self.pause(error, delay).await.is_err() {
                        return answer;
                    }
                }
                _ => return answer,
            }
        }
    }
}

/// Whether it is what was sent that is at fault.
fn is_of_content(problem: &Problem) -> bool {
    matches!(
        problem.code(),
        Some(ProblemCode::BadRequest | ProblemCode::TooLarge | ProblemCode::UnusableRecording | ProblemCode::Conflict)
    )
}

/// What goes at once.
struct Batch {
    calls: CallBatch,
    /// Rows of it that make no sense, and why.
    senseless: Vec<(i64, String)>,
    /// The last row that it settles.
    up_to: i64,
}

impl Batch {
    /// The first of these rows, as many as fit; `None` if there are none.
    fn of(source: &str, rows: &[Row]) -> Option<Self> {
        let mut batch = Self {
            calls: CallBatch { source: source.to_owned(), calls: Vec::new() },
            senseless: Vec::new(),
            up_to: rows.first()?.id,
        };
        let mut bytes = 0;
        for row in rows {
            // Calls of other parts of this Asterisk are nobody's business.
            let read = if row.direction.is_empty() { Ok(None) } else { record(row).map(Some) };
            match read {
                Ok(None) => {}
                Ok(Some(record)) => {
                    bytes += serde_json::to_vec(&record).map_or(0, |written| written.len());
                    if bytes > BYTES && !batch.calls.calls.is_empty() {
                        break;
                    }
                    batch.calls.calls.push(record);
                }
                Err(why) => batch.senseless.push((row.id, why.to_owned())),
            }
            batch.up_to = row.id;
        }
        Some(batch)
    }
}

/// A row as the gateway takes it, or what makes no sense in it.
fn record(row: &Row) -> Result<CallRecord, &'static str> {
    let caller = match row.caller.as_str() {
        "" => None,
        number => Some(number.parse::<PhoneNumber>().map_err(|_| "its caller is no E.164 number")?),
    };
    let direction = match row.direction.as_str() {
        "in" => Direction::In,
        "callback" => Direction::Callback,
        _ => return Err("its direction is neither in nor callback"),
    };
    let disposition = match row.disposition.to_ascii_uppercase().as_str() {
        "ANSWERED" => Disposition::Answered,
        "NO ANSWER" => Disposition::NoAnswer,
        "BUSY" => Disposition::Busy,
        "FAILED" => Disposition::Failed,
        "CONGESTION" => Disposition::Congestion,
        _ => return Err("its disposition is none of Asterisk's"),
    };
    let listened = row.heard.iter().map(|(program, from, to)| {
        let within = |ms: &i64| u32::try_from(*ms).map_err(|_| "a place in a program that was heard is none");
        Ok(Listened { program: program.to_string(), from_ms: within(from)?, to_ms: within(to)? })
    });
    Ok(CallRecord {
        id: row.id,
        call_id: row.call_id.clone(),
        caller,
        direction,
        plan: if row.plan == "premium" { Plan::Premium } else { Plan::Standard },
        started_at: moment(&row.start).ok_or("its start is no moment")?,
        answered_at: moment(&row.answer),
        ended_at: moment(&row.end).ok_or("its end is no moment")?,
        billable_seconds: u32::try_from(row.billsec).map_err(|_| "its billable seconds are none")?,
        disposition,
        listened: listened.collect::<Result<_, &str>>()?,
    })
}

/// `2026-11-24 10:00:00` in UTC; Asterisk writes nothing, or zeros, for what did not happen.
fn moment(text: &str) -> Option<Timestamp> {
    let civil: DateTime = text.parse().ok()?;
    civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: i64) -> Row {
        Row {
            id,
            call_id: "c-1".into(),
            caller: "+221775550109".into(),
            direction: "in".into(),
            plan: String::new(),
            start: "2026-11-24 10:00:00".into(),
            answer: "2026-11-24 10:00:02".into(),
            end: "2026-11-24 10:03:00".into(),
            billsec: 178,
            disposition: "ANSWERED".into(),
            heard: vec![(171, 0, 61_000)],
        }
    }

    #[test]
    fn a_row_of_asterisks_is_a_record_in_utc() {
        let record = record(&row(7)).unwrap();
        assert_eq!(record.started_at.to_string(), "2026-11-24T10:00:00Z");
        assert_eq!((record.plan, record.disposition), (Plan::Standard, Disposition::Answered));
        assert_eq!(record.listened, [Listened { program: "171".into(), from_ms: 0, to_ms: 61_000 }]);
        let missed = Row { answer: "0000-00-00 00:00:00".into(), disposition: "NO ANSWER".into(), ..row(8) };
        assert_eq!(super::record(&missed).unwrap().answered_at, None);
    }

    #[test]
    fn what_makes_no_sense_holds_nothing_up_and_calls_of_others_are_left_out() {
        let senseless = Row { start: "yesterday".into(), ..row(2) };
        let of_the_office = Row { direction: String::new(), ..row(3) };
        let batch = Batch::of("source", &[row(1), senseless, of_the_office, row(4)]).unwrap();
        assert_eq!(batch.calls.calls.iter().map(|call| call.id).collect::<Vec<_>>(), [1, 4]);
        assert_eq!((batch.senseless[0].0, batch.senseless.len(), batch.up_to), (2, 1, 4));
        assert!(Batch::of("source", &[]).is_none());
    }

    #[test]
    fn a_batch_is_as_large_as_a_slow_link_takes_and_a_larger_record_goes_alone() {
        let large = |id| Row { heard: vec![(171, 0, 1); 1_000], ..row(id) };
        let batch = Batch::of("source", &[large(1), large(2)]).unwrap();
        assert_eq!((batch.calls.calls.len(), batch.up_to), (1, 1));
        let rows: Vec<Row> = (1..=200).map(row).collect();
        let batch = Batch::of("source", &rows).unwrap();
        let last = batch.calls.calls.last().unwrap().id;
        assert!(last == batch.up_to && last > 50 && last < 200, "{last}");
    }
}
