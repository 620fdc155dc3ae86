//! The mirror by itself: a feed as the gateway keeps it, entities to fill it with, and a mirror that follows it.

mod messages;
mod taking_over;
mod views;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use audiospread_protocol::{
    AudioRef, Change, Cursor, DeleteReason, End, EntityKey, Epoch, Kind, Line, Operation, Sha256Digest, Tree, leaf_hash,
};
use camino::Utf8PathBuf;
use proptest::prelude::*;
use rusqlite::types::Value;

use super::tables::DERIVED;
use super::*;
use crate::Stopper;
use crate::config::Prefer;
use crate::shared::DataDir;

/// A feed as the gateway keeps it: what is published, and when each entity last changed.
#[derive(Clone, Default)]
struct Feed {
    version: u64,
    published: BTreeMap<EntityKey, (u64, String)>,
    gone: BTreeMap<EntityKey, u64>,
}

impl Feed {
    fn set(&mut self, key: EntityKey, value: Option<String>) {
        self.version += 1;
        match value {
            Some(value) => {
                self.gone.remove(&key);
                self.published.insert(key, (self.version, value));
            }
            None => {
                if self.published.remove(&key).is_some() {
                    self.gone.insert(key, self.version);
                }
            }
        }
    }

    fn cursor(&self) -> (Cursor, Sha256Digest) {
        let mut tree = Tree::new();
        for (key, (_, value)) in &self.published {
            tree.insert(key.clone(), leaf_hash(key, value.as_bytes()));
        }
        let digest = tree.digest(true);
        (Cursor::new(Epoch(7), self.version, &digest), digest)
    }

    /// The answer to a reader that has everything up to a version.
    fn answer(&self, since: Option<u64>) -> Vec<u8> {
        let mut changes: Vec<Change> = Vec::new();
        for (key, (version, value)) in &self.published {
            if since.is_none_or(|since| *version > since) {
                let operation = Operation::Put(value.as_bytes().into());
                changes.push(Change { version: *version, key: key.clone(), operation });
            }
        }
        for (key, version) in &self.gone {
            if since.is_some_and(|since| *version > since) {
                let operation = Operation::Delete(DeleteReason::Unpublished);
                changes.push(Change { version: *version, key: key.clone(), operation });
            }
        }
        let mut out = Vec::new();
        for change in &changes {
            change.write_to(&mut out).unwrap();
        }
        let (cursor, digest) = self.cursor();
        let end = End { cursor, changes: changes.len() as u64, count: self.published.len() as u64, digest };
        Line::End(end).write_to(&mut out).unwrap();
        out
    }
}

struct Place {
    _outer: tempfile::TempDir,
    directory: DataDir,
}

impl Place {
    fn new() -> Self {
        let outer = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(outer.path().join("data")).unwrap();
        Self { directory: DataDir::prepare(&path, None).unwrap(), _outer: outer }
    }

    fn open(&self) -> Mirror {
        Mirror::open(&self.directory).unwrap()
    }
}

fn take(mirror: &mut Mirror, request: Request, answer: &[u8]) -> Result<Applied, IncomingError> {
    let (_stopper, stop) = Stopper::new();
    mirror.take_over(request, Removal::Little, answer, &stop)
}

/// Takes what changed since the mirror's cursor, or all of it.
fn follow(mirror: &mut Mirror, feed: &Feed) -> Applied {
    match mirror.position().unwrap() {
        Some(position) => {
            let answer = feed.answer(Some(position.cursor.version));
            take(mirror, Request::Delta(position.cursor), &answer).unwrap()
        }
        None => take(mirror, Request::Snapshot, &feed.answer(None)).unwrap(),
    }
}

fn hearing(stored: &dyn Fn(&AudioRef) -> bool) -> impl Fn(&AudioRef) -> Hearing {
    move |audio| if stored(audio) { Hearing::Ready } else { Hearing::Missing }
}

fn show_all(mirror: &mut Mirror, stored: &dyn Fn(&AudioRef) -> bool) {
    let waiting = mirror.waiting().unwrap();
    for batch in waiting.chunks(3) {
        mirror.promote(batch, Prefer::Original, &hearing(stored)).unwrap();
    }
}

