//! The views as Asterisk reads them: through Debian 11's libsqliteodbc and SQLite 3.34, under another user of the same group.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::phone_behind_a_link;
use crate::harness::gateway::ALL_PROGRAMS;
use crate::harness::phone::Phone;
use crate::harness::proxy::{Fault, Proxy};

/// Users and a group that nobody has: what matters are the numbers.
const AGENT: u32 = 47_111;
const ASTERISK: u32 = 47_112;
const GROUP: u32 = 47_110;

const VIEWS: [&str; 14] = [
    "phone_mirror",
    "phone_setting",
    "phone_language",
    "phone_key",
    "phone_home",
    "phone_category",
    "phone_subcategory",
    "phone_category_sound",
    "phone_category_program",
    "phone_program",
    "phone_translation",
    "phone_prompt",
    "phone_caller",
    "phone_gone",
];

/// A phone server whose agent and whose reader are two users of one group.
struct TwoUsers {
    phone: Phone,
    link: Proxy,
}

impl TwoUsers {
    async fn new() -> Self {
        let (phone, link) = phone_behind_a_link().await;
        phone.configure(&link.url(), &format!("group = \"{GROUP}\"\n"));
        for path in [phone.path(), &phone.path().join("agent.toml"), &phone.path().join("token")] {
            chown(path, Some(AGENT), Some(GROUP)).unwrap();
        }
        fs::set_permissions(phone.path(), Permissions::from_mode(0o750)).unwrap();
        let (driver, database) = (driver(), phone.data().join("mirror.db"));
        fs::write(phone.path().join("odbcinst.ini"), format!("[SQLite3]\nDriver = {driver}\n")).unwrap();
        let source = format!("[mirror]\nDriver = SQLite3\nDatabase = {database}\nNoCreat = 1\nTimeout = 2000\n");
        fs::write(phone.path().join("odbc.ini"), source).unwrap();
        for name in ["odbcinst.ini", "odbc.ini"] {
            fs::set_permissions(phone.path().join(name), Permissions::from_mode(0o644)).unwrap();
        }
        Self { phone, link }
    }

    fn agent(&self, arguments: &[&str]) -> Command {
        as_user(AGENT, &self.phone.command(arguments))
    }

    fn pull(&self) {
        let ran = self.agent(&["pull", "--json"]).output().unwrap();
        assert!(ran.status.success(), "{}{}", text(&ran.stdout), text(&ran.stderr));
    }

    /// `isql`, as another user.
    fn isql(&self) -> Command {
        let mut isql = Command::new(unpacked().join("run"));
        isql.args(["isql", "mirror", "-b", "-d|", "-v"]);
        isql.env("ODBCSYSINI", self.phone.path()).env("ODBCINI", self.phone.path().join("odbc.ini"));
        as_user(ASTERISK, &isql)
    }

    /// The rows of a query, read on a connection of its own.
    fn read(&self, query: &str) -> Result<Vec<String>, String> {
        let mut isql = self.isql().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        writeln!(isql.stdin.take().unwrap(), "{query}").unwrap();
        let ran = isql.wait_with_output().unwrap();
        let (out, err) = (text(&ran.stdout), text(&ran.stderr));
        if out.contains("[ISQL]ERROR") || err.contains("[ISQL]ERROR") {
            return Err(out + &err);
        }
        Ok(out.lines().map(str::to_owned).collect())
    }

    /// All views, compared with what this program's own SQLite reads.
    fn read_all_views(&self) {
        for view in VIEWS {
            let ours: i64 = self.phone.value(&format!("SELECT count(*) FROM {view}"));
            let theirs = self.read(&format!("SELECT count(*) FROM {view}")).unwrap();
            assert_eq!(theirs, [ours.to_string()], "{view}");
        }
        let page = "SELECT program_id, body_sound FROM phone_category_program WHERE category_id = 2 AND language = 'fr' \
                    ORDER BY weight, created DESC, program_id LIMIT 3 OFFSET 2";
        let ours: Vec<String> = {
            let mirror = self.phone.mirror();
            let mut statement = mirror.prepare(page).unwrap();
            let rows =
                statement.query_map([], |row| Ok(format!("{}|{}", row.get::<_, i64>(0)?, row.get::<_, String>(1)?)));
            rows.unwrap().map(Result::unwrap).collect()
        };
        assert_eq!(self.read(page).unwrap(), ours);
        assert_eq!(self.read("SELECT name FROM phone_category WHERE id = 5").unwrap(), ["Health / Santé"]);
        assert_eq!(self.read("SELECT count(*) FROM phone_program").unwrap(), [ALL_PROGRAMS.to_string()]);
    }
}

/// The same command as another user, in the group and in no other.
fn as_user(user: u32, command: &Command) -> Command {
    let mut changed = Command::new("setpriv");
    changed.args([&format!("--reuid={user}"), &format!("--regid={GROUP}"), "--clear-groups", "--"]);
    changed.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => changed.env(name, value),
            None => changed.env_remove(name),
        };
    }
    changed
}

/// Debian 11's programs, unpacked beside the build.
fn unpacked() -> &'static Path {
    static UNPACKED: OnceLock<std::path::PathBuf> = OnceLock::new();
    UNPACKED.get_or_init(|| {
        assert!(rustix::process::geteuid().is_root(), "only root can become two other users: run the tests as root");
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let place = root.join("target/debian/bullseye-odbc");
        let ran = Command::new(root.join("scripts/asterisk/unpack-debian"))
            .arg("bullseye")
            .arg(&place)
            .args(["unixodbc", "libsqliteodbc"])
            .output()
            .unwrap();
        assert!(ran.status.success(), "{}", text(&ran.stderr));
        place
    })
}

