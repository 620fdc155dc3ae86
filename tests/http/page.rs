//! The contract's page in a real browser that can reach no other host.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::Gateway;

const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// What the browser shows of an address once its scripts have run, with a log of the network in `directory`.
fn shown(address: &str, directory: &Path) -> String {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let browser = BROWSERS
        .into_iter()
        .find(|browser| std::env::split_paths(&path).any(|directory| directory.join(browser).is_file()))
        .expect("this test needs a browser; on Debian: apt-get install chromium");
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage"])
        .args(["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .arg("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
        .arg(format!("--user-data-dir={}", directory.join("profile").display()))
        .arg(format!("--log-net-log={}", directory.join("network.json").display()))
        .args(["--virtual-time-budget=30000", "--dump-dom", address])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_every_operation_and_asks_no_other_host() {
    let gateway = Gateway::start().await;
    let directory = tempfile::tempdir().unwrap();
    let page = tokio::task::block_in_place(|| shown(&gateway.url("/docs"), directory.path()));

    let contract: Value = gateway.get("/openapi.json").send().await.unwrap().json().await.unwrap();
    for path in contract["paths"].as_object().unwrap().keys() {
        assert!(page.contains(&format!("data-path=\"{path}\"")), "the page lacks {path}: {page}");
    }

    let log: Value = serde_json::from_slice(&std::fs::read(directory.path().join("network.json")).unwrap()).unwrap();
    let origin = gateway.url("");
    // What the browser does on its own behalf has no page as its initiator.
    let asked: BTreeSet<&str> = log["events"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["params"]["initiator"] == origin.as_str())
        .filter_map(|event| event["params"]["url"].as_str())
        .collect();
    assert!(asked.contains(gateway.url("/openapi.json").as_str()), "{asked:?}");
    for url in asked {
        assert!(url.starts_with(&format!("{origin}/")), "the page asks {url}");
    }
}
