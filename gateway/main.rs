//! The program `audiospread`: command line, exit codes and allocator, nothing else.

mod command_line;

use std::process::ExitCode;

/// The C library's keeps for itself what a refresh that failed had; this one gives it back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    command_line::run()
}
