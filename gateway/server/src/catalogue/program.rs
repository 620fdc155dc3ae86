//! Which nodes are programs on the phone: published, in a category that callers can reach, with a body that can be heard.

use audiospread_protocol::{DeleteReason, Program, ProgramAudio};
use jiff::Timestamp;

use super::audio::Part;
use super::draft::{Draft, Drafting, Wait};
use super::site::{FileRef, Nid, ProgramNode, Tid};
use super::{Catalogue, Severity, Subject, codes, masking};

/// Which file is the spoken title of a program, and which the body.
struct Roles {
    title: Option<FileRef>,
    body: Option<FileRef>,
}

impl Catalogue<'_> {
    /// Of several reasons to be absent the one counts that comes first: not published, in no category, no audio. An editor is told all that
    /// is wrong with a published program at once; a draft of theirs is nobody's fault, and only said to be one.
    pub(super) fn program(&self, nid: Nid) -> Draft {
        let mut drafting = Drafting::default();
        let Some(program) = self.site.programs.get(&nid) else { return drafting.absent(DeleteReason::Deleted) };
        let node = &program.node;
        let subject = Subject::Node(nid);
        drafting.node(nid, node);
        if !node.complete {
            return drafting.keep(Wait::Save);
        }
        if !node.published {
            let message = "It is not published, so callers do not hear it: publish it when it is ready.".into();
            drafting.finding(codes::UNPUBLISHED, Severity::Info, subject, message);
            return drafting.absent(DeleteReason::Unpublished);
        }
        let (title, masked) = masking::masked(&node.title);
        if masked {
            let message =
                "The title contains a telephone number, which phone servers get masked: take it out of the title."
                    .into();
            drafting.finding(codes::NUMBER_IN_TITLE, Severity::Warning, subject.clone(), message);
        }
        let categories = self.categories_of(program);
        if categories.is_empty() {
            let message = "It is in no category that callers can reach: choose one.".into();
            drafting.finding(codes::NO_CATEGORY, Severity::Error, subject.clone(), message);
        }
        let Some(roles) = self.roles(program, &mut drafting) else { return drafting.keep(Wait::Save) };
        let title_sound = roles.title.and_then(|file| {
            self.hear(&mut drafting, Part { nid, name: "The spoken title", severity: Severity::Warning }, file)
        });
        let body = roles.body.and_then(|file| {
            self.hear(&mut drafting, Part { nid, name: "The recording", severity: Severity::Error }, file)
        });
        if roles.body.is_none() {
            let message = "It has no recording, so callers cannot hear it: add one.".into();
            drafting.finding(codes::NO_BODY, Severity::Error, subject.clone(), message);
        } else if roles.title.is_none() {
            let message = "It has no spoken title, so callers hear its number instead: record one.".into();
            drafting.finding(codes::NO_TITLE, Severity::Warning, subject, message);
        }
        if categories.is_empty() {
            return drafting.absent(DeleteReason::NoCategory);
        }
        if let Some(wait) = drafting.waits() {
            return drafting.keep(wait);
        }
        let Some(body) = body else { return drafting.absent(DeleteReason::NoAudio) };
        let value = Program {
            title,
            language: self.language_of(node).to_owned(),
            translation_set: (node.tnid != 0).then(|| node.tnid.to_string()),
            categories: categories.iter().map(Tid::to_string).collect(),
            weight: program.weight,
            created_at: moment(node.created),
            changed_at: moment(node.changed),
            audio: ProgramAudio { title: title_sound, body },
        };
        drafting.put_in(&value, categories)
    }

    /// The categories a program is in, ascending.
    fn categories_of(&self, program: &ProgramNode) -> Box<[Tid]> {
        let mut categories: Vec<Tid> =
            program.node.terms.iter().copied().filter(|&tid| self.indices.outline.is_category(tid)).collect();
        categories.sort_unstable();
        categories.dedup();
        categories.into()
    }

    /// The mapped fields decide. Where both are empty, the listed attachments that are audio count: one is the body, of two or more the first
    /// is the title and the second the body. Nothing while an attachment is being saved.
    fn roles(&self, program: &ProgramNode, drafting: &mut Drafting) -> Option<Roles> {
        if program.title.is_some() || program.body.is_some() {
            return Some(Roles { title: program.title, body: program.body });
        }
        let mut audio = Vec::with_capacity(2);
        for &attachment in &program.attachments {
            let is_audio = match attachment {
                FileRef::Node(nid) => {
                    let file = self.site.files.get(&nid);
                    drafting.file_node(nid, file);
                    if file.is_some_and(|file| !file.complete) {
                        return None;
                    }
                    file.is_some_and(|file| file.looks_like_audio)
                }
                FileRef::Managed(fid) => self.site.managed_files.get(&fid).is_some_and(|file| file.looks_like_audio),
            };
            if is_audio {
                audio.push(attachment);
            }
        }
        Some(match audio[..] {
            [] => Roles { title: None, body: None },
            [body] => Roles { title: None, body: Some(body) },
            [title, body, ..] => Roles { title: Some(title), body: Some(body) },
        })
    }
}

