//! Killed at any moment, from outside, while an editor works: the feed goes on where it was, and loses and invents nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::{catch_up, onlooker, until_published, versions_are_without_gaps};
use crate::feed::mirror::Mirror;
use crate::harness::DrupalSite;
use crate::harness::desk::Desk;
use crate::harness::editor::Editor;
use crate::harness::gateway::{ALL_PROGRAMS, Gateway};
use crate::harness::phone::Phone;
use crate::refresh::legitimate::{Change, Legitimate, differences};
use crate::refresh::running::Rooms;

/// How often it is killed in each test run, the first times while it fills its feed; `AUDIOSPREAD_KILLS` sets more.
const KILLS: u32 = 20;
const KILLS_WHILE_FILLING: u32 = 5;
/// Longer than any save of the editor's takes.
const SETTLE_MS: u64 = 600;

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_killed_at_random_moments_loses_and_invents_nothing() {
    let quick = format!("drupal.settle_ms = {SETTLE_MS}\ndrupal.refresh_seconds = 1\nfeed.snapshot_seconds = 1");
    let site = Arc::new(DrupalSite::new().configure(&quick).build().await);
    let kills = std::env::var("AUDIOSPREAD_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    for _ in 0..KILLS_WHILE_FILLING {
        live_for_a_moment(&site, 1_500).await;
    }
    let filling = Gateway::named(&site, "killed", "");
    filling.wait_for(ALL_PROGRAMS);
    drop(filling);

    let onlooker = onlooker(&site).await;
    let rooms = onlooker.rooms.clone();
    let mut mirror = Mirror::fresh(&rooms.feed, true).await;
    let phone = Phone::of("http://127.0.0.1:9");
    let finished = Arc::new(AtomicBool::new(false));
    let editing = tokio::spawn(edit(site.clone(), rooms.clone(), finished.clone()));
    let mut published: Vec<Change> = Vec::new();
    for number in KILLS_WHILE_FILLING..kills.max(KILLS_WHILE_FILLING) {
        let gateway = Gateway::named(&site, "killed", "");
        let mut pull = (number % 3 == 0).then(|| {
            phone.configure(&gateway.url(), "");
            phone.start(&["pull"]).unwrap()
        });
        tokio::time::sleep(Duration::from_millis(rand::rng().random_range(100..2_000))).await;
        drop(gateway);
        if let Some(pull) = &mut pull {
            pull.kill().unwrap();
            pull.wait().unwrap();
        }
        let before = mirror.state.clone();
        catch_up(&mut mirror, &rooms).await;
        published.extend(differences(&before, &mirror.state));
        versions_are_without_gaps(&site).await;
    }
    finished.store(true, Ordering::Relaxed);
    let legitimate = editing.await.unwrap();

    let gateway = Gateway::named(&site, "killed", "");
    until_published(&rooms).await;
    let before = mirror.state.clone();
    catch_up(&mut mirror, &rooms).await;
    published.extend(differences(&before, &mirror.state));
    let fresh = Mirror::fresh(&rooms.feed, true).await;
    assert_eq!(mirror.cursor, fresh.cursor, "all is published, and nothing moves any more");
    assert_eq!(mirror.state, fresh.state, "deltas and a fresh pull agree");
    assert!(!published.is_empty());
    legitimate.admits(&published);
    phone.configure(&gateway.url(), "");
    phone.pull();
    phone.verify(&[]);
    let fresh = Phone::of(&gateway.url());
    fresh.pull();
    fresh.verify(&[]);
}

/// Starts the gateway, and kills it before so many milliseconds are over.
async fn live_for_a_moment(site: &DrupalSite, milliseconds: u64) {
    let gateway = Gateway::named(site, "killed", "");
    tokio::time::sleep(Duration::from_millis(rand::rng().random_range(20..milliseconds))).await;
    drop(gateway);
}

/// Saves one thing after the other until the test has seen enough, and tells what may have been published meanwhile.
async fn edit(site: Arc<DrupalSite>, rooms: Arc<Rooms>, finished: Arc<AtomicBool>) -> Legitimate {
    let mut choice = StdRng::seed_from_u64(3);
    let mut legitimate = Legitimate::default();
    legitimate.note(&rooms.as_read_now().await);
    let editor = Editor::of(&site);
    let mut conn = site.connect().await;
    let mut desk = Desk::new(&site).await;
    let mut number = 0;
    while !finished.load(Ordering::Relaxed) {
        let (_, statements) = desk.next_save(&editor, &mut choice, number).await;
        let began = Instant::now();
        editor.make(&mut conn, &statements, async || {}).await;
        assert!(began.elapsed() < Duration::from_millis(SETTLE_MS), "a save took {:?}", began.elapsed());
        legitimate.note(&rooms.as_read_now().await);
        tokio::time::sleep(Duration::from_millis(choice.random_range(0..400))).await;
        number += 1;
    }
    legitimate
}
