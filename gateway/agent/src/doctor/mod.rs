//! The doctor: looks for what can go wrong on the Asterisk host, and says what to do about it.
//!
//! It changes nothing, and is for the user that the agent runs as. What that user may not look at, and need not, is doubtful.

mod asterisk;
mod data;
mod gateway;
mod hook;
mod odbc;
mod sounds;

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use std::{fs, io};

use audiospread_protocol::{Check, Verdict};
use camino::Utf8Path;

use crate::shared::DataDir;
use crate::{Config, SoundFormat};

/// No program that is asked something takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Looks at everything that a phone server with this configuration needs.
pub async fn examine(path: &Utf8Path) -> Vec<Check> {
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(error) => return vec![Check::bad(Check::CONFIGURATION, error.to_string())],
    };
    let mut checks = vec![Check::good(Check::CONFIGURATION, format!("{path} is well formed"))];
    let directory = DataDir::existing(&config.data_dir);
    checks.push(secrets(&config));
    gateway::examine(&config, &mut checks).await;
    data::examine(&config, &directory, &mut checks);
    checks.push(sounds::packs(&config));
    checks.push(sounds::encoder(&config.push.encoder).await);
    if config.sound_format == SoundFormat::Gsm {
        checks.push(sounds::maker_of_gsm().await);
    }
    // What cannot be opened here at all cannot be read by another way either.
    let is_good = |name: &&str| checks.iter().any(|check| check.what == *name && check.verdict == Verdict::Good);
    if data::DATABASES.iter().all(is_good) {
        checks.push(odbc::examine().await);
    }
    asterisk::examine(&config.asterisk.command, &mut checks).await;
    if let Some(hook) = &config.hook {
        checks.push(hook::spool(&config.asterisk.outgoing));
        checks.push(hook::address(hook).await);
    }
    checks
}

/// Whether the files with secrets can be read by this user, and by nobody who should not.
fn secrets(config: &Config) -> Check {
    const WHAT: &str = "token";
    let of_hook = config.hook.as_ref().map(|hook| &hook.token_file);
    for token in [Some(&config.token_file), of_hook].into_iter().flatten() {
        if let Err(error) = Config::read_token(token) {
            return Check::bad(WHAT, format!("{error}: write the token into it, and let the agent's user read it"));
        }
    }
    let of_send = config.send.as_ref().and_then(|send| send.url_file.as_ref());
    if let Some(Err(error)) = of_send.map(|file| Config::read_secret(file)) {
        return Check::bad(WHAT, error.to_string());
    }
    let files = [Some(&config.token_file), of_hook, of_send];
    let open = files
        .into_iter()
        .flatten()
        .find(|file| fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & 0o007 != 0));
    match open {
        Some(file) => {
            Check::doubtful(WHAT, format!("{file} can be read by everybody here who reaches it: chmod 640 {file}"))
        }
        None => Check::good(WHAT, format!("{} can be read, and not by everybody", config.token_file)),
    }
}

/// How a program ended that was asked something.
async fn run(command: &mut tokio::process::Command) -> io::Result<std::process::Output> {
    let ended = command.kill_on_drop(true).output();
    match tokio::time::timeout(PATIENCE, ended).await {
        Ok(ended) => ended,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "it does not come to an end")),
    }
}

/// The end of what a program said, fit for a line.
fn in_short(said: &[u8]) -> String {
    let said: String =
        String::from_utf8_lossy(said).trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    said.chars().take(300).collect()
}
