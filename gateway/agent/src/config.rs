//! The agent's configuration: `agent.toml`.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use reqwest::Url;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

use crate::{Amount, SoundFormat};

/// The configuration of a phone server's agent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the gateway answers, such as `https://www.example.org/audiospread/`.
    #[serde(deserialize_with = "address")]
    pub gateway: Url,
    /// The file with this phone server's token.
    pub token_file: Utf8PathBuf,
    /// The directory of the mirror and of the audio.
    pub data_dir: Utf8PathBuf,
    /// A group that both the agent and Asterisk belong to, by name or number.
    pub group: Option<String>,
    /// The language packs installed on this host.
    pub packs_dir: Option<Utf8PathBuf>,
    /// The format of the sounds that Asterisk plays.
    #[serde(default)]
    pub sound_format: SoundFormat,
    /// Which bytes of a sound are fetched.
    #[serde(default)]
    pub prefer: Prefer,
    /// Bytes a second, over all downloads together.
    pub limit_rate: Option<Amount>,
    /// How many sounds are fetched at once: 1 to 32.
    #[serde(default = "default_downloads")]
    pub downloads: usize,
    /// Seconds of silence after which a connection is given up.
    #[serde(default = "default_idle_seconds")]
    pub idle_seconds: u64,
    /// Space that is left free on the disk.
    #[serde(default = "default_keep_free")]
    pub keep_free: Amount,
    /// What `prune` removes, and when.
    #[serde(default)]
    pub prune: PruneRules,
    /// What goes to the gateway, and what becomes of it here.
    #[serde(default)]
    pub push: Push,
    /// How Asterisk is reached.
    #[serde(default)]
    pub asterisk: Asterisk,
    /// `run`: seconds after which it pulls even where the gateway said nothing.
    #[serde(default = "default_pull_seconds")]
    pub pull_seconds: u64,
    /// `run`: the HTTP hook for text messages that come in.
    pub hook: Option<Hook>,
    /// `run`: where text messages go that the dialplan cannot send by itself.
    pub send: Option<Send>,
}

/// Which bytes of a sound are fetched, where the gateway offers both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Prefer {
    /// Those that the editors uploaded.
    #[default]
    Original,
    /// The phone rendition, a fifth of them and less.
    Phone,
}

/// The HTTP hook for text messages that come in.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// Where it listens; the loopback, unless something else stands in front of it.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// The file with the token that senders show.
    pub token_file: Utf8PathBuf,
    /// The context of the trunk by which an answer goes.
    #[serde(default)]
    pub trunk: String,
    /// The country code of numbers that come without one.
    pub country_code: String,
    /// What is dialled before a country code.
    #[serde(default = "default_international_prefix")]
    pub international_prefix: String,
    /// What is dialled before a national number; may be empty.
    #[serde(default = "default_national_prefix")]
    pub national_prefix: String,
    /// Messages of one number that are taken in an hour.
    #[serde(default = "default_messages_a_number")]
    pub messages_a_number_an_hour: usize,
    /// Messages that are taken in an hour in all.
    #[serde(default = "default_messages")]
    pub messages_an_hour: usize,
}

/// Where text messages go that the dialplan cannot send by itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Send {
    /// The address, with `{number}`, `{text}`, `{coding}` (0 in the alphabet of telephones, 2 in UCS-2) and `{id}` in their places.
    pub url: Option<String>,
    /// A file that holds the address instead, where there is a password in it.
    pub url_file: Option<Utf8PathBuf>,
    /// A program and its arguments instead, with `{number}` and `{id}` in their places; the text comes by its standard input.
    pub command: Option<Vec<String>>,
    /// How it is asked.
    #[serde(default)]
    pub method: SendMethod,
}

/// How the address is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SendMethod {
    /// GET, everything in the address.
    #[default]
    Get,
    /// POST, with `{"to", "text", "id"}` as JSON.
    Post,
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8096))
}

const fn default_pull_seconds() -> u64 {
    900
}

fn default_international_prefix() -> String {
    "00".into()
}

fn default_national_prefix() -> String {
    "0".into()
}

const fn default_messages_a_number() -> usize {
    20
}

const fn default_messages() -> usize {
    500
}

/// How Asterisk is reached.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Asterisk {
    /// The program and its arguments, before what it is asked.
    pub command: Vec<String>,
    /// The directory of call files.
    pub outgoing: Utf8PathBuf,
}

impl Default for Asterisk {
    fn default() -> Self {
        Self { command: vec!["asterisk".into(), "-rx".into()], outgoing: "/var/spool/asterisk/outgoing".into() }
    }
}

/// What `prune` removes, and when.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PruneRules {
    /// Sounds that nothing names any more go when they are so many days old.
    pub older_than_days: u32,
    /// Whether each pull ends with it.
    pub after_pull: bool,
}

impl Default for PruneRules {
    fn default() -> Self {
        Self { older_than_days: 90, after_pull: false }
    }
}

