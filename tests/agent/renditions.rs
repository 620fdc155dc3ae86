//! Phone renditions the whole way: made by the gateway, fetched instead of the originals, and heard at their full length.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use audiospread_caller::{Hay, Pattern, SAME, Sound};
use audiospread_protocol::Sha256Digest;
use camino::Utf8Path;
use reqwest::Client;
use serde_json::Value;

use crate::harness::DrupalSite;
use crate::harness::gateway::{ALL_PROGRAMS, EVERYTHING, Gateway};
use crate::harness::phone::Phone;
use crate::harness::proxy::Proxy;

const SECONDS: u32 = 60;

/// A minute of noise that swells and fades, as mp3 of 128 kbit/s in stereo.
fn minute(directory: &Utf8Path) -> Vec<u8> {
    noise(directory, SECONDS)
}

fn noise(directory: &Utf8Path, seconds: u32) -> Vec<u8> {
    let (wave, sound) = (directory.join("noise.wav"), directory.join("noise.mp3"));
    let run = |command: &mut Command| assert!(command.status().unwrap().success(), "{command:?}");
    let noise = ["synth", &seconds.to_string(), "pinknoise", "tremolo", "3"];
    run(Command::new("sox").args(["-n", "-r", "44100", "-c", "2", wave.as_str()]).args(noise));
    run(Command::new("lame").args(["--quiet", "-b", "128", wave.as_str(), sound.as_str()]));
    fs::read(sound).unwrap()
}

/// The published body of program 171 once it has a rendition.
fn rendered_body(gateway: &Gateway) -> Value {
    rendered(gateway, "171")
}

fn rendered(gateway: &Gateway, program: &str) -> Value {
    let patience = Instant::now() + Duration::from_secs(120);
    loop {
        let body = body_of(gateway, program);
        if body["phone"].is_object() {
            return body;
        }
        assert!(Instant::now() < patience, "no rendition is published:\n{}", gateway.log());
        thread::sleep(Duration::from_millis(100));
    }
}

fn body(gateway: &Gateway) -> Value {
    body_of(gateway, "171")
}

fn body_of(gateway: &Gateway, program: &str) -> Value {
    let listed = Command::new(env!("CARGO_BIN_EXE_audiospread"))
        .args(["feed", "--kind", "program", "--json", "--config", gateway.config.as_str()])
        .output()
        .unwrap();
    let lines = String::from_utf8(listed.stdout).unwrap();
    let mut entities = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let program = entities.find(|entity| entity["id"] == program).unwrap();
    program["value"]["audio"]["body"].clone()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn has(phone: &Phone, sha256: &str) -> bool {
    phone.audio().iter().any(|path| path.file_stem() == Some(sha256))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_server_that_prefers_renditions_fetches_a_fifth_and_hears_all_of_it() {
    let site = DrupalSite::new().configure("[renditions]\nenabled = true").build().await;
    let sound = minute(site.directory());
    let original = site.replace_file_of_program(171, &sound).await;
    let gateway = Gateway::of(&site, ALL_PROGRAMS);
    let published = rendered_body(&gateway);
    assert_eq!(published["sha256"], original.as_str());
    let rendition = text(&published["phone"]["sha256"]).to_owned();

    let link = Proxy::before(gateway.address);
    let phone = Phone::of(&link.url());
    phone.configure(&link.url(), "prefer = \"phone\"\n");
    phone.pull();
    assert!(has(&phone, &rendition) && !has(&phone, &original));
    let seen = link.take_seen();
    assert!(!seen.iter().any(|request| request.path.contains(&original)), "the original is not asked for");
    let sent: usize =
        seen.iter().filter(|request| request.path.contains(&rendition)).filter_map(|request| request.answered).sum();
    assert!(sent > 0 && sent * 5 < sound.len(), "{sent} of {} bytes", sound.len());
    let heard: String =
        phone.value("SELECT audio_dir || '/' || body_sound || '.wav' FROM phone_mirror, phone_program WHERE id = 171");
    let samples = (fs::metadata(heard).unwrap().len() - 44) / 2;
    assert!(samples.abs_diff(u64::from(SECONDS) * 8000) <= 800, "{samples} samples");
    phone.verify(&[]);

    let plain = Phone::of(&gateway.url());
    plain.pull();
    assert!(has(&plain, &original) && !has(&plain, &rendition), "who does not prefer it gets the original");
    plain.verify(&[]);

    plain.configure(&gateway.url(), "prefer = \"phone\"\n[prune]\nolder_than_days = 0\nafter_pull = true\n");
    assert_eq!(plain.pull()["stored"], 0, "what is here is not fetched in the other form");
    assert!(has(&plain, &original), "and is not pruned");
    plain.verify(&[]);

    let file = site.directory().join(format!("data/blobs/sha256/{}/{rendition}", &rendition[..2]));
    let made = fs::metadata(&file).unwrap().modified().unwrap();
    gateway.stop().code();
    let gateway = Gateway::of(&site, ALL_PROGRAMS);
    assert_eq!(body(&gateway), published);
    let second = Phone::of(&gateway.url());
    second.configure(&gateway.url(), "prefer = \"phone\"\n");
    second.pull();
    assert!(has(&second, &rendition) && !has(&second, &original));
    assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), made, "it is not made anew");

    fs::remove_file(&file).unwrap();
    let third = Phone::of(&gateway.url());
    third.configure(&gateway.url(), "prefer = \"phone\"\n");
    third.pull();
    assert!(has(&third, &rendition), "one that was lost is made anew when it is asked for");
    assert_eq!(Sha256Digest::of(&fs::read(&file).unwrap()).to_string(), rendition);
}

