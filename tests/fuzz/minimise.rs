//! A failing input made smaller, as long as it fails.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::targets::Target;

/// Processes started for one input.
const ATTEMPTS: usize = 300;

/// Whether this input ends a worker.
pub fn fails(target: &Target, input: &[u8], kept: &Path) -> bool {
    let path = kept.join(format!("{}.once", target.name));
    std::fs::write(&path, input).expect("an input is written");
    let mut once = Command::new(std::env::current_exe().expect("this program"));
    once.args(["once", target.name]).arg(&path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    !once.status().expect("a worker starts").success()
}

/// Takes pieces out, large ones first. What fails by chance only, or by what was tried before it, stays as it is.
pub fn minimise(target: &Target, input: &[u8], kept: &Path) -> Vec<u8> {
    let mut best = input.to_vec();
    if !fails(target, &best, kept) {
        return best;
    }
    let (mut attempts, mut piece) = (0, best.len().div_ceil(2));
    while piece > 0 && attempts < ATTEMPTS {
        let mut at = 0;
        while at < best.len() && attempts < ATTEMPTS {
            let mut shorter = best.clone();
            shorter.drain(at..(at + piece).min(best.len()));
            attempts += 1;
            match fails(target, &shorter, kept) {
                true => best = shorter,
                false => at += piece,
            }
        }
        piece /= 2;
    }
    best
}
