//! Which audio the phone may need: that of the nodes that mean something to it, and no other file of the site.

use crate::catalogue::site::{AudioSource, FileRef, Partial, PromptNode, Site, SoundNode};

/// The sources that programs, categories and prompts refer to.
///
/// What a field points at is looked at whatever it is called: only its bytes say that it is audio, or that it is none.
pub(super) fn sources(site: &Site) -> impl Iterator<Item = &AudioSource> {
    let programs = site.programs.values();
    let fields = programs.clone().flat_map(|program| program.title.into_iter().chain(program.body));
    let sounds = site.sounds.values().flat_map(SoundNode::files);
    let prompts = site.prompts.values().flat_map(PromptNode::files);
    // Attachments count only where both fields are empty, and then only audio: DESIGN of the rules, not of the tables.
    let attachments = programs
        .filter(|program| program.title.is_none() && program.body.is_none())
        .flat_map(|program| program.attachments.iter().copied())
        .filter(|file| looks_like_audio(site, *file));
    fields.chain(sounds).chain(prompts).chain(attachments).filter_map(|file| source(site, file))
}

/// The sources that rows which were read again refer to, and those of all file nodes among them: what points at these may not have been read.
pub(super) fn sources_of(partial: &Partial) -> impl Iterator<Item = &AudioSource> {
    let files = partial.rows().files.values().filter_map(|file| file.source.as_ref());
    files.chain(sources(partial.rows()))
}

fn source(site: &Site, file: FileRef) -> Option<&AudioSource> {
    match file {
        FileRef::Node(nid) => site.files.get(&nid)?.source.as_ref(),
        FileRef::Managed(fid) => site.managed_files.get(&fid).map(|file| &file.source),
    }
}

/// Whether an attachment counts as audio.
fn looks_like_audio(site: &Site, attachment: FileRef) -> bool {
    match attachment {
        FileRef::Node(nid) => site.files.get(&nid).is_some_and(|file| file.looks_like_audio),
        FileRef::Managed(fid) => site.managed_files.get(&fid).is_some_and(|file| file.looks_like_audio),
    }
}
