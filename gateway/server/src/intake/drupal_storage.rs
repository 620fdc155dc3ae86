//! Recordings in Drupal's own storage: put there, looked for, and read back.
//!
//! What cannot be put there stays with the gateway alone, and Drupal's module fetches it: that is slower, and nothing is lost.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::time::Duration;

use audiospread_protocol::Sha256Digest;
use camino::Utf8PathBuf;
use uuid::Uuid;

use super::Part;
use super::digests::digests_of_open;
use super::scripts;
use super::spot::{NoSpot, Spot, StoredIn};
use crate::beneath::put::{Put, PutError};
use crate::beneath::{Found, Root};
use crate::config::{Intake, StoreIn};
use crate::drupal::{Adapter, MessageStorage, ReadError, Reader};
use crate::web_user::{WebUser, WebUserError};

/// How long the directories with Drupal's files may take: a network disk that is away holds whoever touches it.
const PATIENCE: Duration = Duration::from_secs(60);
/// How the names of files begin that nobody is to look at.
const TEMPORARY: &str = ".audiospread";
/// How those begin that only find out whether anything can be put there.
const PROBE: &str = ".audiospread-probe";
/// Bytes that are read out of a table at once.
const PIECE: u64 = 512 * 1024;

/// Drupal's own storage, as far as recordings go there.
#[derive(Clone, Debug)]
pub struct DrupalStorage {
    reader: Reader,
    store: StoreIn,
    web_user: String,
    php_is_off: bool,
}

/// A part of a recording whose bytes are in a file of the gateway's.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) part: Part,
    pub(super) file: File,
    pub(super) sha1: [u8; 20],
}

/// Why recordings cannot be put into Drupal's storage.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StorageTrouble {
    /// They belong nowhere.
    #[error(transparent)]
    NoSpot(#[from] NoSpot),
    /// Drupal's database.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The web server's user.
    #[error(transparent)]
    WebUser(#[from] WebUserError),
    /// What is put there could be run.
    #[error(
        "nothing keeps the web server from running PHP in {0}: save Drupal's page File system, which puts its .htaccess into the files \
         directory; where another web server than Apache sees to it, set intake.php_is_off in gateway.toml"
    )]
    Scripts(Utf8PathBuf),
    /// The directory.
    #[error("{directory} cannot be used: {source}{}", advice(source))]
    Put {
        /// Which.
        directory: Utf8PathBuf,
        /// Why.
        source: PutError,
    },
    /// It does not answer.
    #[error("the directories with Drupal's files do not answer: is a network disk away?")]
    Silent,
}

fn advice(error: &PutError) -> &'static str {
    match error {
        PutError::NoDirectory => {
            "; upload any file in Drupal, which makes its directories, or name the real path in its settings"
        }
        PutError::Taken(_) => "; look at that file, and remove it if it is damaged",
        PutError::Useless { has_list: true, .. } => {
            "; what is made there has its default access control list: setfacl -m u:USER:rwX,d:u:USER:rwX; or correct intake.web_user in gateway.toml"
        }
        PutError::Useless { has_list: false, .. } => {
            "; give its directory a group of which that user is a member, and set the bits: chmod g+rwxs; or correct intake.web_user in gateway.toml"
        }
        PutError::Disk(error) => match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; make room there",
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "; make the gateway's user a member of the directory's group, and set its bits: chmod g+rwxs"
            }
            _ => "",
        },
    }
}

impl StorageTrouble {
    /// Whether the site is as somebody wants it, and nothing is to be mended.
    pub(crate) const fn is_wanted(&self) -> bool {
        matches!(self, Self::NoSpot(why) if why.is_wanted())
    }

    /// Whether it is about one recording alone.
    pub(super) const fn is_of_one(&self) -> bool {
        matches!(self, Self::Put { source: PutError::Taken(_), .. })
    }

    /// Whether it passes by itself.
    pub(super) const fn is_passing(&self) -> bool {
        matches!(self, Self::Read(_) | Self::Silent)
    }
}

impl DrupalStorage {
    /// The storage of the site that `reader` reads.
    pub fn new(reader: Reader, config: &Intake) -> Self {
        let (store, php_is_off) = (config.store, config.php_is_off);
        Self { reader, store, php_is_off, web_user: config.web_user.clone() }
    }

    /// Whether anything is to be put there at all.
    pub(crate) fn is_used(&self) -> bool {
        self.store == StoreIn::Auto
    }

