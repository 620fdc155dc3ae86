//! The commands of the Drupal host, and those about the program itself: what they print, and how they end.

use std::fs;
use std::net::TcpListener;
use std::process::{Command, Output};

use serde_json::Value;

use super::{audiospread, until};
use crate::harness::DrupalSite;
use crate::harness::gateway::{ALL_PROGRAMS, Gateway};

fn out(ran: &Output) -> String {
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

fn err(ran: &Output) -> String {
    String::from_utf8_lossy(&ran.stderr).into_owned()
}

fn lines(ran: &Output) -> Vec<Value> {
    out(ran).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn feed_lists_what_is_published_for_people_and_for_programs() {
    let (_, gateway) = Gateway::shared().await;
    let config = ["--config", gateway.config.as_str()];
    let run = |arguments: &[&str]| {
        let ran = audiospread(&[&["feed"], arguments, &config].concat());
        assert_eq!((ran.status.code(), err(&ran).as_str()), (Some(0), ""));
        ran
    };
    let table = out(&run(&[]));
    for heading in ["SETTINGS", "PROMPT", "CATEGORY", "PROGRAM", "SUBSCRIBER"] {
        assert_eq!(table.lines().filter(|line| line.starts_with(heading)).count(), 1, "{heading}: {table}");
    }
    assert!(
        table.lines().any(|line| line.starts_with("171 ") && line.contains("Fertilizer today (updated)")),
        "{table}"
    );
    let programs = lines(&run(&["--kind", "program", "--json"]));
    assert_eq!(programs.len(), ALL_PROGRAMS as usize);
    assert!(
        programs.iter().all(|line| line["kind"] == "program" && line["value"]["audio"]["body"]["sha256"].is_string())
    );

    let told = out(&run(&["--findings"]));
    let findings = lines(&run(&["--findings", "--json"]));
    assert_eq!(told.lines().count(), findings.len());
    assert!(findings.iter().all(|finding| finding["code"].is_string() && finding["message"].is_string()));
    assert!(told.contains("node 347") && told.contains("node 337"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn feed_accepts_a_hold_and_says_where_there_is_none() {
    let quick = "drupal.settle_ms = 50\ndrupal.refresh_seconds = 1";
    let site = DrupalSite::new().configure(quick).build().await;
    let gateway = Gateway::of(&site, ALL_PROGRAMS);
    let config = gateway.config.as_str();
    let none = audiospread(&["feed", "--accept", "--config", config]);
    assert_eq!(none.status.code(), Some(1));
    assert!(err(&none).contains("no refresh is held"), "{}", err(&none));

    site.sql("DELETE FROM {node} WHERE type IN ('program', 'legacy_program')").await;
    let ready = format!("{}/readyz", gateway.url());
    until("the refresh is held", async || reqwest::get(&ready).await.unwrap().status() == 503).await;
    let told = out(&audiospread(&["feed", "--findings", "--config", config]));
    assert!(told.contains("held") && told.contains("audiospread feed --accept"), "{told}");
    assert_eq!(gateway.published(), ALL_PROGRAMS as usize);
    let accepted = audiospread(&["feed", "--accept", "--config", config]);
    assert_eq!(accepted.status.code(), Some(0), "{}", err(&accepted));
    until("the programs are gone", async || gateway.published() == 0).await;
    until("the gateway is ready", async || reqwest::get(&ready).await.unwrap().status() == 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_says_what_to_do_where_it_cannot_start() {
    let site = DrupalSite::new().build().await;
    let good: toml::Table = site.config_text().parse().unwrap();
    let path = site.directory().join("spoilt.toml");
    let serve = |spoil: &dyn Fn(&mut toml::Table), code: i32, words: &str| {
        let mut config = good.clone();
        spoil(&mut config);
        fs::write(&path, toml::to_string(&config).unwrap()).unwrap();
        let mut serve = Command::new(env!("CARGO_BIN_EXE_audiospread"));
        serve.args(["serve", "--config", path.as_str()]).env("RUST_BACKTRACE", "1").env("RUST_LOG", "off");
        let ran = serve.output().unwrap();
        let said = err(&ran);
        assert_eq!(ran.status.code(), Some(code), "{said}");
        assert!(said.starts_with("audiospread: ") && said.contains(words), "{words}: {said}");
        assert_eq!(said.trim_end().lines().count(), 1, "one sentence, and no backtrace: {said}");
    };
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = busy.local_addr().unwrap().to_string();
    serve(&|config| drop(config.insert("listen".into(), address.clone().into())), 1, "choose another address");
    serve(&|config| drop(config.insert("packs_dir".into(), "nowhere".into())), 2, "nowhere");
    serve(&|config| drop(config.insert("tokens_file".into(), "nowhere".into())), 2, "nowhere");
    serve(&|config| drop(config.insert("data_dir".into(), "/proc/nowhere".into())), 1, "data_dir");
    let url = |config: &mut toml::Table, section: &str, url: &str| {
        config[section].as_table_mut().unwrap().insert("url".into(), url.into());
    };
    serve(&|config| url(config, "database", "mysql://nobody@127.0.0.1:9/nothing"), 1, "own database");
    serve(&|config| url(config, "drupal", "no url"), 2, "drupal.url");
}

#[test]
fn an_example_is_printed_and_can_be_checked() {
    let example = audiospread(&["config", "example"]);
    assert_eq!(example.status.code(), Some(0));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.toml");
    fs::write(&path, &example.stdout).unwrap();
    let path = path.to_str().unwrap();
    let checked = audiospread(&["config", "check", "--config", path]);
    assert_eq!((checked.status.code(), out(&checked)), (Some(0), format!("{path} is well formed\n")));
    for (spoilt, words) in [
        (out(&example).replace("\"221\"", "\"+221\""), "country_code"),
        (out(&example) + "\n[surprise]\n", "surprise"),
        ("listen".to_owned(), "listen"),
    ] {
        fs::write(path, spoilt).unwrap();
        let checked = audiospread(&["config", "check", "--config", path]);
        assert_eq!(checked.status.code(), Some(2));
        assert!(err(&checked).contains(path) && err(&checked).contains(words), "{}", err(&checked));
    }
    fs::remove_file(path).unwrap();
    let missing = audiospread(&["config", "check", "--config", path]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(err(&missing).contains(path), "{}", err(&missing));
}

#[test]
fn the_program_tells_about_itself() {
    for shell in ["bash", "zsh", "fish"] {
        let completions = audiospread(&["completions", shell]);
        assert_eq!(completions.status.code(), Some(0));
        assert!(out(&completions).contains("findings"), "{shell}");
    }
    let page = audiospread(&["man"]);
    assert_eq!(page.status.code(), Some(0));
    assert!(out(&page).contains(".TH audiospread"), "{}", out(&page));
    assert_eq!(audiospread(&["no-such-command"]).status.code(), Some(2));
    assert_eq!(audiospread(&[]).status.code(), Some(2));
    assert_eq!(audiospread(&["--version"]).status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_read_enough_of_the_output_closes_it_without_an_error() {
    let (_, gateway) = Gateway::shared().await;
    let program = env!("CARGO_BIN_EXE_audiospread");
    let config = gateway.config.as_str();
    for arguments in
        ["feed", "feed --json", "feed --findings", "doctor", "config example", "openapi", "man", "completions bash"]
    {
        let takes_config = arguments.starts_with("feed") || arguments == "doctor";
        let config = if takes_config { format!("--config {config}") } else { String::new() };
        let ran = Command::new("bash")
            .args(["-c", &format!("set -o pipefail; RUST_LOG=off {program} {arguments} {config} | true")])
            .output()
            .unwrap();
        assert_eq!((ran.status.code(), err(&ran).as_str()), (Some(0), ""), "{arguments}");
    }
}
