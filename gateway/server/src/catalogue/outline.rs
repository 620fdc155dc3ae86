//! The vocabulary's terms as a tree of categories: which terms are categories, in which order, and which hold prompts.
//!
//! Drupal's hierarchy is a graph that may have several parents a term, loops and loose ends. Here it becomes one without loops, whose every
//! category can be reached from the top; what was left out is a finding.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use super::site::{Term, Tid};
use super::{Finding, Rules, Severity, Subject, codes};

/// The parent of the top level in `term_hierarchy`.
const TOP: Tid = 0;

/// The context of the prompts that stand directly under *minimals*.
const MINIMALS: &str = "minimals";

/// The terms as callers meet them.
pub(super) struct Outline {
    categories: HashMap<Tid, Place>,
    contexts: HashMap<Tid, Box<str>>,
    findings: Vec<Finding>,
}

/// Where a category is.
pub(super) struct Place {
    /// The order in which `taxonomy_get_tree` first meets it, over the whole vocabulary, from 0.
    pub(super) position: u32,
    /// The shortest way from the top: 1 is the top level.
    pub(super) depth: u32,
    /// The categories it is below, ascending, [`TOP`] among them.
    pub(super) parents: Vec<Tid>,
    /// The categories below it, in order.
    pub(super) children: Vec<Tid>,
}

impl Place {
    /// The parents as the feed has them: none at the top level, `0` for the top level among others.
    pub(super) fn parent_ids(&self) -> Vec<String> {
        if self.parents == [TOP] { Vec::new() } else { self.parents.iter().map(Tid::to_string).collect() }
    }
}

impl Outline {
    pub(super) fn new(terms: &HashMap<Tid, Term>, rules: &Rules) -> Self {
        let children = children(terms);
        let walk = Walk::through(&children);
        let mut findings = Vec::new();
        for &(child, _) in &walk.loops {
            findings.push(on_term(codes::CYCLE, child, terms, "is below itself: change its parents"));
        }
        report_unreached(terms, &children, &walk, &mut findings);
        let minimals = minimals(terms, &rules.minimals);
        if minimals.is_none() && !rules.minimals.is_empty() && !terms.is_empty() {
            let message = format!(
                "No top-level term is called “{}”: the site's prompts cannot be found. Make the term, or name the right one in gateway.toml \
                 (content.minimals).",
                rules.minimals
            );
            findings.push(Finding::new(codes::NO_MINIMALS, Severity::Error, Subject::Site, message));
        }
        let below_minimals = minimals.map(|top| below(top, &children)).unwrap_or_default();
        let contexts = minimals.map(|top| contexts(top, terms, &children, rules, &mut findings)).unwrap_or_default();
        let categories = categories(terms, &children, &walk, &below_minimals);
        Self { categories, contexts, findings }
    }

    pub(super) fn category(&self, tid: Tid) -> Option<&Place> {
        self.categories.get(&tid)
    }

    pub(super) fn is_category(&self, tid: Tid) -> bool {
        self.categories.contains_key(&tid)
    }

    /// All categories, in no order.
    pub(super) fn categories(&self) -> impl Iterator<Item = (Tid, &Place)> {
        self.categories.iter().map(|(&tid, place)| (tid, place))
    }

    /// The menu whose prompts are tagged with this term.
    pub(super) fn context(&self, tid: Tid) -> Option<&str> {
        self.contexts.get(&tid).map(|context| &**context)
    }

