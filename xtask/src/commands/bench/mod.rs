//! `cargo xtask bench`: how fast, beside a good peer on the same machine in the same run.
//!
//! Release builds, the same sender and the same data for both, turns interleaved, medians of the rounds. What runs in the browser is
//! measured in the browser, by tests that are ignored otherwise; no peer has a counterpart to that.

mod ceiling;
mod peer;
mod store;
mod table;
mod wado;

use std::fs;

use crate::center::Center;
use crate::commands::build;
use crate::{Doing, Failure, Result, debian, run, workspace};
use peer::Orthanc;
use store::Receiver;
use table::Table;
use wado::Server;

/// The CT study asked for through DICOMweb: so many slices, and the localizer that every sample of a CT has.
const SLICES: usize = 400;
const INSTANCES: usize = SLICES + 1;

pub fn run() -> Result<()> {
    let tools = debian::Tools::prepare()?;
    build::run()?;
    let yunying = workspace::target().join("release/yunying");
    let home = workspace::target().join("bench");
    if home.exists() {
        fs::remove_dir_all(&home).doing("clearing the last run")?;
    }
    fs::create_dir_all(&home).doing("making target/bench")?;

    let data = home.join("data");
    let token = token(&yunying, &data)?;
    let center = Center::start(&yunying, &data, &home.join("center.log"), (0, 0), &["--accept-any-ae"])?;
    let beside = peer::is_installed();
    let mut table = Table::default();

    eprintln!("\n── C-STORE");
    let ours = Receiver { title: "YUNYING", at: center.dimse };
    {
        let orthanc = beside.then(|| Orthanc::start(&home, false)).transpose()?;
        let theirs = orthanc.as_ref().map(|orthanc| Receiver { title: "ORTHANC", at: orthanc.dimse });
        store::measure(&yunying, &home, ours, theirs, &mut table)?;
    }

    eprintln!("\n── WADO-RS");
    let orthanc = beside.then(|| Orthanc::start(&home, true)).transpose()?;
    let samples = store::one_study(&yunying, &home, SLICES)?;
    store::send(&yunying, &samples, ours, 1)?;
    if let Some(orthanc) = &orthanc {
        store::send(&yunying, &samples, Receiver { title: "ORTHANC", at: orthanc.dimse }, 1)?;
    }
    let our_web = Server { at: center.http, root: "/dicomweb", authorization: Some(format!("Bearer {token}")) };
    let their_web =
        orthanc.as_ref().map(|orthanc| Server { at: orthanc.http, root: "/dicom-web", authorization: None });
    wado::measure(INSTANCES, &our_web, their_web.as_ref(), &mut table)?;
    drop(orthanc);
    center.stop()?;

    let mut browser = workspace::cargo();
    tools.announce(&mut browser);
    browser.args(["test", "--locked", "--test", "it", "--", "--ignored", "--nocapture", "measure::"]);
    let in_browser = run::step_heard("in the browser", &mut browser);
    if let Ok(said) = &in_browser {
        said.lines().filter_map(figure).for_each(|(what, value, unit)| table.add_own(what, unit, value));
    }
    table.print();
    in_browser.map(drop)
}

/// What a measurement in the browser prints: `figure`, what, value, unit, between tabulators.
fn figure(line: &str) -> Option<(&str, f64, &str)> {
    let mut fields = line.strip_prefix("figure\t")?.split('\t');
    Some((fields.next()?, fields.next()?.parse().ok()?, fields.next()?))
}

/// A machine's token on a new data directory.
fn token(yunying: &std::path::Path, data: &std::path::Path) -> Result<String> {
    let mut add = std::process::Command::new(yunying);
    add.args(["token", "add", "--name", "bench", "--role", "integrator", "--data"]).arg(data);
    run::output_of(&mut add).ok_or_else(|| Failure::new("yunying token add failed"))
}
