//! A phone server: the agent's real program, with a data directory of its own.

use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;
use std::{fs, io};

use camino::{Utf8Path, Utf8PathBuf};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use tempfile::TempDir;

use super::gateway::EVERYTHING;

/// A phone server of a test's own.
pub(crate) struct Phone {
    directory: TempDir,
}

impl Phone {
    /// A phone server that reaches its gateway at `url`, with the token that may do everything.
    pub(crate) fn of(url: &str) -> Self {
        let phone = Self { directory: tempfile::Builder::new().prefix("audiospread-phone-").tempdir().unwrap() };
        phone.use_token(EVERYTHING);
        phone.configure(url, "");
        phone
    }

    /// One on which the language packs are installed, as on every real one.
    pub(crate) fn with_packs(url: &str) -> Self {
        let phone = Self::of(url);
        phone.configure(url, &format!("packs_dir = \"{}/scripts/asterisk/packs\"\n", env!("CARGO_MANIFEST_DIR")));
        phone
    }

    /// Writes the configuration anew, with more settings.
    pub(crate) fn configure(&self, url: &str, more: &str) {
        let text = format!(
            "gateway = \"{url}\"\ntoken_file = \"token\"\ndata_dir = \"data\"\nidle_seconds = 5\nkeep_free = 0\n{more}"
        );
        fs::write(self.path().join("agent.toml"), text).unwrap();
    }

    pub(crate) fn use_token(&self, token: &str) {
        fs::write(self.path().join("token"), format!("{token}\n")).unwrap();
    }

    pub(crate) fn path(&self) -> &Utf8Path {
        Utf8Path::from_path(self.directory.path()).unwrap()
    }

    pub(crate) fn data(&self) -> Utf8PathBuf {
        self.path().join("data")
    }

    /// A command of the agent, not run yet.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_audiospread"));
        command.args(arguments).args(["--config", self.path().join("agent.toml").as_str()]).stdin(Stdio::null());
        for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            command.env_remove(name);
        }
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran(self.command(arguments).output().unwrap())
    }

    /// Starts a command that the test ends.
    pub(crate) fn start(&self, arguments: &[&str]) -> io::Result<Child> {
        self.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
    }

    /// Pulls, and fails unless that brings everything. A phone server that has nothing yet is given the phone sounds that another one has
    /// made: they are the same, and making them is most of the work.
    pub(crate) fn pull(&self) -> Value {
        static MAKING: Mutex<()> = Mutex::new(());
        if self.data().exists() {
            return self.pull_alone();
        }
        let making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
        let made = self.made_sounds();
        if made.exists() {
            drop(making);
            copy(&made, &self.data());
            return self.pull_alone();
        }
        let report = self.pull_alone();
        let fresh = made.with_extension("new");
        fs::remove_dir_all(&fresh).or_else(nothing_there).unwrap();
        for kind in ["phone", "packs"].into_iter().filter(|kind| self.data().join(kind).exists()) {
            copy(&self.data().join(kind), &fresh.join(kind));
        }
        fs::rename(&fresh, &made).unwrap();
        report
    }

    /// Where the phone sounds are that this build of the agent makes of the fixture's sounds, and of the packs where they are installed.
    fn made_sounds(&self) -> Utf8PathBuf {
        let built = fs::metadata(env!("CARGO_BIN_EXE_audiospread")).unwrap().modified().unwrap();
        let built = built.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
        let has_packs = fs::read_to_string(self.path().join("agent.toml")).unwrap().contains("packs_dir");
        let name = format!("phone-sounds{}-{built}", if has_packs { "-and-packs" } else { "" });
        Utf8PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
    }

    /// Pulls and makes every sound, and fails unless that brings everything.
    pub(crate) fn pull_alone(&self) -> Value {
        let ran = self.run(&["pull", "--json"]);
        assert_eq!(ran.code(), 0, "{ran}");
        ran.last_line()
    }

    /// Fails unless mirror, store and gateway are equal.
    pub(crate) fn verify(&self, arguments: &[&str]) -> Value {
        let ran = self.run(&[&["verify", "--json"], arguments].concat());
        assert_eq!(ran.code(), 0, "{ran}");
        ran.last_line()
    }

    /// The mirror, as another program reads it.
    pub(crate) fn mirror(&self) -> Connection {
        Connection::open_with_flags(self.data().join("mirror.db"), OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap()
    }

    /// The first column of the first row of a query on the mirror.
    pub(crate) fn value<T: rusqlite::types::FromSql>(&self, query: &str) -> T {
        self.mirror().query_row(query, [], |row| row.get(0)).unwrap()
    }

    /// The sounds that Asterisk plays.
    pub(crate) fn phone_sounds(&self) -> Vec<Utf8PathBuf> {
        files_below(&self.data().join("phone"))
    }

    /// The files of the audio store.
    pub(crate) fn audio(&self) -> Vec<Utf8PathBuf> {
        files_below(&self.data().join("audio"))
    }
}

fn nothing_there(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

fn copy(from: &Utf8Path, to: &Utf8Path) {
    fs::create_dir_all(to).unwrap();
    assert!(Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status().unwrap().success());
}

/// All files below a directory; none if it is not there.
pub(crate) fn files_below(directory: &Utf8Path) -> Vec<Utf8PathBuf> {
    let Ok(entries) = directory.read_dir_utf8() else { return Vec::new() };
    entries
        .flatten()
        .flat_map(
            |entry| {
                if entry.file_type().unwrap().is_dir() { files_below(entry.path()) } else { vec![entry.into_path()] }
            },
        )
        .collect()
}

/// A command that ended.
pub(crate) struct Ran(Output);

impl Ran {
    pub(crate) fn code(&self) -> i32 {
        self.0.status.code().unwrap_or(-1)
    }

    pub(crate) fn out(&self) -> String {
        String::from_utf8_lossy(&self.0.stdout).into_owned()
    }

    pub(crate) fn err(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    /// The lines of JSON that it wrote.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.out().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub(crate) fn last_line(&self) -> Value {
        self.lines().pop().unwrap_or_default()
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit {}\n{}\n{}", self.code(), self.out(), self.err())
    }
}
