//! The doctor of a phone server, beside a real Asterisk and a real gateway: it finds what is wrong, and says in one sentence what to do.

use std::fs::{self, Permissions};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::agent::running::{Running, until};
use crate::harness::free_address;
use crate::harness::gateway::{Gateway, WITHOUT_FEED, WITHOUT_SUBSCRIBERS};
use crate::harness::phone::Phone;
use crate::harness::proxy::{Fault, Proxy};
use crate::harness::said::Said;
use crate::harness::switchboard::Switchboard;

/// A phone server that a test spoils.
struct Host {
    board: Switchboard,
    link: Proxy,
    config: toml::Table,
}

impl Host {
    async fn new() -> Self {
        let (_, gateway) = Gateway::shared().await;
        let link = Proxy::before(gateway.address);
        let phone = Phone::with_packs(&link.url());
        phone.pull();
        fs::set_permissions(phone.path().join("token"), Permissions::from_mode(0o640)).unwrap();
        let board = Switchboard::of(phone, &[]);
        let mut config: toml::Table =
            fs::read_to_string(board.phone.path().join("agent.toml")).unwrap().parse().unwrap();
        config.insert("data_dir".into(), "data".into());
        let console = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/asterisk/private");
        let console = [console, "rx", board.path("").to_str().unwrap()].map(toml::Value::from);
        let outgoing = board.path("spool/outgoing").to_str().unwrap().to_owned();
        let asterisk = toml::toml! { command = [] outgoing = "" };
        config.insert("asterisk".into(), asterisk.into());
        // The release's own isql, as it is installed on a host.
        let isql = board.phone.path().join("bin/isql");
        fs::create_dir(isql.parent().unwrap()).unwrap();
        let release = fs::read_to_string(board.path("release")).unwrap();
        fs::write(&isql, format!("#!/bin/sh\nexec {}/run isql \"$@\"\n", release.trim())).unwrap();
        fs::set_permissions(&isql, Permissions::from_mode(0o755)).unwrap();
        let mut host = Self { board, link, config };
        host.set("asterisk", "command", console.to_vec());
        host.set("asterisk", "outgoing", outgoing);
        host
    }

    fn set(&mut self, section: &str, name: &str, value: impl Into<toml::Value>) {
        let table = match section {
            "" => &mut self.config,
            section => {
                let section = self.config.entry(section).or_insert_with(|| toml::Table::new().into());
                section.as_table_mut().unwrap()
            }
        };
        table.insert(name.into(), value.into());
    }

    fn doctor(&self, arguments: &[&str]) -> Command {
        let path = self.board.phone.path().join("agent.toml");
        fs::write(path, toml::to_string(&self.config).unwrap()).unwrap();
        let mut doctor = self.board.phone.command(&[&["doctor"], arguments].concat());
        let programs = std::env::var("PATH").unwrap();
        doctor.env("PATH", format!("{}:{programs}", self.board.phone.path().join("bin")));
        doctor.env("ODBCSYSINI", self.board.path("etc")).env("ODBCINI", self.board.path("etc/odbc.ini"));
        doctor
    }

    fn examine(&self) -> Said {
        Said::read(self.doctor(&["--json"]).output().unwrap())
    }

