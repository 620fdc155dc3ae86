//! Where Drupal keeps the bytes of its files: the files directory, and bitcache's repositories.
//!
//! Pure: it names places and opens none.

use camino::{Utf8Path, Utf8PathBuf};

/// Where Drupal keeps the bytes of its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// Drupal's root directory, the one with `index.php`.
    pub root: Utf8PathBuf,
    /// What the configuration says, else the variable `file_directory_path`, else Drupal's default: relative to the root, or absolute.
    pub files_directory: Utf8PathBuf,
    /// bitcache's repositories in the order in which a hash is looked for.
    pub repositories: Vec<Repository>,
    /// `bitcache_depth`: how many levels of directories a blob lies deep.
    pub depth: u32,
    /// `bitcache_width`: how many digits of the hash name each of them.
    pub width: u32,
}

/// A repository of bitcache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// `bitcache_repositories.name`.
    pub name: String,
    /// How it keeps blobs.
    pub adapter: Adapter,
}

/// How a repository of bitcache keeps blobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Adapter {
    /// As files, at [`Storage::path_of`] in this absolute directory.
    File {
        /// The option `location`, its token replaced.
        directory: Utf8PathBuf,
    },
    /// As rows; [`super::Reader::sql_blob_size`] and [`super::Reader::sql_blob_piece`] read them.
    Sql {
        /// The table's name in this database, its prefix in front.
        table: String,
    },
}

/// A file of Drupal's: a path that must be opened beneath a directory, and nowhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePath {
    /// The directory; it may be reached through links that the administrator made.
    pub directory: Utf8PathBuf,
    /// The path below it.
    pub path: Utf8PathBuf,
}

impl Storage {
    /// The files directory as an absolute path.
    pub fn files(&self) -> Utf8PathBuf {
        self.root.join(&self.files_directory)
    }

    /// The path of a blob in the directory of any `file` repository.
    ///
    /// Depth and width are global, as bitcache 6.x has them: one level takes the first `width` digits; more levels nest as long as the hash
    /// has digits left for them, else the blob lies flat. The file's name is always the whole hash.
    pub fn path_of(&self, sha1: &[u8; 20]) -> Utf8PathBuf {
        let name = hex::encode(sha1);
        let (depth, width) = (self.depth as usize, self.width as usize);
        let mut path = Utf8PathBuf::new();
        if width > 0 && (depth == 1 || depth.saturating_mul(width) < name.len()) {
            path.extend(
                (0..depth).map(|level| &name[(level * width).min(name.len())..((level + 1) * width).min(name.len())]),
            );
        }
        path.push(name);
        path
    }

    /// Where a `files.filepath` is to be opened: below the files directory where it lies there, else below Drupal's root; an absolute path
    /// elsewhere is nowhere.
    pub fn file_of(&self, filepath: &str) -> Option<FilePath> {
        let filepath = Utf8Path::new(filepath.strip_prefix("./").unwrap_or(filepath));
        let files = self.files();
        let below = filepath
            .strip_prefix(&self.files_directory)
            .or_else(|_| filepath.strip_prefix(&files))
            .map(|path| FilePath { directory: files.clone(), path: path.to_owned() });
        match below {
            Ok(below) => Some(below),
            Err(_) if filepath.is_absolute() => {
                let path = filepath.strip_prefix(&self.root).ok()?.to_owned();
                Some(FilePath { directory: self.root.clone(), path })
            }
            Err(_) => Some(FilePath { directory: self.root.clone(), path: filepath.to_owned() }),
        }
        .filter(|file| !file.path.as_str().is_empty())
    }
}

/// `options.location` of a `file` repository, absolute.
pub(super) fn directory_of(location: &str, root: &Utf8Path, files_directory: &Utf8Path) -> Utf8PathBuf {
    root.join(location.replace("[file-directory-path]", files_directory.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "c07eac72242c739b17184081a5757aead82d3ade";

    fn storage(depth: u32, width: u32) -> Storage {
        Storage {
            root: "/var/www".into(),
            files_directory: "sites/default/files".into(),
            repositories: Vec::new(),
            depth,
            width,
        }
    }

    fn path(depth: u32, width: u32) -> String {
        let sha1 = <[u8; 20]>::try_from(hex::decode(HASH).unwrap()).unwrap();
        storage(depth, width).path_of(&sha1).into_string()
    }

    #[test]
    fn a_blob_lies_as_deep_as_bitcache_says() {
        assert_eq!(path(0, 0), HASH);
        assert_eq!(path(0, 2), HASH);
        assert_eq!(path(1, 2), format!("c0/{HASH}"));
        assert_eq!(path(2, 2), format!("c0/7e/{HASH}"));
        assert_eq!(path(3, 1), format!("c/0/7/{HASH}"));
    }

    #[test]
    fn depth_and_width_without_sense_leave_a_blob_flat_or_whole() {
        assert_eq!(path(2, 0), HASH);
        assert_eq!(path(2, 20), HASH);
        assert_eq!(path(u32::MAX, u32::MAX), HASH);
        assert_eq!(path(1, 99), format!("{HASH}/{HASH}"));
    }

    #[test]
    fn a_file_is_opened_below_the_files_directory_where_it_lies_there() {
        let found = |filepath: &str| storage(0, 0).file_of(filepath).map(|file| (file.directory, file.path));
        let files = ("/var/www/sites/default/files".into(), "jingles/jingle news.mp3".into());
        assert_eq!(found("sites/default/files/jingles/jingle news.mp3"), Some(files.clone()));
        assert_eq!(found("./sites/default/files/jingles/jingle news.mp3"), Some(files.clone()));
        assert_eq!(found("/var/www/sites/default/files/jingles/jingle news.mp3"), Some(files));
        assert_eq!(found("files/old.mp3"), Some(("/var/www".into(), "files/old.mp3".into())));
        assert_eq!(found("/tmp/drupal_bitcache_1"), None);
        assert_eq!(found("sites/default/files"), None);
        assert_eq!(found(""), None);
    }

    #[test]
    fn an_absolute_files_directory_is_taken_as_it_is() {
        let storage = Storage { files_directory: "/srv/files".into(), ..storage(0, 0) };
        let file = storage.file_of("/srv/files/a.mp3").unwrap();
        assert_eq!((file.directory.as_str(), file.path.as_str()), ("/srv/files", "a.mp3"));
        assert_eq!(
            directory_of("[file-directory-path]/bitcache", &storage.root, &storage.files_directory),
            "/srv/files/bitcache"
        );
    }

    #[test]
    fn a_location_is_below_the_root_and_its_token_is_the_files_directory() {
        let storage = storage(0, 0);
        let at = |location| directory_of(location, &storage.root, &storage.files_directory);
        assert_eq!(at("[file-directory-path]/bitcache/file"), "/var/www/sites/default/files/bitcache/file");
        assert_eq!(at("/mnt/audio"), "/mnt/audio");
        assert_eq!(at("blobs"), "/var/www/blobs");
    }
}
