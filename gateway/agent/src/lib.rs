//! The Asterisk side of AudioSpread: a local SQL mirror and a permanent audio store that are always whole.
