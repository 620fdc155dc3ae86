//! After any row of edits, what an edit says is affected is all that has to be drafted again.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::super::sample::{Sample, blob, node, sound, term};
use super::super::site::{AudioState, Node, Partial, ProgramNode, PromptNode, Site, SoundNode, SubscriberNode};
use super::super::{Finding, IndexedSite, Outcome, PromptName};
use super::*;

/// What is published, as bytes, and what is told of each entity.
#[derive(Clone, Debug, Default, PartialEq)]
struct Feed {
    values: BTreeMap<EntityKey, Vec<u8>>,
    findings: BTreeMap<EntityKey, Vec<Finding>>,
}

impl Feed {
    fn redo(&mut self, catalogue: &Catalogue<'_>, keys: impl IntoIterator<Item = EntityKey>) {
        for key in keys {
            let draft = catalogue.draft(&key);
            match draft.outcome {
                Outcome::Put(bytes) => drop(self.values.insert(key.clone(), bytes)),
                Outcome::Absent(_) => drop(self.values.remove(&key)),
                Outcome::Keep(_) => {}
            }
            if draft.findings.is_empty() {
                self.findings.remove(&key);
            } else {
                self.findings.insert(key, draft.findings);
            }
        }
    }

    fn redo_all(&mut self, catalogue: &Catalogue<'_>) {
        let known: BTreeSet<EntityKey> = self.values.keys().chain(self.findings.keys()).cloned().collect();
        self.redo(catalogue, catalogue.keys().collect::<BTreeSet<_>>().union(&known).cloned());
    }
}

fn option<S: Strategy>(values: S) -> impl Strategy<Value = Option<S::Value>>
where
    S::Value: Clone,
{
    prop::option::weighted(0.7, values)
}

fn any_file() -> impl Strategy<Value = Option<FileRef>> {
    option(prop_oneof![(30u32..35).prop_map(FileRef::Node), (1u32..4).prop_map(FileRef::Managed)])
}

fn any_node() -> impl Strategy<Value = Node> {
    let language = || prop::option::of(prop::sample::select(vec!["en", "fr", "wo"]));
    let terms = prop::collection::btree_set(prop::sample::select(vec![1u32, 2, 3, 12, 13]), 0..3);
    (prop::bool::weighted(0.8), prop::bool::weighted(0.85), language(), terms, 0u32..3).prop_map(
        |(published, complete, language, terms, vid)| Node {
            vid,
            published,
            complete,
            language: language.map(Into::into),
            ..node(1, &terms.into_iter().collect::<Vec<_>>())
        },
    )
}

fn any_program() -> impl Strategy<Value = ProgramNode> {
    let attachments = prop::collection::vec(any_file(), 0..3);
    (any_node(), any_file(), any_file(), attachments, 0i32..2).prop_map(|(node, title, body, attachments, weight)| {
        ProgramNode { node, title, body, attachments: attachments.into_iter().flatten().collect(), weight }
    })
}

fn any_sound() -> impl Strategy<Value = SoundNode> {
    (any_node(), any_file(), any_file()).prop_map(|(node, title, header)| SoundNode {
        node,
        title,
        header,
        footer: None,
    })
}

fn any_prompt() -> impl Strategy<Value = PromptNode> {
    let key = option(prop::sample::select(vec!["welcome", "digit_1", "jingle", "no key"]));
    (any_node(), key, any_file()).prop_map(|(node, key, audio)| PromptNode { node, key: key.map(Into::into), audio })
}

fn any_subscriber() -> impl Strategy<Value = SubscriberNode> {
    let numbers = vec!["0775550100", "+221775550100", "0775550101", "0775550102", "SIP/x"];
    let numbers = prop::collection::vec(prop::sample::select(numbers), 0..3);
    (any_node(), numbers, option(prop::sample::select(vec!["premium", "standard", "gold"]))).prop_map(
        |(node, numbers, plan)| SubscriberNode {
            node,
            numbers: numbers.into_iter().map(Into::into).collect(),
            plan: plan.map(Into::into),
            balance_seconds: None,
        },
    )
}

fn any_file_node() -> impl Strategy<Value = FileNode> {
    (prop::bool::weighted(0.8), prop::bool::weighted(0.9), prop::bool::weighted(0.8), option(30u32..36)).prop_map(
        |(published, complete, looks_like_audio, source)| FileNode {
            vid: 1,
            published,
            changed: 1,
            complete,
            looks_like_audio,
            source: source.map(blob),
        },
    )
}

