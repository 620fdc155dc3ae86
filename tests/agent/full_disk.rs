//! A full disk: what callers hear stays, the words say so, and room is all that it takes to go on.

use std::fs;

use super::phone_behind_a_link;
use crate::harness::gateway::ALL_PROGRAMS;
use crate::harness::small_disk::SmallDisk;

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_too_small_for_the_audio_takes_what_fits_and_goes_on_when_there_is_room() {
    let (phone, _link) = phone_behind_a_link().await;
    let disk = SmallDisk::on(&phone.data(), 1600);
    let full = phone.run(&["pull"]);
    assert_eq!(full.code(), 1, "{full}");
    assert!(full.err().contains("are needed") || full.err().contains("is full"), "{full}");
    let shown: u32 = phone.value("SELECT count(*) FROM phone_program");
    assert!(shown < ALL_PROGRAMS && phone.value::<u32>("SELECT count(*) FROM phone_prompt") > 0, "{shown} programs");
    disk.grow(32 * 1024);
    phone.pull();
    phone.verify(&[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_too_small_for_the_mirror_leaves_nothing_half_done() {
    let (phone, _link) = phone_behind_a_link().await;
    let disk = SmallDisk::on(&phone.data(), 400);
    let full = phone.run(&["pull"]);
    assert_eq!(full.code(), 1, "{full}");
    assert!(full.err().contains("is full: make room there"), "{full}");
    disk.grow(32 * 1024);
    phone.pull();
    phone.verify(&[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn space_that_is_to_be_left_free_is_left_free() {
    let (phone, link) = phone_behind_a_link().await;
    phone.configure(&link.url(), "");
    let text = fs::read_to_string(phone.path().join("agent.toml"))
        .unwrap()
        .replace("keep_free = 0", "keep_free = \"900000G\"");
    fs::write(phone.path().join("agent.toml"), text).unwrap();
    let refused = phone.run(&["pull"]);
    assert_eq!(refused.code(), 1, "{refused}");
    assert_eq!(phone.audio().len(), 0);
}
