//! Tests of the contract: that it is what is committed, what is routed, and what a reader of it may expect.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use audiospread_protocol::{EntityKey, Kind, Line, Operation, ProblemCode, Sha256Digest, Tree, leaf_hash};
use serde_json::Value;

use super::openapi::{COMMITTED, document};
use super::router::routed;

/// Rewrites the committed contract instead of comparing it.
const REWRITE: &str = "AUDIOSPREAD_REWRITE_CONTRACT";

const METHODS: [&str; 8] = ["get", "head", "post", "put", "patch", "delete", "options", "trace"];

fn repository(path: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn contract() -> Value {
    serde_json::from_str(&document().unwrap()).unwrap()
}

/// Every operation, by `method path`.
fn operations(contract: &Value) -> BTreeMap<String, Value> {
    let mut operations = BTreeMap::new();
    for (path, item) in contract["paths"].as_object().unwrap() {
        for method in METHODS {
            if let Some(operation) = item.get(method) {
                operations.insert(format!("{method} {path}"), operation.clone());
            }
        }
    }
    operations
}

#[test]
fn the_committed_contract_is_the_one_of_the_code() {
    let path = repository("openapi/audiospread-v1.json");
    let document = document().unwrap();
    if std::env::var_os(REWRITE).is_some() {
        fs::write(&path, &document).unwrap();
        return;
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), COMMITTED, "build again: the committed contract has changed");
    assert!(document == COMMITTED, "the contract has changed: look at it with {REWRITE}=1 and git diff");
}

#[test]
fn what_is_routed_is_in_the_contract_and_the_reverse() {
    let routed: BTreeSet<String> = routed()
        .into_iter()
        .flat_map(|routed| {
            routed
                .routes
                .into_iter()
                .map(move |(method, _)| format!("{} {}", method.as_str().to_lowercase(), routed.path))
        })
        .collect();
    let described: BTreeSet<String> = operations(&contract()).into_keys().collect();
    assert_eq!(routed, described);
}

#[test]
fn each_operation_says_what_it_is_with_an_example_and_its_problems() {
    let mut ids = BTreeSet::new();
    for (name, operation) in operations(&contract()) {
        let said = |member: &str| operation[member].as_str().unwrap_or_else(|| panic!("{name} has no {member}"));
        assert!(!said("summary").is_empty() && !said("description").is_empty());
        assert!(ids.insert(said("operationId").to_owned()), "{name}: its operationId is taken");
        let responses = operation["responses"].as_object().unwrap();
        for (status, response) in responses {
            assert!(!response["description"].as_str().unwrap().is_empty(), "{name} {status}");
            let contents = response["content"].as_object().into_iter().flatten();
            for (media_type, content) in contents {
                let is_audio_or_file = content["schema"]["type"] == "array" || name.contains("{file}");
                assert!(
                    is_audio_or_file || content.get("example").is_some() || content.get("examples").is_some(),
                    "{name} {status} {media_type} has no example"
                );
                assert_eq!(
                    media_type == "application/problem+json",
                    !status.starts_with('2'),
                    "{name} {status}: errors are problems, and nothing else is"
                );
            }
        }
        let needs_token = operation.get("security").is_some();
        // XML-RPC says by faults what a token may not do.
        let refuses = responses.contains_key("401") && responses.contains_key("403") || name == "post /xmlrpc";
        assert_eq!(needs_token, refuses, "{name}");
        assert!(responses.contains_key("500"), "{name}");
    }
}

#[test]
fn what_needs_no_token_is_what_the_rules_list() {
    let open: BTreeSet<String> = operations(&contract())
        .into_iter()
        .filter(|(name, operation)| name.starts_with("get ") && operation.get("security").is_none())
        .map(|(name, _)| name)
        .collect();
    let expected = ["/docs", "/docs/{file}", "/healthz", "/openapi.json", "/readyz"].map(|path| format!("get {path}"));
    assert_eq!(open, BTreeSet::from(expected));
}

#[test]
fn every_problem_of_the_table_is_in_the_readme() {
    let readme = fs::read_to_string(repository("openapi/README.md")).unwrap();
    let rows: BTreeSet<&str> = readme.lines().filter(|line| line.starts_with("| `")).collect();
    for code in ProblemCode::ALL {
        let row = format!("| `{}` | {} | {} |", code.code(), code.status(), code.title());
        assert!(rows.iter().any(|line| line.starts_with(&row)), "openapi/README.md has no row {row}");
    }
    let listed = rows.iter().filter(|row| row.split('|').nth(2).is_some_and(|status| status.trim().len() == 3)).count();
    assert_eq!(listed, ProblemCode::ALL.len(), "openapi/README.md lists problems that there are not");
}

/// What stands between two fences of the README, the first of which begins so.
fn fenced<'a>(readme: &'a str, fence: &str, beginning: &str) -> &'a str {
    let marker = format!("{fence}\n{beginning}");
    let start = readme.find(&marker).unwrap() + fence.len() + 1;
    readme[start..].split("```").next().unwrap()
}

#[test]
fn the_readmes_example_of_the_digest_is_right() {
    let readme = fs::read_to_string(repository("openapi/README.md")).unwrap();
    let said = |what: &str, of: &str, is: &str| {
        let row = format!("| {what} | {of} | {is} |");
        assert!(readme.contains(&row), "openapi/README.md lacks: {row}");
    };
    let mut tree = Tree::new();
    for line in fenced(&readme, "```", "{\"version\"").lines() {
        let Ok(Line::Change(change)) = Line::read(line.as_bytes()) else { panic!("{line}") };
        let Operation::Put(value) = &change.operation else { panic!("{line}") };
        let name = change.key.to_string();
        let leaf = leaf_hash(&change.key, value);
        let key = Sha256Digest::of(format!("{}\n{}", change.key.kind(), change.key.id()).as_bytes());
        said("leaf", &name, &format!("`{leaf}`"));
        said("SHA-256(kind LF id)", &name, &format!("`{key}`: bucket {}", key.0[0]));
        said("hash of the bucket", &key.0[0].to_string(), &format!("`{}`", Sha256Digest::of(&leaf.0)));
        tree.insert(change.key, leaf);
    }
    assert!(tree.get(&EntityKey::numbered(Kind::Program, 171)).is_some() && tree.len(true) == 2);
    said("hash of the bucket", "any other", &format!("`{}`", Sha256Digest::of(b"")));
    said("digest", "both", &format!("`sha256:{}`", tree.digest(true)));
}

#[test]
fn the_readmes_program_finds_the_digest() {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    let readme = fs::read_to_string(repository("openapi/README.md")).unwrap();
    let program = fenced(&readme, "```python", "import");
    let mut python =
        Command::new("python3").args(["-c", program]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    python.stdin.take().unwrap().write_all(fenced(&readme, "```", "{\"version\"").as_bytes()).unwrap();
    let printed = String::from_utf8(python.wait_with_output().unwrap().stdout).unwrap();
    assert!(readme.contains(&format!("| digest | both | `{}` |", printed.trim())), "{printed}");
}
