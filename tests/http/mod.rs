//! The HTTP edge over real sockets, on a real feed and real sounds.

mod authorization;
mod blobs;
mod calls;
mod contract;
mod feed;
mod following;
mod operation;
mod page;
mod problems;
mod receipts;
mod shutdown;
mod uploads;
mod xmlrpc;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use audiospread_protocol::{Change, End, EntityKey, Kind, Line, Operation, Sha256Digest};
use audiospread_server::blobs::{Blobs, load_packs};
use audiospread_server::config::{self, Config};
use audiospread_server::database::{Pool, own_pool};
use audiospread_server::drupal::Reader;
use audiospread_server::feed::{Commit, Feed, FindingChanges, Store};
use audiospread_server::http;
use audiospread_server::http::tokens::{Token, Tokens};
use audiospread_server::intake::{DrupalStorage, Examiner, Recordings, Uploads};
use audiospread_server::refresh::{Handle, Requests};
use camino::{Utf8Path, Utf8PathBuf};
use mysql_async::prelude::Queryable;
use mysql_async::{Opts, OptsBuilder};
use reqwest::{Method, RequestBuilder, Response};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::harness::Mariadb;

/// May do everything.
const ALL: &str = "everything-0123456789_ABCDEFGHIJKLMNOPQRSTUV";
/// May read the feed, without subscribers.
const PUBLIC: &str = "public-feed-0123456789_ABCDEFGHIJKLMNOPQRST";

/// A gateway that answers on a port of its own, with a feed of its own and the project's language packs.
struct Gateway {
    address: SocketAddr,
    store: Store,
    feed: Arc<Feed>,
    database: String,
    directory: TempDir,
    client: reqwest::Client,
    /// The task that would refresh has this end of the handle.
    requests: Option<Requests>,
    stop: Option<oneshot::Sender<()>>,
    ended: Option<JoinHandle<std::io::Result<()>>>,
}

impl Gateway {
    async fn start() -> Self {
        Self::start_with(Vec::new()).await
    }

    async fn start_with(content: Vec<(EntityKey, Operation)>) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let database = format!("http_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut root = Mariadb::shared().connect(None).await;
        root.query_drop(format!("CREATE DATABASE {database}")).await.unwrap();
        root.disconnect().await.unwrap();

        let directory = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(directory.path().to_owned()).unwrap();
        write_tokens(
            &path,
            &[
                ("all", ALL, r#""feed", "subscribers", "blobs", "recordings", "calls", "admin""#),
                ("public", PUBLIC, r#""feed""#),
            ],
        );
        let store = Store::open(pool(&database)).await.unwrap();
        commit(&store, content).await;
        let feed = Arc::new(Feed::start(store.clone(), &path, &config::Feed::default()).await.unwrap());
        let packs = load_packs(&packs_directory()).unwrap();
        let reader = reader(&path);
        let blobs = Blobs::open_index(pool(&database), reader.clone(), &path, packs.sounds).await.unwrap();
        let sounds = (Arc::new(blobs), Arc::new(packs.packs));
        let (handle, requests) = Handle::new();
        let tokens = Tokens::load(path.join("tokens.toml")).unwrap();

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let uploads = Arc::new(Uploads::open(&path, 1024 * 1024, Duration::from_secs(3600)).unwrap());
        let examiner = Examiner::new(env!("CARGO_BIN_EXE_audiospread").into());
        let drupal = DrupalStorage::new(reader.clone(), &config::Intake::default());
        let recordings = Recordings::open(store.clone(), &path, examiner, 60, drupal).unwrap();
        let intake = (uploads, Arc::new(recordings));
        let state = http::State::new(tokens, feed.clone(), sounds, intake, reader.clone(), handle);
        let server = http::serve(state, listener).unwrap();
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(server.run_until(async {
            let _ = stopped.await;
        }));
        let client = reqwest::Client::builder().no_gzip().no_zstd().build().unwrap();
        let (stop, ended, requests) = (Some(stop), Some(ended), Some(requests));
        Self { address, store, feed, database, directory, client, requests, stop, ended }
    }

    /// A gateway whose snapshot is of version 1: a program and a subscriber.
    async fn with_content() -> Self {
        let subscribed = r#"{"numbers":["+221775550124"],"plan":"premium","language":"fr","balance_seconds":3600}"#;
        let gateway = Self::start_with(vec![
            put(program(171), &program_value("A first program", &pack_sound("en/programs/untitled"))),
            put(subscriber(318), subscribed),
        ])
        .await;
        until("the snapshot is made", async || {
            gateway.feed.snapshot(true, audiospread_server::feed::Encoding::Zstd).is_ok()
        })
        .await;
        gateway
    }

    async fn commit(&self, changes: Vec<(EntityKey, Operation)>) {
        commit(&self.store, changes).await;
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path))
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path).bearer_auth(ALL)
    }

    /// The answer to a request that is written by hand, read until the connection closes.
    fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8(answer).unwrap()
    }

    fn path(&self) -> &Utf8Path {
        Utf8Path::from_path(self.directory.path()).unwrap()
    }

    /// The feed's end line, which says where the feed stands.
    async fn end(&self, token: &str) -> End {
        let answer = self.request(Method::GET, "/v1/feed").bearer_auth(token).send().await.unwrap();
        end_of(&lines(&answer.bytes().await.unwrap()))
    }
}

