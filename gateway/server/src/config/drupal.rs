//! The parts `[drupal]` and `[database]` of the configuration: where the databases and Drupal's files are.

use std::collections::BTreeMap;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use mysql_async::{Opts, OptsBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{ConfigError, read};

/// Drupal's database and files.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drupal {
    /// `mysql://USER@HOST:PORT/DATABASE`, or with `?socket=/path`; an account with the right to SELECT and no other.
    pub url: String,
    /// The file with the account's password.
    pub password_file: Option<Utf8PathBuf>,
    /// Drupal's root directory: the one with `index.php`.
    pub root: Utf8PathBuf,
    /// The address at which Drupal answers, by which its module is woken when recordings wait; absent: it takes them at its cron.
    #[serde(default)]
    pub site_url: Option<String>,
    /// `$conf['file_directory_path']` of Drupal's `settings.php`, which beats the variable in the database; absent: what the variable says,
    /// else `sites/default/files`.
    pub files_directory: Option<Utf8PathBuf>,
    /// `$db_prefix`: one for all tables, or one a table with `default` for the others.
    #[serde(default)]
    pub prefix: Prefix,
    /// The character set of the connection; `utf8mb4` reads `utf8` as well. With servers before MySQL 5.5.3 it is `utf8` in any case.
    #[serde(default = "default_charset")]
    pub charset: String,
    /// Seconds between whole readings.
    #[serde(default = "default_refresh_seconds")]
    pub refresh_seconds: u64,
    /// Milliseconds between the two readings that must agree before a change is published.
    #[serde(default = "default_settle_ms")]
    pub settle_ms: u64,
}

/// `$db_prefix` of Drupal's `settings.php`.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Prefix {
    /// In front of every table's name.
    All(String),
    /// One a table, `default` for the others.
    PerTable(BTreeMap<String, String>),
}

impl Default for Prefix {
    fn default() -> Self {
        Self::All(String::new())
    }
}

impl Prefix {
    /// The name of Drupal's `{table}` in this database.
    pub fn apply(&self, table: &str) -> String {
        let prefix = match self {
            Self::All(prefix) => prefix.as_str(),
            Self::PerTable(tables) => tables.get(table).or_else(|| tables.get("default")).map_or("", String::as_str),
        };
        format!("{prefix}{table}")
    }
}

/// The gateway's own database.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// `mysql://USER@HOST:PORT/DATABASE`, or with `?socket=/path`.
    pub url: String,
    /// The file with the account's password.
    pub password_file: Option<Utf8PathBuf>,
}

fn default_charset() -> String {
    "utf8mb4".into()
}

const fn default_refresh_seconds() -> u64 {
    300
}

const fn default_settle_ms() -> u64 {
    2000
}

impl Drupal {
    /// How to connect to Drupal's database.
    ///
    /// # Errors
    /// If the URL is none, or the password's file cannot be read.
    pub fn opts(&self) -> Result<Opts, ConfigError> {
        opts("drupal.url", &self.url, self.password_file.as_deref())
    }

    /// The time between two readings that must agree.
    pub const fn settle(&self) -> Duration {
        Duration::from_millis(self.settle_ms)
    }
}

impl Database {
    /// How to connect to the gateway's own database.
    ///
    /// # Errors
    /// If the URL is none, or the password's file cannot be read.
    pub fn opts(&self) -> Result<Opts, ConfigError> {
        opts("database.url", &self.url, self.password_file.as_deref())
    }
}

fn opts(name: &str, url: &str, password_file: Option<&Utf8Path>) -> Result<Opts, ConfigError> {
    // The error of the URL's parser may carry the URL, and a URL may carry a password.
    let opts = Opts::from_url(url).map_err(|_| ConfigError::Sense {
        path: name.into(),
        what: "is a URL such as mysql://user@localhost:3306/database".into(),
    })?;
    let Some(path) = password_file else { return Ok(opts) };
    let password = SecretString::from(read(path)?.trim_end_matches(['\r', '\n']).to_owned());
    Ok(OptsBuilder::from_opts(opts).pass(Some(password.expose_secret())).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_s_prefix_is_its_own_or_the_default_one() {
        let prefix: Prefix =
            toml::from_str::<BTreeMap<String, Prefix>>("p = { default = \"main_\", users = \"shared_\" }")
                .unwrap()
                .remove("p")
                .unwrap();
        assert_eq!((prefix.apply("users"), prefix.apply("node")), ("shared_users".into(), "main_node".into()));
    }
}
