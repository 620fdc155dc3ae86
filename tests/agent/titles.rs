//! A spoken title that nobody can hear holds nothing back: what the caller had to say arrives without it, and the title is kept.

use std::fs;
use std::time::Duration;

use audiospread_caller::Sound;
use rand::Rng;
use serde_json::{Value, json};

use super::pushing::{Office, message, title, uuid};
use crate::harness::DrupalSite;
use crate::harness::proxy::Fault;

impl Office {
    /// Leaves a message whose title is no sound.
    fn leaves_with_a_broken_title(&self, number: u32) -> String {
        let uuid = self.leaves(number, Some(&title()), &message());
        fs::write(self.recordings().join(format!("{uuid}-title.wav")), "no wave at all").unwrap();
        uuid
    }

    fn mends_the_title(&self, uuid: &str) {
        title().write(self.recordings().join(format!("quarantine/{uuid}-title.wav"))).unwrap();
    }
}

fn counts(report: &Value) -> [u64; 4] {
    ["recordings", "titles_quarantined", "quarantined", "recordings_waiting"].map(|name| report[name].as_u64().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_title_that_cannot_be_heard_is_kept_aside_and_its_message_arrives_without_it() {
    let office = Office::new().await;
    let spoilt = office.leaves_with_a_broken_title(1);
    let gone = office.leaves(2, Some(&title()), &message());
    fs::remove_file(office.recordings().join(format!("{gone}-title.wav"))).unwrap();
    let outside = office.leaves(3, None, &message());
    office.calls().execute("UPDATE recordings SET title_path = '/etc/passwd' WHERE uuid = ?1", [&outside]).unwrap();
    let good = office.leaves(4, Some(&title()), &message());
    let report = office.pushed();
    assert_eq!(counts(&report), [4, 3, 0, 0], "{report}");
    for kept in office.kept().await {
        assert_eq!(kept["title"].is_null(), kept["uuid"] != good.as_str(), "{kept}");
        office.assert_holds(&kept["body"], &message()).await;
    }
    assert_eq!(office.files("recordings/quarantine"), [format!("{spoilt}-title.wav")]);
    assert_eq!(office.files("recordings/archive").len(), 5, "the bodies, and the title that was good");
    assert!(office.files("recordings").is_empty() && office.files("outgoing").is_empty());

    let status = office.status();
    assert_eq!(status["quarantined"], json!([]), "{status}");
    let why = |uuid: &str| {
        let kept = status["quarantined_titles"].as_array().unwrap().iter().find(|kept| kept["uuid"] == uuid);
        kept.unwrap_or_else(|| panic!("{uuid}: {status}"))["why"].as_str().unwrap().to_owned()
    };
    assert!(why(&spoilt).contains("its title cannot be decoded"), "{}", why(&spoilt));
    assert!(why(&gone).contains("its title is gone"), "{}", why(&gone));
    assert!(why(&outside).contains("no file in"), "{}", why(&outside));
    let said = office.phone.run(&["status"]).out();
    assert!(said.contains(&format!("the title of {spoilt}, which goes without it")), "{said}");

    // What is confirmed and old goes. What somebody said, and nobody could hear, stays until somebody takes it away.
    office.calls().execute_batch("UPDATE delivery SET settled_at = 0").unwrap();
    office.pushed();
    assert_eq!(office.files("recordings/quarantine"), [format!("{spoilt}-title.wav")]);
    assert_eq!(office.status()["quarantined_titles"].as_array().unwrap().len(), 1);
    fs::remove_file(office.recordings().join(format!("quarantine/{spoilt}-title.wav"))).unwrap();
    office.pushed();
    assert_eq!(office.status()["quarantined_titles"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_that_goes_without_its_title_does_so_after_restarts_too_even_if_the_title_is_mended() {
    let office = Office::new().await;
    // The gateway takes it, and its answers are lost.
    let uuid = office.leaves_with_a_broken_title(1);
    office.link.fail("PUT /v1/recordings/", usize::MAX, Fault::LoseAnswer);
    let ran = office.push(&[]);
    assert!(ran.code() == 75 && ran.out().contains("title_quarantined"), "{ran}");
    office.link.heal();
    assert_eq!(office.kept().await.len(), 1);
    office.mends_the_title(&uuid);
    let report = office.pushed();
    assert_eq!((counts(&report), &report["recordings_known"]), ([1, 0, 0, 0], &json!(1)), "{report}");

    let more: Vec<String> = (2..6).map(|number| office.leaves_with_a_broken_title(number)).collect();
    for _ in 0..8 {
        let mut push = office.phone.start(&["push"]).unwrap();
        std::thread::sleep(Duration::from_millis(rand::rng().random_range(5..200)));
        push.kill().unwrap();
        push.wait().unwrap();
        for uuid in &more {
            if office.recordings().join(format!("quarantine/{uuid}-title.wav")).exists() {
                office.mends_the_title(uuid);
            }
        }
    }
    let report = office.pushed();
    assert_eq!(counts(&report)[2..], [0, 0], "{report}");
    let kept = office.kept().await;
    assert!(kept.len() == 5 && kept.iter().all(|kept| kept["title"].is_null()), "{kept:?}");
    let expected: Vec<String> = (1..6).map(|number| format!("{}-title.wav", self::uuid(number))).collect();
    assert_eq!(office.files("recordings/quarantine"), expected);
    assert_eq!(office.files("recordings/archive").len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_body_keeps_all_of_a_recording_back_and_mended_it_goes_with_its_title() {
    let office = Office::new().await;
    let uuid = office.leaves_with_a_broken_title(1);
    let body = format!("{uuid}-body.wav");
    fs::write(office.recordings().join(&body), "no wave at all").unwrap();
    let report = office.pushed();
    assert_eq!(counts(&report), [0, 0, 1, 0], "{report}");
    assert_eq!(office.files("recordings/quarantine"), [body.clone(), format!("{uuid}-title.wav")]);
    message().write(office.recordings().join("quarantine").join(&body)).unwrap();
    office.mends_the_title(&uuid);
    let report = office.push(&["--retry-quarantined"]).last_line();
    assert_eq!(counts(&report), [1, 0, 0, 0], "{report}");
    office.assert_holds(&office.kept().await[0]["title"], &title()).await;
    assert!(office.files("recordings/quarantine").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_title_that_the_gateway_cannot_use_holds_nothing_back_either() {
    let settings = "drupal.settle_ms = 50\n[intake]\nmax_minutes = 1";
    let office = Office::of(DrupalSite::new().configure(settings).build().await);
    let seconds = 70;
    let endless = Sound::from_samples(message().samples().iter().copied().cycle().take(seconds * 8_000).collect());
    let long_title = office.leaves(1, Some(&endless), &message());
    let long_body = office.leaves(2, Some(&title()), &endless);
    let report = office.pushed();
    assert_eq!(counts(&report), [1, 1, 1, 0], "{report}");
    let kept = office.kept().await;
    assert_eq!((kept.len(), &kept[0]["uuid"], &kept[0]["title"]), (1, &json!(long_title), &Value::Null));
    let status = office.status();
    let (titles, whole) = (&status["quarantined_titles"][0], &status["quarantined"][0]);
    assert_eq!((&titles["uuid"], &whole["uuid"]), (&json!(long_title), &json!(long_body)), "{status}");
    for (kept, part) in [(titles, "title"), (whole, "body")] {
        let why = kept["why"].as_str().unwrap();
        assert!(why.contains(&format!("the {part} cannot be used: it is longer than 1 minutes")), "{why}");
    }
    assert_eq!(office.files("recordings/quarantine").len(), 3);
}
