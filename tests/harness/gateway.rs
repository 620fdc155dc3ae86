//! The gateway as a process of its own, for a site.

use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use audiospread_server::http::tokens::Token;
use camino::Utf8PathBuf;
use rustix::process::{Pid, Signal};
use tokio::sync::OnceCell;

use super::drupal_site::merge;
use super::{DrupalSite, free_address};

/// A gateway's process; killed when it is dropped, or when the tests' process ends.
pub(crate) struct Gateway {
    /// Runs the gateway until the pipe to its standard input closes.
    guard: Child,
    pub(crate) address: SocketAddr,
    /// The configuration it runs with.
    pub(crate) config: Utf8PathBuf,
}

/// Runs the gateway, waits for the end of the test or of the tests' process, kills the gateway, and removes what it is told to.
const GUARD: &str = r#"
trap '' INT TERM HUP
directory=$1
shift
"$@" &
gateway=$!
cat >/dev/null
kill -KILL "$gateway" 2>/dev/null
wait "$gateway"
code=$?
if [ -n "$directory" ]; then rm -rf "$directory"; fi
exit $code
"#;

/// The programs of the fixture's site.
pub(crate) const ALL_PROGRAMS: u32 = 60;

/// May do everything.
pub(crate) const EVERYTHING: &str = "everything-0123456789_ABCDEFGHIJKLMNOPQRSTUV";
/// May read the feed without subscribers, and sounds.
pub(crate) const WITHOUT_SUBSCRIBERS: &str = "no-subscribers-0123456789_ABCDEFGHIJKLMNOPQR";
/// May read nothing of the feed.
pub(crate) const WITHOUT_FEED: &str = "no-feed-0123456789_ABCDEFGHIJKLMNOPQRSTUVWXY";

impl Gateway {
    /// The fixture's site as it is with its gateway, for tests that change neither.
    pub(crate) async fn shared() -> &'static (DrupalSite, Self) {
        static SHARED: OnceCell<(DrupalSite, Gateway)> = OnceCell::const_new();
        SHARED
            .get_or_init(|| async {
                let site = DrupalSite::new().configure("[feed]\nsnapshot_seconds = 1").build().await;
                let gateway = Self::start(&site, "served", "", site.directory().as_str());
                gateway.wait_for(ALL_PROGRAMS);
                (site, gateway)
            })
            .await
    }

    /// Starts the gateway of a site, and waits until all that the site has is published.
    pub(crate) fn of(site: &DrupalSite, programs: u32) -> Self {
        let gateway = Self::start(site, "served", "", "");
        gateway.wait_for(programs);
        gateway
    }

    /// Starts one of several gateways of a site, with settings of its own, and waits for nothing.
    pub(crate) fn named(site: &DrupalSite, name: &str, settings: &str) -> Self {
        Self::start(site, name, &format!("data_dir = \"{}/data-{name}\"\n{settings}", site.directory()), "")
    }

    fn start(site: &DrupalSite, name: &str, settings: &str, remove: &str) -> Self {
        let address = free_address();
        write_tokens(site);
        let mut config: toml::Table = site.config_text().parse().unwrap();
        config.insert("listen".into(), address.to_string().into());
        merge(&mut config, settings.parse().unwrap());
        let path = site.directory().join(format!("{name}.toml"));
        fs::write(&path, toml::to_string(&config).unwrap()).unwrap();
        let log = fs::File::create(path.with_extension("log")).unwrap();
        let guard = Command::new("sh")
            .args(["-c", GUARD, "sh", remove, env!("CARGO_BIN_EXE_audiospread"), "serve", "--config", path.as_str()])
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap();
        Self { guard, address, config: path }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Tells it to stop, as the host does.
    pub(crate) fn stop(self) -> Stopping {
        let guard = self.guard.id();
        let children = fs::read_to_string(format!("/proc/{guard}/task/{guard}/children")).unwrap();
        let process = children.split(' ').next().and_then(|pid| Pid::from_raw(pid.parse().unwrap())).unwrap();
        rustix::process::kill_process(process, Signal::TERM).unwrap();
        Stopping { gateway: self, process }
    }

    /// Waits until so many programs are published, by this gateway's own feed.
    pub(crate) fn wait_for(&self, programs: u32) {
        let patience = Instant::now() + Duration::from_secs(120);
        loop {
            if TcpStream::connect(self.address).is_ok() && self.published() >= programs as usize {
                return;
            }
            assert!(Instant::now() < patience, "the gateway does not publish {programs} programs:\n{}", self.log());
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.config.with_extension("log")).unwrap_or_default()
    }

    /// How many programs the gateway publishes now.
    pub(crate) fn published(&self) -> usize {
        let listed = Command::new(env!("CARGO_BIN_EXE_audiospread"))
            .args(["feed", "--kind", "program", "--json", "--config", self.config.as_str()])
            .output()
            .unwrap();
        String::from_utf8_lossy(&listed.stdout).lines().count()
    }
}

/// A gateway that was told to stop.
pub(crate) struct Stopping {
    gateway: Gateway,
    process: Pid,
}

impl Stopping {
    /// Its exit code, once it has ended by itself.
    pub(crate) fn code(mut self) -> Option<i32> {
        let patience = Instant::now() + Duration::from_secs(60);
        let stat = format!("/proc/{}/stat", self.process.as_raw_nonzero());
        while fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
            assert!(Instant::now() < patience, "the gateway does not stop:\n{}", self.gateway.log());
            thread::sleep(Duration::from_millis(20));
        }
        drop(self.gateway.guard.stdin.take());
        self.gateway.guard.wait().unwrap().code()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        // The guard ends when the gateway is gone.
        let _ = self.guard.wait();
    }
}

fn write_tokens(site: &DrupalSite) {
    let tokens = [
        ("everything", EVERYTHING, r#""feed", "subscribers", "blobs", "recordings", "calls", "admin""#),
        ("without-subscribers", WITHOUT_SUBSCRIBERS, r#""feed", "blobs""#),
        ("without-feed", WITHOUT_FEED, r#""blobs""#),
    ];
    let text: Vec<String> = tokens
        .iter()
        .map(|(name, token, scopes)| {
            format!("[[token]]\nname = \"{name}\"\nsha256 = \"{}\"\nscopes = [{scopes}]\n", Token::hash(token))
        })
        .collect();
    fs::write(site.directory().join("tokens.toml"), text.concat()).unwrap();
}
