//! Decoded pixels against the truth of two independent decoders (`pixels.json` of the shared inputs).

use std::collections::BTreeMap;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::worker::{Answer, Job, Task, work};
use super::*;
use crate::dicom::tests::shared;
use crate::dicom::{Header, Limits, walk_bytes};

/// What a worker process answers, in this one.
fn decode(shape: &Shape, task: Task, coded: &[u8]) -> Result<Vec<u8>, String> {
    match work(&Job { shape: shape.clone(), task }, coded) {
        (Answer::Done { .. }, bytes) => Ok(bytes),
        (Answer::NoCodestream { reason } | Answer::Damaged { reason }, _) => Err(reason),
    }
}

fn load(path: &Path) -> Option<(Header, Vec<u8>)> {
    let bytes = std::fs::read(path).ok()?;
    Some((walk_bytes(&bytes, &Limits::default()).ok()?, bytes))
}

/// Mean of decoded samples, as the truth file has it.
fn mean(bytes: &[u8], dtype: &str) -> f64 {
    let values: Vec<f64> = match dtype {
        "uint8" => bytes.iter().map(|&b| b.into()).collect(),
        "int8" => bytes.iter().map(|&b| (b as i8).into()).collect(),
        "uint16" => bytes.as_chunks().0.iter().map(|b| u16::from_le_bytes(*b).into()).collect(),
        "int16" => bytes.as_chunks().0.iter().map(|b| i16::from_le_bytes(*b).into()).collect(),
        "uint32" => bytes.as_chunks().0.iter().map(|b| u32::from_le_bytes(*b).into()).collect(),
        other => panic!("no mean of {other}"),
    };
    values.iter().sum::<f64>() / values.len() as f64
}

#[derive(Default)]
struct Checked {
    exact: u32,
    close: u32,
    survived: u32,
    wrong: Vec<String>,
    not_handled: BTreeMap<String, Vec<String>>,
}

/// The coded first frame of a file, and its last where the truth knows that one too.
struct Coded {
    shape: Shape,
    first: Vec<u8>,
    last: Option<Vec<u8>>,
}

async fn read(header: &Header, bytes: &Vec<u8>, with_last: bool) -> Result<Coded, FrameError> {
    let cache = FrameCache::default();
    let frames = Frames::new(header, bytes, &cache)?;
    let first = frames.read(0).await?;
    let last = if with_last { Some(frames.read(frames.count - 1).await?) } else { None };
    Ok(Coded { shape: frames.shape.clone(), first, last })
}

async fn check(root: &Path, name: &str, truth: &serde_json::Value, checked: &mut Checked) {
    let syntax = truth["transfer_syntax"].as_str().unwrap_or_default().to_owned();
    let robust = truth["check"] == "robustness";
    let Some((header, bytes)) = load(&root.join(name)) else {
        match robust {
            true => checked.survived += 1,
            false => checked.wrong.push(format!("{name}: not walked")),
        }
        return;
    };
    let coded = match read(&header, &bytes, truth["last_frame"]["sha256"].is_string()).await {
        Ok(coded) => coded,
        Err(error) => {
            checked.not_handled.entry(format!("{syntax} {error}")).or_default().push(name.to_owned());
            return;
        }
    };
    let first = match decode(&coded.shape, Task::RawSamples, &coded.first) {
        Ok(bytes) => bytes,
        Err(_) if robust => {
            checked.survived += 1;
            return;
        }
        Err(error) => {
            checked.wrong.push(format!("{name} ({syntax}): {error}"));
            return;
        }
    };
    match truth["check"].as_str() {
        Some("exact") if is_exact(truth, &coded, &first) => checked.exact += 1,
        Some("exact") => checked.wrong.push(format!("{name} ({syntax}): other pixels")),
        Some("tolerance") => match far_off(truth, &first) {
            None => checked.close += 1,
            Some(far_off) => checked.wrong.push(format!("{name} ({syntax}): {far_off}")),
        },
        _ => checked.survived += 1,
    }
}

/// Whether the decoded `first` frame, the last, and the colours are those of the truth, bit by bit.
fn is_exact(truth: &serde_json::Value, coded: &Coded, first: &[u8]) -> bool {
    let hash = |bytes: &[u8]| Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect::<String>();
    let decodes_to = |task, coded_frame: &[u8], expected: &serde_json::Value| {
        decode(&coded.shape, task, coded_frame).is_ok_and(|bytes| *expected == hash(&bytes))
    };
    let same_last =
        coded.last.as_ref().is_none_or(|last| decodes_to(Task::RawSamples, last, &truth["last_frame"]["sha256"]));
    let same_colours =
        truth["rgb"]["how"] != "pydicom YBR->RGB" || decodes_to(Task::Samples, &coded.first, &truth["rgb"]["sha256"]);
    truth["sha256_native"] == hash(first) && same_last && same_colours
}

/// How the mean of a lossily coded frame differs from the truth by more than decoders may differ.
fn far_off(truth: &serde_json::Value, first: &[u8]) -> Option<String> {
    let dtype = truth["dtype"].as_str().unwrap();
    let (found, expected) = (mean(first, dtype), truth["mean"].as_f64().unwrap());
    let allowed = if dtype.ends_with('8') { 1.0 } else { truth["max"].as_f64().unwrap() * 0.001 };
    ((found - expected).abs() > allowed).then(|| format!("mean {found} for {expected}"))
}

#[tokio::test]
async fn decoded_frames_equal_the_truth() {
    let Some(root) = shared() else { return };
    let truth: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(&std::fs::read(root.join("pixels.json")).unwrap()).unwrap();
    let mut checked = Checked::default();
    for (name, truth) in truth.iter().filter(|(_, truth)| truth["confidence"] != "DISPUTED") {
        check(&root, name, truth, &mut checked).await;
    }
    let Checked { exact, close, survived, wrong, not_handled } = checked;
    println!("{exact} exact, {close} within tolerance, {survived} damaged ones survived");
    println!("not handled: {not_handled:#?}");
    assert!(wrong.is_empty(), "{wrong:#?}");
    // Every transfer syntax of the truth file had a decoder when this was written.
    assert!(exact >= 319 && close >= 51 && not_handled.is_empty());
}

/// The same three frames of single bits, natively, as RLE and as a deflated stream each.
#[tokio::test]
async fn single_bits_are_the_same_however_they_are_coded() {
    let Some(root) = shared() else { return };
    let mut seen = Vec::new();
    for name in ["liver.dcm", "liver_expb.dcm", "liver_rle.dcm", "liver_deflate.dcm"] {
        let (header, bytes) = load(&root.join("pydicom-data").join(name)).unwrap();
        let cache = FrameCache::default();
        let frames = Frames::new(&header, &bytes, &cache).unwrap();
        let mut decoded = Vec::new();
        for index in 0..frames.count {
            let coded = frames.read(index).await.unwrap();
            decoded.push(decode(&frames.shape, Task::RawSamples, &coded).unwrap());
        }
        seen.push((name, decoded));
    }
    let (_, wanted) = &seen[0];
    assert_eq!((wanted.len(), wanted[0].len()), (3, 512 * 512));
    assert!(wanted.iter().flatten().any(|&bit| bit == 1));
    for (name, decoded) in &seen {
        assert!(decoded == wanted, "{name}");
    }
}
