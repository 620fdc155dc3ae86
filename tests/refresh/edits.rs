//! Random edits of a site, statement by statement, with refreshes beside them at any moment.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use audiospread_protocol::{EntityKey, Sha256Digest, leaf_hash};
use audiospread_server::refresh::Scope;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tokio::sync::watch;

use super::running::{Rooms, Running};
use crate::feed::mirror::{Mirror, State};
use crate::harness::editor::{Editor, ProgramSave};
use crate::harness::{DrupalSite, Engine};

/// Longer than any save of the editor's takes, as two seconds are longer than any of Drupal's.
const SETTLE: Duration = Duration::from_millis(900);
const SAVES: u32 = 50;
/// Few, so that the second reading of a program often falls into its next save.
const PROGRAMS: usize = 4;

/// The states that each entity ever had between saves: all that may be published of it.
#[derive(Default)]
struct Legitimate(BTreeMap<EntityKey, BTreeSet<Option<Sha256Digest>>>);

impl Legitimate {
    fn note(&mut self, now: &BTreeMap<EntityKey, Sha256Digest>) {
        for (key, states) in &mut self.0 {
            states.insert(now.get(key).copied());
        }
        for (key, leaf) in now {
            self.0.entry(key.clone()).or_insert_with(|| BTreeSet::from([None])).insert(Some(*leaf));
        }
    }
}

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
    let mut published: Vec<(EntityKey, Option<Sha256Digest>)> = Vec::new();

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
    assert_eq!(mirror.state, Mirror::fresh(&rooms.feed, true).await.state, "deltas and a fresh pull agree");
    assert!(published.len() > SAVES as usize / 3, "only {} changes were published", published.len());
    for (key, leaf) in published {
        assert!(legitimate.0[&key].contains(&leaf), "{key} was published half saved");
    }
}

fn differences(before: &State, after: &State) -> Vec<(EntityKey, Option<Sha256Digest>)> {
    let keys: BTreeSet<&EntityKey> = before.keys().chain(after.keys()).collect();
    keys.into_iter()
        .filter(|key| before.get(key) != after.get(key))
        .map(|key| (key.clone(), after.get(key).map(|value| leaf_hash(key, value))))
        .collect()
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

/// What the editor works on.
struct Desk {
    programs: Vec<u32>,
    sounds: Vec<u32>,
    categories: Vec<u32>,
    next_nid: u32,
    next_vid: u32,
    weight_is_shared: bool,
}

impl Desk {
    async fn new(site: &DrupalSite) -> Self {
        let expected = DrupalSite::expected();
        let numbers = |list: &str, member: &str| -> Vec<u32> {
            let numbers = expected[list].as_array().unwrap().iter().map(|entry| entry[member].as_u64().unwrap());
            numbers.map(|number| u32::try_from(number).unwrap()).collect()
        };
        Self {
            programs: numbers("programs", "nid").into_iter().take(PROGRAMS).collect(),
            sounds: numbers("file_nodes", "file_nid").into_iter().take(2 * PROGRAMS).collect(),
            categories: numbers("categories", "tid").into_iter().filter(|tid| *tid < 12).collect(),
            next_nid: site.value::<u32>("SELECT MAX(nid) FROM {node}").await + 1,
            next_vid: site.value::<u32>("SELECT MAX(vid) FROM {node_revisions}").await + 1,
            weight_is_shared: false,
        }
    }

    /// The next save: the nodes it is about, and its statements.
    async fn next_save(&mut self, editor: &Editor<'_>, choice: &mut StdRng, number: u32) -> (Vec<u32>, Vec<String>) {
        let title = format!("Save number {number}");
        let how_many = choice.random_range(0..3);
        let some_terms: Vec<u32> = self.categories.choose_multiple(choice, how_many).copied().collect();
        let save = ProgramSave {
            title: &title,
            published: choice.random_bool(0.8),
            terms: &some_terms,
            spoken_title: self.sounds.choose(choice).copied(),
            body: self.sounds.choose(choice).copied(),
            weight: choice.random_range(-3..3),
        };
        let program = *self.programs.choose(choice).unwrap();
        let vid = self.next_vid;
        match choice.random_range(0..10) {
            0 | 1 if self.programs.len() < 2 * PROGRAMS => {
                let nid = self.next_nid;
                (self.next_nid, self.next_vid) = (nid + 1, vid + 1);
                self.programs.push(nid);
                (vec![nid], editor.insert(nid, vid, &save).await)
            }
            0..4 => (vec![program], editor.update(program, &save).await),
            6 if self.programs.len() > PROGRAMS => {
                self.programs.retain(|nid| *nid != program);
                (vec![program], editor.delete(program).await)
            }
            4..7 => {
                self.next_vid += 1;
                (vec![program], editor.revise(program, vid, &save).await)
            }
            7 => {
                let (file, other) = (*self.sounds.choose(choice).unwrap(), *self.sounds.choose(choice).unwrap());
                self.next_vid += 1;
                (vec![file], Editor::replace_file(file, vid, other))
            }
            8 if self.categories.len() > 6 => {
                let tid = *self.categories.choose(choice).unwrap();
                if choice.random_bool(0.3) {
                    self.categories.retain(|other| *other != tid);
                    return (vec![], Editor::delete_term(tid));
                }
                let parent = self.categories.choose(choice).copied().filter(|parent| *parent < tid).unwrap_or(0);
                (vec![], Editor::save_term(tid, &title, parent))
            }
            _ => {
                self.weight_is_shared = !self.weight_is_shared;
                let statements = if self.weight_is_shared { Editor::share_weight() } else { Editor::unshare_weight() };
                (vec![], statements)
            }
        }
    }
}
