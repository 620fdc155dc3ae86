//! What is settled gets its place: confirmed recordings the archive, what nobody takes the quarantine; and what is old goes.

use camino::Utf8Path;

use super::outgoing::{move_into, remove};
use super::{PushError, Session, now};
use crate::calls::{Old, Part};
use crate::shared::sync_directory;

impl Session<'_> {
    /// Puts the files of settled recordings where they belong. A crash in the middle leaves the rest for the next time.
    pub(super) fn file_away(&mut self) -> Result<(), PushError> {
        for title in self.calls.unfiled_titles()? {
            if self.calls.is_ours(&title.path) {
                move_into(&title.path, &self.outgoing.quarantine)?;
                sync_directory(&self.outgoing.quarantine)?;
            }
            self.outgoing.remove_mp3(&title.uuid, Part::Title)?;
            self.calls.note_title_filed(&title.uuid)?;
        }
        for settled in self.calls.unfiled()? {
            let to = if settled.is_confirmed { &self.outgoing.archive } else { &self.outgoing.quarantine };
            let parts = [&settled.title, &settled.body];
            for recorded in parts.into_iter().filter(|path| self.calls.is_ours(path)) {
                // One that was in quarantine is moved from there.
                move_into(&self.outgoing.wave(recorded), to)?;
            }
            sync_directory(to)?;
            self.outgoing.remove_mp3s(&settled.uuid)?;
            self.calls.note_filed(&settled.uuid)?;
        }
        Ok(())
    }

    /// Removes what was confirmed so many days ago. What is in quarantine stays until somebody has looked.
    pub(super) fn clean(&mut self) -> Result<(), PushError> {
        let before = now() - i64::from(self.keep_days) * 86_400;
        for old in self.calls.old_recordings(before)? {
            self.remove_waves(&old)?;
            self.calls.forget_recording(&old.uuid)?;
        }
        for title in self.calls.titles_without_recording()? {
            let name = title.path.file_name().unwrap_or_default();
            if !self.calls.is_ours(&title.path) || !self.outgoing.quarantine.join(name).exists() {
                self.calls.forget_title(&title.uuid)?;
            }
        }
        Ok(self.calls.forget_records(before)?)
    }

    fn remove_waves(&self, old: &Old) -> Result<(), PushError> {
        // Of one that its caller threw away the menus may have written no path down.
        let usual = ["title", "body"].map(|part| self.calls.recordings().join(format!("{}-{part}.wav", old.uuid)));
        for recorded in [&old.title, &old.body].into_iter().chain(&usual) {
            let name = recorded.file_name().unwrap_or_default();
            if self.calls.is_ours(recorded) && !name.is_empty() {
                remove(recorded)?;
                remove(&self.outgoing.archive.join(Utf8Path::new(name)))?;
            }
        }
        Ok(())
    }
}
