//! The commands of the Drupal host: serve, feed, doctor, config; and those about the program itself.

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;

use audiospread_protocol::Kind;
use audiospread_server::config::{self, Config};
use audiospread_server::{blobs, doctor, gateway, intake};
use audiospread_sound::DecodeError;
use camino::Utf8PathBuf;
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::Failure;
use super::listing;

/// What a gateway can be told.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Read the Drupal site, keep its feed, and serve it to the phone servers.
    #[command(after_help = SERVE_HELP)]
    Serve(ConfigArgs),
    /// List what is published for the phone, or why something is not.
    #[command(after_help = FEED_HELP)]
    Feed(FeedArgs),
    /// Look for what can go wrong, and say what to do about it.
    #[command(
        after_help = "Examples:\n  audiospread doctor\n  audiospread doctor --json | jq 'select(.verdict != \"good\")'"
    )]
    Doctor(DoctorArgs),
    /// Find out what the sound at the standard input is, within bounds: the gateway starts this for each recording.
    #[command(hide = true)]
    ExamineSound,
    /// Decode the sound at the standard input, within bounds: the gateway starts this for each phone rendition.
    #[command(hide = true)]
    DecodeSound,
    /// Check a gateway's configuration, or print one to begin with.
    #[command(
        subcommand,
        after_help = "Examples:\n  audiospread config example > gateway.toml\n  audiospread config check"
    )]
    Config(ConfigCommand),
}

const SERVE_HELP: &str = "\
The tokens of the phone servers stand in the file that the configuration names as tokens_file, by the SHA-256 of each:
  [[token]]
  name = \"phone-1\"
  sha256 = \"…\"      # printf %s \"$TOKEN\" | sha256sum
  scopes = [\"feed\", \"subscribers\", \"blobs\"]

Examples:
  audiospread serve
  RUST_LOG=debug audiospread serve --config ./gateway.toml";

const FEED_HELP: &str = "\
Examples:
  audiospread feed
  audiospread feed --kind program --json | jq .value.title
  audiospread feed --findings
  audiospread feed --accept      # lets a refresh go on that would remove much";

/// Which configuration.
#[derive(Args, Debug)]
pub(crate) struct ConfigArgs {
    /// The gateway's configuration.
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/etc/audiospread/gateway.toml",
        env = "AUDIOSPREAD_GATEWAY_CONFIG"
    )]
    config: Utf8PathBuf,
}

/// What `feed` takes.
#[derive(Args, Debug)]
pub(crate) struct FeedArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Write JSON lines for programs instead of a table for people.
    #[arg(long)]
    json: bool,
    /// Only entities of this kind.
    #[arg(long, value_enum)]
    kind: Option<KindArg>,
    /// Tell instead why something is not, or not well, on the phone.
    #[arg(long, conflicts_with_all = ["kind", "accept"])]
    findings: bool,
    /// Let a held refresh go on: what it would remove is meant to go.
    #[arg(long, conflicts_with = "kind")]
    accept: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum KindArg {
    Settings,
    Prompt,
    Category,
    Program,
    Subscriber,
}

impl From<KindArg> for Kind {
    fn from(kind: KindArg) -> Self {
        match kind {
            KindArg::Settings => Self::Settings,
            KindArg::Prompt => Self::Prompt,
            KindArg::Category => Self::Category,
            KindArg::Program => Self::Program,
            KindArg::Subscriber => Self::Subscriber,
        }
    }
}

/// What `doctor` takes.
#[derive(Args, Debug)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Write JSON lines for programs instead of text for people.
    #[arg(long)]
    json: bool,
}

/// About configurations.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say whether a configuration is well formed and makes sense.
    Check(ConfigArgs),
    /// Print a configuration to begin with.
    Example,
}

/// Does a command.
pub(crate) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve(args) => on_a_runtime(async { Ok(gateway::run(load(&args)?, stop_signal()).await?) }),
        Command::Feed(args) => on_a_runtime(feed(args)),
        Command::Doctor(args) => on_a_runtime(examine(args)),
        Command::ExamineSound => examine_sound(),
        Command::DecodeSound => decode_sound(),
        Command::Config(ConfigCommand::Check(args)) => {
            load(&args)?;
            writeln!(io::stdout(), "{} is well formed", args.config)?;
            Ok(())
        }
        Command::Config(ConfigCommand::Example) => Ok(io::stdout().write_all(config::EXAMPLE.as_bytes())?),
    }
}

