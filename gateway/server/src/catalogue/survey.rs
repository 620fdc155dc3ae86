//! Findings that belong to no entity: about the tree of categories as a whole, and about nodes that lead nowhere.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::outline::on_term;
use super::site::{Nid, Tid};
use super::{Catalogue, Finding, Severity, Subject, codes, prompt};

/// How many published programs are directly in each category, kept up to date from one draft to the next.
#[derive(Clone, Debug, Default)]
pub struct ProgramCounts {
    of_category: HashMap<Tid, u32>,
    /// The place in `sets` of the categories of each program that is in some.
    set_of: HashMap<Nid, u32>,
    /// Sets of categories; many programs share one.
    sets: Vec<Arc<[Tid]>>,
    places: HashMap<Arc<[Tid]>, u32>,
}

impl ProgramCounts {
    /// Notes that a program is now in these categories ([`super::Draft::categories`]); in none if it is absent. A program that is kept as it
    /// is stays as it was noted.
    pub fn note(&mut self, program: Nid, categories: &[Tid]) {
        for &tid in categories {
            *self.of_category.entry(tid).or_default() += 1;
        }
        let before = if categories.is_empty() {
            self.set_of.remove(&program)
        } else {
            let place = self.place(categories);
            self.set_of.insert(program, place)
        };
        for tid in before.map_or(&[][..], |place| &self.sets[place as usize]) {
            if let Some(count) = self.of_category.get_mut(tid) {
                *count -= 1;
            }
        }
    }

    /// Whether a program is noted to be in these categories.
    pub fn is_noted(&self, program: Nid, categories: &[Tid]) -> bool {
        self.set_of.get(&program).map_or(&[][..], |place| &self.sets[*place as usize]) == categories
    }

    fn place(&mut self, categories: &[Tid]) -> u32 {
        if let Some(place) = self.places.get(categories) {
            return *place;
        }
        // There are not more sets than programs, of which each has a number of 32 bits.
        let place = u32::try_from(self.sets.len()).unwrap_or(u32::MAX);
        let set: Arc<[Tid]> = categories.into();
        self.sets.push(set.clone());
        self.places.insert(set, place);
        place
    }

    /// The number of published programs directly in each category.
    pub const fn per_category(&self) -> &HashMap<Tid, u32> {
        &self.of_category
    }
}

impl Catalogue<'_> {
    /// All findings that belong to no draft, in order: of the tree (cycles, orphans, depth, empty categories, programs beside
    /// sub-categories), and of sounds and prompts that no entity has. `programs_per_category` as [`ProgramCounts::per_category`].
    pub fn site_findings(&self, programs_per_category: &HashMap<Tid, u32>) -> Vec<Finding> {
        let mut findings = self.indices.outline.findings().to_vec();
        let programs_in = |tid: Tid| programs_per_category.get(&tid).copied().unwrap_or(0);
        let with_programs = self.with_programs_in_or_below(&programs_in);
        for (tid, place) in self.indices.outline.categories() {
            if place.depth > self.rules.max_depth {
                let what = format!(
                    "is on level {} of the categories, and callers are offered {}: move it up",
                    place.depth, self.rules.max_depth
                );
                findings.push(on_term(codes::TOO_DEEP, tid, &self.site.terms, &what));
            }
            if !place.children.is_empty() && programs_in(tid) > 0 {
                let what = "has both sub-categories and programs of its own, which makes a long menu: move the programs into a sub-category";
                findings.push(on_term(codes::PROGRAMS_BESIDE_CATEGORIES, tid, &self.site.terms, what));
            }
            if !with_programs.contains(&tid) {
                let what = "has no program, and no category below it has one: add programs, or remove it";
                findings.push(on_term(codes::EMPTY_CATEGORY, tid, &self.site.terms, what));
            }
        }
        self.report_stray_sounds(&mut findings);
        self.report_stray_prompts(&mut findings);
        findings.sort();
        findings.dedup();
        findings
    }

    fn with_programs_in_or_below(&self, programs_in: &impl Fn(Tid) -> u32) -> HashSet<Tid> {
        let mut waiting: Vec<Tid> =
            self.indices.outline.categories().map(|(tid, _)| tid).filter(|&tid| programs_in(tid) > 0).collect();
        let mut found = HashSet::new();
        while let Some(tid) = waiting.pop() {
            if let Some(place) = self.indices.outline.category(tid).filter(|_| found.insert(tid)) {
                waiting.extend(&place.parents);
            }
        }
        found
    }

    fn report_stray_sounds(&self, findings: &mut Vec<Finding>) {
        for (&nid, sound) in self.site.sounds.iter().filter(|(_, sound)| sound.node.published && sound.node.complete) {
            if !sound.node.terms.iter().any(|&tid| self.indices.outline.is_category(tid)) {
                let message = "The sounds belong to no category that callers can reach: choose one, or unpublish them.";
                findings.push(warning(codes::SOUND_WITHOUT_CATEGORY, nid, message));
            }
            self.report_language(nid, self.language_of(&sound.node), findings);
        }
    }

    fn report_stray_prompts(&self, findings: &mut Vec<Finding>) {
        for (&nid, prompt) in
            self.site.prompts.iter().filter(|(_, prompt)| prompt.node.published && prompt.node.complete)
        {
            if prompt::usable_key(prompt).is_none() {
                let message =
                    "The prompt has no key, or one with other signs than letters, digits, _ and -: correct it.";
                findings.push(warning(codes::BAD_PROMPT_KEY, nid, message));
            }
            if !prompt.node.terms.iter().any(|&tid| self.indices.outline.context(tid).is_some()) {
                let message = "The prompt belongs to no menu: choose the term of its menu.";
                findings.push(warning(codes::PROMPT_WITHOUT_CONTEXT, nid, message));
            }
            self.report_language(nid, self.language_of(&prompt.node), findings);
        }
    }

    fn report_language(&self, nid: Nid, language: &str, findings: &mut Vec<Finding>) {
        if !self.indices.settings.has_language(language) {
            let message = format!(
                "There are no menus in the language {language}, so nobody hears this: choose another language."
            );
            findings.push(warning(codes::LANGUAGE_NOT_ENABLED, nid, &message));
        }
    }
}

