//! The doctor: looks for what can go wrong on the Drupal host, and says what to do about it.
//!
//! It changes nothing but the gateway's own database, which it brings to this program's schema as a start of the gateway would; into Drupal's
//! storage it writes a file where recordings go, and removes it.

use std::net::TcpListener;

use audiospread_protocol::{Check, Verdict};
use audiospread_sound::Lame;
use camino::Utf8Path;

use crate::beneath::is_opened_in_steps;
use crate::blobs::{Blobs, load_packs};
use crate::config::Config;
use crate::drupal::Reader;
use crate::feed::Store;
use crate::http::tokens::Tokens;
use crate::intake::DrupalStorage;
use crate::{database, gateway, intake, phone_servers};

/// A phone server that is silent for longer than this many seconds is told.
const DAY: i64 = 86_400;

/// Looks at everything that a gateway with this configuration needs.
pub async fn examine(path: &Utf8Path) -> Vec<Check> {
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(error) => return vec![Check::bad(Check::CONFIGURATION, error.to_string())],
    };
    let mut checks = vec![Check::good(Check::CONFIGURATION, format!("{path} is well formed"))];
    checks.push(Check::of("tokens", Tokens::load(config.tokens_file.clone()), |_| {
        format!("{} is well formed", config.tokens_file)
    }));
    checks.push(secrets(&config));
    checks.push(address(&config));
    examine_packs(&config, &mut checks);
    if config.renditions.enabled {
        checks.push(encoder(&Lame::new(config.renditions.encoder.clone())).await);
    }
    examine_drupal(&config, &mut checks).await;
    checks
}

/// Whether others on this host can read the passwords.
fn secrets(config: &Config) -> Check {
    use std::os::unix::fs::PermissionsExt;

    let files = [config.drupal.password_file.as_ref(), config.database.password_file.as_ref()];
    let open = files
        .into_iter()
        .flatten()
        .find(|file| std::fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & 0o007 != 0));
    match open {
        Some(file) => Check::doubtful("passwords", format!("{file} can be read by everybody here: chmod 640 {file}")),
        None => Check::good("passwords", "no password can be read by everybody here"),
    }
}

fn address(config: &Config) -> Check {
    match TcpListener::bind(config.listen) {
        Ok(_) => Check::good("address", format!("{} is free", config.listen)),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Check::doubtful(
            "address",
            format!("{} is in use: good if it is the gateway that runs, else choose another (listen)", config.listen),
        ),
        Err(error) => Check::bad("address", format!("cannot listen on {}: {error}", config.listen)),
    }
}

/// Whether phone renditions can be made.
async fn encoder(lame: &Lame) -> Check {
    match lame.version().await {
        Ok(version) => Check::good("renditions", format!("made by {version}")),
        Err(error) => Check::doubtful("renditions", format!("{error}; phone servers get the originals")),
    }
}

fn examine_packs(config: &Config, checks: &mut Vec<Check>) {
    match load_packs(&config.packs_dir) {
        Err(error) => checks.push(Check::bad("language packs", error.to_string())),
        Ok(packs) if !packs.findings.is_empty() => {
            checks.extend(packs.findings.iter().map(|finding| Check::doubtful("language packs", &*finding.message)));
        }
        Ok(packs) => {
            let (sounds, prompts) = (packs.packs.sounds().count(), packs.packs.names().len());
            checks.push(Check::good("language packs", format!("{sounds} sounds for {prompts} prompts")));
        }
    }
}

async fn examine_drupal(config: &Config, checks: &mut Vec<Check>) {
    let reader = match Reader::new(config) {
        Ok(reader) => reader,
        Err(error) => return checks.push(Check::bad("Drupal's database", error.to_string())),
    };
    match reader.rights_beyond_select().await {
        Err(error) => return checks.push(Check::bad("Drupal's database", error.to_string())),
        Ok(rights) if rights.is_empty() => {
            checks.push(Check::good("account", "the account may SELECT in Drupal's database and nothing else"));
        }
        Ok(rights) => checks.push(Check::doubtful(
            "account",
            format!("the account may do more than SELECT ({}): give the gateway one of its own", rights.join(", ")),
        )),
    }
    let read = reader.read_all().await;
    let is_readable = read.is_ok();
    match read {
        Err(error) => checks.push(Check::bad("Drupal's tables", error.to_string())),
        Ok(site) => {
            checks.push(Check::good(
                "Drupal's tables",
                format!(
                    "{} programs, {} terms, {} prompts, {} subscribers, published or not",
                    site.programs.len(),
                    site.terms.len(),
                    site.prompts.len(),
                    site.subscribers.len()
                ),
            ));
            checks.extend(site.notes.iter().map(|note| Check::doubtful("Drupal's tables", &*note.message)));
        }
    }
    if examine_own(config, checks).await && is_readable {
        examine_files(config, reader, checks).await;
    }
}

