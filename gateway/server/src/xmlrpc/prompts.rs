//! `audiospread.prompts`: every prompt in every language of the menus, and whose recording of it callers hear.

use std::collections::BTreeMap;

use actix_web::web;
use audiospread_protocol::{EntityKey, Kind, Prompt, PromptSource, Settings};
use dxr::Value;

use super::answer::{int, structure, text};
use super::arguments::Arguments;
use super::fault::Fault;
use crate::catalogue::{Packs, PromptName, Sources};
use crate::feed::{FeedError, Store};
use crate::http::State;
use crate::http::feed::refusal;

/// At most so many in an answer; each has 68 tags, and Drupal 6 refuses more than 30,000.
const MOST: u32 = 400;

/// A prompt in a language; those are ordered by context, key, language.
type Place = (PromptName, String);

/// Those from an offset on.
pub(super) async fn prompts(state: &web::Data<State>, mut arguments: Arguments) -> Result<Value, Fault> {
    let (offset, limit) = (arguments.number(u32::MAX)?, arguments.number(MOST)?);
    let (feed, packs) = (state.feed.clone(), state.packs.clone());
    let all = state.apart(async move { all(feed.store(), &packs).await }).await?.map_err(refusal)?;
    let sources = state.refresh.sources();
    let wanted = all.iter().skip(offset as usize).take(limit as usize);
    Ok(Value::Array(wanted.map(|(place, heard)| told(place, heard.as_ref(), &state.packs, &sources)).collect()))
}

/// Every prompt that the menus know or the site has, in every language of the menus, and what callers hear.
async fn all(store: &Store, packs: &Packs) -> Result<BTreeMap<Place, Option<Prompt>>, FeedError> {
    let settings = store.entities(Kind::Settings, "", 1).await?;
    let languages = match settings.first() {
        Some(settings) => {
            let settings: Settings = serde_json::from_slice(&settings.value).map_err(FeedError::damaged)?;
            settings.languages
        }
        None => Vec::new(),
    };
    let mut heard = Vec::new();
    for entity in store.entities(Kind::Prompt, "", u32::MAX).await? {
        heard.push(serde_json::from_slice::<Prompt>(&entity.value).map_err(FeedError::damaged)?);
    }
    let own = heard.iter().map(|prompt| PromptName::new(&*prompt.context, &*prompt.key));
    let mut all = BTreeMap::new();
    for name in packs.names().iter().cloned().chain(own) {
        for language in &languages {
            all.insert((name.clone(), language.clone()), None);
        }
    }
    for prompt in heard {
        let place = (PromptName::new(&*prompt.context, &*prompt.key), prompt.language.clone());
        if let Some(heard) = all.get_mut(&place) {
            *heard = Some(prompt);
        }
    }
    Ok(all)
}

fn told((name, language): &Place, heard: Option<&Prompt>, packs: &Packs, sources: &Sources) -> Value {
    let source = match heard.map(|prompt| prompt.source) {
        Some(PromptSource::Site) => "site",
        Some(PromptSource::Pack) => "pack",
        Some(PromptSource::Default) => "default",
        None => "none",
    };
    let key = EntityKey::new(Kind::Prompt, format!("{name}@{language}")).ok();
    let nid = key.filter(|_| source == "site").and_then(|key| sources.of_prompt(&key));
    structure([
        ("context", text(&name.context)),
        ("key", text(&name.key)),
        ("language", text(language)),
        ("text", text(packs.words(language, name).unwrap_or_default())),
        ("source", text(source)),
        ("nid", int(nid.unwrap_or(0))),
        ("sha256", text(heard.map(|prompt| prompt.audio.sha256.to_hex()).unwrap_or_default())),
        ("seconds", int(heard.map_or(0, |prompt| prompt.audio.duration_ms.div_ceil(1_000)))),
    ])
}
