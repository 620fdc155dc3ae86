//! `POST /v1/calls` and `GET /v1/calls/totals`: call records in, their sums out.

use actix_web::http::header::{self, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, web};
use audiospread_protocol::{CallBatch, CallsReceipt, ProblemCode, RefusedBecause, RefusedCall};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::authorization::{Authorized, Calls};
use super::feed::refusal;
use super::problems::Refusal;
use super::{State, openapi};
use crate::calls::{self, CallerTotals, Kept, Month, ProgramTotals, Record};

/// At most so many records in a batch.
const MOST_RECORDS: usize = 500;
/// The largest batch, in bytes.
pub(super) const BATCH_BODY: usize = 2 * 1024 * 1024;
/// At most so many sums in an answer.
const MOST_TOTALS: u32 = 500;

/// A batch, of which each record is read by itself.
#[derive(Deserialize)]
struct Batch {
    source: Uuid,
    calls: Vec<Box<RawValue>>,
}

/// Hand in call records
///
/// Keeps each record once, by the uuid of the phone server's `calls.db` and its id there: a batch may be sent again. A record that makes no
/// sense, or that is another one under a name that is taken, is refused by itself; all others are kept, and the answer says which are not.
#[utoipa::path(post, path = "/v1/calls", tag = "calls", operation_id = "post_calls",
    security(("bearer" = ["calls"]), ("basic" = [])),
    request_body(content = CallBatch, description = "The batch, of at most 500 records and 2 MiB.", content_type = "application/json", example = json!({
        "source": "6f1c0f1e-9a44-4b0e-8f6f-0d6f0c2b7a11", "calls": [{
            "id": 7, "call_id": "0192f0c1-6f1c", "caller": "+221775550124", "direction": "in", "plan": "premium",
            "started_at": "2026-11-24T10:00:00Z", "answered_at": "2026-11-24T10:00:02Z", "ended_at": "2026-11-24T10:03:00Z",
            "billable_seconds": 178, "disposition": "answered", "listened": [{"program": "171", "from_ms": 0, "to_ms": 61_000}]
        }]
    })),
    responses(
        (status = 200, description = "What became of them.", body = CallsReceipt, example = json!({"accepted": 1, "known": 0, "refused": []})),
        openapi::BodyRefused, openapi::NotAllowed, openapi::Away
    ))]
pub(super) async fn post(
    caller: Authorized<Calls>,
    state: web::Data<State>,
    request: HttpRequest,
    body: web::Bytes,
) -> Result<HttpResponse, Refusal> {
    let batch = read(&request, &body)?;
    let mut receipt = CallsReceipt::default();
    let (mut records, mut places) = (Vec::new(), Vec::new());
    for (position, raw) in (0_u32..).zip(&batch.calls) {
        match Record::read(raw.get()) {
            Ok(record) => {
                places.push((position, record.id()));
                records.push(record);
            }
            Err(malformed) => receipt.refused.push(RefusedCall {
                position,
                id: id_of(raw),
                reason: RefusedBecause::Malformed,
                detail: format!("The record is refused: {malformed}."),
            }),
        }
    }
    let (feed, server, source) = (state.feed.clone(), caller.token.name.clone(), batch.source);
    let kept = state.apart(async move { calls::keep(feed.store(), &server, source, &records).await }).await?;
    for ((position, id), kept) in places.into_iter().zip(kept.map_err(refusal)?) {
        match kept {
            Kept::New => receipt.accepted += 1,
            Kept::Known => receipt.known += 1,
            Kept::Conflict => receipt.refused.push(RefusedCall {
                position,
                id: Some(id),
                reason: RefusedBecause::Conflict,
                detail: "The gateway has another record of this source and id, and keeps that one.".to_owned(),
            }),
        }
    }
    receipt.refused.sort_by_key(|refused| refused.position);
    Ok(HttpResponse::Ok().json(receipt))
}

fn read(request: &HttpRequest, body: &[u8]) -> Result<Batch, Refusal> {
    let essence = request.headers().get(CONTENT_TYPE).and_then(|is| is.to_str().ok()?.split(';').next());
    if !essence.is_some_and(|is| is.trim().eq_ignore_ascii_case("application/json")) {
        return Err(Refusal::new(ProblemCode::UnsupportedMediaType, "Send the batch as application/json."));
    }
    let malformed =
        |why: &str| Refusal::new(ProblemCode::BadRequest, format!("The body is no batch of call records: {why}."));
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(malformed("it is no object"));
    }
    // What serde says may hold a part of the body.
    let batch: Batch = serde_json::from_slice(body)
        .map_err(|error| malformed(&format!("see line {}, column {}", error.line(), error.column())))?;
    if batch.calls.len() > MOST_RECORDS {
        return Err(malformed(&format!("it has more than {MOST_RECORDS} records")));
    }
    Ok(batch)
}

