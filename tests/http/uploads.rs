//! Uploads by tus 1.0: in pieces, cut in the middle, damaged, given up.

use std::io::Write as _;
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, SystemTime};

use audiospread_protocol::Sha256Digest;
use audiospread_server::intake::Uploads;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use camino::{Utf8Path, Utf8PathBuf};
use reqwest::{Method, RequestBuilder, Response};
use sha1::{Digest as _, Sha1};

use super::{ALL, Gateway, PUBLIC, header, problem, until};
use crate::harness::proxy::{Fault, Proxy};

const BYTES: &str = "application/offset+octet-stream";

impl Gateway {
    fn tus(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path).bearer_auth(ALL).header("Tus-Resumable", "1.0.0")
    }

    async fn begin(&self, length: usize) -> String {
        let begun = self.tus(Method::POST, "/v1/uploads").header("Upload-Length", length).send().await.unwrap();
        assert_eq!(begun.status(), 201);
        address_of(&begun)
    }

    fn patch(&self, upload: &str, offset: usize, bytes: &[u8]) -> RequestBuilder {
        let patch = self.tus(Method::PATCH, upload).header("Upload-Offset", offset).header("Content-Type", BYTES);
        patch.body(bytes.to_vec())
    }

    async fn offset(&self, upload: &str) -> usize {
        let head = self.tus(Method::HEAD, upload).send().await.unwrap();
        assert_eq!((head.status().as_u16(), header(&head, "cache-control")), (200, "no-store"));
        header(&head, "upload-offset").parse().unwrap()
    }

    /// Waits until so many bytes are there. The gateway is not asked: a request that still brings bytes would give way.
    async fn arrived(&self, upload: &str, bytes: u64) {
        let id = upload.rsplit('/').next().unwrap();
        let part = self.path().join(format!("uploads/{id}.part"));
        until("the bytes are there", async || part.metadata().unwrap().len() == bytes).await;
    }

    fn staged(&self, bytes: &[u8]) -> Utf8PathBuf {
        self.path().join("uploads/staged").join(Sha256Digest::of(bytes).to_hex())
    }

    /// Begins to send bytes, of which not all come.
    fn hang(&self, upload: &str, offset: usize, promised: usize, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let head = format!(
            "PATCH {upload} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {ALL}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: {offset}\r\n\
             Content-Type: {BYTES}\r\nContent-Length: {promised}\r\n\r\n",
            self.address
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(bytes).unwrap();
        stream
    }
}

