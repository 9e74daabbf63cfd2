//! `cargo xtask soak`: the checks that take long, at full counts.
//!
//! A test that can run at several sizes reads `YUNYING_SOAK`; without it, it runs a short form.

use crate::{Result, debian, run, viewer, workspace};

pub fn run() -> Result<()> {
    let tools = debian::Tools::prepare()?;
    viewer::build()?;
    let mut cargo = workspace::cargo();
    tools.announce(&mut cargo);
    cargo.env("YUNYING_SOAK", "1").args(["test", "--workspace", "--no-fail-fast", "--", "--include-ignored"]);
    run::step("all tests at full counts", &mut cargo)
}
