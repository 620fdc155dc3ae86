//! Categories: a term that callers can reach, with the sounds of the nodes that are tagged with it.

use std::collections::{BTreeMap, HashMap};

use audiospread_protocol::{Category, CategorySounds, DeleteReason};

use super::audio::Part;
use super::draft::{Draft, Drafting, Wait};
use super::site::{FileRef, Nid, Site, SoundNode, Tid};
use super::{Catalogue, Severity, Subject, codes};

/// The nodes with sounds that are tagged with each term, ascending.
pub(super) fn sounds_by_term(site: &Site) -> HashMap<Tid, Vec<Nid>> {
    let mut by_term: HashMap<Tid, Vec<Nid>> = HashMap::new();
    for (&nid, sound) in &site.sounds {
        for &tid in &sound.node.terms {
            by_term.entry(tid).or_default().push(nid);
        }
    }
    for nids in by_term.values_mut() {
        nids.sort_unstable();
        nids.dedup();
    }
    by_term
}

impl Catalogue<'_> {
    /// The sounds in a language are those of one node, the published one with the lowest `nid`: several of them would be read as a mixture
    /// that nobody recorded.
    pub(super) fn category(&self, tid: Tid) -> Draft {
        let mut drafting = Drafting::default();
        let (Some(term), Some(place)) = (self.site.terms.get(&tid), self.indices.outline.category(tid)) else {
            return drafting.absent(DeleteReason::Deleted);
        };
        if self.indices.saving.sounds {
            return drafting.keep(Wait::Save);
        }
        let chosen = self.chosen_sounds(&mut drafting, tid, &term.name);
        let mut audio = BTreeMap::new();
        for (language, (nid, sound)) in chosen {
            let sounds = self.category_sounds(&mut drafting, nid, sound);
            if sounds != CategorySounds::default() {
                audio.insert(language.to_owned(), sounds);
            }
        }
        if drafting.waits().is_none() {
            for language in self.indices.settings.languages() {
                if audio.get(language).is_none_or(|sounds: &CategorySounds| sounds.title.is_none()) {
                    let message = format!(
                        "The category “{}” has no spoken name in the language {language}: record one, or callers hear only its number.",
                        term.name
                    );
                    drafting.finding(codes::NO_TITLE_SOUND, Severity::Warning, Subject::Term(tid), message);
                }
            }
        }
        drafting.put(&Category {
            name: term.name.to_string(),
            description: term.description.to_string(),
            parents: place.parent_ids(),
            position: place.position,
            audio,
        })
    }

    /// Of the nodes with sounds of a category the one that counts in each language.
    pub(super) fn chosen_sounds(
        &self,
        drafting: &mut Drafting,
        tid: Tid,
        category: &str,
    ) -> BTreeMap<&str, (Nid, &SoundNode)> {
        let mut chosen: BTreeMap<&str, (Nid, &SoundNode)> = BTreeMap::new();
        for &nid in self.indices.sounds.get(&tid).map_or(&[][..], Vec::as_slice) {
            let Some(sound) = self.site.sounds.get(&nid) else { continue };
            drafting.node(nid, &sound.node);
            if !sound.node.published {
                continue;
            }
            let language = self.language_of(&sound.node);
            if let Some((first, _)) = chosen.get(language) {
                let message = format!(
                    "Node {first} has the sounds of the category “{category}” in the language {language} already: unpublish one of the two."
                );
                drafting.finding(codes::DUPLICATE_SOUND, Severity::Warning, Subject::Node(nid), message);
            } else {
                chosen.insert(language, (nid, sound));
            }
        }
        chosen
    }

    fn category_sounds(&self, drafting: &mut Drafting, nid: Nid, sound: &SoundNode) -> CategorySounds {
        let mut hear = |name: &'static str, file: Option<FileRef>| {
            self.hear(drafting, Part { nid, name, severity: Severity::Warning }, file?)
        };
        CategorySounds {
            title: hear("The spoken title", sound.title),
            header: hear("The header", sound.header),
            footer: hear("The footer", sound.footer),
        }
    }
}

#[cfg(test)]
mod tests {
    use audiospread_protocol::Kind;
    use serde_json::json;

