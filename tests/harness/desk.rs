//! What an editor works on, and what he does next: random saves of every kind.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use super::DrupalSite;
use super::editor::{Editor, ProgramSave};

/// Few, so that the second reading of a program often falls into its next save.
const PROGRAMS: usize = 4;

/// What the editor works on.
pub(crate) struct Desk {
    programs: Vec<u32>,
    sounds: Vec<u32>,
    categories: Vec<u32>,
    next_nid: u32,
    next_vid: u32,
    weight_is_shared: bool,
}

impl Desk {
    pub(crate) async fn new(site: &DrupalSite) -> Self {
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
    pub(crate) async fn next_save(
        &mut self,
        editor: &Editor<'_>,
        choice: &mut StdRng,
        number: u32,
    ) -> (Vec<u32>, Vec<String>) {
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
                // Of itself it would get nothing.
                let mut two = self.sounds.choose_multiple(choice, 2);
                let (file, other) = (*two.next().unwrap(), *two.next().unwrap());
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
