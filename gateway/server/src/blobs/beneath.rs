//! Opening Drupal's files: beneath a root directory, through no symbolic link, and nothing but plain files.
//!
//! The directories are written to by a web server and the paths come out of a database. The root itself was named by whoever configured the
//! site and may be reached through links, as `sites/default/files` often is.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use camino::Utf8Path;
use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat, openat2};
use rustix::io::Errno;

/// What tells whether a file is still the one that was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// Bytes.
    pub(super) size: u64,
    /// When its content was changed, in nanoseconds since 1970.
    pub(super) mtime_ns: i64,
    /// Its number in the file system.
    pub(super) inode: u64,
}

/// What is at a path beneath a root.
#[derive(Debug)]
pub(super) enum Found<T> {
    /// A plain file.
    File(T),
    /// Something that is no plain file: a directory, a pipe, a device.
    Other,
    /// Nothing that may be opened: no such entry, or a way out of the root.
    Nothing,
}

/// A directory beneath which files are opened.
#[derive(Debug)]
pub(super) struct Root(OwnedFd);

impl Root {
    /// Opens the directory at `path`. Blocks.
    pub(super) fn open(path: &Utf8Path) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(Self(openat(CWD, path.as_std_path(), flags, Mode::empty())?))
    }

    /// Whether nothing at all is in it. Blocks.
    pub(super) fn is_empty(&self) -> io::Result<bool> {
        for entry in Dir::read_from(&self.0)? {
            if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What is known of the file at `path`, which is not opened. Blocks.
    pub(super) fn look(&self, path: &str) -> io::Result<Found<Facts>> {
        let Some(found) = self.resolve(path, OFlags::PATH)? else { return Ok(Found::Nothing) };
        let stat = fstat(&found)?;
        Ok(if is_plain(&stat) { Found::File(facts(&stat)) } else { Found::Other })
    }

    /// Opens the file at `path` for reading. Blocks, but not on pipes and devices: these are looked at and left alone.
    pub(super) fn open_file(&self, path: &str) -> io::Result<Found<(File, Facts)>> {
        match self.look(path)? {
            Found::File(_) => {}
            Found::Other => return Ok(Found::Other),
            Found::Nothing => return Ok(Found::Nothing),
        }
        // What was looked at may have been replaced by a pipe since.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let Some(file) = self.resolve(path, flags)? else { return Ok(Found::Nothing) };
        let stat = fstat(&file)?;
        Ok(if is_plain(&stat) { Found::File((File::from(file), facts(&stat))) } else { Found::Other })
    }

    fn resolve(&self, path: &str, flags: OFlags) -> io::Result<Option<OwnedFd>> {
        let bounds = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        // The kernel asks to try again when something above was renamed meanwhile.
        for _ in 0..16 {
            match openat2(&self.0, path, flags | OFlags::CLOEXEC, Mode::empty(), bounds) {
                Ok(file) => return Ok(Some(file)),
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV | Errno::NAMETOOLONG | Errno::INVAL) => {
                    return Ok(None);
                }
                Err(errno) => return Err(errno.into()),
            }
        }
        Err(Errno::AGAIN.into())
    }
}

/// What is known of an open file.
pub(super) fn facts_of(file: &File) -> io::Result<Facts> {
    Ok(facts(&fstat(file)?))
}

fn is_plain(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
}

fn facts(stat: &Stat) -> Facts {
    let nanoseconds = i64::try_from(stat.st_mtime_nsec).unwrap_or(0);
    Facts {
        size: u64::try_from(stat.st_size).unwrap_or(0),
        mtime_ns: stat.st_mtime.saturating_mul(1_000_000_000).saturating_add(nanoseconds),
        inode: stat.st_ino,
    }
}
