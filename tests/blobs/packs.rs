//! The language packs of a host.

use std::fs;

use audiospread_protocol::Sha256Digest;
use audiospread_server::blobs::{PackError, load_packs};
use audiospread_server::catalogue::PromptName;
use camino::Utf8Path;
use tempfile::TempDir;

use super::site_with_audio::speech;

const LIST: &str = r#"
[[prompt]]
context = "home"
key = "goodbye"
[prompt.text]
en = "Goodbye."
fr = "Au revoir."

[[prompt]]
context = "programs"
key = "untitled"
[prompt.text]
en = "Program number"
"#;

fn packs(list: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("prompts.toml"), list).unwrap();
    directory
}

fn put(directory: &TempDir, path: &str, bytes: &[u8]) {
    let path = directory.path().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn path(directory: &TempDir) -> &Utf8Path {
    Utf8Path::from_path(directory.path()).unwrap()
}

#[test]
fn prompts_stand_in_the_order_of_the_list_with_the_sounds_of_each_language() {
    let directory = packs(LIST);
    put(&directory, "en/home/goodbye.mp3", &speech(1));
    put(&directory, "fr/home/goodbye.mp3", &speech(2));
    put(&directory, "en/programs/untitled.mp3", &speech(3));
    put(&directory, "en/home/unknown.mp3", &speech(4));
    put(&directory, "not a language/home/goodbye.mp3", &speech(5));
    let loaded = load_packs(path(&directory)).unwrap();
    let names = [PromptName::new("home", "goodbye"), PromptName::new("programs", "untitled")];
    assert_eq!(loaded.packs.names(), names);
    let mut sounds: Vec<_> = loaded
        .packs
        .sounds()
        .map(|(language, name, audio)| (language.to_owned(), name.to_string(), audio.sha256, audio.duration_ms))
        .collect();
    sounds.sort();
    let sound = |language: &str, name: &str, number| {
        (language.to_owned(), name.to_owned(), Sha256Digest::of(&speech(number)), 2232)
    };
    assert_eq!(
        sounds,
        [sound("en", "home/goodbye", 1), sound("en", "programs/untitled", 3), sound("fr", "home/goodbye", 2)]
    );
    assert_eq!(loaded.findings, []);
}

#[test]
fn a_sound_that_is_no_audio_is_left_out_and_told() {
    let directory = packs(LIST);
    put(&directory, "en/home/goodbye.mp3", b"404 Not Found");
    let loaded = load_packs(path(&directory)).unwrap();
    assert_eq!(loaded.packs.sounds().count(), 0);
    assert_eq!(loaded.findings.len(), 1);
    assert!(loaded.findings[0].message.contains("en/home/goodbye.mp3"));
}

#[test]
fn a_list_that_makes_no_sense_is_refused() {
    let escape = "[[prompt]]\ncontext = \"..\"\nkey = \"passwd\"\n";
    assert!(matches!(load_packs(path(&packs(escape))), Err(PackError::Name { .. })));
    let twice = format!("{LIST}{LIST}");
    assert!(matches!(load_packs(path(&packs(&twice))), Err(PackError::Name { .. })));
    assert!(matches!(load_packs(path(&packs("[[prompt]]\nkey = 1\n"))), Err(PackError::Form { .. })));
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(load_packs(path(&empty)), Err(PackError::Read { .. })));
}
