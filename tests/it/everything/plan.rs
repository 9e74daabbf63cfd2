//! Which files there are, what is known of them, and which may go to one center together.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;

use serde_json::Value;
use yunying::dicom::{self, tags};
use yunying::dimse::scu::read_meta;

/// One of the shared files.
pub struct Input {
    /// Below the shared folder.
    pub path: String,
    /// As the manifest has it; empty where nothing says it.
    pub syntax: String,
    pub sop_class: String,
    /// The SOP Instance UIDs it goes by, in its data set and in its file meta.
    pub uids: Vec<String>,
    /// Study Instance UID and Patient ID, as far as the program itself reads them.
    study: String,
    patient: String,
    pub truth: Option<Truth>,
}

/// What two decoders found in its pixels; only where hashes must match.
pub struct Truth {
    pub first: String,
    /// Number of the last frame, from 1, and its hash.
    pub last: Option<(u64, String)>,
    /// Of the first frame after its YBR samples became RGB.
    pub rgb: Option<String>,
}

pub fn inputs(root: &Path) -> Vec<Input> {
    let manifest: Vec<Value> = read(&root.join("manifest.json"));
    let pixels: BTreeMap<String, Value> = read(&root.join("pixels.json"));
    let input = |entry: &Value| {
        let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        let path = text("path");
        let meta = read_meta(&root.join(&path)).map(|meta| meta.sop_instance).unwrap_or_default();
        let uids = BTreeSet::from([text("sopi"), meta]).into_iter().filter(|uid| !uid.is_empty()).collect();
        let (study, patient) = whose(&root.join(&path)).unwrap_or_default();
        let truth = pixels.get(&path).and_then(truth);
        Input { syntax: text("ts"), sop_class: text("sop"), uids, study, patient, truth, path }
    };
    manifest.iter().map(input).collect()
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn truth(entry: &Value) -> Option<Truth> {
    if entry["check"] != "exact" || entry["confidence"] == "DISPUTED" {
        return None;
    }
    let hash = |value: &Value| value.as_str().map(str::to_owned);
    let last = &entry["last_frame"];
    let as_rgb = entry["rgb"]["how"] == "pydicom YBR->RGB";
    Some(Truth {
        first: hash(&entry["sha256_native"])?,
        last: last["index"].as_u64().map(|index| index + 1).zip(hash(&last["sha256"])),
        rgb: hash(&entry["rgb"]["sha256"]).filter(|_| as_rgb),
    })
}

fn whose(path: &Path) -> Option<(String, String)> {
    let header = dicom::walk(File::open(path).ok()?, &dicom::Limits::default()).ok()?;
    let study = header.dataset.uid(tags::STUDY_INSTANCE_UID)?.to_owned();
    Some((study, header.dataset.text(tags::PATIENT_ID).unwrap_or_default().trim().to_owned()))
}

/// What may go to one center together.
#[derive(Default)]
struct Batch<'a> {
    uids: BTreeSet<&'a str>,
    /// Whose each study is.
    studies: BTreeMap<&'a str, &'a str>,
    members: Vec<&'a Input>,
}

impl<'a> Batch<'a> {
    /// Several files hold the same image in another syntax, or the same study with another patient: the center would
    /// rightly quarantine the second.
    fn takes(&self, input: &Input) -> bool {
        let other_patient = self.studies.get(input.study.as_str()).is_some_and(|&of| of != input.patient);
        !other_patient && !input.uids.iter().any(|uid| self.uids.contains(uid.as_str()))
    }

    fn add(&mut self, input: &'a Input) {
        self.uids.extend(input.uids.iter().map(String::as_str));
        if !input.study.is_empty() {
            self.studies.insert(&input.study, &input.patient);
        }
        self.members.push(input);
    }
}

/// Few batches, each file in the first that takes it.
pub fn batches(inputs: &[Input]) -> Vec<Vec<&Input>> {
    let mut batches: Vec<Batch> = Vec::new();
    for input in inputs {
        match batches.iter_mut().find(|batch| batch.takes(input)) {
            Some(batch) => batch.add(input),
            None => {
                let mut batch = Batch::default();
                batch.add(input);
                batches.push(batch);
            }
        }
    }
    batches.into_iter().map(|batch| batch.members).collect()
}
