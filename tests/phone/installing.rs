//! The menus in a host's Asterisk: put in, brought up to date, taken out, and nothing of the host's own is lost.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/asterisk");

/// Files of an Asterisk that somebody has worked on for years; one of them ends without a line break.
const OWN_FILES: &[(&str, &str)] = &[
    ("asterisk/extensions.conf", "[general]\nstatic = yes\n[globals]\nCOLOUR = blue\n[default]\nexten => 1,1,NoOp()"),
    ("asterisk/func_odbc.conf", "[EXAMPLE]\ndsn = other\nreadsql = SELECT 1\n"),
    ("asterisk/cdr.conf", "[general]\nenable = yes\n"),
    ("asterisk/modules.conf", "[modules]\nautoload = yes\n"),
    ("odbc.ini", "[other]\nDriver = /usr/lib/other.so\n"),
];

/// A host of its own in a directory.
struct Host {
    directory: TempDir,
    /// A copy of the scripts, which a test may take for those of another version.
    scripts: PathBuf,
}

impl Host {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in OWN_FILES {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let scripts = directory.path().join("scripts");
        fs::create_dir(&scripts).unwrap();
        done(
            &Command::new("cp")
                .arg("-R")
                .args(["install", "etc"].map(|name| format!("{SCRIPTS}/{name}")))
                .arg(&scripts)
                .output()
                .unwrap(),
        );
        Self { directory, scripts }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(self.scripts.join("install"))
            .arg("--prefix")
            .arg(self.path("asterisk"))
            .arg("--odbc-ini")
            .arg(self.path("odbc.ini"))
            .args(["--driver", "/usr/lib/libsqlite3odbc.so"])
            .args(arguments)
            .output()
            .unwrap()
    }

    fn install(&self, arguments: &[&str]) -> String {
        done(&self.run(&[&["--files-only"], arguments].concat()))
    }

    /// All files but the scripts, by their names.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        collect(&self.path("asterisk"), &mut files);
        files.insert(self.path("odbc.ini"), fs::read(self.path("odbc.ini")).unwrap());
        files
    }

    /// Whether the files that were there before are, to the byte, and no other in Asterisk's own directory.
    fn is_as_it_was(&self) {
        let files = self.files();
        for (name, text) in OWN_FILES {
            assert_eq!(String::from_utf8_lossy(&files[&self.path(name)]), *text, "{name}");
        }
        let others: Vec<_> = files
            .keys()
            .filter(|path| !path.starts_with(self.path("asterisk/audiospread")))
            .filter(|path| !OWN_FILES.iter().any(|(name, _)| **path == self.path(name)))
            .collect();
        assert!(others.is_empty(), "{others:?}");
    }
}

fn collect(directory: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            let bytes = fs::read(&path).unwrap();
            files.insert(path, bytes);
        }
    }
}

fn done(ran: &Output) -> String {
    let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    said
}

#[test]
fn the_menus_are_put_in_once_and_taken_out_and_the_hosts_files_are_as_they_were() {
    let host = Host::new();
    let said = host.install(&["--trunk", "sip-trunk"]);
    assert!(said.contains("extensions.conf"), "{said}");
    let installed = host.files();
    for (name, own) in OWN_FILES.iter().filter(|(name, _)| *name != "asterisk/modules.conf") {
        let text = host.read(name);
        assert!(text.starts_with(own) && text.len() > own.len(), "{name}: {text}");
    }
    assert_eq!(host.read("asterisk/modules.conf"), OWN_FILES[3].1, "all modules are loaded anyway");

    let said = host.install(&[]);
    assert!(said.contains("nothing changed"), "{said}");
    assert_eq!(host.files(), installed);

    host.install(&["--remove"]);
    host.is_as_it_was();
    let left: Vec<_> =
        host.files().into_keys().filter(|path| path.starts_with(host.path("asterisk/audiospread"))).collect();
    let keepers = ["site.conf", "trunks/sip-trunk.conf"].map(|name| host.path("asterisk/audiospread").join(name));
    assert_eq!(left, keepers, "what the keeper of the server has written stays");
    let said = host.install(&["--remove"]);
    assert!(said.contains("kept"), "{said}");
    host.is_as_it_was();
}

#[test]
fn an_asterisk_that_loads_only_what_is_named_gets_the_list_of_modules() {
    let host = Host::new();
    fs::write(host.path("asterisk/modules.conf"), "[modules]\nautoload = no\nload = chan_pjsip.so\n").unwrap();
    host.install(&[]);
    assert!(host.read("asterisk/modules.conf").contains("#include \"audiospread/modules.conf\""));
    host.install(&["--remove"]);
    assert_eq!(host.read("asterisk/modules.conf"), "[modules]\nautoload = no\nload = chan_pjsip.so\n");
}

