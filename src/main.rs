//! The program's door: subcommands, no logic.

fn main() {}
