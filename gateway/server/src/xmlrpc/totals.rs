//! `audiospread.calls.totals`: what each caller has called in a month.

use actix_web::web;
use dxr::Value;

use super::answer::{int, structure, text};
use super::arguments::Arguments;
use super::fault::Fault;
use crate::calls::{self, Month};
use crate::http::State;
use crate::http::feed::refusal;

/// At most so many in an answer.
const MOST: u32 = 500;

/// Those of a month, in the order of the numbers, from the first after a number on.
pub(super) async fn totals(state: &web::Data<State>, mut arguments: Arguments) -> Result<Value, Fault> {
    let (month, after, limit) = (arguments.text()?, arguments.text()?, arguments.number(MOST)?);
    let month: Month = month.parse().map_err(|_| Fault::nonsense("Argument 1 is a month such as 2026-11."))?;
    let feed = state.feed.clone();
    let totals = state.apart(async move { calls::callers(feed.store(), month, &after, limit).await }).await?;
    let told = totals.map_err(refusal)?.into_iter().map(|caller| {
        structure([
            ("number", text(caller.number)),
            ("subscriber", int(caller.subscriber.and_then(|nid| nid.parse::<u32>().ok()).unwrap_or(0))),
            ("calls", int(caller.calls)),
            ("seconds", int(caller.seconds)),
            ("billable_seconds", int(caller.billable_seconds)),
        ])
    });
    Ok(Value::Array(told.collect()))
}