    /// What is wrong with the hierarchy itself.
    pub(super) fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

/// A finding about a term, which is named in the message.
pub(super) fn on_term(code: &'static str, tid: Tid, terms: &HashMap<Tid, Term>, what: &str) -> Finding {
    let name = terms.get(&tid).map_or("", |term| &*term.name);
    let severity = if matches!(code, codes::CYCLE | codes::ORPHAN) { Severity::Error } else { Severity::Warning };
    Finding::new(code, severity, Subject::Term(tid), format!("The term “{name}” {what}."))
}

/// The terms below each, as siblings stand in Drupal: by rank, which is weight and name.
fn children(terms: &HashMap<Tid, Term>) -> HashMap<Tid, Vec<Tid>> {
    let mut children: HashMap<Tid, Vec<Tid>> = HashMap::new();
    for (&tid, term) in terms {
        let parents: BTreeSet<Tid> = term.parents.iter().copied().collect();
        for parent in parents {
            if parent == TOP || terms.contains_key(&parent) {
                children.entry(parent).or_default().push(tid);
            }
        }
    }
    for siblings in children.values_mut() {
        siblings.sort_by_key(|tid| (terms.get(tid).map_or(u32::MAX, |term| term.rank), *tid));
    }
    children
}

fn children_of(children: &HashMap<Tid, Vec<Tid>>, tid: Tid) -> &[Tid] {
    children.get(&tid).map_or(&[], Vec::as_slice)
}

/// One walk through the hierarchy from the top, in the order of `taxonomy_get_tree`.
#[derive(Default)]
struct Walk {
    /// When each term was first met, from 0.
    met: HashMap<Tid, u32>,
    /// The child and parent of each row that leads back to a term on the way to it.
    loops: HashSet<(Tid, Tid)>,
}

impl Walk {
    fn through(children: &HashMap<Tid, Vec<Tid>>) -> Self {
        let mut walk = Self::default();
        let mut way: Vec<(Tid, std::slice::Iter<'_, Tid>)> = vec![(TOP, children_of(children, TOP).iter())];
        let mut on_the_way = HashSet::from([TOP]);
        while let Some((parent, rest)) = way.last_mut() {
            let parent = *parent;
            let Some(&child) = rest.next() else {
                on_the_way.remove(&parent);
                way.pop();
                continue;
            };
            if on_the_way.contains(&child) {
                walk.loops.insert((child, parent));
                continue;
            }
            let place = u32::try_from(walk.met.len()).unwrap_or(u32::MAX);
            // What is below a term met before was met with it: the order of first meetings does not change by going there again.
            if let std::collections::hash_map::Entry::Vacant(entry) = walk.met.entry(child) {
                entry.insert(place);
                on_the_way.insert(child);
                way.push((child, children_of(children, child).iter()));
            }
        }
        walk
    }
}

/// Says of the terms that no way leads to whether they go round in a circle or hang on a term that does not exist.
fn report_unreached(
    terms: &HashMap<Tid, Term>,
    children: &HashMap<Tid, Vec<Tid>>,
    walk: &Walk,
    findings: &mut Vec<Finding>,
) {
    let unreached: HashSet<Tid> = terms.keys().copied().filter(|tid| !walk.met.contains_key(tid)).collect();
    let below = |tid: Tid| children_of(children, tid).iter().copied().filter(|child| unreached.contains(child));
    let mut parents: HashMap<Tid, usize> = HashMap::new();
    for child in unreached.iter().flat_map(|&tid| below(tid)) {
        *parents.entry(child).or_default() += 1;
    }
    // What has no parent left, again and again, hangs on nothing; the rest goes round in a circle or hangs on such.
    let mut loose: Vec<Tid> = unreached.iter().copied().filter(|tid| !parents.contains_key(tid)).collect();
    let mut hanging = HashSet::new();
    while let Some(tid) = loose.pop() {
        hanging.insert(tid);
        for child in below(tid) {
            if let Some(count) = parents.get_mut(&child) {
                *count -= 1;
                if *count == 0 {
                    loose.push(child);
                }
            }
        }
    }
    for &tid in &unreached {
        findings.push(if hanging.contains(&tid) {
            on_term(
                codes::ORPHAN,
                tid,
                terms,
                "hangs below a term that does not exist, so callers cannot reach it: give it another parent",
            )
        } else {
            on_term(
                codes::CYCLE,
                tid,
                terms,
                "is below itself or below a term that is, so callers cannot reach it: change its parents",
            )
        });
    }
}

/// The top term of the prompts: by `tid` where the configuration has one, else by name.
fn minimals(terms: &HashMap<Tid, Term>, configured: &str) -> Option<Tid> {
    let by_tid = configured.parse().ok().filter(|tid| terms.contains_key(tid));
    by_tid.or_else(|| {
        terms
            .iter()
            .filter(|(_, term)| term.parents.contains(&TOP) && same_name(&term.name, configured))
            .min_by_key(|(tid, term)| (term.rank, **tid))
            .map(|(&tid, _)| tid)
    })
}

fn same_name(name: &str, configured: &str) -> bool {
    name.trim().to_lowercase() == configured.trim().to_lowercase()
}

/// `top` and every term below it.
fn below(top: Tid, children: &HashMap<Tid, Vec<Tid>>) -> HashSet<Tid> {
    let mut found = HashSet::from([top]);
    let mut waiting = vec![top];
    while let Some(tid) = waiting.pop() {
        waiting.extend(children_of(children, tid).iter().copied().filter(|&child| found.insert(child)));
    }
    found
}

/// The menu of each term: *minimals* itself, its sub-terms as configured, and what is deeper as the sub-term that is above it.
fn contexts(
    minimals: Tid,
    terms: &HashMap<Tid, Term>,
    children: &HashMap<Tid, Vec<Tid>>,
    rules: &Rules,
    findings: &mut Vec<Finding>,
) -> HashMap<Tid, Box<str>> {
    let mut contexts: HashMap<Tid, Box<str>> = HashMap::from([(minimals, MINIMALS.into())]);
    let mut waiting = VecDeque::new();
    for &tid in children_of(children, minimals).iter().filter(|&&tid| tid != minimals) {
        let name = terms.get(&tid).map_or("", |term| &*term.name);
        let by_name = || rules.contexts.iter().find(|(configured, _)| same_name(name, configured)).map(|(_, to)| to);
        if let Some(context) = rules.contexts.get(&tid.to_string()).or_else(by_name) {
            contexts.insert(tid, context.as_str().into());
            waiting.push_back(tid);
        } else {
            let what = "stands below the prompts' term and is no menu that is known: rename it, or name it in gateway.toml \
                        (content.contexts)";
            findings.push(on_term(codes::UNKNOWN_CONTEXT, tid, terms, what));
        }
    }
    while let Some(tid) = waiting.pop_front() {
        let Some(context) = contexts.get(&tid).cloned() else { continue };
        for &child in children_of(children, tid) {
            if let std::collections::hash_map::Entry::Vacant(entry) = contexts.entry(child) {
                entry.insert(context.clone());
                waiting.push_back(child);
            }
        }
    }
    contexts
}

/// The terms that callers can reach and that hold no prompts, with their ways to each other, loops left out.
fn categories(
    terms: &HashMap<Tid, Term>,
    children: &HashMap<Tid, Vec<Tid>>,
    walk: &Walk,
    below_minimals: &HashSet<Tid>,
) -> HashMap<Tid, Place> {
    let is_category = |tid: Tid| walk.met.contains_key(&tid) && !below_minimals.contains(&tid);
    let mut categories: HashMap<Tid, Place> = HashMap::new();
    for (&tid, &position) in walk.met.iter().filter(|(tid, _)| is_category(**tid)) {
        let rows = terms.get(&tid).map_or(&[][..], |term| &term.parents);
        let parents: BTreeSet<Tid> = rows
            .iter()
            .copied()
            .filter(|&parent| (parent == TOP || is_category(parent)) && !walk.loops.contains(&(tid, parent)))
            .collect();
        let below = children_of(children, tid);
        let below = below.iter().copied().filter(|&child| is_category(child) && !walk.loops.contains(&(child, tid)));
        let place = Place { position, depth: 0, parents: parents.into_iter().collect(), children: below.collect() };
        categories.insert(tid, place);
    }
    let mut waiting: VecDeque<(Tid, u32)> = children_of(children, TOP).iter().map(|&tid| (tid, 1)).collect();
    while let Some((tid, depth)) = waiting.pop_front() {
        if let Some(place) = categories.get_mut(&tid).filter(|place| place.depth == 0) {
            place.depth = depth;
            waiting.extend(place.children.iter().map(|&child| (child, depth + 1)));
        }
    }
    categories
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::sample::{content, rules, term};
    use super::*;
    use crate::config::{Content, Menu};

    fn outline(terms: &[(Tid, Term)]) -> Outline {
        outline_of(&terms.iter().cloned().collect(), &content())
    }

    fn outline_of(terms: &HashMap<Tid, Term>, content: &Content) -> Outline {
        Outline::new(terms, &rules(content, &Menu::default()))
    }

    fn codes_of(outline: &Outline) -> Vec<(&str, Subject)> {
        let mut codes: Vec<_> = outline.findings().iter().map(|f| (&*f.code, f.subject.clone())).collect();
        codes.sort();
        codes
    }

    /// The minimals term and one menu, so that tests of other things have no finding about them.
    fn minimals() -> [(Tid, Term); 2] {
        [(12, term("minimals", 50, &[0])), (13, term("home", 51, &[12]))]
    }

    #[test]
    fn positions_are_those_of_the_first_meeting_and_count_the_prompts_terms() {
        let mut terms = vec![
            (1, term("b", 20, &[0])),
            (2, term("b2", 22, &[1])),
            (3, term("b1", 21, &[1])),
            (4, term("both", 1, &[2, 5])),
            (5, term("z", 60, &[0])),
        ];
        terms.extend(minimals());
        let outline = outline(&terms);
        let position = |tid| outline.category(tid).map(|place| place.position);
        assert_eq!([1, 3, 2, 4, 5].map(position), [0, 1, 2, 3, 6].map(Some));
        assert_eq!([12, 13].map(position), [None, None]);
        assert_eq!(outline.category(4).unwrap().parent_ids(), ["2", "5"]);
        assert_eq!(outline.category(4).unwrap().depth, 2);
        assert!(outline.findings().is_empty());
    }

    #[test]
    fn the_top_level_among_other_parents_is_0_and_alone_is_nothing() {
        let mut terms = vec![(1, term("a", 0, &[0])), (2, term("b", 1, &[0, 1]))];
        terms.extend(minimals());
        let outline = outline(&terms);
        assert_eq!(outline.category(2).unwrap().parent_ids(), ["0", "1"]);
        assert!(outline.category(1).unwrap().parent_ids().is_empty());
    }

    #[test]
    fn prompts_terms_are_found_by_name_or_tid_and_are_never_categories_at_any_depth() {
        let mut terms: HashMap<Tid, Term> = minimals().into();
        terms.insert(14, term("deeper", 1, &[13]));
        terms.insert(15, term("Crops", 2, &[0, 14]));
        terms.insert(16, term("unknown menu", 3, &[12]));
        let by_name = outline_of(&terms, &content());
        assert_eq!(by_name.categories().count(), 0);
        let context = |tid| by_name.context(tid);
        assert_eq!([12, 13, 14, 15].map(context), ["minimals", "home", "home", "home"].map(Some));
        assert_eq!(context(16), None);
        assert_eq!(codes_of(&by_name), [(codes::UNKNOWN_CONTEXT, Subject::Term(16))]);

        let by_tid =
            Content { minimals: "13".into(), contexts: [("14".to_owned(), "support".to_owned())].into(), ..content() };
        let by_tid = outline_of(&terms, &by_tid);
        assert_eq!((by_tid.context(13), by_tid.context(14)), (Some("minimals"), Some("support")));
        assert!(by_tid.is_category(12) && by_tid.is_category(16));
    }

    #[test]
    fn a_site_without_the_prompts_term_is_told() {
        let outline = outline(&[(1, term("a", 0, &[0]))]);
        assert_eq!(codes_of(&outline), [(codes::NO_MINIMALS, Subject::Site)]);
    }

    #[test]
    fn a_loop_below_the_top_is_cut_where_it_closes() {
        let mut terms = vec![(1, term("a", 0, &[0, 3])), (2, term("b", 1, &[1, 2])), (3, term("c", 2, &[2]))];
        terms.extend(minimals());
        let outline = outline(&terms);
        let parents = |tid| outline.category(tid).unwrap().parent_ids();
        assert_eq!((parents(1), parents(2), parents(3)), (vec![], vec!["1".to_owned()], vec!["2".to_owned()]));
        assert!(outline.category(3).unwrap().children.is_empty());
        assert_eq!(codes_of(&outline), [(codes::CYCLE, Subject::Term(1)), (codes::CYCLE, Subject::Term(2))]);
    }

    #[test]
    fn circles_and_orphans_away_from_the_top_are_told_apart_and_are_no_categories() {
        let mut terms = vec![
            (1, term("round", 0, &[2])),
            (2, term("and round", 1, &[1])),
            (3, term("below the circle", 2, &[2])),
            (4, term("orphan", 3, &[99])),
            (5, term("below the orphan", 4, &[4])),
            (6, term("no row at all", 5, &[])),
        ];
        terms.extend(minimals());
        let outline = outline(&terms);
        assert_eq!(outline.categories().count(), 0);
        let expected = [1, 2, 3].map(|tid| (codes::CYCLE, Subject::Term(tid)));
        let expected = expected.into_iter().chain([4, 5, 6].map(|tid| (codes::ORPHAN, Subject::Term(tid))));
        assert_eq!(codes_of(&outline), expected.collect::<Vec<_>>());
    }

    #[test]
    fn a_tree_of_a_hundred_thousand_levels_does_no_harm() {
        const LEVELS: Tid = 100_000;
        let chain =
            |top: Tid| (1..=LEVELS).map(move |tid| (tid, term("t", tid, &[if tid == 1 { top } else { tid - 1 }])));
        let reached = outline_of(&chain(0).collect(), &content());
        assert_eq!(reached.category(LEVELS).unwrap().depth, LEVELS);
        let orphaned = outline_of(&chain(LEVELS + 1).collect(), &content());
        assert_eq!(orphaned.categories().count(), 0);
    }

    fn any_terms() -> impl Strategy<Value = HashMap<Tid, Term>> {
        let row =
            (0u32..12, prop::collection::vec(0u32..14, 0..4), prop::sample::select(vec!["a", "minimals", "home"]));
        prop::collection::hash_map(1u32..12, row.prop_map(|(rank, parents, name)| term(name, rank, &parents)), 0..12)
    }

    proptest! {
        #[test]
        fn from_every_category_the_parents_lead_to_the_top_without_a_loop(terms in any_terms()) {
            let outline = outline_of(&terms, &content());
            let mut positions: Vec<u32> = outline.categories().map(|(_, place)| place.position).collect();
            positions.sort_unstable();
            positions.dedup();
            prop_assert_eq!(positions.len(), outline.categories().count());
            for (tid, place) in outline.categories() {
                prop_assert!(!place.parents.is_empty() && place.depth > 0, "{}", tid);
                prop_assert!(outline.context(tid).is_none());
                // Without loops, no way up is longer than there are terms.
                let mut level: HashSet<Tid> = place.parents.iter().copied().collect();
                for _ in 0..terms.len() {
                    level = level.iter().filter_map(|&tid| outline.category(tid)).flat_map(|p| p.parents.clone()).collect();
                }
                prop_assert!(level.is_empty(), "{}", tid);
            }
        }
    }
}
