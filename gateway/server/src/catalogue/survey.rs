//! Findings that belong to no entity: about the tree of categories as a whole, and about nodes that lead nowhere.

use std::collections::{HashMap, HashSet};

use super::outline::on_term;
use super::site::{Nid, Tid};
use super::{Catalogue, Finding, Severity, Subject, codes, prompt};

/// How many published programs are directly in each category, kept up to date from one draft to the next.
#[derive(Clone, Debug, Default)]
pub struct ProgramCounts {
    of_category: HashMap<Tid, u32>,
    categories_of: HashMap<Nid, Box<[Tid]>>,
}

impl ProgramCounts {
    /// Notes that a program is now in these categories ([`super::Draft::categories`]); in none if it is absent. A program that is kept as it
    /// is stays as it was noted.
    pub fn note(&mut self, program: Nid, categories: Box<[Tid]>) {
        for &tid in &categories {
            *self.of_category.entry(tid).or_default() += 1;
        }
        let before = if categories.is_empty() {
            self.categories_of.remove(&program)
        } else {
            self.categories_of.insert(program, categories)
        };
        for tid in before.unwrap_or_default() {
            if let Some(count) = self.of_category.get_mut(&tid) {
                *count -= 1;
            }
        }
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
        let mut findings = self.outline.findings().to_vec();
        let programs_in = |tid: Tid| programs_per_category.get(&tid).copied().unwrap_or(0);
        let with_programs = self.with_programs_in_or_below(&programs_in);
        for (tid, place) in self.outline.categories() {
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
            self.outline.categories().map(|(tid, _)| tid).filter(|&tid| programs_in(tid) > 0).collect();
        let mut found = HashSet::new();
        while let Some(tid) = waiting.pop() {
            if let Some(place) = self.outline.category(tid).filter(|_| found.insert(tid)) {
                waiting.extend(&place.parents);
            }
        }
        found
    }

    fn report_stray_sounds(&self, findings: &mut Vec<Finding>) {
        for (&nid, sound) in self.site.sounds.iter().filter(|(_, sound)| sound.node.published && sound.node.complete) {
            if !sound.node.terms.iter().any(|&tid| self.outline.is_category(tid)) {
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
            if !prompt.node.terms.iter().any(|&tid| self.outline.context(tid).is_some()) {
                let message = "The prompt belongs to no menu: choose the term of its menu.";
                findings.push(warning(codes::PROMPT_WITHOUT_CONTEXT, nid, message));
            }
            self.report_language(nid, self.language_of(&prompt.node), findings);
        }
    }

    fn report_language(&self, nid: Nid, language: &str, findings: &mut Vec<Finding>) {
        if !self.settings.has_language(language) {
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
