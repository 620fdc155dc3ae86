//! Reading the named nodes alone, or what changed by the looks of the tables, gives what reading everything gives: the same feed, and the same
//! findings.

use std::collections::BTreeSet;

use audiospread_protocol::{DeleteReason, EntityKey, Kind, Sha256Digest};
use audiospread_server::config::{Config, Database};
use audiospread_server::refresh::Scope;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::boundaries::until_read;
use super::running::Running;
use crate::feed::mirror::Mirror;
use crate::harness::desk::Desk;
use crate::harness::editor::Editor;
use crate::harness::{DrupalSite, copy_directory};

const SAVES: u32 = 40;

/// A gateway that is told which nodes were saved, and beside it others that have just started and read everything.
struct Pair {
    site: DrupalSite,
    told: Running,
}

/// What a gateway says of the site.
type Said = (Vec<(EntityKey, Sha256Digest)>, BTreeSet<String>);

impl Pair {
    async fn new() -> Self {
        let site = DrupalSite::new().configure("drupal.settle_ms = 20").build().await;
        let mut told = Running::on(&site).await;
        told.settle().await;
        Self { site, told }
    }

    /// Lets the one read these nodes and another one everything, and compares.
    async fn agree_after(&mut self, what: &str, nodes: impl IntoIterator<Item = u32>) {
        self.agree_after_reading(Scope::Nodes(nodes.into_iter().collect()), what).await;
    }

    /// Lets the one, who has read the site before, read this and another one everything, and compares.
    async fn agree_after_reading(&mut self, mut scope: Scope, what: &str) {
        loop {
            let report = self.told.refresh(scope).await;
            self.told.rooms.index_everything().await;
            let heard = self.told.refresher.nodes_with_new_audio();
            match report.again {
                Some(again) => scope = again.union(Scope::Nodes(heard)),
                None if heard.is_empty() => break,
                None => scope = Scope::Nodes(heard),
            }
        }
        self.told.rooms.reasons_are_those_of_now().await;
        let mut whole = Running::with(&self.another().await).await;
        whole.settle().await;
        let ((told, told_findings), (whole, whole_findings)) = (said(&self.told).await, said(&whole).await);
        let (told, whole): (BTreeSet<_>, BTreeSet<_>) = (told.into_iter().collect(), whole.into_iter().collect());
        let wrong: BTreeSet<&EntityKey> = told.symmetric_difference(&whole).map(|(key, _)| key).collect();
        assert!(wrong.is_empty(), "the feeds differ after {what}: {wrong:?}");
        let more: Vec<_> = told_findings.difference(&whole_findings).collect();
        let fewer: Vec<_> = whole_findings.difference(&told_findings).collect();
        assert!(more.is_empty() && fewer.is_empty(), "findings after {what}: too many {more:#?}, missing {fewer:#?}");
    }

    /// The configuration of a gateway beside the first, with a database and a directory of its own.
    async fn another(&self) -> Config {
        let config = self.site.config();
        let url = config.database.url.replace(&self.site.own_database, &self.site.second_own_database().await);
        let database = Database { url, ..config.database };
        Config { database, data_dir: self.site.directory().join("data-whole"), ..config }
    }
}

async fn said(running: &Running) -> Said {
    let findings = running.rooms.feed.store().findings().await.unwrap();
    let findings = findings.iter().map(|finding| format!("{finding:?}")).collect();
    (running.rooms.published().await.into_iter().collect(), findings)
}

