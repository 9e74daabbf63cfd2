//! Sends studies as their devices would and follows each until somebody has it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wire::CaseRow;

use super::client::Client;
use crate::center::Center;
use crate::{Doing, Failure, Result, run};

/// Completeness waits for a quiet time; a study that takes longer than this is a defect.
const PATIENCE: Duration = Duration::from_secs(180);

/// One study on disk: the folder `AE title/patient id`.
struct Study {
    folder: PathBuf,
    device: String,
    patient: String,
    /// When the sender had the last acknowledgement.
    acknowledged_us: i64,
}

/// Prints for each study the seconds from the last byte acknowledged to complete, and to assigned.
pub fn send_and_follow(
    yunying: &Path,
    center: &mut Center,
    folders: &[PathBuf],
    manager: &Client,
    readers: &[Client],
) -> Result<()> {
    let mut studies = Vec::new();
    for folder in folders {
        studies.extend(studies_below(folder)?);
    }
    if studies.is_empty() {
        return Err(Failure::new("there are no samples to send"));
    }
    for study in &mut studies {
        let mut send = Command::new(yunying);
        let to = format!("YUNYING@{}", center.dimse);
        send.arg("send").arg(&study.folder).args(["--to", &to, "--from", &study.device]);
        run::step(&format!("{} sends {}", study.device, study.patient), &mut send)?;
        study.acknowledged_us = now_us();
        readers.iter().try_for_each(Client::look_at_desk)?;
    }
    follow(center, &studies, manager, readers)
}

fn follow(center: &mut Center, studies: &[Study], manager: &Client, readers: &[Client]) -> Result<()> {
    eprintln!("\n── waiting until every study is complete and assigned");
    println!(
        "\n  {:<9} {:<14} {:>9} {:>7}  {:>8}  {:>8}  patient, exam",
        "device", "id", "instances", "MB", "complete", "assigned"
    );
    let deadline = Instant::now() + PATIENCE;
    let mut waiting: Vec<&Study> = studies.iter().collect();
    while !waiting.is_empty() {
        center.assert_running()?;
        readers.iter().try_for_each(Client::look_at_desk)?;
        let list = manager.cases()?;
        waiting.retain(|study| match list.cases.iter().find(|row| study.is(row)) {
            Some(row) => !study.report(row),
            None => true,
        });
        if Instant::now() > deadline {
            let missing: Vec<String> =
                waiting.iter().map(|study| format!("{} of {}", study.patient, study.device)).collect();
            return Err(Failure::new(format!("after {} s not assigned: {}", PATIENCE.as_secs(), missing.join(", "))));
        }
        thread::sleep(Duration::from_millis(500));
    }
    println!("\n  seconds from the last byte acknowledged");
    Ok(())
}

impl Study {
    fn is(&self, row: &CaseRow) -> bool {
        row.device == self.device && row.patient.pid == self.patient
    }

    /// Prints the study's line once it is assigned.
    fn report(&self, row: &CaseRow) -> bool {
        let (Some(complete), Some(assigned)) = (row.steps.complete_us, row.steps.assigned_us) else { return false };
        let seconds = |at: i64| (at - self.acknowledged_us) as f64 / 1e6;
        println!(
            "  {:<9} {:<14} {:>9} {:>7.1}  {:>8.1}  {:>8.1}  {}, {}",
            self.device,
            self.patient,
            row.instances,
            row.bytes as f64 / 1e6,
            seconds(complete),
            seconds(assigned),
            row.patient.name,
            row.exam
        );
        true
    }
}

fn studies_below(folder: &Path) -> Result<Vec<Study>> {
    let mut studies = Vec::new();
    for device in directories(folder)? {
        for folder in directories(&device)? {
            studies.push(Study { device: last_part(&device), patient: last_part(&folder), folder, acknowledged_us: 0 });
        }
    }
    Ok(studies)
}

fn directories(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).doing(folder.display())?;
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    found.sort();
    Ok(found)
}

fn last_part(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn now_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
}
