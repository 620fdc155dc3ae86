//! A phone server as callers know it: a private Asterisk with the shipped configuration and a mirror that the agent pulled, and the lines
//! that lead to it. Callers are real ones: what they hear and press goes over SIP and RTP.

use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use audiospread_caller::{Codec, Line, Sound};
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::caller::Caller;
use super::gateway::Gateway;
use super::phone::Phone;

/// The number of the phone server.
pub(crate) const RADIO: &str = "700";

/// The trunk that has no way to send texts: the agent sends its answers.
pub(crate) const SENDS_NO_TEXTS: &str = "ulaw";

/// Nothing that a test waits for takes longer on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for the end of the test or of the tests' process, and ends Asterisk with it.
const GUARD: &str = r#"
trap '' INT TERM HUP
cat >/dev/null
"$1" kill "$2"
rm -rf "$2"
"#;

/// What is shorter in tests than on a phone server, and what is allowed that a fresh one does not allow.
const SETTINGS: &[&str] = &[
    "AS_CALLBACK_PREFIXES=+221",
    "AS_CALLBACK_DELAY=1",
    "AS_CALLBACK_RETRY_AFTER=1",
    "AS_PUBLIC_NUMBER=700",
    "AS_MENU_WAIT=3",
];

/// A phone server, its mirror, and its lines.
pub(crate) struct Switchboard {
    /// Stops Asterisk when the pipe to its standard input closes.
    guard: Child,
    directory: TempDir,
    suite: String,
    settings: Vec<String>,
    /// The agent's side.
    pub(crate) phone: Phone,
    /// The lines by the trunk's name.
    lines: Vec<(&'static str, Line)>,
}

impl Switchboard {
    /// The phone server of the fixture's site, for tests that change nothing of what others hear: each with a number of its own.
    pub(crate) async fn shared() -> &'static Self {
        static SHARED: OnceCell<Switchboard> = OnceCell::const_new();
        SHARED
            .get_or_init(|| async {
                let (_, gateway) = Gateway::shared().await;
                let phone = Phone::with_packs(&gateway.url());
                phone.pull();
                Self::of(phone, &[])
            })
            .await
    }

    /// A phone server of a test's own.
    pub(crate) fn of(phone: Phone, settings: &[&str]) -> Self {
        static SWITCHBOARDS: AtomicU32 = AtomicU32::new(1);
        let suite = std::env::var("AUDIOSPREAD_ASTERISK").unwrap_or_else(|_| "sid".to_owned());
        let directory = tempfile::Builder::new().prefix("audiospread-asterisk-").tempdir().unwrap();
        let guard = Command::new("sh")
            .args(["-c", GUARD, "sh", script().to_str().unwrap()])
            .arg(directory.path())
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        // A trunk is known by the IP it calls from: each has one of its own, and each switchboard other ones.
        let number = SWITCHBOARDS.fetch_add(1, Ordering::Relaxed);
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let settings = SETTINGS.iter().chain(settings).map(|setting| (*setting).to_owned()).collect();
        fs::create_dir_all(phone.data().join("recordings")).unwrap();
        let mut switchboard = Self { guard, directory, suite, settings, phone, lines: Vec::new() };
        let server = switchboard.reserve();
        for (place, trunk, codec) in [(0, "alaw", Codec::Alaw), (1, "ulaw", Codec::Ulaw)] {
            let place = u8::try_from(number * 2 + place).unwrap();
            let ip = IpAddr::V4(Ipv4Addr::new(127, 1 + (high & 0x7f), low, place));
            switchboard.lines.push((trunk, Line::open(ip, server, codec).unwrap()));
        }
        switchboard.start();
        switchboard
    }

    /// Chooses the port before Asterisk is there: the lines want to know it.
    fn reserve(&self) -> SocketAddr {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        fs::write(self.directory.path().join("port"), format!("{}\n", address.port())).unwrap();
        address
    }

    /// Starts Asterisk, after [`Self::kill`] too. One at a time: several at once take the machine from those who are telephoning.
    pub(crate) fn start(&self) {
        static STARTING: Mutex<()> = Mutex::new(());
        let _starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        let mut command = Command::new(script());
        command
            .arg("start")
            .arg(self.directory.path())
            .args(["--suite", &self.suite])
            .arg("--data")
            .arg(self.phone.data());
        for setting in &self.settings {
            command.args(["--set", setting]);
        }
        for (name, line) in &self.lines {
            command.args(["--trunk", &format!("{name}={}", line.address())]);
        }
        command.args(["--without-text", SENDS_NO_TEXTS]);
        done(&command.output().unwrap());
    }

    /// Kills Asterisk as a power cut does.
    pub(crate) fn kill(&self) {
        done(&Command::new(script()).arg("kill").arg(self.directory.path()).output().unwrap());
    }

    /// A command of Asterisk's console: what it says.
    pub(crate) fn console(&self, command: &str) -> String {
        let ran = Command::new(script()).arg("rx").arg(self.directory.path()).arg(command).output().unwrap();
        String::from_utf8_lossy(&ran.stdout).into_owned()
    }

