//! A full disk under what callers left: it stays, the words say so, and room is all that it takes to go on.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::pushing::{Office, message, title};
use crate::harness::phone::Ran;
use crate::harness::proxy::Fault;
use crate::harness::small_disk::SmallDisk;

/// An office all of whose files lie on a small disk.
async fn office_on_a_small_disk() -> (Office, SmallDisk) {
    let office = Office::new().await;
    let disk = SmallDisk::on(&office.phone.data(), 8 * 1024);
    assert_eq!(office.push(&[]).code(), 0);
    (office, disk)
}

/// What an encoder meets when something else takes the room that there was, before it writes or after it.
fn encoder_on_a_disk_that_fills(office: &Office, before: &str, after: &str) {
    let (program, data) = (office.phone.path().join("encoder"), office.phone.data());
    let fill = format!("n=0; while head -c 60000 /dev/zero >{data}/filler.$n; do n=$((n + 1)); done");
    let script =
        format!("#!/bin/sh\nfill() {{ {fill}; }} 2>/dev/null\n{before}\nlame \"$@\"\ncode=$?\n{after}\nexit $code\n");
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    office.phone.configure(&office.link.url(), &format!("[push]\nencoder = \"{program}\"\n"));
}

fn make_room(office: &Office) {
    for name in office.files("").iter().filter(|name| name.starts_with("filler.")) {
        fs::remove_file(office.phone.data().join(name)).unwrap();
    }
}

fn assert_says_that_the_disk_is_full(ran: &Ran) {
    assert_eq!(ran.code(), 1, "{ran}");
    assert!(ran.err().contains("is full: make room there; what callers left stays, and waits"), "{ran}");
}

/// Everything that was left is at the gateway once, and here in the archive.
async fn assert_all_arrived(office: &Office, recordings: usize) {
    let ran = office.push(&[]);
    assert_eq!(ran.code(), 0, "{ran}");
    assert_eq!(office.kept().await.len(), recordings);
    assert_eq!(office.files("recordings/archive").len(), 2 * recordings);
    for empty in ["recordings", "recordings/quarantine", "outgoing"] {
        assert_eq!(office.files(empty), Vec::<String>::new(), "{empty}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_before_or_while_a_recording_is_encoded_costs_nothing_of_it() {
    let (office, disk) = office_on_a_small_disk().await;
    office.leaves(1, Some(&title()), &message());
    disk.fill_up_to(0);
    assert_says_that_the_disk_is_full(&office.push(&[]));
    disk.clear();
    encoder_on_a_disk_that_fills(&office, "fill", "");
    assert_says_that_the_disk_is_full(&office.push(&[]));
    assert_eq!(office.files("outgoing"), Vec::<String>::new(), "nothing half is left");
    assert_eq!(office.files("recordings").len(), 2);
    make_room(&office);
    encoder_on_a_disk_that_fills(&office, "", "");
    assert_all_arrived(&office, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_when_a_digest_is_written_down_costs_nothing_of_the_recording() {
    let (office, _disk) = office_on_a_small_disk().await;
    office.leaves(1, Some(&title()), &message());
    encoder_on_a_disk_that_fills(&office, "", "fill");
    assert_says_that_the_disk_is_full(&office.push(&[]));
    assert!(
        !office.link.take_seen().iter().any(|seen| seen.path.contains("uploads")),
        "nothing is sent before it is written down"
    );
    make_room(&office);
    encoder_on_a_disk_that_fills(&office, "", "");
    assert_all_arrived(&office, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_while_recordings_go_confirms_each_once_there_is_room() {
    let (office, disk) = office_on_a_small_disk().await;
    // They are encoded, and then the link is down.
    office.link.fail("/v1/uploads", usize::MAX, Fault::Drop);
    for number in 1..=2 {
        office.leaves(number, Some(&title()), &message());
    }
    let down = office.push(&[]);
    assert_eq!(down.code(), 75, "{down}");
    office.link.heal();
    // With each page that is free it comes a little further.
    let mut refused = 0;
    for pages in 0..64 {
        disk.fill_up_to(pages * 4096);
        let ran = office.push(&[]);
        disk.clear();
        if ran.code() == 0 {
            break;
        }
        assert_says_that_the_disk_is_full(&ran);
        refused += 1;
    }
    assert!(refused > 0, "the disk was never full");
    assert_all_arrived(&office, 2).await;
}
