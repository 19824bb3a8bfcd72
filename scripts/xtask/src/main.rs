//! Checks that need more than one cargo command.
fn main() {}
