//! C-STORE: objects a second, durable when acknowledged, by the same sender for both.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::ceiling;
use super::table::{Figure, Table};
use crate::{Doing, Failure, Result};

/// Rounds; both programs take turns in each, because the machine's own speed drifts.
const ROUNDS: u32 = 3;
const STUDIES: usize = 4;
const SLICES: usize = 100;
const ASSOCIATIONS: [u32; 3] = [1, 8, 16];

/// A receiver of images and the title it answers to.
#[derive(Clone, Copy)]
pub struct Receiver {
    pub title: &'static str,
    pub at: SocketAddr,
}

/// One CT study of so many slices.
pub fn one_study(yunying: &Path, home: &Path, slices: usize) -> Result<PathBuf> {
    make(yunying, home, 1, slices, 1)
}

/// CT studies with slices of 0.5 MB, new to everybody: a seed of its own makes UIDs of its own.
fn make(yunying: &Path, home: &Path, studies: usize, slices: usize, seed: u32) -> Result<PathBuf> {
    let out = home.join(format!("samples-{seed}"));
    let mut sample = Command::new(yunying);
    sample.args(["sample", "--dr", "0", "--us", "0", "--ct", &studies.to_string()]);
    sample.args(["--slices", &slices.to_string(), "--seed", &seed.to_string(), "--out"]).arg(&out);
    let status = sample.stdout(Stdio::null()).status().doing("making samples")?;
    if status.success() { Ok(out) } else { Err(Failure::new(format!("making samples: {status}"))) }
}

pub fn measure(yunying: &Path, home: &Path, ours: Receiver, theirs: Option<Receiver>, table: &mut Table) -> Result<()> {
    let mut rates = [(); ASSOCIATIONS.len()].map(|()| (Vec::new(), Vec::new(), Vec::new()));
    for round in 1..=ROUNDS {
        for (associations, (our, their, best)) in ASSOCIATIONS.into_iter().zip(&mut rates) {
            let samples = make(yunying, home, STUDIES, SLICES, 100 * round + associations)?;
            our.push(send(yunying, &samples, ours, associations)?);
            if let Some(theirs) = theirs {
                their.push(send(yunying, &samples, theirs, associations)?);
            }
            best.push(ceiling::measure(home, associations as usize, STUDIES * SLICES)?);
            fs::remove_dir_all(&samples).doing("removing what was sent")?;
            let last = |rates: &[f64]| rates.last().map_or("-".to_owned(), |rate| format!("{rate:.0}"));
            eprintln!(
                "   round {round}, {associations} associations: ours {}/s, Orthanc {}/s, TCP and fdatasync alone {}/s",
                last(our),
                last(their),
                last(best)
            );
        }
    }
    for (associations, (our, their, best)) in ASSOCIATIONS.into_iter().zip(rates) {
        let what = format!("C-STORE, CT 0.5 MB, {associations} association(s)");
        table.add(&what, "/s", Figure::MoreIsBetter, &our, &their);
        table.add_limit("  of plain TCP with the same group fdatasync", "/s", &our, &best);
    }
    Ok(())
}

/// Sends everything below `folder`; objects a second by the sender's own clock.
pub fn send(yunying: &Path, folder: &Path, to: Receiver, associations: u32) -> Result<f64> {
    let output = Command::new(yunying)
        .arg("send")
        .arg(folder)
        .args(["--to", &format!("{}@{}", to.title, to.at), "--from", "BENCH"])
        .args(["--associations", &associations.to_string()])
        .output()
        .doing("sending")?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(Failure::new(format!(
            "sending to {}: {said}{}",
            to.title,
            String::from_utf8_lossy(&output.stderr)
        )));
    }
    rate(&said).ok_or_else(|| Failure::new(format!("the sender says no rate: {said}")))
}

/// From the summary, "sent 400 of 400 objects, 210.1 MB, in 2.31 s: 173.2/s, 91.0 MB/s".
fn rate(said: &str) -> Option<f64> {
    let summary = said.lines().rev().find(|line| line.starts_with("sent "))?;
    let after = summary.split(" s: ").nth(1)?;
    after.split("/s").next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_senders_summary_is_read() {
        assert_eq!(super::rate("sent 400 of 400 objects, 210.1 MB, in 2.31 s: 173.2/s, 91.0 MB/s\n"), Some(173.2));
        assert_eq!(super::rate("nothing"), None);
    }
}
