//! As many exams as a test wants: the committed samples under new UIDs of the same length, and what comes back of them.
//!
//! A UID is replaced wherever it stands, in the file meta and in the data set, so every instance differs from every other
//! by its bytes and is as real as the sample.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use yunying::dicom::{Limits, tags, walk_bytes};
use yunying::dimse::scu::{Outgoing, read_meta};

use crate::center::Center;
use crate::intake::{Caller, dataset, files, samples};

/// Digits at the end of a UID that count.
const COUNTED: usize = 12;

/// One instance to send, as a file.
#[derive(Debug, Clone)]
pub struct Exposure {
    pub outgoing: Outgoing,
    pub path: PathBuf,
    pub study: String,
}

impl Exposure {
    pub fn uid(&self) -> &str {
        &self.outgoing.sop_instance
    }

    /// The bytes of its data set.
    pub fn dataset(&self) -> Vec<u8> {
        dataset(&std::fs::read(&self.path).expect("a file that was made")).to_vec()
    }
}

/// Makes studies of one device's samples, without end.
pub struct Exams {
    samples: Vec<Sample>,
    folder: PathBuf,
    studies: usize,
    instances: usize,
}

struct Sample {
    bytes: Vec<u8>,
    study: Uid,
    series: Uid,
    instance: Uid,
}

struct Uid {
    value: String,
    places: Vec<usize>,
}

impl Exams {
    /// From the samples of `device`, into files under `folder`.
    pub fn of(device: &str, folder: &Path) -> Self {
        let folder = folder.join(device);
        std::fs::create_dir_all(&folder).expect("a folder");
        let samples = files(&samples().join(device)).iter().map(|path| Sample::read(path)).collect();
        Self { samples, folder, studies: 0, instances: 0 }
    }

    /// A new study of `count` instances, the samples in turn.
    pub fn study(&mut self, count: usize) -> Vec<Exposure> {
        self.studies += 1;
        let made = (0..count).map(|index| {
            self.instances += 1;
            let sample = &self.samples[index % self.samples.len()];
            let mut bytes = sample.bytes.clone();
            let study = sample.study.renamed(self.studies, &mut bytes);
            sample.series.renamed(self.studies, &mut bytes);
            sample.instance.renamed(self.instances, &mut bytes);
            let path = self.folder.join(format!("{}.dcm", self.instances));
            std::fs::write(&path, &bytes).expect("a file");
            Exposure { outgoing: read_meta(&path).expect("a Part-10 file"), path, study }
        });
        made.collect()
    }
}

impl Sample {
    fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).expect("a sample");
        let header = walk_bytes(&bytes, &Limits::default()).expect("a sample that is DICOM");
        let uid = |tag| {
            let value = header.dataset.uid(tag).expect("a sample with its UIDs").to_owned();
            let places = bytes.windows(value.len()).enumerate().filter(|(_, bytes)| *bytes == value.as_bytes());
            Uid { places: places.map(|(place, _)| place).collect(), value }
        };
        Self {
            study: uid(tags::STUDY_INSTANCE_UID),
            series: uid(tags::SERIES_INSTANCE_UID),
            instance: uid(tags::SOP_INSTANCE_UID),
            bytes,
        }
    }
}

impl Uid {
    /// Puts its `number`th variation in its place in `bytes`.
    fn renamed(&self, number: usize, bytes: &mut [u8]) -> String {
        let kept = &self.value[..self.value.len() - COUNTED];
        let renamed = format!("{kept}{number:0COUNTED$}");
        for place in &self.places {
            bytes[*place..*place + renamed.len()].copy_from_slice(renamed.as_bytes());
        }
        renamed
    }
}

/// What the center hands out of a study by WADO-RS, as stored: data sets by SOP Instance UID, repetitions included.
pub fn retrieve(center: &Center, caller: &Caller, study: &str) -> Vec<(String, Vec<u8>)> {
    let accept = "multipart/related; type=\"application/dicom\"; transfer-syntax=*";
    let answer = caller.get_as(center, &format!("/dicomweb/studies/{study}"), accept);
    if answer.status == 404 {
        return Vec::new();
    }
    assert_eq!(answer.status, 200, "study {study}: {}", answer.text());
    let content_type = answer.headers.iter().find(|(name, _)| name == "content-type").map(|(_, value)| value.as_str());
    let boundary = content_type.and_then(|value| value.split_once("boundary=")).expect("an answer in parts").1;
    let parts = parts(&answer.body, boundary).unwrap_or_else(|| panic!("study {study}: the answer is cut off"));
    let named = parts.into_iter().map(|part| {
        let header = walk_bytes(part, &Limits::default()).expect("a part that is DICOM");
        let uid = header.dataset.uid(tags::SOP_INSTANCE_UID).expect("a part with its UID");
        (uid.to_owned(), dataset(part).to_vec())
    });
    named.collect()
}

/// The bodies of a multipart answer (RFC 2046 5.1.1); `None` if its end is missing.
fn parts<'a>(body: &'a [u8], boundary: &str) -> Option<Vec<&'a [u8]>> {
    let delimiter = format!("--{boundary}");
    let mut rest = body.strip_prefix(delimiter.as_bytes())?;
    let mut parts = Vec::new();
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        let begin = find(part, b"\r\n\r\n")? + 4;
        let end = find(part, format!("\r\n{delimiter}").as_bytes())?;
        parts.push(part.get(begin..end)?);
        rest = &part[end + 2 + delimiter.len()..];
    }
    rest.starts_with(b"--").then_some(parts)
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(next) = bytes[from..].iter().position(|byte| *byte == wanted[0]) {
        if bytes[from + next..].starts_with(wanted) {
            return Some(from + next);
        }
        from += next + 1;
    }
    None
}

/// Instances by their UIDs.
pub type ByUid = BTreeMap<String, Exposure>;

#[test]
fn parts_are_told_from_what_looks_like_them_and_from_a_cut() {
    let body = b"--b1\r\nContent-Type: x\r\n\r\none\r\n--b\r\n--b1\r\nContent-Type: x\r\n\r\n\r\n--b1--\r\n";
    assert_eq!(parts(body, "b1"), Some(vec![&b"one\r\n--b"[..], b""]));
    assert_eq!(parts(&body[..body.len() - 6], "b1"), None);
}
