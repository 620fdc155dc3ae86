//! Random edits of a site, statement by statement, with refreshes beside them at any moment.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use audiospread_server::refresh::Scope;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::watch;

use super::legitimate::{Change, Legitimate, differences};
use super::running::{Rooms, Running};
use crate::feed::mirror::Mirror;
use crate::harness::desk::Desk;
use crate::harness::editor::Editor;
use crate::harness::{DrupalSite, Engine};

/// Longer than any save of the editor's takes, as two seconds are longer than any of Drupal's.
const SETTLE: Duration = Duration::from_millis(900);
const SAVES: u32 = 50;

#[tokio::test(flavor = "multi_thread")]
async fn random_edits_on_innodb_lead_by_deltas_to_a_fresh_pull_s_mirror_and_no_half_saved_state_is_published() {
    edits_are_published_whole(Engine::InnoDb, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn random_edits_on_myisam_lead_by_deltas_to_a_fresh_pull_s_mirror_and_no_half_saved_state_is_published() {
    edits_are_published_whole(Engine::MyIsam, 2).await;
}

async fn edits_are_published_whole(engine: Engine, seed: u64) {
    let settle = format!("drupal.settle_ms = {}", SETTLE.as_millis());
    let site = DrupalSite::new().engine(engine).configure(&settle).build().await;
    let mut running = Running::on(&site).await;
    running.settle().await;
    let rooms = running.rooms.clone();
    let mut mirror = Mirror::fresh(&rooms.feed, true).await;
    let mut legitimate = Legitimate::default();
    legitimate.note(&rooms.as_read_now().await);
    let mut published: Vec<Change> = Vec::new();

    let (saved, mut nodes) = watch::channel(BTreeSet::new());
    let editing = edit(&site, &rooms, &mut legitimate, StdRng::seed_from_u64(seed), saved);
    let refreshing = async {
        let mut choice = StdRng::seed_from_u64(!seed);
        while nodes.changed().await.is_ok() {
            let touched = nodes.borrow_and_update().clone();
            let scope = if choice.random_bool(0.5) { Scope::Whole } else { Scope::Nodes(touched) };
            running.refresh(scope).await;
            let before = mirror.state.clone();
            mirror.pull(&rooms.feed).await;
            published.extend(differences(&before, &mirror.state));
        }
    };
    tokio::join!(editing, refreshing);
    running.settle().await;
    let before = mirror.state.clone();
    mirror.pull(&rooms.feed).await;
    published.extend(differences(&before, &mirror.state));

    assert_eq!(rooms.published().await, rooms.as_read_now().await, "the feed loses nothing and invents nothing");
    rooms.reasons_are_those_of_now().await;
    assert_eq!(mirror.state, Mirror::fresh(&rooms.feed, true).await.state, "deltas and a fresh pull agree");
    assert_eq!(mirror.gone, rooms.feed.store().load().await.unwrap().gone, "the reader knows why what is gone is gone");
    assert!(published.len() > SAVES as usize / 3, "only {} changes were published", published.len());
    legitimate.admits(&published);
}

/// Edits the site; after each save notes what may be published, and says which nodes it touched.
async fn edit(
    site: &DrupalSite,
    rooms: &Rooms,
    legitimate: &mut Legitimate,
    mut choice: StdRng,
    saved: watch::Sender<BTreeSet<u32>>,
) {
    let editor = Editor::of(site);
    let mut conn = site.connect().await;
    let mut desk = Desk::new(site).await;
    for number in 0..SAVES {
        let (nodes, statements) = desk.next_save(&editor, &mut choice, number).await;
        let pause = SETTLE / 3 / u32::try_from(statements.len()).unwrap();
        let began = Instant::now();
        // Refreshes begin in the middle of saves as well as between them.
        let announced_at = choice.random_range(0..=statements.len());
        let mut made = 0;
        editor
            .make(&mut conn, &statements, async || {
                if made == announced_at {
                    saved.send_modify(|touched| touched.extend(&nodes));
                }
                made += 1;
                tokio::time::sleep(pause.mul_f64(fraction())).await;
            })
            .await;
        assert!(began.elapsed() < SETTLE, "the save took longer than this test allows for: {:?}", began.elapsed());
        legitimate.note(&rooms.as_read_now().await);
        saved.send_modify(|touched| touched.extend(&nodes));
    }
}

fn fraction() -> f64 {
    rand::rng().random_range(0.0..1.0)
}
