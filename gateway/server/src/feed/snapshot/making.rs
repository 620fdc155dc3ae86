//! Making snapshots in the background, from one consistent view and with memory for a few pieces.

use std::sync::Arc;
use std::time::Duration;

use audiospread_protocol::Kind;
use camino::Utf8Path;
use futures_util::TryStreamExt;
use mysql_async::Row;
use mysql_async::prelude::Queryable;
use tokio::sync::mpsc::{self, Sender};
use tokio::time::{Instant, sleep, sleep_until};

use super::press::{Made, Piece, press};
use super::shelf::Shelf;
use crate::feed::entity::change_from;
use crate::feed::session::Session;
use crate::feed::{FeedError, Head, Store};

/// Bytes of lines that go to the files at once.
const PIECE: usize = 256 * 1024;
/// Pieces that wait while the files are written.
const WAITING: usize = 4;
/// How long to wait after a failure, and after a row of them.
const RETRY: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(60)];

/// Makes a snapshot whenever the feed is ahead of the last one: at once where none can be served, else so that a change waits for at most
/// `lag`, of which half is for making it.
pub(in crate::feed) async fn keep_fresh(store: Store, shelf: Arc<Shelf>, lag: Duration) {
    let mut heads = store.watch();
    let mut not_before = Instant::now();
    let mut retry = RETRY[0];
    loop {
        let head = heads.borrow_and_update().clone();
        if shelf.is_at(&head) {
            tokio::select! {
                changed = heads.changed() => if changed.is_err() { return },
                () = shelf.emptied() => {}
            }
            continue;
        }
        match bring_up_to_date(&store, &shelf, &head, &mut not_before, lag).await {
            Ok(()) => retry = RETRY[0],
            Err(error) => {
                tracing::warn!(%error, "feed.snapshot.failed");
                sleep(retry).await;
                retry = (retry * 2).min(RETRY[1]);
            }
        }
    }
}

async fn bring_up_to_date(
    store: &Store,
    shelf: &Arc<Shelf>,
    head: &Head,
    not_before: &mut Instant,
    lag: Duration,
) -> Result<(), FeedError> {
    shelf.drop_what_is_unknown(store).await?;
    if shelf.serves(head) {
        sleep_until(*not_before).await;
    }
    *not_before = Instant::now() + lag / 2;
    shelf.put(make(store, shelf.directory()).await?).await
}

async fn make(store: &Store, directory: &Utf8Path) -> Result<Made, FeedError> {
    let begun = Instant::now();
    let mut session = Session::reading(store.pool()).await?;
    let head = Head::read(session.conn()).await?;
    let (pieces, received) = mpsc::channel(WAITING);
    let pressing = tokio::task::spawn_blocking({
        let (directory, head) = (directory.to_owned(), head.clone());
        move || press(&directory, &head, received)
    });
    let told = tell(session, &head, pieces).await;
    let pressed = pressing.await.map_err(|_| FeedError::ShuttingDown)?.map_err(FeedError::file(directory))?;
    told?;
    let made = pressed.ok_or(FeedError::ShuttingDown)?;
    tracing::info!(snapshot.version = head.version, snapshot.ms = begun.elapsed().as_millis(), "a snapshot was made");
    Ok(made)
}

/// Sends the lines of the snapshot at `head`; ends early, without a word, where nobody takes them any more.
async fn tell(mut session: Session, head: &Head, pieces: Sender<Piece>) -> Result<(), FeedError> {
    let mut rows = session
        .conn()
        .exec_stream::<Row, _, _>(
            "SELECT version, kind, id, value, reason FROM feed_entity FORCE INDEX (PRIMARY) \
             WHERE value IS NOT NULL OR version > ? ORDER BY kind, id",
            (head.floor,),
        )
        .await?;
    let (mut bytes, mut lines, mut subscribers) = (Vec::with_capacity(2 * PIECE), 0, false);
    while let Some(row) = rows.try_next().await? {
        let change = change_from(row)?;
        let is_subscriber = change.key.kind() == Kind::Subscriber;
        if bytes.len() >= PIECE || is_subscriber != subscribers {
            let full = std::mem::replace(&mut bytes, Vec::with_capacity(2 * PIECE));
            if pieces.send(Piece::Lines { bytes: full, lines, subscribers }).await.is_err() {
                return Ok(());
            }
            (lines, subscribers) = (0, is_subscriber);
        }
        change.write_to(&mut bytes).map_err(FeedError::file("a line of the feed"))?;
        lines += 1;
    }
    drop(rows);
    session.commit().await?;
    if pieces.send(Piece::Lines { bytes, lines, subscribers }).await.is_ok() {
        // Where it is not taken, the files tell why.
        let _ = pieces.send(Piece::Complete).await;
    }
    Ok(())
}
