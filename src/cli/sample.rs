//! `yunying sample`: writes synthetic, plausible studies into a folder.

use std::path::PathBuf;

use crate::clock;
use crate::sample::{Plan, SampleError, write};

/// Make synthetic, plausible studies of people who do not exist.
#[derive(Debug, clap::Args)]
pub struct SampleArgs {
    /// Folder to write into: one folder per device, named by its AE title, and in it one per study.
    #[arg(long)]
    pub out: PathBuf,
    /// Number of CT studies.
    #[arg(long, default_value_t = 1)]
    pub ct: usize,
    /// Number of two-view chest radiographs.
    #[arg(long, default_value_t = 1)]
    pub dr: usize,
    /// Number of abdominal ultrasound studies: a colour clip and stills.
    #[arg(long, default_value_t = 1)]
    pub us: usize,
    /// Slices of each CT.
    #[arg(long, default_value_t = 128)]
    pub slices: usize,
    /// Small files: JPEG-LS, radiographs read out two by two, shorter clips.
    #[arg(long)]
    pub compact: bool,
    /// The same seed makes the same people and pictures.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

pub fn run(args: SampleArgs) -> Result<(), SampleError> {
    let SampleArgs { out, ct, dr, us, slices, compact, seed } = args;
    let plan = Plan { ct, dr, us, slices, seed, compact, now: clock::now() };
    let made = write(&plan, &out, |study| {
        let exam = &study.exam;
        let name = exam.person.chinese_name();
        println!("{}  {name}  {}  {} files", exam.device.ae_title, exam.description, study.files.len());
    })?;
    println!("{} studies in {}", made.len(), out.display());
    Ok(())
}
