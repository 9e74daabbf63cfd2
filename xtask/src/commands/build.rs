//! `cargo xtask build`: the release binary with the viewer inside.

use crate::{Result, debian, run, viewer, workspace};

pub fn run() -> Result<()> {
    debian::to_build()?;
    viewer::build()?;
    let mut cargo = workspace::cargo();
    cargo.args(["build", "--release", "--locked", "--package", "yunying"]);
    run::step("release binary", &mut cargo)?;
    println!("\ntarget/release/yunying is ready; see `target/release/yunying center --help`");
    Ok(())
}
