//! XML-RPC as it is spoken: by Drupal 6, by Python's own client, by PHP's.

use std::process::Command;

use audiospread_server::catalogue::{Finding, Severity, Subject};
use audiospread_server::feed::FindingChanges;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::Method;

use super::{ALL, Gateway, PUBLIC, header, problem};

/// A gateway with a program, and three findings.
async fn gateway() -> Gateway {
    let gateway = Gateway::with_content().await;
    let findings = [
        (Severity::Info, Subject::Site, "Nothing to do."),
        (Severity::Error, Subject::Node(330), "Give it <a> category & \"save\": Übung 🐫."),
        (Severity::Warning, Subject::Prompt("home/welcome@fr".into()), "Record it."),
    ]
    .map(|(severity, subject, message)| Finding::new("no_category", severity, subject, message));
    let changes = FindingChanges::from([(String::from("owner"), findings.to_vec())]);
    gateway.store.update_findings(&changes).await.unwrap();
    gateway
}

/// A request as Drupal 6's own client writes it.
fn drupals(gateway: &Gateway, token: &str, method: &str, params: &str) -> String {
    let body = format!(
        "<?xml version=\"1.0\"?>\n<methodCall>\n<methodName>{method}</methodName>\n<params>\n{params}</params></methodCall>"
    );
    let credentials = BASE64_STANDARD.encode(format!("drupal:{token}"));
    format!(
        "POST /xmlrpc HTTP/1.0\r\nHost: {}\r\nUser-Agent: Drupal (+http://drupal.org/)\r\nContent-Length: {}\r\n\
         Authorization: Basic {credentials}\r\nContent-Type: text/xml\r\n\r\n{body}",
        gateway.address,
        body.len()
    )
}

