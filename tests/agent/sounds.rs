//! What Asterisk plays: made from what came, complete before it is shown, and never a silent moment.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use audiospread_protocol::Sha256Digest;
use camino::{Utf8Path, Utf8PathBuf};
use tempfile::TempDir;

use super::phone_behind_a_link;
use crate::harness::DrupalSite;
use crate::harness::gateway::{ALL_PROGRAMS, Gateway};
use crate::harness::phone::Phone;

const PACKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/asterisk/packs");

/// Where all sounds are that callers can get, without extension, as Asterisk is told them.
fn shown_sounds(phone: &Phone) -> BTreeSet<Utf8PathBuf> {
    let directory: String = phone.value("SELECT audio_dir FROM phone_mirror");
    let mirror = phone.mirror();
    let mut statement = mirror
        .prepare(
            "SELECT body_sound FROM phone_program UNION SELECT title_sound FROM phone_program WHERE title_sound IS NOT NULL
             UNION SELECT sound FROM phone_prompt UNION SELECT title_sound FROM phone_category_sound WHERE title_sound IS NOT NULL
             UNION SELECT header_sound FROM phone_category_sound WHERE header_sound IS NOT NULL
             UNION SELECT footer_sound FROM phone_category_sound WHERE footer_sound IS NOT NULL",
        )
        .unwrap();
    let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    rows.map(|stem| Utf8Path::new(&directory).join(stem.unwrap())).collect()
}