fn sound(number: u8) -> String {
    let sha256 = Sha256Digest::of(&[number]);
    format!(r#"{{"sha256":"{sha256}","size":1,"mime":"audio/mpeg","duration_ms":{number}}}"#)
}

fn program(body: u8, categories: &[u8], weight: i8, set: Option<u8>, language: &str) -> String {
    let set = set.map_or("null".into(), |set| format!(r#""{set}""#));
    let categories: Vec<String> = categories.iter().map(|category| format!(r#""{category}""#)).collect();
    format!(
        r#"{{"title":"P {body}","language":"{language}","translation_set":{set},"categories":[{}],"weight":{weight},"created_at":"2011-03-01T10:00:{:02}Z","changed_at":"2011-03-01T10:00:00Z","audio":{{"body":{}}}}}"#,
        categories.join(","),
        body % 60,
        sound(body)
    )
}

fn category(position: u32, parents: &[u8], title: Option<u8>) -> String {
    let parents: Vec<String> = parents.iter().map(|parent| format!(r#""{parent}""#)).collect();
    let audio = title.map_or("{}".into(), |title| format!(r#"{{"en":{{"title":{}}}}}"#, sound(title)));
    format!(
        r#"{{"name":"C","description":"","parents":[{}],"position":{position},"audio":{audio}}}"#,
        parents.join(",")
    )
}

fn prompt(key: &str, language: &str, body: u8) -> String {
    format!(r#"{{"context":"home","key":"{key}","language":"{language}","source":"site","audio":{}}}"#, sound(body))
}

fn settings(home: &[u8]) -> String {
    let home: Vec<String> = home.iter().map(|id| format!(r#""{id}""#)).collect();
    format!(
        r#"{{"default_language":"en","languages":["en","fr"],"home_categories":[{}],"menu_page_size":7,"keys":{{"menu":{{"help":"0","up":"*"}},"playing":{{"stop":"3"}}}}}}"#,
        home.join(",")
    )
}

fn subscriber(number: u8, plan: &str) -> String {
    format!(r#"{{"numbers":["+2217755501{number:02}"],"plan":"{plan}","language":"fr","balance_seconds":null}}"#)
}

fn nth(kind: Kind, number: u8) -> EntityKey {
    EntityKey::numbered(kind, u32::from(number))
}

fn any_edit() -> impl Strategy<Value = (EntityKey, Option<String>)> {
    let value = prop_oneof![
        (1_u8..9, 0_u8..30, prop::collection::btree_set(1_u8..4, 1..3), -1_i8..2, prop::option::of(1_u8..9), 0_u8..2)
            .prop_map(|(id, body, categories, weight, set, language)| {
                let categories: Vec<u8> = categories.into_iter().collect();
                (nth(Kind::Program, id), program(body, &categories, weight, set, ["en", "fr"][usize::from(language)]))
            }),
        (1_u8..4, 0_u32..5, prop::collection::vec(0_u8..4, 0..2), prop::option::of(0_u8..30))
            .prop_map(|(id, position, parents, title)| (nth(Kind::Category, id), category(position, &parents, title))),
        (0_usize..2, 0_u8..30).prop_map(|(language, body)| {
            let language = ["en", "fr"][language];
            (
                EntityKey::new(Kind::Prompt, format!("home/welcome@{language}")).unwrap(),
                prompt("welcome", language, body),
            )
        }),
        (1_u8..5, 0_u8..4, any::<bool>()).prop_map(|(id, number, premium)| {
            (nth(Kind::Subscriber, id), subscriber(number, if premium { "premium" } else { "standard" }))
        }),
        prop::collection::btree_set(1_u8..4, 0..3)
            .prop_map(|home| (EntityKey::settings(), settings(&home.into_iter().collect::<Vec<_>>()))),
        // Of a form that this version does not know.
        (1_u8..9).prop_map(|id| (nth(Kind::Program, id), r#"{"song":1}"#.into())),
    ];
    (value, prop::bool::weighted(0.7)).prop_map(|((key, value), put)| (key, put.then_some(value)))
}

/// All that callers can read, and all that is published.
fn contents(mirror: &Mirror) -> Vec<(String, Vec<Value>)> {
    let mut out = Vec::new();
    let queries = DERIVED.iter().map(|(table, order)| format!("SELECT * FROM {table} ORDER BY {order}")).chain(
        ["entity", "shown"].map(|table| {
            let columns =
                if table == "entity" { "kind, id, version, value, leaf, is_shown" } else { "kind, id, leaf, value" };
            format!("SELECT {columns} FROM {table} ORDER BY kind, id")
        }),
    );
    for query in queries {
        let mut statement = mirror.connection.prepare(&query).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            out.push((query.clone(), (0..columns).map(|column| row.get(column).unwrap()).collect()));
        }
    }
    out
}

fn faults(mirror: &mut Mirror, stored: &dyn Fn(&AudioRef) -> bool) -> Vec<String> {
    mirror.state().unwrap().check_shown(&hearing(stored)).unwrap().faults
}

/// A mirror of these entities, all of them shown.
fn mirror_of(place: &Place, entities: &[(EntityKey, String)]) -> (Mirror, Feed) {
    let mut feed = Feed::default();
    for (key, value) in entities {
        feed.set(key.clone(), Some(value.clone()));
    }
    let mut mirror = place.open();
    follow(&mut mirror, &feed);
    show_all(&mut mirror, &|_| true);
    (mirror, feed)
}

fn ids(mirror: &Mirror, query: &str) -> String {
    let mut statement = mirror.connection.prepare(query).unwrap();
    let mut rows = statement.query([]).unwrap();
    let mut out = String::new();
    while let Some(row) = rows.next().unwrap() {
        let space = if out.is_empty() { "" } else { " " };
        match row.get(0).unwrap() {
            Value::Text(text) => write!(out, "{space}{text}").unwrap(),
            Value::Integer(number) => write!(out, "{space}{number}").unwrap(),
            other => write!(out, "{space}{other:?}").unwrap(),
        }
    }
    out
}
