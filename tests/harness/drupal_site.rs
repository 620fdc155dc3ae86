//! A Drupal 6 site of a test's own: the fixture's database in one of its many shapes, its files, and a gateway's configuration for it.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use audiospread_protocol::Sha256Digest;
use audiospread_server::config::{Config, Prefix};
use camino::{Utf8Path, Utf8PathBuf};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use sha1::{Digest, Sha1};
use tempfile::TempDir;
use tokio::sync::Mutex;

use super::Mariadb;

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/drupal6-site");

/// What keeps the site's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    /// Rows, snapshots, transactions.
    InnoDb,
    /// Whole-table locks; what sites of 2009 had.
    MyIsam,
}

/// A Drupal 6 site that only this test knows.
pub(crate) struct DrupalSite {
    /// The name of Drupal's database.
    pub(crate) database: String,
    /// The name of the gateway's own database, empty.
    pub(crate) own_database: String,
    prefix: Prefix,
    charset: String,
    config: toml::Table,
    directory: TempDir,
}

/// How the site shall be.
pub(crate) struct Builder {
    engine: Engine,
    prefix: Prefix,
    charset: String,
    config: toml::Table,
}

impl DrupalSite {
    /// The fixture as it is: InnoDB, no prefix, utf8.
    #[expect(clippy::new_ret_no_self, reason = "it reads as what is being made")]
    pub(crate) fn new() -> Builder {
        Builder {
            engine: Engine::InnoDb,
            prefix: Prefix::default(),
            charset: "utf8".into(),
            config: toml::Table::default(),
        }
    }

    /// Runs statements on Drupal's database as Drupal does: autocommit, no SQL mode. Tables are written `{node}`, as Drupal writes them.
    pub(crate) async fn sql(&self, statements: &str) {
        let mut conn = self.connect().await;
        conn.query_drop(self.with_prefixes(statements)).await.unwrap_or_else(|e| panic!("{e}: {statements}"));
        conn.disconnect().await.unwrap();
    }

    /// The first column of the first row of a query on Drupal's database.
    pub(crate) async fn value<T: mysql_async::prelude::FromValue + Send + 'static>(&self, query: &str) -> T {
        let mut conn = self.connect().await;
        let value: Option<T> = conn.query_first(self.with_prefixes(query)).await.unwrap();
        conn.disconnect().await.unwrap();
        value.unwrap()
    }

    /// The first column of the first row of a query on the gateway's own database.
    pub(crate) async fn own_value<T: mysql_async::prelude::FromValue + Send + 'static>(&self, query: &str) -> T {
        let mut conn = Mariadb::shared().connect(Some(&self.own_database)).await;
        let value: Option<T> = conn.query_first(query).await.unwrap();
        conn.disconnect().await.unwrap();
        value.unwrap()
    }

    /// Runs a statement on the gateway's own database.
    pub(crate) async fn own(&self, statement: &str) {
        let mut conn = Mariadb::shared().connect(Some(&self.own_database)).await;
        conn.query_drop(statement).await.unwrap();
        conn.disconnect().await.unwrap();
    }

    /// A second, empty database for a gateway of its own beside the first one.
    pub(crate) async fn second_own_database(&self) -> String {
        let name = format!("{}_second", self.own_database);
        let number = self.own_database.trim_start_matches("own_");
        let mut root = Mariadb::shared().connect(None).await;
        root.query_drop(format!(
            "DROP DATABASE IF EXISTS {name};
             CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
             GRANT ALL ON {name}.* TO gateway_{number}@localhost"
        ))
        .await
        .unwrap();
        root.disconnect().await.unwrap();
        name
    }

    /// A connection to Drupal's database with all rights, for statements between which a test looks elsewhere.
    pub(crate) async fn connect(&self) -> Conn {
        let mut conn = Mariadb::shared().connect(Some(&self.database)).await;
        conn.query_drop(format!("SET NAMES {}", self.charset)).await.unwrap();
        conn
    }

    /// A statement with `{table}` replaced by the table's name in this site.
    pub(crate) fn with_prefixes(&self, statement: &str) -> String {
        let mut out = String::new();
        let mut rest = statement;
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            match after.split_once('}') {
                Some((name, tail)) if !name.is_empty() && name.bytes().all(is_identifier) => {
                    out.extend(["`", &self.prefix.apply(name), "`"]);
                    rest = tail;
                }
                _ => {
                    out.push('{');
                    rest = after;
                }
            }
        }
        out + rest
    }

    /// The configuration of a gateway for this site.
    pub(crate) fn config(&self) -> Config {
        toml::from_str(&self.config_text()).unwrap()
    }

    /// The same as the text of a `gateway.toml`; its paths are absolute.
    pub(crate) fn config_text(&self) -> String {
        toml::to_string(&self.config).unwrap()
    }

    /// A directory of this test's own; gone with the site.
    pub(crate) fn directory(&self) -> &Utf8Path {
        Utf8Path::from_path(self.directory.path()).unwrap()
    }

    /// Drupal's root directory.
    pub(crate) fn root(&self) -> Utf8PathBuf {
        self.directory().join("drupal")
    }

    /// Gives the body of a program of the fixture other bytes, before a gateway looks at them: their SHA-256.
    pub(crate) async fn replace_file_of_program(&self, program: u32, bytes: &[u8]) -> String {
        let name = hex::encode(Sha1::digest(bytes));
        fs::write(self.files().join("bitcache/file").join(&name), bytes).unwrap();
        let expected = Self::expected();
        let node = expected["programs"].as_array().unwrap().iter().find(|node| node["nid"] == program).unwrap();
        let mut audio = node["audio"].as_array().unwrap().iter();
        let file = &audio.find(|audio| audio["field"] == "field_audio_body").unwrap()["file_nid"];
        let size = bytes.len();
        self.sql(&format!("UPDATE {{file_nodes}} SET uri = 'bitcache://{name}', size = {size} WHERE nid = {file}"))
            .await;
        Sha256Digest::of(bytes).to_string()
    }

    /// Drupal's files directory, a copy of the fixture's.
    pub(crate) fn files(&self) -> Utf8PathBuf {
        self.root().join("sites/default/files")
    }

    /// The statements that make the fixture's tables.
    pub(crate) fn dump() -> String {
        let mut dump = String::new();
        let file = fs::File::open(format!("{FIXTURE}/site.sql.gz")).unwrap();
        flate2::read::GzDecoder::new(file).read_to_string(&mut dump).unwrap();
        dump
    }

    /// What Drupal's own API says of the fixture.
    pub(crate) fn expected() -> serde_json::Value {
        serde_json::from_slice(&fs::read(format!("{FIXTURE}/EXPECTED.json")).unwrap()).unwrap()
    }
}

