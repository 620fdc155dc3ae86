//! Where in Drupal's storage a part of a recording belongs.
//!
//! Pure: it names places and opens none. Names are made here and nowhere taken over: the SHA-1 of the bytes, or the recording's uuid.

use camino::{Utf8Path, Utf8PathBuf};
use uuid::Uuid;

use super::Part;
use crate::drupal::{Adapter, MessageStorage, SoundField};

/// The directory of recordings in the files directory.
const DIRECTORY: &str = "audiospread";

/// The kinds of places that Drupal's module knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredIn {
    /// The gateway alone.
    Gateway,
    /// bitcache's repository that fileframework writes to.
    Bitcache,
    /// Drupal's files directory.
    Files,
}

impl StoredIn {
    /// The name on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Bitcache => "bitcache",
            Self::Files => "files",
        }
    }

    /// By its name.
    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::Gateway, Self::Bitcache, Self::Files].into_iter().find(|store| store.as_str() == name)
    }
}

/// Where a part of a recording belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    /// The kind of place.
    pub(super) store: StoredIn,
    /// The directory that the administrator chose; links on the way to it are his.
    pub(super) root: Utf8PathBuf,
    /// The directory below it; no links.
    pub(super) below: Utf8PathBuf,
    /// How many of the last parts of `below` are made where they are missing.
    pub(super) made: usize,
    /// The file's name.
    pub(super) name: String,
    /// What Drupal's module knows the place by.
    pub(super) reference: String,
}

/// Why a part belongs nowhere in Drupal's storage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoSpot {
    /// There is no field for it.
    #[error(
        "phone messages have no field for the {} by fileframework or filefield: install the module AudioSpread content, or add the field", .0.as_str()
    )]
    NoField(Part),
    /// fileframework's repository is none of files.
    #[error("bitcache's repository {0}, which fileframework writes to, is in the database")]
    Table(String),
    /// fileframework's repository is not there.
    #[error(
        "fileframework writes to bitcache's repository {0}, and there is none of this name that keeps files: choose another in its settings"
    )]
    NoRepository(String),
}

impl NoSpot {
    /// Whether the site is as somebody wants it, and nothing is to be mended.
    pub(super) const fn is_wanted(&self) -> bool {
        matches!(self, Self::Table(_))
    }
}

impl Spot {
    /// Where the part of this recording belongs, whose bytes have this SHA-1.
    pub(super) fn of(drupal: &MessageStorage, uuid: Uuid, part: Part, sha1: &[u8; 20]) -> Result<Self, NoSpot> {
        let field = match part {
            Part::Title => drupal.title,
            Part::Body => drupal.body,
        };
        match field.ok_or(NoSpot::NoField(part))? {
            SoundField::FileNode => Self::in_bitcache(drupal, sha1),
            SoundField::File => Ok(Self::in_files(drupal, uuid, part)),
        }
    }

    fn in_bitcache(drupal: &MessageStorage, sha1: &[u8; 20]) -> Result<Self, NoSpot> {
        let named = drupal.storage.repositories.iter().find(|repository| repository.name == drupal.repository);
        let directory = match named.map(|repository| &repository.adapter) {
            Some(Adapter::File { directory }) => directory,
            Some(Adapter::Sql { .. }) => return Err(NoSpot::Table(drupal.repository.clone())),
            None => return Err(NoSpot::NoRepository(drupal.repository.clone())),
        };
        // The web server may write all of the files directory, and so make links in it.
        let files = drupal.storage.files();
        let (root, below) = match directory.strip_prefix(&files) {
            Ok(below) => (files, below),
            Err(_) => (directory.clone(), Utf8Path::new("")),
        };
        let path = drupal.storage.path_of(sha1);
        let levels = path.parent().unwrap_or_else(|| Utf8Path::new(""));
        let name = hex::encode(sha1);
        Ok(Self {
            store: StoredIn::Bitcache,
            root,
            below: joined(below, levels),
            made: levels.components().count(),
            reference: format!("bitcache://{name}"),
            name,
        })
    }

    fn in_files(drupal: &MessageStorage, uuid: Uuid, part: Part) -> Self {
        let name = format!("{uuid}-{}.mp3", part.as_str());
        Self {
            store: StoredIn::Files,
            root: drupal.storage.files(),
            below: DIRECTORY.into(),
            made: 1,
            // As the module puts it together, to the letter.
            reference: format!("{}/{DIRECTORY}/{name}", drupal.storage.files_directory),
            name,
        }
    }

