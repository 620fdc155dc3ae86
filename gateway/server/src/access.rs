//! Who may do what with a file: its owner, its group, its mode, and its POSIX access control list where it has one.
//!
//! It is computed as the kernel does (acl(5)), of what `fstat` and `fgetxattr` say; for users as whom this program does not run. Lists of NFSv4
//! are others, and are not read: whoever serves them says by the mode what they amount to.

use std::io;
use std::os::fd::AsFd;

use rustix::buffer::spare_capacity;
use rustix::fs::{Gid, RawMode, Uid, fgetxattr, fstat};
use rustix::io::Errno;

/// The attribute with the list of a file.
const ATTRIBUTE: &str = "system.posix_acl_access";
/// No attribute is longer, in bytes.
const LONGEST: usize = 64 * 1024;
/// The version of the list's form.
const VERSION: u32 = 2;
/// What the group may, in a mode; of a file with a list the most that anybody may but its owner and the others.
const GROUP_BITS: RawMode = 0o070;

/// To read, in the three bits of a mode.
pub(crate) const READ: u32 = 4;
/// To write a file, to make and remove entries of a directory.
pub(crate) const WRITE: u32 = 2;
/// To go into a directory.
pub(crate) const ENTER: u32 = 1;

/// What decides who may do what with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rights {
    /// The owner.
    pub(crate) uid: u32,
    /// The group.
    pub(crate) gid: u32,
    /// The mode, without the kind of file.
    pub(crate) mode: RawMode,
    list: Option<List>,
}

impl Rights {
    /// Those of an open file or directory. Blocks.
    ///
    /// # Errors
    /// If they cannot be read, or a list is of a form that is not known.
    pub(crate) fn of(file: impl AsFd) -> io::Result<Self> {
        let stat = fstat(&file)?;
        let mut bytes = Vec::with_capacity(LONGEST);
        let list = match fgetxattr(&file, ATTRIBUTE, spare_capacity(&mut bytes)) {
            Ok(_) => Some(List::read(&bytes).ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidData, "its access control list is of no form that is known")
            })?),
            // It has none, or its disk has no such lists.
            Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::NOSYS) => None,
            Err(errno) => return Err(errno.into()),
        };
        Ok(Self { uid: stat.st_uid, gid: stat.st_gid, mode: stat.st_mode & 0o7777, list })
    }

    /// Those of a file without a list.
    #[cfg(test)]
    pub(crate) const fn plain(uid: u32, gid: u32, mode: RawMode) -> Self {
        Self { uid, gid, mode, list: None }
    }

    /// Whether it has a list.
    pub(crate) const fn has_list(&self) -> bool {
        self.list.is_some()
    }

    /// The owner.
    pub(crate) fn owner(&self) -> Uid {
        Uid::from_raw(self.uid)
    }

    /// The group.
    pub(crate) fn group(&self) -> Gid {
        Gid::from_raw(self.gid)
    }

    /// The mode as its like has it that has a list too, or has none: then what the group may is what this file's own group may, and no
    /// more because others are named in this file's list.
    pub(crate) fn mode_of_its_like(&self, has_list: bool) -> RawMode {
        match &self.list {
            Some(list) if !has_list => {
                let group = list.of(|who| *who == Who::OwningGroup).max().unwrap_or(0);
                self.mode & !GROUP_BITS | (self.mode & (RawMode::from(group) << 3))
            }
            _ => self.mode,
        }
    }

    /// Whether a user who is in these groups may all of `bits`.
    pub(crate) fn permits(&self, uid: u32, gids: &[u32], bits: u32) -> bool {
        let has = |granted: u32| granted & bits == bits;
        let is_in_group = gids.contains(&self.gid);
        match &self.list {
            _ if uid == 0 => true,
            _ if uid == self.uid => has(self.mode >> 6),
            // Where the most that it may give is nothing, the kernel does not look at it.
            Some(list) if self.mode & GROUP_BITS != 0 => {
                let most = self.mode >> 3;
                if let Some(named) = list.of(|who| *who == Who::User(uid)).next() {
                    return has(u32::from(named) & most);
                }
                let is_of = |who: &Who| match who {
                    Who::OwningGroup => is_in_group,
                    Who::Group(gid) => gids.contains(gid),
                    _ => false,
                };
                let mut groups = list.of(is_of).peekable();
                if groups.peek().is_none() { has(self.mode) } else { groups.any(|named| has(u32::from(named) & most)) }
            }
            _ if is_in_group => has(self.mode >> 3),
            _ => has(self.mode),
        }
    }
}

/// Whom an entry of a list is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Owner,
    User(u32),
    OwningGroup,
    Group(u32),
    /// The most of all but the owner and the others; the mode has it too.
    Mask,
    Other,
}

/// An access control list.
#[derive(Clone, Debug, PartialEq, Eq)]
struct List(Vec<(Who, u8)>);

impl List {
    /// Reads the attribute: a version, then a tag, bits and a number for each entry, all little-endian.
    fn read(bytes: &[u8]) -> Option<Self> {
        let (version, entries) = bytes.split_first_chunk::<4>()?;
        let (entries, rest) = entries.as_chunks::<8>();
        if u32::from_le_bytes(*version) != VERSION || !rest.is_empty() {
            return None;
        }
        entries.iter().map(entry).collect::<Option<Vec<_>>>().map(Self)
    }

