//! The mirror by itself: whatever the way of deltas and snapshots, crashes and missing audio, it ends as the gateway is.

mod views;

use std::collections::{BTreeMap, BTreeSet};
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_way_of_deltas_leads_where_the_snapshot_leads(
        edits in prop::collection::vec((any_edit(), 0_u8..4, any::<[bool; 30]>()), 1..25)
    ) {
        let (place, mut feed) = (Place::new(), Feed::default());
        let mut mirror = place.open();
        for ((key, value), what_next, stored) in edits {
            feed.set(key, value);
            let stored: BTreeSet<Sha256Digest> =
                (0_u8..).zip(stored).filter(|(_, stored)| *stored).map(|(number, _)| Sha256Digest::of(&[number])).collect();
            if what_next > 0 {
                follow(&mut mirror, &feed);
            }
            if what_next > 1 {
                show_all(&mut mirror, &|audio| stored.contains(&audio.sha256));
            }
            if what_next > 2 {
                // The process ends and begins anew.
                drop(mirror);
                mirror = place.open();
            }
        }
        follow(&mut mirror, &feed);
        show_all(&mut mirror, &|_| true);
        let fresh_place = Place::new();
        let mut fresh = fresh_place.open();
        follow(&mut fresh, &feed);
        show_all(&mut fresh, &|_| true);
        let understood = |mirror: &Mirror| -> Vec<_> {
            // A state that is not understood leaves the one before it, which a fresh mirror never saw.
            if mirror.waiting_count().unwrap() > 0 { Vec::new() } else { contents(mirror) }
        };
        prop_assert_eq!(understood(&mirror), understood(&fresh));
        prop_assert_eq!(mirror.position().unwrap(), fresh.position().unwrap());
        prop_assert_eq!(faults(&mut mirror, &|_| true), Vec::<String>::new());
    }

    #[test]
    fn an_answer_that_is_cut_anywhere_changes_nothing(
        edits in prop::collection::vec(any_edit(), 1..8),
        more in prop::collection::vec(any_edit(), 1..8),
        place_of_cut in any::<prop::sample::Index>(),
    ) {
        let (place, mut feed) = (Place::new(), Feed::default());
        let mut mirror = place.open();
        for (key, value) in edits {
            feed.set(key, value);
        }
        follow(&mut mirror, &feed);
        show_all(&mut mirror, &|_| true);
        let before = (contents(&mirror), mirror.position().unwrap());
        for (key, value) in more {
            feed.set(key, value);
        }
        let cursor = before.1.unwrap().cursor;
        let answer = feed.answer(Some(cursor.version));
        let cut = &answer[..place_of_cut.index(answer.len())];
        prop_assert!(take(&mut mirror, Request::Delta(cursor), cut).is_err());
        prop_assert_eq!((contents(&mirror), mirror.position().unwrap()), before);
        prop_assert_eq!(faults(&mut mirror, &|_| true), Vec::<String>::new());
    }
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