    use super::super::sample::{Sample, blob, sound_of};
    use super::super::site::AudioState;
    use super::super::{MAX_VALUE, Outcome, codes};
    use super::*;

    fn draft(sample: &Sample, tid: Tid) -> Draft {
        sample.draft(Kind::Category, &tid.to_string())
    }

    #[test]
    fn a_category_has_name_parents_position_and_its_sounds_by_language() {
        let mut sample = Sample::new();
        sample.sounds(100, 2).footer = None;
        sample.sounds(110, 2).node.language = Some("fr".into());
        let value = draft(&sample, 2).value();
        let expected = json!({"name": "Crops", "description": "", "parents": ["1"], "position": 1, "audio": {
            "en": {"title": sound_of(101), "header": sound_of(102)},
            "fr": {"title": sound_of(111), "header": sound_of(112), "footer": sound_of(113)},
        }});
        assert_eq!(value, expected);
        assert!(draft(&sample, 2).findings.is_empty());
        assert_eq!(draft(&sample, 1).value()["parents"], json!([]));
    }

    #[test]
    fn of_two_nodes_in_one_language_the_lowest_published_one_counts_with_all_its_parts() {
        let mut sample = Sample::new();
        sample.sounds(90, 2).node.published = false;
        sample.sounds(100, 2).header = None;
        sample.sounds(110, 2).node.language = Some("en".into());
        let draft = draft(&sample, 2);
        assert_eq!(draft.value()["audio"]["en"], json!({"title": sound_of(101), "footer": sound_of(103)}));
        assert_eq!(draft.codes(), [codes::DUPLICATE_SOUND, codes::NO_TITLE_SOUND]);
        assert_eq!(draft.findings[0].subject, Subject::Node(110));
    }

    #[test]
    fn a_broken_sound_is_left_out_and_a_missing_name_is_told_for_each_language_of_the_menus() {
        let mut sample = Sample::new();
        sample.sounds(100, 2);
        sample.audio.0.insert(blob(101), AudioState::Missing);
        let draft = draft(&sample, 2);
        assert!(draft.value()["audio"]["en"].get("title").is_none());
        assert_eq!(draft.codes(), [codes::MISSING_BLOB, codes::NO_TITLE_SOUND, codes::NO_TITLE_SOUND]);
        assert_eq!(self::draft(&sample, 3).value()["audio"], json!({}));
    }

    #[test]
    fn a_category_that_is_too_large_keeps_its_old_state_and_is_told() {
        let mut sample = Sample::new();
        sample.site.terms.get_mut(&2).unwrap().description = "x".repeat(MAX_VALUE).into();
        let large = draft(&sample, 2);
        assert_eq!(large.outcome, Outcome::Keep(Wait::Shortening));
        assert!(
            large
                .findings
                .iter()
                .any(|finding| finding.code == codes::TOO_LARGE && finding.subject == Subject::Term(2))
        );
        sample.site.terms.get_mut(&2).unwrap().description = "x".repeat(MAX_VALUE - 10_000).into();
        assert!(matches!(draft(&sample, 2).outcome, Outcome::Put(_)));
    }

    #[test]
    fn one_pending_sound_or_one_node_being_saved_keeps_the_category_as_it_is() {
        let mut sample = Sample::new();
        sample.sounds(100, 2);
        sample.audio.0.insert(blob(103), AudioState::Pending);
        assert_eq!(draft(&sample, 2).outcome, Outcome::Keep(Wait::Audio));
        assert_eq!(draft(&sample, 3).codes(), [codes::NO_TITLE_SOUND, codes::NO_TITLE_SOUND]);
        sample.sounds(100, 2).node.complete = false;
        assert_eq!(draft(&sample, 3).outcome, Outcome::Keep(Wait::Save));
    }

    #[test]
    fn terms_of_prompts_and_terms_that_are_gone_are_deleted() {
        let sample = Sample::new();
        for tid in [12, 13, 77, 0] {
            assert_eq!(draft(&sample, tid).outcome, Outcome::Absent(DeleteReason::Deleted), "{tid}");
        }
    }
}