fn any_managed_file() -> impl Strategy<Value = ManagedFile> {
    (prop::bool::weighted(0.8), prop::bool::weighted(0.8), 30u32..36).prop_map(
        |(permanent, looks_like_audio, source)| ManagedFile { permanent, looks_like_audio, source: blob(source) },
    )
}

fn some<T: std::fmt::Debug>(
    ids: std::ops::Range<u32>,
    rows: impl Strategy<Value = T>,
) -> impl Strategy<Value = BTreeMap<u32, T>> {
    prop::collection::btree_map(ids, rows, 0..5)
}

fn any_site() -> impl Strategy<Value = Site> {
    let nodes = (
        some(100..104, any_program()),
        some(110..114, any_sound()),
        some(120..124, any_prompt()),
        some(130..134, any_subscriber()),
    );
    let files = (some(30..35, any_file_node()), some(1..4, any_managed_file()));
    let frame = (prop::bool::weighted(0.1), prop::bool::weighted(0.1));
    (nodes, files, frame).prop_map(|((programs, sounds, prompts, subscribers), (files, managed_files), frame)| {
        let mut site = Site { programs, sounds, prompts, subscribers, files, managed_files, ..Sample::new().site };
        if frame.0 {
            site.terms.insert(2, term("Crops", 1, &[0, 13]));
        }
        if frame.1 {
            site.settings = serde_json::json!({"languages": ["en", "fr", "wo"]});
        }
        site
    })
}

/// A site that another one turns into where these rows are read again.
#[derive(Clone, Debug)]
struct Step {
    site: Site,
    rows: HashSet<u32>,
    frame: bool,
}

fn any_step() -> impl Strategy<Value = Step> {
    let rows = (prop_oneof![Just(1usize), Just(6)]).prop_flat_map(|count| {
        let ids: Vec<u32> =
            (1..4).chain(30..35).chain(100..104).chain(110..114).chain(120..124).chain(130..134).collect();
        prop::collection::hash_set(prop::sample::select(ids), 1..=count)
    });
    (any_site(), rows, prop::bool::weighted(0.15)).prop_map(|(site, rows, frame)| Step { site, rows, frame })
}

fn take<T: Clone>(into: &mut BTreeMap<u32, T>, from: &BTreeMap<u32, T>, rows: &HashSet<u32>) {
    for id in rows {
        match from.get(id) {
            Some(row) => drop(into.insert(*id, row.clone())),
            None => drop(into.remove(id)),
        }
    }
}

impl Step {
    /// What a reading of the step's rows finds.
    fn read_of(&self, now: &Site) -> Partial {
        let mut rows = Site::default();
        self.merge_into(&mut rows);
        if !self.frame {
            rows.terms.clone_from(&now.terms);
            rows.settings.clone_from(&now.settings);
        }
        rows.languages.clone_from(&now.languages);
        let (mut fids, mut nids): (Vec<u32>, Vec<u32>) = self.rows.iter().partition(|&&id| id < 30);
        fids.sort_unstable();
        nids.sort_unstable();
        Partial::new(nids, fids.into_iter().map(FileRef::Managed).collect(), rows)
    }

    fn merge_into(&self, site: &mut Site) {
        take(&mut site.programs, &self.site.programs, &self.rows);
        take(&mut site.sounds, &self.site.sounds, &self.rows);
        take(&mut site.prompts, &self.site.prompts, &self.rows);
        take(&mut site.subscribers, &self.site.subscribers, &self.rows);
        take(&mut site.files, &self.site.files, &self.rows);
        take(&mut site.managed_files, &self.site.managed_files, &self.rows);
        if self.frame {
            site.terms.clone_from(&self.site.terms);
            site.settings.clone_from(&self.site.settings);
        }
    }
}

