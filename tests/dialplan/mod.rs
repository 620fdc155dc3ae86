//! The dialplan and the language packs as they lie in the repository: what can be said of them without a call.

mod lint;
mod packs;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A file of `scripts/asterisk`.
fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/asterisk").join(name)
}

fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?} cannot be run: {error}"))
}
