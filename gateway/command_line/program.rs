//! The commands about the program itself: its contract, completions, manual page.

use std::io::{self, Write};

use clap::Subcommand;
use clap_complete::Shell;

use super::Failure;

/// What can be asked of the program anywhere.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print the contract of the gateway's HTTP interface, as OpenAPI 3.1.
    #[command(after_help = "Example:\n  audiospread openapi | jq '.paths | keys'")]
    Openapi,
    /// Print the completions for a shell.
    #[command(after_help = "Example:\n  audiospread completions bash > /etc/bash_completion.d/audiospread")]
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page.
    #[command(after_help = "Example:\n  audiospread man > /usr/local/share/man/man1/audiospread.1")]
    Man,
}

/// Does a command.
pub(crate) fn run(command: &Command, mut whole: clap::Command) -> Result<(), Failure> {
    let mut page = Vec::new();
    match command {
        Command::Openapi => {
            let document = audiospread_server::http::openapi_document();
            page =
                document.map_err(|error| Failure::Failed(format!("cannot write the contract: {error}")))?.into_bytes();
        }
        Command::Completions { shell } => clap_complete::generate(*shell, &mut whole, "audiospread", &mut page),
        Command::Man => clap_mangen::Man::new(whole).render(&mut page)?,
    }
    Ok(io::stdout().write_all(&page)?)
}
