//! The commands of the Drupal host: serve, feed.

use std::io::{self, Write};
use std::os::fd::AsFd;

use audiospread_protocol::Kind;
use audiospread_server::config::Config;
use audiospread_server::{blobs, gateway, intake};
use audiospread_sound::DecodeError;
use camino::Utf8PathBuf;
use clap::{Args, Subcommand, ValueEnum};

use super::{Failure, json_lines, listing, on_a_runtime};

/// What a gateway can be told.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Read the Drupal site, keep its feed, and serve it to the phone servers.
    #[command(after_help = SERVE_HELP)]
    Serve(ConfigArgs),
    /// List what is published for the phone, or why something is not.
    #[command(after_help = FEED_HELP)]
    Feed(FeedArgs),
    /// Find out what the sound at the standard input is, within bounds: the gateway starts this for each recording.
    #[command(hide = true)]
    ExamineSound,
    /// Decode the sound at the standard input, within bounds: the gateway starts this for each phone rendition.
    #[command(hide = true)]
    DecodeSound,
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

/// Does a command.
pub(crate) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve(args) => on_a_runtime(async { Ok(gateway::run(load(&args)?, stop_signal()).await?) }),
        Command::Feed(args) => on_a_runtime(feed(args)),
        Command::ExamineSound => examine_sound(),
        Command::DecodeSound => decode_sound(),
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
        DecodeError::Undecodable(_) | DecodeError::Unsupported(_) => {
            Failure::Coded(blobs::UNDECODABLE, error.to_string())
        }
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

fn load(args: &ConfigArgs) -> Result<Config, Failure> {
    Config::load(&args.config).map_err(|error| Failure::Usage(error.to_string()))
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
