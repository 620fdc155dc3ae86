//! Files that Drupal manages itself (`files`): what fields of filefield point at, whatever it is called and wherever it moves.

use std::collections::BTreeSet;
use std::fs;

use audiospread_protocol::{EntityKey, Kind, Sha256Digest};
use audiospread_server::refresh::Scope;

use super::running::Running;
use crate::feed::mirror::Mirror;
use crate::harness::DrupalSite;

/// Programs of the fixture with a file in a field of filefield, and its row of `files`.
const FIRST: (u32, u32) = (267, 5);
const SECOND: (u32, u32) = (270, 6);
const THIRD: (u32, u32) = (442, 16);

/// A site whose programs have their bodies in a field of filefield.
async fn site() -> DrupalSite {
    DrupalSite::new().configure("drupal.settle_ms = 20\n[content.fields]\nbody = 'field_jingle'").build().await
}

/// Makes a row of `files` name a file of such a name with these bytes, as somebody uploads it.
async fn upload(site: &DrupalSite, fid: u32, name: &str, mime: &str, bytes: &[u8]) {
    fs::write(site.files().join(name), bytes).unwrap();
    site.sql(&format!(
        "UPDATE {{files}} SET filename = '{name}', filepath = 'sites/default/files/{name}', filemime = '{mime}' WHERE fid = {fid}"
    ))
    .await;
}

/// Refreshes, then once more when all that was named has been looked at; says how many entities wait after that.
async fn refreshed(running: &mut Running, scope: Scope) -> usize {
    running.refresh(scope).await;
    running.rooms.index_everything().await;
    let heard = running.refresher.nodes_with_new_audio();
    running.refresh(Scope::Nodes(heard)).await.waiting
}

/// What is published under a key, as text.
async fn published(running: &Running, key: &EntityKey) -> String {
    let value = Mirror::fresh(&running.rooms.feed, true).await.state.remove(key);
    String::from_utf8(value.unwrap_or_default()).unwrap()
}

/// What the findings about a node are.
async fn codes(running: &Running, nid: u32) -> BTreeSet<String> {
    let findings = running.rooms.feed.store().findings().await.unwrap();
    let is_of = |subject: String| subject == format!("Node({nid})");
    findings
        .into_iter()
        .filter(|finding| is_of(format!("{:?}", finding.subject)))
        .map(|finding| finding.code.into())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_field_points_at_is_heard_or_said_to_be_no_audio_whatever_it_is_called() {
    let site = site().await;
    let talk = fs::read(site.files().join("jingles/jingle_fr.mp3")).unwrap();
    upload(&site, FIRST.1, "talk.bin", "application/octet-stream", &talk).await;
    upload(&site, SECOND.1, "talk.pdf", "application/pdf", b"%PDF-1.4 nobody can hear this").await;
    let mut running = Running::on(&site).await;
    assert_eq!(refreshed(&mut running, Scope::Whole).await, 0, "after the first reading");
    let program = |nid| EntityKey::numbered(Kind::Program, nid);
    let talk = Sha256Digest::of(&talk).to_string();
    assert!(published(&running, &program(FIRST.0)).await.contains(&talk));
    assert_eq!(published(&running, &program(SECOND.0)).await, "");
    assert!(codes(&running, SECOND.0).await.contains("not_audio"));

    // The same of what is replaced later.
    upload(&site, THIRD.1, "talk.3gp", "video/3gpp", b"nor this").await;
    assert_eq!(refreshed(&mut running, Scope::Nodes([THIRD.0].into())).await, 0, "after it was named");
    assert_eq!(published(&running, &program(THIRD.0)).await, "");
    assert!(codes(&running, THIRD.0).await.contains("not_audio"));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_move_are_looked_for_where_they_are_now_though_no_node_changed() {
    let site = site().await;
    let mut running = Running::on(&site).await;
    assert_eq!(refreshed(&mut running, Scope::Whole).await, 0);
    let sound = Sha256Digest::of(&fs::read(site.files().join("jingles/jingle_news.mp3")).unwrap());
    let program = EntityKey::numbered(Kind::Program, FIRST.0);
    assert!(published(&running, &program).await.contains(&sound.to_string()));

    fs::rename(site.files().join("jingles"), site.files().join("moved")).unwrap();
    site.sql("UPDATE {files} SET filepath = REPLACE(filepath, 'files/jingles/', 'files/moved/')").await;
    assert_eq!(refreshed(&mut running, Scope::Whole).await, 0, "nothing waits for what nobody looks at");
    assert!(published(&running, &program).await.contains(&sound.to_string()));
    running.rooms.blobs.open(&sound).await.unwrap();

    let other = fs::read(site.files().join("moved/jingle_fr.mp3")).unwrap();
    upload(&site, FIRST.1, "another.mp3", "audio/mpeg", &other).await;
    assert_eq!(refreshed(&mut running, Scope::Whole).await, 0);
    assert!(published(&running, &program).await.contains(&Sha256Digest::of(&other).to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_category_whose_spoken_header_is_no_audio_follows_its_term_all_the_same() {
    let site =
        DrupalSite::new().configure("drupal.settle_ms = 20\n[content.fields]\nheader = 'field_jingle'").build().await;
    site.sql(
        "INSERT INTO {content_node_field_instance} (field_name, type_name, widget_settings, display_settings, description)
           VALUES ('field_jingle', 'category_info', '', '', '');
         ALTER TABLE {content_type_category_info} ADD COLUMN field_jingle_fid INT;
         UPDATE {content_type_category_info} SET field_jingle_fid = 5 WHERE vid = 1",
    )
    .await;
    upload(&site, 5, "header.mp4", "video/mp4", b"moving pictures").await;
    let mut running = Running::on(&site).await;
    assert_eq!(refreshed(&mut running, Scope::Whole).await, 0);
    site.sql("UPDATE {term_data} SET name = 'Fields and meadows' WHERE tid = 1").await;
    running.refresh(Scope::Whole).await;
    let category = published(&running, &EntityKey::numbered(Kind::Category, 1)).await;
    assert!(category.contains("Fields and meadows"), "{category}");
    assert!(codes(&running, 1).await.contains("not_audio"));
}