#[tokio::test(flavor = "multi_thread")]
async fn after_random_edits_the_named_nodes_alone_give_the_same_feed_and_findings_as_everything() {
    edits_are_found(5, Scope::Nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_random_edits_a_whole_refresh_finds_what_nobody_named() {
    edits_are_found(6, |_| Scope::Whole).await;
}

async fn edits_are_found(seed: u64, scope: impl Fn(BTreeSet<u32>) -> Scope) {
    let mut pair = Pair::new().await;
    let mut choice = StdRng::seed_from_u64(seed);
    let mut desk = Desk::new(&pair.site).await;
    let mut conn = pair.site.connect().await;
    let mut nodes = BTreeSet::new();
    for number in 0..SAVES {
        let editor = Editor::of(&pair.site);
        let (saved, statements) = desk.next_save(&editor, &mut choice, number).await;
        editor.make(&mut conn, &statements, async || {}).await;
        nodes.extend(saved);
        if choice.random_bool(0.4) || number + 1 == SAVES {
            let what = format!("save {number}: {}", statements.join("; "));
            pair.agree_after_reading(scope(std::mem::take(&mut nodes)), &what).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_moves_beneath_the_nodes_is_noticed_whichever_nodes_are_named() {
    let mut pair = Pair::new().await;
    pair.site.sql(&Editor::share_weight().join(";")).await;
    pair.agree_after("a field that is shared", []).await;
    pair.site.sql(&Editor::unshare_weight().join(";")).await;
    pair.agree_after("a field that is not shared any more", []).await;
    pair.site.sql(&Editor::delete_term(3).join(";")).await;
    pair.agree_after("a term that is deleted", []).await;
    pair.site.sql(&Editor::delete_term(13).join(";")).await;
    pair.agree_after("a menu of prompts that is deleted", []).await;
    pair.site.sql("INSERT INTO {term_hierarchy} (tid, parent) VALUES (1, 2)").await;
    pair.agree_after("a cycle of terms", []).await;
    pair.site.sql(&Editor::replace_file(437, 900, 173).join(";")).await;
    pair.agree_after("a file that is replaced", [437]).await;
    pair.site.sql("UPDATE {node} SET status = 0 WHERE nid = 437").await;
    pair.agree_after("a file node that is unpublished", [437]).await;
    pair.site.sql("DELETE FROM {node} WHERE nid = 299").await;
    pair.agree_after("one of two subscribers with a number who is deleted", [299]).await;
    pair.site.sql("RENAME TABLE {content_field_language} TO {away}").await;
    pair.agree_after("a table of a field that is missing", []).await;
    pair.site.sql("RENAME TABLE {away} TO {content_field_language}").await;
    pair.agree_after("the table that is back", []).await;
    pair.site.sql("INSERT INTO {variable} (name, value) VALUES ('language_default', 'O:8:\"stdClass\":1:{s:8:\"language\";s:2:\"fr\";}')").await;
    pair.agree_after("another default language", []).await;
    // Files that Drupal manages itself are known by their whole path, and stay where they are.
    copy_directory(pair.site.files().as_std_path(), pair.site.root().join("sites/default/media").as_std_path());
    pair.site
        .sql("INSERT INTO {variable} (name, value) VALUES ('file_directory_path', 's:19:\"sites/default/media\";')")
        .await;
    pair.agree_after("a files directory that moved", []).await;
    let published = pair.told.rooms.published().await;
    assert!(published.keys().filter(|key| key.kind() == Kind::Program).count() > 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reason_why_something_is_gone_follows_the_site() {
    let site = DrupalSite::new().configure("drupal.settle_ms = 20").build().await;
    let mut running = Running::on(&site).await;
    running.settle().await;
    let feed = running.rooms.feed.clone();
    for (nid, scope) in [(171, Scope::Whole), (165, Scope::Nodes([165].into()))] {
        let program = EntityKey::numbered(Kind::Program, nid);
        let mut mirror = Mirror::fresh(&feed, true).await;
        for (statement, reason) in [
            ("UPDATE {node} SET status = 0", DeleteReason::Unpublished),
            ("UPDATE {node} SET title = 'Still unpublished'", DeleteReason::Unpublished),
            ("DELETE FROM {node}", DeleteReason::Deleted),
        ] {
            let before = mirror.gone.get(&program).copied();
            let version = mirror.cursor.version;
            site.sql(&format!("{statement} WHERE nid = {nid}")).await;
            running.refresh(scope.clone()).await;
            mirror.pull(&feed).await;
            assert_eq!(mirror.gone.get(&program), Some(&reason), "{statement}");
            assert_eq!(mirror.cursor.version - version, u64::from(before != Some(reason)), "{statement}");
        }
        assert_eq!(mirror.gone, Mirror::fresh(&feed, true).await.gone);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_refresh_saw_before_it_failed_is_not_forgotten() {
    let site = DrupalSite::new().configure("drupal.settle_ms = 2000").build().await;
    let mut running = Running::on(&site).await;
    running.settle().await;
    site.sql("UPDATE {term_data} SET name = 'Renamed' WHERE tid = 2").await;
    // The first reading finds another name; the second one, no terms.
    let away = async {
        until_read(&site).await;
        site.sql("RENAME TABLE {term_data} TO {away}").await;
    };
    let (outcome, ()) = tokio::join!(running.refresher.refresh(Scope::Nodes([171].into())), away);
    assert!(outcome.is_err());
    site.sql("RENAME TABLE {away} TO {term_data}").await;
    running.refresh(Scope::Nodes([171].into())).await;
    assert_eq!(running.rooms.published().await, running.rooms.as_read_now().await);
}