/// Unix seconds as a moment; what lies outside of the calendar is its nearest end.
fn moment(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

#[cfg(test)]
mod tests {
    use audiospread_protocol::Kind;
    use serde_json::json;

    use super::super::sample::{Sample, blob, sound_of};
    use super::super::site::AudioState;
    use super::super::{Outcome, codes};
    use super::*;

    fn draft(sample: &Sample) -> Draft {
        sample.draft(Kind::Program, "100")
    }

    fn absent(reason: DeleteReason) -> Outcome {
        Outcome::Absent(reason)
    }

    #[test]
    fn a_program_has_the_members_of_the_feed_in_their_order() {
        let mut sample = Sample::new();
        let program = sample.program(100);
        program.node.terms = [4, 2, 13].into();
        program.node.tnid = 90;
        program.weight = -5;
        let draft = draft(&sample);
        let Outcome::Put(bytes) = &draft.outcome else { panic!("{draft:?}") };
        let sound = |nid| serde_json::to_string(&sound_of(nid)).unwrap();
        let expected = format!(
            r#"{{"title":"Node 100","language":"en","translation_set":"90","categories":["2","4"],"weight":-5,"created_at":"2011-03-01T17:20:00Z","changed_at":"2011-03-01T17:21:40Z","audio":{{"title":{},"body":{}}}}}"#,
            sound(101),
            sound(102),
        );
        assert_eq!(String::from_utf8_lossy(bytes), expected);
        assert_eq!(&*draft.categories, [2, 4]);
        assert!(draft.findings.is_empty());
    }

    #[test]
    fn the_nodes_language_comes_before_the_field_and_the_field_before_the_default() {
        let mut sample = Sample::new();
        sample.program(100).node.language_field = Some("fr".into());
        assert_eq!(draft(&sample).value()["language"], "fr");
        sample.program(100).node.language = Some("ar".into());
        assert_eq!(draft(&sample).value()["language"], "ar");
    }

    #[test]
    fn of_several_reasons_to_be_absent_the_first_counts_and_all_are_told() {
        let mut sample = Sample::new();
        let program = sample.program(100);
        (program.body, program.node.terms) = (None, Box::default());
        let both = draft(&sample);
        assert_eq!(
            (both.outcome.clone(), both.codes()),
            (absent(DeleteReason::NoCategory), vec!["no_body", "no_category"])
        );

        sample.program(100).body = None;
        assert_eq!(draft(&sample).outcome, absent(DeleteReason::NoAudio));

        sample.program(100).node.published = false;
        let unpublished = draft(&sample);
        assert_eq!(unpublished.outcome, absent(DeleteReason::Unpublished));
        assert_eq!(unpublished.findings[0].severity, Severity::Info);

        sample.site.programs.clear();
        assert_eq!(draft(&sample).outcome, absent(DeleteReason::Deleted));
    }

    #[test]
    fn prompt_terms_and_unknown_terms_are_no_categories() {
        let mut sample = Sample::new();
        sample.program(100).node.terms = [12, 13, 77].into();
        assert_eq!(draft(&sample).outcome, absent(DeleteReason::NoCategory));
    }

    #[test]
    fn a_body_that_cannot_be_heard_is_told_exactly() {
        type Break = fn(&mut Sample);
        let cases: [(Break, &str); 5] = [
            (|sample| drop(sample.site.files.remove(&102)), codes::DANGLING_FILE),
            (|sample| sample.site.files.get_mut(&102).unwrap().published = false, codes::UNPUBLISHED_FILE),
            (|sample| sample.site.files.get_mut(&102).unwrap().source = None, codes::UNKNOWN_URI),
            (|sample| drop(sample.audio.0.insert(blob(102), AudioState::Missing)), codes::MISSING_BLOB),
            (|sample| drop(sample.audio.0.insert(blob(102), AudioState::NotAudio)), codes::NOT_AUDIO),
        ];
        for (break_it, code) in cases {
            let mut sample = Sample::new();
            sample.program(100);
            break_it(&mut sample);
            let draft = draft(&sample);
            assert_eq!((draft.outcome.clone(), draft.codes()), (absent(DeleteReason::NoAudio), vec![code]));
            assert_eq!(draft.findings[0].severity, Severity::Error);
        }
    }

    #[test]
    fn a_program_whose_title_cannot_be_heard_is_there_without_it() {
        let mut sample = Sample::new();
        sample.program(100);
        sample.site.files.remove(&101);
        let draft = draft(&sample);
        assert!(draft.value()["audio"].get("title").is_none());
        assert_eq!((draft.codes(), draft.findings[0].severity), (vec![codes::DANGLING_FILE], Severity::Warning));
        sample.program(100).title = None;
        assert_eq!(self::draft(&sample).codes(), [codes::NO_TITLE]);
    }

    #[test]
    fn audio_not_looked_at_yet_and_saves_in_flight_keep_the_old_state() {
        let mut sample = Sample::new();
        sample.program(100);
        sample.audio.0.insert(blob(101), AudioState::Pending);
        let pending = draft(&sample);
        assert_eq!(
            (pending.outcome.clone(), pending.codes()),
            (Outcome::Keep(Wait::Audio), vec![codes::AUDIO_PENDING])
        );

        sample.site.files.get_mut(&102).unwrap().complete = false;
        assert_eq!(draft(&sample).outcome, Outcome::Keep(Wait::Save));

        sample.program(100).node.complete = false;
        assert_eq!(draft(&sample).outcome, Outcome::Keep(Wait::Save));
    }

    #[test]
    fn attachments_count_only_where_both_fields_are_empty_and_are_audio() {
        let mut sample = Sample::new();
        let (text, first, second, third) = (sample.managed(1), sample.managed(2), sample.file(201), sample.file(202));
        sample.site.managed_files.get_mut(&1).unwrap().looks_like_audio = false;
        let body = |sample: &Sample| draft(sample).value()["audio"]["body"]["sha256"].clone();

        sample.program(100).attachments = [second, third].into();
        assert_eq!(body(&sample), json!(sound_of(102).sha256));

        let program = sample.program(100);
        (program.title, program.body, program.attachments) = (None, None, [text, FileRef::Node(999), second].into());
        assert_eq!(body(&sample), json!(sound_of(201).sha256));
        assert_eq!(draft(&sample).codes(), [codes::NO_TITLE]);

        let program = sample.program(100);
        (program.title, program.body, program.attachments) = (None, None, [first, second, third].into());
        assert_eq!(body(&sample), json!(sound_of(201).sha256));
        assert!(draft(&sample).value()["audio"]["title"].is_object());

        let program = sample.program(100);
        (program.body, program.attachments) = (None, [second, third].into());
        assert_eq!(draft(&sample).codes(), [codes::NO_BODY]);
    }

    #[test]
    fn a_file_that_drupal_will_delete_is_heard_and_told() {
        let mut sample = Sample::new();
        let file = sample.managed(7);
        sample.site.managed_files.get_mut(&7).unwrap().permanent = false;
        sample.program(100).body = Some(file);
        let draft = draft(&sample);
        assert!(draft.value()["audio"]["body"].is_object());
        assert_eq!(draft.codes(), [codes::TEMPORARY_FILE]);
    }

    #[test]
    fn a_number_in_a_title_is_masked_and_the_finding_does_not_repeat_it() {
        let mut sample = Sample::new();
        sample.program(100).node.title = "Phone message from +221775550102".into();
        let draft = draft(&sample);
        assert_eq!(draft.value()["title"], "Phone message from …");
        assert_eq!(draft.codes(), [codes::NUMBER_IN_TITLE]);
        assert!(!draft.findings[0].message.contains("5550102"));
    }

    #[test]
    fn a_new_revision_or_a_saved_file_changes_the_stamp() {
        let mut sample = Sample::new();
        sample.program(100);
        let before = draft(&sample);
        sample.site.files.get_mut(&102).unwrap().changed += 1;
        let file_saved = draft(&sample);
        sample.program(100).node.vid += 1;
        let revised = draft(&sample);
        assert_eq!(before.outcome, file_saved.outcome);
        assert!(before.stamp != file_saved.stamp && file_saved.stamp != revised.stamp);
    }

    #[test]
    fn moments_outside_of_the_calendar_do_no_harm() {
        let mut sample = Sample::new();
        let program = sample.program(100);
        (program.node.created, program.node.changed) = (i64::MIN, i64::MAX);
        assert!(draft(&sample).value()["created_at"].is_string());
    }
}