    /// Puts the parts of a recording where they belong, and says where they are now; what could not be put stays with the gateway. With
    /// `again` what an attempt that was cut off left is removed.
    pub(super) async fn put(
        &self,
        uuid: Uuid,
        parts: Vec<Own>,
        again: bool,
    ) -> (Vec<StoredIn>, Option<StorageTrouble>) {
        let nowhere = vec![StoredIn::Gateway; parts.len()];
        if !self.is_used() {
            return (nowhere, None);
        }
        let drupal = match self.reader.read_message_storage().await {
            Ok(drupal) => drupal,
            Err(error) => return (nowhere, Some(error.into())),
        };
        let this = self.clone();
        let put = patiently(move || {
            let (mut stores, mut trouble) = (Vec::with_capacity(parts.len()), None);
            for own in parts {
                stores.push(this.put_part(&drupal, uuid, own, again).unwrap_or_else(|error| {
                    trouble.get_or_insert(error);
                    StoredIn::Gateway
                }));
            }
            (stores, trouble)
        });
        put.await.unwrap_or_else(|trouble| (nowhere, Some(trouble)))
    }

    fn put_part(
        &self,
        drupal: &MessageStorage,
        uuid: Uuid,
        mut own: Own,
        again: bool,
    ) -> Result<StoredIn, StorageTrouble> {
        let spot = Spot::of(drupal, uuid, own.part, &own.sha1)?;
        let web = WebUser::of(&self.web_user)?;
        let temporary = format!("{TEMPORARY}-{uuid}-{}", own.part.as_str());
        let mut put = || -> Result<Put, PutError> {
            let shelf = Root::open(&spot.root)?.shelf(spot.below.as_str(), spot.made, &web)?;
            if again {
                shelf.clear(&temporary)?;
            }
            shelf.put(&mut own.file, &spot.name, &temporary, &web)
        };
        self.could_run_scripts(drupal, &spot)?;
        put().map_err(|source| StorageTrouble::Put { directory: spot.directory(), source })?;
        Ok(spot.store)
    }

    fn could_run_scripts(&self, drupal: &MessageStorage, spot: &Spot) -> Result<(), StorageTrouble> {
        let directory = spot.root.join(spot.base());
        match scripts::could_run(&directory, &drupal.storage.root) {
            Ok(could) if could && !self.php_is_off => Err(StorageTrouble::Scripts(directory)),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(StorageTrouble::Put { directory, source: PutError::NoDirectory })
            }
            Err(error) => Err(StorageTrouble::Put { directory, source: error.into() }),
        }
    }

    /// Removes what a gateway left that was killed while it probed. What cannot be looked at is for the next start.
    pub(super) async fn clear_probes(&self) {
        let Ok(drupal) = self.reader.read_message_storage().await else { return };
        let Ok(web) = WebUser::of(&self.web_user) else { return };
        let cleared = patiently(move || {
            for part in [Part::Title, Part::Body] {
                let Ok(spot) = Spot::of(&drupal, Uuid::nil(), part, &[0; 20]) else { continue };
                for directory in [spot.base(), &spot.below] {
                    let shelf = Root::open(&spot.root).map(|root| root.shelf(directory.as_str(), 0, &web));
                    if let Ok(Ok(shelf)) = shelf {
                        let _ = shelf.clear(PROBE);
                    }
                }
            }
        });
        let _ = cleared.await;
    }

    /// Puts a file where recordings go, removes it, and says where that was and who could do the same; each directory once.
    ///
    /// # Errors
    /// [`StorageTrouble`], which says what to do.
    pub(crate) async fn probe(&self) -> Result<(Vec<Utf8PathBuf>, String), StorageTrouble> {
        let drupal = self.reader.read_message_storage().await?;
        let this = self.clone();
        patiently(move || {
            let web = WebUser::of(&this.web_user)?;
            let mut directories = Vec::new();
            for part in [Part::Title, Part::Body] {
                let spot = Spot::of(&drupal, Uuid::new_v4(), part, &[0; 20])?;
                this.could_run_scripts(&drupal, &spot)?;
                let probed = probe(&spot, &web);
                directories.push(probed.map_err(|source| StorageTrouble::Put { directory: spot.directory(), source })?);
            }
            directories.dedup();
            Ok((directories, web.name().to_owned()))
        })
        .await?
    }

    /// The references by which Drupal finds these parts, of those that are where they were put.
    ///
    /// # Errors
    /// If Drupal's database cannot be read. A disk that does not answer has nothing.
    pub(super) async fn references(
        &self,
        parts: Vec<(Uuid, Part, StoredIn, [u8; 20], u64)>,
    ) -> Result<HashMap<(Uuid, Part), (StoredIn, String)>, ReadError> {
        if !self.is_used() || parts.is_empty() {
            return Ok(HashMap::new());
        }
        let drupal = self.reader.read_message_storage().await?;
        let looked = patiently(move || {
            let found = parts.into_iter().filter_map(|(uuid, part, store, sha1, size)| {
                let spot = Spot::of(&drupal, uuid, part, &sha1).ok().filter(|spot| spot.store == store)?;
                let found = Root::open(&spot.root).and_then(|root| root.look(spot.path().as_str()));
                let is_there = matches!(found, Ok(Found::File(facts)) if facts.size == size);
                is_there.then_some(((uuid, part), (store, spot.reference)))
            });
            found.collect()
        });
        Ok(looked.await.unwrap_or_default())
    }

    /// Opens the bytes of a part in Drupal's storage, wherever Drupal or the gateway put them, if they are there and are these and no others.
    ///
    /// # Errors
    /// If they cannot be looked for now.
    pub(super) async fn open(
        &self,
        (uuid, part): (Uuid, Part),
        sha1: [u8; 20],
        sha256: Sha256Digest,
        size: u64,
    ) -> Result<Option<File>, StorageTrouble> {
        let storage = self.reader.read_storage().await?;
        for repository in &storage.repositories {
            let file = match &repository.adapter {
                Adapter::File { directory } => open_file(directory.clone(), storage.path_of(&sha1), size).await?,
                Adapter::Sql { table } => self.copy_of(table, &sha1, size).await?,
            };
            if let Some(file) = checked(file, sha256).await? {
                return Ok(Some(file));
            }
        }
        let name = format!("audiospread/{uuid}-{}.mp3", part.as_str());
        checked(open_file(storage.files(), name.into(), size).await?, sha256).await
    }

    /// A copy of a blob that is in a table, in a file that nobody else sees.
    async fn copy_of(&self, table: &str, sha1: &[u8; 20], size: u64) -> Result<Option<File>, StorageTrouble> {
        if self.reader.sql_blob_size(table, sha1).await? != Some(size) {
            return Ok(None);
        }
        let directory = || Utf8PathBuf::from(std::env::temp_dir().to_string_lossy().into_owned());
        let failed = |source: io::Error| StorageTrouble::Put { directory: directory(), source: source.into() };
        let mut copy = tempfile::tempfile().map_err(failed)?;
        let mut offset = 0;
        while offset < size {
            let piece = self.reader.sql_blob_piece(table, sha1, offset, PIECE).await?;
            if piece.is_empty() {
                return Ok(None);
            }
            copy.write_all(&piece).map_err(failed)?;
            offset += piece.len() as u64;
        }
        Ok(Some(copy))
    }
}

