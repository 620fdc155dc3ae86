//! Whether a web server could take a file in a directory for a script.
//!
//! Drupal 6 puts an `.htaccess` into its files directory that gives every file there a handler which does nothing (SA-2006-006; since 6.29
//! also SA-2013-003, once more for each file). Only that is taken for a proof: that Apache heeds it, or that another web server runs no PHP
//! there, nobody can see from here; who knows it says so (`intake.php_is_off`). A directory that is not below Drupal's root is served by Drupal
//! alone, as what it is.

use std::fs;
use std::io::{self, Read};

use camino::Utf8Path;

use crate::beneath::{Found, Root};

/// No `.htaccess` of Drupal's is longer, in bytes.
const LONGEST: u64 = 64 * 1024;
/// How the names of the handlers begin that Drupal gives files so that nobody runs them.
const HANDLER: &str = "drupal_security_do_not_remove_see_sa_";

/// Whether scripts in `directory` could be run by a web server that serves `root`. Blocks.
///
/// # Errors
/// If that cannot be looked at.
pub(super) fn could_run(directory: &Utf8Path, root: &Utf8Path) -> io::Result<bool> {
    let real = |path: &Utf8Path| fs::canonicalize(path).map(|path| camino::Utf8PathBuf::try_from(path).ok());
    // By its name, and by where it really is: a link from below the root is served, and what a link out of it leads to as well.
    for (directory, root) in [(Some(directory.to_owned()), Some(root.to_owned())), (real(directory)?, real(root)?)] {
        let (Some(directory), Some(root)) = (directory, root) else { return Ok(true) };
        if !directory.starts_with(&root) {
            continue;
        }
        // The root's own .htaccess is there for Drupal to run.
        let above = directory.ancestors().take_while(|path| *path != root);
        let mut is_off = false;
        for path in above {
            is_off = is_off || htaccess(path)?.is_some_and(|text| turns_off(&text));
        }
        if !is_off {
            return Ok(true);
        }
    }
    Ok(false)
}

fn htaccess(directory: &Utf8Path) -> io::Result<Option<String>> {
    let Found::File((file, _)) = Root::open(directory)?.open_file(".htaccess")? else { return Ok(None) };
    let mut text = Vec::new();
    file.take(LONGEST).read_to_end(&mut text)?;
    Ok(Some(String::from_utf8_lossy(&text).into_owned()))
}

fn turns_off(text: &str) -> bool {
    text.lines().any(|line| {
        let mut words = line.split_ascii_whitespace();
        let is = |word: Option<&str>, test: fn(&str) -> bool| word.is_some_and(|word| test(&word.to_ascii_lowercase()));
        is(words.next(), |word| word == "sethandler")
            && is(words.next(), |word| word.trim_matches('"').starts_with(HANDLER))
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const DRUPALS: &str = "# Turn off all options we don't need.\nOptions None\nOptions +FollowSymLinks\n\n\
                           SetHandler Drupal_Security_Do_Not_Remove_See_SA_2006_006\n";

    #[test]
    fn the_lines_that_drupal_writes_turn_scripts_off_and_others_do_not() {
        for text in [DRUPALS, "<Files *>\n  sethandler \"Drupal_Security_Do_Not_Remove_See_SA_2013_003\"\n</Files>"] {
            assert!(turns_off(text), "{text}");
        }
        for text in ["", "Options None", "#SetHandler Drupal_Security_Do_Not_Remove_See_SA_2006_006", "SetHandler x"] {
            assert!(!turns_off(text), "{text}");
        }
    }

    #[test]
    fn below_drupals_root_a_directory_needs_the_file_and_elsewhere_it_does_not() {
        let outer = tempfile::tempdir().unwrap();
        let outer = Utf8Path::from_path(outer.path()).unwrap();
        let (root, files) = (outer.join("drupal"), outer.join("drupal/files"));
        fs::create_dir_all(files.join("bitcache")).unwrap();
        fs::create_dir(outer.join("elsewhere")).unwrap();
        fs::write(root.join(".htaccess"), DRUPALS).unwrap();
        symlink(outer.join("elsewhere"), root.join("linked")).unwrap();
        symlink(&files, outer.join("back")).unwrap();
        for (path, expected) in
            [("drupal/files/bitcache", true), ("elsewhere", false), ("drupal/linked", true), ("back", true)]
        {
            assert_eq!(could_run(&outer.join(path), &root).unwrap(), expected, "{path}");
        }
        fs::write(files.join(".htaccess"), DRUPALS).unwrap();
        fs::write(outer.join("elsewhere/.htaccess"), DRUPALS).unwrap();
        for path in ["drupal/files", "drupal/files/bitcache", "drupal/linked", "back"] {
            assert!(!could_run(&outer.join(path), &root).unwrap(), "{path}");
        }
    }
}