/// The fixture's recordings that are no mp3: 255 is a wave, 258 is Ogg Vorbis.
#[tokio::test(flavor = "multi_thread")]
async fn a_wave_and_an_ogg_get_their_small_form_too_and_it_is_the_same_sound() {
    let site = DrupalSite::new().configure("[renditions]\nenabled = true").build().await;
    let gateway = Gateway::of(&site, ALL_PROGRAMS);
    let link = Proxy::before(gateway.address);
    let phone = Phone::of(&link.url());
    phone.configure(&link.url(), "prefer = \"phone\"\n");
    let bodies = ["255", "258"].map(|program| rendered(&gateway, program));
    phone.pull_alone();
    let seen = link.take_seen();
    for (body, mime) in bodies.iter().zip(["audio/wav", "audio/ogg"]) {
        assert_eq!((&body["mime"], &body["phone"]["mime"]), (&mime.into(), &"audio/mpeg".into()), "{body}");
        let (original, rendition) = (text(&body["sha256"]), text(&body["phone"]["sha256"]));
        assert!(has(&phone, rendition) && !has(&phone, original), "{mime}");
        assert!(!seen.iter().any(|request| request.path.contains(original)), "the {mime} is not asked for");
        let bytes = |form: &Value| form["size"].as_u64().unwrap();
        assert!(bytes(&body["phone"]) * 4 < bytes(body) * 3, "{mime}: {body}");
        let stored = |phone: &Phone, sha256: &str| {
            phone.audio().into_iter().find(|path| path.file_stem() == Some(sha256)).unwrap()
        };
        let plain = Phone::of(&gateway.url());
        plain.pull();
        let recorded = Sound::read(stored(&plain, original)).unwrap();
        let small = Sound::read(stored(&phone, rendition)).unwrap();
        let played =
            Sound::read(phone.data().join(format!("phone/{}/{}/{rendition}.wav", &rendition[..2], &rendition[2..4])));
        for heard in [small, played.unwrap()] {
            let pattern = Pattern::of(&recorded);
            let found = Hay::of(&heard, &pattern).best(&pattern);
            assert!(found.is_some_and(|found| found.likeness >= SAME), "{mime}: {found:?}");
            let longer = heard.duration().abs_diff(recorded.duration());
            assert!(longer < Duration::from_millis(200), "{mime}: {longer:?}");
        }
    }
    phone.verify(&[]);
}

