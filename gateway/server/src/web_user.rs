//! The user as whom the web server runs Drupal: whether files that the gateway makes are as good to it as its own.
//!
//! What it could do with a file is computed, since this program does not run as that user.

use std::ffi::CString;
use std::io;

use nix::unistd::{Uid, User, getgrouplist};

use crate::access::{ENTER, READ, Rights, WRITE};

/// In a directory with this bit only owners remove entries.
const STICKY: u32 = 0o1000;

/// A user of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WebUser {
    name: String,
    uid: u32,
    gids: Vec<u32>,
}

/// Why nothing is known of the web server's user.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WebUserError {
    /// There is no such user.
    #[error("this host has no user {0}: set intake.web_user to the one as whom the web server runs")]
    Unknown(String),
    /// The users cannot be read.
    #[error("the users of this host cannot be read: {0}")]
    Users(#[source] io::Error),
}

impl WebUser {
    /// The user of a name, or of a number written as text. Blocks.
    ///
    /// # Errors
    /// [`WebUserError`].
    pub(crate) fn of(name: &str) -> Result<Self, WebUserError> {
        let failed = |errno: nix::Error| WebUserError::Users(errno.into());
        let user = match name.parse() {
            Ok(uid) => User::from_uid(Uid::from_raw(uid)),
            Err(_) => User::from_name(name),
        };
        let user = user.map_err(failed)?.ok_or_else(|| WebUserError::Unknown(name.to_owned()))?;
        let in_c = CString::new(user.name.as_str()).map_err(|error| WebUserError::Users(error.into()))?;
        let groups = getgrouplist(&in_c, user.gid).map_err(failed)?;
        let gids = groups.into_iter().map(nix::unistd::Gid::as_raw).collect();
        Ok(Self { name: user.name, uid: user.uid.as_raw(), gids })
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it could read a file.
    pub(crate) fn could_read(&self, file: &Rights) -> bool {
        self.may(file, READ)
    }

    /// Whether it could remove a file from its directory.
    pub(crate) fn could_delete(&self, file: &Rights, directory: &Rights) -> bool {
        let owns = [file, directory].into_iter().any(|rights| rights.uid == self.uid);
        let is_free = directory.mode & STICKY == 0 || owns || self.uid == 0;
        is_free && self.could_change(directory)
    }

    /// Whether it could make and remove entries of a directory.
    pub(crate) fn could_change(&self, directory: &Rights) -> bool {
        self.may(directory, WRITE | ENTER)
    }

    fn may(&self, rights: &Rights, bits: u32) -> bool {
        rights.permits(self.uid, &self.gids, bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_user_could_do_is_said_by_the_first_that_fits_of_owner_group_and_others() {
        let web = WebUser { name: "web".into(), uid: 33, gids: vec![33, 50] };
        assert!(web.could_read(&Rights::plain(1, 50, 0o640)) && web.could_read(&Rights::plain(1, 1, 0o604)));
        assert!(!web.could_read(&Rights::plain(1, 1, 0o660)) && !web.could_read(&Rights::plain(33, 33, 0o044)));
        let directory = Rights::plain(1, 33, 0o2775);
        assert!(web.could_delete(&Rights::plain(1, 1, 0o600), &directory));
        assert!(
            !web.could_delete(&Rights::plain(1, 33, 0o664), &Rights::plain(1, 33, 0o755)),
            "the directory is the gateway's alone"
        );
        assert!(
            !web.could_delete(&Rights::plain(1, 33, 0o664), &Rights::plain(1, 33, 0o1775)),
            "a sticky directory is for owners"
        );
        assert!(web.could_delete(&Rights::plain(33, 33, 0o664), &Rights::plain(1, 33, 0o1775)));
        let root = WebUser { name: "root".into(), uid: 0, gids: vec![0] };
        assert!(
            root.could_read(&Rights::plain(1, 1, 0))
                && root.could_delete(&Rights::plain(1, 1, 0), &Rights::plain(1, 1, 0o1000))
        );
    }

    #[test]
    fn users_are_found_by_name_and_by_number() {
        let root = WebUser::of("root").unwrap();
        assert_eq!((root.uid, root.name()), (0, "root"));
        assert_eq!(WebUser::of("0").unwrap(), root);
        let unknown = WebUser::of("nobody of this name").unwrap_err();
        assert!(unknown.to_string().contains("intake.web_user"), "{unknown}");
    }
}