fn assert_all_playable(phone: &Phone, extensions: &[&str]) {
    let sounds = shown_sounds(phone);
    assert!(sounds.len() > 60);
    for stem in sounds {
        let is_there = extensions
            .iter()
            .any(|extension| fs::metadata(format!("{stem}.{extension}")).is_ok_and(|metadata| metadata.len() > 1000));
        assert!(is_there, "{stem} is silent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sound_that_callers_get_is_a_wave_of_8_khz_and_one_channel() {
    let (phone, _link) = phone_behind_a_link().await;
    let report = phone.pull_alone();
    assert_eq!((&report["waiting"], &report["undecodable"]), (&0.into(), &0.into()));
    assert_all_playable(&phone, &["wav"]);
    for path in phone.phone_sounds() {
        let bytes = fs::read(&path).unwrap();
        let field = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!((&bytes[..4], field(24), bytes[22], bytes[34]), (b"RIFF".as_slice(), 8000, 1, 16), "{path}");
        assert_eq!(field(40) as usize, bytes.len() - 44, "{path}");
    }
    let status = phone.run(&["status", "--json"]).last_line();
    assert_eq!(status["phone_files"], phone.phone_sounds().len());
}

#[test]
fn within_its_bounds_each_form_is_made_by_the_programs_of_the_host_where_it_must_be() {
    let directory = TempDir::new().unwrap();
    let at = |name: &str| directory.path().join(name).into_os_string().into_string().unwrap();
    let ours = format!("{PACKS}/en/home/welcome_standard.mp3");
    let theirs = at("theirs.wav");
    let sox = ["-n", "-r", "22050", "-c", "1", "-e", "ms-adpcm", &theirs, "synth", "2", "sine", "440", "vol", "0.3"];
    assert!(Command::new("sox").args(sox).status().unwrap().success());
    for (from, format) in [(&ours, "wav"), (&ours, "ulaw"), (&ours, "gsm"), (&theirs, "wav"), (&theirs, "gsm")] {
        let to = at(&format!("made.{format}"));
        let made = Command::new(env!("CARGO_BIN_EXE_audiospread"))
            .args(["phone-sound", "--format", format, "--at-most", "10000000", from, &to])
            .output()
            .unwrap();
        assert!(made.status.success(), "{from}, {format}: {}", String::from_utf8_lossy(&made.stderr));
        assert!(fs::metadata(&to).unwrap().len() > 1000, "{from}, {format}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_format_is_made_anew_and_callers_hear_the_former_one_until_then() {
    let (phone, link) = phone_behind_a_link().await;
    phone.pull();
    let count = phone.phone_sounds().len();
    phone.configure(&link.url(), "sound_format = \"ulaw\"\n");
    let mut pull = phone.start(&["pull"]).unwrap();
    while pull.try_wait().unwrap().is_none() {
        assert_all_playable(&phone, &["wav", "ulaw"]);
    }
    assert_all_playable(&phone, &["ulaw"]);
    let sounds = phone.phone_sounds();
    assert_eq!(sounds.len(), count, "the former ones are gone");
    assert!(sounds.iter().all(|path| path.extension() == Some("ulaw")));
    phone.verify(&[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_that_cannot_be_decoded_is_a_finding_and_holds_nothing_else_back() {
    let site = DrupalSite::new().build().await;
    // Frames of music by their heads, and nothing that a decoder could make of them: the gateway counts them, the phone cannot play them.
    let mut hostile = Vec::new();
    for _ in 0..200 {
        hostile.extend_from_slice(&[0xff, 0xfb, 0x90, 0x00]);
        hostile.extend_from_slice(&[0xff; 413]);
    }
    fs::write(site.files().join("archive flood 2008.mp3"), &hostile).unwrap();
    let body = Sha256Digest::of(&hostile).to_string();
    let gateway = Gateway::of(&site, ALL_PROGRAMS);
    let phone = Phone::of(&format!("http://{}", gateway.address));
    let report = phone.pull_alone();
    assert_eq!(report["undecodable"], 1, "{report}");
    assert_eq!(phone.value::<u32>("SELECT count(*) FROM phone_program"), ALL_PROGRAMS - 1);
    let status = phone.run(&["status", "--json"]).last_line();
    assert_eq!(status["undecodable"][0]["sha256"], body, "{status}");
    assert!(status["undecodable"][0]["named_by"].to_string().contains("228"), "{status}");
    assert!(phone.run(&["status"]).out().contains("cannot be decoded"));
    phone.verify(&[]);
    assert_eq!(phone.pull()["undecodable"], 1, "it is not tried again and again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_phone_sound_is_found_and_made_again_without_the_link() {
    let (phone, _link) = phone_behind_a_link().await;
    phone.pull();
    let sounds = phone.phone_sounds();
    fs::remove_file(&sounds[0]).unwrap();
    let torn = fs::read(&sounds[1]).unwrap();
    fs::write(&sounds[1], &torn[..torn.len() - 10]).unwrap();
    let found = phone.run(&["verify", "--quick", "--offline"]);
    assert_eq!(found.code(), 1, "{found}");
    assert!(found.out().contains("the phone sound is not whole"), "{found}");
    phone.run(&["verify", "--repair", "--offline"]);
    let report = phone.pull();
    assert_eq!((&report["stored"], &report["waiting"]), (&0.into(), &0.into()));
    assert_eq!(fs::read(&sounds[1]).unwrap(), torn);
    phone.verify(&[]);
}

/// Finds nothing wrong by the form of the files.
fn assert_found_and_made_again(phone: &Phone, spoilt: &[&Utf8Path]) {
    let whole: Vec<Vec<u8>> = spoilt.iter().map(|path| fs::read(path).unwrap()).collect();
    assert_eq!(phone.run(&["verify", "--quick", "--offline"]).code(), 0, "their lengths are right");
    let found = phone.run(&["verify", "--offline"]);
    assert_eq!(found.code(), 1, "{found}");
    for path in spoilt {
        let fault = format!("{path}: the bytes are not those of the phone sound that was made here");
        assert!(found.out().contains(&fault), "{found}");
    }
    assert!(found.out().contains("shown, and a sound of it is not in the store"), "{found}");
    phone.run(&["verify", "--repair", "--offline"]);
    let report = phone.pull_alone();
    assert_eq!((&report["stored"], &report["waiting"]), (&0.into(), &0.into()), "nothing is fetched");
    for (path, spoilt) in spoilt.iter().zip(whole) {
        assert_ne!(fs::read(path).unwrap(), spoilt, "{path}");
    }
    phone.verify(&[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_sound_with_a_flipped_bit_or_of_another_program_is_found_and_made_again() {
    let (phone, _link) = phone_behind_a_link().await;
    phone.pull();
    let body = |program: u32| {
        let query = format!(
            "SELECT audio_dir || '/' || body_sound || '.wav' FROM phone_mirror, phone_program WHERE id = {program}"
        );
        Utf8PathBuf::from(phone.value::<String>(&query))
    };
    let (first, second, third) = (body(171), body(165), body(255));
    let whole = [&first, &second, &third].map(|path| fs::read(path).unwrap());

    let mut flipped = whole[0].clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    fs::write(&first, &flipped).unwrap();
    assert_found_and_made_again(&phone, &[&first]);
    assert_eq!(fs::read(&first).unwrap(), whole[0]);

    // Each is a whole wave, and as long as it says.
    fs::write(&second, &whole[2]).unwrap();
    fs::write(&third, &whole[1]).unwrap();
    let found = phone.run(&["verify", "--quick", "--offline"]);
    assert!(found.code() == 1 && found.out().contains(second.as_str()), "their lengths differ: {found}");
    phone.run(&["verify", "--repair", "--offline"]);
    assert_eq!(phone.pull_alone()["stored"], 0);
    assert_eq!([&first, &second, &third].map(|path| fs::read(path).unwrap()), whole);
    phone.verify(&[]);

    let stray = first.with_file_name(format!("{}.wav", "0".repeat(64)));
    fs::write(&stray, &whole[0]).unwrap();
    let found = phone.run(&["verify", "--offline"]);
    assert!(found.code() == 1 && found.out().contains("was not made here"), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn phone_sounds_of_a_former_version_are_noted_once_and_found_from_then_on() {
    let (phone, _link) = phone_behind_a_link().await;
    phone.pull();
    let sounds = phone.phone_sounds();
    // As a version left it that noted nothing.
    phone
        .mirror()
        .execute_batch("DELETE FROM meta WHERE name = 'phone_sounds_are_noted'; DELETE FROM phone_sound")
        .unwrap();
    phone.verify(&["--offline"]);
    let before = sounds.iter().map(|path| fs::metadata(path).unwrap().modified().unwrap()).collect::<Vec<_>>();
    phone.pull_alone();
    let after = sounds.iter().map(|path| fs::metadata(path).unwrap().modified().unwrap()).collect::<Vec<_>>();
    assert_eq!(before, after, "none is made again");
    assert_eq!(phone.value::<i64>("SELECT count(*) FROM phone_sound").unsigned_abs(), sounds.len() as u64);
    let mut bytes = fs::read(&sounds[0]).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&sounds[0], &bytes).unwrap();
    assert_found_and_made_again(&phone, &[&sounds[0]]);
}

#[test]
fn the_packs_can_be_heard_before_there_is_a_gateway() {
    let phone = Phone::of("http://127.0.0.1:9");
    phone.configure("http://127.0.0.1:9", &format!("packs_dir = \"{PACKS}\"\n"));
    let ran = phone.run(&["pull"]);
    assert_eq!(ran.code(), 75, "{ran}");
    for name in ["en/home/welcome_standard", "fr/home/welcome_standard", "fr/minimals/digit_7"] {
        let bytes = fs::read(phone.data().join(format!("packs/{name}.wav"))).unwrap();
        assert!(bytes.len() > 4000 && &bytes[..4] == b"RIFF", "{name}");
    }
    assert_eq!(phone.value::<i64>("SELECT count(*) FROM phone_program"), 0, "the mirror is there, and empty");
}
