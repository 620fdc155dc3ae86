//! `audiospread.recordings.pending` and `audiospread.recordings.taken`: what waits for Drupal, and what Drupal says became of it.

use actix_web::web;
use dxr::Value;
use uuid::Uuid;

use super::answer::{int, text};
use super::arguments::{Arguments, Members};
use super::fault::Fault;
use crate::http::State;
use crate::http::feed::refusal;
use crate::http::recordings::unanswered;
use crate::intake::{AskError, Kept, KeptPart, Part, StoredIn};

/// At most so many in an answer.
const MOST_PENDING: u32 = 100;
/// At most so many in a call.
const MOST_TAKEN: usize = 500;
/// The longest reason for a refusal, in characters.
const LONGEST_MESSAGE: usize = 1_000;

/// What waits for Drupal, the oldest first.
pub(super) async fn pending(state: &web::Data<State>, mut arguments: Arguments) -> Result<Value, Fault> {
    let (limit, wake_key) = (arguments.number(MOST_PENDING)?, arguments.text()?);
    let is_key = wake_key.len() == 64 && wake_key.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_key && !wake_key.is_empty() {
        return Err(Fault::nonsense("Argument 2 is 64 hexadecimal digits, or empty."));
    }
    let (recordings, reader) = (state.recordings.clone(), state.reader.clone());
    let waiting = state.apart(async move {
        if !wake_key.is_empty() {
            recordings.remember_wake_key(&wake_key).await?;
        }
        let waiting = recordings.waiting(&reader, limit).await?;
        let references = recordings.references(&waiting).await?;
        Ok::<_, AskError>((waiting, references))
    });
    let (waiting, mut references) = waiting.await?.map_err(unanswered)?;
    let mut told = |kept: &Kept| told(kept, |part| references.remove(&(kept.uuid, part)));
    Ok(Value::Array(waiting.iter().map(&mut told).collect()))
}

/// A recording, whose parts are in the gateway where nothing says where else.
fn told(kept: &Kept, mut place: impl FnMut(Part) -> Option<(StoredIn, String)>) -> Value {
    let yes = |is: bool| int(u8::from(is));
    let mut members = vec![
        ("uuid".to_owned(), text(kept.uuid.hyphenated().to_string())),
        ("recorded_at".to_owned(), int(kept.recorded_at)),
        ("received_at".to_owned(), int(kept.received_at)),
        ("server".to_owned(), text(&kept.server)),
        ("caller".to_owned(), text(kept.caller.as_deref().unwrap_or_default())),
        ("language".to_owned(), text(&kept.language)),
        ("category".to_owned(), int(kept.category)),
        ("hung_up".to_owned(), yes(kept.hung_up)),
        ("silent".to_owned(), yes(kept.silent)),
    ];
    for (part, is) in [(Part::Body, Some(kept.body)), (Part::Title, kept.title)] {
        let place = place(part)
            .unwrap_or_else(|| (StoredIn::Gateway, format!("/v1/recordings/{}/{}", kept.uuid, part.as_str())));
        members.extend(of_part(part, is, place));
    }
    Value::Struct(members.into_iter().collect())
}

fn of_part(part: Part, is: Option<KeptPart>, (store, reference): (StoredIn, String)) -> Vec<(String, Value)> {
    let of = |value: fn(&KeptPart) -> u64| int(is.as_ref().map_or(0, value));
    let if_there = |value: String| text(if is.is_some() { value } else { String::new() });
    let name = part.as_str();
    vec![
        (format!("{name}_store"), if_there(store.as_str().to_owned())),
        (format!("{name}_ref"), if_there(reference)),
        (format!("{name}_size"), of(|part| part.size)),
        (format!("{name}_sha256"), text(is.map(|part| part.sha256.to_hex()).unwrap_or_default())),
        (format!("{name}_mime"), if_there("audio/mpeg".to_owned())),
        (format!("{name}_seconds"), of(|part| part.duration_ms.div_ceil(1_000))),
    ]
}

/// What became of recordings; answers how many were known.
pub(super) async fn taken(state: &web::Data<State>, mut arguments: Arguments) -> Result<Value, Fault> {
    let said = arguments.list(MOST_TAKEN)?;
    let mut known = 0_u32;
    for value in said {
        let Some((uuid, refused)) = became(value) else { continue };
        let recordings = state.recordings.clone();
        let outcome = state.apart(async move {
            match refused {
                None => recordings.taken(uuid).await,
                Some(why) => recordings.refused(uuid, &why).await,
            }
        });
        known += u32::from(outcome.await?.map_err(refusal)?);
    }
    Ok(int(known))
}

/// Which recording, and why it was refused if it was.
fn became(value: Value) -> Option<(Uuid, Option<String>)> {
    let members = Members::of(value)?;
    let uuid = Uuid::try_parse(members.text("uuid")?).ok()?;
    match members.text("state")? {
        "made" => Some((uuid, None)),
        "refused" => {
            let why = members.text("message").unwrap_or_default();
            Some((uuid, Some(why.chars().take(LONGEST_MESSAGE).collect())))
        }
        _ => None,
    }
}