/// The body of an answer that Drupal 6 reads right: whole, and of no kind of value that it loses or mistakes.
fn drupal_reads(answer: &str) -> &str {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let head = head.to_lowercase();
    assert!(head.starts_with("http/1.0 200 ") || head.starts_with("http/1.1 200 "), "{head}");
    assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{head}");
    assert!(head.contains("content-type: text/xml; charset=utf-8") && !head.contains("transfer-encoding"), "{head}");
    assert!(body.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<methodResponse>"), "{body}");
    for lost in ["<i8>", "<nil", "<boolean>", "<double>", "<base64>", "<dateTime", "<struct></struct>", "/>"] {
        assert!(!body.contains(lost), "{lost}: {body}");
    }
    assert!(body.matches('<').count() <= 30_000);
    body
}

const CHANGE: &str = "<param>\n<value><array><data>\n  <value><struct>\n  <member><name>kind</name><value><string>node</string></value></member>\n  \
    <member><name>id</name><value><string>171</string></value></member>\n  <member><name>vid</name><value><int>440</int></value></member>\n  \
    <member><name>changed</name><value><int>1300000000</int></value></member>\n  <member><name>op</name><value><string>save</string></value></member>\n\
    </struct></value>\n</data></array></value>\n</param>\n";

#[tokio::test(flavor = "multi_thread")]
async fn drupals_client_gets_whole_answers_in_the_kinds_that_it_reads_right() {
    let gateway = gateway().await;
    let ints = |numbers: &[i64]| {
        let params = numbers.iter().map(|number| format!("<param>\n<value><int>{number}</int></value>\n</param>\n"));
        params.collect::<Vec<_>>().concat()
    };
    let string = |text: &str| format!("<param>\n<value><string>{text}</string></value>\n</param>\n");
    for (method, params, expected) in [
        ("system.listMethods", String::new(), "<string>audiospread.notify</string>"),
        ("system.methodHelp", string("audiospread.notify"), "changed"),
        ("system.methodSignature", string("audiospread.findings"), "<string>int</string>"),
        ("system.getCapabilities", String::new(), "<name>specUrl</name>"),
        ("audiospread.status", String::new(), "<name>backlog</name><value><i4>0</i4></value>"),
        ("audiospread.findings", ints(&[0, 500]), "Give it &lt;a&gt; category &amp; &quot;save&quot;: Übung 🐫."),
        ("audiospread.findings", ints(&[0, 500, 3_000_000_000]), "<array><data></data></array>"),
        ("audiospread.findings", ints(&[3]), "<name>faultCode</name><value><i4>400</i4></value>"),
        ("audiospread.notify", CHANGE.into(), "<param><value><i4>1</i4></value></param>"),
        ("audiospread.notify", CHANGE.replace("171", "17\u{b}1"), "<param><value><i4>1</i4></value></param>"),
        (
            "audiospread.notify",
            "<param>\n<value><array><data>\n</data></array></value>\n</param>\n".into(),
            "<i4>0</i4>",
        ),
        ("audiospread.nothing", String::new(), "<i4>-32601</i4>"),
    ] {
        let answer = gateway.raw(&drupals(&gateway, ALL, method, &params));
        let body = drupal_reads(&answer);
        assert!(body.contains(expected), "{method} {params}: {body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_answer_has_fewer_tags_than_drupal_refuses() {
    let gateway = gateway().await;
    let findings: Vec<_> = (0..600)
        .map(|nid| Finding::new("no_category", Severity::Warning, Subject::Node(nid), "Give it a category."))
        .collect();
    gateway.store.update_findings(&FindingChanges::from([(String::from("many"), findings)])).await.unwrap();
    let params = "<param><value><int>0</int></value></param><param><value><int>500</int></value></param>";
    let answer = gateway.raw(&drupals(&gateway, ALL, "audiospread.findings", params));
    assert_eq!(drupal_reads(&answer).matches("<struct>").count(), 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_token_may_not_do_is_a_fault_that_says_what_to_do() {
    let gateway = gateway().await;
    let fault = |token: &str, method: &str, params: &str| {
        let answer = gateway.raw(&drupals(&gateway, token, method, params));
        drupal_reads(&answer).to_owned()
    };
    let unknown = fault("unknown", "audiospread.status", "");
    assert!(unknown.contains("<i4>401</i4>") && unknown.contains("settings"), "{unknown}");
    let without = fault(PUBLIC, "audiospread.notify", CHANGE);
    assert!(without.contains("<i4>403</i4>") && without.contains("`admin`"), "{without}");
    assert!(fault(PUBLIC, "system.listMethods", "").contains("audiospread.status"));
    let many = format!(
        "<param><value><array><data><value><struct><member><name>methodName</name><value>audiospread.notify</value></member>\
         <member><name>params</name><value><array><data>{}</data></array></value></member></struct></value></data></array></value></param>",
        CHANGE.replace("<param>", "").replace("</param>", "")
    );
    assert!(fault(PUBLIC, "system.multicall", &many).contains("<i4>403</i4>"), "not by way of multicall either");
    assert!(fault(ALL, "system.multicall", &many).contains("<array><data><value><i4>1</i4></value></data></array>"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_call_is_refused_and_not_repeated() {
    let gateway = gateway().await;
    let post = |body: &str| gateway.request(Method::POST, "/xmlrpc").bearer_auth(ALL).body(body.to_owned());
    let refused = async |body: &str| post(body).send().await.unwrap().text().await.unwrap();
    let entity =
        "<!DOCTYPE m [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><methodCall><methodName>&e;</methodName></methodCall>";
    for (body, code) in
        [("s3cret", -32_600), (entity, -32_700), ("<methodCall>s3cret</methodName>", -32_700), ("", -32_600)]
    {
        let fault = refused(body).await;
        assert!(fault.contains(&format!("<i4>{code}</i4>")) && !fault.contains("s3cret"), "{body}: {fault}");
    }
    let large = refused(&"x".repeat(600 * 1024)).await;
    assert!(large.contains("<i4>400</i4>") && large.contains("512 KiB"), "{large}");
    let json = post("{}").header("content-type", "application/json").send().await.unwrap();
    assert_eq!(problem(json).await, (415, "unsupported_media_type".into()));
    let get = gateway.get("/xmlrpc").send().await.unwrap();
    assert_eq!(header(&get, "allow"), "POST");
}

#[tokio::test(flavor = "multi_thread")]
async fn pythons_own_client_asks_for_everything() {
    let gateway = gateway().await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/http/xmlrpc_of_python.py");
    let urls = [ALL, "unknown"].map(|token| format!("http://drupal:{token}@{}/xmlrpc", gateway.address));
    let ran = run(Command::new("python3").arg(script).args(urls));
    assert_eq!(ran, "ok\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn phps_own_client_asks_over_http_1_0() {
    let gateway = gateway().await;
    let php = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/drupal/module/php");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/http/xmlrpc_of_php.php");
    let ran = run(Command::new(php).arg(script).arg(gateway.address.to_string()).arg(ALL));
    assert_eq!(ran, "ok\n");
}

fn run(command: &mut Command) -> String {
    let output = tokio::task::block_in_place(|| command.output()).unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
