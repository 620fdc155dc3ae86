//! What callers left in Drupal's own storage: whole, once, where Drupal's module looks for it, and nowhere else.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use mysql_async::prelude::Queryable;
use rand::Rng;
use serde_json::Value;

use super::recordings::{PENDING, Phone, facts, sha1, sound, uuid};
use super::{audiospread, until};
use crate::harness::gateway::EVERYTHING;
use crate::harness::phone::files_below;
use crate::harness::{DrupalSite, Mariadb};

/// A recording of its own for each number: what stands behind the last frame is heard by nobody.
fn body(number: u32) -> Vec<u8> {
    [sound("en/programs/untitled"), number.to_be_bytes().to_vec()].concat()
}

fn repository(phone: &Phone) -> Utf8PathBuf {
    phone.site.files().join("bitcache/file")
}

impl Phone {
    /// Leaves a recording with this body, and nothing else.
    async fn leave(&self, number: u32, body: &[u8]) {
        let digest = self.upload(body).await;
        let kept = self.put(&uuid(number), &facts(None, &digest)).await.unwrap();
        assert_eq!(kept.status(), 201, "{}", kept.text().await.unwrap());
    }

    /// Where Drupal is told that the body of each recording is.
    async fn told(&self) -> Vec<(String, String)> {
        let text = self.call("audiospread.recordings.pending", PENDING).await;
        let values = |name: &str| -> Vec<String> {
            let begins = format!("<name>{name}</name><value><string>");
            text.split(&begins).skip(1).map(|rest| rest.split('<').next().unwrap().to_owned()).collect()
        };
        values("body_store").into_iter().zip(values("body_ref")).collect()
    }

    /// What is told of the recordings' storage.
    fn findings(&self) -> Vec<String> {
        let out = audiospread(&["feed", "--findings", "--json", "--config", self.gateway.config.as_str()]).stdout;
        let findings = String::from_utf8(out).unwrap();
        let findings = findings.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let of = findings.filter(|finding| finding["code"] == "recording_storage");
        of.map(|finding| finding["message"].as_str().unwrap().to_owned()).collect()
    }

    fn own(&self, number: u32) -> Utf8PathBuf {
        self.site.directory().join(format!("data-intake/recordings/{}-body.mp3", uuid(number)))
    }

    /// What the gateway answers to whoever wants to hear the body.
    async fn hear(&self, number: u32) -> (u16, Vec<u8>) {
        let request = self.client.get(format!("{}/v1/recordings/{}/body", self.gateway.url(), uuid(number)));
        let answer = request.bearer_auth(EVERYTHING).send().await.unwrap();
        (answer.status().as_u16(), answer.bytes().await.unwrap().to_vec())
    }
}

/// All names of plain files below a directory.
fn names_below(directory: &Utf8Path) -> BTreeSet<String> {
    files_below(directory).iter().filter_map(|path| path.file_name()).map(str::to_owned).collect()
}

const FILEFIELD: &str = "UPDATE {content_node_field} SET type = 'filefield' WHERE field_name LIKE 'field_audio_%'";

