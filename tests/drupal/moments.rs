//! A whole reading goes by two connections, and each shows a moment of its own.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Mutex;

use super::reader;
use crate::harness::{DrupalSite, Mariadb};

/// How a transaction of the reader begins.
const BEGINS: &[u8] = b"START TRANSACTION WITH CONSISTENT SNAPSHOT";

/// An editor between the reader and the server, who saves just before a certain transaction begins.
struct Editor {
    /// How many transactions were begun.
    begun: AtomicU32,
    /// Before which of them he saves.
    saves_before: u32,
    conn: Mutex<Conn>,
    statements: String,
}

impl Editor {
    /// Lets connections through.
    async fn stand_at(self: Arc<Self>, door: PathBuf) {
        let listener = UnixListener::bind(door).unwrap();
        loop {
            let (reader, server) =
                (listener.accept().await.unwrap().0, UnixStream::connect(Mariadb::shared().socket()).await.unwrap());
            let ((asked, mut answered), (mut answers, asks)) = (reader.into_split(), server.into_split());
            tokio::spawn(self.clone().pass_on(asked, asks));
            tokio::spawn(async move { tokio::io::copy(&mut answers, &mut answered).await });
        }
    }

    async fn pass_on(self: Arc<Self>, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            let begins = buffer[..length].windows(BEGINS.len()).any(|window| window == BEGINS);
            if begins && self.begun.fetch_add(1, Ordering::Relaxed) + 1 == self.saves_before {
                self.conn.lock().await.query_drop(&self.statements).await.unwrap();
            }
            if to.write_all(&buffer[..length]).await.is_err() {
                break;
            }
        }
    }
}

#[tokio::test]
async fn what_is_saved_after_one_connection_began_and_before_the_other_did_is_read() {
    let site = DrupalSite::new().build().await;
    // One in each of the larger tables, of nodes far from each other, so that none is read on account of another.
    let statements = site.with_prefixes(
        "UPDATE {node} SET title = 'saved' WHERE nid = 165;
         UPDATE {file_nodes} SET uri = CONCAT('bitcache://', REPEAT('0', 40)) WHERE nid = 269;
         UPDATE {files} SET filepath = 'sites/default/files/saved.mp3' WHERE fid = 2;
         UPDATE {content_type_program} SET field_weight_value = 77 WHERE vid = 440;
         DELETE FROM {term_node} WHERE nid = 350",
    );
    // The whole reading is the first transaction; the two of the next one, by marks, follow.
    let conn = Mutex::new(site.connect().await);
    let editor = Arc::new(Editor { begun: AtomicU32::new(0), saves_before: 3, conn, statements });
    let door = site.directory().join("door");
    tokio::spawn(editor.clone().stand_at(door.clone().into()));
    let mut config = site.config();
    config.drupal.url = config.drupal.url.replace(Mariadb::shared().socket().to_str().unwrap(), door.as_str());
    while !door.exists() {
        tokio::task::yield_now().await;
    }

    let reader = reader(&config);
    let (mut followed, marks) = reader.read_whole().await.unwrap();
    let (changes, marks) = reader.read_changes(&followed, marks, &BTreeSet::new()).await.unwrap().unwrap();
    assert_eq!(editor.begun.load(Ordering::Relaxed), 3);
    let doubtful: BTreeSet<_> = changes.nids().filter(|nid| changes.differs(&followed, *nid)).collect();
    followed.merge(changes);
    // What one connection did not see yet is found now at the latest.
    let (changes, _) = reader.read_changes(&followed, marks, &doubtful).await.unwrap().unwrap();
    followed.merge(changes);
    assert_eq!(followed, reader.read_all().await.unwrap());
}
