//! Putting files beneath a root: whole or not at all, over nothing that is there, and fit for the web server.
//!
//! A new file has the group of its directory and the bits of its directory without those to execute; so does a new directory, which keeps
//! them all. Where the gateway is root, the owner is taken over as well. What the directory's default access control list gives is the kernel's
//! business, and stays. Nothing is ever written into a file that can be seen by its name.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::OwnedFd;

use rustix::fs::{
    AtFlags, Dir, Mode, OFlags, RawMode, RenameFlags, fchmod, fchown, fstat, fsync, linkat, mkdirat, openat,
    renameat_with, unlinkat,
};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::{Root, is_plain};
use crate::access::Rights;
use crate::web_user::WebUser;

/// What a new file has of its directory's bits: nobody executes it, and not everybody may write it.
const FILE_BITS: RawMode = 0o664;
/// What a new directory has of the bits of the one that it is in.
const DIRECTORY_BITS: RawMode = 0o2775;
/// What the gateway keeps for itself in any case.
const OWN_FILE: RawMode = 0o600;
const OWN_DIRECTORY: RawMode = 0o700;

/// A directory beneath a root in which files are put.
#[derive(Debug)]
pub(crate) struct Shelf {
    directory: OwnedFd,
    rights: Rights,
}

/// How a file is there now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    /// It was put there.
    New,
    /// It was there with the same bytes.
    Known,
}

/// Why a file was not put.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PutError {
    /// There is no such directory, or a link is on the way.
    #[error("there is no such directory, or the way there leads through a symbolic link")]
    NoDirectory,
    /// Something else has the name.
    #[error("{0} is there already, and is something else")]
    Taken(String),
    /// The web server could not use what was put there.
    #[error("the web server's user {user} could not read and remove what is written there")]
    Useless {
        /// Its name.
        user: String,
        /// Whether the directory has an access control list.
        has_list: bool,
    },
    /// The disk.
    #[error(transparent)]
    Disk(#[from] io::Error),
}

impl From<Errno> for PutError {
    fn from(errno: Errno) -> Self {
        Self::Disk(errno.into())
    }
}

impl Root {
    /// The directory at `path`, empty for the root itself. What of the last `made` of its parts is missing is made, if
    /// the web server could then use it too. Blocks.
    pub(crate) fn shelf(&self, path: &str, made: usize, web: &WebUser) -> Result<Shelf, PutError> {
        let open = |path: &str| -> Result<Option<Shelf>, PutError> {
            let Some(directory) = self.open_directory(path)? else { return Ok(None) };
            let rights = Rights::of(&directory)?;
            Ok(Some(Shelf { directory, rights }))
        };
        if let Some(shelf) = open(path)? {
            return Ok(shelf);
        }
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        if made == 0 || matches!(name, "" | "." | "..") {
            return Err(PutError::NoDirectory);
        }
        self.shelf(above, made - 1, web)?.make_directory(name, web)?;
        open(path)?.ok_or(PutError::NoDirectory)
    }
}

impl Shelf {
    /// Puts the bytes of `source`, from its beginning to its end, under `name`, which has no slash. `temporary` begins the name under which
    /// they gather; what an earlier attempt left under such names can be removed by [`Shelf::clear`]. Blocks.
    pub(crate) fn put(&self, source: &mut File, name: &str, temporary: &str, web: &WebUser) -> Result<Put, PutError> {
        if self.has(source, name)? {
            return Ok(Put::Known);
        }
        let gathering = Gathering { shelf: self, name: format!("{temporary}.{:016x}", rand::random::<u64>()) };
        let file = gathering.write(source)?;
        let rights = Rights::of(&file)?;
        if !web.could_read(&rights) || !web.could_delete(&rights, &self.rights) {
            return Err(self.useless(web));
        }
        match gathering.rename(name) {
            // Somebody else was faster.
            Err(Errno::EXIST) if self.has(source, name)? => Ok(Put::Known),
            Err(Errno::EXIST) => Err(PutError::Taken(name.to_owned())),
            renamed => {
                renamed?;
                fsync(&self.directory)?;
                Ok(Put::New)
            }
        }
    }

