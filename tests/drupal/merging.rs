//! Reading what changed and putting it in place gives what a whole reading gives.

use std::cell::RefCell;
use std::collections::BTreeSet;

use audiospread_server::catalogue::site::Nid;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::reader;
use crate::harness::{DrupalSite, Engine};

/// A change of some rows, and the nodes that Drupal would name.
#[derive(Clone, Debug)]
struct Edit {
    statements: String,
    named: Vec<Nid>,
}

fn edit(statements: impl Into<String>, named: impl Into<Vec<Nid>>) -> Edit {
    Edit { statements: statements.into(), named: named.into() }
}

/// Nodes of all types, some with attachments, some that are not there.
fn any_nid() -> impl Strategy<Value = Nid> {
    prop::sample::select(vec![
        1, 53, 165, 166, 167, 171, 228, 229, 230, 264, 267, 294, 297, 320, 350, 358, 386, 389, 402, 411, 437, 442, 5000,
    ])
}

fn any_edit() -> impl Strategy<Value = Edit> {
    let current = "SELECT vid FROM {node} WHERE nid =";
    prop_oneof![
        any_nid().prop_map(|nid| edit(format!("UPDATE {{node}} SET status = 1 - status WHERE nid = {nid}"), [nid])),
        any_nid().prop_map(|nid| edit(format!("UPDATE {{node}} SET title = CONCAT(title, '!'), language = 'fr' WHERE nid = {nid}"), [nid])),
        any_nid().prop_map(|nid| edit(format!("DELETE FROM {{node}} WHERE nid = {nid}"), [nid])),
        (any_nid(), 6000..6010_u32).prop_map(|(nid, vid)| edit(format!("UPDATE IGNORE {{node}} SET vid = {vid} WHERE nid = {nid}"), [nid])),
        (any_nid(), prop::sample::select(vec!["program", "prompt", "story", "file", "phone_subscriber", "category_info"]))
            .prop_map(|(nid, kind)| edit(format!("UPDATE {{node}} SET type = '{kind}' WHERE nid = {nid}"), [nid])),
        (any_nid(), any_nid()).prop_map(move |(nid, file)| edit(
            format!("UPDATE {{content_field_audio_body}} SET field_audio_body_value = {file} WHERE vid = ({current} {nid})"),
            [nid]
        )),
        (any_nid(), 1..20_u32).prop_map(move |(nid, tid)| edit(
            format!("INSERT IGNORE INTO {{term_node}} (nid, vid, tid) SELECT nid, vid, {tid} FROM {{node}} WHERE nid = {nid}"),
            [nid]
        )),
        (any_nid(), 1..21_u32, -3..3_i32).prop_map(|(nid, fid, weight)| edit(
            format!(
                "INSERT IGNORE INTO {{upload}} (fid, nid, vid, description, list, weight)
                 SELECT {fid}, nid, vid, '', 1, {weight} FROM {{node}} WHERE nid = {nid}"
            ),
            [nid]
        )),
        any_nid().prop_map(move |nid| edit(format!("DELETE FROM {{upload}} WHERE vid = ({current} {nid})"), [nid])),
        any_nid().prop_map(move |nid| edit(
            format!("UPDATE {{content_type_program}} SET field_weight_value = 'x1' WHERE vid = ({current} {nid})"),
            [nid]
        )),
        any_nid().prop_map(|nid| edit(format!("UPDATE {{file_nodes}} SET uri = CONCAT(uri, 'x') WHERE nid = {nid}"), [nid])),
        (any_nid(), any_nid()).prop_map(|(fnid, nid)| edit(
            format!(
                "INSERT INTO {{file_attachments}} (fnid, nid, vid, cid, list, weight)
                 SELECT {fnid}, nid, vid, 0, 1, 0 FROM {{node}} WHERE nid = {nid}"
            ),
            [nid]
        )),
        Just(edit("UPDATE {term_data} SET weight = -weight, name = CONCAT(name, 's') WHERE tid = 5", [])),
        Just(edit("REPLACE INTO {variable} (name, value) VALUES ('audiospread_settings', 'i:3;')", [])),
        Just(edit("UPDATE {languages} SET enabled = 1 - enabled WHERE language = 'ar'", [])),
    ]
}

#[test]
fn what_is_read_again_by_name_or_by_marks_and_merged_is_what_a_whole_reading_gives() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let site = runtime.block_on(async {
        let site = DrupalSite::new()
            .engine(Engine::MyIsam)
            .configure("[content.fields]\nheader = 'field_jingle'")
            .build()
            .await;
        // So that a weight may be none.
        site.sql("ALTER TABLE {content_type_program} MODIFY field_weight_value VARCHAR(20)").await;
        site
    });
    let reader = reader(&site.config());
    let (site_before, marks) = runtime.block_on(reader.read_whole()).unwrap();
    let merged = RefCell::new(site_before.clone());
    let followed = RefCell::new((site_before, marks));
    let edits = prop::collection::vec(any_edit(), 1..6);
    TestRunner::new(Config { cases: 60, max_shrink_iters: 0, failure_persistence: None, ..Config::default() })
        .run(&edits, |edits| {
            let named: Vec<Nid> = edits.iter().flat_map(|edit| edit.named.iter().copied()).collect();
            let (partial, whole) = runtime.block_on(async {
                for edit in &edits {
                    site.sql(&edit.statements).await;
                }
                (reader.read_some(&named).await.unwrap(), reader.read_all().await.unwrap())
            });
            prop_assert_eq!(partial.layout, whole.layout);
            merged.borrow_mut().merge(partial);
            prop_assert_eq!(&*merged.borrow(), &whole);

            // Nobody names a node to the one that goes by what the tables looked like.
            let (before, marks) = followed.take();
            let changes = runtime.block_on(reader.read_changes(&before, marks, &BTreeSet::new())).unwrap();
            let (changes, marks) = changes.expect("so few changes ask for no whole reading");
            let mut after = before;
            after.merge(changes);
            prop_assert_eq!(&after, &whole);
            followed.replace((after, marks));
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn a_new_or_deleted_term_asks_for_a_whole_reading() {
    let site = DrupalSite::new().build().await;
    let reader = reader(&site.config());
    let before = reader.read_all().await.unwrap();
    assert_eq!(reader.read_some(&[]).await.unwrap().layout, before.layout);
    site.sql("DELETE FROM {term_data} WHERE tid = 5").await;
    assert_ne!(reader.read_some(&[]).await.unwrap().layout, before.layout);
}

#[tokio::test]
async fn a_file_that_is_named_is_read_too_and_what_is_pointed_at_comes_along() {
    let site = DrupalSite::new().build().await;
    let reader = reader(&site.config());
    let partial = reader.read_some(&[171, 358, 229]).await.unwrap();
    let nids: Vec<Nid> = partial.nids().collect();
    assert_eq!(nids[..3], [171, 229, 358]);
    assert!(nids.contains(&437) && nids.contains(&172));
    assert_eq!(partial.fids().collect::<Vec<_>>(), [2, 3]);
}
