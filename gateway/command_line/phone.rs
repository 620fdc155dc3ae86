//! The commands of the Asterisk host: pull, push, run, verify, status, menu, prune.

mod progress;
mod text;

use std::io::{self, Write};

use audiospread_agent::{
    self as agent, Amount, Config, Event, Fault, MirrorError, NO_ROOM, Observer, PullError, PullOptions, PushError,
    PushOptions, RunError, SoundError, SoundFormat, Stop, Stopper, UNDECODABLE, VerifyOptions, make_phone_sound, menu,
    prune, pull, push, status, verify,
};
use camino::Utf8PathBuf;
use clap::{Args, Subcommand};
use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};
use serde::Serialize;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use self::progress::Progress;
use super::Failure;

/// What a phone server can be told.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Fetch what changed on the site, and its audio, once.
    ///
    /// What callers hear changes as soon as the audio of each program is complete; when the link breaks, nothing is lost, and the next
    /// pull goes on where this one stopped.
    #[command(after_help = "Examples:\n  \
        audiospread pull\n  \
        audiospread pull --limit-rate 8k          leave room for calls on a slow link\n  \
        audiospread pull --json | jq -c 'select(.event != \"stored\")'")]
    Pull(PullArgs),
    /// Send what callers left, and the records of their calls, once.
    ///
    /// Each recording is made an mp3 once and uploaded from where the last try stopped; it stays here until the gateway has confirmed it, and for
    /// `keep_days` after that. What nobody takes goes into quarantine with its reason and holds up nothing else.
    #[command(after_help = "Examples:\n  \
        audiospread push\n  \
        audiospread push --limit-rate 4k          leave room for calls on a slow link\n  \
        audiospread push --retry-quarantined      after the cause was mended\n  \
        audiospread push --again-since 2026-11-24 after the gateway's database was restored from a backup of that day\n  \
        audiospread push --json | jq -c 'select(.event == \"quarantined\")'")]
    Push(PushArgs),
    /// Stay: pull when something changed, push when callers left something, and take and send text messages.
    ///
    /// What a service manager starts. It pulls as soon as the gateway says that something changed, sends what callers left as soon as they hung
    /// up, and does both by the clock; it takes text messages in by HTTP and sends those of the menus, if that is configured. With `[hook]` it
    /// also answers XML-RPC: `audiospread.sync`. Calls go on without it. SIGTERM ends it in an orderly way.
    #[command(after_help = "Examples:\n  \
        audiospread run\n  \
        curl -H \"Authorization: Bearer $(cat sms.token)\" --json '{\"from\":\"+221775550109\",\"body\":\"health\",\"id\":\"1\"}' http://127.0.0.1:8096/v1/sms\n  \
        python3 -c 'import xmlrpc.client; xmlrpc.client.ServerProxy(\"http://sync:TOKEN@127.0.0.1:8096/xmlrpc\").audiospread.sync()'")]
    Run(Common),
    /// Prove that this host has what the gateway has.
    ///
    /// Computes all hashes once more, derives what callers get, reads every sound, and asks the gateway for its digest. Ends with 0 only if
    /// everything is equal.
    #[command(after_help = "Examples:\n  \
        audiospread verify\n  \
        audiospread verify --quick --offline      sizes only, without the link\n  \
        audiospread verify --repair               then pull: it brings what was spoilt")]
    Verify(VerifyArgs),
    /// Show how things stand on this host.
    #[command(after_help = "Examples:\n  audiospread status\n  audiospread status --json | jq .failure")]
    Status(Common),
    /// Show the phone's menu tree, as callers get it.
    #[command(after_help = "Examples:\n  audiospread menu\n  audiospread menu --language fr")]
    Menu(MenuArgs),
    /// Remove old sounds that nothing names any more.
    #[command(after_help = "Examples:\n  \
        audiospread prune --dry-run\n  \
        audiospread prune --older-than-days 30")]
    Prune(PruneArgs),
    /// Make one sound for the phone, within bounds of time and memory; what `pull` starts for each.
    #[command(hide = true)]
    PhoneSound(PhoneSoundArgs),
}

/// What `phone-sound` takes.
#[derive(Args, Debug)]
pub(crate) struct PhoneSoundArgs {
    /// The audio file.
    from: Utf8PathBuf,
    /// The phone sound.
    to: Utf8PathBuf,
    #[arg(long)]
    format: SoundFormat,
    /// Bytes that it may have.
    #[arg(long)]
    at_most: u64,
}

/// What all commands of a phone server take.
#[derive(Args, Debug)]
pub(crate) struct Common {
    /// The agent's configuration.
    #[arg(long, value_name = "FILE", default_value = "/etc/audiospread/agent.toml", env = "AUDIOSPREAD_AGENT_CONFIG")]
    config: Utf8PathBuf,
    /// Write JSON for programs instead of text for people.
    #[arg(long)]
    json: bool,
}

/// What `pull` takes.
#[derive(Args, Debug)]
pub(crate) struct PullArgs {
    #[command(flatten)]
    common: Common,
    /// At most so many bytes a second, over all downloads together; k, M and G are understood.
    #[arg(long, value_name = "RATE")]
    limit_rate: Option<Amount>,
    /// Take over a snapshot even if it takes away much of what is on the phone.
    #[arg(long)]
    accept: bool,
}

