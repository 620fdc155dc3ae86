//! Killed at any moment, from outside: what is there is whole, and the next pull goes on.

use std::thread;
use std::time::{Duration, Instant};

use rand::Rng;

use super::phone_behind_a_link;
use crate::harness::DrupalSite;
use crate::harness::gateway::{ALL_PROGRAMS, Gateway};
use crate::harness::phone::Phone;
use crate::harness::proxy::{Fault, Proxy};

/// Kills a phone server's pull as often as this in each test run; `scripts/soak` takes more.
const KILLS: u32 = 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_that_is_killed_at_random_moments_leaves_a_whole_mirror() {
    let (phone, link) = phone_behind_a_link().await;
    link.fail("/v1/blobs/", usize::MAX, Fault::Throttle(100_000));
    let kills = std::env::var("AUDIOSPREAD_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    let mut shown = 0;
    for _ in 0..kills {
        let mut pull = phone.start(&["pull"]).unwrap();
        thread::sleep(Duration::from_millis(rand::rng().random_range(5..400)));
        pull.kill().unwrap();
        pull.wait().unwrap();
        if phone.data().join("mirror.db").exists() {
            let ran = phone.run(&["verify", "--offline"]);
            let is_before_the_first_commit =
                ran.err().contains("nothing was pulled yet") || ran.err().contains("no mirror");
            assert!(ran.code() == 0 || is_before_the_first_commit || only_lacks_a_promotion(&ran.out()), "{ran}");
        }
        let now = phone.run(&["status", "--json"]).last_line();
        let now =
            now["kinds"].as_array().map_or(0, |kinds| kinds.iter().filter_map(|kind| kind["shown"].as_u64()).sum());
        assert!(now >= shown, "callers lost something: {now} after {shown}");
        shown = now;
    }
    link.heal();
    phone.pull();
    assert_eq!(phone.value::<u32>("SELECT count(*) FROM phone_program"), ALL_PROGRAMS);
    phone.verify(&[]);
    assert_eq!(phone.data().join("incoming").read_dir_utf8().unwrap().count(), 0, "nothing is left over");
}

/// Audio that came a moment before the kill, of which callers get nothing before the next pull, is no loss.
fn only_lacks_a_promotion(said: &str) -> bool {
    let mut faults = said.lines().filter(|line| line.starts_with("FAULT")).peekable();
    faults.peek().is_some() && faults.all(|line| line.contains("its last state is not shown"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_killed_in_the_middle_leaves_a_whole_mirror_and_comes_back_as_it_was() {
    let site = DrupalSite::new().build().await;
    let gateway = Gateway::of(&site, ALL_PROGRAMS);
    let link = Proxy::before(gateway.address);
    let phone = Phone::of(&link.url());
    // Slow enough that the gateway dies before all has come.
    link.fail("/v1/blobs/", usize::MAX, Fault::Throttle(10_000));
    let pull = phone.start(&["pull"]).unwrap();
    let patience = Instant::now() + Duration::from_secs(60);
    while phone.audio().is_empty() {
        assert!(Instant::now() < patience, "no sound comes");
    }
    drop(gateway);
    let ended = pull.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(75));
    phone.verify(&["--offline"]);
    let gateway = Gateway::of(&site, ALL_PROGRAMS);
    phone.configure(&format!("http://{}", gateway.address), "");
    let report = phone.pull();
    assert_eq!((&report["put"], &report["waiting"]), (&0.into(), &0.into()), "the feed is the one that it was");
    phone.verify(&[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_a_pull_in_an_orderly_way() {
    let (phone, link) = phone_behind_a_link().await;
    link.fail("/v1/blobs/", usize::MAX, Fault::Throttle(500));
    let pull = phone.command(&["pull"]).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let patience = Instant::now() + Duration::from_secs(60);
    while phone.run(&["status", "--json"]).last_line()["version"].as_u64().is_none() {
        assert!(Instant::now() < patience, "the feed does not come");
    }
    let pid = rustix::process::Pid::from_child(&pull);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let ended = pull.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(75));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("the next pull goes on from there"));
    let failure = phone.run(&["status", "--json"]).last_line()["failure"].clone();
    assert!(failure.as_str().unwrap().contains("stopped"), "{failure}");
}
