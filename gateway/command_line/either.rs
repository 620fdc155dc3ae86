//! The commands that both hosts have: doctor, config. Which of the two a configuration is for is seen by what stands in it.

use std::io::{self, IsTerminal, Write};

use audiospread_agent as agent;
use audiospread_protocol::{Check, Verdict};
use audiospread_server::{config, doctor};
use camino::{Utf8Path, Utf8PathBuf};
use clap::{Args, Subcommand, ValueEnum};

use super::{Failure, json_lines, listing, on_a_runtime};

/// Where a configuration is, by the host it is for: the variable that names another place, and the usual place.
const PLACES: [(Host, &str, &str); 2] = [
    (Host::Gateway, "AUDIOSPREAD_GATEWAY_CONFIG", "/etc/audiospread/gateway.toml"),
    (Host::Agent, "AUDIOSPREAD_AGENT_CONFIG", "/etc/audiospread/agent.toml"),
];

/// What can be asked on either host.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Look for what can go wrong on this host, and say what to do about it.
    ///
    /// For the gateway or for the agent, by the configuration; without --config for whichever has one in /etc/audiospread. Run it as the user
    /// that the gateway or the agent runs as: what that user may not look at is doubtful.
    #[command(after_help = "Examples:\n  \
        audiospread doctor\n  \
        audiospread doctor --config agent.toml\n  \
        audiospread doctor --json | jq 'select(.verdict != \"good\")'")]
    Doctor(DoctorArgs),
    /// Check a configuration of the gateway or of the agent, or print one to begin with.
    #[command(
        subcommand,
        after_help = "Examples:\n  \
            audiospread config example > gateway.toml\n  \
            audiospread config example agent > agent.toml\n  \
            audiospread config check --config agent.toml"
    )]
    Config(ConfigCommand),
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

/// Which configuration.
#[derive(Args, Debug)]
pub(crate) struct ConfigArgs {
    /// The configuration of the gateway or of the agent.
    #[arg(long, value_name = "FILE")]
    config: Option<Utf8PathBuf>,
}

/// About configurations.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say whether a configuration is well formed and makes sense.
    Check(ConfigArgs),
    /// Print a configuration to begin with.
    Example {
        /// For which of the two.
        #[arg(value_enum, default_value_t = Host::Gateway)]
        host: Host,
    },
}

/// Whom a configuration is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Host {
    /// The Drupal host.
    Gateway,
    /// The Asterisk host.
    Agent,
}

/// Does a command.
pub(crate) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Doctor(args) => on_a_runtime(examine(args)),
        Command::Config(ConfigCommand::Check(args)) => args.chosen().into_iter().try_for_each(|(host, path)| {
            let checked = match host {
                Host::Gateway => config::Config::load(&path).map(drop).map_err(|error| error.to_string()),
                Host::Agent => agent::Config::load(&path).map(drop).map_err(|error| error.to_string()),
            };
            checked.map_err(Failure::Usage)?;
            Ok(writeln!(io::stdout(), "{path} is well formed")?)
        }),
        Command::Config(ConfigCommand::Example { host }) => {
            let example = match host {
                Host::Gateway => config::EXAMPLE,
                Host::Agent => agent::Config::EXAMPLE,
            };
            Ok(io::stdout().write_all(example.as_bytes())?)
        }
    }
}

impl ConfigArgs {
    /// The configuration that is named; else those that this host has. Where it has none, the gateway's, which is then said to be missing.
    fn chosen(self) -> Vec<(Host, Utf8PathBuf)> {
        if let Some(path) = self.config {
            return vec![(host_of(&path), path)];
        }
        let place = |(host, variable, usual): (Host, &str, &str)| {
            (host, std::env::var(variable).map_or_else(|_| usual.into(), Utf8PathBuf::from))
        };
        let places = PLACES.map(place);
        let there: Vec<_> = places.iter().filter(|(_, path)| path.exists()).cloned().collect();
        if there.is_empty() { places.into_iter().take(1).collect() } else { there }
    }
}

/// An agent has a gateway, a gateway has a Drupal. A file that says neither is taken for what its name says.
fn host_of(path: &Utf8Path) -> Host {
    let table: toml::Table = std::fs::read_to_string(path).ok().and_then(|text| text.parse().ok()).unwrap_or_default();
    let is_named_agent = path.file_name().is_some_and(|name| name.starts_with("agent"));
    match (table.contains_key("gateway"), table.contains_key("drupal")) {
        (true, false) => Host::Agent,
        (false, false) if is_named_agent => Host::Agent,
        _ => Host::Gateway,
    }
}

async fn examine(args: DoctorArgs) -> Result<(), Failure> {
    let mut checks = Vec::new();
    for (host, path) in args.config.chosen() {
        checks.extend(match host {
            Host::Gateway => doctor::examine(&path).await,
            Host::Agent => agent::doctor::examine(&path).await,
        });
    }
    let mut out = io::stdout().lock();
    if args.json {
        json_lines(&mut out, &checks)?;
    } else {
        listing::checks(&mut out, &checks, io::stdout().is_terminal())?;
    }
    if checks.iter().any(|check| check.what == Check::CONFIGURATION && check.verdict == Verdict::Bad) {
        return Err(Failure::Usage("without a configuration nothing else can be looked at".into()));
    }
    match checks.iter().filter(|check| check.verdict == Verdict::Bad).count() {
        0 => Ok(()),
        bad => Err(Failure::Failed(format!("{bad} of {} checks found something that must be mended", checks.len()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_a_configuration_is_for_is_seen_by_what_stands_in_it() {
        let directory = tempfile::tempdir().unwrap();
        let directory = Utf8Path::from_path(directory.path()).unwrap();
        let host = |name: &str, text: &str| {
            let path = directory.join(name);
            std::fs::write(&path, text).unwrap();
            host_of(&path)
        };
        assert_eq!(host("a.toml", agent::Config::EXAMPLE), Host::Agent);
        assert_eq!(host("agent.toml", config::EXAMPLE), Host::Gateway);
        assert_eq!(host("agent.toml", "[["), Host::Agent);
        assert_eq!(host("b.toml", "[["), Host::Gateway);
        assert_eq!(host_of(&directory.join("agent-2.toml")), Host::Agent);
    }
}
