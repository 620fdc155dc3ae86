//! What a gateway does when its host wants something of it: it stops in order, and connections that the database ends are made anew.

use std::io::Read as _;
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;

use super::manners::{held, until_the_feed_is_large, write_much};
use super::until;
use crate::harness::gateway::{ALL_PROGRAMS, EVERYTHING, Gateway};
use crate::harness::{DrupalSite, Mariadb};

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_is_under_way_ends_whole_when_the_gateway_is_told_to_stop() {
    let site = DrupalSite::new().configure("drupal.settle_ms = 50\nfeed.snapshot_seconds = 1").build().await;
    write_much(&site).await;
    let gateway = Gateway::of(&site, ALL_PROGRAMS);
    until_the_feed_is_large(&gateway).await;
    let mut reader = held(&gateway, "/v1/feed");
    let address = gateway.address;
    let stopping = gateway.stop();
    // The listening socket is gone before the answers under way are.
    until("nobody is let in any more", async || std::net::TcpStream::connect(address).is_err()).await;
    let mut rest = Vec::new();
    reader.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut piece = [0; 8_192];
    while !rest.ends_with(b"\n\r\n0\r\n\r\n") {
        let read = reader.read(&mut piece).unwrap();
        if read == 0 {
            break;
        }
        rest.extend_from_slice(&piece[..read]);
    }
    assert!(rest.len() > 12_000_000, "{} bytes", rest.len());
    let tail = String::from_utf8_lossy(&rest[rest.len() - 1_000..]).into_owned();
    assert!(tail.contains(r#""kind":"end""#), "{tail}");
    assert_eq!(stopping.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_the_database_ends_are_made_anew() {
    let quick = "drupal.settle_ms = 50\ndrupal.refresh_seconds = 1";
    let site = DrupalSite::new().configure(quick).build().await;
    let gateway = Gateway::of(&site, ALL_PROGRAMS);
    let number = site.own_database.trim_start_matches("own_");
    let mut root = Mariadb::shared().connect(None).await;
    for round in 0..3 {
        root.query_drop(format!("KILL USER reader_{number}@localhost; KILL USER gateway_{number}@localhost"))
            .await
            .unwrap();
        let title = format!("After round {round}");
        site.sql(&format!("UPDATE {{node}} SET title = '{title}' WHERE nid = 171")).await;
        let began = Instant::now();
        until("the change is published", async || {
            let request = reqwest::Client::new().get(format!("{}/v1/feed", gateway.url())).bearer_auth(EVERYTHING);
            let status = request.send().await.unwrap().status();
            assert!(status == 200 || status == 503, "{status}");
            let query = "SELECT CONVERT(value USING utf8mb4) FROM feed_entity WHERE kind = 'program' AND id = '171'";
            site.own_value::<String>(query).await.contains(&title)
        })
        .await;
        assert!(began.elapsed() < Duration::from_secs(30));
    }
    root.disconnect().await.unwrap();
}
