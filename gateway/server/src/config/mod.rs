//! The gateway's configuration: `gateway.toml`.
//!
//! It says what a content type, field or term *means* for the phone; where Drupal keeps it is read from Drupal's own tables. All that is
//! absent has the default that the fixture's site and our own Drupal modules use.

mod content;
mod drupal;

use std::fs;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;

pub use content::{Content, Fields, KeyOverrides, Menu, Numbers};
pub use drupal::{Database, Drupal, Prefix};

/// The configuration of a gateway.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address and port to listen on.
    #[serde(default = "default_listen")]
    pub listen: std::net::SocketAddr,
    /// The file with the tokens of the phone servers.
    pub tokens_file: Utf8PathBuf,
    /// Where the gateway keeps what is its own: snapshots, copies of audio out of the database.
    pub data_dir: Utf8PathBuf,
    /// The language packs: `LANGUAGE/CONTEXT/KEY.mp3`, and `prompts.toml`.
    pub packs_dir: Utf8PathBuf,
    /// Drupal's database and files.
    pub drupal: Drupal,
    /// The gateway's own database.
    pub database: Database,
    /// What the site's content means for the phone.
    #[serde(default)]
    pub content: Content,
    /// How telephone numbers are written in this country.
    pub numbers: Numbers,
    /// The menus, where the site's own settings say nothing.
    #[serde(default)]
    pub menu: Menu,
    /// The feed.
    #[serde(default)]
    pub feed: Feed,
    /// What callers left.
    #[serde(default)]
    pub intake: Intake,
    /// What is forgotten of callers.
    #[serde(default)]
    pub privacy: Privacy,
    /// The same sounds for slow links.
    #[serde(default)]
    pub renditions: Renditions,
}

/// The same sounds for slow links.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Renditions {
    /// Whether they are made and published.
    pub enabled: bool,
    /// The program `lame`, by its path or, as it is found, by its name.
    pub encoder: String,
    /// Seconds for which a new sound waits for its rendition before it is published without; 0: not at all.
    pub wait_seconds: u64,
}

impl Default for Renditions {
    fn default() -> Self {
        Self { enabled: false, encoder: "lame".into(), wait_seconds: 60 }
    }
}

/// What callers left.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Intake {
    /// The most mebibytes of one sound.
    pub max_mebibytes: u64,
    /// The most minutes of one sound.
    pub max_minutes: u64,
    /// Hours for which bytes are kept that no recording has named.
    pub keep_upload_hours: u64,
    /// Where recordings are put.
    pub store: StoreIn,
    /// As whom the web server runs Drupal: a user of this host, by name or by number.
    pub web_user: String,
    /// Whether the web server runs no PHP in Drupal's files directory, though no `.htaccess` there says so.
    pub php_is_off: bool,
    /// Seconds between looks at whether Drupal has what the gateway still keeps a copy of.
    pub settle_seconds: u64,
}

/// Where recordings are put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreIn {
    /// Into Drupal's own storage where that can be written safely, else as with [`Self::Gateway`].
    Auto,
    /// Nowhere in Drupal: its module fetches them from the gateway.
    Gateway,
}

impl Intake {
    /// The most bytes of one sound.
    pub const fn max_bytes(&self) -> u64 {
        self.max_mebibytes * 1024 * 1024
    }

    /// For how long bytes are kept that no recording has named.
    pub const fn keep_uploads(&self) -> Duration {
        Duration::from_secs(self.keep_upload_hours * 3600)
    }
}

impl Default for Intake {
    fn default() -> Self {
        Self {
            max_mebibytes: 64,
            max_minutes: 60,
            keep_upload_hours: 72,
            store: StoreIn::Auto,
            web_user: "www-data".into(),
            php_is_off: false,
            settle_seconds: 600,
        }
    }
}

/// What is forgotten of callers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Privacy {
    /// Days for which callers' numbers are kept in call records and with recordings; 0: for ever.
    pub keep_numbers_days: u32,
}

impl Default for Privacy {
    fn default() -> Self {
        Self { keep_numbers_days: 400 }
    }
}

/// The feed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Feed {
    /// Minutes for which a refresh that would remove much is held.
    pub hold_minutes: u64,
    /// Days for which deletions are remembered; phone servers away for longer take a snapshot.
    pub keep_days: u32,
    /// At most this many seconds pass between a change and the snapshot that has it.
    pub snapshot_seconds: u64,
}

