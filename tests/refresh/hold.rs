//! A mishap upstream is not a command to delete.

use audiospread_protocol::{EntityKey, Kind};
use audiospread_server::catalogue::Subject;
use audiospread_server::refresh::Scope;

use super::running::Running;
use crate::harness::DrupalSite;

async fn programs(running: &Running) -> usize {
    running.rooms.published().await.keys().filter(|key| key.kind() == Kind::Program).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_restored_database_empties_no_phone_until_somebody_says_so() {
    let site = DrupalSite::new().configure("drupal.settle_ms = 50").build().await;
    let mut running = Running::on(&site).await;
    running.settle().await;
    assert_eq!(programs(&running).await, 60);

    site.sql("DELETE FROM {node} WHERE type IN ('program', 'legacy_program')").await;
    let report = running.refresh(Scope::Whole).await;
    assert!(report.held);
    assert_eq!(programs(&running).await, 60);
    let store = running.rooms.feed.store().clone();
    assert!(store.findings().await.unwrap().iter().any(|finding| finding.code == "held"));

    assert!(store.accept_hold().await.unwrap());
    assert!(!running.refresh(Scope::Whole).await.held);
    assert_eq!(programs(&running).await, 0);
    assert!(store.hold().await.unwrap().is_none());
    assert!(!store.findings().await.unwrap().iter().any(|finding| finding.code == "held"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_refresh_is_forgotten_when_the_rows_come_back() {
    let site = DrupalSite::new().configure("drupal.settle_ms = 50").build().await;
    let mut running = Running::on(&site).await;
    running.settle().await;

    site.sql("UPDATE {node} SET status = 2 + status WHERE type = 'program'").await;
    assert!(running.refresh(Scope::Whole).await.held);
    site.sql("UPDATE {node} SET status = status - 2 WHERE type = 'program'").await;
    assert!(!running.refresh(Scope::Whole).await.held);
    assert!(running.rooms.feed.store().hold().await.unwrap().is_none());
    assert_eq!(programs(&running).await, 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_refresh_goes_on_when_it_has_stood_long_enough() {
    let site = DrupalSite::new().configure("drupal.settle_ms = 50\nfeed.hold_minutes = 0").build().await;
    let mut running = Running::on(&site).await;
    running.settle().await;

    site.sql("DELETE FROM {node} WHERE type = 'program'").await;
    assert!(running.refresh(Scope::Whole).await.held, "a hold begins, however short it is");
    assert!(!running.refresh(Scope::Whole).await.held);
    assert!(programs(&running).await < 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_refresh_is_held_single_nodes_neither_end_the_hold_nor_let_anything_trickle_away() {
    let site = DrupalSite::new().configure("drupal.settle_ms = 50").build().await;
    let mut running = Running::on(&site).await;
    running.settle().await;
    let store = running.rooms.feed.store().clone();
    let deleted: u32 = site.value("SELECT MIN(nid) FROM {node} WHERE type = 'program'").await;

    site.sql("DELETE FROM {node} WHERE type = 'program' AND nid <> 171").await;
    assert!(running.refresh(Scope::Whole).await.held);
    let since = store.hold().await.unwrap();
    site.sql("UPDATE {node} SET title = 'Saved meanwhile' WHERE nid = 171").await;
    for nodes in [[171], [deleted], [228]] {
        assert!(running.refresh(Scope::Nodes(nodes.into())).await.held, "{nodes:?}");
    }
    assert_eq!(programs(&running).await, 60);
    assert_eq!(store.hold().await.unwrap().map(|hold| hold.removals), since.map(|hold| hold.removals));
    assert!(store.findings().await.unwrap().iter().any(|finding| finding.code == "held"));
    let saved = store.entities(Kind::Program, "170", 1).await.unwrap();
    assert!(String::from_utf8_lossy(&saved[0].value).contains("Saved meanwhile"), "what is not removed goes on");

    assert!(store.accept_hold().await.unwrap());
    assert!(!running.refresh(Scope::Whole).await.held);
    assert!(programs(&running).await < 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn unmounted_files_fail_the_refresh_and_change_nothing() {
    let site = DrupalSite::new().configure("drupal.settle_ms = 50").build().await;
    let mut running = Running::on(&site).await;
    running.settle().await;
    let away = site.root().join("sites/default/away");
    std::fs::rename(site.files(), &away).unwrap();
    std::fs::create_dir(site.files()).unwrap();

    let error = running.refresher.refresh(Scope::Whole).await.unwrap_err();
    assert!(error.to_string().contains("sites/default/files"), "{error}");
    assert_eq!(programs(&running).await, 60);

    std::fs::remove_dir(site.files()).unwrap();
    std::fs::rename(&away, site.files()).unwrap();
    running.refresh(Scope::Whole).await;
    assert_eq!(programs(&running).await, 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_keeps_its_old_state_and_holds_nothing_else_back() {
    let site = DrupalSite::new().configure("drupal.settle_ms = 50").build().await;
    let mut running = Running::on(&site).await;
    running.settle().await;
    let category = EntityKey::numbered(Kind::Category, 2);
    let before = running.rooms.published().await;

    // As JSON it is twice as long, and more than any database of the gateway's takes.
    site.sql("UPDATE {term_data} SET description = REPEAT('\"', 15 * 1024 * 1024) WHERE tid = 2").await;
    site.sql("UPDATE {node} SET title = 'Another title' WHERE nid = 171").await;
    running.refresh(Scope::Whole).await;
    let after = running.rooms.published().await;
    let program = EntityKey::numbered(Kind::Program, 171);
    assert_ne!(after[&program], before[&program]);
    assert_eq!(after[&category], before[&category]);
    let findings = running.rooms.feed.store().findings().await.unwrap();
    assert!(findings.iter().any(|finding| finding.code == "too_large" && finding.subject == Subject::Term(2)));

    site.sql("UPDATE {term_data} SET description = 'Short again' WHERE tid = 2").await;
    running.settle().await;
    assert_ne!(running.rooms.published().await[&category], before[&category]);
    let findings = running.rooms.feed.store().findings().await.unwrap();
    assert!(!findings.iter().any(|finding| finding.code == "too_large"));
}
