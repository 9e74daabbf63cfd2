//! `cargo xtask`: building, testing, demonstrating and measuring Yunying, so that a fresh clone needs nothing to be known.
//!
//! One file a command under `commands`; what they share is small: [`run`] (child processes whose work shows),
//! [`center`] (a running center) and [`http`] (asking it), [`debian`] (packages a test needs), [`toolchain`] (the wasm target), [`viewer`] (the browser half), [`workspace`] (paths).
//! It never touches anything outside the workspace, except that it installs Debian packages and the wasm target when it may.

mod center;
mod commands;
mod debian;
mod http;
mod run;
mod toolchain;
mod viewer;
mod workspace;

use std::fmt;
use std::process::ExitCode;

/// Why a command stopped, as one message a person can act on.
#[derive(Debug)]
pub struct Failure(String);

impl Failure {
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Adds what was being done to whatever went wrong.
pub trait Doing<T> {
    fn doing(self, what: impl fmt::Display) -> Result<T>;
}

impl<T, E: fmt::Display> Doing<T> for std::result::Result<T, E> {
    fn doing(self, what: impl fmt::Display) -> Result<T> {
        self.map_err(|error| Failure(format!("{what}: {error}")))
    }
}

pub type Result<T> = std::result::Result<T, Failure>;

const USAGE: &str = "\
cargo xtask <command>

  demo [--once]   build everything, start a center with a small county, send it studies as its devices would
  test            formatting, clippy, all tests, browser tests; installs what they need on Debian as root
  build           the release binary with the viewer inside, at target/release/yunying
  build --viewer  the browser half only, into viewer/dist (a debug binary serves it from there)
  bench           all benchmarks, beside Orthanc where it is installed; a table of ratios
  soak            long-running checks at full counts
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["build"] => commands::build::run(),
        ["build", "--viewer"] => viewer::build(),
        ["demo"] => commands::demo::run(false),
        ["demo", "--once"] => commands::demo::run(true),
        ["test"] => commands::test::run(),
        ["bench"] => commands::bench::run(),
        ["soak"] => commands::soak::run(),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\nxtask: {failure}");
            ExitCode::FAILURE
        }
    }
}