fn driver() -> String {
    let libraries = unpacked().join("root/usr/lib");
    let mut places = vec![libraries.clone()];
    places.extend(fs::read_dir(libraries).unwrap().map(|entry| entry.unwrap().path()));
    let found = places.into_iter().map(|place| place.join("odbc/libsqlite3odbc.so")).find(|path| path.exists());
    found.unwrap().to_str().unwrap().to_owned()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A reader that keeps its connection open, as Asterisk does for weeks.
struct LastingReader {
    isql: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    asked: u32,
}

impl LastingReader {
    fn of(users: &TwoUsers) -> Self {
        let mut isql = users.isql().stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (isql.stdin.take().unwrap(), BufReader::new(isql.stdout.take().unwrap()));
        Self { isql, input, output, asked: 0 }
    }

    /// The one value of a query.
    ///
    /// `isql` writes to a pipe only when it has a block of text: so the value is asked for often enough, with a mark in front.
    fn read(&mut self, query: &str) -> String {
        self.asked += 1;
        let mark = format!("#{}|", self.asked);
        let often = "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000) SELECT i FROM n)";
        writeln!(self.input, "SELECT '#{}', ({query}) FROM {often}", self.asked).unwrap();
        self.input.flush().unwrap();
        let mut line = String::new();
        while !line.starts_with(&mark) {
            line.clear();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "isql ended");
        }
        line.trim_end()[mark.len()..].to_owned()
    }
}

impl Drop for LastingReader {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.isql.kill();
        let _ = self.isql.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_views_are_read_when_the_agent_has_stopped() {
    let users = TwoUsers::new().await;
    assert!(users.read("SELECT 1").is_err(), "a database that is not there yet is not made by its reader");
    assert!(!users.phone.data().exists());
    users.pull();
    assert_eq!(users.read("SELECT sqlite_version()").unwrap(), ["3.34.1"]);
    users.read_all_views();
    users.pull();
    users.phone.verify(&[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_views_are_read_while_the_agent_is_at_work() {
    let users = TwoUsers::new().await;
    users.pull();
    // All is to be shown and fetched once more, and that takes a while.
    users.phone.mirror().execute_batch("UPDATE entity SET is_shown = 0").unwrap();
    for sound in users.phone.audio() {
        fs::remove_file(sound).unwrap();
    }
    users.link.take_seen();
    users.link.fail("/v1/blobs/", usize::MAX, Fault::Throttle(2000));
    let mut agent = users.agent(&["pull"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until("the agent fetches", || users.link.take_seen().iter().any(|seen| seen.path.starts_with("/v1/blobs/")));
    users.read_all_views();
    assert!(agent.try_wait().unwrap().is_none(), "the agent is still at work");
    agent.kill().unwrap();
    agent.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_views_are_read_after_the_agent_was_killed() {
    let users = TwoUsers::new().await;
    users.pull();
    users.phone.mirror().execute_batch("UPDATE entity SET is_shown = 0").unwrap();
    fs::remove_file(&users.phone.audio()[0]).unwrap();
    users.link.take_seen();
    users.link.fail("/v1/blobs/", usize::MAX, Fault::Stall);
    let mut agent = users.agent(&["pull"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until("the agent fetches", || users.link.take_seen().iter().any(|seen| seen.path.starts_with("/v1/blobs/")));
    agent.kill().unwrap();
    agent.wait().unwrap();
    assert!(users.phone.data().join("mirror.db-wal").metadata().unwrap().len() > 0, "what was committed is in the log");
    users.read_all_views();
    users.link.heal();
    users.pull();
    users.read_all_views();
    users.phone.verify(&[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_was_there_first_sees_what_the_agent_commits_and_does_not_hold_it_up() {
    let users = TwoUsers::new().await;
    users.pull();
    for suffix in ["-wal", "-shm"] {
        assert!(
            !Path::new(&format!("{}{suffix}", users.phone.data().join("mirror.db"))).exists(),
            "the agent tidied up"
        );
    }
    let mut reader = LastingReader::of(&users);
    let count = "SELECT count(*) FROM phone_program";
    assert_eq!(reader.read(count), ALL_PROGRAMS.to_string());
    let mode = |suffix: &str| {
        use std::os::unix::fs::MetadataExt;
        let made = fs::metadata(format!("{}{suffix}", users.phone.data().join("mirror.db"))).unwrap();
        (made.uid(), made.gid(), made.mode() & 0o777)
    };
    assert_eq!(mode("-shm"), (ASTERISK, GROUP, 0o660), "the reader made it, and the agent may use it");
    // Others commit beside the open reader: first something is gone, then the agent brings it back.
    let emptied =
        "BEGIN; UPDATE entity SET is_shown = 0 WHERE kind = 'program'; DELETE FROM shown WHERE kind = 'program';
                   DELETE FROM program; DELETE FROM program_category; COMMIT;";
    users.phone.mirror().execute_batch(emptied).unwrap();
    assert_eq!(reader.read(count), "0");
    users.pull();
    assert_eq!(reader.read(count), ALL_PROGRAMS.to_string());
    drop(reader);
    users.read_all_views();
    users.phone.verify(&[]);
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < patience, "it never came about that {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
