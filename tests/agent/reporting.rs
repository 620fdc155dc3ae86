//! The gateway, and through it Drupal's editors, hear how things stand on a phone server.

use std::process::Command;

use serde_json::Value;

use super::pushing::{Office, message};
use crate::harness::gateway::{ALL_PROGRAMS, EVERYTHING};
use crate::harness::proxy::Fault;

/// What `audiospread.status` says, by Python's own client.
fn told(office: &Office, arguments: &str) -> Value {
    let script = format!(
        "import json, xmlrpc.client as x\n\
         print(json.dumps(x.ServerProxy('http://drupal:{EVERYTHING}@{}/xmlrpc').audiospread.status({arguments})))",
        office.gateway.address
    );
    let ran = Command::new("python3").args(["-c", &script]).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    serde_json::from_slice(&ran.stdout).unwrap()
}

/// What it says of the one phone server.
fn of_the_phone_server(office: &Office) -> Value {
    told(office, "").as_array().unwrap().iter().find(|one| one["kind"] == "phone_server").cloned().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_pull_and_after_a_push_the_gateway_knows_what_is_on_the_phone_and_what_waits() {
    let office = Office::new().await;
    office.gateway.wait_for(ALL_PROGRAMS);
    // A sound that is not served keeps its program off the phone, whichever it is.
    office.link.fail("/v1/blobs/", usize::MAX, Fault::Answer(503, ""));
    let held_up = office.phone.run(&["pull", "--json"]);
    assert_eq!(held_up.code(), 75, "{held_up}");
    assert_eq!(told(&office, "171")[0]["state"], "absent");
    assert!(of_the_phone_server(&office)["message"].as_str().unwrap().contains("cannot answer now"));
    office.link.heal();
    let pulled = office.phone.pull_alone();
    let server = of_the_phone_server(&office);
    assert_eq!(
        (&server["version"], &server["behind"], &server["message"]),
        (&pulled["version"], &0.into(), &"".into())
    );
    assert_eq!(server["software"], env!("CARGO_PKG_VERSION"));
    assert_eq!(told(&office, "171")[0]["state"], "shown");

    office.leaves(1, None, &message());
    office.link.fail("/v1/recordings/", usize::MAX, Fault::Answer(503, ""));
    assert_eq!(office.push(&[]).code(), 75);
    let server = of_the_phone_server(&office);
    assert_eq!(server["backlog"], 1, "{server}");
    assert!(server["message"].as_str().unwrap().contains("waits"), "{server}");
    office.link.heal();
    assert_eq!(office.push(&[]).code(), 0);
    let server = of_the_phone_server(&office);
    assert_eq!((&server["backlog"], &server["message"]), (&0.into(), &"".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_server_on_which_nothing_happens_reports_by_the_clock() {
    let office = Office::new().await;
    // The first push of all reported.
    office.link.take_seen();
    let reported = || office.link.take_seen().iter().any(|seen| seen.path.contains("/v1/receipt"));
    assert_eq!(office.push(&[]).code(), 0);
    assert!(!reported(), "the last one was a moment ago");
    office.calls().execute("UPDATE meta SET value = value - 600 WHERE name = 'reported_at'", []).unwrap();
    assert_eq!(office.push(&[]).code(), 0);
    assert!(reported());
    assert_eq!(of_the_phone_server(&office)["backlog"], 0);
}
