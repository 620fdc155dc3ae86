//! The language packs: made from words by real programs, and as they are committed.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::{run, shipped};

/// Two prompts in three languages, one of them without a voice of its own and not wholly translated.
const WORDS: &str = r#"
[[prompt]]
context = "home"
key = "goodbye"
[prompt.text]
en = "Thank you for calling. Goodbye."
fr = "Merci de votre appel. Au revoir."
wo = "Jërëjëf ci woote bi. Ba beneen yoon."

[[prompt]]
context = "minimals"
key = "digit_1"
[prompt.text]
en = "One."
fr = "Un."
"#;

fn make(list: &Path, out: &Path, options: &[&str]) -> (bool, String) {
    let mut command = Command::new(shipped("packs/make"));
    let output = run(command.arg("--list").arg(list).arg("--out").arg(out).args(options));
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

fn words(directory: &TempDir, text: &str) -> std::path::PathBuf {
    let list = directory.path().join("words.toml");
    fs::write(&list, text).unwrap();
    list
}

#[test]
fn every_prompt_has_its_sound_in_each_language_and_every_sound_its_prompt() {
    let output = run(Command::new(shipped("packs/make")).arg("--check"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_third_language_needs_its_words_and_nothing_else() {
    let directory = TempDir::new().unwrap();
    let list = words(&directory, WORDS);
    let packs = directory.path().join("packs");
    let (done, said) = make(&list, &packs, &["--wav"]);
    assert!(done, "{said}");

    let spoken = packs.join("wo/home/goodbye.wav");
    let reader = hound::WavReader::open(&spoken).unwrap();
    let form = reader.spec();
    assert_eq!((form.channels, form.sample_rate, form.bits_per_sample), (1, 8000, 16), "as Asterisk plays it");
    let samples: Vec<f64> = reader.into_samples::<i16>().map(|sample| f64::from(sample.unwrap())).collect();
    assert!(samples.len() > 8000, "a sentence is longer than a second: {}", samples.len());
    let count = f64::from(u32::try_from(samples.len()).unwrap());
    let level = (samples.iter().map(|sample| sample * sample).sum::<f64>() / count).sqrt();
    let decibel = 20.0 * (level / 32768.0).log10();
    assert!((-24.0..-16.0).contains(&decibel), "as loud as all prompts are: {decibel} dB");

    assert!(!packs.join("wo/minimals/digit_1.wav").exists(), "what is not translated is left to the default language");
    assert_eq!(make(&list, &packs, &["--wav", "--check"]), (true, String::new()));
}

#[test]
fn the_same_words_are_spoken_only_where_they_are_missing_if_so_asked() {
    let directory = TempDir::new().unwrap();
    let list = words(&directory, WORDS);
    let recorded = directory.path().join("fr/home/goodbye.mp3");
    fs::create_dir_all(recorded.parent().unwrap()).unwrap();
    fs::write(&recorded, "spoken by a person").unwrap();
    let (done, said) = make(&list, directory.path(), &["--missing"]);
    assert!(done, "{said}");
    assert_eq!(fs::read_to_string(&recorded).unwrap(), "spoken by a person");
    assert!(fs::metadata(directory.path().join("en/home/goodbye.mp3")).unwrap().len() > 1000);
}

#[test]
fn what_does_not_fit_the_list_is_said_file_by_file() {
    let directory = TempDir::new().unwrap();
    let list = words(&directory, WORDS);
    let stray = directory.path().join("packs/fr/home/hello.mp3");
    fs::create_dir_all(stray.parent().unwrap()).unwrap();
    fs::write(&stray, "").unwrap();
    let (done, said) = make(&list, &directory.path().join("packs"), &["--check"]);
    assert!(!done);
    assert!(said.contains("wo/home/goodbye.mp3 is missing"), "{said}");
    assert!(said.contains("fr/home/hello.mp3 has no prompt"), "{said}");
}

#[test]
fn a_list_with_faults_is_refused_with_the_prompt_s_name() {
    let directory = TempDir::new().unwrap();
    let twice = format!("{WORDS}{WORDS}");
    let cases = [
        (twice.as_str(), "home/goodbye is there twice"),
        ("[[prompt]]\ncontext = \"../x\"\nkey = \"y\"\n[prompt.text]\nen = \"Hello.\"\n", "are made of a-z, 0-9 and _"),
        (
            "[[prompt]]\ncontext = \"home\"\nkey = \"y\"\n[prompt.text]\n\"../fr\" = \"Salut.\"\n",
            "is no code of a language",
        ),
        ("[[prompt]]\ncontext = \"home\"\nkey = \"y\"\n[prompt.text]\nen = \" \"\n", "home/y: no words in en"),
    ];
    for (list, fault) in cases {
        let (done, said) = make(&words(&directory, list), directory.path(), &[]);
        assert!(!done && said.contains(fault), "expected: {fault}\nsaid: {said}");
    }
}
