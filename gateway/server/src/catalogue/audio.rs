//! From where a field points to the audio that is heard, or to what is the matter with it.

use audiospread_protocol::AudioRef;

use super::draft::{Drafting, Wait};
use super::site::{AudioSource, AudioState, FileRef, Nid};
use super::{Catalogue, Severity, Subject, codes};

/// What is the matter with a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Dangling,
    Unpublished,
    UnknownUri,
    Missing,
    NotAudio,
}

impl Fault {
    const fn code(self) -> &'static str {
        match self {
            Self::Dangling => codes::DANGLING_FILE,
            Self::Unpublished => codes::UNPUBLISHED_FILE,
            Self::UnknownUri => codes::UNKNOWN_URI,
            Self::Missing => codes::MISSING_BLOB,
            Self::NotAudio => codes::NOT_AUDIO,
        }
    }

    const fn what_to_do(self) -> &'static str {
        match self {
            Self::Dangling => "belongs to a file that was deleted: upload it again",
            Self::Unpublished => "belongs to a file that is not published: publish the file, or upload it again",
            Self::UnknownUri => "is kept in a way that is not known here: upload it again",
            Self::Missing => "is lost on the server's disk: upload it again",
            Self::NotAudio => "is no audio that can be played: upload it again as mp3, ogg or wav",
        }
    }
}

/// Whose recording it is, for findings.
#[derive(Clone, Copy)]
pub(super) struct Part {
    /// The node that has it.
    pub(super) nid: Nid,
    /// What it is, as in “The spoken title …”.
    pub(super) name: &'static str,
    /// What it means if it cannot be heard.
    pub(super) severity: Severity,
}

impl Catalogue<'_> {
    /// The audio that `file` leads to. If there is none, the draft has a finding or waits.
    pub(super) fn hear(&self, drafting: &mut Drafting, part: Part, file: FileRef) -> Option<AudioRef> {
        let subject = Subject::Node(part.nid);
        match self.source(drafting, part, file).and_then(|source| self.bytes(source)) {
            Ok(audio) => Some(audio),
            Err(Silence::Wait(wait)) => {
                drafting.wait_for(wait);
                if wait == Wait::Audio {
                    let message = format!("{} was not looked at yet: it will be soon.", part.name);
                    drafting.finding(codes::AUDIO_PENDING, Severity::Info, subject, message);
                }
                None
            }
            Err(Silence::Fault(fault)) => {
                let message = format!("{} {}.", part.name, fault.what_to_do());
                drafting.finding(fault.code(), part.severity, subject, message);
                None
            }
        }
    }

    fn source(&self, drafting: &mut Drafting, part: Part, file: FileRef) -> Result<&AudioSource, Silence> {
        match file {
            FileRef::Node(nid) => {
                let file = self.site.files.get(&nid);
                drafting.file_node(nid, file);
                let file = file.ok_or(Silence::Fault(Fault::Dangling))?;
                if !file.complete {
                    return Err(Silence::Wait(Wait::Save));
                }
                if !file.published {
                    return Err(Silence::Fault(Fault::Unpublished));
                }
                file.source.as_ref().ok_or(Silence::Fault(Fault::UnknownUri))
            }
            FileRef::Managed(fid) => {
                drafting.managed_file(fid);
                let file = self.site.managed_files.get(&fid).ok_or(Silence::Fault(Fault::Dangling))?;
                if !file.permanent {
                    let message =
                        format!("{} counts as temporary, and Drupal will delete it: save the page again.", part.name);
                    drafting.finding(codes::TEMPORARY_FILE, Severity::Warning, Subject::Node(part.nid), message);
                }
                Ok(&file.source)
            }
        }
    }

    fn bytes(&self, source: &AudioSource) -> Result<AudioRef, Silence> {
        match self.audio.state(source) {
            AudioState::Ready(audio) => Ok(audio),
            AudioState::Pending => Err(Silence::Wait(Wait::Audio)),
            AudioState::Missing => Err(Silence::Fault(Fault::Missing)),
            AudioState::NotAudio => Err(Silence::Fault(Fault::NotAudio)),
        }
    }
}

/// Why nothing is heard.
enum Silence {
    Wait(Wait),
    Fault(Fault),
}
