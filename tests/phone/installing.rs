//! The menus in a host's Asterisk: put in, brought up to date, taken out, and nothing of the host's own is lost.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

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
fn a_number_to_call_is_asked_for_where_a_trunk_shows_none() {
    let host = Host::new();
    let asked = |arguments: &[&str]| host.install(arguments).contains("needed   AS_PUBLIC_NUMBER=");
    assert!(!asked(&["--trunk", "sip-trunk"]));
    assert!(asked(&["--trunk", "gsm-dongle"]));
    fs::write(host.path("asterisk/audiospread/site.conf"), "AS_PUBLIC_NUMBER=700\n").unwrap();
    assert!(!asked(&[]));
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
fn data_sources_whose_last_line_has_no_end_keep_their_last_value_and_get_their_end_back() {
    let host = Host::new();
    let own = "[other]\nDriver = /usr/lib/other.so\nDatabase = /srv/other.db";
    fs::write(host.path("odbc.ini"), own).unwrap();
    for data in ["/srv/radio", "/srv/radio", "/srv/elsewhere"] {
        host.install(&["--data-dir", data]);
        let text = host.read("odbc.ini");
        assert!(text.starts_with(&format!("{own}\n")), "{text}");
        assert_eq!(text.matches("[audiospread-mirror]").count(), 1, "{text}");
    }
    host.install(&["--remove"]);
    assert_eq!(host.read("odbc.ini"), own);
    host.install(&[]);
    let more = host.read("odbc.ini") + "[more]\nDriver = /usr/lib/more.so\n";
    fs::write(host.path("odbc.ini"), more).unwrap();
    host.install(&["--remove"]);
    assert_eq!(host.read("odbc.ini"), format!("{own}\n[more]\nDriver = /usr/lib/more.so\n"));
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
fn a_host_that_sends_nothing_while_somebody_records_is_told_so() {
    let host = Host::new();
    let needs_it = || host.install(&[]).contains("needed   transmit_silence = yes in [options]");
    assert!(needs_it(), "there is no asterisk.conf");
    for (text, needs) in [
        ("[options]\n;transmit_silence = yes\n", true),
        ("[options]\ntransmit_silence = no\n", true),
        ("[options]\nverbose = 3\n[other]\ntransmit_silence = yes\n", true),
        ("[options]\ntransmit_silence = yes\n", false),
        ("[directories](!)\n[options]\nverbose = 3\ntransmit_silence=>Yes ; for carriers\n[files]\n", false),
    ] {
        fs::write(host.path("asterisk/asterisk.conf"), text).unwrap();
        assert_eq!(needs_it(), needs, "{text}");
        assert_eq!(host.read("asterisk/asterisk.conf"), text, "it is the keeper's");
    }
}

#[test]
fn what_was_chosen_once_is_remembered_and_the_spool_gets_back_the_rights_that_it_had_first() {
    assert!(rustix::process::geteuid().is_root(), "only root can make a group: run the tests as root");
    let (host, strangers) = (Host::new(), Strangers::new());
    let (prefix, odbc, outgoing) = (host.path("asterisk"), host.path("odbc.ini"), host.path("spool/outgoing"));
    let (data, spool) = (host.path("data"), host.path("spool"));
    let [prefix, odbc, data, spool] = [&prefix, &odbc, &data, &spool].map(|path| path.to_str().unwrap());
    fs::create_dir_all(&outgoing).unwrap();
    done(&Command::new("chgrp").arg(&strangers.user).arg(&outgoing).output().unwrap());
    fs::set_permissions(&outgoing, fs::Permissions::from_mode(0o750)).unwrap();
    let was = fs::metadata(&outgoing).unwrap().gid();
    let run = |arguments: &[&str]| {
        done(&Command::new(host.scripts.join("install")).args(["--prefix", prefix]).args(arguments).output().unwrap())
    };
    run(&[
        "--group",
        &strangers.group,
        "--user",
        &strangers.user,
        "--driver",
        "/opt/odbc/sqlite.so",
        "--odbc-ini",
        odbc,
        "--data-dir",
        data,
        "--spool",
        spool,
    ]);
    let said = run(&["--dry-run"]);
    assert!(said.contains("nothing changed"), "{said}");
    assert!(!said.contains("needed   the user"), "{said}");
    // Another group, and files alone: the first is not forgotten for either.
    run(&["--group", &strangers.user]);
    run(&["--files-only"]);
    assert!(host.read("odbc.ini").contains("Driver = /opt/odbc/sqlite.so"));
    let said = run(&["--dry-run"]);
    assert!(said.contains("nothing changed"), "{said}");
    let said = run(&["--dry-run", "--remove"]);
    for words in [odbc, &format!("the group {}", strangers.user), &format!("group {}, 750, as it was", strangers.user)]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    run(&["--remove"]);
    let outgoing = fs::metadata(&outgoing).unwrap();
    assert_eq!((outgoing.gid(), outgoing.permissions().mode() & 0o7777), (was, 0o750));
    host.is_as_it_was();
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

/// A user and a group that this host has only while the test runs.
struct Strangers {
    user: String,
    group: String,
}

impl Strangers {
    /// The user is made here; the group is left to whoever needs it.
    fn new() -> Self {
        static STRANGERS: AtomicU32 = AtomicU32::new(1);
        let name = format!("as-test-{}-{}", std::process::id(), STRANGERS.fetch_add(1, Ordering::Relaxed));
        let strangers = Self { user: name.clone(), group: format!("{name}-group") };
        done(
            &Command::new("useradd")
                .args(["--system", "--no-create-home", "--user-group", "--shell", "/usr/sbin/nologin", &name])
                .output()
                .unwrap(),
        );
        strangers
    }

    /// What getent says of the group: its members.
    fn members(&self) -> Option<String> {
        let ran = Command::new("getent").args(["group", &self.group]).output().unwrap();
        let line = String::from_utf8(ran.stdout).unwrap();
        ran.status.success().then(|| line.trim().rsplit(':').next().unwrap().to_owned())
    }

    /// Whether this user, with the groups that he is a member of, may make a file here.
    fn may_write(&self, directory: &Path) -> bool {
        let file = directory.join("tried");
        let mut touch = Command::new("setpriv");
        touch.args(["--reuid", &self.user, "--regid", &self.user, "--init-groups", "touch"]).arg(&file);
        touch.output().unwrap().status.success() && fs::remove_file(file).is_ok()
    }
}

impl Drop for Strangers {
    fn drop(&mut self) {
        for (program, name) in [("userdel", &self.user), ("groupdel", &self.group)] {
            // What was never made cannot be removed.
            let _ = Command::new(program).arg(name).output();
        }
    }
}

#[test]
fn with_rights_the_group_is_made_asterisks_user_is_put_into_it_and_both_may_write() {
    assert!(rustix::process::geteuid().is_root(), "only root can make a group: run the tests as root");
    let (host, strangers) = (Host::new(), Strangers::new());
    let (data, outgoing) = (host.path("data"), host.path("spool/outgoing"));
    fs::create_dir_all(&outgoing).unwrap();
    done(&Command::new("chgrp").arg(&strangers.user).arg(&outgoing).output().unwrap());
    // As for the user of a host, who reaches both.
    fs::set_permissions(host.directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let arguments = [
        "--group",
        &strangers.group,
        "--user",
        &strangers.user,
        "--data-dir",
        data.to_str().unwrap(),
        "--spool",
        host.path("spool").to_str().unwrap(),
    ]
    .map(str::to_owned);
    let run = |more: &[&str]| {
        done(&host.run(&arguments.iter().map(String::as_str).chain(more.iter().copied()).collect::<Vec<_>>()))
    };
    assert!(run(&["--dry-run"]).contains(&format!("would: new      group {}", strangers.group)));
    assert!(strangers.members().is_none() && !data.exists(), "a dry run makes nothing");

    let said = run(&[]);
    for words in [
        format!("new      group {}", strangers.group),
        format!("changed  user {}: member of the group {}", strangers.user, strangers.group),
        format!("new      {}", data.display()),
        format!("rights   {}: group {}, 2770", data.display(), strangers.group),
        format!("rights   {}: group {}, 2770", outgoing.display(), strangers.group),
    ] {
        assert!(said.contains(&words), "{words}: {said}");
    }
    assert_eq!(strangers.members().as_ref(), Some(&strangers.user));
    for directory in [&data, &data.join("recordings"), &outgoing] {
        assert!(strangers.may_write(directory), "{directory:?}");
        fs::write(directory.join("of-root"), "").unwrap();
        let shared = fs::metadata(directory).unwrap().gid();
        assert_eq!(fs::metadata(directory.join("of-root")).unwrap().gid(), shared, "what is made in it is the group's");
        fs::remove_file(directory.join("of-root")).unwrap();
    }
    let said = run(&[]);
    assert!(said.contains("nothing changed"), "{said}");

    let said = run(&["--remove"]);
    let kept = format!("kept     {} and the group {}: what callers left is there", data.display(), strangers.group);
    assert!(said.contains(&kept), "{said}");
    let as_it_was = format!("rights   {}: group {}, 755, as it was", outgoing.display(), strangers.user);
    assert!(said.contains(&as_it_was), "{said}");
    assert!(strangers.members().is_some() && strangers.may_write(&data) && !strangers.may_write(&outgoing));
    host.is_as_it_was();
    let said = run(&[]);
    assert!(!said.contains("new      group") && said.contains(&format!("rights   {}", outgoing.display())), "{said}");
}

#[test]
fn an_outgoing_directory_that_others_write_into_stays_theirs_and_the_group_may_write_there_too() {
    assert!(rustix::process::geteuid().is_root(), "only root can make a group: run the tests as root");
    let (host, strangers, others) = (Host::new(), Strangers::new(), Strangers::new());
    fs::set_permissions(host.directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let outgoing = host.path("spool/outgoing");
    fs::create_dir_all(&outgoing).unwrap();
    let (data, spool, programs) = (host.path("data"), host.path("spool"), host.path("programs"));
    let run = |path: &str, more: &[&str]| {
        let mut install = Command::new(host.scripts.join("install"));
        install.arg("--prefix").arg(host.path("asterisk")).arg("--odbc-ini").arg(host.path("odbc.ini"));
        install.args([
            "--driver",
            "/usr/lib/libsqlite3odbc.so",
            "--group",
            &strangers.group,
            "--user",
            &strangers.user,
        ]);
        install.arg("--data-dir").arg(&data).arg("--spool").arg(&spool).args(more).env("PATH", path);
        done(&install.output().unwrap())
    };
    let path = std::env::var("PATH").unwrap();
    let looks = || {
        let ran = Command::new("getfacl").arg("-cp").arg(&outgoing).output().unwrap();
        (fs::metadata(&outgoing).unwrap().gid(), fs::metadata(&outgoing).unwrap().mode(), done(&ran))
    };
    for (group, mode) in [(&others.user, 0o2770), (&strangers.user, 0o1777)] {
        done(&Command::new("chgrp").arg(group).arg(&outgoing).output().unwrap());
        fs::set_permissions(&outgoing, fs::Permissions::from_mode(mode)).unwrap();
        let before = looks();
        let said = run(&path, &[]);
        assert!(said.contains(&format!("the group {} may write too", strangers.group)), "{said}");
        assert_eq!((looks().0, looks().1), (before.0, before.1), "group and mode are the host's");
        assert!(looks().2.contains(&format!("group:{}:rwx", strangers.group)), "{:?}", looks());
        assert!(strangers.may_write(&outgoing) && others.may_write(&outgoing));
        assert!(run(&path, &[]).contains("nothing changed"));
        run(&path, &["--remove"]);
        assert_eq!(looks(), before);
    }

    fs::create_dir(&programs).unwrap();
    programs_without(&programs, &["setfacl"]);
    let before = looks();
    let said = run(programs.to_str().unwrap(), &[]);
    assert!(said.contains("acl, by which the group") && looks() == before, "{said}");
}

/// Everything that this host has, without some programs.
fn programs_without(directory: &Path, absent: &[&str]) {
    for place in ["/usr/sbin", "/usr/bin"] {
        for entry in fs::read_dir(place).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name();
            let link = directory.join(&name);
            if !absent.iter().any(|absent| name == *absent) && !link.exists() && link.symlink_metadata().is_err() {
                std::os::unix::fs::symlink(entry.path(), link).unwrap();
            }
        }
    }
}

#[test]
fn packages_that_are_missing_are_named_with_how_this_release_installs_them() {
    let host = Host::new();
    let programs = host.path("programs");
    fs::create_dir(&programs).unwrap();
    programs_without(&programs, &["lame", "isql"]);
    let (data, spool) = (host.path("data"), host.path("spool"));
    let on = |release: &str, prefix: &str| {
        let file = host.path("os-release");
        fs::write(&file, release).unwrap();
        let ran = Command::new(host.scripts.join("install"))
            .args(["--dry-run", "--driver", "/usr/lib/libsqlite3odbc.so", "--group", "root", "--user", "root"])
            .arg("--prefix")
            .arg(host.path(prefix))
            .arg("--odbc-ini")
            .arg(host.path("odbc.ini"))
            .args(["--data-dir", data.to_str().unwrap(), "--spool", spool.to_str().unwrap()])
            .env("PATH", &programs)
            .env("AUDIOSPREAD_OS_RELEASE", file)
            .output()
            .unwrap();
        String::from_utf8(ran.stderr).unwrap()
    };
    let debian = |version: &str| format!("PRETTY_NAME=\"Debian GNU/Linux\"\nVERSION_ID=\"{version}\"\nID=debian\n");
    let ubuntu = "NAME=\"Ubuntu\"\nVERSION_ID=\"24.04\"\nID=ubuntu\nID_LIKE=debian\n";
    let line =
        |said: &str| said.lines().find(|line| line.contains("unixodbc")).unwrap_or_else(|| panic!("{said}")).to_owned();

    let eleven = line(&on(&debian("11"), "asterisk"));
    assert!(
        eleven.contains("Debian 11 opens an empty database") && eleven.ends_with(": apt-get install unixodbc lame"),
        "{eleven}"
    );
    for version in ["12", "13"] {
        let said = line(&on(&debian(version), "asterisk"));
        assert!(!said.contains("empty database") && said.ends_with(": apt-get install unixodbc lame"), "{said}");
        let said = on(&debian(version), "no-asterisk-here");
        assert!(said.contains(&format!("Debian {version} has no package of it")), "{said}");
    }
    assert!(on(&debian("11"), "no-asterisk-here").contains("apt-get install asterisk"));
    let said = line(&on(ubuntu, "asterisk"));
    assert!(said.ends_with(": add-apt-repository universe && apt-get install unixodbc lame"), "{said}");
    let said = line(&on("ID=fedora\nVERSION_ID=41\n", "asterisk"));
    assert!(!said.contains("apt-get") && said.contains("in this system's own way"), "{said}");

    fs::remove_dir_all(&programs).unwrap();
    fs::create_dir(&programs).unwrap();
    programs_without(&programs, &[]);
    for program in ["lame", "isql"].map(|program| programs.join(program)) {
        if program.symlink_metadata().is_err() {
            std::os::unix::fs::symlink("/bin/true", program).unwrap();
        }
    }
    assert!(!on(&debian("12"), "asterisk").contains("apt-get"), "nothing is missing");
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
