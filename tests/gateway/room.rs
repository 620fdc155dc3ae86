//! Disks without room, and sounds that would take too much: what is kept is whole, and what is not is said.

use std::fs;
use std::process::{Command, Stdio};

use super::recordings::{PENDING, Phone, facts, problem, silence, sound, uuid};
use super::{audiospread, until};
use crate::harness::DrupalSite;
use crate::harness::gateway::EVERYTHING;
use crate::harness::small_disk::SmallDisk;

/// Ends the gateway, then its disk, then what the disk was in.
fn end(phone: Phone, disk: SmallDisk) {
    let Phone { site, gateway, .. } = phone;
    drop(gateway);
    drop(disk);
    drop(site);
}

/// A minute of frames in which nothing is: 960 kB.
fn minute() -> Vec<u8> {
    silence().repeat(29)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_whose_disk_is_full_says_so_and_takes_the_recording_when_there_is_room() {
    let site = DrupalSite::new().build().await;
    let disk = SmallDisk::on(&site.directory().join("data-intake"), 600);
    let phone = Phone::of(site, "").await;
    let small = sound("en/programs/untitled");
    let digest = phone.upload(&small).await;
    assert_eq!(phone.put(&uuid(1), &facts(None, &digest)).await.unwrap().status(), 201);

    let large = minute();
    let begin = async || {
        let request = phone.client.post(format!("{}/v1/uploads", phone.gateway.url())).bearer_auth(EVERYTHING);
        let request = request.header("Tus-Resumable", "1.0.0").header("Upload-Length", large.len());
        request.header("Content-Type", "application/offset+octet-stream").body(large.clone()).send().await.unwrap()
    };
    let (status, refused) = problem(begin().await).await;
    assert_eq!((status, refused["type"].as_str().unwrap()), (503, "urn:audiospread:problem:unavailable"));
    let digest = audiospread_protocol::Sha256Digest::of(&large).to_hex();
    assert_eq!(phone.put(&uuid(2), &facts(None, &digest)).await.unwrap().status(), 409, "its bytes are not there");
    let list = phone.get("/v1/recordings").await;
    assert_eq!(list["recordings"].as_array().unwrap().len(), 1, "what was there is there, and nothing half: {list}");

    disk.grow(16 * 1024);
    assert_eq!(begin().await.status(), 201);
    assert_eq!(phone.put(&uuid(2), &facts(None, &digest)).await.unwrap().status(), 201);
    end(phone, disk);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_drupals_disk_is_full_the_gateway_keeps_the_recording_until_there_is_room() {
    let site = DrupalSite::new().build().await;
    site.sql("UPDATE {content_node_field} SET type = 'filefield' WHERE field_name LIKE 'field_audio_%'").await;
    let directory = site.files().join("audiospread");
    let disk = SmallDisk::on(&directory, 300);
    let phone = Phone::of(site, "intake.settle_seconds = 1").await;
    let digest = phone.upload(&minute()).await;
    assert_eq!(phone.put(&uuid(1), &facts(None, &digest)).await.unwrap().status(), 201);
    let told = async || phone.call("audiospread.recordings.pending", PENDING).await;
    assert!(told().await.contains("<name>body_store</name><value><string>gateway</string>"));
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 0, "nothing half is left");
    disk.grow(16 * 1024);
    assert_eq!(phone.put(&uuid(2), &facts(None, &digest)).await.unwrap().status(), 201);
    assert!(told().await.contains(&format!("files/audiospread/{}-body.mp3", uuid(2))));
    until("nothing is complained of any more", async || {
        let out = audiospread(&["feed", "--findings", "--json", "--config", phone.gateway.config.as_str()]).stdout;
        !String::from_utf8(out).unwrap().contains("recording_storage")
    })
    .await;
    end(phone, disk);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_that_is_small_and_lasts_for_hours_is_refused_and_holds_nobody_else_up() {
    let phone = Phone::of(DrupalSite::new().build().await, "intake.max_minutes = 1").await;
    // 8 kbit/s: an hour in 3.6 MB.
    let frame = [&[0xff, 0xe3, 0x18, 0xc4][..], &[0; 68]].concat();
    let hours = frame.repeat(100_000);
    let digest = phone.upload(&hours).await;
    let (status, refused) = problem(phone.put(&uuid(1), &facts(None, &digest)).await.unwrap()).await;
    assert_eq!((status, refused["type"].as_str().unwrap()), (422, "urn:audiospread:problem:unusable_recording"));
    assert!(refused["detail"].as_str().unwrap().contains("longer than 1 minutes"), "{refused}");
    let digest = phone.upload(&sound("en/programs/untitled")).await;
    assert_eq!(phone.put(&uuid(2), &facts(None, &digest)).await.unwrap().status(), 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_decodes_a_sound_is_bounded_before_the_first_byte() {
    for (command, seconds, no_sound) in [("examine-sound", "60", 1), ("decode-sound", "1200", 65)] {
        assert_bounded(command, seconds, no_sound).await;
    }
}

async fn assert_bounded(command: &str, seconds: &str, no_sound: i32) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_audiospread"))
        .arg(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let limits = format!("/proc/{}/limits", child.id());
    let bounded = |what: &str, most: &str| {
        let limits = fs::read_to_string(&limits).unwrap();
        let line = limits.lines().find(|line| line.starts_with(what)).unwrap().to_owned();
        line.split_ascii_whitespace().any(|word| word == most)
    };
    for (what, most) in [
        ("Max cpu time", seconds),
        ("Max address space", "1073741824"),
        ("Max file size", "0"),
        ("Max core file size", "0"),
    ] {
        until(what, async || bounded(what, most)).await;
    }
    assert!(child.try_wait().unwrap().is_none(), "it waits for the first byte");
    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().code(), Some(no_sound));
}
