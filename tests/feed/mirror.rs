//! A reader of the feed that checks all that the contract promises while it applies what it is given.

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use audiospread_protocol::{Cursor, DeleteReason, End, EntityKey, Kind, Line, Operation, Tree, Version, leaf_hash};
use audiospread_server::feed::{Body, Delta, Encoding, Feed, FeedError, Gone, Snapshot};

pub(crate) type State = BTreeMap<EntityKey, Vec<u8>>;

/// What a reader has, and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Mirror {
    pub(crate) subscribers: bool,
    pub(crate) state: State,
    /// Why what it had, or a snapshot told of, is gone.
    pub(crate) gone: BTreeMap<EntityKey, DeleteReason>,
    pub(crate) cursor: Cursor,
}

impl Mirror {
    /// A fresh mirror, by a snapshot and the delta after it.
    pub(crate) async fn fresh(feed: &Feed, subscribers: bool) -> Self {
        super::until("there is a snapshot", || async { snapshot_version(feed).is_some() }).await;
        let mut mirror = Self::of_snapshot(feed, subscribers, Encoding::Zstd);
        mirror.pull(feed).await;
        mirror
    }

    /// What a snapshot has.
    pub(crate) fn of_snapshot(feed: &Feed, subscribers: bool, encoding: Encoding) -> Self {
        let snapshot = feed.snapshot(subscribers, encoding).unwrap();
        let (cursor, lines) = (snapshot.cursor, plain(snapshot, encoding));
        let mut mirror = Self { subscribers, state: State::new(), gone: BTreeMap::new(), cursor };
        let end = mirror.apply(&lines);
        assert_eq!(end.cursor, cursor, "the end line says what the snapshot says");
        mirror
    }

    /// Applies the delta; or a snapshot where the feed says so, and what came after it.
    pub(crate) async fn pull(&mut self, feed: &Feed) {
        match feed.delta(&self.cursor, self.subscribers).await {
            Ok(delta) => {
                let end = delta.end.clone();
                let lines = bytes(delta);
                assert_eq!(self.apply(&lines), end);
            }
            Err(FeedError::Gone(Gone::LargerThanSnapshot)) => {
                let behind = self.cursor.version;
                *self = Self::of_snapshot(feed, self.subscribers, Encoding::Gzip);
                assert!(self.cursor.version > behind, "the snapshot is newer than the cursor");
                Box::pin(self.pull(feed)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Applies lines, and checks their order, their scope, their number, and the digest and count of what comes of them.
    pub(crate) fn apply(&mut self, lines: &[u8]) -> End {
        let lines: Vec<Line> =
            lines.split_inclusive(|byte| *byte == b'\n').map(|line| Line::read(line).unwrap()).collect();
        let (Line::End(end), changes) = lines.split_last().unwrap() else { panic!("no end line") };
        assert_eq!(end.changes, changes.len() as u64);
        let mut seen = std::collections::BTreeSet::new();
        for line in changes {
            let Line::Change(change) = line else { panic!("no change: {line:?}") };
            assert!(seen.insert(change.key.clone()), "{} comes twice", change.key);
            assert!(change.version <= end.cursor.version);
            assert!(self.subscribers || change.key.kind() != Kind::Subscriber);
            match &change.operation {
                Operation::Put(value) => {
                    self.gone.remove(&change.key);
                    self.state.insert(change.key.clone(), value.to_vec());
                }
                Operation::Delete(reason) => {
                    self.gone.insert(change.key.clone(), *reason);
                    self.state.remove(&change.key);
                }
            }
        }
        let mut tree = Tree::new();
        for (key, value) in &self.state {
            tree.insert(key.clone(), leaf_hash(key, value));
        }
        assert_eq!(end.digest, tree.digest(true), "the digest is that of what the reader now has");
        assert_eq!(end.count, self.state.len() as u64);
        assert_eq!(end.cursor, Cursor::new(end.cursor.epoch, end.cursor.version, &end.digest));
        self.cursor = end.cursor;
        end.clone()
    }
}

/// The version of the snapshot that the feed has, if it has one.
pub(crate) fn snapshot_version(feed: &Feed) -> Option<Version> {
    match feed.snapshot(true, Encoding::Zstd) {
        Ok(snapshot) => Some(snapshot.version),
        Err(FeedError::SnapshotPending) => None,
        Err(error) => panic!("{error}"),
    }
}

/// The lines of a delta.
pub(crate) fn bytes(delta: Delta) -> Vec<u8> {
    let bytes = match delta.body {
        Body::Memory(bytes) => bytes,
        Body::File(mut file) => {
            assert_eq!(file.stream_position().unwrap(), 0);
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            bytes
        }
    };
    assert_eq!(bytes.len() as u64, delta.size);
    bytes
}

/// The lines of a snapshot.
pub(crate) fn plain(mut snapshot: Snapshot, encoding: Encoding) -> Vec<u8> {
    let mut sent = Vec::new();
    snapshot.file.read_to_end(&mut sent).unwrap();
    let plain = match encoding {
        Encoding::Gzip => {
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(&sent[..]).read_to_end(&mut plain).unwrap();
            plain
        }
        Encoding::Zstd | Encoding::Identity => zstd::decode_all(&sent[..]).unwrap(),
    };
    assert_eq!(plain.len() as u64, snapshot.plain_size);
    assert_eq!(snapshot.size, if encoding == Encoding::Identity { plain.len() } else { sent.len() } as u64);
    plain
}