/// What `push` takes.
#[derive(Args, Debug)]
pub(crate) struct PushArgs {
    #[command(flatten)]
    common: Common,
    /// At most so many bytes a second; k, M and G are understood.
    #[arg(long, value_name = "RATE")]
    limit_rate: Option<Amount>,
    /// Try once more what is in quarantine (audiospread status says why it is there).
    #[arg(long)]
    retry_quarantined: bool,
    /// Send once more what the gateway has confirmed since, for one whose database was restored from a backup of then. What it has, it keeps.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    again_since: Option<Timestamp>,
}

/// What `verify` takes.
#[derive(Args, Debug)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    common: Common,
    /// Look at the sizes of sounds only, not at their bytes.
    #[arg(long)]
    quick: bool,
    /// Do not ask the gateway.
    #[arg(long)]
    offline: bool,
    /// Remove what is spoilt, and derive again what follows from the rest; the next pull brings what is missing.
    #[arg(long)]
    repair: bool,
}

/// What `menu` takes.
#[derive(Args, Debug)]
pub(crate) struct MenuArgs {
    #[command(flatten)]
    common: Common,
    /// The language of the call; the site's default language where it is absent.
    #[arg(long, value_name = "CODE")]
    language: Option<String>,
}

/// What `prune` takes.
#[derive(Args, Debug)]
pub(crate) struct PruneArgs {
    #[command(flatten)]
    common: Common,
    /// Days since a sound came; the configured number where it is absent.
    #[arg(long, value_name = "DAYS")]
    older_than_days: Option<u32>,
    /// Say what would be removed, and remove nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Does a command.
pub(crate) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Pull(args) => run_pull(&args),
        Command::Push(args) => run_push(&args),
        Command::Run(common) => run_daemon(&common),
        Command::Verify(args) => run_verify(&args),
        Command::Status(common) => {
            let status = status(&common.load()?).map_err(read_failure)?;
            common.print(&status, |out| text::status(out, &status))
        }
        Command::Menu(args) => {
            let menu = menu(&args.common.load()?, args.language.as_deref()).map_err(read_failure)?;
            args.common.print(&menu, |out| text::menu(out, &menu))
        }
        Command::Prune(args) => {
            let pruned = prune(&args.common.load()?, args.older_than_days, args.dry_run)
                .map_err(|error| pull_failure(&error))?;
            args.common.print(&pruned, |out| text::pruned(out, &pruned))
        }
        Command::PhoneSound(args) => run_phone_sound(&args),
    }
}

impl Common {
    fn load(&self) -> Result<Config, Failure> {
        Config::load(&self.config).map_err(|error| Failure::Usage(error.to_string()))
    }

    /// Prints a result: one line of JSON, or text.
    fn print(
        &self,
        result: &impl Serialize,
        text: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        if self.json {
            serde_json::to_writer(&mut out, result).map_err(io::Error::from)?;
            writeln!(out)?;
        } else {
            text(&mut out)?;
        }
        Ok(out.flush()?)
    }
}

fn run_pull(args: &PullArgs) -> Result<(), Failure> {
    let options = PullOptions { limit: args.limit_rate, accept: args.accept };
    let work = async |config: &Config, stop: &Stop, tell: Observer<'_>| {
        pull(config, options, stop, tell).await.map_err(|error| pull_failure(&error))
    };
    carry(&args.common, work, text::pulled, |report| &report.faults)
}

fn run_push(args: &PushArgs) -> Result<(), Failure> {
    let options = PushOptions {
        limit: args.limit_rate,
        retry_quarantined: args.retry_quarantined,
        again_since: args.again_since,
    };
    let work = async |config: &Config, stop: &Stop, tell: Observer<'_>| {
        push(config, options, stop, tell).await.map_err(|error| push_failure(&error))
    };
    carry(&args.common, work, text::pushed, |report| &report.faults)
}

/// A moment as people write it: `2026-11-24T10:00:00Z`, or without a zone, in that of this host; a day begins at midnight.
fn moment(text: &str) -> Result<Timestamp, jiff::Error> {
    text.parse().or_else(|_| {
        let time: civil::DateTime = text.parse()?;
        Ok(time.to_zoned(TimeZone::system())?.timestamp())
    })
}