    /// With another value of a setting, which is then what it was.
    fn with(&mut self, section: &str, name: &str, value: impl Into<toml::Value>) -> Said {
        let before = self.config.clone();
        self.set(section, name, value);
        let said = self.examine();
        self.config = before;
        said
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_server_where_all_is_well_gets_no_complaint() {
    let mut host = Host::new().await;
    host.set("hook", "listen", free_address().to_string());
    host.set("hook", "token_file", "token");
    host.set("hook", "country_code", "221");
    let said = host.examine();
    let complaints = [said.complaints("bad"), said.complaints("doubtful")].concat();
    assert!(complaints.is_empty(), "{complaints:#?}");
    assert_eq!(said.code, Some(0), "{}", said.err);
    let looked_at: Vec<&str> = said.checks.iter().map(|check| check["what"].as_str().unwrap()).collect();
    let all = [
        "configuration",
        "token",
        "gateway",
        "scopes",
        "clock",
        "data directory",
        "mirror.db",
        "calls.db",
        "free space",
        "language packs",
        "lame",
        "ODBC",
        "Asterisk",
        "modules",
        "menus",
        "lookups",
        "silence",
        "spool",
        "hook",
    ];
    assert_eq!(looked_at, all);
    let text = String::from_utf8(host.doctor(&[]).output().unwrap().stdout).unwrap();
    assert!(text.lines().count() == all.len() && text.lines().all(|line| line.starts_with("good")), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_between_a_phone_server_and_its_gateway_is_told() {
    let mut host = Host::new().await;
    host.with("", "gateway", "http://127.0.0.1:9/").complains("bad", &["gateway", "cannot be reached"]);
    host.link.fail("/v1/status", 1, Fault::Login);
    host.examine().complains("bad", &["gateway", "is the address right"]);
    host.link.fail("/v1/status", 1, Fault::Date("Wed, 02 Mar 2011 10:00:00 GMT"));
    host.examine().complains("doubtful", &["clock", "timedatectl"]);
    let token = |host: &Host, token: &str| fs::write(host.board.phone.path().join("token"), token).unwrap();
    token(&host, "another");
    host.examine().complains("bad", &["scopes", "refuses this host's token"]);
    token(&host, WITHOUT_FEED);
    host.examine().complains("bad", &["scopes", "`feed`"]);
    token(&host, WITHOUT_SUBSCRIBERS);
    host.examine().complains("bad", &["scopes", "recordings, calls"]);
    token(&host, "two words");
    host.examine().complains("bad", &["token", "letters, digits"]);
    host.with("", "token_file", "nowhere").complains("bad", &["token", "nowhere"]);
    token(&host, crate::harness::gateway::EVERYTHING);
    fs::set_permissions(host.board.phone.path().join("token"), Permissions::from_mode(0o644)).unwrap();
    host.examine().complains("doubtful", &["token", "chmod 640"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_phone_servers_files_and_programs_is_told() {
    let mut host = Host::new().await;
    let data = host.board.phone.data();
    let mode = |name: &str, mode: u32| fs::set_permissions(data.join(name), Permissions::from_mode(mode)).unwrap();
    mode("calls.db", 0o600);
    host.examine().complains("bad", &["calls.db", "600", "chmod 660"]);
    mode("calls.db", 0o660);
    mode("", 0o750);
    host.examine().complains("bad", &["data directory", "chmod 2770"]);
    mode("", 0o2777);
    host.examine().complains("doubtful", &["data directory", "chmod 2770"]);
    mode("", 0o2770);
    host.with("", "group", "no-such-group").complains("bad", &["data directory", "groupadd --system no-such-group"]);
    host.with("", "group", "47110").complains("bad", &["data directory", "chgrp 47110"]);
    host.with("", "data_dir", "nowhere").complains("bad", &["data directory", "nowhere", "audiospread pull"]);
    host.with("", "keep_free", 1_i64 << 60).complains("bad", &["free space", "keep_free"]);
    let mirror = host.board.phone.mirror();
    let schema: i64 = mirror.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    mirror.pragma_update(None, "user_version", 1).unwrap();
    host.examine().complains("doubtful", &["mirror.db", "schema 1", "audiospread pull"]);
    mirror.pragma_update(None, "user_version", 1000).unwrap();
    host.examine().complains("bad", &["mirror.db", "install the newer program"]);
    mirror.pragma_update(None, "user_version", schema).unwrap();

    host.with("", "packs_dir", "nowhere").complains("bad", &["language packs", "nowhere"]);
    host.with("", "packs_dir", "data/recordings").complains("bad", &["language packs", "there is none"]);
    let kept = data.join("packs/en");
    fs::rename(&kept, data.join("en")).unwrap();
    host.examine().complains("doubtful", &["language packs", "audiospread pull"]);
    fs::rename(data.join("en"), &kept).unwrap();
    host.with("push", "encoder", "no-such-lame").complains("bad", &["lame", "apt install lame"]);
    host.with("push", "encoder", "true").complains("bad", &["lame", "makes no mp3"]);
    fs::write(host.board.path("etc/odbc.ini"), "").unwrap();
    host.examine().complains("bad", &["ODBC", "libsqliteodbc unixodbc"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_asterisk_is_told() {
    let mut host = Host::new().await;
    host.board.console("dialplan remove context audiospread-trunk-alaw");
    host.board.console("dialplan remove context audiospread-trunk-ulaw");
    host.examine().complains("doubtful", &["menus", "no trunk"]);
    host.board.console("dialplan remove context audiospread-home");
    host.examine().complains("bad", &["menus", "scripts/asterisk/install"]);
    host.board.console("dialplan reload");
    host.board.console("module unload app_read.so");
    host.examine().complains("bad", &["modules", "app_read.so", "module load"]);
    host.board.console("module load app_read.so");
    let data = host.board.phone.data();
    // Asterisk keeps what it has open; so it looks for a file that is not there only when it begins.
    host.board.kill();
    host.examine().complains("bad", &["Asterisk", "start it"]);
    fs::rename(data.join("calls.db"), data.join("away.db")).unwrap();
    host.board.start();
    let said = host.examine();
    assert!(said.complaints("bad").iter().any(|told| told.starts_with("lookups")), "{:#?}", said.complaints("bad"));
    fs::rename(data.join("away.db"), data.join("calls.db")).unwrap();
    until("Asterisk finds the database again", || host.examine().complaints("bad").is_empty());
    let nowhere = vec![toml::Value::from("no-such-asterisk")];
    host.with("asterisk", "command", nowhere).complains("bad", &["Asterisk", "apt-get install asterisk"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hook_is_free_or_held_by_the_agent() {
    let mut host = Host::new().await;
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    host.set("hook", "listen", address.to_string());
    host.set("hook", "token_file", "token");
    host.set("hook", "country_code", "221");
    host.examine().complains("bad", &["hook", "another program", "listen"]);
    drop(socket);
    host.with("asterisk", "outgoing", "nowhere").complains("bad", &["spool", "outgoing in [asterisk]"]);
    host.with("hook", "listen", "192.0.2.1:80").complains("bad", &["hook", "192.0.2.1"]);
    host.examine();
    let _run = Running::of(&host.board.phone);
    until("the hook listens", || TcpStream::connect(address).is_ok());
    let good = host.examine().complaints("good");
    assert!(good.iter().any(|good| good.starts_with("hook: `audiospread run` answers")), "{good:#?}");
}

/// Somebody else than the agent's user gets no false alarm of what he may not see.
#[tokio::test(flavor = "multi_thread")]
async fn what_another_user_may_not_look_at_is_doubtful() {
    const NOBODY: u32 = 65_534;
    assert!(rustix::process::geteuid().is_root(), "only root can be somebody else: run the tests as root");
    let host = Host::new().await;
    for path in [host.board.phone.path().as_std_path(), &host.board.path("")] {
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }
    fs::set_permissions(host.board.phone.path().join("token"), Permissions::from_mode(0o644)).unwrap();
    let mut doctor = host.doctor(&["--json"]);
    // Written by then, and for him to read.
    fs::set_permissions(host.board.phone.path().join("agent.toml"), Permissions::from_mode(0o644)).unwrap();
    let said = Said::read(doctor.uid(NOBODY).gid(NOBODY).output().unwrap());
    assert_eq!(said.complaints("bad"), Vec::<String>::new());
    let doubtful = said.complaints("doubtful");
    for word in ["data directory", "Asterisk: Asterisk does not answer"] {
        assert!(doubtful.iter().any(|told| told.starts_with(word)), "{word}: {doubtful:#?}");
    }
}
