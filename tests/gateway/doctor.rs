//! The doctor on good and on broken hosts: it finds what is wrong, and says in one sentence what to do.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::audiospread;
use crate::harness::said::Said;
use crate::harness::{DrupalSite, Mariadb};
use mysql_async::prelude::Queryable;

/// A site whose configuration is spoiled by a test.
struct Spoilt {
    site: DrupalSite,
    config: toml::Table,
}

impl Spoilt {
    async fn new() -> Self {
        let site = DrupalSite::new().build().await;
        let config = site.config_text().parse().unwrap();
        for secret in ["reader", "gateway"] {
            fs::set_permissions(site.directory().join(secret), fs::Permissions::from_mode(0o600)).unwrap();
        }
        Self { site, config }
    }

    fn set(&mut self, section: &str, name: &str, value: impl Into<toml::Value>) {
        let table = if section.is_empty() {
            &mut self.config
        } else {
            let section = self.config.entry(section).or_insert_with(|| toml::Table::new().into());
            section.as_table_mut().unwrap()
        };
        table.insert(name.into(), value.into());
    }

    fn write(&self) -> String {
        let path = self.site.directory().join("spoilt.toml");
        fs::write(&path, toml::to_string(&self.config).unwrap()).unwrap();
        path.into_string()
    }