/// Does a pull or a push, shows how it goes, and says what it brought.
fn carry<R: Serialize>(
    common: &Common,
    work: impl AsyncFnOnce(&Config, &Stop, Observer<'_>) -> Result<R, Failure>,
    text: fn(&mut dyn Write, &R) -> io::Result<()>,
    faults: fn(&R) -> &[Fault],
) -> Result<(), Failure> {
    let config = common.load()?;
    let progress = Progress::new(common.json);
    let outcome = runtime()?.block_on(async {
        let stop = stop_on_signals()?;
        work(&config, &stop, &|event| progress.tell(&event)).await
    });
    progress.finish();
    let report = outcome?;
    common.print(&Done { event: "done", result: &report }, |out| text(out, &report))?;
    judge(faults(&report))
}

fn run_daemon(common: &Common) -> Result<(), Failure> {
    let config = common.load()?;
    runtime()?.block_on(async {
        let stop = stop_on_signals()?;
        let ready = || {
            tracing::info!("the agent is at work");
            // Without a service manager nobody is told.
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
        };
        let outcome = agent::run(&config, &stop, &|event| log(&event), &ready).await;
        outcome.map_err(|error| match error {
            RunError::Config(_) => Failure::Usage(error.to_string()),
            _ => Failure::Failed(error.to_string()),
        })
    })
}

/// What a service's log has of pulls and pushes: what changed and what is wrong.
fn log(event: &Event) {
    match event {
        Event::Applied { version, put, deleted, count, .. } => tracing::info!(version, put, deleted, count, "pulled"),
        Event::Pushed { recordings, calls } => tracing::info!(recordings, calls, "pushed"),
        Event::Quarantined { uuid, message } => tracing::warn!(uuid, "a recording is in quarantine: {message}"),
        Event::Undecodable { sha256, message } => tracing::warn!(%sha256, "a sound cannot be decoded: {message}"),
        Event::Retry { message, after_ms } => tracing::warn!(after_ms, "{message}"),
        Event::NotUnderstood { entity, message } => tracing::warn!(%entity, "not understood: {message}"),
        Event::Warning { message } => tracing::warn!("{message}"),
        _ => {}
    }
}

/// The last line of a pull or a push for programs.
#[derive(Serialize)]
struct Done<'a, T> {
    event: &'static str,
    #[serde(flatten)]
    result: &'a T,
}

/// A pull or a push that brought not everything is no success, but may be one later.
fn judge(faults: &[Fault]) -> Result<(), Failure> {
    let Some(first) = faults.iter().find(|fault| !fault.is_passing).or(faults.first()) else {
        return Ok(());
    };
    let others = match faults.len() {
        1 => String::new(),
        more => format!(" (and {} more)", more - 1),
    };
    let message = format!("{}{others}", first.message);
    Err(if first.is_passing { Failure::Later(message) } else { Failure::Failed(message) })
}

fn run_verify(args: &VerifyArgs) -> Result<(), Failure> {
    let config = args.common.load()?;
    let progress = Progress::new(args.common.json);
    let options = VerifyOptions { quick: args.quick, offline: args.offline, repair: args.repair };
    let outcome = runtime()?.block_on(async {
        verify(&config, options, &|event| progress.tell(&event)).await.map_err(|error| pull_failure(&error))
    });
    progress.finish();
    let verified = outcome?;
    args.common.print(&Done { event: "verified", result: &verified }, |out| text::verified(out, &verified))?;
    match (verified.faults.len(), &verified.gateway_away) {
        (0, None) => Ok(()),
        (0, Some(why)) => {
            Err(Failure::Later(format!("what is here is whole, but the gateway could not be asked: {why}")))
        }
        (faults, _) => Err(Failure::Failed(format!(
            "{faults} faults: run `audiospread verify --repair`, and then `audiospread pull`"
        ))),
    }
}

fn run_phone_sound(args: &PhoneSoundArgs) -> Result<(), Failure> {
    let made = make_phone_sound(&args.from, &args.to, args.format, args.at_most).map_err(|error| {
        let says = error.to_string();
        match error {
            SoundError::Undecodable(_) => Failure::Coded(UNDECODABLE, says),
            SoundError::TooLarge(_) => Failure::Coded(NO_ROOM, says),
            SoundError::Io(source) if is_disk_full(&source) => Failure::Coded(NO_ROOM, says),
            _ => Failure::Failed(says),
        }
    })?;
    Ok(serde_json::to_writer(io::stdout().lock(), &made).map_err(io::Error::from)?)
}

fn is_disk_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn runtime() -> Result<Runtime, Failure> {
    Runtime::new().map_err(|error| Failure::Failed(format!("cannot start: {error}")))
}

/// The first SIGTERM or SIGINT ends the work in an orderly way; without it the mirror would be whole too.
fn stop_on_signals() -> Result<Stop, Failure> {
    let cannot = |error: io::Error| Failure::Failed(format!("cannot listen for signals: {error}"));
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt()).map_err(cannot)?, signal(SignalKind::terminate()).map_err(cannot)?);
    let (stopper, stop) = Stopper::new();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        stopper.stop();
    });
    Ok(stop)
}

fn pull_failure(error: &PullError) -> Failure {
    failure(error, error.is_passing(), error.is_configuration())
}

fn push_failure(error: &PushError) -> Failure {
    failure(error, error.is_passing(), error.is_configuration())
}

fn failure(error: &dyn std::error::Error, is_passing: bool, is_configuration: bool) -> Failure {
    let says = error.to_string();
    match (is_passing, is_configuration) {
        (true, _) => Failure::Later(says),
        (false, true) => Failure::Usage(says),
        (false, false) => Failure::Failed(says),
    }
}

fn read_failure(error: MirrorError) -> Failure {
    match error {
        MirrorError::NotThere(what) => Failure::Usage(what),
        other => Failure::Failed(other.to_string()),
    }
}
