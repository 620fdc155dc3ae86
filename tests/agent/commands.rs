//! The agent's other commands: one pull at a time, verify, status, prune, and their output.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant, SystemTime};

use super::phone_behind_a_link;
use crate::harness::phone::Phone;
use crate::harness::proxy::Fault;

#[tokio::test(flavor = "multi_thread")]
async fn a_second_pull_says_that_there_is_one_already() {
    let (phone, link) = phone_behind_a_link().await;
    link.fail("/v1/feed", 1, Fault::Stall);
    let mut first = phone.start(&["pull"]).unwrap();
    let patience = Instant::now() + Duration::from_secs(60);
    while link.take_seen().is_empty() {
        assert!(Instant::now() < patience, "the first pull does not begin");
    }
    let second = phone.run(&["pull"]);
    assert_eq!(second.code(), 75, "{second}");
    assert!(second.err().contains("another pull or prune is at work here"), "{second}");
    first.kill().unwrap();
    first.wait().unwrap();
    phone.pull();
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_finds_spoilt_and_lost_sounds_and_a_repair_brings_them_back() {
    let (phone, _link) = phone_behind_a_link().await;
    phone.pull();
    let sounds = phone.audio();
    let mut bytes = fs::read(&sounds[0]).unwrap();
    bytes[100] ^= 1;
    fs::set_permissions(&sounds[0], fs::Permissions::from_mode(0o640)).unwrap();
    fs::write(&sounds[0], bytes).unwrap();
    fs::remove_file(&sounds[1]).unwrap();
    let quick = phone.run(&["verify", "--quick", "--offline"]);
    assert_eq!(quick.code(), 1, "a lost sound is found without reading any: {quick}");
    let found = phone.run(&["verify"]);
    assert_eq!(found.code(), 1, "{found}");
    assert!(found.out().contains(sounds[0].as_str()), "{found}");
    assert!(found.out().contains("a sound of it is not in the store"), "{found}");
    phone.pull();
    assert_eq!(phone.run(&["verify"]).code(), 1, "a pull does not read what is there");
    assert_eq!(phone.run(&["verify", "--repair"]).code(), 1);
    assert_eq!(phone.pull()["stored"], 2);
    phone.verify(&[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_foreign_hand_changed_is_found_and_repaired_by_one_snapshot() {
    let (phone, link) = phone_behind_a_link().await;
    phone.pull();
    phone
        .mirror()
        .execute_batch(
            "UPDATE entity SET value = replace(value, 'Crops', 'Crobs') WHERE kind = 'category' AND id = '2';
             UPDATE program SET title = 'x' WHERE id = 171;
             DELETE FROM program_category",
        )
        .unwrap();
    let found = phone.run(&["verify"]);
    assert_eq!(found.code(), 1, "{found}");
    assert!(found.out().contains("category 2: the value does not have the hash"), "{found}");
    assert!(found.out().contains("the table program is not what follows"), "{found}");
    phone.run(&["verify", "--repair"]);
    link.take_seen();
    let pulled = phone.run(&["pull", "--json"]);
    assert_eq!(pulled.code(), 0, "{pulled}");
    let snapshots = link.take_seen().iter().filter(|seen| seen.path == "/v1/feed").count();
    assert_eq!(snapshots, 1, "{pulled}");
    phone.verify(&[]);
    // The same version is not worth a second one so soon.
    phone.mirror().execute_batch("UPDATE entity SET leaf = zeroblob(32) WHERE id = '171'; DELETE FROM bucket").unwrap();
    let again = phone.run(&["pull"]);
    assert_eq!(again.code(), 75, "{again}");
    assert!(again.err().contains("the next snapshot is worth a try from"), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_asks_the_gateway_unless_told_not_to() {
    let (phone, link) = phone_behind_a_link().await;
    phone.pull();
    link.fail("/v1/feed", usize::MAX, Fault::Drop);
    let away = phone.run(&["verify", "--json"]);
    assert_eq!(away.code(), 75, "{away}");
    phone.verify(&["--offline"]);
    link.heal();
    // A foreign hand changes what is published, and hides it well.
    phone.mirror().execute_batch("UPDATE meta SET value = replace(value, 'a', 'b') WHERE name = 'digest'").unwrap();
    phone.mirror().execute_batch("DELETE FROM entity WHERE kind = 'prompt'").unwrap();
    let other = phone.run(&["verify", "--json"]);
    assert_eq!(other.code(), 1, "{other}");
    assert_eq!(other.last_line()["gateway_agrees"], false);
    // The next pull notices at its first change; a mirror that is removed is filled anew, and no sound travels twice.
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{suffix}", phone.data().join("mirror.db")));
    }
    assert_eq!(phone.pull()["stored"], 0);
    phone.verify(&[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn prune_removes_old_sounds_that_nothing_names_and_nothing_else() {
    let (phone, _link) = phone_behind_a_link().await;
    phone.pull();
    let before = phone.audio().len();
    let directory = phone.data().join("audio/00/11");
    fs::create_dir_all(&directory).unwrap();
    let old = SystemTime::now() - Duration::from_secs(100 * 86_400);
    let forgotten = directory.join(format!("0011{}.mp3", "a".repeat(60)));
    fs::write(&forgotten, "x").unwrap();
    fs::File::options().write(true).open(&forgotten).unwrap().set_modified(old).unwrap();
    let young = directory.join(format!("0011{}.mp3", "b".repeat(60)));
    fs::write(&young, "x").unwrap();
    for sound in phone.audio().iter().filter(|path| **path != young) {
        fs::File::options().write(true).open(sound).unwrap().set_modified(old).unwrap();
    }
    // What was made of it.
    let made = phone.data().join(format!("phone/00/11/0011{}.wav", "a".repeat(60)));
    fs::create_dir_all(made.parent().unwrap()).unwrap();
    fs::write(&made, "x").unwrap();
    fs::File::options().write(true).open(&made).unwrap().set_modified(old).unwrap();
    let note = format!("INSERT INTO phone_sound VALUES (x'0011{}', 'wav', 1, zeroblob(32))", "a".repeat(60));
    phone.mirror().execute_batch(&note).unwrap();
    let noted = || phone.value::<i64>("SELECT count(*) FROM phone_sound").unsigned_abs();
    let before_made = noted();
    let would = phone.run(&["prune", "--dry-run", "--json"]).last_line();
    assert_eq!((&would["files"], &would["dry_run"]), (&2.into(), &true.into()));
    assert!(forgotten.exists() && made.exists() && noted() == before_made);
    let did = phone.run(&["prune", "--json"]).last_line();
    assert_eq!(did["files"], 2);
    assert!(!forgotten.exists() && !made.exists() && young.exists());
    assert_eq!((noted(), phone.phone_sounds().len() as u64), (before_made - 1, before_made - 1));
    assert_eq!(phone.run(&["prune", "--older-than-days", "0", "--json"]).last_line()["files"], 1);
    assert_eq!(phone.audio().len(), before);
}

#[test]
fn commands_before_the_first_pull_say_so() {
    let phone = Phone::of("http://127.0.0.1:9");
    for command in ["status", "menu", "verify", "prune"] {
        let ran = phone.run(&[command]);
        assert_eq!(ran.code(), 1, "{ran}");
        assert!(ran.err().contains("run `audiospread pull`"), "{ran}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_has_seen_enough_is_no_failure() {
    let (phone, _link) = phone_behind_a_link().await;
    phone.pull();
    let menu = phone.command(&["menu"]);
    let arguments: Vec<_> = menu.get_args().map(ToOwned::to_owned).collect();
    let ran = std::process::Command::new("bash")
        .args(["-c", "set -o pipefail; \"$0\" \"$@\" | true"])
        .arg(menu.get_program())
        .args(arguments)
        .output()
        .unwrap();
    assert_eq!((ran.status.code(), String::from_utf8_lossy(&ran.stderr).as_ref()), (Some(0), ""));
}
