//! The agent that stays sends what callers left as soon as they hung up, and syncs when it is told to, by XML-RPC.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use super::pushing::{Office, message, title};
use super::running::{Running, until};
use crate::harness::free_address;

/// Opens the hook.
fn with_a_hook(office: &Office) -> SocketAddr {
    let address = free_address();
    fs::write(office.phone.path().join("sms.token"), "secret-token\n").unwrap();
    let more = format!(
        "pull_seconds = 86400\n[hook]\nlisten = \"{address}\"\ntoken_file = \"sms.token\"\ncountry_code = \"221\"\n"
    );
    office.phone.configure(&office.link.url(), &more);
    address
}

fn python(script: &str) -> String {
    let ran = Command::new("python3").args(["-c", script]).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8_lossy(&ran.stdout).trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_caller_left_is_at_the_gateway_as_soon_as_the_row_is_done() {
    let office = Office::new().await;
    office.phone.configure(&office.link.url(), "pull_seconds = 86400\n");
    let socket = office.phone.path().join("notify");
    let notified = UnixDatagram::bind(&socket).unwrap();
    notified.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let command = office.phone.command(&["run"]).env("NOTIFY_SOCKET", &socket).env("WATCHDOG_USEC", "3000000").spawn();
    let run = Running(command.unwrap());
    let hears = |wanted: &str| {
        until(&format!("the service manager hears {wanted}"), || {
            let mut word = [0; 4096];
            let length = notified.recv(&mut word).unwrap();
            String::from_utf8_lossy(&word[..length]).contains(wanted)
        });
    };
    for wanted in ["READY=1", "WATCHDOG=1", "0 recordings and 0 call records wait"] {
        hears(wanted);
    }
    for number in 1..=2 {
        let uuid = office.leaves(number, Some(&title()), &message());
        let delivered = || {
            let state = "SELECT count(*) FROM delivery WHERE uuid = ?1 AND state = 'confirmed'";
            office.calls().query_row(state, [&uuid], |row| row.get::<_, i64>(0)).unwrap() == 1
        };
        until("it is confirmed", delivered);
    }
    assert_eq!(office.kept().await.len(), 2);
    assert_eq!(run.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn pythons_client_makes_it_pull_and_push_at_once() {
    let office = Office::new().await;
    let address = with_a_hook(&office);
    let pushed_at = || -> String {
        let query = "SELECT value FROM meta WHERE name = 'pushed_at'";
        office.calls().query_row(query, [], |row| row.get(0)).unwrap()
    };
    let before = pushed_at();
    let _run = Running::of(&office.phone);
    until("its first push ended", || pushed_at() != before);
    // Once nothing is left to do, it waits for the feed.
    until("it waits for changes", || office.link.take_seen().iter().any(|seen| seen.path.contains("wait=")));
    let proxy = |who: &str| format!("import xmlrpc.client as x\np = x.ServerProxy('http://{who}@{address}/xmlrpc')\n");
    let methods = python(&(proxy("sync:secret-token") + "print(p.system.listMethods())"));
    assert!(methods.contains("audiospread.sync") && methods.contains("system.listMethods"), "{methods}");
    assert!(
        !office.link.take_seen().iter().any(|seen| seen.path.contains("/v1/feed")),
        "asking for names pulls nothing"
    );
    let refused =
        python(&(proxy("sync:wrong") + "try:\n  p.audiospread.sync()\nexcept x.Fault as f:\n  print(f.faultCode)"));
    assert_eq!(refused, "401");
    // By its clock it would push tomorrow.
    let before = pushed_at();
    assert_eq!(python(&(proxy("sync:secret-token") + "print(p.audiospread.sync())")), "1");
    let pulls = |seen: &crate::harness::proxy::Seen| seen.path.contains("since=") && !seen.path.contains("wait=");
    until("it pulls", || office.link.take_seen().iter().any(pulls));
    until("it pushes, though nothing is new", || pushed_at() != before);
    let unknown =
        python(&(proxy("sync:secret-token") + "try:\n  p.no.such()\nexcept x.Fault as f:\n  print(f.faultCode)"));
    assert_eq!(unknown, "-32601");
}