    /// A file of this Asterisk's own directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// One of the lines.
    pub(crate) fn line(&self, trunk: &str) -> &Line {
        &self.lines.iter().find(|(name, _)| *name == trunk).unwrap().1
    }

    /// Somebody calls the radio; `from` is the number as the trunk writes it, empty if it is withheld.
    pub(crate) fn call(&self, from: &str) -> Caller {
        self.call_to(from, RADIO)
    }

    /// Somebody calls another of the radio's numbers.
    pub(crate) fn call_to(&self, from: &str, to: &str) -> Caller {
        Caller::of(self.line("alaw").dial(from, to).unwrap(), from)
    }

    /// Somebody calls the radio whose number the carrier sends, and restricts.
    pub(crate) fn call_restricted(&self, from: &str) -> Caller {
        Caller::of(self.line("alaw").dial_restricted(from, RADIO).unwrap(), from)
    }

    /// Somebody calls the radio, and it answers.
    pub(crate) fn answered(&self, from: &str) -> Caller {
        let caller = self.call(from);
        caller.is_answered();
        caller
    }

    /// Waits until the radio calls a number, and answers.
    pub(crate) fn is_called_back(&self, number: &str) -> Caller {
        let ringing = self.line("alaw").wait_for_ring(number, PATIENCE).unwrap_or_else(|error| {
            panic!("{error}; the log ends:\n{}", self.log_end());
        });
        Caller::of(ringing.answer().unwrap(), number)
    }

    /// What a modem's driver hands over, in variables and on a channel of its own that begins at an extension of the trunk's.
    pub(crate) fn starts_from_a_modem(&self, extension: &str, number: &str, variables: &[(&str, &str)]) {
        let mut file = format!(
            "Channel: Local/{extension}@audiospread-trunk-alaw/n\nCallerID: <{number}>\nApplication: NoOp\nMaxRetries: 0\n"
        );
        for (name, value) in variables {
            writeln!(file, "Setvar: {name}={value}").unwrap();
        }
        let name = format!("modem-{extension}-{}.call", number.trim_start_matches('+'));
        let aside = self.path(&format!("spool/tmp/{name}"));
        fs::write(&aside, file).unwrap();
        fs::rename(aside, self.path(&format!("spool/outgoing/{name}"))).unwrap();
    }

    /// The call files that Asterisk has not done with.
    pub(crate) fn spooled(&self) -> Vec<String> {
        let files = fs::read_dir(self.path("spool/outgoing")).unwrap();
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// A sound of the mirror by its name below the store: the bytes that the site published, or, where they did not travel because the pack
    /// is installed here, what was made of them for Asterisk.
    pub(crate) fn sound(&self, name: &str) -> Sound {
        let file = ["audio", "phone"].into_iter().find_map(|store| {
            let stem = self.phone.data().join(store).join(name);
            let files = stem.parent()?.read_dir_utf8().ok()?;
            let mut paths = files.map(|entry| entry.unwrap().into_path());
            paths.find(|path| path.file_stem() == stem.file_name())
        });
        Sound::read(file.unwrap_or_else(|| panic!("{name} is not in the store"))).unwrap()
    }

    /// What a prompt says, as the mirror resolved it.
    pub(crate) fn prompt(&self, context: &str, key: &str, language: &str) -> Sound {
        let name: String = self.phone.value(&format!(
            "SELECT sound FROM phone_prompt WHERE context = '{context}' AND key = '{key}' AND language = '{language}'"
        ));
        self.sound(&name)
    }

    /// The title of a program.
    pub(crate) fn title(&self, program: u32) -> Sound {
        let name: String = self.phone.value(&format!("SELECT title_sound FROM phone_program WHERE id = {program}"));
        self.sound(&name)
    }

    /// The title of a category.
    pub(crate) fn category(&self, id: u32, language: &str) -> Sound {
        let name: String = self.phone.value(&format!(
            "SELECT title_sound FROM phone_category_sound WHERE category_id = {id} AND language = '{language}'"
        ));
        self.sound(&name)
    }

    /// What happened, as the dialplan wrote it down.
    pub(crate) fn calls(&self) -> Connection {
        let path = self.phone.data().join("calls.db");
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
        connection.busy_timeout(PATIENCE).unwrap();
        connection
    }

    /// Waits until a query on calls.db has a row, and returns its first column.
    pub(crate) fn written<T: rusqlite::types::FromSql>(&self, query: &str) -> T {
        let deadline = Instant::now() + PATIENCE;
        let calls = self.calls();
        loop {
            match calls.query_row(query, [], |row| row.get(0)) {
                Ok(value) => return value,
                Err(rusqlite::Error::QueryReturnedNoRows) => {}
                Err(error) => panic!("{error}: {query}"),
            }
            assert!(Instant::now() < deadline, "nothing was written: {query}; the log ends:\n{}", self.log_end());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The end of Asterisk's log, for whoever looks for a fault.
    pub(crate) fn log_end(&self) -> String {
        let log = fs::read_to_string(self.directory.path().join("log/full")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Switchboard {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

fn script() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scripts/asterisk/private")
}

fn done(ran: &Output) {
    assert!(ran.status.success(), "{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
}
