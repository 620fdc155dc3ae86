//! The table of traps in `tests/README.md`, and whether the tests that it names are there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn every_test_that_is_named_here_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = BTreeSet::new();
    for directory in ["tests", "gateway"] {
        collect(&root.join(directory), &mut tests);
    }
    let table = fs::read_to_string(root.join("tests/README.md")).unwrap();
    // A name of three words or more is that of a test.
    let is_name = |word: &&str| {
        word.matches('_').count() > 2 && word.bytes().all(|b| b == b'_' || b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    let named: BTreeSet<&str> =
        table.split('`').skip(1).step_by(2).map(|word| word.trim_start_matches("traps::")).filter(is_name).collect();
    let missing: Vec<&&str> = named.iter().filter(|name| !tests.contains(**name)).collect();
    assert!(named.len() > 80 && missing.is_empty(), "{} names, of which there are no tests: {missing:#?}", named.len());
}

/// The names of the functions that are tests, in all files below a directory.
fn collect(directory: &Path, tests: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, tests);
            continue;
        }
        let begin = match path.extension().and_then(|extension| extension.to_str()) {
            Some("rs") => "fn ",
            Some("py") => "def test_",
            _ => continue,
        };
        let text = fs::read_to_string(path).unwrap();
        let functions = text.split(begin).skip(1).filter_map(|rest| rest.split_once('('));
        tests.extend(functions.map(|(name, _)| name.to_owned()));
    }
}
