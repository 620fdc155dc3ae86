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
        let (Some(term), Some(place)) = (self.site.terms.get(&tid), self.outline.category(tid)) else {
            return drafting.absent(DeleteReason::Deleted);
        };
        if self.saving.sounds {
            return drafting.keep(Wait::Save);
        }
        let mut chosen: BTreeMap<&str, (Nid, &SoundNode)> = BTreeMap::new();
        for &nid in self.sounds.get(&tid).map_or(&[][..], Vec::as_slice) {
            let Some(sound) = self.site.sounds.get(&nid) else { continue };
            drafting.node(nid, &sound.node);
            if !sound.node.published {
                continue;
            }
            let language = self.language_of(&sound.node);
            if let Some((first, _)) = chosen.get(language) {
                let message = format!(
                    "Node {first} has the sounds of the category “{}” in the language {language} already: unpublish one of the two.",
                    term.name
                );
                drafting.finding(codes::DUPLICATE_SOUND, Severity::Warning, Subject::Node(nid), message);
            } else {
                chosen.insert(language, (nid, sound));
            }
        }
        let mut audio = BTreeMap::new();
        for (language, (nid, sound)) in chosen {
            let sounds = self.category_sounds(&mut drafting, nid, sound);
            if sounds != CategorySounds::default() {
                audio.insert(language.to_owned(), sounds);
            }
        }
        if drafting.waits().is_none() {
            for language in self.settings.languages() {
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