fn sound(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

fn sha1(bytes: &[u8]) -> String {
    format!("sha1 {}", BASE64_STANDARD.encode(Sha1::digest(bytes)))
}

/// Where an upload is, as any client makes it out of what it asked for and `Location`.
fn address_of(begun: &Response) -> String {
    begun.url().join(header(begun, "location")).unwrap().path().to_owned()
}

fn offset_of(answer: &Response) -> &str {
    header(answer, "upload-offset")
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_come_in_pieces_are_whole_in_the_end() {
    let gateway = Gateway::start().await;
    let bytes = sound(10_000);
    let upload = gateway.begin(bytes.len()).await;
    for (at, piece) in [0, 4_000, 8_000].into_iter().zip(bytes.chunks(4_000)) {
        assert_eq!(gateway.offset(&upload).await, at);
        let sent = gateway.patch(&upload, at, piece).header("Upload-Checksum", sha1(piece)).send().await.unwrap();
        assert_eq!((sent.status().as_u16(), offset_of(&sent)), (204, (at + piece.len()).to_string().as_str()));
        assert!(header(&sent, "upload-expires").ends_with(" GMT"));
    }
    assert_eq!(gateway.offset(&upload).await, bytes.len(), "it is still told that all is there");
    assert_eq!(std::fs::read(gateway.staged(&bytes)).unwrap(), bytes);
    let again = gateway.patch(&upload, bytes.len(), b"").send().await.unwrap();
    assert_eq!(
        (again.status().as_u16(), offset_of(&again)),
        (204, "10000"),
        "the last answer was lost, and is asked for again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_may_come_along_at_once_and_their_number_later() {
    let gateway = Gateway::start().await;
    let bytes = sound(3_000);
    let begin = || gateway.tus(Method::POST, "/v1/uploads").header("Content-Type", BYTES);
    let whole = begin().header("Upload-Length", 3_000).body(bytes.clone()).send().await.unwrap();
    assert_eq!((whole.status().as_u16(), offset_of(&whole)), (201, "3000"));
    assert!(gateway.staged(&bytes).is_file());

    let other = sound(5_000);
    let deferred = begin()
        .header("Upload-Defer-Length", 1)
        .header("Upload-Metadata", "name w7xiZXI=")
        .body(other[..2_000].to_vec());
    let deferred = deferred.send().await.unwrap();
    assert_eq!((deferred.status().as_u16(), offset_of(&deferred)), (201, "2000"));
    let upload = &address_of(&deferred);
    let head = gateway.tus(Method::HEAD, upload).send().await.unwrap();
    assert_eq!((header(&head, "upload-defer-length"), header(&head, "upload-metadata")), ("1", "name w7xiZXI="));
    let rest = gateway.patch(upload, 2_000, &other[2_000..]).header("Upload-Length", 5_000).send().await.unwrap();
    assert_eq!((rest.status().as_u16(), offset_of(&rest)), (204, "5000"));
    assert!(gateway.staged(&other).is_file());
    let changed = gateway.patch(upload, 5_000, b"").header("Upload-Length", 6_000).send().await.unwrap();
    assert_eq!(problem(changed).await, (409, "conflict".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_before_a_connection_broke_is_kept_and_gone_on_with() {
    let gateway = Gateway::start().await;
    let bytes = sound(100_000);
    let upload = gateway.begin(bytes.len()).await;
    drop(gateway.hang(&upload, 0, bytes.len(), &bytes[..40_000]));
    gateway.arrived(&upload, 40_000).await;
    let file = gateway.path().join("whole.mp3");
    std::fs::write(&file, &bytes).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/http/uploads_of_tuspy.py");
    let url = |path: &str| gateway.url(path);
    let tuspy = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/http/tuspy");
    let mut command = Command::new(tuspy);
    command.args([script, &url("/v1/uploads"), ALL, file.as_str(), &url(&upload)]);
    let ran = tokio::task::block_in_place(|| command.output()).unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(std::fs::read(gateway.staged(&bytes)).unwrap(), bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn tus_js_client_uploads_over_a_link_that_breaks_and_says_what_is_not_offered() {
    let gateway = Gateway::start().await;
    let link = Proxy::before(gateway.address);
    link.fail("PATCH", 2, Fault::CutRequestAfter(40_000));
    let (bytes, file) = (sound(200_000), gateway.path().join("whole.mp3"));
    std::fs::write(&file, &bytes).unwrap();
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/http/tus-js-client/run"));
    command.args([&gateway.url("/v1/uploads"), &format!("{}/v1/uploads", link.url()), ALL, file.as_str()]);
    let ran = tokio::task::block_in_place(|| command.output()).unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(std::fs::read(gateway.staged(&bytes)).unwrap(), bytes);
    let patches = link.take_seen().into_iter().filter(|seen| seen.method == "PATCH").map(|seen| seen.sent);
    assert_eq!(patches.collect::<Vec<_>>(), [200_000, 160_000, 120_000], "it went on where the link broke");
    // Those that it ended itself, and the parts of what could not be joined, left nothing.
    let unfinished = gateway.path().join("uploads").read_dir_utf8().unwrap();
    let unfinished = unfinished.filter(|entry| entry.as_ref().unwrap().path().extension() == Some("part"));
    assert_eq!(unfinished.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn post_stands_for_what_a_client_cannot_send_and_for_nothing_else() {
    let gateway = Gateway::start().await;
    let upload = gateway.begin(100).await;
    let post = |method: &str| gateway.tus(Method::POST, &upload).header("X-HTTP-Method-Override", method);
    let patch = |offset: usize| post("PATCH").header("Upload-Offset", offset).header("Content-Type", BYTES);
    let sent = patch(0).body(vec![1; 60]).send().await.unwrap();
    assert_eq!((sent.status().as_u16(), offset_of(&sent)), (204, "60"));
    let wrong = patch(0).body(vec![1; 60]).send().await.unwrap();
    assert_eq!(problem(wrong).await, (409, "conflict".into()));
    let head = post("HEAD").send().await.unwrap();
    assert_eq!((head.status().as_u16(), offset_of(&head), header(&head, "upload-length")), (200, "60", "100"));
    assert_eq!(head.bytes().await.unwrap(), "");
    for other in ["GET", "POST", "patch", "PATCH, DELETE", ""] {
        let refused = post(other).send().await.unwrap();
        assert_eq!(header(&refused, "allow"), "HEAD, PATCH, DELETE");
        assert_eq!(problem(refused).await, (405, "method_not_allowed".into()), "{other}");
    }
    let without = gateway.tus(Method::POST, &upload).send().await.unwrap();
    assert_eq!(problem(without).await, (405, "method_not_allowed".into()));
    let stranger = gateway.request(Method::POST, &upload).header("X-HTTP-Method-Override", "DELETE");
    assert_eq!(problem(stranger.send().await.unwrap()).await, (401, "unauthorized".into()));
    assert_eq!(gateway.offset(&upload).await, 60);
    let ended = post("DELETE").send().await.unwrap();
    assert_eq!(ended.status(), 204);
    assert_eq!(files(&gateway.path().join("uploads")), 0);
    let elsewhere = gateway.get("/v1/findings").header("X-HTTP-Method-Override", "DELETE").send().await.unwrap();
    assert_eq!(elsewhere.status(), 200, "the header means nothing elsewhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_request_that_hangs_gives_way_to_a_newer_one() {
    let gateway = Gateway::start().await;
    let bytes = sound(9_000);
    let upload = gateway.begin(bytes.len()).await;
    let hanging = gateway.hang(&upload, 0, bytes.len(), &bytes[..3_000]);
    gateway.arrived(&upload, 3_000).await;
    let asked = SystemTime::now();
    let rest = gateway.patch(&upload, 3_000, &bytes[3_000..]).send().await.unwrap();
    assert_eq!(offset_of(&rest), "9000");
    assert!(asked.elapsed().unwrap() < Duration::from_secs(5), "it did not wait for the dead connection");
    drop(hanging);
    assert_eq!(std::fs::read(gateway.staged(&bytes)).unwrap(), bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_without_their_checksum_are_thrown_away() {
    let gateway = Gateway::start().await;
    let bytes = sound(6_000);
    let upload = gateway.begin(bytes.len()).await;
    let damaged =
        gateway.patch(&upload, 0, &bytes[..2_000]).header("Upload-Checksum", sha1(b"other")).send().await.unwrap();
    assert_eq!(problem(damaged).await, (460, "checksum_mismatch".into()));
    assert_eq!(gateway.offset(&upload).await, 0);
    // The half of a piece cannot be checked.
    let mut stream = TcpStream::connect(gateway.address).unwrap();
    let head = format!(
        "PATCH {upload} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ALL}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n\
         Upload-Checksum: {}\r\nContent-Type: {BYTES}\r\nContent-Length: 6000\r\n\r\n",
        sha1(&bytes)
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&bytes[..3_000]).unwrap();
    gateway.arrived(&upload, 3_000).await;
    drop(stream);
    until("the half is gone", async || gateway.offset(&upload).await == 0).await;
    for wrong in ["md5 kAFQmDzST7DWlj99KOF/cg==", "sha1", "sha1 !"] {
        let refused = gateway.patch(&upload, 0, &bytes).header("Upload-Checksum", wrong).send().await.unwrap();
        assert_eq!(problem(refused).await, (400, "bad_request".into()), "{wrong}");
    }
    let whole = gateway.patch(&upload, 0, &bytes).header("Upload-Checksum", sha1(&bytes)).send().await.unwrap();
    assert_eq!(offset_of(&whole), "6000");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_against_the_protocol_is_refused_as_it_says() {
    let gateway = Gateway::start().await;
    let upload = gateway.begin(100).await;
    let refused = async |request: RequestBuilder| problem(request.send().await.unwrap()).await;
    let conflict = gateway.patch(&upload, 1, b"x").send().await.unwrap();
    assert_eq!(offset_of(&conflict), "0");
    assert_eq!(problem(conflict).await, (409, "conflict".into()));
    let old = gateway.request(Method::PATCH, &upload).bearer_auth(ALL).header("Upload-Offset", 0).send().await.unwrap();
    assert_eq!(header(&old, "tus-version"), "1.0.0");
    assert_eq!(problem(old).await, (412, "other_version".into()));
    assert_eq!(refused(gateway.patch(&upload, 0, &[0; 101])).await, (413, "too_large".into()));
    let text =
        gateway.tus(Method::PATCH, &upload).header("Upload-Offset", 0).header("Content-Type", "text/plain").body("x");
    assert_eq!(refused(text).await, (415, "unsupported_media_type".into()));
    let begin = || gateway.tus(Method::POST, "/v1/uploads");
    assert_eq!(refused(begin().header("Upload-Length", 1024 * 1024 + 1)).await, (413, "too_large".into()));
    for wrong in [
        begin(),
        begin().header("Upload-Length", "-1"),
        begin().header("Upload-Length", "x"),
        begin().header("Upload-Defer-Length", 2),
        begin().header("Upload-Length", 1).header("Upload-Defer-Length", 1),
        begin().header("Upload-Length", 1).header("Upload-Concat", "partial"),
        begin().header("Upload-Concat", "final;/v1/uploads/a /v1/uploads/b"),
    ] {
        assert_eq!(refused(wrong).await, (400, "bad_request".into()));
    }
    let forbidden = gateway.request(Method::POST, "/v1/uploads").bearer_auth(PUBLIC).header("Tus-Resumable", "1.0.0");
    assert_eq!(refused(forbidden).await, (403, "forbidden".into()));
    for unknown in ["/v1/uploads/6f1c0f1e-9a44-4b0e-8f6f-0d6f0c2b7a11", "/v1/uploads/..%2ftokens", "/v1/uploads/x"] {
        assert_eq!(refused(gateway.patch(unknown, 0, b"x")).await, (404, "not_found".into()), "{unknown}");
    }
    let options = gateway.request(Method::OPTIONS, "/v1/uploads").send().await.unwrap();
    assert_eq!((options.status().as_u16(), header(&options, "tus-max-size")), (204, "1048576"));
    let extensions = header(&options, "tus-extension");
    assert!(extensions.contains("creation-defer-length") && !extensions.contains("concatenation"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_given_up_is_gone() {
    let gateway = Gateway::start().await;
    let upload = gateway.begin(100).await;
    gateway.patch(&upload, 0, &[1; 50]).send().await.unwrap();
    let ended = gateway.tus(Method::DELETE, &upload).send().await.unwrap();
    assert_eq!(ended.status(), 204);
    let gone = gateway.tus(Method::HEAD, &upload).send().await.unwrap();
    assert_eq!(gone.status(), 404);
    assert_eq!(files(&gateway.path().join("uploads")), 0);

    let data_dir = gateway.path().join("old");
    let (uploads, directory) =
        (Uploads::open(&data_dir, 1_000, Duration::from_secs(3600)).unwrap(), data_dir.join("uploads"));
    let id = uploads.begin(Some(10), String::new()).unwrap();
    // It was begun long ago, and its bytes still come.
    let said = std::fs::File::open(directory.join(format!("{id}.json"))).unwrap();
    said.set_modified(SystemTime::now() - Duration::from_secs(7_200)).unwrap();
    uploads.sweep(SystemTime::now()).unwrap();
    assert_eq!(files(&directory), 2, "what is touched stays");
    uploads.sweep(SystemTime::now() + Duration::from_secs(7_200)).unwrap();
    assert_eq!(files(&directory), 0);
}

fn files(directory: &Utf8Path) -> usize {
    directory.read_dir_utf8().unwrap().filter(|entry| entry.as_ref().unwrap().path().is_file()).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_with_a_prefix_an_upload_has_the_prefix_too() {
    let gateway = Gateway::start().await;
    let begun = gateway.tus(Method::POST, "/v1/uploads").header("Upload-Length", 5).send().await.unwrap();
    let asked = reqwest::Url::parse("https://www.example.org/audiospread/v1/uploads").unwrap();
    let upload = asked.join(header(&begun, "location")).unwrap();
    assert!(upload.as_str().starts_with("https://www.example.org/audiospread/v1/uploads/"), "{upload}");
}
