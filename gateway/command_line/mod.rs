//! The command line: which subcommands there are, and what their exit codes mean.
//!
//! Each role has its file; what the commands do is done in the crates of the two hosts.

mod either;
mod listing;
mod phone;
mod program;
mod site;

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use serde::Serialize;
use tracing_subscriber::EnvFilter;

/// Brings a Drupal 6 site's spoken programs to people who have a telephone and no internet.
#[derive(Debug, Parser)]
#[command(
    name = "audiospread",
    version,
    max_term_width = 110,
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong use or configuration, 75 try again later."
)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Site(site::Command),
    #[command(flatten)]
    Phone(phone::Command),
    #[command(flatten)]
    Either(either::Command),
    #[command(flatten)]
    Program(program::Command),
}

/// Why a command did not do what it was asked, as its exit code and a sentence for a person.
#[derive(Debug)]
pub(crate) enum Failure {
    /// 1: it failed, and somebody has to look.
    Failed(String),
    /// 2: the command was used wrongly, or its configuration is wrong.
    Usage(String),
    /// 75: nothing is wrong here; the same command will do later.
    Later(String),
    /// Another code, that another of our processes understands.
    Coded(u8, String),
    /// 0: whoever read the output has seen enough.
    NobodyReads,
}

impl Failure {
    /// The exit code, as `sysexits.h` and cron know it.
    const fn code(&self) -> u8 {
        match self {
            Self::Coded(code, _) => *code,
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::Later(_) => 75,
            Self::NobodyReads => 0,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Coded(_, what) | Self::Failed(what) | Self::Usage(what) | Self::Later(what) => f.write_str(what),
            Self::NobodyReads => f.write_str("the output was closed"),
        }
    }
}

/// An error while the output is written: a closed pipe is no fault.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::NobodyReads,
            _ => Self::Failed(format!("cannot write the output: {error}")),
        }
    }
}

/// Reads the command line, does what it says, and says how it went.
pub(crate) fn run() -> ExitCode {
    let CommandLine { command } = CommandLine::parse();
    log_to_stderr();
    let outcome = match command {
        Command::Site(command) => site::run(command),
        Command::Phone(command) => phone::run(command),
        Command::Either(command) => either::run(command),
        Command::Program(command) => program::run(&command, CommandLine::command()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if failure.code() != 0 {
                // Where standard error is closed as well, nobody is left to be told.
                let _ = io::Write::write_fmt(&mut io::stderr(), format_args!("audiospread: {failure}\n"));
            }
            ExitCode::from(failure.code())
        }
    }
}

fn on_a_runtime<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Failed(format!("cannot start: {error}")))?
        .block_on(work)
}

fn json_lines(out: &mut impl Write, items: &[impl Serialize]) -> Result<(), Failure> {
    for item in items {
        serde_json::to_writer(&mut *out, item).map_err(io::Error::from)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// Log lines go to standard error, so that standard output is only what was asked for; `RUST_LOG` chooses.
fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,symphonia=error"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        CommandLine::command().debug_assert();
    }
}
