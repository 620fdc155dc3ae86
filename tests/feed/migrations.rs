//! The schema of the gateway's own database.

use audiospread_server::feed::{FeedError, Store};
use audiospread_server::migrations::MigrationError;

use super::{OwnDatabase, commit, program, put};

#[tokio::test(flavor = "multi_thread")]
async fn several_gateways_may_start_at_once_on_an_empty_database() {
    let database = OwnDatabase::new().await;
    let starting: Vec<_> = (0..8).map(|_| tokio::spawn(Store::open(database.pool()))).collect();
    let mut epochs = Vec::new();
    for store in starting {
        epochs.push(store.await.unwrap().unwrap().load().await.unwrap().head.epoch);
    }
    epochs.dedup();
    assert_eq!(epochs.len(), 1, "they share one feed");
}

#[tokio::test]
async fn a_migration_that_was_cut_off_is_begun_anew() {
    let database = OwnDatabase::new().await;
    let store = database.store().await;
    let published = store.load().await.unwrap();
    let published = commit(&store, published, vec![put(program(1), "1")]).await;
    database.sql("DELETE FROM schema_migration; DROP TABLE feed_lease").await;
    let again = database.store().await;
    assert_eq!(again.load().await.unwrap().head, published.head);
    assert!(again.try_lease("it is there again", std::time::Duration::from_secs(1)).await.unwrap());
}

#[tokio::test]
async fn a_database_from_the_future_or_with_another_history_is_refused_in_clear_words() {
    let database = OwnDatabase::new().await;
    database.store().await;
    database.sql("INSERT INTO schema_migration VALUES (9000, 'later', 'ab', 0)").await;
    let refused = Store::open(database.pool()).await.unwrap_err();
    assert!(matches!(refused, FeedError::Migration(MigrationError::FromTheFuture(9000))), "{refused}");
    assert!(refused.to_string().contains("from a newer AudioSpread"), "{refused}");

    database.sql("DELETE FROM schema_migration WHERE number = 9000; UPDATE schema_migration SET sha256 = 'ab'").await;
    let refused = Store::open(database.pool()).await.unwrap_err();
    assert!(matches!(refused, FeedError::Migration(MigrationError::Altered(1))), "{refused}");
}

#[tokio::test]
async fn a_database_whose_entities_are_not_those_of_its_digest_is_refused() {
    let database = OwnDatabase::new().await;
    let store = database.store().await;
    let published = store.load().await.unwrap();
    commit(&store, published, vec![put(program(1), "1"), put(program(2), "2")]).await;
    database.sql("DELETE FROM feed_entity WHERE id = '2'").await;
    let refused = store.load().await.unwrap_err();
    assert!(matches!(refused, FeedError::Damaged(_)), "{refused}");
}
