//! The data directory, its databases and the room on its disk.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;

use audiospread_protocol::Check;
use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::Access;

use crate::calls::Calls;
use crate::database::Standing;
use crate::mirror::Mirror;
use crate::shared::{DataDir, group_id};
use crate::{Amount, Config};

const DIRECTORY: &str = "data directory";
const SPACE: &str = "free space";
/// What the two databases are called among the checks.
pub(super) const DATABASES: [&str; 2] = ["mirror.db", "calls.db"];

/// Below this the menus take no more recordings: `AS_RECORD_FREE_KB` of `globals.conf`.
const FOR_RECORDINGS: u64 = 100 << 20;

pub(super) fn examine(config: &Config, directory: &DataDir, checks: &mut Vec<Check>) {
    let path = directory.path();
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let message = format!("{path} cannot be looked at as this user: run this as the agent's");
            return checks.push(Check::doubtful(DIRECTORY, message));
        }
        Err(error) => {
            let message =
                format!("{path}: {error}; scripts/asterisk/install makes it, and `audiospread pull` fills it");
            return checks.push(Check::bad(DIRECTORY, message));
        }
    };
    checks.push(self::directory(config, path, &metadata));
    if rustix::fs::access(path.as_str(), Access::EXEC_OK).is_err() {
        return;
    }
    let [mirror, calls] = DATABASES;
    let look = || Mirror::standing(directory).map_err(|error| error.to_string());
    checks.push(database(mirror, &Mirror::path_in(directory), metadata.gid(), look));
    let look = || Calls::standing(directory).map_err(|error| error.to_string());
    checks.push(database(calls, &Calls::path_in(directory), metadata.gid(), look));
    checks.push(space(config, directory));
}

fn directory(config: &Config, path: &Utf8Path, metadata: &Metadata) -> Check {
    let mode = metadata.mode() & 0o7777;
    if let Some(group) = &config.group {
        match group_id(group) {
            Err(error) => return Check::bad(DIRECTORY, error.to_string()),
            Ok(gid) if gid != metadata.gid() => {
                return Check::bad(
                    DIRECTORY,
                    format!("{path} belongs to the group {}, not to {group}: chgrp {group} {path}", metadata.gid()),
                );
            }
            Ok(_) => {}
        }
    }
    if mode & 0o2770 != 0o2770 {
        let message =
            format!("{path} has the mode {mode:o}, so that Asterisk cannot use what is made in it: chmod 2770 {path}");
        return Check::bad(DIRECTORY, message);
    }
    if mode & 0o007 != 0 {
        let message = format!("{path} is open to everybody here, with callers' numbers in it: chmod 2770 {path}");
        return Check::doubtful(DIRECTORY, message);
    }
    if rustix::fs::access(path.as_str(), Access::WRITE_OK | Access::EXEC_OK).is_err() {
        let message = format!(
            "this user may not write into {path}: run this as the agent's user, or put it into the directory's group"
        );
        return Check::doubtful(DIRECTORY, message);
    }
    let group = config.group.clone().unwrap_or_else(|| metadata.gid().to_string());
    Check::good(DIRECTORY, format!("{path} belongs to the group {group}, and the group may write"))
}

fn database(what: &'static str, path: &Utf8Path, group: u32, look: impl FnOnce() -> Result<Standing, String>) -> Check {
    let files = ["", "-wal", "-shm"].map(|suffix| Utf8PathBuf::from(format!("{path}{suffix}")));
    for file in &files {
        let Ok(metadata) = fs::metadata(file) else { continue };
        let mode = metadata.mode() & 0o777;
        if mode & 0o660 != 0o660 {
            return Check::bad(
                what,
                format!("{file} has the mode {mode:o}, so that Asterisk or the agent cannot use it: chmod 660 {file}"),
            );
        }
        if metadata.gid() != group {
            let message = format!("{file} has not the group of its directory: chgrp {group} {file}");
            return Check::bad(what, message);
        }
        if rustix::fs::access(file.as_str(), Access::READ_OK | Access::WRITE_OK).is_err() {
            return Check::doubtful(what, format!("{file} cannot be opened as this user: run this as the agent's"));
        }
    }
    let standing = match look() {
        Ok(standing) => standing,
        Err(error) => return Check::bad(what, error),
    };
    if standing.journal != "wal" {
        let message = format!(
            "{path} is not in WAL mode, so that readers and writers wait for one another: `audiospread pull` mends it"
        );
        return Check::bad(what, message);
    }
    if standing.schema < standing.known {
        let message = format!(
            "{path} has the schema {}, and this program has {}: `audiospread pull` brings it up to date",
            standing.schema, standing.known
        );
        return Check::doubtful(what, message);
    }
    Check::good(what, format!("0660, WAL, schema {}", standing.schema))
}

fn space(config: &Config, directory: &DataDir) -> Check {
    let free = match directory.free() {
        Ok(free) => free,
        Err(error) => return Check::bad(SPACE, error.to_string()),
    };
    let (path, free_words) = (directory.path(), Amount(free));
    if free < config.keep_free.0 {
        let keep = config.keep_free;
        let message = format!(
            "{free_words} on the disk of {path}, and {keep} are to be left free (keep_free), so that no sound is fetched any more: make \
             room, or let `audiospread prune` remove what nothing names"
        );
        return Check::bad(SPACE, message);
    }
    if free < FOR_RECORDINGS {
        let message = format!(
            "{free_words} on the disk of {path}: with less than {} callers can leave no messages",
            Amount(FOR_RECORDINGS)
        );
        return Check::doubtful(SPACE, message);
    }
    Check::good(SPACE, format!("{free_words} on the disk of {path}"))
}