/// The gateway's own database; whether it can be used.
async fn examine_own(config: &Config, checks: &mut Vec<Check>) -> bool {
    let store: Result<Store, _> = gateway::open_feed(config).await;
    match &store {
        Err(error) => {
            checks.push(Check::bad("own database", error.to_string()));
            return false;
        }
        Ok(store) => match store.hold().await {
            Ok(None) => checks.push(Check::good("own database", "can be used, and no refresh is held")),
            Ok(Some(_)) => checks.push(Check::doubtful(
                "own database",
                "a refresh is held, since it would remove much: see `audiospread feed --findings`",
            )),
            Err(error) => checks.push(Check::bad("own database", error.to_string())),
        },
    }
    if let Ok(store) = &store {
        checks.push(recordings(store).await);
        examine_phone_servers(store, checks).await;
    }
    true
}

/// Whether the phone servers report, and what of.
async fn examine_phone_servers(store: &Store, checks: &mut Vec<Check>) {
    let what = "phone servers";
    let servers = match phone_servers::all(store).await {
        Ok(servers) => servers,
        Err(error) => return checks.push(Check::bad(what, error.to_string())),
    };
    let before = checks.len();
    for server in &servers {
        let name = &server.name;
        if server.silent_seconds > DAY {
            let message = format!(
                "{name} has not reported for {} hours: see that it is switched on and that its link works, and there `audiospread status`",
                server.silent_seconds / 3600
            );
            checks.push(Check::doubtful(what, message));
        } else if !server.message.is_empty() {
            checks.push(Check::doubtful(what, format!("{name} reports: {}", server.message)));
        }
    }
    if checks.len() == before {
        let message = match servers.len() {
            0 => "none has reported yet".to_owned(),
            count => format!("{count} reported within the last day, none with an error"),
        };
        checks.push(Check::good(what, message));
    }
}

/// Whether what callers left gets into Drupal.
async fn recordings(store: &Store) -> Check {
    match (intake::backlog(store).await, intake::wake_key(store).await) {
        (Ok(0), Ok(_)) => Check::good("recordings", "none waits for Drupal"),
        (Ok(waiting), Ok(Some(_))) => Check::good("recordings", format!("{waiting} wait for Drupal's module")),
        (Ok(waiting), Ok(None)) => Check::doubtful(
            "recordings",
            format!(
                "{waiting} wait for Drupal, and its module has never asked: install it, and set this gateway's address and token there"
            ),
        ),
        (Err(error), _) | (_, Err(error)) => Check::bad("recordings", error.to_string()),
    }
}

/// Whether what callers left can be put into Drupal's storage, and used and removed there by the web server.
async fn recordings_storage(storage: &DrupalStorage) -> Check {
    const WHAT: &str = "recordings' storage";
    if !storage.is_used() {
        return Check::good(WHAT, "the gateway keeps recordings, and Drupal's module fetches them (intake.store)");
    }
    match storage.probe().await {
        Ok((directories, web_user)) => {
            let directories: Vec<&str> = directories.iter().map(|directory| directory.as_str()).collect();
            let directories = directories.join(" and ");
            Check::good(
                WHAT,
                format!(
                    "this user can write and remove in {directories}, and {web_user} can read and remove what is written there"
                ),
            )
        }
        Err(trouble) if trouble.is_wanted() => Check::good(
            WHAT,
            format!("the gateway keeps recordings, and Drupal's module fetches them, since {trouble}"),
        ),
        Err(trouble) => {
            Check::doubtful(WHAT, format!("recordings stay with the gateway until Drupal fetches them: {trouble}"))
        }
    }
}

/// Drupal's files, where its tables say that they are.
async fn examine_files(config: &Config, reader: Reader, checks: &mut Vec<Check>) {
    let storage = match reader.read_storage().await {
        Ok(storage) => storage,
        Err(error) => return checks.push(Check::bad("Drupal's files", error.to_string())),
    };
    let for_recordings = DrupalStorage::new(reader.clone(), &config.intake);
    let opened = async {
        let packs = load_packs(&config.packs_dir).map_err(|error| error.to_string())?;
        let pool = config.database.opts().map_err(|error| error.to_string())?;
        let pool = database::own_pool(pool, 2).map_err(|error| error.to_string())?;
        let blobs =
            Blobs::open_index(pool, reader, &config.data_dir, packs.sounds).await.map_err(|error| error.to_string())?;
        blobs.check_storage(storage.clone()).await.map_err(|error| error.to_string())
    };
    let files = Check::of("Drupal's files", opened.await, |()| {
        let how = if is_opened_in_steps() { ", in steps, since this kernel or its sandbox has no openat2" } else { "" };
        format!("{} can be read{how}", storage.files())
    });
    let is_readable = files.verdict == Verdict::Good;
    checks.push(files);
    if is_readable {
        checks.push(recordings_storage(&for_recordings).await);
    }
}
