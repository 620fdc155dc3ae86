//! A private MariaDB on a Unix socket, one for nearly all tests of a process.
//!
//! It is started when the first test asks for it, and is gone with its directory when the process ends, however that ends.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use mysql_async::{Conn, Opts, OptsBuilder};

/// A running server.
pub(crate) struct Mariadb {
    directory: PathBuf,
    /// Its standard input is a pipe that only this process holds: when the process ends, the pipe closes and the guard cleans up.
    _guard: Child,
}

/// Runs the server, waits for the end of the tests' process, kills the server and removes its directory.
const GUARD: &str = r#"
trap '' INT TERM HUP
directory=$1
shift
"$@" &
server=$!
cat >/dev/null
kill -KILL "$server"
wait "$server"
rm -rf "$directory"
"#;

impl Mariadb {
    /// The server of this process.
    pub(crate) fn shared() -> &'static Self {
        static SERVER: OnceLock<Mariadb> = OnceLock::new();
        SERVER.get_or_init(Self::start)
    }

    /// Another server, for a test that changes what holds for a whole server; it is gone when it is dropped.
    pub(crate) fn another() -> Self {
        Self::start()
    }

    fn start() -> Self {
        use std::os::unix::process::CommandExt;

        let directory = tempfile::Builder::new().prefix("audiospread-mariadb-").tempdir_in(place()).unwrap().keep();
        let data = directory.join("data");
        let user = if rustix::process::geteuid().is_root() { vec!["--user=root"] } else { vec![] };
        let installed = Command::new("mariadb-install-db")
            .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", "--force"])
            .args(&user)
            .arg(format!("--datadir={}", data.display()))
            .output()
            .expect("mariadb-install-db: install the package mariadb-server");
        assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));

        let server = ["mariadbd", "/usr/sbin/mariadbd"]
            .into_iter()
            .find(|program| Command::new(program).arg("--version").output().is_ok())
            .expect("mariadbd: install the package mariadb-server");
        let socket = directory.join("socket");
        let mut guard = Command::new("sh");
        guard.args(["-c", GUARD, "sh"]).arg(&directory).arg(server).arg("--no-defaults").args(&user);
        guard.arg(format!("--datadir={}", data.display()));
        guard.arg(format!("--socket={}", socket.display()));
        guard.arg(format!("--pid-file={}", directory.join("pid").display()));
        guard.arg(format!("--log-error={}", directory.join("error.log").display()));
        guard.args([
            "--skip-networking",
            "--skip-log-bin",
            "--sql-mode=",
            "--character-set-server=utf8mb4",
            "--max-connections=500",
            "--max-allowed-packet=64M",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-doublewrite=0",
            "--sync-frm=0",
            "--innodb-buffer-pool-size=256M",
            "--innodb-log-file-size=64M",
            // A killed run leaves nothing behind to recover.
            "--innodb-flush-method=nosync",
        ]);
        let guard = guard.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let server = Self { _guard: guard.spawn().unwrap(), directory };
        server.wait_until_it_listens();
        server
    }

    fn wait_until_it_listens(&self) {
        let patience = Instant::now() + Duration::from_secs(60);
        while std::os::unix::net::UnixStream::connect(self.socket()).is_err() {
            assert!(
                Instant::now() < patience,
                "MariaDB does not start:\n{}",
                std::fs::read_to_string(self.directory.join("error.log")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The Unix socket it listens on.
    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.join("socket")
    }

    /// Where the server keeps its databases, a directory each.
    pub(crate) fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// How to connect as `root`, to no database.
    pub(crate) fn root(&self) -> Opts {
        OptsBuilder::default().socket(Some(path_text(&self.socket()))).user(Some("root")).into()
    }

    /// A connection as `root`; Drupal's: autocommit, no SQL mode, `SET NAMES utf8` as Drupal 6 says.
    pub(crate) async fn connect(&self, database: Option<&str>) -> Conn {
        let opts = OptsBuilder::from_opts(self.root()).db_name(database).setup(vec!["SET NAMES utf8"]);
        Conn::new(opts).await.unwrap()
    }
}

/// Memory where there is plenty: a table made on a disk is a row of syncs, and a site has 77 tables.
fn place() -> PathBuf {
    const PLENTY: u64 = 4 << 30;
    let memory = Path::new("/dev/shm");
    match rustix::fs::statvfs(memory) {
        Ok(found) if found.f_bavail * found.f_frsize > PLENTY => memory.to_owned(),
        _ => std::env::temp_dir(),
    }
}

fn path_text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}