async fn commit(store: &Store, changes: Vec<(EntityKey, Operation)>) {
    let published = store.load().await.unwrap();
    match store.commit(published, changes, &FindingChanges::default()).await.unwrap() {
        Commit::Done(_) => {}
        Commit::Lost => panic!("nobody else commits"),
    }
}

fn pool(database: &str) -> Pool {
    let socket = Mariadb::shared().socket();
    let opts: Opts = OptsBuilder::default().socket(socket.to_str()).user(Some("root")).db_name(Some(database)).into();
    own_pool(opts, 8).unwrap()
}

/// A reader of a Drupal that nobody asks here: the sounds of the packs need none.
fn reader(directory: &Utf8Path) -> Reader {
    let path = directory.join("gateway.toml");
    let text = "tokens_file = 'tokens.toml'\ndata_dir = '.'\npacks_dir = '.'\n[drupal]\nurl = 'mysql://nobody@127.0.0.1:9/none'\n\
                root = '.'\n[database]\nurl = 'mysql://nobody@127.0.0.1:9/none'\n[numbers]\ncountry_code = '221'\n";
    std::fs::write(&path, text).unwrap();
    Reader::new(&Config::load(&path).unwrap()).unwrap()
}

fn write_tokens(directory: &Utf8Path, tokens: &[(&str, &str, &str)]) {
    let entry = |(name, token, scopes): &(&str, &str, &str)| {
        format!("[[token]]\nname = \"{name}\"\nsha256 = \"{}\"\nscopes = [{scopes}]\n", Token::hash(token))
    };
    let text = tokens.iter().map(entry).collect::<Vec<_>>().concat();
    std::fs::write(directory.join("tokens.toml"), text).unwrap();
}

fn packs_directory() -> Utf8PathBuf {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/asterisk/packs")
}

fn pack_sound(name: &str) -> Vec<u8> {
    std::fs::read(packs_directory().join(format!("{name}.mp3"))).unwrap()
}

fn program(nid: u32) -> EntityKey {
    EntityKey::numbered(Kind::Program, nid)
}

fn subscriber(nid: u32) -> EntityKey {
    EntityKey::numbered(Kind::Subscriber, nid)
}

fn put(key: EntityKey, value: &str) -> (EntityKey, Operation) {
    (key, Operation::Put(value.as_bytes().into()))
}

fn program_value(title: &str, sound: &[u8]) -> String {
    let (sha256, size) = (Sha256Digest::of(sound), sound.len());
    format!(
        r#"{{"title":"{title}","language":"en","translation_set":null,"categories":["2"],"weight":0,"created_at":"2011-03-01T10:00:00Z","changed_at":"2011-03-01T10:00:00Z","audio":{{"body":{{"sha256":"{sha256}","size":{size},"mime":"audio/mpeg","duration_ms":1000}}}}}}"#
    )
}

fn lines(bytes: &[u8]) -> Vec<Line> {
    bytes.split_inclusive(|byte| *byte == b'\n').map(|line| Line::read(line).unwrap()).collect()
}

fn end_of(lines: &[Line]) -> End {
    match lines.last() {
        Some(Line::End(end)) => end.clone(),
        last => panic!("the answer does not end with its end line but with {last:?}"),
    }
}

fn changes_of(lines: Vec<Line>) -> Vec<Change> {
    lines
        .into_iter()
        .filter_map(|line| match line {
            Line::Change(change) => Some(change),
            _ => None,
        })
        .collect()
}

fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer.headers().get(name).unwrap_or_else(|| panic!("no header {name}")).to_str().unwrap()
}

/// The code of the problem that an answer is; panics if it is none.
async fn problem(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    assert_eq!(header(&answer, "content-type"), "application/problem+json");
    let problem: audiospread_protocol::Problem = answer.json().await.unwrap();
    assert_eq!(problem.status, status);
    assert!(!problem.detail.is_empty());
    let code = problem.code().unwrap_or_else(|| panic!("{} is not in the table", problem.kind));
    assert_eq!(problem.title, code.title());
    (status, code.code().to_owned())
}

/// Waits until a condition holds.
async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(60);
    while !condition().await {
        assert!(Instant::now() < patience, "it never came about that {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
