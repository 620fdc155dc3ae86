//! The data directory, shared by the agent and by Asterisk: who may read and write what is in it, whatever the umask.
//!
//! The databases' directory is 2770 and the databases are 0660, since a reader of a database in WAL mode writes too (`-shm`). Audio is for
//! reading only: 2750 and 0640. Everything has the directory's group.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::Gid;

/// A file or directory of the data directory could not be made as it must be.
#[derive(Debug, thiserror::Error)]
pub enum SharedError {
    /// The system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The configured group is not known here.
    #[error("there is no group {0} on this host: make it (groupadd --system {0}), or change `group`")]
    NoGroup(String),
    /// The group cannot be given to the directory.
    #[error("{path} cannot be given to the group {group}: run once as root, or add this user to the group ({source})")]
    Group {
        /// The directory.
        path: Utf8PathBuf,
        /// The group.
        group: String,
        /// Why.
        source: io::Error,
    },
}

impl SharedError {
    pub(crate) fn at(path: &Utf8Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    /// Whether the configuration is to be corrected: the group.
    pub(crate) const fn is_configuration(&self) -> bool {
        matches!(self, Self::NoGroup(_) | Self::Group { .. })
    }

    /// Whether the disk is full.
    pub(crate) fn is_disk_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if is_disk_full(source))
    }
}

/// Whether an error says that the disk, or a quota on it, is full.
pub(crate) fn is_disk_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// The data directory.
#[derive(Clone, Debug)]
pub(crate) struct DataDir {
    path: Utf8PathBuf,
}

impl DataDir {
    /// Makes the directory where it is absent, and gives it the group and the mode that it must have.
    pub(crate) fn prepare(path: &Utf8Path, group: Option<&str>) -> Result<Self, SharedError> {
        let at = |source| SharedError::at(path, source);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(at)?;
        let metadata = fs::metadata(path).map_err(at)?;
        if let Some(group) = group {
            let gid = group_id(group)?;
            if metadata.gid() != gid {
                rustix::fs::chown(path.as_str(), None, Some(Gid::from_raw(gid))).map_err(|errno| {
                    SharedError::Group { path: path.to_owned(), group: group.to_owned(), source: errno.into() }
                })?;
            }
        }
        set_mode(path, 0o2770).map_err(at)?;
        Ok(Self { path: path.to_owned() })
    }

    /// The directory as it is, for those who only read.
    pub(crate) fn existing(path: &Utf8Path) -> Self {
        Self { path: path.to_owned() }
    }

    pub(crate) fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Makes or opens a file that all of the group may write, without changing what is in it.
    pub(crate) fn create_shared_file(path: &Utf8Path) -> Result<File, SharedError> {
        let at = |source| SharedError::at(path, source);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o660)
            .open(path)
            .map_err(at)?;
        set_mode(path, 0o660).map_err(at)?;
        Ok(file)
    }

    /// Makes a directory in which all of the group may make files.
    pub(crate) fn create_shared_directory(path: &Utf8Path) -> Result<(), SharedError> {
        let at = |source| SharedError::at(path, source);
        match fs::DirBuilder::new().mode(0o770).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(at(error)),
            _ => {}
        }
        set_mode(path, 0o2770).map_err(at)
    }

    /// Makes a directory for what the group may read only.
    pub(crate) fn create_read_only_directory(path: &Utf8Path) -> Result<(), SharedError> {
        let at = |source| SharedError::at(path, source);
        match fs::DirBuilder::new().mode(0o750).create(path) {
            Ok(()) => {
                set_mode(path, 0o2750).map_err(at)?;
                sync_directory(path.parent().unwrap_or(path))
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(at(error)),
        }
    }

    /// Bytes that are free for us on the disk.
    pub(crate) fn free(&self) -> Result<u64, SharedError> {
        let stat =
            rustix::fs::statvfs(self.path.as_str()).map_err(|errno| SharedError::at(&self.path, errno.into()))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// Gives a file or directory a mode, where it has another one and is ours to change.
pub(crate) fn set_mode(path: &Utf8Path, mode: u32) -> io::Result<()> {
    let metadata = fs::metadata(path)?;
    if metadata.mode() & 0o7777 == mode {
        return Ok(());
    }
    match fs::set_permissions(path, Permissions::from_mode(mode)) {
        // Somebody else's, in a directory that is shared: what it may be used for shows when it is used.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        other => other,
    }
}

/// Makes names that were made or changed in a directory survive a loss of power.
pub(crate) fn sync_directory(path: &Utf8Path) -> Result<(), SharedError> {
    let path = if path.as_str().is_empty() { Utf8Path::new(".") } else { path };
    File::open(path).and_then(|directory| directory.sync_all()).map_err(|source| SharedError::at(path, source))
}

/// The number of a group by its name, or by the number itself.
pub(crate) fn group_id(group: &str) -> Result<u32, SharedError> {
    if let Ok(number) = group.parse() {
        return Ok(number);
    }
    let known = fs::read_to_string("/etc/group").map_err(|source| SharedError::at("/etc/group".into(), source))?;
    known
        .lines()
        .find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(group)).then(|| fields.nth(1)?.parse().ok()).flatten()
        })
        .ok_or_else(|| SharedError::NoGroup(group.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Utf8Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn directory_and_files_have_their_modes_whatever_they_had_before() {
        let outer = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(outer.path().join("data/phone")).unwrap();
        let directory = DataDir::prepare(&path, None).unwrap();
        assert_eq!(mode(&path), 0o2770);
        let file = path.join("mirror.db");
        fs::write(&file, "kept").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        DataDir::create_shared_file(&file).unwrap();
        assert_eq!((mode(&file), fs::read_to_string(&file).unwrap().as_str()), (0o660, "kept"));
        DataDir::create_read_only_directory(&path.join("audio")).unwrap();
        DataDir::create_read_only_directory(&path.join("audio")).unwrap();
        assert_eq!(mode(&path.join("audio")), 0o2750);
        assert!(directory.free().unwrap() > 0);
    }

    #[test]
    fn a_group_that_is_not_there_is_named() {
        let outer = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(outer.path().to_owned()).unwrap();
        let error = DataDir::prepare(&path, Some("no-such-group")).unwrap_err();
        assert!(error.to_string().contains("groupadd --system no-such-group"), "{error}");
        assert_eq!(group_id("root").unwrap(), 0);
    }
}
