//! `cargo xtask demo [--once]`: a small county at work, from nothing.
//!
//! Built like the tests (dependencies optimised, the program itself barely), because that is what a stranger on two cores waits
//! least for: the release build takes several times as long and the demo's load does not show the difference. Everything it
//! makes is under `target/demo` and is made anew each time.

mod client;
mod county;
mod studies;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::center::Center;
use crate::{Doing, Result, debian, run, viewer, workspace};
use client::Client;
use county::County;

/// The program's own default ports, if they are free.
const PORTS: (u16, u16) = (8080, 11112);

pub fn run(once: bool) -> Result<()> {
    debian::to_build()?;
    viewer::build()?;
    let mut cargo = workspace::cargo();
    run::step("server", cargo.args(["build", "--locked", "--package", "yunying"]))?;
    let yunying = workspace::target().join("debug/yunying");
    let home = workspace::target().join("demo");
    if home.exists() {
        fs::remove_dir_all(&home).doing("clearing the last demo")?;
    }
    fs::create_dir_all(&home).doing("making target/demo")?;

    let data = home.join("data");
    eprint!("\n── the county: ");
    let county = county::seed(&yunying, &data)?;
    let folders = samples(&yunying, &home)?;
    let mut center = Center::start(&yunying, &data, &home.join("center.log"), PORTS, &[])?;
    introduce(&county, &center);

    let manager = Client::sign_in(center.http, county.account_of("manager")?)?;
    let readers = go_on_duty(&center, &county)?;
    let outcome = studies::send_and_follow(&yunying, &mut center, &folders, &manager, &readers);
    if once {
        outcome?;
        return center.stop();
    }
    for reader in &readers {
        reader.duty(false)?;
    }
    if let Err(failure) = outcome {
        eprintln!("xtask: {failure}");
    }
    eprintln!(
        "\nThe readers who were on duty have left; what they held is back in the queue within two minutes.\n\
         Sign in at http://{} as one of the above, e.g. as a specialist, and go on duty. Ctrl+C ends the demo.",
        center.http
    );
    loop {
        center.assert_running()?;
        thread::sleep(Duration::from_secs(1));
    }
}

/// The committed samples, and some more made now: one folder per device, in it one per study.
fn samples(yunying: &Path, home: &Path) -> Result<Vec<PathBuf>> {
    let more = home.join("samples");
    let mut sample = Command::new(yunying);
    sample.args(["sample", "--ct", "1", "--dr", "1", "--us", "1", "--seed", "2", "--out"]).arg(&more);
    run::step("more samples", &mut sample)?;
    Ok(vec![workspace::root().join("sample-dicom"), more])
}

/// Everybody who may read sits down, so that what arrives can be assigned.
fn go_on_duty(center: &Center, county: &County) -> Result<Vec<Client>> {
    let mut readers = Vec::new();
    for account in county.accounts.iter().filter(|account| account.reads()) {
        let reader = Client::sign_in(center.http, account)?;
        reader.duty(true)?;
        readers.push(reader);
    }
    Ok(readers)
}

fn introduce(county: &County, center: &Center) {
    println!("\n  Yunying runs at  http://{}", center.http);
    println!("  devices send to  YUNYING at {}\n", center.dimse);
    for account in &county.accounts {
        let place = account.site.or(account.modalities).unwrap_or("");
        println!(
            "  {:<10}  {:<6}  {:<15}  {} {} {place}",
            account.role, account.login, account.password, account.name, account.title
        );
    }
    println!("  {:<10}  {:<6}  {}\n", "integrator", "token", county.token);
}
