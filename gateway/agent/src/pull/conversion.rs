//! The language packs that are installed here made audible before the link is asked, and another sound format without a silent moment.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;

use audiospread_protocol::{AudioRef, Sha256Digest};
use camino::{Utf8Path, Utf8PathBuf};
use futures_util::StreamExt;

use super::{Fault, PullError, Session};
use crate::Event;
use crate::mirror::sounds_of;
use crate::shared::{DataDir, SharedError};
use crate::store::{Bytes, adopt_at, format_of};
use crate::workshop::MakeError;

impl Session<'_> {
    /// `packs/LANGUAGE/CONTEXT/KEY.wav`: what the menus say where the mirror has nothing, such as before the first pull.
    pub(super) async fn make_packs_audible(&mut self) -> Result<(), PullError> {
        let packs = self.look_at_packs()?;
        let root = self.directory.path().join("packs");
        let mut sources: HashMap<Sha256Digest, Utf8PathBuf> = HashMap::new();
        let mut places: Vec<(Sha256Digest, Utf8PathBuf)> = Vec::new();
        for (sha256, path, name) in packs.names() {
            places.push((sha256, root.join(name)));
            if !self.store.phone_path(sha256, self.config.sound_format).exists() && !self.undecodable.contains(&sha256)
            {
                sources.insert(sha256, path.to_owned());
            }
        }
        self.make_all(sources).await?;
        for (sha256, place) in places {
            let sound = self.store.phone_path(sha256, self.config.sound_format);
            if sound.exists() {
                self.give_name(&sound, &place)?;
            }
        }
        Ok(())
    }

    /// Phone sounds of a former version, which noted nothing of them, are read once, and taken for what they should be.
    pub(super) fn note_former_sounds(&mut self) -> Result<(), PullError> {
        if self.mirror.notes_phone_sounds()? {
            return Ok(());
        }
        let mut files = Vec::new();
        self.store.each_phone_sound(&mut |file| files.push(file))?;
        let mut sounds = Vec::new();
        for file in files {
            let format = format_of(&file.path).filter(|format| format.is_whole(&file.path));
            if let Some(format) = format {
                sounds.push((file.sha256, format, Bytes::of(&file.path)?));
            }
        }
        Ok(self.mirror.note_former_phone_sounds(&sounds)?)
    }

    /// A second name for a sound; the former sound of that name is played until then.
    fn give_name(&self, sound: &Utf8Path, place: &Utf8Path) -> Result<(), PullError> {
        let to = Utf8PathBuf::from(format!("{place}.{}", self.config.sound_format));
        let is_same =
            fs::metadata(&to).and_then(|there| Ok(there.ino() == fs::metadata(sound)?.ino())).unwrap_or(false);
        if is_same {
            return Ok(());
        }
        let beside = self.store.incoming_dir().join("pack.name");
        let at = |source| SharedError::at(&beside, source);
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(error).into()),
            _ => {}
        }
        DataDir::create_read_only_directory(&self.directory.path().join("packs"))?;
        fs::hard_link(sound, &beside).map_err(at)?;
        Ok(adopt_at(&beside, &to, 2)?)
    }

    /// Before anything is shown nothing can fall silent: what is made from now on is what callers get.
    pub(super) fn announce_sounds_if_nothing_is_shown(&mut self) -> Result<(), PullError> {
        if self.mirror.sound_format()?.is_none() && self.mirror.shown_count()? == 0 {
            self.announce_sounds()?;
        }
        Ok(())
    }

    fn announce_sounds(&mut self) -> Result<(), PullError> {
        let (directory, format) = (self.store.phone_dir(), self.config.sound_format);
        Ok(self.mirror.note_sounds(directory.as_str(), format.extension())?)
    }

    /// Makes what callers get in another format, where it was changed; the former is played until all is there.
    pub(super) async fn change_format(&mut self) -> Result<(), PullError> {
        let format = self.config.sound_format;
        let is_announced = self.mirror.audio_dir()?.as_deref() == Some(self.store.phone_dir().as_str());
        if is_announced && self.mirror.sound_format()?.as_deref() == Some(format.extension()) {
            return Ok(());
        }
        let mut sounds: HashMap<Sha256Digest, AudioRef> = HashMap::new();
        self.mirror.state()?.each_shown(&mut |key, value| {
            sounds.extend(sounds_of(&key, value).into_iter().flatten().map(|audio| (audio.sha256, audio)));
        })?;
        let is_wanted = |audio: &AudioRef| {
            self.store.has(audio)
                && !self.undecodable.contains(&audio.sha256)
                && self.store.playable(audio.sha256, format) != Some(format)
        };
        let sources = sounds
            .values()
            .filter(|audio| is_wanted(audio))
            .map(|audio| (audio.sha256, self.store.path(audio)))
            .collect();
        let faults = self.report.faults.len();
        self.make_all(sources).await?;
        if self.report.faults.len() > faults {
            // The next pull goes on; until then both formats are there, each for some of the sounds.
            return Ok(());
        }
        self.announce_sounds()?;
        let mut made = Vec::new();
        self.store.each_phone_sound(&mut |file| made.push(file.sha256))?;
        let mut gone = Vec::new();
        for sha256 in made {
            if self.store.playable(sha256, format) == Some(format) {
                gone.extend(self.store.keep_only(sha256, format)?.into_iter().map(|other| (sha256, other)));
            }
        }
        Ok(self.mirror.forget_phone_sounds(&gone)?)
    }

    /// Makes phone sounds of files that are here.
    async fn make_all(&mut self, sources: HashMap<Sha256Digest, Utf8PathBuf>) -> Result<(), PullError> {
        if sources.is_empty() {
            return Ok(());
        }
        (self.tell)(Event::Making { files: sources.len() as u64 });
        let (workshop, store, directory, stop) = (&self.workshop, &self.store, &self.directory, self.stop);
        let mut making = futures_util::stream::iter(sources)
            .map(|(sha256, path)| async move { (sha256, workshop.make(store, directory, &path, sha256, stop).await) })
            .buffer_unordered(16);
        while let Some((sha256, outcome)) = making.next().await {
            match outcome {
                Ok(made) => (self.tell)(made.place(&mut self.mirror, &self.store)?),
                Err(MakeError::Undecodable(message)) => {
                    self.mirror.note_undecodable(sha256, &message)?;
                    self.undecodable.insert(sha256);
                    (self.tell)(Event::Undecodable { sha256, message });
                }
                Err(MakeError::Failed(message)) => self.report.faults.push(Fault { message, is_passing: true }),
                Err(error) => return Err(PullError::of_workshop(error, directory)),
            }
        }
        Ok(())
    }
}
