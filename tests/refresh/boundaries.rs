//! Saves that stand still between two of their statements while a refresh reads: no half of one is ever published.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use audiospread_protocol::{EntityKey, Kind};
use audiospread_server::refresh::Scope;
use mysql_async::prelude::Queryable;

use super::legitimate::{Legitimate, differences};
use super::running::Running;
use crate::feed::mirror::Mirror;
use crate::harness::editor::{Editor, ProgramSave};
use crate::harness::{DrupalSite, Engine, Mariadb};

/// Long enough for the rest of all saves between the two readings of one refresh.
const SETTLE: Duration = Duration::from_millis(2_500);

/// A save that stands still.
struct Paused {
    nid: u32,
    left: Vec<String>,
}

const SAVE: ProgramSave<'_> =
    ProgramSave { title: "Saved", published: true, terms: &[2, 4], spoken_title: None, body: None, weight: 7 };

/// Programs that are on the phone, with a title and a body in fields, and the file nodes of another one to be saved with.
async fn programs(site: &DrupalSite) -> Vec<u32> {
    let mut conn = site.connect().await;
    let query = site.with_prefixes(
        "SELECT n.nid FROM {node} n JOIN {content_field_audio_body} b ON b.vid = n.vid JOIN {term_node} t ON t.vid = n.vid
         WHERE n.type = 'program' AND n.status = 1 AND b.field_audio_body_value IN
         (SELECT f.nid FROM {node} f WHERE f.type = 'file' AND f.status = 1) GROUP BY n.nid ORDER BY n.nid LIMIT 50",
    );
    let nids = conn.query(query).await.unwrap();
    conn.disconnect().await.unwrap();
    nids
}

/// One save of each sort for each of its boundaries, each of a program of its own.
async fn saves(site: &DrupalSite) -> Vec<(u32, Vec<String>, usize)> {
    let editor = Editor::of(site);
    let sound: u32 = site.value("SELECT field_audio_body_value FROM {content_field_audio_body} WHERE vid = 440").await;
    let save = ProgramSave { spoken_title: Some(sound), body: Some(sound), ..SAVE };
    let mut next_nid: u32 = site.value::<u32>("SELECT MAX(nid) FROM {node}").await + 1;
    let mut revision: u32 = site.value::<u32>("SELECT MAX(vid) FROM {node_revisions}").await + 1;
    let mut programs = programs(site).await.into_iter();
    let mut saves = Vec::new();
    for sort in ["insert", "update", "revise"] {
        let mut boundary = 0;
        loop {
            let (nid, statements) = match sort {
                "insert" => (next_nid, editor.insert(next_nid, revision, &save).await),
                "update" => {
                    let nid = programs.next().unwrap();
                    (nid, editor.update(nid, &save).await)
                }
                _ => {
                    let nid = programs.next().unwrap();
                    (nid, editor.revise(nid, revision, &save).await)
                }
            };
            (next_nid, revision) = (next_nid + 1, revision + 1);
            boundary += 1;
            let is_last = boundary + 1 >= statements.len();
            saves.push((nid, statements, boundary));
            if is_last {
                break;
            }
        }
    }
    saves
}

