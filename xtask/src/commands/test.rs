//! `cargo xtask test`: everything that must hold before a change lands.
//!
//! Every step runs even when an earlier one failed, so that one run shows all there is to fix. The whole-system tests,
//! browser journeys among them, come last and their summary is the last thing printed.

use std::process::Command;

use crate::{Failure, Result, debian, run, viewer, workspace};

pub fn run() -> Result<()> {
    let tools = debian::Tools::prepare()?;
    let mut failed = Vec::new();
    let mut note = |outcome: Result<()>| {
        if let Err(failure) = outcome {
            eprintln!("xtask: {failure}");
            failed.push(failure.to_string());
        }
    };

    note(run::step("formatting", cargo(&tools).args(["fmt", "--all", "--check"])));
    note(run::step(
        "clippy",
        cargo(&tools).args(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]),
    ));
    note(viewer::build());
    note(run::step(
        "unit tests",
        cargo(&tools).args(["test", "--workspace", "--locked", "--no-fail-fast", "--lib", "--bins"]),
    ));
    note(run::step(
        "examples in the documentation",
        cargo(&tools).args(["test", "--workspace", "--locked", "--no-fail-fast", "--doc"]),
    ));
    note(run::step("fuzzing, briefly", cargo(&tools).args(["test", "--workspace", "--locked", "--test", "fuzz"])));
    if !failed.is_empty() {
        eprintln!("\nxtask: failed so far:\n  {}\n", failed.join("\n  "));
    }
    let whole = run::last_step(
        "whole-system and browser tests",
        cargo(&tools).args(["test", "--workspace", "--locked", "--test", "it"]),
    );
    match (whole, failed.is_empty()) {
        (Err(failure), _) => Err(failure),
        (Ok(()), false) => Err(Failure::new(failed.join("; "))),
        (Ok(()), true) => Ok(()),
    }
}

fn cargo(tools: &debian::Tools) -> Command {
    let mut cargo = workspace::cargo();
    tools.announce(&mut cargo);
    cargo
}