    /// Whether the bytes of `source` are under `name`, on the disk; an error if something else is. Blocks.
    fn has(&self, source: &mut File, name: &str) -> Result<bool, PutError> {
        let taken = || PutError::Taken(name.to_owned());
        // NONBLOCK: a pipe would wait for somebody to write.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let there = match openat(&self.directory, name, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(false),
            Err(Errno::LOOP | Errno::NXIO) => return Err(taken()),
            opened => opened?,
        };
        let stat = fstat(&there)?;
        if !is_plain(&stat) || u64::try_from(stat.st_size).ok() != Some(source.metadata()?.len()) {
            return Err(taken());
        }
        let mut there = File::from(there);
        if !have_same_bytes(source, &mut there)? {
            return Err(taken());
        }
        fsync(&there)?;
        fsync(&self.directory)?;
        Ok(true)
    }

    /// Removes what attempts that were cut off left under names that begin so. Blocks.
    pub(crate) fn clear(&self, temporary: &str) -> io::Result<()> {
        let beginning = format!("{temporary}.");
        for entry in Dir::read_from(&self.directory)? {
            let entry = entry?;
            if entry.file_name().to_bytes().starts_with(beginning.as_bytes()) {
                remove(&self.directory, entry.file_name())?;
            }
        }
        Ok(())
    }

    /// Removes the file of this name, if there is one. Blocks.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        remove(&self.directory, name)
    }

    fn make_directory(&self, name: &str, web: &WebUser) -> Result<(), PutError> {
        match mkdirat(&self.directory, name, Mode::from_raw_mode(OWN_DIRECTORY)) {
            Err(Errno::EXIST) => return Ok(()),
            made => made?,
        }
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = openat(&self.directory, name, flags, Mode::empty())?;
        self.hand_over(&made, DIRECTORY_BITS, OWN_DIRECTORY)?;
        if !web.could_change(&Rights::of(&made)?) {
            // Left there it would keep Drupal from making its own.
            unlinkat(&self.directory, name, AtFlags::REMOVEDIR)?;
            return Err(self.useless(web));
        }
        fsync(&made)?;
        Ok(fsync(&self.directory)?)
    }

    /// Gives what was made here the group of the directory, its owner where that can be done, and of the directory's bits `taken`; its own user
    /// keeps `own` in any case.
    fn hand_over(&self, made: &OwnedFd, taken: RawMode, own: RawMode) -> io::Result<()> {
        let owner = geteuid().is_root().then(|| self.rights.owner());
        match fchown(made, owner, Some(self.rights.group())) {
            // The group is none of ours, or the disk knows no owners: what the web server could then do is looked at.
            Ok(()) | Err(Errno::PERM | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
            failed => failed?,
        }
        let mode = self.rights.mode_of_its_like(Rights::of(made)?.has_list());
        match fchmod(made, Mode::from_raw_mode(mode & taken | own)) {
            Err(Errno::PERM | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(()),
            done => Ok(done?),
        }
    }

    fn useless(&self, web: &WebUser) -> PutError {
        PutError::Useless { user: web.name().to_owned(), has_list: self.rights.has_list() }
    }
}

/// A file that nobody looks at yet; it goes where it does not get its name.
struct Gathering<'a> {
    shelf: &'a Shelf,
    name: String,
}

impl Gathering<'_> {
    fn write(&self, source: &mut File) -> Result<OwnedFd, PutError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&self.shelf.directory, &*self.name, flags, Mode::from_raw_mode(OWN_FILE))?;
        let mut file = File::from(file);
        source.rewind()?;
        io::copy(source, &mut file)?;
        let file = OwnedFd::from(file);
        self.shelf.hand_over(&file, FILE_BITS, OWN_FILE)?;
        fsync(&file)?;
        Ok(file)
    }

    /// Gives it its name, if that is free.
    fn rename(&self, name: &str) -> Result<(), Errno> {
        let directory = &self.shelf.directory;
        match renameat_with(directory, &*self.name, directory, name, RenameFlags::NOREPLACE) {
            // A disk that does not know how: a second name is never given over another one.
            Err(Errno::INVAL | Errno::NOSYS) => linkat(directory, &*self.name, directory, name, AtFlags::empty()),
            renamed => renamed,
        }
    }
}

impl Drop for Gathering<'_> {
    fn drop(&mut self) {
        // Renamed, it is gone; what stays is found by `clear`.
        let _ = self.shelf.remove(&self.name);
    }
}