/// Waits until the account that reads Drupal has no more to ask for the moment: the first reading is over, the refresh settles.
pub(super) async fn until_read(site: &DrupalSite) {
    let mut root = Mariadb::shared().connect(None).await;
    let quiet = format!(
        "SELECT COUNT(*) > 0 AND MIN(command = 'Sleep' AND time_ms BETWEEN 250 AND 1500) FROM information_schema.processlist
         WHERE db = '{}' AND user LIKE 'reader%'",
        site.database
    );
    let patience = Instant::now() + Duration::from_secs(20);
    while root.query_first::<u8, _>(&quiet).await.unwrap() != Some(1) {
        assert!(Instant::now() < patience, "the reader is never quiet");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    root.disconnect().await.unwrap();
}

async fn pauses_are_survived(engine: Engine, named: bool) {
    let settle = format!("drupal.settle_ms = {}", SETTLE.as_millis());
    let site = DrupalSite::new().engine(engine).configure(&settle).build().await;
    let mut running = Running::on(&site).await;
    running.settle().await;
    let rooms = running.rooms.clone();
    let mut mirror = Mirror::fresh(&rooms.feed, true).await;
    let mut legitimate = Legitimate::default();
    legitimate.note(&rooms.as_read_now().await);

    let editor = Editor::of(&site);
    let mut conn = site.connect().await;
    let mut paused = Vec::new();
    for (nid, mut statements, boundary) in saves(&site).await {
        let left = statements.split_off(boundary);
        editor.make(&mut conn, &statements, async || {}).await;
        paused.push(Paused { nid, left });
    }
    let nodes: BTreeSet<u32> = paused.iter().map(|paused| paused.nid).collect();
    let scope = if named { Scope::Nodes(nodes.clone()) } else { Scope::Whole };

    // The first reading sees each save at another boundary; before the second one the saves go on to their ends.
    let go_on = async {
        until_read(&site).await;
        for paused in &paused {
            editor.make(&mut conn, &paused.left, async || {}).await;
        }
        Instant::now()
    };
    let refresh = async {
        running.refresh(scope.clone()).await;
        Instant::now()
    };
    let (refreshed, ended) = tokio::join!(refresh, go_on);
    assert!(ended < refreshed, "the saves ended between the two readings");
    legitimate.note(&rooms.as_read_now().await);
    let before = mirror.state.clone();
    mirror.pull(&rooms.feed).await;
    legitimate.admits(&differences(&before, &mirror.state));

    running.refresh(scope).await;
    running.settle().await;
    let before = mirror.state.clone();
    mirror.pull(&rooms.feed).await;
    legitimate.admits(&differences(&before, &mirror.state));
    let saved = mirror.state.values().filter(|value| String::from_utf8_lossy(value).contains(r#""title":"Saved""#));
    assert_eq!(saved.count(), nodes.len(), "each save is published once it is whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_save_that_pauses_at_any_boundary_while_everything_is_read_is_published_whole() {
    pauses_are_survived(Engine::MyIsam, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_save_that_pauses_at_any_boundary_while_its_node_is_read_is_published_whole() {
    pauses_are_survived(Engine::InnoDb, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_save_that_begins_between_the_two_readings_waits_for_the_next_refresh() {
    let settle = format!("drupal.settle_ms = {}", SETTLE.as_millis());
    let site = DrupalSite::new().configure(&settle).build().await;
    let mut running = Running::on(&site).await;
    running.settle().await;
    let rooms = running.rooms.clone();
    let mut mirror = Mirror::fresh(&rooms.feed, true).await;
    let mut legitimate = Legitimate::default();

    // Each program has just been saved, so that it is read twice; then it is saved again, as far as one of its boundaries.
    let editor = Editor::of(&site);
    let mut conn = site.connect().await;
    let saves: Vec<_> =
        saves(&site).await.into_iter().filter(|(_, statements, _)| statements[0].starts_with("UPDATE")).collect();
    let nodes: Vec<String> = saves.iter().map(|(nid, ..)| nid.to_string()).collect();
    site.sql(&format!("UPDATE {{node}} SET title = 'Before' WHERE nid IN ({})", nodes.join(","))).await;
    legitimate.note(&rooms.as_read_now().await);
    let go_on = async {
        until_read(&site).await;
        for (_, statements, boundary) in &saves {
            editor.make(&mut conn, &statements[..*boundary], async || {}).await;
        }
    };
    let (report, ()) = tokio::join!(running.refresh(Scope::Whole), go_on);
    assert!(report.again.is_some());
    let before = mirror.state.clone();
    mirror.pull(&rooms.feed).await;
    let half = differences(&before, &mirror.state);
    for (_, statements, boundary) in &saves {
        editor.make(&mut conn, &statements[*boundary..], async || {}).await;
    }
    legitimate.note(&rooms.as_read_now().await);
    legitimate.admits(&half);
    running.settle().await;
    let before = mirror.state.clone();
    mirror.pull(&rooms.feed).await;
    legitimate.admits(&differences(&before, &mirror.state));
    assert_eq!(rooms.published().await, rooms.as_read_now().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revision_whose_fields_are_not_there_yet_leaves_the_old_state_however_long_it_takes() {
    let site = DrupalSite::new().configure("drupal.settle_ms = 50").build().await;
    let mut running = Running::on(&site).await;
    running.settle().await;
    let rooms = running.rooms.clone();
    let key = EntityKey::numbered(Kind::Program, 171);
    let old = rooms.published().await[&key];

    let editor = Editor::of(&site);
    let mut conn = site.connect().await;
    let body: u32 = site.value("SELECT field_audio_body_value FROM {content_field_audio_body} WHERE vid = 440").await;
    let vid: u32 = site.value::<u32>("SELECT MAX(vid) FROM {node_revisions}").await + 1;
    let statements = editor.revise(171, vid, &ProgramSave { body: Some(body), ..SAVE }).await;
    let moved = 1 + statements.iter().position(|statement| statement.contains(&format!("SET vid = {vid}"))).unwrap();
    let fields = statements.iter().position(|statement| statement.contains("content_type_program")).unwrap();
    assert!(moved < fields);
    editor.make(&mut conn, &statements[..moved], async || {}).await;
    for statement in &statements[moved..fields] {
        for scope in [Scope::Whole, Scope::Nodes([171].into())] {
            let report = running.refresh(scope).await;
            assert!(report.saving.contains(&171), "a save is in flight");
            assert_eq!(rooms.published().await.get(&key), Some(&old), "before {statement}");
        }
        editor.make(&mut conn, std::slice::from_ref(statement), async || {}).await;
    }
    editor.make(&mut conn, &statements[fields..], async || {}).await;
    running.refresh(Scope::Nodes([171].into())).await;
    let new = rooms.published().await[&key];
    assert_ne!(new, old);
    assert_eq!(new, rooms.as_read_now().await[&key]);
}