impl Builder {
    /// The engine of all tables.
    pub(crate) fn engine(mut self, engine: Engine) -> Self {
        self.engine = engine;
        self
    }

    /// `$db_prefix`.
    pub(crate) fn prefix(mut self, prefix: Prefix) -> Self {
        self.prefix = prefix;
        self
    }

    /// The character set of all tables: `utf8` or `utf8mb4`.
    pub(crate) fn charset(mut self, charset: &str) -> Self {
        charset.clone_into(&mut self.charset);
        self
    }

    /// Values of `gateway.toml` that differ from a plain site's.
    pub(crate) fn configure(mut self, toml: &str) -> Self {
        merge(&mut self.config, toml::from_str(toml).unwrap());
        self
    }

    /// Makes the site.
    pub(crate) async fn build(self) -> DrupalSite {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let (database, own_database) = (format!("drupal_{number}"), format!("own_{number}"));
        let template = template(self.engine, &self.charset).await;

        let mut root = Mariadb::shared().connect(None).await;
        root.query_drop(copy_of(&template, &database, &self.prefix)).await.unwrap();
        root.query_drop(format!(
            "CREATE DATABASE {own_database} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
             CREATE USER reader_{number}@localhost IDENTIFIED BY 'reads {number}',
                         gateway_{number}@localhost IDENTIFIED BY 'writes {number}';
             GRANT SELECT ON {database}.* TO reader_{number}@localhost;
             GRANT ALL ON {own_database}.* TO gateway_{number}@localhost"
        ))
        .await
        .unwrap();
        root.disconnect().await.unwrap();

        let directory = tempfile::Builder::new().prefix("audiospread-site-").tempdir().unwrap();
        let path = Utf8Path::from_path(directory.path()).unwrap().to_owned();
        copy_directory(
            Path::new(FIXTURE).join("files").as_path(),
            path.join("drupal/sites/default/files").as_std_path(),
        );
        fs::write(path.join("drupal/index.php"), "<?php\n").unwrap();
        for (name, text) in [("reader", format!("reads {number}\n")), ("gateway", format!("writes {number}\n"))] {
            fs::write(path.join(name), text).unwrap();
        }
        fs::create_dir_all(path.join("data")).unwrap();
        fs::write(path.join("tokens.toml"), "").unwrap();

        let socket = Mariadb::shared().socket();
        let socket = socket.to_str().unwrap();
        let mut config: toml::Table = toml::from_str(&format!(
            r#"
            listen = "127.0.0.1:0"
            tokens_file = "{path}/tokens.toml"
            data_dir = "{path}/data"
            packs_dir = "{packs}"
            [drupal]
            url = "mysql://reader_{number}@localhost/{database}?socket={socket}"
            password_file = "{path}/reader"
            root = "{path}/drupal"
            charset = "{charset}"
            [database]
            url = "mysql://gateway_{number}@localhost/{own_database}?socket={socket}"
            password_file = "{path}/gateway"
            [numbers]
            country_code = "221"
            [intake]
            web_user = "{user}"
            "#,
            charset = self.charset,
            // The files are the tests' own.
            user = rustix::process::geteuid().as_raw(),
            packs = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/asterisk/packs"),
        ))
        .unwrap();
        let prefix = match &self.prefix {
            Prefix::All(prefix) => prefix.clone().into(),
            Prefix::PerTable(tables) => {
                let tables: toml::Table =
                    tables.iter().map(|(table, prefix)| (table.clone(), prefix.clone().into())).collect();
                tables.into()
            }
        };
        config["drupal"].as_table_mut().unwrap().insert("prefix".into(), prefix);
        merge(&mut config, self.config);
        DrupalSite { database, own_database, prefix: self.prefix, charset: self.charset, config, directory }
    }
}

