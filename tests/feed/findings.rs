//! Findings, the hold and the lease.

use std::time::Duration;

use audiospread_protocol::Kind;
use audiospread_server::catalogue::{Finding, MAX_VALUE, Severity, Subject};
use audiospread_server::database::own_pool;
use audiospread_server::feed::{Commit, FindingChanges, Removal, Removals, Store};

use super::{OwnDatabase, program, put};
use crate::harness::Mariadb;

fn finding(code: &'static str, severity: Severity, subject: Subject) -> Finding {
    Finding::new(code, severity, subject, format!("{code}: ce que l’éditeur devrait faire 🎧"))
}

#[tokio::test]
async fn findings_are_replaced_with_their_owner_and_listed_by_weight() {
    let database = OwnDatabase::new().await;
    let store = database.store().await;
    let pending = finding("audio_pending", Severity::Info, Subject::Node(7));
    let masked = finding("number_masked", Severity::Warning, Subject::Node(7));
    let (ten, two) = [10, 2].map(|nid| finding("no_body", Severity::Error, Subject::Node(nid))).into();
    let site = finding("table_missing", Severity::Error, Subject::Site);
    // What editors type may be long.
    let prompt = finding("prompt_twice", Severity::Warning, Subject::Prompt(format!("home/{}@fr", "é".repeat(1000))));
    let term = finding("empty_category", Severity::Warning, Subject::Term(3));
    let owned = |owner: &str, findings: &[&Finding]| {
        (owner.to_owned(), findings.iter().map(|finding| (*finding).clone()).collect())
    };
    let all = FindingChanges::from([
        owned("program 7", &[&pending, &masked]),
        owned("program 10", &[&ten]),
        owned("program 2", &[&two]),
        owned("site", &[&site]),
        owned("prompt", &[&prompt]),
        owned("category 3", &[&term]),
    ]);
    store.update_findings(&all).await.unwrap();
    assert_eq!(
        store.findings().await.unwrap(),
        [&two, &ten, &site, &term, &masked, &prompt, &pending].map(Clone::clone)
    );

    let changes =
        FindingChanges::from([owned("program 7", &[&masked]), owned("nobody", &[]), owned("category 3", &[])]);
    store.update_findings(&changes).await.unwrap();
    assert_eq!(store.findings().await.unwrap(), [two, ten, site, masked, prompt]);
    assert_eq!(store.finding_owners().await.unwrap().len(), 5);
}

#[tokio::test]
async fn findings_go_with_their_commit_and_make_no_version_by_themselves() {
    let database = OwnDatabase::new().await;
    let store = database.store().await;
    let published = store.load().await.unwrap();
    let findings =
        FindingChanges::from([("a".to_owned(), vec![finding("no_body", Severity::Error, Subject::Node(1))])]);
    let late = published.clone();
    let Commit::Done(published) = store.commit(published, vec![], &findings).await.unwrap() else { panic!("lost") };
    assert_eq!(published.head.version, 0);
    assert_eq!(store.findings().await.unwrap().len(), 1);

    let published = super::commit(&store, published, vec![put(program(1), "1")]).await;
    for changes in [vec![], vec![put(program(2), "2")]] {
        let lost = store.commit(late.clone(), changes, &findings).await.unwrap();
        assert!(matches!(lost, Commit::Lost));
    }
    assert_eq!(store.findings().await.unwrap().len(), 1, "the findings of a lost commit are lost with it");
    assert_eq!(store.load().await.unwrap().head, published.head);
}

#[tokio::test]
async fn a_hold_stands_since_it_began_until_it_is_accepted_or_cleared() {
    let database = OwnDatabase::new().await;
    let store = database.store().await;
    assert_eq!(store.hold().await.unwrap(), None);
    assert!(!store.accept_hold().await.unwrap(), "nothing waits");

    let removals = |removed| Removals::from([(Kind::Program, Removal { removed, of: 60 })]);
    store.set_hold(&removals(30)).await.unwrap();
    database.sql("UPDATE feed_hold SET since = since - 100").await;
    store.set_hold(&removals(31)).await.unwrap();
    let hold = store.hold().await.unwrap().unwrap();
    assert!(hold.age >= Duration::from_secs(100), "it has stood since it began");
    assert_eq!((hold.removals, hold.accepted), (removals(31), false));

    assert!(store.accept_hold().await.unwrap());
    assert!(store.accept_hold().await.unwrap(), "twice is no harm");
    store.set_hold(&removals(31)).await.unwrap();
    assert!(store.hold().await.unwrap().unwrap().accepted, "the same removals stay accepted");
    store.set_hold(&removals(50)).await.unwrap();
    assert!(!store.hold().await.unwrap().unwrap().accepted, "more than was accepted is not");

    store.clear_hold().await.unwrap();
    assert_eq!(store.hold().await.unwrap(), None);
}

#[tokio::test]
async fn the_lease_has_one_holder_until_it_expires_or_is_given_back() {
    let database = OwnDatabase::new().await;
    let (one, two) = (database.store().await, database.store().await);
    let minute = Duration::from_secs(60);
    assert!(one.try_lease("one", minute).await.unwrap());
    assert!(one.try_lease("one", minute).await.unwrap(), "its holder renews it");
    assert!(!two.try_lease("two", minute).await.unwrap());
    two.release_lease("two").await.unwrap();
    assert!(!two.try_lease("two", minute).await.unwrap(), "it is not given back by who has it not");
    one.release_lease("one").await.unwrap();
    assert!(two.try_lease("two", minute).await.unwrap());
    database.sql("UPDATE feed_lease SET expires_at = UNIX_TIMESTAMP()").await;
    assert!(one.try_lease("one", minute).await.unwrap(), "it has expired");
    assert!(!two.try_lease("two", minute).await.unwrap());
}

#[tokio::test]
async fn every_statement_fits_into_the_smallest_packet_that_is_accepted() {
    let database = OwnDatabase::new().await;
    // The client refuses to send a larger one.
    let opts = mysql_async::OptsBuilder::default()
        .socket(Mariadb::shared().socket().to_str())
        .user(Some("root"))
        .db_name(Some(&database.name))
        .max_allowed_packet(Some(1 << 20));
    let store = Store::open(own_pool(opts.into(), 2).unwrap()).await.unwrap();
    let published = store.load().await.unwrap();
    let texts = [10, 2_000, MAX_VALUE - 100];
    let changes: Vec<_> =
        (0..1_200).map(|nid| put(program(nid), format!("\"{}\"", "x".repeat(texts[nid as usize % 3])))).collect();
    let findings = (0..600).map(|number| {
        let message = "é".repeat(if number == 0 { 1 << 20 } else { 6_000 });
        (format!("program {number}"), vec![Finding::new("no_body", Severity::Error, Subject::Node(number), message)])
    });
    let findings = findings.collect();
    let Commit::Done(published) = store.commit(published, changes, &findings).await.unwrap() else { panic!("lost") };
    assert_eq!(published.head.whole.count, 1_200);
    let kept = store.findings().await.unwrap();
    assert_eq!(kept.len(), 600);
    assert!(kept.iter().all(|finding| finding.message.chars().all(|letter| letter == 'é')));
}