    /// The bits of the entries that are about some.
    fn of(&self, whom: impl Fn(&Who) -> bool) -> impl Iterator<Item = u8> {
        self.0.iter().filter(move |(who, _)| whom(who)).map(|(_, bits)| *bits)
    }
}

fn entry(bytes: &[u8; 8]) -> Option<(Who, u8)> {
    let [tag, tag_high, bits, bits_high, id @ ..] = *bytes;
    let id = u32::from_le_bytes(id);
    let who = match u16::from_le_bytes([tag, tag_high]) {
        0x01 => Who::Owner,
        0x02 => Who::User(id),
        0x04 => Who::OwningGroup,
        0x08 => Who::Group(id),
        0x10 => Who::Mask,
        0x20 => Who::Other,
        _ => return None,
    };
    (bits <= 7 && bits_high == 0).then_some((who, bits))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::{PermissionsExt as _, chown};
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    use proptest::prelude::*;
    use rustix::fs::{XattrFlags, fsetxattr};

    use super::*;

    fn written(entries: &[(Who, u8)]) -> Vec<u8> {
        let mut bytes = VERSION.to_le_bytes().to_vec();
        for (who, bits) in entries {
            let (tag, id) = match *who {
                Who::Owner => (0x01_u16, u32::MAX),
                Who::User(id) => (0x02, id),
                Who::OwningGroup => (0x04, u32::MAX),
                Who::Group(id) => (0x08, id),
                Who::Mask => (0x10, u32::MAX),
                Who::Other => (0x20, u32::MAX),
            };
            bytes.extend(tag.to_le_bytes());
            bytes.extend(u16::from(*bits).to_le_bytes());
            bytes.extend(id.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn a_list_that_is_none_is_not_taken_for_one() {
        let good = written(&[(Who::Owner, 6), (Who::OwningGroup, 4), (Who::Other, 0)]);
        assert!(List::read(&good).is_some());
        let spoilt = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            List::read(&bytes)
        };
        for (at, byte) in [(0, 1), (3, 1), (4, 0x03), (5, 1), (6, 8), (7, 1)] {
            assert_eq!(spoilt(at, byte), None, "byte {at}");
        }
        assert_eq!((List::read(&good[..good.len() - 1]), List::read(b"\x02\0\0")), (None, None));
    }

    #[test]
    fn what_is_without_a_list_has_no_more_for_its_group_than_the_directory_with_one_gives_its_own() {
        let list = [(Who::Owner, 7), (Who::User(33), 7), (Who::OwningGroup, 5), (Who::Mask, 7), (Who::Other, 5)];
        let directory = Rights { list: List::read(&written(&list)), ..Rights::plain(1, 1, 0o2775) };
        assert_eq!((directory.mode_of_its_like(false), directory.mode_of_its_like(true)), (0o2755, 0o2775));
        assert_eq!(Rights::plain(1, 1, 0o2775).mode_of_its_like(false), 0o2775);
    }

    proptest! {
        #[test]
        fn no_bytes_are_a_list_by_chance(bytes in proptest::collection::vec(any::<u8>(), 0..64), is_of_the_version: bool) {
            let bytes = if is_of_the_version { [&VERSION.to_le_bytes()[..], &bytes].concat() } else { bytes };
            if let Some(list) = List::read(&bytes) {
                prop_assert_eq!(list.0.len() * 8 + 4, bytes.len());
            }
        }
    }

    /// The user and the group as whom the kernel is asked.
    const NOBODY: u32 = 65_534;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// The kernel is asked by a process of that user.
        #[test]
        fn what_a_user_may_is_what_the_kernel_says(
            bits in proptest::array::uniform6(0_u8..8),
            has_user: bool, has_group: bool, is_owner in proptest::bool::weighted(0.2), is_group in proptest::bool::weighted(0.4),
        ) {
            if !rustix::process::geteuid().is_root() {
                return Ok(());
            }
            let [owner, user, owning, group, mask, other] = bits;
            let mut entries = vec![(Who::Owner, owner)];
            entries.extend(has_user.then_some((Who::User(NOBODY), user)));
            entries.push((Who::OwningGroup, owning));
            entries.extend(has_group.then_some((Who::Group(NOBODY), group)));
            entries.extend((has_user || has_group).then_some((Who::Mask, mask)));
            entries.push((Who::Other, other));
            let directory = tempfile::tempdir().unwrap();
            fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
            let path = directory.path().join("file");
            let file = File::create(&path).unwrap();
            chown(&path, Some(if is_owner { NOBODY } else { 1 }), Some(if is_group { NOBODY } else { 1 })).unwrap();
            match fsetxattr(&file, ATTRIBUTE, &written(&entries), XattrFlags::empty()) {
                // This disk has no lists.
                Err(Errno::OPNOTSUPP) => return Ok(()),
                set => set.unwrap(),
            }
            let rights = Rights::of(&file).unwrap();
            for (question, bit) in [("-r", READ), ("-w", WRITE), ("-x", ENTER)] {
                let asked = Command::new("test").arg(question).arg(&path).uid(NOBODY).gid(NOBODY).status().unwrap();
                prop_assert_eq!(rights.permits(NOBODY, &[NOBODY], bit), asked.success(), "{} of {:?}", question, rights);
            }
        }
    }
}