#[tokio::test(flavor = "multi_thread")]
async fn a_site_with_fileframework_has_recordings_in_its_repository_before_it_is_told_of_them() {
    let phone = Phone::of(DrupalSite::new().build().await, "").await;
    let (title, spoken) = (sound("fr/programs/untitled"), body(1));
    let told = facts(Some(&phone.upload(&title).await), &phone.upload(&spoken).await);
    assert_eq!(phone.put(&uuid(1), &told).await.unwrap().status(), 201);
    for bytes in [&title, &spoken] {
        let file = repository(&phone).join(sha1(bytes));
        assert!(fs::read(&file).unwrap() == *bytes);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o111, 0, "nobody executes it");
    }
    assert_eq!(phone.told().await, [("bitcache".to_owned(), format!("bitcache://{}", sha1(&spoken)))]);
    let answer = phone.call("audiospread.recordings.pending", PENDING).await;
    assert!(answer.contains(&format!("<name>title_ref</name><value><string>bitcache://{}<", sha1(&title))), "{answer}");
    // The same bytes again are the same blob.
    phone.leave(2, &spoken).await;
    assert_eq!(phone.told().await[1], phone.told().await[0]);
    // What Drupal has removed is not said to be there.
    fs::remove_file(repository(&phone).join(sha1(&spoken))).unwrap();
    assert_eq!(phone.told().await[0], ("gateway".to_owned(), format!("/v1/recordings/{}/body", uuid(1))));

    let deep = "INSERT INTO {variable} VALUES ('bitcache_depth', 'i:2;'), ('bitcache_width', 'i:2;')";
    phone.site.sql(deep).await;
    phone.leave(3, &body(3)).await;
    let name = sha1(&body(3));
    let file = repository(&phone).join(&name[..2]).join(&name[2..4]).join(&name);
    assert!(fs::read(file).unwrap() == body(3), "as deep as bitcache looks for it");
    assert_eq!(phone.told().await[2].1, format!("bitcache://{name}"));
    assert_eq!(phone.findings(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_with_filefield_has_recordings_in_its_files_directory() {
    let site = DrupalSite::new().build().await;
    site.sql(FILEFIELD).await;
    fs::set_permissions(site.files(), fs::Permissions::from_mode(0o2775)).unwrap();
    let phone = Phone::of(site, "").await;
    phone.leave(1, &body(1)).await;
    let path = format!("sites/default/files/audiospread/{}-body.mp3", uuid(1));
    assert!(fs::read(phone.site.root().join(&path)).unwrap() == body(1));
    let mode = |path: &str| fs::metadata(phone.site.root().join(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("sites/default/files/audiospread"), mode(&path)), (0o2775, 0o664));
    assert_eq!(phone.told().await, [("files".to_owned(), path)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_put_into_drupals_storage_stays_with_the_gateway_and_is_told() {
    let phone = Phone::of(DrupalSite::new().build().await, "").await;
    let is_with_the_gateway = async |number: u32| {
        let place = phone.told().await.pop().unwrap();
        assert_eq!(place, ("gateway".to_owned(), format!("/v1/recordings/{}/body", uuid(number))));
        assert_eq!(phone.hear(number).await, (200, body(number)));
        assert!(!names_below(&phone.site.files()).contains(&sha1(&body(number))));
    };
    let complains = |of: &str| {
        let findings = phone.findings();
        assert!(findings.len() == 1 && findings[0].contains(of), "{of}: {findings:#?}");
    };
    let htaccess = phone.site.files().join(".htaccess");
    fs::rename(&htaccess, phone.site.directory().join("htaccess")).unwrap();
    phone.leave(1, &body(1)).await;
    is_with_the_gateway(1).await;
    complains("PHP");
    fs::rename(phone.site.directory().join("htaccess"), &htaccess).unwrap();

    let bitcache = phone.site.files().join("bitcache");
    fs::rename(&bitcache, phone.site.directory().join("outside")).unwrap();
    symlink(phone.site.directory().join("outside"), &bitcache).unwrap();
    phone.leave(2, &body(2)).await;
    is_with_the_gateway(2).await;
    assert!(!names_below(&phone.site.directory().join("outside")).contains(&sha1(&body(2))), "through no link");
    complains("link");
    fs::remove_file(&bitcache).unwrap();
    phone.leave(3, &body(3)).await;
    is_with_the_gateway(3).await;
    complains("upload any file in Drupal");
    fs::rename(phone.site.directory().join("outside"), &bitcache).unwrap();

    // Where the site keeps blobs in its database nothing is to be mended.
    phone.site.sql("REPLACE INTO {variable} VALUES ('file_bitcache_repository', 's:8:\"bitcache\";')").await;
    phone.leave(4, &body(4)).await;
    is_with_the_gateway(4).await;
    assert_eq!(phone.findings(), Vec::<String>::new());
    phone.site.sql("DELETE FROM {variable} WHERE name = 'file_bitcache_repository'").await;

    // A name that has other bytes keeps them.
    let name = repository(&phone).join(sha1(&body(5)));
    fs::write(&name, "half of it").unwrap();
    phone.leave(5, &body(5)).await;
    assert_eq!(phone.told().await.pop().unwrap().0, "gateway");
    assert_eq!(fs::read(&name).unwrap(), b"half of it");
    complains(&sha1(&body(5)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_may_leave_recordings_to_drupals_module_or_say_that_no_php_is_run() {
    let site = DrupalSite::new().build().await;
    fs::remove_file(site.files().join(".htaccess")).unwrap();
    let phone = Phone::of(site, "intake.store = \"gateway\"").await;
    phone.leave(1, &body(1)).await;
    assert_eq!(phone.told().await[0].0, "gateway");
    assert_eq!(phone.findings(), Vec::<String>::new());
    let phone = phone.again("intake.php_is_off = true").await;
    phone.leave(2, &body(2)).await;
    assert_eq!(phone.told().await[1].0, "bitcache");
    let phone = phone.again("intake.php_is_off = true\nintake.web_user = \"nobody-of-this-name\"").await;
    phone.leave(3, &body(3)).await;
    assert_eq!(phone.told().await[2].0, "gateway");
    assert!(phone.findings()[0].contains("intake.web_user"), "{:?}", phone.findings());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_is_not_made_for_recordings_is_told_so_once_one_comes() {
    let site = DrupalSite::new().build().await;
    site.sql("DELETE FROM {content_node_field_instance} WHERE type_name = 'phone_message'").await;
    let phone = Phone::of(site, "").await;
    assert_eq!(phone.told().await, []);
    assert_eq!(phone.findings(), Vec::<String>::new());
    phone.leave(1, &body(1)).await;
    assert_eq!(phone.told().await[0].0, "gateway");
    assert!(phone.findings()[0].contains("install the module AudioSpread content"), "{:?}", phone.findings());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_killed_at_any_moment_has_each_recording_once_and_whole() {
    for kind in ["file_cck", "filefield"] {
        killed_while_it_keeps_recordings(kind).await;
    }
}

async fn killed_while_it_keeps_recordings(kind: &str) {
    const ROUNDS: u32 = 8;
    let site = DrupalSite::new().configure("drupal.settle_ms = 50").build().await;
    site.sql(&format!("UPDATE {{content_node_field}} SET type = '{kind}' WHERE field_name LIKE 'field_audio_%'")).await;
    site.sql("INSERT INTO {variable} VALUES ('bitcache_depth', 'i:2;'), ('bitcache_width', 'i:2;')").await;
    let before = names_below(&site.files());
    let mut phone = Phone::of(site, "").await;
    let title = |number: u32| body(1_000 + number);
    for round in 1..=ROUNDS {
        let facts = facts(Some(&phone.upload(&title(round)).await), &phone.upload(&body(round)).await);
        let name = uuid(round);
        let submitting = phone.put(&name, &facts);
        let moment = rand::rng().random_range(5..200);
        let _ = tokio::time::timeout(Duration::from_millis(moment), submitting).await;
        phone = phone.again("").await;
        // The phone server does not know what became of it, and sends it again.
        let again = phone.put(&name, &facts).await.unwrap();
        assert!(matches!(again.status().as_u16(), 200 | 201), "{}", again.text().await.unwrap());
    }
    let half: u32 = phone.site.own_value("SELECT COUNT(*) FROM recording WHERE state = 'storing'").await;
    let all: u32 = phone.site.own_value("SELECT COUNT(*) FROM recording").await;
    assert_eq!((half, all), (0, ROUNDS));
    let mut expected = before;
    for round in 1..=ROUNDS {
        for (part, bytes) in [("title", title(round)), ("body", body(round))] {
            let own = phone.site.directory().join(format!("data-intake/recordings/{}-{part}.mp3", uuid(round)));
            assert!(fs::read(own).unwrap() == bytes, "{part} of {round}");
            let (name, path) = if kind == "filefield" {
                let name = format!("{}-{part}.mp3", uuid(round));
                (name.clone(), phone.site.files().join("audiospread").join(name))
            } else {
                let name = sha1(&bytes);
                let path = repository(&phone).join(&name[..2]).join(&name[2..4]).join(&name);
                (name, path)
            };
            assert!(fs::read(&path).unwrap() == bytes, "{path}");
            expected.insert(name);
        }
    }
    // At its start the gateway also finds out whether it may write there.
    until("nothing half is left in Drupal's storage", async || names_below(&phone.site.files()) == expected).await;
    let store = if kind == "filefield" { "files" } else { "bitcache" };
    let told = phone.told().await;
    assert!(told.len() == ROUNDS as usize && told.iter().all(|(is, _)| is == store), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_half_put_into_drupals_storage_is_finished_at_the_next_start() {
    let phone = Phone::of(DrupalSite::new().build().await, "").await;
    let before = names_below(&phone.site.files());
    phone.leave(1, &body(1)).await;
    let name = sha1(&body(1));
    fs::remove_file(repository(&phone).join(&name)).unwrap();
    fs::write(repository(&phone).join(format!(".audiospread-{}-body.0123456789abcdef", uuid(1))), "half").unwrap();
    fs::write(repository(&phone).join(".audiospread-probe.put-0123456789abcdef"), "half").unwrap();
    let mut own = Mariadb::shared().connect(Some(&phone.site.own_database)).await;
    own.query_drop("UPDATE recording SET state = 'storing'; DELETE FROM recording_part").await.unwrap();
    own.disconnect().await.unwrap();
    let phone = phone.again("").await;
    assert_eq!(phone.told().await, [("bitcache".to_owned(), format!("bitcache://{name}"))]);
    assert!(fs::read(repository(&phone).join(&name)).unwrap() == body(1));
    let is_whole = async || names_below(&phone.site.files()).difference(&before).eq([&name]);
    until("what was half is gone", is_whole).await;

    // Recordings of a gateway that noted nothing of where they are.
    let mut own = Mariadb::shared().connect(Some(&phone.site.own_database)).await;
    own.query_drop("DELETE FROM recording_part").await.unwrap();
    own.disconnect().await.unwrap();
    let phone = phone.again("").await;
    assert_eq!(phone.told().await[0].0, "gateway");
    let noted: u32 = phone.site.own_value("SELECT COUNT(*) FROM recording_part WHERE kept = 1").await;
    assert_eq!(noted, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_let_go_once_an_editor_has_decided_and_drupals_bytes_are_the_same() {
    let phone = Phone::of(DrupalSite::new().build().await, "intake.settle_seconds = 1").await;
    for number in 1..=6 {
        phone.leave(number, &body(number)).await;
    }
    let blob = |number: u32| repository(&phone).join(sha1(&body(number)));
    // Of 3 Drupal has other bytes now, under the name that the node has; of 5 in a table what the module put there.
    phone.site.replace_file_of_program(171, &body(3)).await;
    fs::write(blob(3), body(30)).unwrap();
    fs::remove_file(blob(5)).unwrap();
    let hexadecimal = hex::encode(body(5));
    phone
        .site
        .sql(&format!("INSERT INTO {{bitcache_data}} (id, data) VALUES ('{}', 0x{hexadecimal})", sha1(&body(5))))
        .await;
    phone
        .site
        .sql(&format!(
            "CREATE TABLE {{audiospread_recording}} (uuid VARCHAR(36) NOT NULL PRIMARY KEY, nid INT UNSIGNED NOT NULL DEFAULT 0,
               state VARCHAR(16) NOT NULL, reason VARCHAR(255) NOT NULL DEFAULT '', decided_at INT UNSIGNED NOT NULL DEFAULT 0);
             INSERT INTO {{audiospread_recording}} (uuid, nid, state) VALUES
               ('{}', 171, 'made'), ('{}', 165, 'made'), ('{}', 171, 'made'), ('{}', 999999, 'made'), ('{}', 171, 'made'), ('{}', 165, 'rejected');
             UPDATE {{node}} SET status = 1 WHERE nid = 171; UPDATE {{node}} SET status = 0 WHERE nid = 165",
            uuid(1),
            uuid(2),
            uuid(3),
            uuid(4),
            uuid(5),
            uuid(6)
        ))
        .await;
    until("copies are let go", async || [1, 5, 6].iter().all(|number| !phone.own(*number).exists())).await;
    until("the node of 4 was seen to be gone", async || {
        phone.site.own_value::<u32>("SELECT COUNT(*) FROM recording_part WHERE gone_since IS NOT NULL").await == 1
    })
    .await;
    for number in [2, 3, 4] {
        assert!(phone.own(number).exists(), "{number} is not decided on, not the same, or may come back");
    }
    for number in 1..=6 {
        assert!(phone.hear(number).await == (200, body(number)), "{number} is heard from wherever it is");
    }
    let request = phone.client.get(format!("{}/v1/recordings/{}/body", phone.gateway.url(), uuid(1)));
    let rest = request.bearer_auth(EVERYTHING).header("Range", "bytes=100-").send().await.unwrap();
    assert_eq!((rest.status().as_u16(), rest.bytes().await.unwrap()), (206, body(1)[100..].to_vec().into()));
    // What somebody puts in the place of the bytes is not taken for them.
    fs::write(blob(1), body(30)).unwrap();
    assert_eq!(phone.hear(1).await.0, 404);

    let mut own = Mariadb::shared().connect(Some(&phone.site.own_database)).await;
    own.query_drop("UPDATE recording_part SET gone_since = gone_since - 8 * 86400").await.unwrap();
    own.disconnect().await.unwrap();
    until("what was deleted a week ago is let go", async || !phone.own(4).exists()).await;
    assert!(phone.own(2).exists() && phone.own(3).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_what_an_editor_replaced_goes_a_week_later_and_never_while_it_is_pending() {
    let phone = Phone::of(DrupalSite::new().build().await, "intake.settle_seconds = 1").await;
    let title = [body(9), b"title".to_vec()].concat();
    for number in 1..=5 {
        let (title, body) = (phone.upload(&title).await, phone.upload(&body(number)).await);
        let title = Some(title.as_str()).filter(|_| number == 5);
        assert_eq!(phone.put(&uuid(number), &facts(title, &body)).await.unwrap().status(), 201);
        fs::remove_file(repository(&phone).join(sha1(&self::body(number)))).unwrap();
    }
    fs::remove_file(repository(&phone).join(sha1(&title))).unwrap();
    // 171, 165 and 168 have sounds of their own. What 362 has is what the caller said, and it is lost: a disk may be away.
    phone.site.replace_file_of_program(362, &body(4)).await;
    fs::remove_file(repository(&phone).join(sha1(&body(4)))).unwrap();
    let rows = [(1, 171, "made"), (2, 165, "made"), (3, 165, "rejected"), (4, 362, "made"), (5, 168, "made")];
    let rows = rows.map(|(number, nid, state)| format!("('{}', {nid}, '{state}')", uuid(number))).join(",");
    phone
        .site
        .sql(&format!(
            "CREATE TABLE {{audiospread_recording}} (uuid VARCHAR(36) NOT NULL PRIMARY KEY, nid INT UNSIGNED NOT NULL DEFAULT 0,
               state VARCHAR(16) NOT NULL, reason VARCHAR(255) NOT NULL DEFAULT '', decided_at INT UNSIGNED NOT NULL DEFAULT 0);
             INSERT INTO {{audiospread_recording}} (uuid, nid, state) VALUES {rows};
             UPDATE {{node}} SET status = 1 WHERE nid IN (171, 168, 362); UPDATE {{node}} SET status = 0 WHERE nid = 165"
        ))
        .await;
    until("it was seen that 1, 3 and 5 were replaced", async || {
        let count = "SELECT COUNT(DISTINCT uuid) FROM recording_part WHERE gone_since IS NOT NULL";
        phone.site.own_value::<u32>(count).await == 3
    })
    .await;
    assert!((1..=5).all(|number| phone.own(number).exists()));
    let mut own = Mariadb::shared().connect(Some(&phone.site.own_database)).await;
    own.query_drop("UPDATE recording_part SET gone_since = gone_since - 8 * 86400").await.unwrap();
    own.disconnect().await.unwrap();
    until("what was replaced a week ago is let go", async || {
        [1, 3, 5].iter().all(|number| !phone.own(*number).exists())
    })
    .await;
    assert_eq!(phone.hear(1).await.0, 404);
    for number in [2, 4] {
        assert!(phone.hear(number).await == (200, body(number)), "{number} is pending, or nobody replaced it");
    }
}