#[test]
fn an_update_brings_new_files_and_leaves_alone_what_was_edited() {
    let host = Host::new();
    host.install(&["--trunk", "gsm-dongle"]);
    let edit = |name: &str, text: &str| {
        let path = host.path("asterisk/audiospread").join(name);
        let edited = fs::read_to_string(&path).unwrap() + text;
        fs::write(path, edited).unwrap();
    };
    edit("globals.conf", "AS_CALLBACK=no\n");
    edit("site.conf", "AS_PUBLIC_NUMBER=700\n");
    edit("trunks/gsm-dongle.conf", "; ours\n");
    for name in ["globals.conf", "sms.conf", "examples/gsm-dongle.conf"] {
        let path = host.scripts.join("etc/audiospread").join(name);
        let newer = fs::read_to_string(&path).unwrap() + "; newer\n";
        fs::write(path, newer).unwrap();
    }
    fs::remove_file(host.scripts.join("etc/audiospread/examples/softphone.conf")).unwrap();

    let said = host.install(&[]);
    assert!(said.contains("globals.conf, which was edited here"), "{said}");
    let read = |name: &str| host.read(&format!("asterisk/audiospread/{name}"));
    assert!(read("sms.conf").ends_with("; newer\n"));
    assert!(read("globals.conf").ends_with("AS_CALLBACK=no\n"));
    assert!(read("globals.conf.new").ends_with("; newer\n"));
    assert!(read("site.conf").ends_with("AS_PUBLIC_NUMBER=700\n"));
    assert!(read("trunks/gsm-dongle.conf").ends_with("; ours\n"));
    assert!(!host.path("asterisk/audiospread/examples/softphone.conf").exists(), "it is no part any more");
    assert!(host.install(&[]).contains("nothing changed"));

    host.install(&["--remove"]);
    host.is_as_it_was();
    assert!(read("globals.conf").ends_with("AS_CALLBACK=no\n"));
}

#[test]
fn a_data_directory_that_was_chosen_once_stays_until_another_one_is_named() {
    let host = Host::new();
    host.install(&["--data-dir", "/srv/radio"]);
    host.install(&[]);
    assert!(host.read("odbc.ini").contains("Database = /srv/radio/calls.db"));
    host.install(&["--data-dir", "/srv/other"]);
    assert!(host.read("odbc.ini").contains("Database = /srv/other/calls.db"));
    assert!(host.read("asterisk/audiospread/paths.conf").contains("AS_DATA=/srv/other\n"));
    assert!(!host.read("odbc.ini").contains("/srv/radio"));
}

#[test]
fn a_dry_run_says_everything_and_does_nothing() {
    let host = Host::new();
    let before = host.files();
    let said = host.install(&["--dry-run", "--trunk", "softphone"]);
    assert!(said.contains("would: ") && said.contains("trunks/softphone.conf"), "{said}");
    assert_eq!(host.files(), before);
    host.install(&["--trunk", "softphone"]);
    let installed = host.files();
    let said = host.install(&["--dry-run", "--remove"]);
    assert!(said.contains("would: "), "{said}");
    assert_eq!(host.files(), installed);
}

#[test]
fn directories_belong_to_the_shared_group_and_get_their_rights_back() {
    assert!(rustix::process::geteuid().is_root(), "only root can give directories to a group: run the tests as root");
    let host = Host::new();
    let mode = |name: &str| fs::metadata(host.path(name)).unwrap().permissions().mode() & 0o7777;
    fs::create_dir_all(host.path("spool/outgoing")).unwrap();
    fs::set_permissions(host.path("spool/outgoing"), fs::Permissions::from_mode(0o750)).unwrap();
    let (data, spool) = (host.path("data"), host.path("spool"));
    // A group and a user that are everywhere, so that none is made.
    let arguments =
        ["--group", "root", "--user", "root", "--data-dir", data.to_str().unwrap(), "--spool", spool.to_str().unwrap()];
    done(&host.run(&arguments));
    for name in ["data", "data/recordings", "spool/outgoing"] {
        assert_eq!(mode(name), 0o2770, "{name}");
    }
    assert!(done(&host.run(&arguments)).contains("nothing changed"));
    fs::write(host.path("data/recordings/kept.wav"), "a message").unwrap();
    done(&host.run(&[&arguments[..], &["--remove"]].concat()));
    assert_eq!(mode("spool/outgoing"), 0o750);
    assert_eq!(host.read("data/recordings/kept.wav"), "a message");
    host.is_as_it_was();
}

#[test]
fn wrong_use_is_told_and_changes_nothing() {
    let host = Host::new();
    let before = host.files();
    for arguments in [
        &["--trunk", "carrier-pigeon"][..],
        &["--data-dir", "relative/path"],
        &["--data-dir", "/srv/with \"quotes\""],
        &["--data-dir"],
        &["--everything"],
    ] {
        let ran = host.run(arguments);
        assert_eq!(ran.status.code(), Some(2), "{arguments:?}");
        assert!(!ran.stderr.is_empty(), "{arguments:?}");
        assert_eq!(host.files(), before, "{arguments:?}");
    }
}
