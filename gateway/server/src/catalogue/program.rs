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
            program.node.terms.iter().copied().filter(|&tid| self.outline.is_category(tid)).collect();
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