/// Says what the sound at the standard input is, in one line of JSON.
fn examine_sound() -> Result<(), Failure> {
    let input = io::stdin().as_fd().try_clone_to_owned()?;
    let sound = intake::examine_bounded(input.into()).map_err(|error| match error {
        intake::Unusable::NotAudio => Failure::Failed(error.to_string()),
        intake::Unusable::Host(_) => Failure::Later(error.to_string()),
    })?;
    json_lines(&mut io::stdout(), &[sound])
}

/// Writes the samples of the sound at the standard input.
fn decode_sound() -> Result<(), Failure> {
    let input = io::stdin().as_fd().try_clone_to_owned()?;
    // Not by the standard library's own, which looks for the ends of lines.
    let output = std::fs::File::from(io::stdout().as_fd().try_clone_to_owned()?);
    blobs::decode_bounded(input.into(), output).map_err(|error| match error {
        DecodeError::Undecodable(_) => Failure::Coded(blobs::UNDECODABLE, error.to_string()),
        DecodeError::Io(error) => error.into(),
    })
}

async fn feed(args: FeedArgs) -> Result<(), Failure> {
    let store = gateway::open_feed(&load(&args.config)?).await?;
    if args.accept {
        if store.accept_hold().await.map_err(gateway::GatewayError::from)? {
            return Ok(writeln!(io::stdout(), "accepted: the gateway goes on with its next reading")?);
        }
        return Err(Failure::Failed("no refresh is held: there is nothing to accept".into()));
    }
    let mut out = io::stdout().lock();
    if args.findings {
        let findings = store.findings().await.map_err(gateway::GatewayError::from)?;
        return if args.json { json_lines(&mut out, &findings) } else { listing::findings(&mut out, &findings) };
    }
    for kind in Kind::ALL.into_iter().filter(|kind| args.kind.is_none_or(|wanted| Kind::from(wanted) == *kind)) {
        let mut after = String::new();
        loop {
            let page = store.entities(kind, &after, 1_000).await.map_err(gateway::GatewayError::from)?;
            let Some(last) = page.last() else { break };
            if args.json {
                listing::entity_lines(&mut out, &page)?;
            } else {
                listing::entities(&mut out, kind, after.is_empty(), &page)?;
            }
            last.key.id().clone_into(&mut after);
        }
    }
    Ok(())
}

async fn examine(args: DoctorArgs) -> Result<(), Failure> {
    let checks = doctor::examine(&args.config.config).await;
    let mut out = io::stdout().lock();
    if args.json {
        json_lines(&mut out, &checks)?;
    } else {
        listing::checks(&mut out, &checks, io::stdout().is_terminal())?;
    }
    if checks.iter().any(|check| check.what == doctor::CONFIGURATION && check.verdict == doctor::Verdict::Bad) {
        return Err(Failure::Usage("without a configuration nothing else can be looked at".into()));
    }
    match checks.iter().filter(|check| check.verdict == doctor::Verdict::Bad).count() {
        0 => Ok(()),
        bad => Err(Failure::Failed(format!("{bad} of {} checks found something that must be mended", checks.len()))),
    }
}

fn json_lines(out: &mut impl Write, items: &[impl Serialize]) -> Result<(), Failure> {
    for item in items {
        serde_json::to_writer(&mut *out, item).map_err(io::Error::from)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn load(args: &ConfigArgs) -> Result<Config, Failure> {
    Config::load(&args.config).map_err(|error| Failure::Usage(error.to_string()))
}

fn on_a_runtime<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Failed(format!("cannot start: {error}")))?
        .block_on(work)
}

/// Ends with SIGTERM or Ctrl-C.
async fn stop_signal() {
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = terminated => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

impl From<gateway::GatewayError> for Failure {
    fn from(error: gateway::GatewayError) -> Self {
        if error.is_of_configuration() { Self::Usage(error.to_string()) } else { Self::Failed(error.to_string()) }
    }
}
