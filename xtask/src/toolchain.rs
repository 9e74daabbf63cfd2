//! A Rust that compiles for the browser.
//!
//! With rustup the target is one download. Where that is not to be had, Debian's `rustc-web` and the sources of its standard
//! library do as well; they build into a directory of their own, because two compilers must not share one.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Failure, Result, debian, run, workspace};

pub const TARGET: &str = "wasm32-unknown-unknown";

const DEBIAN: &[&str] = &["rustc-web", "cargo-web", "rust-web-src", "lld"];

pub enum Wasm {
    /// The workspace's own compiler has the target.
    Own,
    /// Debian's compiler, building the standard library along.
    Debian,
}

impl Wasm {
    pub fn obtain() -> Result<Self> {
        if own_has_target() {
            return Ok(Self::Own);
        }
        if debian::on_path("rustup") {
            let mut rustup = Command::new("rustup");
            rustup.current_dir(workspace::root()).args(["target", "add", TARGET]);
            match run::step("the browser as a compilation target", &mut rustup) {
                Ok(()) if own_has_target() => return Ok(Self::Own),
                Ok(()) => eprintln!("xtask: rustup added {TARGET}, but not to the compiler that is used here"),
                Err(failure) => eprintln!("xtask: {failure}; trying Debian's compiler"),
            }
        }
        if !debian_is_there() && debian::may_install() {
            debian::install(DEBIAN)?;
        }
        if debian_is_there() {
            return Ok(Self::Debian);
        }
        Err(Failure::new(format!(
            "no compiler for {TARGET}: run `rustup target add {TARGET}`, or as root `apt-get install -y {}`",
            DEBIAN.join(" ")
        )))
    }

    /// `cargo build` for the browser, without the packages to build.
    pub fn cargo_build(&self) -> Command {
        match self {
            Self::Own => {
                let mut cargo = workspace::cargo();
                cargo.args(["build", "--locked", "--profile", "wasm", "--target", TARGET]);
                cargo
            }
            Self::Debian => {
                let mut cargo = Command::new("/usr/bin/cargo");
                cargo
                    .current_dir(workspace::root())
                    .env("RUSTC", "/usr/bin/rustc")
                    .env("RUSTC_BOOTSTRAP", "1")
                    .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "wasm-ld")
                    .env_remove("RUSTUP_TOOLCHAIN")
                    .args(["build", "--locked", "--profile", "wasm", "--target", TARGET])
                    .args(["-Z", "build-std=std,panic_abort", "--target-dir"])
                    .arg(self.target_dir());
                cargo
            }
        }
    }

    /// Where the modules are after the build.
    pub fn output(&self) -> PathBuf {
        self.target_dir().join(TARGET).join("wasm")
    }

    fn target_dir(&self) -> PathBuf {
        match self {
            Self::Own => workspace::target(),
            Self::Debian => workspace::target().join("debian-wasm"),
        }
    }
}

fn own_has_target() -> bool {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut rustc = Command::new(rustc);
    rustc.current_dir(workspace::root()).args(["--print", "target-libdir", "--target", TARGET]);
    run::output_of(&mut rustc).is_some_and(|libraries| Path::new(&libraries).is_dir())
}

fn debian_is_there() -> bool {
    let sources = run::output_of(Command::new("/usr/bin/rustc").args(["--print", "sysroot"]))
        .is_some_and(|sysroot| Path::new(&sysroot).join("lib/rustlib/src/rust/library/std").is_dir());
    sources && Path::new("/usr/bin/cargo").exists() && debian::on_path("wasm-ld")
}
