//! Synthetic, plausible studies: CT, radiographs, ultrasound of people who do not exist.
//!
//! It owns one model of a body ([`anatomy`]), the devices that look at it and the DICOM files they make. Everything
//! follows from a seed and a time given as an argument: the same two make the same bytes. It never reads the clock and
//! never talks to a center; sending is another's work.

pub mod anatomy;
pub mod county;
pub mod ct;
pub mod dataset;
pub mod dr;
pub mod exam;
pub mod film;
pub mod font;
pub mod geometry;
pub mod noise;
pub mod project;
pub mod rng;
pub mod ultrasound;
pub mod us;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::domain::Micros;
use county::{COUNTY_HOSPITAL, PLACES};
use dataset::{Charset, Packing};
use exam::Exam;
use rng::Rng;

/// Why samples could not be made: only the disk can be the reason.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    #[error("cannot make the folder {path}: {source}")]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("cannot write {path}: {reason}")]
    Write { path: PathBuf, reason: String },
    #[error("cannot encode a frame: {0}")]
    Encode(String),
    #[error("a worker thread ended early")]
    Worker,
}

/// What to make.
#[derive(Debug, Clone)]
pub struct Plan {
    pub ct: usize,
    pub dr: usize,
    pub us: usize,
    /// Slices of each CT.
    pub slices: usize,
    pub seed: u64,
    /// Small files: grey pictures in JPEG-LS, radiographs read out two by two, shorter clips.
    pub compact: bool,
    /// The studies are dated shortly before this.
    pub now: Micros,
}

/// One study as written.
#[derive(Debug, Clone)]
pub struct Made {
    pub exam: Exam,
    pub files: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ct,
    Dr,
    Us,
}

/// Makes all studies of `plan` under `out`, in one folder per device, named by its AE title, and within it one per study.
/// `progress` hears of each study as it is done.
pub fn write(plan: &Plan, out: &Path, mut progress: impl FnMut(&Made)) -> Result<Vec<Made>, SampleError> {
    let mut made = Vec::new();
    let kinds = mixed(plan);
    for (index, &kind) in kinds.iter().enumerate() {
        let exam = exam(plan, kind, index, kinds.len());
        let folder = out.join(&exam.device.ae_title).join(&exam.person.id);
        std::fs::create_dir_all(&folder).map_err(|source| SampleError::Folder { path: folder.clone(), source })?;
        let mut files = match (kind, plan.compact) {
            (Kind::Ct, false) => ct::write(&exam, plan.slices, Packing::Plain, &folder)?,
            (Kind::Ct, true) => ct::write(&exam, plan.slices, Packing::JpegLs, &folder)?,
            (Kind::Dr, false) => dr::write(&exam, dr::FULL, Packing::Plain, &folder)?,
            (Kind::Dr, true) => dr::write(&exam, dr::BINNED, Packing::JpegLs, &folder)?,
            (Kind::Us, false) => us::write(&exam, us::FULL, &folder)?,
            (Kind::Us, true) => us::write(&exam, us::SHORT, &folder)?,
        };
        files.sort();
        let study = Made { exam, files };
        progress(&study);
        made.push(study);
    }
    Ok(made)
}

/// The studies in the order of their day: kinds take turns while there are any left.
fn mixed(plan: &Plan) -> Vec<Kind> {
    let rounds = plan.ct.max(plan.dr).max(plan.us);
    (0..rounds)
        .flat_map(|round| {
            [(Kind::Ct, plan.ct), (Kind::Dr, plan.dr), (Kind::Us, plan.us)].into_iter().filter(move |of| round < of.1)
        })
        .map(|(kind, _)| kind)
        .collect()
}

const QUESTIONS_DR: [&str; 4] = ["体检", "咳嗽、咳痰1周", "术前常规", "胸闷气促，既往高血压"];
const QUESTIONS_US: [&str; 4] =
    ["右上腹痛3天，排除胆囊结石", "餐后腹胀，体检复查", "发现胆囊结石2年，复查", "上腹不适"];
const QUESTIONS_CT: [&str; 4] =
    ["咳嗽两周，痰中带血1次，请排除占位", "体检发现肺结节，复查", "胸痛3天", "发热咳嗽5天，排除肺炎"];

/// Different seeds mostly bring different patients.
const PATIENT_BLOCKS: usize = 7;

fn exam(plan: &Plan, kind: Kind, index: usize, of: usize) -> Exam {
    let mut rng = Rng::new(plan.seed).fork(&format!("exam {index}"));
    // Seeds that share a block of patients must agree on who they are.
    let block = plan.seed as usize % PATIENT_BLOCKS;
    let mut people = Rng::new((PATIENT_BLOCKS + block) as u64).fork(&format!("exam {index}"));
    let person = county::person(index + block * 24, &mut people);
    let minutes = 4 * of.saturating_sub(index) as u64 + rng.below(3) as u64;
    let started = exam::local_time(plan.now - Duration::from_secs(minutes * 60));
    let (modality, description, body_part, question) = match kind {
        Kind::Ct => ("CT", "胸部CT平扫", "CHEST", *rng.pick(&QUESTIONS_CT)),
        Kind::Us => ("US", "腹部超声", "ABDOMEN", *rng.pick(&QUESTIONS_US)),
        Kind::Dr => ("DX", "胸部正侧位DR", "CHEST", *rng.pick(&QUESTIONS_DR)),
    };
    // CT stands at the larger places only.
    let place = match kind {
        Kind::Ct => [PLACES[0], COUNTY_HOSPITAL, PLACES[2], PLACES[3]][index % 4],
        Kind::Dr | Kind::Us => PLACES[(index * 4 + 1) % PLACES.len()],
    };
    Exam {
        person,
        device: county::device(place, modality),
        charset: if index.is_multiple_of(2) { Charset::Gb18030 } else { Charset::Utf8 },
        seed: Rng::new(plan.seed).fork(&format!("study {index}")).bits(),
        identity: Rng::new(plan.seed ^ plan.now.0 as u64).fork(&format!("study {index}")).bits(),
        started,
        description,
        body_part,
        question,
    }
}

/// Runs `work` on each core and gathers what they return.
fn each<T: Send>(work: impl Fn() -> Result<Vec<T>, SampleError> + Sync) -> Result<Vec<T>, SampleError> {
    let cores = std::thread::available_parallelism().map_or(2, usize::from).min(16);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(&work)).collect();
        let mut all = Vec::new();
        for thread in threads {
            all.extend(thread.join().map_err(|_| SampleError::Worker)??);
        }
        Ok(all)
    })
}

#[cfg(test)]
mod tests;
