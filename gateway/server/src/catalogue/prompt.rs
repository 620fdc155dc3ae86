//! Prompts: the site's own recording in the language, else the pack's in the language, else the pack's in the default language.

use std::collections::BTreeMap;

use audiospread_protocol::{AudioRef, DeleteReason, EntityKey, Kind, Prompt, PromptSource};

use super::audio::Part;
use super::draft::{Draft, Drafting, Wait};
use super::outline::Outline;
use super::site::{Nid, PromptNode, Site};
use super::{Catalogue, PromptName, Severity, Subject, codes};

/// The longest key of a prompt, in bytes: it has to fit into ids and file names.
const LONGEST_KEY: usize = 64;

/// The nodes of each prompt, ascending; those without a usable name left out.
pub(super) fn prompts_by_name(site: &Site, outline: &Outline) -> BTreeMap<PromptName, Vec<Nid>> {
    let mut by_name: BTreeMap<PromptName, Vec<Nid>> = BTreeMap::new();
    for (&nid, prompt) in &site.prompts {
        for name in names(prompt, outline) {
            by_name.entry(name).or_default().push(nid);
        }
    }
    for nids in by_name.values_mut() {
        nids.sort_unstable();
        nids.dedup();
    }
    by_name
}

/// The prompts that a node is a recording of: its key in the menu of each of its terms.
pub(super) fn names(prompt: &PromptNode, outline: &Outline) -> Vec<PromptName> {
    let Some(key) = usable_key(prompt) else { return Vec::new() };
    let mut names: Vec<PromptName> = prompt
        .node
        .terms
        .iter()
        .filter_map(|&tid| outline.context(tid))
        .map(|context| PromptName::new(context, key))
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The key, where it is a name that can stand in an id: letters, digits, `_` and `-`.
pub(super) fn usable_key(prompt: &PromptNode) -> Option<&str> {
    let key = prompt.key.as_deref()?.trim();
    let usable = (1..=LONGEST_KEY).contains(&key.len())
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    usable.then_some(key)
}

fn id(name: &PromptName, language: &str) -> String {
    format!("{name}@{language}")
}

impl Catalogue<'_> {
    /// The keys of all prompts: the canonical ones in all languages of the menus, and what the site has beyond them.
    pub(super) fn prompt_keys(&self) -> impl Iterator<Item = EntityKey> {
        let canonical =
            self.packs.names().iter().flat_map(|name| self.indices.settings.languages().map(move |l| (name, l)));
        let own = self
            .indices
            .prompts
            .keys()
            .filter(|name| !self.is_canonical(name))
            .flat_map(|name| self.indices.settings.languages().map(move |language| (name, language)))
            .filter(|(name, language)| self.nodes_of(name, language).next().is_some());
        canonical.chain(own).filter_map(|(name, language)| EntityKey::new(Kind::Prompt, id(name, language)).ok())
    }

    /// All keys of a prompt, in the languages of the menus, whether or not the site could have them.
    pub(super) fn keys_of_prompt(&self, name: &PromptName) -> impl Iterator<Item = EntityKey> {
        self.indices.settings.languages().filter_map(|language| EntityKey::new(Kind::Prompt, id(name, language)).ok())
    }

    /// The prompt and language of a key, if the site could have it.
    pub(super) fn prompt_of<'k>(&self, key: &'k EntityKey) -> Option<(PromptName, &'k str)> {
        let (name, language) = key.id().rsplit_once('@')?;
        let (context, key) = name.split_once('/')?;
        let name = PromptName::new(context, key);
        let covered = self.indices.settings.languages().any(|enabled| enabled == language)
            && (self.is_canonical(&name) || self.nodes_of(&name, language).next().is_some());
        covered.then_some((name, language))
    }

    pub(super) fn prompt(&self, name: &PromptName, language: &str) -> Draft {
        let mut drafting = Drafting::default();
        if self.indices.saving.prompts {
            return drafting.keep(Wait::Save);
        }
        let own = self.own_recording(&mut drafting, name, language);
        if let Some(wait) = drafting.waits() {
            return drafting.keep(wait);
        }
        let default = self.indices.settings.default_language();
        let heard = own
            .map(|(_, audio)| (PromptSource::Site, audio))
            .or_else(|| Some((PromptSource::Pack, self.packs.sound(language, name)?.clone())))
            .or_else(|| Some((PromptSource::Default, self.packs.sound(default, name)?.clone())));
        let Some((source, audio)) = heard else {
            let subject = Subject::Prompt(id(name, language));
            if self.is_canonical(name) {
                let message = format!(
                    "Callers hear nothing where the menus say “{name}” in the language {language}: record it, or install a language pack."
                );
                drafting.finding(codes::PROMPT_UNHEARD, Severity::Error, subject, message);
            }
            let published = |nid| self.site.prompts.get(&nid).is_some_and(|prompt| prompt.node.published);
            let only_drafts =
                self.nodes_of(name, language).next().is_some() && !self.nodes_of(name, language).any(published);
            return drafting.absent(if only_drafts { DeleteReason::Unpublished } else { DeleteReason::NoAudio });
        };
        drafting.put(&Prompt {
            context: name.context.clone(),
            key: name.key.clone(),
            language: language.to_owned(),
            source,
            audio,
        })
    }

    /// The site's own sound: of the published nodes that can be heard, the one with the lowest `nid`.
    pub(super) fn own_recording(
        &self,
        drafting: &mut Drafting,
        name: &PromptName,
        language: &str,
    ) -> Option<(Nid, AudioRef)> {
        let mut heard: Option<(Nid, AudioRef)> = None;
        for nid in self.nodes_of(name, language) {
            let Some(prompt) = self.site.prompts.get(&nid) else { continue };
            drafting.node(nid, &prompt.node);
            if !prompt.node.published {
                continue;
            }
            if !self.is_canonical(name) {
                let message = format!("The menus know no prompt “{name}”: change its key or its menu.");
                drafting.finding(codes::UNKNOWN_PROMPT_KEY, Severity::Warning, Subject::Node(nid), message);
            }
            if let Some((first, _)) = heard {
                let message = format!(
                    "Node {first} is the prompt “{name}” in the language {language} already: unpublish one of the two."
                );
                drafting.finding(codes::DUPLICATE_PROMPT, Severity::Warning, Subject::Node(nid), message);
                continue;
            }
            let part = Part { nid, name: "The sound of the prompt", severity: Severity::Warning };
            if let Some(file) = prompt.audio {
                heard = self.hear(drafting, part, file).map(|audio| (nid, audio));
            } else {
                let message = format!("The prompt “{name}” has no recording: add one, or unpublish it.");
                drafting.finding(codes::NO_BODY, Severity::Warning, Subject::Node(nid), message);
            }
            // Which of the nodes counts is known only when its audio is.
            if drafting.waits().is_some() {
                break;
            }
        }
        heard
    }

    pub(super) fn is_canonical(&self, name: &PromptName) -> bool {
        self.packs.has(name)
    }

    /// The site's nodes for a prompt in a language, ascending.
    fn nodes_of(&self, name: &PromptName, language: &str) -> impl Iterator<Item = Nid> {
        let nodes = self.indices.prompts.get(name).map_or(&[][..], Vec::as_slice);
        nodes.iter().copied().filter(move |nid| {
            self.site.prompts.get(nid).is_some_and(|prompt| self.language_of(&prompt.node) == language)
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::sample::{Sample, blob, sound, sound_of};
    use super::super::site::AudioState;
    use super::super::{Outcome, codes};
    use super::*;

    fn draft(sample: &Sample, id: &str) -> Draft {
        sample.draft(Kind::Prompt, id)
    }

    fn with_packs() -> Sample {
        let mut sample = Sample::new();
        sample.packs.insert("en", PromptName::new("home", "welcome"), sound("en"));
        sample.packs.insert("fr", PromptName::new("home", "welcome"), sound("fr"));
        sample.packs.insert("en", PromptName::new("minimals", "digit_1"), sound("one"));
        sample
    }

    #[test]
    fn the_site_comes_before_the_pack_and_the_pack_before_the_default_languages_pack() {
        let mut sample = with_packs();
        let source = |sample: &Sample, id| {
            (draft(sample, id).value()["source"].clone(), draft(sample, id).value()["audio"].clone())
        };
        assert_eq!(source(&sample, "home/welcome@fr"), (json!("pack"), json!(sound("fr"))));
        assert_eq!(source(&sample, "minimals/digit_1@fr"), (json!("default"), json!(sound("one"))));
        assert_eq!(source(&sample, "minimals/digit_1@en"), (json!("pack"), json!(sound("one"))));
        sample.prompt(100, "welcome").node.language = Some("fr".into());
        assert_eq!(source(&sample, "home/welcome@fr"), (json!("site"), json!(sound_of(101))));
        assert_eq!(source(&sample, "home/welcome@en"), (json!("pack"), json!(sound("en"))));
    }

    #[test]
    fn the_value_names_the_prompt() {
        let value = draft(&with_packs(), "home/welcome@fr").value();
        assert_eq!(
            (&value["context"], &value["key"], &value["language"]),
            (&json!("home"), &json!("welcome"), &json!("fr"))
        );
    }

    #[test]
    fn unpublished_missing_or_undecodable_means_not_overridden() {
        let mut sample = with_packs();
        sample.prompt(100, "welcome").node.published = false;
        assert_eq!(draft(&sample, "home/welcome@en").value()["source"], "pack");
        assert_eq!(draft(&sample, "home/welcome@en").codes(), Vec::<&str>::new());
        sample.prompt(100, "welcome").audio = None;
        assert_eq!(draft(&sample, "home/welcome@en").value()["source"], "pack");
        for (state, code) in [(AudioState::Missing, codes::MISSING_BLOB), (AudioState::NotAudio, codes::NOT_AUDIO)] {
            sample.prompt(100, "welcome");
            sample.audio.0.insert(blob(101), state);
            let draft = draft(&sample, "home/welcome@en");
            assert_eq!((draft.value()["source"].clone(), draft.codes()), (json!("pack"), vec![code]));
        }
    }

    #[test]
    fn of_two_recordings_the_lowest_nid_that_can_be_heard_counts() {
        let mut sample = with_packs();
        for nid in [120, 100, 110] {
            sample.prompt(nid, "welcome");
        }
        sample.audio.0.insert(blob(101), AudioState::Missing);
        let draft = draft(&sample, "home/welcome@en");
        assert_eq!(draft.value()["audio"], json!(sound_of(111)));
        assert_eq!(draft.codes(), [codes::DUPLICATE_PROMPT, codes::MISSING_BLOB]);
        assert_eq!(draft.findings[0].subject, Subject::Node(120));
    }

    #[test]
    fn a_recording_not_looked_at_yet_or_one_being_saved_keeps_what_is_there() {
        let mut sample = with_packs();
        sample.prompt(100, "welcome");
        sample.audio.0.insert(blob(101), AudioState::Pending);
        assert_eq!(draft(&sample, "home/welcome@en").outcome, Outcome::Keep(Wait::Audio));
        assert!(matches!(draft(&sample, "home/welcome@fr").outcome, Outcome::Put(_)));
        sample.prompt(100, "").node.complete = false;
        assert_eq!(draft(&sample, "home/welcome@fr").outcome, Outcome::Keep(Wait::Save));
        assert_eq!(draft(&sample, "home/of_the_site_alone@fr").outcome, Outcome::Keep(Wait::Save));
    }

    #[test]
    fn a_prompt_that_nobody_could_hear_is_an_error() {
        let draft = draft(&Sample::new(), "home/welcome@fr");
        assert_eq!(draft.outcome, Outcome::Absent(DeleteReason::NoAudio));
        assert_eq!((draft.codes(), draft.findings[0].severity), (vec![codes::PROMPT_UNHEARD], Severity::Error));
        assert_eq!(draft.findings[0].subject, Subject::Prompt("home/welcome@fr".into()));
    }

    #[test]
    fn a_prompt_that_the_menus_do_not_know_is_published_and_told() {
        let mut sample = Sample::new();
        sample.prompt(100, "jingle");
        let draft = draft(&sample, "home/jingle@en");
        assert_eq!((draft.value()["source"].clone(), draft.codes()), (json!("site"), vec![codes::UNKNOWN_PROMPT_KEY]));
        let key = |id: &str| EntityKey::new(Kind::Prompt, id).unwrap();
        let catalogue = sample.catalogue();
        assert!(catalogue.covers(&key("home/jingle@en")) && !catalogue.covers(&key("home/jingle@fr")));
        assert!(catalogue.covers(&key("home/welcome@fr")) && !catalogue.covers(&key("home/welcome@ar")));
    }

    #[test]
    fn a_prompt_tagged_with_two_menus_is_in_both_and_one_below_a_menu_is_in_that() {
        let mut sample = Sample::new();
        sample.site.terms.insert(14, super::super::sample::term("deeper", 5, &[13]));
        sample.prompt(100, "digit_1").node.terms = [12, 14].into();
        for id in ["minimals/digit_1@en", "home/digit_1@en"] {
            assert_eq!(draft(&sample, id).value()["audio"], json!(sound_of(101)), "{id}");
        }
    }

    #[test]
    fn keys_that_are_no_names_lead_nowhere() {
        let mut sample = Sample::new();
        for (nid, key) in [(100, "a/b"), (110, "a@fr"), (120, ""), (130, "a\nb"), (140, "é"), (150, &*"k".repeat(65))]
        {
            sample.prompt(nid, key);
        }
        assert_eq!(sample.catalogue().keys().filter(|key| key.kind() == Kind::Prompt).count(), 4);
        for id in ["home", "home/welcome", "@", "/@", "home/a/b@en", "@en"] {
            assert_eq!(draft(&sample, id).outcome, Outcome::Absent(DeleteReason::Deleted), "{id}");
        }
    }
}
