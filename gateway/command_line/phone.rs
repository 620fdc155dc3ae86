//! The commands of the Asterisk host: pull, verify, status, menu, prune.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Failure;

/// What a phone server can be told.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Fetch what changed on the site, and its audio, once.
    #[command(
        after_help = "Examples:\n  audiospread pull\n  audiospread pull --limit-rate 8k\n  audiospread pull --json | jq -c ."
    )]
    Pull(PullArgs),
}

/// What all commands of a phone server take.
#[derive(Args, Debug)]
pub(crate) struct Common {
    /// The agent's configuration.
    #[arg(long, value_name = "FILE", default_value = "/etc/audiospread/agent.toml", env = "AUDIOSPREAD_AGENT_CONFIG")]
    config: PathBuf,
    /// Write JSON lines for programs instead of text for people.
    #[arg(long)]
    json: bool,
}

/// What `pull` takes.
#[derive(Args, Debug)]
pub(crate) struct PullArgs {
    #[command(flatten)]
    common: Common,
}

/// Does a command.
pub(crate) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Pull(args) => Err(Failure::Usage(format!("{} is not read yet", args.common.config.display()))),
    }
}