impl Default for Feed {
    fn default() -> Self {
        Self { hold_minutes: 30, keep_days: 90, snapshot_seconds: 60 }
    }
}

fn default_listen() -> std::net::SocketAddr {
    ([127, 0, 0, 1], 8095).into()
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not of the form of a configuration.
    #[error("{path} is no valid configuration: {source}")]
    Form {
        /// The file.
        path: Utf8PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A value is well formed and makes no sense.
    #[error("{path}: {what}")]
    Sense {
        /// The file.
        path: Utf8PathBuf,
        /// Which value, and what it should be.
        what: String,
    },
}

impl Config {
    /// Reads and checks a configuration; paths in it are relative to its directory.
    ///
    /// # Errors
    /// [`ConfigError`] with the file, the place and what to change.
    pub fn load(path: &Utf8Path) -> Result<Self, ConfigError> {
        let text = read(path)?;
        let mut config: Self = toml::from_str(&text)
            .map_err(|source| ConfigError::Form { path: path.to_owned(), source: Box::new(source) })?;
        let directory = path.parent().unwrap_or(Utf8Path::new(""));
        for file in [
            Some(&mut config.tokens_file),
            Some(&mut config.data_dir),
            Some(&mut config.packs_dir),
            Some(&mut config.drupal.root),
            config.drupal.password_file.as_mut(),
            config.database.password_file.as_mut(),
        ]
        .into_iter()
        .flatten()
        {
            *file = directory.join(&file);
        }
        config.check().map_err(|what| ConfigError::Sense { path: path.to_owned(), what })?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if self.numbers.country_code.is_empty()
            || self.numbers.country_code.len() > 3
            || !digits(&self.numbers.country_code)
        {
            return Err("numbers.country_code is one to three digits, such as \"221\"".into());
        }
        if !digits(&self.numbers.international_prefix) || !digits(&self.numbers.national_prefix) {
            return Err(
                "numbers.international_prefix and numbers.national_prefix are digits, such as \"00\" and \"0\"".into(),
            );
        }
        if !matches!(self.drupal.charset.as_str(), "utf8" | "utf8mb4") {
            return Err("drupal.charset is \"utf8\" or \"utf8mb4\"".into());
        }
        let is_address = |url: &String| {
            let host = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
            host.is_some_and(|host| !host.is_empty() && !host.contains(['@', '?', '#', ' ']))
        };
        if !self.drupal.site_url.iter().all(is_address) {
            return Err("drupal.site_url is an address such as \"http://127.0.0.1\", without a password".into());
        }
        if self.menu.menu_page_size == 0 || self.menu.menu_page_size > 9 {
            return Err("menu.menu_page_size is 1 to 9: there are no more keys".into());
        }
        Ok(())
    }
}

fn read(path: &Utf8Path) -> Result<String, ConfigError> {
    fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })
}

/// The configuration that `audiospread config example` prints.
pub const EXAMPLE: &str = include_str!("../../gateway.example.toml");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_a_configuration_and_its_comments_are_the_defaults() {
        let plain: Config = toml::from_str(EXAMPLE).unwrap();
        // A comment line that is a setting has no space behind its `#`.
        let uncommented: String = EXAMPLE
            .lines()
            .map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line))
            .fold(String::new(), |text, line| text + line + "\n");
        let mut spelled_out: Config = toml::from_str(&uncommented).unwrap();
        // The two keys, the site's address and the files directory stand there to show the form.
        spelled_out.drupal.site_url = None;
        spelled_out.drupal.files_directory = None;
        spelled_out.menu.keys = KeyOverrides::default();
        assert_eq!(format!("{plain:?}"), format!("{spelled_out:?}"));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_place() {
        let config =
            |change: (&str, &str)| toml::from_str::<Config>(&EXAMPLE.replace(change.0, change.1)).unwrap().check();
        assert!(config(("country_code = \"221\"", "country_code = \"+221\"")).unwrap_err().contains("country_code"));
        assert!(config(("#charset = \"utf8mb4\"", "charset = \"latin1\"")).unwrap_err().contains("charset"));
    }
}