/// Half an hour over a link of 400 kbyte a second, in the small form and in the original.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: scripts/soak runs it"]
async fn half_an_hour_of_sound_is_less_than_a_fifth_on_a_slow_link() {
    let site = DrupalSite::new().configure("[renditions]\nenabled = true").build().await;
    let sound = noise(site.directory(), 1800);
    let original = site.replace_file_of_program(171, &sound).await;
    let gateway = Gateway::of(&site, ALL_PROGRAMS);
    let rendition = text(&rendered_body(&gateway)["phone"]["sha256"]).to_owned();
    let fetched = |prefer: &str, sha256: &str| {
        let link = Proxy::before(gateway.address);
        let phone = Phone::of(&link.url());
        phone.configure(&link.url(), &format!("prefer = \"{prefer}\"\nlimit_rate = \"400k\"\n"));
        let began = Instant::now();
        phone.pull_alone();
        let took = began.elapsed();
        let seen = link.take_seen();
        let of_it = seen.iter().filter(|request| request.path.contains(sha256)).filter_map(|request| request.answered);
        (of_it.sum::<usize>(), took)
    };
    let (small, quick) = fetched("phone", &rendition);
    let (large, slow) = fetched("original", &original);
    println!("{small} bytes in {quick:?} instead of {large} in {slow:?}: {} in a thousand", small * 1000 / large);
    assert!(small > 0 && small * 5 < large, "{small} of {large} bytes");
}

/// Waits until this body of program 171 is published; what is said of it then, for the first time.
fn first_published(gateway: &Gateway, sha256: &str) -> Value {
    let patience = Instant::now() + Duration::from_secs(60);
    loop {
        let body = body(gateway);
        if body["sha256"] == sha256 {
            return body;
        }
        assert!(Instant::now() < patience, "it is not published:\n{}", gateway.log());
        thread::sleep(Duration::from_millis(20));
    }
}

/// Has 171 read again.
async fn refresh(gateway: &Gateway) {
    let request = Client::new().post(format!("{}/v1/refresh", gateway.url())).bearer_auth(EVERYTHING);
    let answer = request.json(&serde_json::json!({"nodes": [171]})).send().await.unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_sound_is_published_with_its_rendition_and_without_it_once_it_has_waited() {
    let wait = 3;
    let site = DrupalSite::new()
        .configure(&format!("drupal.settle_ms = 50\n[renditions]\nenabled = true\nwait_seconds = {wait}"))
        .build()
        .await;
    let directory = site.directory();
    // It encodes for as long as nobody says that it should hang.
    let (encoder, hang, asked) = (directory.join("encoder"), directory.join("hang"), directory.join("asked"));
    let script = format!("#!/bin/sh\nwhile [ -e {hang} ]; do touch {asked}; sleep 0.05; done\nexec lame \"$@\"\n");
    fs::write(&encoder, script).unwrap();
    fs::set_permissions(&encoder, fs::Permissions::from_mode(0o755)).unwrap();
    let gateway = Gateway::named(&site, "served", &format!("renditions.encoder = \"{encoder}\""));
    gateway.wait_for(ALL_PROGRAMS);
    rendered(&gateway, "258");

    let (quick, slow) = (noise(directory, 5), noise(directory, 6));
    let sha256 = site.replace_file_of_program(171, &quick).await;
    refresh(&gateway).await;
    let body = first_published(&gateway, &sha256);
    assert!(body["phone"].is_object(), "it waited, and phone servers need not begin with the original: {body}");

    fs::write(&hang, "").unwrap();
    let begun = Instant::now();
    let sha256 = site.replace_file_of_program(171, &slow).await;
    refresh(&gateway).await;
    let body = first_published(&gateway, &sha256);
    assert!(asked.exists() && begun.elapsed() >= Duration::from_secs(wait), "{:?}", begun.elapsed());
    assert!(body["phone"].is_null(), "{body}");
    fs::remove_file(&hang).unwrap();
    let body = rendered_body(&gateway);
    assert_eq!(body["sha256"], sha256.as_str(), "it gains it later: {body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encoder_that_is_absent_or_fails_holds_no_program_back() {
    for (encoder, words) in [("/nowhere/lame", "apt install lame"), ("false", "ended with")] {
        let settings = format!("[renditions]\nenabled = true\nencoder = \"{encoder}\"");
        let site = DrupalSite::new().configure(&settings).build().await;
        let sound = minute(site.directory());
        let original = site.replace_file_of_program(171, &sound).await;
        let gateway = Gateway::of(&site, ALL_PROGRAMS);
        let published = body(&gateway);
        assert!(published["sha256"] == original.as_str() && published["phone"].is_null(), "{published}");
        let doctor = Command::new(env!("CARGO_BIN_EXE_audiospread"))
            .args(["doctor", "--json", "--config", gateway.config.as_str()])
            .output()
            .unwrap();
        let said = String::from_utf8(doctor.stdout).unwrap();
        let line = said.lines().find(|line| line.contains("renditions")).unwrap();
        assert!(line.contains("doubtful") && line.contains(words), "{line}");
    }
}
