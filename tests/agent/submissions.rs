//! Many recordings while everything breaks: each is at the gateway exactly once in the end, and none is torn.

use std::time::{Duration, Instant};

use audiospread_protocol::Sha256Digest;
use rand::Rng;
use rand::seq::IndexedRandom as _;
use serde_json::Value;

use super::pushing::{Office, message, title, uuid};
use crate::harness::DrupalSite;
use crate::harness::proxy::Fault;
use crate::harness::small_disk::SmallDisk;

#[tokio::test(flavor = "multi_thread")]
async fn thirty_submissions_arrive_once_and_whole_while_links_hosts_and_disks_fail() {
    submissions(30).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: scripts/soak runs it"]
async fn a_thousand_submissions_arrive_once_and_whole_while_links_hosts_and_disks_fail() {
    submissions(1_000).await;
}

/// What goes wrong during a push.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    TheLinkIsCut,
    AnswersAreLost,
    TheGatewayIsKilled,
    TheAgentIsKilled,
    TheDiskIsFull,
    Nothing,
}

const TROUBLES: [Trouble; 6] = [
    Trouble::TheLinkIsCut,
    Trouble::AnswersAreLost,
    Trouble::TheGatewayIsKilled,
    Trouble::TheAgentIsKilled,
    Trouble::TheDiskIsFull,
    Trouble::Nothing,
];

async fn submissions(count: u32) {
    let site = DrupalSite::new().configure("drupal.settle_ms = 50").build().await;
    let disk = SmallDisk::on(&site.directory().join("data-intake"), 128 * 1024);
    let mut office = Office::of(site);
    let mut left = 0;
    while left < count {
        for _ in 0..rand::rng().random_range(1..=count.div_ceil(10)).min(count - left) {
            left += 1;
            office.leaves(left, (left % 3 == 0).then(title).as_ref(), &message());
        }
        let trouble = *TROUBLES.choose(&mut rand::rng()).unwrap();
        office = push_through(office, &disk, trouble);
    }
    let report = office.pushed_at_last();
    assert_eq!((&report["recordings_waiting"], &report["quarantined"]), (&0.into(), &0.into()), "{report}");

    let kept = office.all_kept().await;
    let mut uuids: Vec<&str> = kept.iter().map(|kept| kept["uuid"].as_str().unwrap()).collect();
    uuids.sort_unstable();
    assert_eq!(uuids, (1..=count).map(uuid).collect::<Vec<_>>(), "each exactly once");
    for kept in &kept {
        assert_eq!(kept["title"].is_object(), number_of(kept).is_multiple_of(3), "{kept}");
        for (part, said) in [("title", title()), ("body", message())] {
            if kept[part].is_object() {
                office.assert_is_whole(&kept[part], said.duration()).await;
            }
        }
    }
    assert!(office.files("recordings/quarantine").is_empty() && office.files("outgoing").is_empty());
    office.end_with(disk);
}

/// One push, in which something goes wrong at a random moment.
fn push_through(office: Office, disk: &SmallDisk, trouble: Trouble) -> Office {
    let chance = |from: u64, to: u64| rand::rng().random_range(from..to);
    match trouble {
        Trouble::TheLinkIsCut => {
            let after = usize::try_from(chance(0, 9_000)).unwrap();
            office.link.fail("/v1/", usize::try_from(chance(1, 6)).unwrap(), Fault::CutRequestAfter(after));
        }
        Trouble::AnswersAreLost => office.link.fail("/v1/", usize::try_from(chance(1, 4)).unwrap(), Fault::LoseAnswer),
        Trouble::TheDiskIsFull => disk.fill_up_to(usize::try_from(chance(0, 60_000)).unwrap()),
        _ => {}
    }
    let mut push = office.phone.start(&["push"]).unwrap();
    let mut office = office;
    match trouble {
        Trouble::TheAgentIsKilled => {
            std::thread::sleep(Duration::from_millis(chance(5, 600)));
            push.kill().unwrap();
        }
        Trouble::TheGatewayIsKilled => {
            std::thread::sleep(Duration::from_millis(chance(5, 600)));
            office = office.with_a_gateway_that_was_killed();
        }
        _ => {}
    }
    // A push that waits for better times is killed too: there is always another one.
    let patience = Instant::now() + Duration::from_secs(3);
    while push.try_wait().unwrap().is_none() {
        if Instant::now() > patience {
            push.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    office.link.heal();
    disk.clear();
    office
}

fn number_of(kept: &Value) -> u32 {
    let uuid = kept["uuid"].as_str().unwrap();
    u32::from_str_radix(uuid.rsplit('-').next().unwrap(), 16).unwrap()
}

impl Office {
    /// Pushes until nothing waits; what the last push said.
    fn pushed_at_last(&self) -> Value {
        for _ in 0..60 {
            let report = self.push(&[]).last_line();
            if report["recordings_waiting"] == 0 {
                return report;
            }
        }
        panic!("recordings still wait: {}", self.push(&[]));
    }

    /// What the gateway has, page by page.
    async fn all_kept(&self) -> Vec<Value> {
        let (mut all, mut path) = (Vec::new(), "/v1/recordings".to_owned());
        loop {
            let page: Value = self.get(&path).await.json().await.unwrap();
            all.extend(page["recordings"].as_array().unwrap().iter().cloned());
            let Some(next) = page["next"].as_str() else { return all };
            path = format!("/v1/recordings?cursor={next}");
        }
    }

    /// Fails unless the bytes of a part are those that are named, and last as long as what was said.
    async fn assert_is_whole(&self, part: &Value, said: Duration) {
        let bytes = self.get(part["href"].as_str().unwrap()).await.bytes().await.unwrap();
        assert_eq!(Sha256Digest::of(&bytes).to_hex(), part["sha256"].as_str().unwrap());
        let lasts = Duration::from_millis(part["duration_ms"].as_u64().unwrap());
        assert!(lasts.abs_diff(said) < Duration::from_millis(300), "{lasts:?} instead of {said:?}");
    }
}