#[test]
fn a_delta_with_a_wrong_digest_count_or_number_of_lines_is_not_taken_over() {
    let place = Place::new();
    let (mut mirror, mut feed) = mirror_of(&place, &[(EntityKey::settings(), settings(&[]))]);
    let before = mirror.position().unwrap();
    feed.set(nth(Kind::Subscriber, 1), Some(subscriber(1, "premium")));
    let text = String::from_utf8(feed.answer(Some(1))).unwrap();
    let cursor = before.unwrap().cursor;
    for (old, new) in [(r#""changes":1"#, r#""changes":2"#), (r#""count":2"#, r#""count":3"#), ("premium", "standard")]
    {
        let answer = text.replace(old, new);
        assert_ne!(answer, text);
        let outcome = take(&mut mirror, Request::Delta(cursor), answer.as_bytes());
        assert!(matches!(outcome, Err(IncomingError::Differs(2))), "{new}: {outcome:?}");
        assert_eq!(mirror.position().unwrap(), before);
    }
    take(&mut mirror, Request::Delta(cursor), text.as_bytes()).unwrap();
}

#[test]
fn a_new_state_without_its_audio_leaves_the_old_one_and_holds_nothing_else_back() {
    let place = Place::new();
    let key = nth(Kind::Program, 5);
    let (mut mirror, mut feed) =
        mirror_of(&place, &[(EntityKey::settings(), settings(&[])), (key.clone(), program(1, &[2], 0, None, "en"))]);
    feed.set(key.clone(), Some(program(9, &[3], 0, None, "en")));
    feed.set(nth(Kind::Program, 6), Some(program(2, &[2], 0, None, "en")));
    follow(&mut mirror, &feed);
    show_all(&mut mirror, &|audio| audio.duration_ms != 9);
    let shown = "SELECT program_id FROM phone_category_program WHERE language = 'en' AND category_id = 2 ORDER BY weight, created DESC";
    assert_eq!(ids(&mirror, shown), "6 5");
    assert_eq!(ids(&mirror, "SELECT title FROM phone_program WHERE id = 5"), "P 1");
    assert_eq!(mirror.waiting_count().unwrap(), 1);
    assert_eq!(faults(&mut mirror, &|audio| audio.duration_ms != 9), Vec::<String>::new());
    show_all(&mut mirror, &|_| true);
    assert_eq!(ids(&mirror, shown), "6");
    assert_eq!(ids(&mirror, "SELECT title FROM phone_program WHERE id = 5"), "P 9");
}

#[test]
fn a_deletion_acts_at_once_is_remembered_and_forgotten_when_the_program_comes_back() {
    let place = Place::new();
    let key = nth(Kind::Program, 5);
    let value = program(1, &[2], 0, None, "en");
    let (mut mirror, mut feed) = mirror_of(&place, &[(key.clone(), value.clone())]);
    feed.set(key.clone(), None);
    follow(&mut mirror, &feed);
    assert_eq!(ids(&mirror, "SELECT id FROM phone_program"), "");
    assert_eq!(ids(&mirror, "SELECT reason FROM phone_gone WHERE program_id = 5"), "unpublished");
    feed.set(key, Some(value));
    follow(&mut mirror, &feed);
    assert_eq!(ids(&mirror, "SELECT reason FROM phone_gone WHERE program_id = 5"), "audio_pending");
    show_all(&mut mirror, &|_| true);
    assert_eq!(ids(&mirror, "SELECT reason FROM phone_gone WHERE program_id = 5"), "");
    assert_eq!(ids(&mirror, "SELECT id FROM phone_program"), "5");
}

#[test]
fn what_a_snapshot_does_not_name_is_gone_and_remembered() {
    let place = Place::new();
    let (mut mirror, mut feed) = mirror_of(
        &place,
        &[
            (nth(Kind::Program, 5), program(1, &[2], 0, None, "en")),
            (nth(Kind::Program, 6), program(2, &[2], 0, None, "en")),
        ],
    );
    feed.set(nth(Kind::Program, 5), None);
    let applied = take(&mut mirror, Request::Snapshot, &feed.answer(None)).unwrap();
    assert_eq!((applied.put, applied.deleted, applied.count), (0, 1, 1));
    assert_eq!(ids(&mirror, "SELECT id FROM phone_program"), "6");
    assert_eq!(ids(&mirror, "SELECT reason FROM phone_gone"), "deleted");
}

#[test]
fn a_snapshot_that_would_empty_the_phones_is_not_believed_at_once() {
    let place = Place::new();
    let entities: Vec<_> = (1..=40).map(|id| (nth(Kind::Program, id), program(id, &[2], 0, None, "en"))).collect();
    let (mut mirror, feed) = mirror_of(&place, &entities);
    let before = contents(&mirror);
    let mut half = feed.clone();
    for id in 1..=21 {
        half.set(nth(Kind::Program, id), None);
    }
    for lost in [&half, &Feed::default()] {
        let outcome = take(&mut mirror, Request::Snapshot, &lost.answer(None));
        assert!(matches!(outcome, Err(IncomingError::TakesMuch { .. })), "{outcome:?}");
        assert_eq!(contents(&mirror), before);
    }
    let (_stopper, stop) = Stopper::new();
    mirror.take_over(Request::Snapshot, Removal::Any, half.answer(None).as_slice(), &stop).unwrap();
    assert_eq!(ids(&mirror, "SELECT count(*) FROM phone_program"), "19");
    // A deletion that the gateway itself names is one.
    let mut gone = half.clone();
    (22..=40).for_each(|id| gone.set(nth(Kind::Program, id), None));
    follow(&mut mirror, &gone);
    assert_eq!(ids(&mirror, "SELECT count(*) FROM phone_program"), "0");
}

#[test]
fn a_value_that_is_not_understood_is_kept_and_waits() {
    let place = Place::new();
    let (mut mirror, _) = mirror_of(
        &place,
        &[
            (nth(Kind::Program, 1), r#"{"song":1}"#.into()),
            (EntityKey::new(Kind::Program, "007").unwrap(), program(1, &[2], 0, None, "en")),
            (EntityKey::new(Kind::Prompt, "home/other@en").unwrap(), prompt("welcome", "en", 1)),
        ],
    );
    let waiting = mirror.waiting().unwrap();
    let promotion = mirror.promote(&waiting, Prefer::Original, &|_| Hearing::Ready).unwrap();
    assert_eq!((promotion.not_understood.len(), promotion.shown), (3, 0));
    assert_eq!(faults(&mut mirror, &|_| true), Vec::<String>::new());
}

#[test]
fn a_sound_is_heard_by_its_original_or_its_rendition_and_what_is_here_is_not_brought_again() {
    let place = Place::new();
    let (original, rendition) = (sound(1), sound(2));
    let both = format!(r#"{},"phone":{rendition}}}"#, original.trim_end_matches('}'));
    let value = program(1, &[2], 0, None, "en").replace(&original, &both);
    let (mut mirror, _) = mirror_of(&place, &[(nth(Kind::Program, 1), value.clone())]);
    let [original, rendition] = [1, 2].map(|number| Sha256Digest::of(&[number]));
    let heard = |prefer, hear: &dyn Fn(&AudioRef) -> Hearing| {
        heard_sounds_of(&nth(Kind::Program, 1), &value, prefer, hear).unwrap()[0].sha256
    };
    let missing = |_: &AudioRef| Hearing::Missing;
    assert_eq!(heard(Prefer::Original, &missing), original);
    assert_eq!(heard(Prefer::Phone, &missing), rendition);
    for prefer in [Prefer::Original, Prefer::Phone] {
        for here in [original, rendition] {
            assert_eq!(heard(prefer, &hearing(&|audio| audio.sha256 == here)), here, "{prefer:?}");
            let odd = |audio: &AudioRef| if audio.sha256 == here { Hearing::Never } else { Hearing::Missing };
            assert_ne!(heard(prefer, &odd), here, "what cannot be decoded is fetched in the other form");
        }
        assert_eq!(heard(prefer, &|_| Hearing::Ready), rendition, "the choice does not depend on the configuration");
    }
    let is_here = |audio: &AudioRef| audio.sha256 == rendition;
    assert_eq!(mirror.shown_count().unwrap(), 1);
    assert_eq!(faults(&mut mirror, &is_here), Vec::<String>::new());
}

#[test]
fn what_a_foreign_hand_changed_is_found() {
    let place = Place::new();
    let entities = [(EntityKey::settings(), settings(&[])), (nth(Kind::Program, 1), program(1, &[2], 0, None, "en"))];
    for spoil in [
        "UPDATE program SET title = 'other'",
        "DELETE FROM program_category",
        "DELETE FROM shown WHERE kind = 'program'",
        "UPDATE shown SET value = replace(value, 'P 1', 'P 2')",
        "UPDATE entity SET is_shown = 0",
        "DELETE FROM entity WHERE kind = 'program'",
        "INSERT INTO menu_key VALUES ('menu', 'hack', '1')",
    ] {
        let (mut mirror, _) = mirror_of(&Place::new(), &[]);
        drop(mirror);
        let place = Place::new();
        (mirror, _) = mirror_of(&place, &entities);
        assert_eq!(faults(&mut mirror, &|_| true), Vec::<String>::new());
        mirror.connection.execute_batch(spoil).unwrap();
        assert_ne!(faults(&mut mirror, &|_| true), Vec::<String>::new(), "{spoil}");
        mirror.repair_all(&|_| Hearing::Ready).unwrap();
        show_all(&mut mirror, &|_| true);
        assert_eq!(faults(&mut mirror, &|_| true), Vec::<String>::new(), "{spoil}");
    }
    let (mut mirror, _) = mirror_of(&place, &entities);
    assert_ne!(faults(&mut mirror, &|_| false), Vec::<String>::new(), "audio that is gone");
    assert_eq!(mirror.repair_all(&|_| Hearing::Missing).unwrap(), 1);
    show_all(&mut mirror, &|_| true);
    assert_eq!(faults(&mut mirror, &|_| true), Vec::<String>::new());
}

#[test]
fn a_mirror_of_a_later_version_is_left_alone() {
    let place = Place::new();
    place.open().connection.execute_batch("PRAGMA user_version = 99").unwrap();
    for error in [Mirror::open(&place.directory).unwrap_err(), Mirror::open_to_read(&place.directory).unwrap_err()] {
        assert!(error.to_string().contains("schema 99"), "{error}");
    }
}

#[test]
fn the_databases_files_are_for_the_group_whatever_the_umask() {
    use std::os::unix::fs::MetadataExt;
    let place = Place::new();
    let (_mirror, _) = mirror_of(&place, &[(EntityKey::settings(), settings(&[]))]);
    for suffix in ["", "-wal", "-shm"] {
        let path = format!("{}{suffix}", Mirror::path_in(&place.directory));
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o660, "{path}");
    }
}
