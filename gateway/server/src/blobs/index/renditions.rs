//! The phone renditions of sounds, as far as the catalogue is told of them.

use audiospread_protocol::Sha256Digest;

use super::super::rendition::Rendition;
use super::Index;

impl Index {
    /// Has the catalogue told of renditions.
    pub(in crate::blobs) fn publish_renditions(&self) {
        self.write().publishes_renditions = true;
    }

    /// Takes note of renditions, by the sounds that they are of.
    pub(in crate::blobs) fn add_renditions(&self, made: &[(Sha256Digest, Rendition)]) {
        let mut state = self.write();
        let before = state.changed.len();
        for (source, rendition) in made {
            state.add_rendition(source, *rendition);
        }
        if state.changed.len() > before {
            state.generation += 1;
            self.publish(&state);
        }
    }

    /// Whether there is a rendition of a sound.
    pub(in crate::blobs) fn has_rendition_of(&self, sound: &Sha256Digest) -> bool {
        self.read().renditions.contains_key(sound)
    }

    /// Lets go of the renditions of these sounds.
    pub(in crate::blobs) fn forget_renditions(&self, sources: &[Sha256Digest]) {
        let mut state = self.write();
        for source in sources {
            state.forget_rendition(source);
        }
    }

    /// The rendition of this digest, and the sound that it is of.
    pub(in crate::blobs) fn rendition_named(&self, sha256: &Sha256Digest) -> Option<(Sha256Digest, Rendition)> {
        let state = self.read();
        let source = *state.rendered.get(sha256)?;
        Some((source, *state.renditions.get(&source)?))
    }
}
