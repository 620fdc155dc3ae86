//! Where the bytes of recordings are: put into Drupal's storage, told to Drupal, and heard from wherever they are.

use std::collections::HashMap;
use std::fs::File;

use audiospread_protocol::Sha256Digest;
use uuid::Uuid;

use super::drupal_storage::{Own, StorageTrouble};
use super::parts::{self, Noted};
use super::recordings::with_sha1;
use super::rows::{Kept, KeptPart};
use super::spot::NoSpot;
use super::{AskError, Part, Recordings, StoredIn, SubmitError};
use crate::catalogue::{Finding, Severity, Subject, codes};
use crate::feed::{FeedError, FindingChanges};
use crate::storeroom::StoreError;

/// Whose findings those about Drupal's storage are; of one recording its uuid stands behind.
pub(super) const FINDING_OWNER: &str = "!recordings";

/// What is told of Drupal's storage.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Told {
    /// It was not looked at yet, and what an earlier gateway told stands.
    #[default]
    Unknown,
    /// Recordings are put there, or are not to be.
    Good,
    /// Why none can be.
    Trouble(String),
}

/// Why a sound cannot be opened now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SoundError {
    /// The gateway's database.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// Drupal's storage.
    #[error(transparent)]
    Storage(#[from] StorageTrouble),
    /// The gateway's own files.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Recordings {
    /// Opens the bytes of a part: the gateway's copy, or what Drupal has once that was let go; nothing if they are gone.
    ///
    /// # Errors
    /// If they cannot be looked for now.
    pub(crate) async fn sound(&self, uuid: Uuid, part: Part, is: &KeptPart) -> Result<Option<File>, SoundError> {
        match self.own_copy(uuid, part)? {
            Some(copy) => Ok(Some(copy)),
            None => self.in_drupal(uuid, part, is).await,
        }
    }

    /// Opens the bytes of a part in Drupal's storage, if they are there and are the same.
    pub(super) async fn in_drupal(&self, uuid: Uuid, part: Part, is: &KeptPart) -> Result<Option<File>, SoundError> {
        let noted = parts::of(&self.store, &[uuid]).await?;
        let Some(noted) = noted.get(&(uuid, part)) else { return Ok(None) };
        Ok(self.drupal.open((uuid, part), noted.sha1, is.sha256, is.size).await?)
    }

    /// Where in Drupal's storage the parts of these recordings are, and by what Drupal knows them; the gateway alone has the others.
    ///
    /// # Errors
    /// If a database cannot be read.
    pub(crate) async fn references(
        &self,
        recordings: &[Kept],
    ) -> Result<HashMap<(Uuid, Part), (StoredIn, String)>, AskError> {
        let uuids: Vec<Uuid> = recordings.iter().map(|kept| kept.uuid).collect();
        let noted = parts::of(&self.store, &uuids).await?;
        let parts = recordings.iter().flat_map(|kept| kept.parts().map(|(part, is)| (kept.uuid, part, is.size)));
        let parts = parts.filter_map(|(uuid, part, size)| {
            let noted = noted.get(&(uuid, part)).filter(|noted| noted.store != StoredIn::Gateway)?;
            Some((uuid, part, noted.store, noted.sha1, size))
        });
        Ok(self.drupal.references(parts.collect()).await?)
    }

    /// Puts the bytes of all parts, which the gateway has, into Drupal's storage, and notes where they are.
    pub(super) async fn put_into_drupal(
        &self,
        uuid: Uuid,
        parts: &[(Part, Sha256Digest)],
        again: bool,
    ) -> Result<(), SubmitError> {
        let mut own = Vec::with_capacity(parts.len());
        let mut sha1s = Vec::with_capacity(parts.len());
        for (part, sha256) in parts {
            let copy = self.own_copy(uuid, *part)?.ok_or_else(|| SubmitError::Missing(vec![*sha256]))?;
            let (file, sha1) = with_sha1(copy).await?;
            own.push(Own { part: *part, file, sha1 });
            sha1s.push((*part, sha1));
        }
        let (stores, trouble) = self.drupal.put(uuid, own, again).await;
        for ((part, sha1), store) in sha1s.into_iter().zip(stores) {
            parts::note(&self.store, uuid, part, Noted { store, sha1 }).await?;
        }
        match trouble {
            Some(trouble) if trouble.is_of_one() => {
                let owner = format!("{FINDING_OWNER} {uuid}");
                let message = format!("A recording stays with the gateway until Drupal fetches it: {trouble}.");
                Ok(self.store.update_findings(&FindingChanges::from([(owner, vec![finding(message)])])).await?)
            }
            trouble => Ok(self.tell(trouble).await?),
        }
    }

    /// Whether Drupal's storage can be written, if that was never looked at or could not be done when it was last.
    pub(super) async fn look_again(&self) -> Result<(), FeedError> {
        let is_first = match *self.told.lock().await {
            Told::Good => return Ok(()),
            Told::Unknown => true,
            Told::Trouble(_) => false,
        };
        let trouble = if self.drupal.is_used() { self.drupal.probe().await.err() } else { None };
        // A site that is not made for recordings is as somebody wants it, until one comes.
        if is_first && matches!(trouble, Some(StorageTrouble::NoSpot(NoSpot::NoField(_)))) {
            return Ok(());
        }
        self.tell(trouble).await
    }

    /// Has a finding say why Drupal's storage cannot be written, or none.
    async fn tell(&self, trouble: Option<StorageTrouble>) -> Result<(), FeedError> {
        if let Some(trouble) = trouble.as_ref().filter(|trouble| trouble.is_passing()) {
            tracing::warn!(%trouble, "recordings cannot be put into Drupal's storage now; its module fetches them");
            return Ok(());
        }
        let trouble = trouble.filter(|trouble| !trouble.is_wanted());
        let now = trouble.map_or(Told::Good, |trouble| Told::Trouble(trouble.to_string()));
        let mut told = self.told.lock().await;
        if *told == now {
            return Ok(());
        }
        let findings = match &now {
            Told::Trouble(why) => {
                vec![finding(format!("Recordings stay with the gateway until Drupal fetches them: {why}."))]
            }
            Told::Good | Told::Unknown => Vec::new(),
        };
        self.store.update_findings(&FindingChanges::from([(FINDING_OWNER.to_owned(), findings)])).await?;
        *told = now;
        Ok(())
    }
}

fn finding(message: String) -> Finding {
    Finding::new(codes::RECORDING_STORAGE, Severity::Warning, Subject::Site, message)
}
