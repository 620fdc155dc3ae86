//! The command line of AudioSpread.

fn main() {}
