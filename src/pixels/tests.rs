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

struct Checked {
    exact: u32,
    close: u32,
    survived: u32,
    wrong: Vec<String>,
    not_handled: BTreeMap<String, Vec<String>>,
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
    let decoded = async {
        let cache = FrameCache::default();
        let frames = Frames::new(&header, &bytes, &cache)?;
        let coded = frames.read(0).await?;
        let last = match truth["last_frame"]["sha256"].as_str() {
            Some(_) => Some(frames.read(frames.count - 1).await?),
            None => None,
        };
        Ok::<_, FrameError>((frames.shape.clone(), coded, last))
    };
    let (shape, coded, last) = match decoded.await {
        Ok(found) => found,
        Err(error) => {
            checked.not_handled.entry(format!("{syntax} {error}")).or_default().push(name.to_owned());
            return;
        }
    };
    let first = match decode(&shape, Task::RawSamples, &coded) {
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
    let hash = |bytes: &[u8]| Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect::<String>();
    match truth["check"].as_str() {
        Some("exact") => {
            let mut good = truth["sha256_native"] == hash(&first);
            if let Some(last) = last {
                let last = decode(&shape, Task::RawSamples, &last).map(|bytes| hash(&bytes));
                good &= last.is_ok_and(|hash| truth["last_frame"]["sha256"] == hash);
            }
            if truth["rgb"]["how"] == "pydicom YBR->RGB" {
                let rgb = decode(&shape, Task::Samples, &coded).map(|bytes| hash(&bytes));
                good &= rgb.is_ok_and(|hash| truth["rgb"]["sha256"] == hash);
            }
            match good {
                true => checked.exact += 1,
                false => checked.wrong.push(format!("{name} ({syntax}): other pixels")),
            }
        }
        Some("tolerance") => {
            let found = mean(&first, truth["dtype"].as_str().unwrap());
            let expected = truth["mean"].as_f64().unwrap();
            let allowed = if truth["dtype"].as_str().unwrap().ends_with('8') {
                1.0
            } else {
                truth["max"].as_f64().unwrap() * 0.001
            };
            match (found - expected).abs() <= allowed {
                true => checked.close += 1,
                false => checked.wrong.push(format!("{name} ({syntax}): mean {found} for {expected}")),
            }
        }
        _ => checked.survived += 1,
    }
}

#[tokio::test]
async fn decoded_frames_equal_the_truth() {
    let Some(root) = shared() else { return };
    let truth: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(&std::fs::read(root.join("pixels.json")).unwrap()).unwrap();
    let mut checked = Checked { exact: 0, close: 0, survived: 0, wrong: Vec::new(), not_handled: BTreeMap::new() };
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
