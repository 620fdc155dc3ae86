//! The agent that stays: it hears of changes at once, is told to stop, and stops whole.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::DrupalSite;
use crate::harness::gateway::{ALL_PROGRAMS, Gateway};
use crate::harness::phone::Phone;

pub(crate) struct Running(pub(super) Child);

impl Running {
    pub(crate) fn of(phone: &Phone) -> Self {
        Self(phone.start(&["run"]).unwrap())
    }

    /// One that finds these programs before those of the host.
    pub(crate) fn with_programs(phone: &Phone, programs: &Path) -> Self {
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
        let mut command = phone.command(&["run"]);
        Self(command.env("PATH", path).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// Tells it to stop, and says how it ended.
    pub(super) fn stop(mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
        self.0.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // After a stop there is nothing to kill.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(90);
    while !holds() {
        assert!(Instant::now() < patience, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn programs(phone: &Phone) -> u32 {
    if !phone.data().join("mirror.db").exists() {
        return 0;
    }
    phone.mirror().query_row("SELECT count(*) FROM phone_program", [], |row| row.get(0)).unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_on_the_site_is_on_the_phone_long_before_the_clock_says_so() {
    let site = DrupalSite::new().configure("[drupal]\nrefresh_seconds = 1\nsettle_ms = 100").build().await;
    let gateway = Gateway::of(&site, ALL_PROGRAMS);
    let phone = Phone::of(&format!("http://{}", gateway.address));
    phone.configure(&format!("http://{}", gateway.address), "pull_seconds = 86400\n");
    let socket = phone.path().join("notify");
    let notified = UnixDatagram::bind(&socket).unwrap();
    notified.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let run = Running(phone.command(&["run"]).env("NOTIFY_SOCKET", &socket).spawn().unwrap());
    let mut word = [0; 64];
    let length = notified.recv(&mut word).unwrap();
    assert!(word[..length].starts_with(b"READY=1"));
    until("the first pull is done", || programs(&phone) == ALL_PROGRAMS);
    site.sql("UPDATE {node} SET title = 'Another title', changed = changed + 1 WHERE nid = 165").await;
    until("the new title is on the phone", || {
        phone.value::<String>("SELECT title FROM phone_program WHERE id = 165") == "Another title"
    });
    assert_eq!(run.stop(), Some(0));
    phone.verify(&[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_link_it_stays_and_ends_when_it_is_told_to() {
    let phone = Phone::of("http://127.0.0.1:9");
    let run = Running::of(&phone);
    until("the databases are there", || {
        phone.data().join("mirror.db").exists() && phone.data().join("calls.db").exists()
    });
    assert_eq!(run.stop(), Some(0));
}