fn begin(site: Site) -> Sample {
    let mut sample = Sample { site, ..Sample::new() };
    sample.packs.insert("en", PromptName::new("home", "welcome"), sound("en"));
    sample.audio.0.insert(blob(33), AudioState::Pending);
    sample.audio.0.insert(blob(34), AudioState::Missing);
    sample
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn redoing_what_an_edit_affects_gives_what_redoing_all_gives(
        site in any_site(),
        steps in prop::collection::vec(any_step(), 1..6),
    ) {
        let mut sample = begin(site);
        let mut whole = Feed::default();
        whole.redo_all(&sample.catalogue());
        let mut incremental = whole.clone();
        for step in steps {
            let (fids, nids): (Vec<u32>, Vec<u32>) = step.rows.iter().partition(|&&id| id < 30);
            let edit = sample.catalogue().edit(nids, fids);
            step.merge_into(&mut sample.site);
            let catalogue = sample.catalogue();
            match catalogue.affected(&edit) {
                Affected::Everything => incremental.redo_all(&catalogue),
                Affected::Keys(keys) => incremental.redo(&catalogue, keys),
            }
            whole.redo_all(&catalogue);
            prop_assert_eq!(&incremental, &whole);
        }
    }

    #[test]
    fn a_site_that_takes_rows_in_has_the_indices_that_it_would_get_anew(
        site in any_site(),
        steps in prop::collection::vec(any_step(), 1..6),
    ) {
        let Sample { site, audio, rules, packs } = begin(site);
        let rules = Arc::new(rules);
        let mut indexed = IndexedSite::new(site, rules.clone());
        for step in steps {
            let before = indexed.edition();
            let leaves_them = !step.frame && step.rows.iter().all(|id| *id < 110);
            indexed.merge(step.read_of(&indexed));
            if leaves_them {
                prop_assert!(indexed.edition() == before);
            }
            let (kept, anew) = (indexed.catalogue(&audio, &packs), Catalogue::new(&indexed, &audio, &rules, &packs));
            let (mut as_kept, mut as_anew) = (Feed::default(), Feed::default());
            as_kept.redo_all(&kept);
            as_anew.redo_all(&anew);
            prop_assert_eq!(as_kept, as_anew);
            prop_assert_eq!(kept.site_findings(&HashMap::new()), anew.site_findings(&HashMap::new()));
            for key in anew.keys() {
                prop_assert_eq!(kept.nodes_behind(&key), anew.nodes_behind(&key));
            }
            prop_assert_eq!(kept.affected(&anew.edit([], [])), Affected::Keys(BTreeSet::new()));
        }
    }

    #[test]
    fn each_key_is_named_once_is_covered_and_is_drafted_alike_each_time(site in any_site()) {
        let sample = begin(site);
        let catalogue = sample.catalogue();
        let keys: Vec<EntityKey> = catalogue.keys().collect();
        prop_assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
        for key in &keys {
            prop_assert!(catalogue.covers(key), "{}", key);
            prop_assert_eq!(catalogue.draft(key), sample.catalogue().draft(key));
        }
        prop_assert_eq!(catalogue.site_findings(&HashMap::new()), sample.catalogue().site_findings(&HashMap::new()));
    }

    #[test]
    fn what_is_learnt_of_audio_changes_only_its_users(site in any_site(), source in 30u32..35) {
        let mut sample = begin(site);
        let mut whole = Feed::default();
        whole.redo_all(&sample.catalogue());
        let mut incremental = whole.clone();
        sample.audio.0.insert(blob(source), AudioState::NotAudio);
        let catalogue = sample.catalogue();
        incremental.redo(&catalogue, catalogue.users_of_audio(&HashSet::from([blob(source)])));
        whole.redo_all(&catalogue);
        prop_assert_eq!(incremental, whole);
    }
}

#[test]
fn a_file_that_was_only_saved_again_leads_to_no_other_entity() {
    let mut sample = Sample::new();
    let shared = sample.file(500);
    for nid in [100, 200] {
        sample.program(nid).body = Some(shared);
    }
    let edit = sample.catalogue().edit([100, 500], []);
    sample.site.files.get_mut(&500).unwrap().changed += 60;
    let key = |nid| EntityKey::numbered(Kind::Program, nid);
    assert_eq!(sample.catalogue().affected(&edit), Affected::Keys([key(100)].into()));
    sample.site.files.get_mut(&500).unwrap().source = Some(blob(501));
    assert_eq!(sample.catalogue().affected(&edit), Affected::Keys([key(100), key(200)].into()));
}

#[test]
fn a_change_of_terms_languages_or_settings_affects_everything() {
    type Change = fn(&mut Site);
    let changes: [Change; 5] = [
        |site| drop(site.terms.remove(&3)),
        |site| site.terms.get_mut(&3).unwrap().rank = 90,
        |site| site.terms.get_mut(&3).unwrap().description = "new".into(),
        |site| site.languages.enabled.push("wo".into()),
        |site| site.settings = serde_json::json!({"menu_page_size": 5}),
    ];
    for change in changes {
        let mut sample = Sample::new();
        let edit = sample.catalogue().edit([], []);
        assert_eq!(sample.catalogue().affected(&edit), Affected::Keys(BTreeSet::new()));
        change(&mut sample.site);
        assert_eq!(sample.catalogue().affected(&edit), Affected::Everything);
    }
}