fn warning(code: &'static str, nid: Nid, message: &str) -> Finding {
    Finding::new(code, Severity::Warning, Subject::Node(nid), message)
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Sample, term};
    use super::*;

    fn told(sample: &Sample, programs: &[(Tid, u32)]) -> Vec<(String, Subject)> {
        let findings = sample.catalogue().site_findings(&programs.iter().copied().collect());
        findings.into_iter().map(|finding| (finding.code.into_owned(), finding.subject)).collect()
    }

    fn expected<const N: usize>(findings: [(&str, Subject); N]) -> Vec<(String, Subject)> {
        findings.into_iter().map(|(code, subject)| (code.to_owned(), subject)).collect()
    }

    #[test]
    fn a_category_is_empty_only_if_none_below_it_has_a_program() {
        let sample = Sample::new();
        let empty = |tid| (codes::EMPTY_CATEGORY, Subject::Term(tid));
        assert_eq!(told(&sample, &[(2, 1), (3, 0)]), expected([empty(3), empty(4)]));
        assert_eq!(told(&sample, &[(2, 1), (3, 1), (4, 1)]), []);
    }

    #[test]
    fn programs_beside_sub_categories_are_told() {
        let told = told(&Sample::new(), &[(1, 3), (2, 1), (3, 1), (4, 1)]);
        assert_eq!(told, expected([(codes::PROGRAMS_BESIDE_CATEGORIES, Subject::Term(1))]));
    }

    #[test]
    fn categories_deeper_than_configured_are_told_but_prompts_terms_do_not_count() {
        let mut sample = Sample::new();
        sample.site.terms.insert(5, term("Cotton", 5, &[2]));
        sample.site.terms.insert(14, term("deeper", 6, &[13]));
        let told = told(&sample, &[(5, 1), (3, 1), (4, 1)]);
        assert_eq!(told, expected([(codes::TOO_DEEP, Subject::Term(5))]));
    }

    #[test]
    fn sounds_and_prompts_that_lead_nowhere_are_told() {
        let mut sample = Sample::new();
        sample.sounds(100, 12);
        sample.sounds(110, 2).node.language = Some("wo".into());
        sample.sounds(120, 77).node.published = false;
        sample.prompt(130, "no key");
        sample.prompt(140, "welcome").node.terms = [2].into();
        sample.prompt(150, "welcome").node.language = Some("ar".into());
        let node = |code, nid| (code, Subject::Node(nid));
        let all = expected([
            node(codes::BAD_PROMPT_KEY, 130),
            node(codes::LANGUAGE_NOT_ENABLED, 110),
            node(codes::LANGUAGE_NOT_ENABLED, 150),
            node(codes::PROMPT_WITHOUT_CONTEXT, 140),
            node(codes::SOUND_WITHOUT_CATEGORY, 100),
        ]);
        assert_eq!(told(&sample, &[(2, 1), (3, 1), (4, 1)]), all);
    }

    #[test]
    fn programs_are_counted_where_they_are_now() {
        let mut counts = ProgramCounts::default();
        counts.note(100, &[1, 2]);
        counts.note(101, &[2]);
        counts.note(100, &[2, 3]);
        assert!(counts.is_noted(100, &[2, 3]) && !counts.is_noted(101, &[]));
        counts.note(101, &[]);
        counts.note(102, &[]);
        assert!(counts.is_noted(101, &[]) && counts.is_noted(102, &[]));
        let mut now: Vec<_> = counts.per_category().iter().filter(|(_, count)| **count > 0).collect();
        now.sort();
        assert_eq!(now, [(&2, &1), (&3, &1)]);
    }
}