/// What goes to the gateway, and what becomes of it here.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Push {
    /// Days for which recordings and call records are kept here after the gateway has them; at least 1.
    pub keep_days: u32,
    /// The encoder of recordings: lame, by name or path.
    pub encoder: String,
}

impl Default for Push {
    fn default() -> Self {
        Self { keep_days: 30, encoder: "lame".into() }
    }
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|error| serde::de::Error::custom(format!("gateway is no address: {error}")))
}

const fn default_downloads() -> usize {
    4
}

const fn default_idle_seconds() -> u64 {
    60
}

/// Well above what the menus want to be free before they take a message: else a disk that pulls fill, as they may, took none.
const fn default_keep_free() -> Amount {
    Amount(256 << 20)
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
    #[error("{path} is no valid configuration of an agent: {source}")]
    Form {
        /// The file.
        path: Utf8PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// There is no way to speak HTTP from here.
    #[error("cannot speak HTTP on this host: {0}")]
    Client(String),
    /// A value is well formed and makes no sense.
    #[error("{path}: {what}")]
    Sense {
        /// The file.
        path: Utf8PathBuf,
        /// Which value, and what it should be.
        what: &'static str,
    },
}

impl Config {
    /// An example, with each setting explained.
    pub const EXAMPLE: &'static str = include_str!("../agent.example.toml");

    /// Reads and checks a configuration; paths in it are relative to its directory.
    ///
    /// # Errors
    /// [`ConfigError`] with the file, the place and what to change.
    pub fn load(path: &Utf8Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        let mut config: Self = toml::from_str(&text)
            .map_err(|source| ConfigError::Form { path: path.to_owned(), source: Box::new(source) })?;
        config.check().map_err(|what| ConfigError::Sense { path: path.to_owned(), what })?;
        // Absolute, since Asterisk, which finds the sounds by paths below it, works in another directory.
        let path = camino::absolute_utf8(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        let directory = path.parent().unwrap_or(Utf8Path::new("/"));
        for file in [&mut config.token_file, &mut config.data_dir, &mut config.asterisk.outgoing]
            .into_iter()
            .chain(&mut config.packs_dir)
            .chain(config.hook.as_mut().map(|hook| &mut hook.token_file))
            .chain(config.send.as_mut().and_then(|send| send.url_file.as_mut()))
        {
            *file = directory.join(&file);
        }
        // What is joined to the address must come below it.
        if !config.gateway.path().ends_with('/') {
            let path = format!("{}/", config.gateway.path());
            config.gateway.set_path(&path);
        }
        Ok(config)
    }

    fn check(&self) -> Result<(), &'static str> {
        if !matches!(self.gateway.scheme(), "http" | "https") || self.gateway.host_str().is_none() {
            return Err("gateway is an address such as https://www.example.org/audiospread/");
        }
        if !self.gateway.username().is_empty() || self.gateway.password().is_some() {
            return Err("gateway is an address without a name or a password: the token is in token_file");
        }
        if !(1..=32).contains(&self.downloads) {
            return Err("downloads is 1 to 32");
        }
        if self.push.keep_days == 0 {
            return Err("keep_days of [push] is at least 1: the menus count what a caller left today");
        }
        if self.pull_seconds < 10 {
            return Err("pull_seconds is at least 10");
        }
        if let Some(hook) = &self.hook {
            let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            if hook.country_code.is_empty()
                || ![&hook.country_code, &hook.international_prefix, &hook.national_prefix]
                    .iter()
                    .all(|text| digits(text))
            {
                return Err(
                    "country_code, international_prefix and national_prefix of [hook] are digits, such as \"221\", \"00\", \"0\"",
                );
            }
            if !hook.trunk.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')) {
                return Err("trunk of [hook] is the name of a context: letters, digits, _ and -");
            }
        }
        if let Some(send) = &self.send {
            let ways = [send.url.is_some(), send.url_file.is_some(), send.command.is_some()];
            if ways.into_iter().filter(|is_there| *is_there).count() != 1 {
                return Err("[send] has one of url, url_file and command");
            }
            if send.command.as_ref().is_some_and(Vec::is_empty) {
                return Err("command of [send] is a program and its arguments, such as [\"gammu-send\", \"{number}\"]");
            }
            if send.url.as_ref().is_some_and(|url| !url.starts_with("http://") && !url.starts_with("https://")) {
                return Err(
                    "url of [send] is an address such as http://127.0.0.1:13013/cgi-bin/sendsms?to={number}&text={text}",
                );
            }
        }
        if self.idle_seconds == 0 {
            return Err("idle_seconds is at least 1");
        }
        if self.limit_rate.is_some_and(|rate| rate.0 < 256) {
            return Err("limit_rate is at least 256 bytes a second");
        }
        Ok(())
    }

    /// Reads the token; it is never printed.
    ///
    /// # Errors
    /// If the file cannot be read or holds nothing that a token could be.
    pub fn token(&self) -> Result<SecretString, ConfigError> {
        Self::read_token(&self.token_file)
    }

    /// Reads a file that holds a secret and nothing else.
    pub(crate) fn read_secret(path: &Utf8Path) -> Result<SecretString, ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Ok(SecretString::from(text.trim().to_owned()))
    }

    /// Reads a token's file.
    pub(crate) fn read_token(path: &Utf8Path) -> Result<SecretString, ConfigError> {
        let path = path.to_owned();
        match fs::read_to_string(&path) {
            Ok(text) => {
                let token = text.trim();
                let well_formed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
                if token.is_empty() || !token.bytes().all(well_formed) {
                    return Err(ConfigError::Sense {
                        path,
                        what: "is the token and nothing else: letters, digits, _ and -",
                    });
                }
                Ok(SecretString::from(token.to_owned()))
            }
            Err(source) => Err(ConfigError::Read { path, source }),
        }
    }

    /// How long a connection may be silent.
    pub const fn idle(&self) -> Duration {
        Duration::from_secs(self.idle_seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Config, ConfigError> {
        let directory = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(directory.path().join("agent.toml")).unwrap();
        fs::write(&path, text).unwrap();
        Config::load(&path)
    }

    const LEAST: &str = "gateway = \"http://localhost:8095\"\ntoken_file = \"token\"\ndata_dir = \"/data\"\n";

    #[test]
    fn the_example_is_a_configuration_and_its_commented_values_are_the_defaults() {
        let plain = load(Config::EXAMPLE).unwrap();
        let spelled: Vec<&str> = Config::EXAMPLE
            .lines()
            .map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line))
            .collect();
        let spelled = spelled.join("\n");
        let spelled = load(&spelled).unwrap();
        assert_eq!(spelled.limit_rate, Some(Amount(8192)));
        assert_eq!(
            (
                plain.sound_format,
                plain.prefer,
                plain.downloads,
                plain.idle_seconds,
                plain.keep_free,
                plain.prune.older_than_days,
                plain.prune.after_pull,
                plain.push.clone()
            ),
            (
                spelled.sound_format,
                spelled.prefer,
                spelled.downloads,
                spelled.idle_seconds,
                spelled.keep_free,
                spelled.prune.older_than_days,
                spelled.prune.after_pull,
                spelled.push
            ),
        );
    }

    #[test]
    fn a_disk_that_pulls_have_filled_still_takes_what_callers_leave() {
        let globals = include_str!("../../../scripts/asterisk/etc/audiospread/globals.conf");
        let limit = globals.lines().find_map(|line| line.strip_prefix("AS_RECORD_FREE_KB=")).unwrap();
        let limit = limit.trim().parse::<u64>().unwrap() << 10;
        assert!(load(LEAST).unwrap().keep_free.0 >= 2 * limit);
    }

    #[test]
    fn messages_go_out_by_one_way_and_no_other() {
        let send = |text: &str| load(&format!("{LEAST}[send]\n{text}"));
        assert!(send("command = [\"gammu-send\", \"{number}\"]").is_ok());
        for text in ["", "command = []", "url = \"http://h/\"\ncommand = [\"x\"]", "url = \"h\""] {
            assert!(matches!(send(text), Err(ConfigError::Sense { .. })), "{text}");
        }
    }

    #[test]
    fn paths_are_relative_to_the_file_and_the_address_ends_with_a_slash() {
        let config = load(LEAST).unwrap();
        assert!(config.token_file.is_absolute() && config.token_file.ends_with("token"));
        assert_eq!(config.data_dir, "/data");
        assert_eq!(config.gateway.as_str(), "http://localhost:8095/");
    }

    #[test]
    fn paths_are_absolute_even_if_the_file_is_named_from_here() {
        let here = tempfile::tempdir_in(".").unwrap();
        let file = Utf8Path::new(here.path().file_name().unwrap().to_str().unwrap()).join("agent.toml");
        fs::write(&file, LEAST.replace("/data", "data")).unwrap();
        let config = Config::load(&file).unwrap();
        assert!(config.data_dir.is_absolute());
        assert_eq!(config.data_dir.parent().unwrap().file_name(), file.parent().unwrap().file_name());
    }

    #[test]
    fn a_mistake_is_named() {
        for (text, says) in [
            (format!("{LEAST}colour = 1\n"), "colour"),
            (format!("{LEAST}downloads = 0\n"), "downloads is 1 to 32"),
            (format!("{LEAST}limit_rate = \"fast\"\n"), "such as 8k"),
            (LEAST.replace("http:", "ftp:"), "gateway is an address"),
            (LEAST.replace("localhost", "me:secret@localhost"), "without a name or a password"),
            ("gateway = 7".to_owned(), "line 1"),
        ] {
            let message = load(&text).unwrap_err().to_string();
            assert!(message.contains(says), "{message}");
            assert!(!message.contains("me:secret"), "{message}");
        }
    }
}
