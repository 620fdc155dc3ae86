//! The program `audiospread`: command line and exit codes, nothing else.

mod command_line;

use std::process::ExitCode;

fn main() -> ExitCode {
    command_line::run()
}
