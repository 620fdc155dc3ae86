//! Which audio the phone may need: that of the nodes that mean something to it, and no other file of the site.

use crate::catalogue::site::{AudioSource, FileRef, Site};

/// The sources that programs, categories and prompts refer to.
pub(super) fn sources(site: &Site) -> impl Iterator<Item = &AudioSource> {
    let programs = site.programs.values().flat_map(|program| {
        // Attachments count only where both fields are empty, and then only audio: DESIGN of the rules, not of the tables.
        let attachments =
            if program.title.is_none() && program.body.is_none() { &program.attachments[..] } else { &[] };
        program.title.into_iter().chain(program.body).chain(attachments.iter().copied())
    });
    let sounds = site.sounds.values().flat_map(|sound| [sound.title, sound.header, sound.footer].into_iter().flatten());
    let prompts = site.prompts.values().filter_map(|prompt| prompt.audio);
    programs.chain(sounds).chain(prompts).filter_map(|file| source(site, file))
}

fn source(site: &Site, file: FileRef) -> Option<&AudioSource> {
    match file {
        FileRef::Node(nid) => site.files.get(&nid)?.source.as_ref(),
        FileRef::Managed(fid) => {
            site.managed_files.get(&fid).filter(|file| file.looks_like_audio).map(|file| &file.source)
        }
    }
}
