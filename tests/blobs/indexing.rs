//! What the index says of files.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::symlink;

use audiospread_protocol::Sha256Digest;
use audiospread_server::catalogue::site::{AudioIndex, AudioSource, AudioState};
use audiospread_server::drupal::{Adapter, Repository};

use super::site_with_audio::{SiteWithAudio, age, blob, blob_name, file, ready, speech};
use crate::harness::DrupalSite;

fn sha1(hex_digits: &str) -> AudioSource {
    let mut sha1 = [0; 20];
    hex::decode_to_slice(hex_digits, &mut sha1).unwrap();
    AudioSource::Bitcache(sha1)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fixtures_files_are_what_drupal_says_they_are() {
    let site = SiteWithAudio::new().await;
    let expected = DrupalSite::expected();
    let files = expected["file_nodes"].as_array().unwrap();
    site.index(files.iter().map(|file| sha1(file["sha1"].as_str().unwrap()))).await;

    let (mut there, mut missing) = (HashSet::new(), 0);
    for file in files {
        let state = site.state(&sha1(file["sha1"].as_str().unwrap()));
        if file["available"] == true {
            let audio = ready(&state);
            assert_eq!(audio.sha256.to_hex(), file["sha256"], "{file}");
            assert_eq!(audio.size, file["actual_size"], "{file}");
            let mime = match file["filename"].as_str().unwrap().rsplit_once('.').unwrap().1 {
                "wav" => "audio/wav",
                "ogg" => "audio/ogg",
                _ => "audio/mpeg",
            };
            assert_eq!(audio.mime, mime, "{file}");
            there.insert(audio.sha256);
        } else {
            assert_eq!(state, AudioState::Missing, "{file}");
            missing += 1;
        }
    }
    assert!(there.len() > 240 && missing > 0, "{} {missing}", there.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_learnt_outlives_a_restart_and_is_not_looked_at_again() {
    let site = SiteWithAudio::new().await;
    site.write("a.mp3", &speech(1));
    let (here, away, text) = (file("a.mp3"), file("away.mp3"), file("transcript_03.txt"));
    age(&site.site.files().join("transcript_03.txt"));
    site.index([here.clone(), away.clone(), text.clone()]).await;
    let before = site.state(&here);
    assert_eq!(ready(&before).duration_ms, 2232);

    let site = site.restarted().await;
    assert_eq!(site.blobs.index().want([here.clone(), away.clone(), text.clone()]), 0, "all are known");
    assert_eq!(site.state(&here), before);
    assert_eq!(site.state(&away), AudioState::Missing);
    assert_eq!(site.state(&text), AudioState::NotAudio);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_outside_and_nothing_but_plain_files_is_ever_opened() {
    let site = SiteWithAudio::new().await;
    let files = site.site.files();
    let outside = site.site.directory().join("outside.mp3");
    fs::write(&outside, speech(1)).unwrap();
    symlink("/etc/passwd", files.join("link.mp3")).unwrap();
    symlink(&outside, files.join("out.mp3")).unwrap();
    symlink(site.site.directory(), files.join("up")).unwrap();
    fs::create_dir(files.join("directory.mp3")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        files.join("pipe.mp3").as_std_path(),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();

    let absolute = |path: &str| AudioSource::Path(path.into());
    for source in [
        file("link.mp3"),
        file("out.mp3"),
        file("up/outside.mp3"),
        file("../../../../outside.mp3"),
        file("jingles/../../../../../outside.mp3"),
        file("with\0null.mp3"),
        file(&"long/".repeat(2000)),
        file(""),
        absolute(outside.as_str()),
        absolute("/etc/passwd"),
        absolute("../outside.mp3"),
        absolute(""),
        absolute("/dev/zero"),
    ] {
        assert_eq!(site.indexed(&source).await, AudioState::Missing, "{source:?}");
    }
    for source in [file("directory.mp3"), file("pipe.mp3")] {
        assert_eq!(site.indexed(&source).await, AudioState::NotAudio, "{source:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bytes_say_what_a_file_is_and_its_name_does_not() {
    let site = SiteWithAudio::new().await;
    let wave = fs::read(site.site.files().join("bitcache/file/a7d287eb313b8c2c5c6a6da12a40f31a95eeedaa")).unwrap();
    site.write("wave.mp3", &wave);
    assert_eq!(ready(&site.indexed(&file("wave.mp3")).await).mime, "audio/wav");
    for (name, bytes) in [
        ("empty.mp3", &b""[..]),
        ("script.mp3", b"<?php system($_GET['c']);"),
        ("huge-tag.mp3", b"ID3\x03\0\0\x7f\x7f\x7f\x7f"),
    ] {
        site.write(name, bytes);
        assert_eq!(site.indexed(&file(name)).await, AudioState::NotAudio, "{name}");
    }
    site.write("cut off é.mp3", &speech(1)[..1000]);
    assert_eq!(ready(&site.indexed(&file("cut off é.mp3")).await).duration_ms, 13 * 36);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_directory_may_be_a_link_that_the_administrator_made() {
    let site = SiteWithAudio::new().await;
    let (files, elsewhere) = (site.site.files(), site.site.directory().join("elsewhere"));
    fs::rename(&files, &elsewhere).unwrap();
    symlink(&elsewhere, &files).unwrap();
    site.write("a.mp3", &speech(1));
    assert_eq!(ready(&site.indexed(&file("a.mp3")).await).duration_ms, 2232);
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_are_looked_for_in_all_repositories_in_their_order() {
    let mut site = SiteWithAudio::new().await;
    site.storage.repositories = vec![site.file_repository("first"), site.file_repository("second")];
    // In the second only; in both; wrong in the first and right in the second; wrong in both.
    let (second, both, healed, corrupt) = (speech(1), speech(2), speech(3), speech(4));
    let put = |repository: &str, bytes: &[u8], content: &[u8]| {
        site.write(format!("{repository}/{}", blob_name(bytes)), content);
    };
    put("second", &second, &second);
    put("first", &both, &both);
    put("second", &both, &both);
    put("first", &healed, b"not these");
    put("second", &healed, &healed);
    put("first", &corrupt, &corrupt[..2000]);
    put("second", &corrupt, &corrupt[..1000]);
    for bytes in [&second, &both, &healed] {
        assert_eq!(ready(&site.indexed(&blob(bytes)).await).sha256, Sha256Digest::of(bytes));
    }
    assert_eq!(site.indexed(&blob(&corrupt)).await, AudioState::Missing);
    let findings = site.blobs.index().findings(10);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].code, "corrupt_blob");
    assert!(findings[0].message.contains(&blob_name(&corrupt)), "{}", findings[0].message);
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_lie_as_deep_as_bitcache_puts_them() {
    let mut site = SiteWithAudio::new().await;
    site.storage.repositories = vec![site.file_repository("deep")];
    for (number, depth, width) in [(1, 1, 2), (2, 3, 1), (3, 2, 4)] {
        (site.storage.depth, site.storage.width) = (depth, width);
        let bytes = speech(number);
        let name = blob_name(&bytes);
        let (depth, width) = (depth as usize, width as usize);
        let directories: Vec<&str> = (0..depth).map(|level| &name[level * width..][..width]).collect();
        let directories = directories.join("/");
        site.write(format!("deep/{directories}/{name}"), &bytes);
        assert_eq!(ready(&site.indexed(&blob(&bytes)).await).sha256, Sha256Digest::of(&bytes));
    }
    // What was stored before they were changed is not found by Drupal either.
    let flat = speech(4);
    site.write(format!("deep/{}", blob_name(&flat)), &flat);
    assert_eq!(site.indexed(&blob(&flat)).await, AudioState::Missing);
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_in_tables_are_copied_and_served_from_the_copy() {
    let mut site = SiteWithAudio::new().await;
    site.site.sql("CREATE TABLE {bitcache_data_radio} (id CHAR(40) PRIMARY KEY, data LONGBLOB) ENGINE = InnoDB").await;
    site.storage.repositories = ["bitcache_data", "bitcache_data_radio"]
        .map(|table| Repository { name: table.into(), adapter: Adapter::Sql { table: table.into() } })
        .to_vec();
    // Larger than several pieces.
    let long = speech(1).repeat(1000);
    let cut = &speech(2)[..500];
    for (table, name, bytes) in [
        ("bitcache_data", blob_name(&speech(3)), speech(3)),
        ("bitcache_data_radio", blob_name(&long), long.clone()),
        ("bitcache_data_radio", blob_name(&speech(2)), cut.to_vec()),
    ] {
        site.site.sql(&format!("INSERT INTO {{{table}}} VALUES ('{name}', 0x{})", hex::encode(bytes))).await;
    }
    for bytes in [&speech(3), &long] {
        let state = site.indexed(&blob(bytes)).await;
        assert_eq!((ready(&state).size, ready(&state).sha256), (bytes.len() as u64, Sha256Digest::of(bytes)));
        let mut opened = site.blobs.open(&Sha256Digest::of(bytes)).await.unwrap();
        let mut read = Vec::new();
        std::io::Read::read_to_end(&mut opened.file, &mut read).unwrap();
        assert!(read == *bytes);
    }
    assert_eq!(site.indexed(&blob(&speech(2))).await, AudioState::Missing);

    let incoming = site.site.config().data_dir.join("blobs/incoming");
    assert_eq!(fs::read_dir(incoming).unwrap().count(), 0, "nothing half made is left");

    let site = site.restarted().await;
    assert_eq!(site.blobs.index().want([blob(&long)]), 0);
    assert_eq!(site.blobs.open(&Sha256Digest::of(&long)).await.unwrap().size, long.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_being_written_is_read_when_it_is_whole() {
    let site = SiteWithAudio::new().await;
    let (whole, source) = (speech(1), file("slow.mp3"));
    site.write_young("slow.mp3", &whole[..1000]);
    site.blobs.index().want([source.clone()]);
    site.blobs.check_storage(site.storage.clone()).await.unwrap();
    site.until("somebody looked at it", |blobs| blobs.index().progress().postponed == 1).await;
    assert_eq!(site.state(&source), AudioState::Pending);
    site.write_young("slow.mp3", &whole);
    site.until_state(&source, |state| *state != AudioState::Pending).await;
    assert_eq!(ready(&site.state(&source)).sha256, Sha256Digest::of(&whole));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_a_date_in_the_future_is_read_once_it_stands_still() {
    let site = SiteWithAudio::new().await;
    let path = site.write("future.mp3", &speech(1));
    let then = std::time::SystemTime::now() + std::time::Duration::from_secs(86_400);
    fs::File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
    assert_eq!(ready(&site.indexed(&file("future.mp3")).await).duration_ms, 2232);
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_publish_are_told_what_was_learnt() {
    let site = SiteWithAudio::new().await;
    site.write("a.mp3", &speech(1));
    let mut progress = site.blobs.index().watch();
    let before = progress.borrow_and_update().generation;
    site.index([file("a.mp3"), file("b.mp3")]).await;
    assert!(progress.borrow_and_update().generation > before);
    let told: HashSet<_> = site.blobs.index().take_changed().into_iter().collect();
    assert_eq!(told, HashSet::from([file("a.mp3"), file("b.mp3")]));
    assert_eq!(site.blobs.index().take_changed(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_is_read_piece_by_piece() {
    const SIZE: u64 = 600 << 20;
    let site = SiteWithAudio::new().await;
    let mut head = fs::read(site.site.files().join("bitcache/file/a7d287eb313b8c2c5c6a6da12a40f31a95eeedaa")).unwrap();
    let data = head.windows(4).position(|window| window == b"data").unwrap();
    head.truncate(data + 4);
    head.extend(u32::MAX.to_le_bytes());
    let path = site.write("sermon.wav", &head);
    fs::File::options().write(true).open(&path).unwrap().set_len(SIZE).unwrap();
    age(&path);
    let before = peak_memory();
    let state = site.indexed(&file("sermon.wav")).await;
    // 8 kHz, 16 bit, mono.
    assert_eq!(ready(&state).duration_ms, (SIZE - head.len() as u64) / 16);
    assert!(peak_memory() - before < SIZE / 2, "read into memory");
}

/// The most memory that this process has had, in bytes.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_site_names_no_more_is_forgotten_unless_the_feed_still_names_its_bytes() {
    let site = SiteWithAudio::new().await;
    let sources: Vec<_> = (1..=3).map(|number| file(&format!("{number}.mp3"))).collect();
    for number in 1..=3 {
        site.write(format!("{number}.mp3"), &speech(number));
    }
    site.index(sources.clone()).await;
    let named = ready(&site.state(&sources[1])).sha256;
    let name =
        format!("INSERT INTO feed_blob (sha256, kind, id, last_version) VALUES (UNHEX('{named}'), 'program', '7', 3)");
    site.own_sql(&name).await;
    site.blobs.index().want_only([sources[0].clone()]);
    site.blobs.forget_unwanted().await.unwrap();
    let known = |site: &SiteWithAudio| {
        sources.iter().map(|source| matches!(site.state(source), AudioState::Ready(_))).collect::<Vec<_>>()
    };
    assert_eq!(known(&site), [true, true, false]);
    assert_eq!(site.blobs.open(&named).await.unwrap().size, speech(2).len() as u64);
    let site = site.restarted().await;
    assert_eq!(known(&site), [true, true, false], "the table has forgotten it too");
    site.own_sql("DELETE FROM feed_blob").await;
    site.blobs.index().want_only([sources[0].clone()]);
    site.blobs.forget_unwanted().await.unwrap();
    assert_eq!(known(&site), [true, false, false]);
    assert_eq!(
        ready(&site.indexed(&sources[2]).await).sha256,
        Sha256Digest::of(&speech(3)),
        "named again, it is known again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_serves_audio_that_only_another_one_has_looked_at() {
    let site = SiteWithAudio::new().await;
    let other = site.beside().await;
    site.write("a.mp3", &speech(1));
    let audio = ready(&site.indexed(&file("a.mp3")).await).clone();
    assert_eq!(other.index().state(&file("a.mp3")), AudioState::Pending);
    other.check_storage(site.storage.clone()).await.unwrap();
    assert_eq!(other.open(&audio.sha256).await.unwrap().size, audio.size);
    assert_eq!(*ready(&other.index().state(&file("a.mp3"))), audio);
}
