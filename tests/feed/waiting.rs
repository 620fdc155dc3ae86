//! Waiting readers: woken by commits, and no query each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;

use super::{OwnDatabase, commit, program, put};

#[tokio::test(flavor = "multi_thread")]
async fn those_who_wait_are_woken_by_any_gateways_commit() {
    let database = OwnDatabase::new().await;
    let feed = Arc::new(database.feed(86_400).await);
    let other = database.store().await;
    let gateways = [(feed.store().clone(), Duration::from_millis(500)), (other, Duration::from_secs(10))];
    for (nid, (store, patience)) in (1..).zip(gateways) {
        let published = store.load().await.unwrap();
        let since = published.head.cursor(true);
        super::until("the feed stands there", || async { feed.head().cursor(true) == since }).await;
        let waiting: Vec<_> = (0..100)
            .map(|_| {
                let feed = feed.clone();
                tokio::spawn(async move { feed.wait_for_change(&since, Duration::from_secs(60)).await })
            })
            .collect();
        let began = Instant::now();
        commit(&store, published, vec![put(program(nid), "1")]).await;
        for reader in waiting {
            assert!(reader.await.unwrap());
        }
        assert!(began.elapsed() < patience, "{:?}", began.elapsed());
        assert!(feed.delta(&since, true).await.unwrap().end.changes == 1);
    }
}

#[tokio::test]
async fn who_waits_in_vain_is_told_so_and_asks_the_database_nothing() {
    let database = OwnDatabase::new().await;
    let feed = Arc::new(database.feed(86_400).await);
    let since = feed.head().cursor(false);
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..500 {
        let feed = feed.clone();
        waiting.spawn(async move { feed.wait_for_change(&since, Duration::from_millis(1500)).await });
    }
    // Other tests have databases of their own.
    let query = "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE()";
    let connections: u64 = database.connect().await.query_first(query).await.unwrap().unwrap();
    assert!(connections <= 9, "{connections}");
    assert!(waiting.join_all().await.iter().all(|changed| !changed));
    let delta = feed.delta(&since, false).await.unwrap();
    assert_eq!((delta.end.changes, delta.end.cursor), (0, since));
}