/// Puts a file into the directory, or into the one above it where there is none yet.
fn probe(spot: &Spot, web: &WebUser) -> Result<Utf8PathBuf, PutError> {
    let root = Root::open(&spot.root)?;
    let (below, shelf) = match root.shelf(spot.below.as_str(), 0, web) {
        Err(PutError::NoDirectory) => (spot.base(), root.shelf(spot.base().as_str(), 0, web)?),
        shelf => (&*spot.below, shelf?),
    };
    let mut source = tempfile::tempfile()?;
    source.write_all(b"Written by audiospread doctor, and removed at once.\n")?;
    // As `clear` finds it.
    let name = format!("{PROBE}.put-{:016x}", rand::random::<u64>());
    shelf.put(&mut source, &name, PROBE, web)?;
    shelf.remove(&name)?;
    Ok(if below.as_str().is_empty() { spot.root.clone() } else { spot.root.join(below) })
}

/// Opens a file of this size; one of another is none.
async fn open_file(directory: Utf8PathBuf, path: Utf8PathBuf, size: u64) -> Result<Option<File>, StorageTrouble> {
    let looked_in = directory.clone();
    let opened = patiently(move || match Root::open(&directory).and_then(|root| root.open_file(path.as_str())) {
        Ok(Found::File((file, facts))) if facts.size == size => Ok(Some(file)),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    });
    opened.await?.map_err(|source| StorageTrouble::Put { directory: looked_in, source: source.into() })
}

/// The file, if its bytes are these.
async fn checked(file: Option<File>, sha256: Sha256Digest) -> Result<Option<File>, StorageTrouble> {
    let Some(mut file) = file else { return Ok(None) };
    let checked =
        patiently(move || digests_of_open(&mut file).map(|digests| (digests.sha256 == sha256).then_some(file)));
    // Bytes that cannot be read are not there.
    Ok(checked.await?.unwrap_or_default())
}

/// Does what touches Drupal's disk on a thread of its own, and does not wait for it for ever.
async fn patiently<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, StorageTrouble> {
    match tokio::time::timeout(PATIENCE, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(_)) | Err(_) => Err(StorageTrouble::Silent),
    }
}
