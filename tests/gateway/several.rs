//! Several gateways beside one another, on one database of their own.

use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::{catch_up, onlooker, until_published, versions_are_without_gaps};
use crate::feed::mirror::Mirror;
use crate::harness::DrupalSite;
use crate::harness::desk::Desk;
use crate::harness::editor::Editor;
use crate::harness::gateway::{EVERYTHING, Gateway};
use crate::harness::phone::Phone;
use crate::refresh::legitimate::differences;
use crate::refresh::running::Running;
use audiospread_server::refresh::Scope;

#[tokio::test(flavor = "multi_thread")]
async fn of_two_refreshes_at_once_one_is_published_and_the_other_begins_again() {
    let site = DrupalSite::new().configure("drupal.settle_ms = 400").build().await;
    let mut first = Running::on(&site).await;
    let mut second = onlooker(&site).await;
    // The first fill, by both: whoever loses finds nothing left to do.
    tokio::join!(first.settle(), second.settle());
    let rooms = first.rooms.clone();
    assert_eq!(rooms.published().await, rooms.as_read_now().await);
    let mut mirror = Mirror::fresh(&rooms.feed, true).await;
    let store = rooms.feed.store().clone();

    for number in 0..3 {
        site.sql(&format!("UPDATE {{node}} SET title = 'Title {number}' WHERE nid = 171")).await;
        let version = store.head().await.unwrap().version;
        let (one, other) = tokio::join!(first.refresh(Scope::Whole), second.refresh(Scope::Whole));
        assert_eq!(store.head().await.unwrap().version, version + 1);
        let again = [&one, &other].iter().filter(|report| report.again == Some(Scope::Whole)).count();
        assert_eq!(again, 1, "the one that lost begins again: {one:?}, {other:?}");
        tokio::join!(first.refresh(Scope::Whole), second.refresh(Scope::Whole));
        assert_eq!(store.head().await.unwrap().version, version + 1, "nothing is published twice");
        let before = mirror.state.clone();
        catch_up(&mut mirror, &rooms).await;
        assert_eq!(differences(&before, &mirror.state).len(), 1);
    }
    versions_are_without_gaps(&site).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_tells_waiting_readers_what_another_one_published() {
    let site = DrupalSite::new().configure("drupal.settle_ms = 100").build().await;
    let busy = Gateway::named(&site, "busy", "drupal.refresh_seconds = 1");
    let onlooker = onlooker(&site).await;
    until_published(&onlooker.rooms).await;
    let idle = Gateway::named(&site, "idle", "drupal.refresh_seconds = 3600");
    until_answering(&idle).await;
    let store = onlooker.rooms.feed.store();
    for number in 0..3 {
        let cursor = store.head().await.unwrap().cursor(true);
        let request = reqwest::Client::new()
            .get(format!("{}/v1/feed?since={cursor}&wait=60", idle.url()))
            .bearer_auth(EVERYTHING);
        let waiting = tokio::spawn(async move { request.send().await.unwrap().text().await.unwrap() });
        site.sql(&format!("UPDATE {{node}} SET title = 'Title {number}' WHERE nid = 171")).await;
        let patience = Instant::now() + Duration::from_secs(20);
        while store.head().await.unwrap().version == cursor.version {
            assert!(Instant::now() < patience, "never published:\n{}", busy.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let committed = Instant::now();
        let answer = waiting.await.unwrap();
        assert!(committed.elapsed() < Duration::from_secs(3), "told after {:?}", committed.elapsed());
        assert!(answer.contains(&format!("Title {number}")), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_beside_one_another_publish_each_change_once_and_answer_alike() {
    let quick = "drupal.settle_ms = 300\ndrupal.refresh_seconds = 1\nfeed.snapshot_seconds = 1";
    let site = DrupalSite::new().configure(quick).build().await;
    let gateways = [Gateway::named(&site, "one", ""), Gateway::named(&site, "two", "")];
    let onlooker = onlooker(&site).await;
    until_published(&onlooker.rooms).await;
    let phones = gateways.each_ref().map(|gateway| Phone::of(&gateway.url()));

    let mut choice = StdRng::seed_from_u64(4);
    let editor = Editor::of(&site);
    let mut conn = site.connect().await;
    let mut desk = Desk::new(&site).await;
    for number in 0..12 {
        let (_, statements) = desk.next_save(&editor, &mut choice, number).await;
        editor.make(&mut conn, &statements, async || {}).await;
        if number == 6 {
            phones[0].pull();
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    until_published(&onlooker.rooms).await;
    let store = onlooker.rooms.feed.store();
    let version = store.head().await.unwrap().version;
    // Each pulls from one, and the other must agree.
    for (phone, (own, other)) in phones.iter().zip([(&gateways[0], &gateways[1]), (&gateways[1], &gateways[0])]) {
        phone.configure(&own.url(), "");
        phone.pull();
        phone.configure(&other.url(), "");
        phone.verify(&[]);
    }
    assert_eq!(store.head().await.unwrap().version, version, "nothing is published again where nothing changed");
    versions_are_without_gaps(&site).await;
}

async fn until_answering(gateway: &Gateway) {
    let patience = Instant::now() + Duration::from_secs(60);
    while reqwest::get(format!("{}/healthz", gateway.url())).await.is_err() {
        assert!(Instant::now() < patience, "the gateway does not answer:\n{}", gateway.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