    fn examine(&self) -> Said {
        Said::read(audiospread(&["doctor", "--json", "--config", &self.write()]))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_where_all_is_well_gets_no_complaint() {
    let host = Spoilt::new().await;
    let said = host.examine();
    assert_eq!(said.complaints("bad"), Vec::<String>::new());
    assert_eq!(said.code, Some(0), "{}", said.err);
    for what in [
        "configuration",
        "tokens",
        "passwords",
        "address",
        "language packs",
        "account",
        "Drupal's tables",
        "own database",
        "Drupal's files",
        "recordings",
        "recordings' storage",
        "phone servers",
    ] {
        assert!(said.complaints("good").iter().any(|good| good.starts_with(what)), "{what} is not looked at");
    }
    let text = audiospread(&["doctor", "--config", &host.write()]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(
        text.lines().count() >= 9 && text.lines().all(|line| line.starts_with("good") || line.starts_with("hmm")),
        "{text}"
    );
    assert!(!text.contains('\x1b'), "colours are for terminals");
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_and_databases_that_are_wrong_are_told_apart() {
    let host = Spoilt::new().await;
    fs::write(host.site.directory().join("reader"), "wrong\n").unwrap();
    host.examine().complains("bad", &["Drupal's database", "password"]);
    fs::remove_file(host.site.directory().join("reader")).unwrap();
    host.examine().complains("bad", &["reader", "cannot read"]);

    let mut host = Spoilt::new().await;
    host.set("drupal", "prefix", "nowhere_");
    host.examine().complains("bad", &["Drupal's tables", "prefix"]);
    host.set("drupal", "prefix", "");
    host.set("content", "vocabulary", "No such vocabulary");
    let said = host.examine();
    let told = [said.complaints("bad"), said.complaints("doubtful")].concat();
    assert!(told.iter().any(|told| told.contains("No such vocabulary") && told.contains("vocabulary")), "{told:#?}");

    let mut host = Spoilt::new().await;
    fs::write(host.site.directory().join("gateway"), "wrong\n").unwrap();
    host.examine().complains("bad", &["own database", "password"]);
    host.set("database", "url", "mysql://nobody@127.0.0.1:9/nothing");
    host.examine().complains("bad", &["own database"]);
    host.set("drupal", "url", "mysql://nobody@127.0.0.1:9/nothing");
    host.examine().complains("bad", &["Drupal's database"]);
    host.set("drupal", "url", "not a url");
    host.examine().complains("bad", &["drupal.url", "mysql://user@localhost"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_may_do_more_is_doubtful() {
    let host = Spoilt::new().await;
    let number = host.site.own_database.trim_start_matches("own_").to_owned();
    let mut root = Mariadb::shared().connect(None).await;
    root.query_drop(format!("GRANT INSERT, DELETE ON {}.* TO reader_{number}@localhost", host.site.database))
        .await
        .unwrap();
    root.disconnect().await.unwrap();
    host.examine().complains("doubtful", &["account", "INSERT", "DELETE", "one of its own"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_server_that_is_silent_or_complains_is_doubtful() {
    let host = Spoilt::new().await;
    host.examine();
    let sql = async |statement: &str| {
        let mut conn = Mariadb::shared().connect(Some(&host.site.own_database)).await;
        conn.query_drop(statement).await.unwrap();
        conn.disconnect().await.unwrap();
    };
    sql("INSERT INTO phone_server (name, seen_at) VALUES ('near', UNIX_TIMESTAMP()), ('far', UNIX_TIMESTAMP() - 30 * 3600)").await;
    host.examine().complains("doubtful", &["phone servers", "far", "30 hours", "audiospread status"]);
    sql("UPDATE phone_server SET seen_at = UNIX_TIMESTAMP(), message = 'The disk is full.' WHERE name = 'far'").await;
    host.examine().complains("doubtful", &["phone servers", "far reports: The disk is full."]);
    sql("UPDATE phone_server SET message = ''").await;
    let good = host.examine().complaints("good");
    assert!(good.iter().any(|good| good.starts_with("phone servers: 2 reported")), "{good:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_and_directories_that_are_wrong_are_named() {
    let mut host = Spoilt::new().await;
    let path = host.site.directory().to_owned();
    fs::rename(host.site.files(), path.join("away")).unwrap();
    host.examine().complains("bad", &["Drupal's files", "sites/default/files"]);
    fs::rename(path.join("away"), host.site.files()).unwrap();

    fs::write(path.join("tokens.toml"), "[[token]]\nname = \"phone\"\nsha256 = \"abc\"\nscopes = [\"feed\"]\n")
        .unwrap();
    host.examine().complains("bad", &["tokens", "tokens.toml"]);
    fs::write(path.join("tokens.toml"), "[[token]\n").unwrap();
    host.examine().complains("bad", &["tokens", "tokens.toml"]);
    fs::remove_file(path.join("tokens.toml")).unwrap();
    host.examine().complains("bad", &["tokens", "tokens.toml"]);
    fs::write(path.join("tokens.toml"), "").unwrap();

    fs::set_permissions(path.join("reader"), fs::Permissions::from_mode(0o644)).unwrap();
    host.examine().complains("doubtful", &["passwords", "chmod"]);
    fs::set_permissions(path.join("reader"), fs::Permissions::from_mode(0o600)).unwrap();

    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    host.set("", "listen", busy.local_addr().unwrap().to_string());
    host.examine().complains("doubtful", &["address", "in use", "listen"]);
    host.set("", "listen", "192.0.2.1:80");
    host.examine().complains("bad", &["address", "192.0.2.1"]);
    host.set("", "listen", "127.0.0.1:0");

    host.set("", "packs_dir", path.join("nowhere").as_str());
    let said = host.examine();
    assert!(said.complaints("bad").iter().any(|told| told.contains("language packs") && told.contains("nowhere")));
    assert_eq!(said.code, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_storage_of_recordings_is_looked_at_with_the_gateways_eyes_and_with_the_web_servers() {
    const WHAT: &str = "recordings' storage";
    /// A user that every host has and no web server should be.
    const NOBODY: u32 = 65_534;
    let mut host = Spoilt::new().await;
    let repository = host.site.files().join("bitcache/file");
    let of = |said: &Said, verdict: &str| {
        let said = said.complaints(verdict);
        said.into_iter().find(|said| said.starts_with(WHAT)).unwrap_or_else(|| panic!("not {verdict}"))
    };
    let names = || fs::read_dir(&repository).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    let before = names();
    let good = of(&host.examine(), "good");
    assert!(good.contains(repository.as_str()) && good.contains("can read and remove"), "{good}");
    assert_eq!(names(), before, "nothing is left");

    assert!(rustix::process::geteuid().is_root(), "only root can be somebody else: run the tests as root");
    host.set("intake", "web_user", NOBODY.to_string());
    let useless = of(&host.examine(), "doubtful");
    assert!(useless.contains("web server's user nobody") && useless.contains("chmod g+rwxs"), "{useless}");
    assert_eq!(names(), before);
    chown(&repository, None, Some(NOBODY)).unwrap();
    fs::set_permissions(&repository, fs::Permissions::from_mode(0o2770)).unwrap();
    assert!(of(&host.examine(), "good").contains("and nobody can read"));
    host.set("intake", "web_user", "no user of this name");
    assert!(of(&host.examine(), "doubtful").contains("set intake.web_user"));

    // As a user who may read everything here, and write nothing.
    host.set("intake", "web_user", "0");
    fs::set_permissions(&repository, fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(host.site.directory(), fs::Permissions::from_mode(0o755)).unwrap();
    for secret in ["reader", "gateway"] {
        fs::set_permissions(host.site.directory().join(secret), fs::Permissions::from_mode(0o644)).unwrap();
    }
    let mut doctor = Command::new(env!("CARGO_BIN_EXE_audiospread"));
    doctor.args(["doctor", "--json", "--config", &host.write()]).uid(NOBODY).gid(NOBODY);
    let refused = of(&Said::read(doctor.output().unwrap()), "doubtful");
    assert!(refused.contains("make the gateway's user a member of the directory's group"), "{refused}");

    fs::remove_file(host.site.files().join(".htaccess")).unwrap();
    let scripts = of(&host.examine(), "doubtful");
    assert!(scripts.contains("PHP") && scripts.contains("intake.php_is_off"), "{scripts}");
    host.set("intake", "store", "gateway");
    assert!(of(&host.examine(), "good").contains("intake.store"));
    host.set("intake", "store", "auto");
    host.site.sql("REPLACE INTO {variable} VALUES ('file_bitcache_repository', 's:8:\"bitcache\";')").await;
    assert!(of(&host.examine(), "good").contains("in the database"));
    host.site.sql("DELETE FROM {content_node_field_instance} WHERE type_name = 'phone_message'").await;
    assert!(of(&host.examine(), "doubtful").contains("install the module AudioSpread content"));
}

#[test]
fn a_configuration_that_cannot_be_read_is_wrong_use() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.toml");
    let path = path.to_str().unwrap();
    for text in [None, Some("listen = \n"), Some("unknown = 1\n")] {
        if let Some(text) = text {
            fs::write(path, text).unwrap();
        }
        let said = Said::read(audiospread(&["doctor", "--json", "--config", path]));
        assert!(said.complaints("bad")[0].contains(path), "{:?}", said.complaints("bad"));
        assert_eq!(said.code, Some(2), "{}", said.err);
    }
}