fn remove<P: rustix::path::Arg>(directory: &OwnedFd, name: P) -> io::Result<()> {
    match unlinkat(directory, name, AtFlags::empty()) {
        Err(Errno::NOENT) => Ok(()),
        removed => Ok(removed?),
    }
}

fn have_same_bytes(one: &mut File, other: &mut File) -> io::Result<bool> {
    const PIECE: usize = 64 * 1024;
    one.rewind()?;
    let (mut here, mut there) = (Vec::with_capacity(PIECE), Vec::with_capacity(PIECE));
    loop {
        here.clear();
        there.clear();
        one.take(PIECE as u64).read_to_end(&mut here)?;
        other.take(PIECE as u64).read_to_end(&mut there)?;
        if here != there {
            return Ok(false);
        }
        if here.is_empty() {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    use camino::{Utf8Path, Utf8PathBuf};

    use super::*;

    struct Disk {
        _outer: tempfile::TempDir,
        root: Utf8PathBuf,
        source: File,
    }

    impl Disk {
        fn new() -> Self {
            let outer = tempfile::tempdir().unwrap();
            let root = Utf8Path::from_path(outer.path()).unwrap().join("root");
            fs::create_dir(&root).unwrap();
            fs::set_permissions(&root, fs::Permissions::from_mode(0o2775)).unwrap();
            let path = root.join("../source");
            fs::write(&path, "spoken".repeat(30_000)).unwrap();
            Self { source: File::open(path).unwrap(), root, _outer: outer }
        }

        fn put(&mut self, path: &str, name: &str) -> Result<Put, PutError> {
            let shelf = Root::open(&self.root)?.shelf(path, 3, &web())?;
            shelf.put(&mut self.source, name, ".gathering", &web())
        }

        fn names(&self, path: &str) -> Vec<String> {
            let mut names: Vec<_> = fs::read_dir(self.root.join(path))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        }
    }

    /// Whoever runs the tests.
    fn web() -> WebUser {
        WebUser::of(&geteuid().as_raw().to_string()).unwrap()
    }

    #[test]
    fn a_file_is_put_whole_with_the_bits_of_its_directory_and_none_to_execute() {
        let mut disk = Disk::new();
        assert_eq!(disk.put("c0/7e", "sound.mp3").unwrap(), Put::New);
        assert_eq!(disk.put("c0/7e", "sound.mp3").unwrap(), Put::Known);
        let directory = fs::metadata(disk.root.join("c0/7e")).unwrap();
        let file = fs::metadata(disk.root.join("c0/7e/sound.mp3")).unwrap();
        assert_eq!((directory.mode() & 0o7777, file.mode() & 0o7777), (0o2775, 0o664));
        assert_eq!((file.gid(), file.len()), (fs::metadata(&disk.root).unwrap().gid(), 180_000));
        assert_eq!(disk.names("c0/7e"), ["sound.mp3"], "nothing else is left");
        fs::set_permissions(&disk.root, fs::Permissions::from_mode(0o750)).unwrap();
        disk.put("", "narrow.mp3").unwrap();
        assert_eq!(fs::metadata(disk.root.join("narrow.mp3")).unwrap().mode() & 0o7777, 0o640);
    }

    #[test]
    fn what_is_there_and_is_something_else_stays_as_it_is() {
        let mut disk = Disk::new();
        fs::write(disk.root.join("other.mp3"), "spoken".repeat(29_999) + "Spoken").unwrap();
        fs::write(disk.root.join("short.mp3"), "spoken").unwrap();
        fs::create_dir(disk.root.join("directory.mp3")).unwrap();
        symlink("../source", disk.root.join("link.mp3")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, disk.root.join("pipe.mp3").as_std_path(), Mode::RUSR).unwrap();
        for name in ["other.mp3", "short.mp3", "directory.mp3", "link.mp3", "pipe.mp3"] {
            assert!(matches!(disk.put("", name), Err(PutError::Taken(taken)) if taken == name), "{name}");
        }
        assert_eq!(fs::read(disk.root.join("short.mp3")).unwrap(), b"spoken");
        assert_eq!(disk.names(""), ["directory.mp3", "link.mp3", "other.mp3", "pipe.mp3", "short.mp3"]);
    }

    #[test]
    fn nothing_is_put_through_a_link_or_above_the_root() {
        let mut disk = Disk::new();
        fs::create_dir(disk.root.join("../outside")).unwrap();
        symlink("../outside", disk.root.join("link")).unwrap();
        symlink(disk.root.join("../outside"), disk.root.join("absolute")).unwrap();
        for path in ["link", "link/deep", "absolute", "..", "../outside", "a/../../outside"] {
            assert!(disk.put(path, "sound.mp3").is_err(), "{path}");
        }
        assert_eq!(disk.names("../outside"), Vec::<String>::new());
        let root = Root::open(&disk.root).unwrap();
        assert!(matches!(root.shelf("none/deep", 1, &web()), Err(PutError::NoDirectory)), "only so many are made");
        assert_eq!(disk.names(""), ["absolute", "link"]);
    }

    #[test]
    fn what_an_attempt_that_was_cut_off_left_is_cleared_away_and_nothing_else() {
        let disk = Disk::new();
        for name in [".gathering.0123", ".gathering2.0123", "gathering.mp3"] {
            fs::write(disk.root.join(name), "spo").unwrap();
        }
        Root::open(&disk.root).unwrap().shelf("", 0, &web()).unwrap().clear(".gathering").unwrap();
        assert_eq!(disk.names(""), [".gathering2.0123", "gathering.mp3"]);
    }

    #[test]
    fn what_the_web_server_could_not_use_is_not_put() {
        let mut disk = Disk::new();
        let Ok(other) = WebUser::of("nobody") else { return };
        fs::set_permissions(&disk.root, fs::Permissions::from_mode(0o700)).unwrap();
        let shelf = Root::open(&disk.root).unwrap().shelf("", 0, &web()).unwrap();
        let put = shelf.put(&mut disk.source, "sound.mp3", ".gathering", &other);
        assert!(matches!(put, Err(PutError::Useless { has_list: false, .. })), "{put:?}");
        let made = Root::open(&disk.root).unwrap().shelf("new", 1, &other);
        assert!(matches!(made, Err(PutError::Useless { has_list: false, .. })), "{made:?}");
        assert_eq!(disk.names(""), Vec::<String>::new(), "nor is a directory left in which Drupal could not write");
    }

    /// Adds entries to a directory's lists; false if its disk has none.
    fn setfacl(directory: &Utf8Path, entries: &str) -> bool {
        let ran = Command::new("setfacl").args(["-m", entries, directory.as_str()]).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success() || said.contains("not supported"), "setfacl {entries}: {said}");
        ran.status.success()
    }

    #[test]
    fn what_access_control_lists_give_counts_and_nobody_else_gains_by_them() {
        let mut disk = Disk::new();
        let Ok(nobody) = WebUser::of("nobody") else { return };
        fs::set_permissions(&disk.root, fs::Permissions::from_mode(0o750)).unwrap();
        let mut put = |path: &str, name: &str| {
            let shelf = Root::open(&disk.root).unwrap().shelf(path, 1, &nobody)?;
            shelf.put(&mut disk.source, name, ".gathering", &nobody)
        };
        if !setfacl(&disk.root, "u:nobody:rwx") {
            return;
        }
        // It may change the directory, and could not read what is made in it.
        for path in ["", "new"] {
            let useless = put(path, "sound.mp3");
            assert!(matches!(useless, Err(PutError::Useless { has_list: true, .. })), "{path}: {useless:?}");
        }
        setfacl(&disk.root, "d:u:nobody:rwx");
        assert_eq!(put("new", "sound.mp3").unwrap(), Put::New);
        let file = disk.root.join("new/sound.mp3");
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o007, 0);
        if !geteuid().is_root() {
            return;
        }
        fs::set_permissions(disk.root.parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
        let as_user = |uid: u32, program: &str, arguments: &[&str]| {
            let mut command = Command::new(program);
            command.args(arguments).arg(&file).uid(uid).gid(65_534).stderr(std::process::Stdio::null());
            command.status().unwrap().success()
        };
        assert!(as_user(65_534, "test", &["-r"]) && !as_user(1, "test", &["-r"]));
        assert!(!as_user(1, "rm", &["-f"]) && as_user(65_534, "rm", &["-f"]), "as it was computed");
    }
}