/// The id of a record that is otherwise not of the form.
fn id_of(raw: &RawValue) -> Option<i64> {
    #[derive(Deserialize)]
    struct Named {
        id: i64,
    }
    serde_json::from_str::<Named>(raw.get()).ok().map(|named| named.id)
}

/// Which sums are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// The month in which the calls began, in UTC.
    #[param(pattern = "^(19[7-9][0-9]|2[0-9]{3})-(0[1-9]|1[0-2])$", example = "2026-11")]
    month: String,
    /// Whose sums: `caller` or `program`.
    #[serde(default)]
    #[param(inline)]
    by: By,
    /// The `next` of the answer before: a number of a caller, or the id of a program.
    #[param(value_type = Option<String>, nullable = false, example = "+221775550124", pattern = "^[+]?[0-9]{1,20}$")]
    after: Option<After>,
    /// At most so many.
    #[param(minimum = 1, maximum = 500, default = 500)]
    limit: Option<u32>,
}

/// What the answer begins after.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct After(String);

impl TryFrom<String> for After {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let digits = text.strip_prefix('+').unwrap_or(&text);
        let is_one = (1..=20).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_one.then_some(Self(text)).ok_or("`after` is the `next` of an answer before")
    }
}

impl After {
    /// As the id of a program; no program has a greater one than the greatest.
    fn program(&self) -> u32 {
        self.0.trim_start_matches('+').parse().unwrap_or(u32::MAX)
    }
}

/// By what the calls are summed up.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum By {
    /// By who called.
    #[default]
    Caller,
    /// By what was listened to.
    Program,
}

/// Sums of a month.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = CallTotals)]
pub(super) struct Totals {
    /// The month.
    month: String,
    /// What each caller has called, in the order of the numbers; calls without a number are not among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    callers: Option<Vec<CallerTotals>>,
    /// How each program was listened to, in the order of the ids.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    programs: Option<Vec<ProgramTotals>>,
    /// What to ask for `after` to get more; absent where there is no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<String>,
}

/// Sums of call records
///
/// What each caller has called in a month, or how each program was listened to. Sums only grow, as late records come in; numbers are dropped
/// after the time that the gateway is configured for, and then their callers are not listed any more.
#[utoipa::path(get, path = "/v1/calls/totals", tag = "calls", operation_id = "get_calls_totals",
    security(("bearer" = ["calls"]), ("basic" = [])),
    params(Wanted),
    responses(
        (status = 200, description = "The sums.", body = Totals, example = json!({"month": "2026-11", "callers": [
            {"number": "+221775550124", "subscriber": "318", "calls": 12, "seconds": 2036, "billable_seconds": 2036}
        ]})),
        openapi::Malformed, openapi::NotAllowed, openapi::Away
    ))]
pub(super) async fn totals(
    _: Authorized<Calls>,
    state: web::Data<State>,
    wanted: web::Query<Wanted>,
) -> Result<HttpResponse, Refusal> {
    let wanted = wanted.into_inner();
    let bad = |detail: &str| Refusal::new(ProblemCode::BadRequest, detail);
    let month: Month = wanted.month.parse().map_err(|_| bad("`month` is written as 2026-11."))?;
    let limit = wanted.limit.unwrap_or(MOST_TOTALS);
    if !(1..=MOST_TOTALS).contains(&limit) {
        return Err(bad("`limit` is 1 to 500."));
    }
    let (feed, after) = (state.feed.clone(), wanted.after);
    let is_full = |count: usize| count == limit as usize;
    let totals = match wanted.by {
        By::Caller => {
            let after = after.map(|after| after.0).unwrap_or_default();
            let found = state.apart(async move { calls::callers(feed.store(), month, &after, limit).await }).await?;
            let callers = found.map_err(refusal)?;
            let next = callers.last().filter(|_| is_full(callers.len())).map(|last| last.number.clone());
            Totals { month: month.to_string(), callers: Some(callers), programs: None, next }
        }
        By::Program => {
            let after = after.map_or(0, |after| after.program());
            let found = state.apart(async move { calls::programs(feed.store(), month, after, limit).await }).await?;
            let programs = found.map_err(refusal)?;
            let next = programs.last().filter(|_| is_full(programs.len())).map(|last| last.program.clone());
            Totals { month: month.to_string(), callers: None, programs: Some(programs), next }
        }
    };
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(totals))
}
