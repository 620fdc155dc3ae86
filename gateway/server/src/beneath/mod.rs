//! Opening Drupal's files: beneath a root directory, through no symbolic link, and nothing but plain files. [`put`] makes new ones there.
//!
//! The directories are written to by a web server and the paths come out of a database. The root itself was named by whoever configured the
//! site and may be reached through links, as `sites/default/files` often is.
//!
//! The kernel does it in one step since Linux 5.6 (`openat2`). Where it is older, or where a sandbox that is older refuses the call, each
//! directory on the way is opened by itself, never through a link and never upwards.

pub(crate) mod put;

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;

use camino::Utf8Path;
use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat, openat2};
use rustix::io::Errno;

/// What tells whether a file is still the one that was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Bytes.
    pub(crate) size: u64,
    /// When its content was changed, in nanoseconds since 1970.
    pub(crate) mtime_ns: i64,
    /// Its number in the file system.
    pub(crate) inode: u64,
}

/// What is at a path beneath a root.
#[derive(Debug)]
pub(crate) enum Found<T> {
    /// A plain file.
    File(T),
    /// Something that is no plain file: a directory, a pipe, a device.
    Other,
    /// Nothing that may be opened: no such entry, or a way out of the root.
    Nothing,
}

/// How a file beneath a root is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// By the kernel, in one step.
    Kernel,
    /// Directory by directory.
    Steps,
}

impl Way {
    /// The one that this host has.
    fn of_this_host() -> Self {
        static WAY: OnceLock<Way> = OnceLock::new();
        *WAY.get_or_init(|| {
            match openat2(CWD, "/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::empty()) {
                // A sandbox that does not know the call says that it is not permitted.
                Err(Errno::NOSYS | Errno::PERM) => Self::Steps,
                _ => Self::Kernel,
            }
        })
    }
}

/// Whether this host lacks `openat2`, so that files are opened directory by directory.
pub(crate) fn is_opened_in_steps() -> bool {
    Way::of_this_host() == Way::Steps
}

/// A directory beneath which files are opened.
#[derive(Debug)]
pub(crate) struct Root {
    directory: OwnedFd,
    way: Way,
}

impl Root {
    /// Opens the directory at `path`. Blocks.
    pub(crate) fn open(path: &Utf8Path) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let directory = openat(CWD, path.as_std_path(), flags, Mode::empty())?;
        Ok(Self { directory, way: Way::of_this_host() })
    }

    /// Whether nothing at all is in it. Blocks.
    pub(crate) fn is_empty(&self) -> io::Result<bool> {
        for entry in Dir::read_from(&self.directory)? {
            if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What is known of the file at `path`, which is not opened. Blocks.
    pub(crate) fn look(&self, path: &str) -> io::Result<Found<Facts>> {
        let Some(found) = self.resolve(path, OFlags::PATH)? else { return Ok(Found::Nothing) };
        let stat = fstat(&found)?;
        Ok(if is_plain(&stat) { Found::File(facts(&stat)) } else { Found::Other })
    }

    /// Opens the file at `path` for reading. Blocks, but not on pipes and devices: these are looked at and left alone.
    pub(crate) fn open_file(&self, path: &str) -> io::Result<Found<(File, Facts)>> {
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

    /// Opens the directory at `path`, empty for the root itself; `None` if there is none, or if a link is on the way. Blocks.
    pub(crate) fn open_directory(&self, path: &str) -> io::Result<Option<OwnedFd>> {
        self.resolve(if path.is_empty() { "." } else { path }, OFlags::DIRECTORY | OFlags::RDONLY)
    }

    fn resolve(&self, path: &str, flags: OFlags) -> io::Result<Option<OwnedFd>> {
        let opened = match self.way {
            Way::Kernel => self.resolve_at_once(path, flags),
            Way::Steps => self.resolve_in_steps(path, flags),
        };
        match opened {
            Ok(file) => Ok(Some(file)),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV | Errno::NAMETOOLONG | Errno::INVAL) => {
                Ok(None)
            }
            Err(errno) => Err(errno.into()),
        }
    }

    fn resolve_at_once(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let bounds = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        // The kernel asks to try again when something above was renamed meanwhile.
        for _ in 0..16 {
            match openat2(&self.directory, path, flags | OFlags::CLOEXEC, Mode::empty(), bounds) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                other => return other,
            }
        }
        Err(Errno::AGAIN)
    }

    fn resolve_in_steps(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        if path.starts_with('/') || above.split('/').chain([name]).any(|part| part == "..") {
            return Err(Errno::XDEV);
        }
        let mut reached: Option<OwnedFd> = None;
        for part in above.split('/').filter(|part| !matches!(*part, "" | ".")) {
            let at = reached.as_ref().unwrap_or(&self.directory);
            reached = Some(open_step(at, part, OFlags::PATH | OFlags::DIRECTORY)?);
        }
        let at = reached.as_ref().unwrap_or(&self.directory);
        let file = open_step(at, name, flags)?;
        // With PATH a link is opened itself.
        if FileType::from_raw_mode(fstat(&file)?.st_mode) == FileType::Symlink { Err(Errno::LOOP) } else { Ok(file) }
    }
}