/// The tables of a template, found once.
#[derive(Clone)]
struct Template {
    database: String,
    tables: BTreeSet<String>,
    filled: BTreeSet<String>,
}

/// The fixture in a database of its own, which only copies are made of.
async fn template(engine: Engine, charset: &str) -> Template {
    static TEMPLATES: Mutex<Vec<Template>> = Mutex::const_new(Vec::new());
    let database = format!("template_{engine:?}_{charset}").to_lowercase();
    let mut templates = TEMPLATES.lock().await;
    if let Some(made) = templates.iter().find(|made| made.database == database) {
        return made.clone();
    }
    let mut dump = DrupalSite::dump();
    if engine == Engine::MyIsam {
        dump = dump.replace("ENGINE=InnoDB", "ENGINE=MyISAM");
    }
    let mut root = Mariadb::shared().connect(None).await;
    root.query_drop(format!("CREATE DATABASE {database} CHARACTER SET utf8; USE {database}; {dump}")).await.unwrap();
    let tables: Vec<String> = root.query("SHOW TABLES").await.unwrap();
    if charset != "utf8" {
        for table in &tables {
            convert(&mut root, &database, table, charset).await;
        }
    }
    let mut filled = BTreeSet::new();
    for table in &tables {
        let row: Option<u8> = root.query_first(format!("SELECT 1 FROM `{table}` LIMIT 1")).await.unwrap();
        filled.extend(row.map(|_| table.clone()));
    }
    root.disconnect().await.unwrap();
    let made = Template { database, tables: tables.into_iter().collect(), filled };
    templates.push(made.clone());
    made
}

/// Converts a table as people do by hand: keys that become too long for the engine go, and what even then cannot be converted stays.
async fn convert(root: &mut Conn, database: &str, table: &str, charset: &str) {
    const TOO_LONG: u16 = 1071;
    let conversion = format!("ALTER TABLE `{table}` CONVERT TO CHARACTER SET {charset}");
    let is_too_long = |error: &_| matches!(error, mysql_async::Error::Server(refused) if refused.code == TOO_LONG);
    if root.query_drop(&conversion).await.is_err_and(|error| is_too_long(&error)) {
        let keys: Vec<String> = root
            .query(format!(
                "SELECT DISTINCT index_name FROM information_schema.statistics
                 WHERE table_schema = '{database}' AND table_name = '{table}' AND non_unique = 1"
            ))
            .await
            .unwrap();
        for key in keys {
            root.query_drop(format!("ALTER TABLE `{table}` DROP KEY `{key}`")).await.unwrap();
        }
        if let Err(error) = root.query_drop(&conversion).await {
            assert!(is_too_long(&error), "{error}");
        }
    }
}

fn copy_of(template: &Template, database: &str, prefix: &Prefix) -> String {
    let mut statements = vec![
        "SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO', foreign_key_checks = 0, unique_checks = 0".to_owned(),
        format!("CREATE DATABASE {database} CHARACTER SET utf8"),
    ];
    for table in &template.tables {
        let (from, to) = (format!("{}.`{table}`", template.database), format!("{database}.`{}`", prefix.apply(table)));
        statements.push(format!("CREATE TABLE {to} LIKE {from}"));
        if template.filled.contains(table) {
            statements.push(format!("INSERT INTO {to} SELECT * FROM {from}"));
        }
    }
    statements.join(";\n")
}

/// Copies a directory with all that is in it.
pub(crate) fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_directory(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Settings that take the place of others.
pub(super) fn merge(into: &mut toml::Table, from: toml::Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(toml::Value::Table(old)), toml::Value::Table(new)) => merge(old, new),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

const fn is_identifier(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