    /// The directory, as somebody who is to mend something is told it.
    pub(super) fn directory(&self) -> Utf8PathBuf {
        joined(&self.root, &self.below)
    }

    /// The part of `below` that must be there: nothing above it is made.
    pub(super) fn base(&self) -> &Utf8Path {
        self.below.ancestors().nth(self.made).unwrap_or_else(|| Utf8Path::new(""))
    }

    /// The file's path below the root.
    pub(super) fn path(&self) -> Utf8PathBuf {
        self.below.join(&self.name)
    }
}

/// As `join`, but without a slash at the end.
fn joined(above: &Utf8Path, below: &Utf8Path) -> Utf8PathBuf {
    if below.as_str().is_empty() { above.to_owned() } else { above.join(below) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drupal::{Repository, Storage};

    const SHA1: [u8; 20] = [0xc0; 20];

    fn drupal(location: &str, depth: u32) -> MessageStorage {
        let repositories = vec![
            Repository { name: "bitcache".into(), adapter: Adapter::Sql { table: "bitcache_data".into() } },
            Repository { name: "file".into(), adapter: Adapter::File { directory: location.into() } },
        ];
        let storage = Storage {
            root: "/var/www".into(),
            files_directory: "sites/default/files".into(),
            repositories,
            depth,
            width: 2,
        };
        let field = Some(SoundField::FileNode);
        MessageStorage { storage, repository: "file".into(), title: field, body: field }
    }

    fn spot(drupal: &MessageStorage) -> Spot {
        Spot::of(drupal, Uuid::nil(), Part::Body, &SHA1).unwrap()
    }

    #[test]
    fn file_nodes_have_their_bytes_where_fileframework_puts_them() {
        let name = "c0".repeat(20);
        let flat = spot(&drupal("/var/www/sites/default/files/bitcache/file", 0));
        assert_eq!((flat.root.as_str(), flat.below.as_str()), ("/var/www/sites/default/files", "bitcache/file"));
        assert_eq!((flat.made, &flat.name, flat.reference), (0, &name, format!("bitcache://{name}")));
        let deep = spot(&drupal("/var/www/sites/default/files/bitcache/file", 2));
        assert_eq!((deep.below.as_str(), deep.made), ("bitcache/file/c0/c0", 2));
        let elsewhere = spot(&drupal("/mnt/audio", 0));
        assert_eq!((elsewhere.root.as_str(), elsewhere.below.as_str()), ("/mnt/audio", ""));
        assert_eq!((elsewhere.directory().as_str(), elsewhere.path().as_str()), ("/mnt/audio", &*name));
    }

    #[test]
    fn files_have_their_bytes_under_the_recordings_name() {
        let mut site = drupal("/mnt/audio", 0);
        site.body = Some(SoundField::File);
        let body = spot(&site);
        assert_eq!((body.store, body.made), (StoredIn::Files, 1));
        assert_eq!(body.reference, "sites/default/files/audiospread/00000000-0000-0000-0000-000000000000-body.mp3");
        assert_eq!(body.directory(), "/var/www/sites/default/files/audiospread");
        let title = Spot::of(&site, Uuid::nil(), Part::Title, &SHA1).unwrap();
        assert_eq!(title.store, StoredIn::Bitcache, "each field is what it is");
    }

    #[test]
    fn what_belongs_nowhere_says_why() {
        let mut site = drupal("/mnt/audio", 0);
        site.repository = "bitcache".into();
        let why = Spot::of(&site, Uuid::nil(), Part::Body, &SHA1).unwrap_err();
        assert!(why.is_wanted() && why == NoSpot::Table("bitcache".into()));
        site.repository = "gone".into();
        let why = Spot::of(&site, Uuid::nil(), Part::Body, &SHA1).unwrap_err();
        assert!(!why.is_wanted() && why.to_string().contains("gone"), "{why}");
        site.title = None;
        let why = Spot::of(&site, Uuid::nil(), Part::Title, &SHA1).unwrap_err();
        assert_eq!(why, NoSpot::NoField(Part::Title));
    }
}