fn open_step(at: &OwnedFd, name: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    loop {
        match openat(at, name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

/// What is known of an open file.
pub(crate) fn facts_of(file: &File) -> io::Result<Facts> {
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// What is at a path, by both ways; panics if these differ.
    fn found(root: &Utf8Path, path: &str) -> &'static str {
        let by = |way: Way| {
            let root = Root { way, ..Root::open(root).unwrap() };
            let looked = match root.look(path).unwrap() {
                Found::File(_) => "file",
                Found::Other => "other",
                Found::Nothing => "nothing",
            };
            let opened = match root.open_file(path).unwrap() {
                Found::File((file, facts)) => {
                    assert_eq!(facts, facts_of(&file).unwrap());
                    "file"
                }
                Found::Other => "other",
                Found::Nothing => "nothing",
            };
            assert_eq!(looked, opened, "{path:?} by {way:?}");
            opened
        };
        let [kernel, steps] = [Way::of_this_host(), Way::Steps].map(by);
        assert_eq!(kernel, steps, "{path:?}");
        steps
    }

    #[test]
    fn plain_files_beneath_the_root_are_found_and_nothing_else_by_either_way() {
        let outer = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(outer.path()).unwrap().join("root");
        fs::create_dir_all(root.join("a/b")).unwrap();
        for file in ["top.mp3", "a/mid.mp3", "a/b/deep.mp3", "../outside.mp3"] {
            fs::write(root.join(file), file).unwrap();
        }
        symlink("top.mp3", root.join("link.mp3")).unwrap();
        symlink("b", root.join("a/links")).unwrap();
        symlink("../..", root.join("a/up")).unwrap();
        symlink(root.join("a"), root.join("absolute")).unwrap();
        rustix::fs::mkfifoat(CWD, root.join("pipe").as_std_path(), Mode::RUSR).unwrap();
        let long = "x".repeat(300);
        for (path, expected) in [
            ("top.mp3", "file"),
            ("a/mid.mp3", "file"),
            ("a/b/deep.mp3", "file"),
            ("a//b/./deep.mp3", "file"),
            ("a", "other"),
            ("pipe", "other"),
            ("none.mp3", "nothing"),
            ("none/none.mp3", "nothing"),
            ("top.mp3/more", "nothing"),
            ("link.mp3", "nothing"),
            ("a/links/deep.mp3", "nothing"),
            ("a/up/outside.mp3", "nothing"),
            ("absolute/mid.mp3", "nothing"),
            ("../outside.mp3", "nothing"),
            ("a/../../outside.mp3", "nothing"),
            ("/etc/passwd", "nothing"),
            ("a/b/deep.mp3\0", "nothing"),
            (&long, "nothing"),
            ("", "nothing"),
        ] {
            assert_eq!(found(&root, path), expected, "{path:?}");
        }
    }
}
