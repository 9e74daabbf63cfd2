//! What the center made of what it was sent: each object stored or quarantined, the stored bytes those of the wire, and
//! the frames those two other decoders found.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use serde_json::Value;
use sha2::{Digest, Sha256};
use yunying::dicom::{Front, file_meta};

use super::plan::Truth;
use super::send::Sent;
use crate::center::Center;
use crate::http::Answer;
use crate::intake::Caller;

pub const EXPLICIT_LITTLE: &str = "1.2.840.10008.1.2.1";
const AS_STORED: &str = "multipart/related; type=\"application/dicom\"; transfer-syntax=*";
const AS_PLAIN: &str = "multipart/related; type=\"application/dicom\"; transfer-syntax=1.2.840.10008.1.2.1";
const AS_SAMPLES: &str = "multipart/related; type=\"application/octet-stream\"; transfer-syntax=1.2.840.10008.1.2.1";

/// What became of one object.
#[derive(Debug, Clone)]
pub enum Fate {
    /// At this address.
    Stored(String),
    Quarantined {
        reason: String,
        detail: String,
    },
    /// Neither.
    Lost,
}

/// Waits until the center has made up its mind about all of `sent`; each one's fate, in their order.
pub fn fates(center: &Center, caller: &Caller, sent: &[Sent]) -> Vec<Fate> {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let stored: BTreeMap<String, String> = list(center, caller, "/dicomweb/instances?limit=1000")
            .iter()
            .map(|found| {
                let [study, series, instance] = ["0020000D", "0020000E", "00080018"].map(|tag| text(found, tag));
                let at = format!("/dicomweb/studies/{study}/series/{series}/instances/{instance}");
                (instance, at)
            })
            .collect();
        let mut quarantined = quarantined(center, caller);
        let settled = stored.len() + quarantined.len() >= sent.len();
        if settled || Instant::now() > deadline {
            return sent.iter().map(|sent| fate(sent, &stored, &mut quarantined)).collect();
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn list(center: &Center, caller: &Caller, path: &str) -> Vec<Value> {
    match caller.json(center, path) {
        Value::Array(rows) => rows,
        other => panic!("{path}: {other}"),
    }
}

/// All of it, page by page.
fn quarantined(center: &Center, caller: &Caller) -> Vec<Value> {
    let mut all = Vec::new();
    let mut path = "/api/v1/quarantine".to_owned();
    loop {
        let page = caller.json(center, &path);
        let Some(rows) = page["rows"].as_array() else { panic!("{path}: {page}") };
        all.extend(rows.iter().cloned());
        match page["next"].as_i64() {
            Some(before) => path = format!("/api/v1/quarantine?before={before}"),
            None => return all,
        }
    }
}

fn fate(sent: &Sent, stored: &BTreeMap<String, String>, quarantined: &mut Vec<Value>) -> Fate {
    if let Some(at) = stored.get(&sent.wire.sop_instance) {
        return Fate::Stored(at.clone());
    }
    // A quarantined object is known by a UID it goes by; if it has none, by its size with our preamble and file meta.
    let by_uid = |row: &&Value| {
        let uid = row["sop_uid"].as_str().unwrap_or_default();
        !uid.is_empty() && (uid == sent.wire.sop_instance || sent.input.uids.iter().any(|own| own == uid))
    };
    let length = sent.wire.dataset.len() as u64;
    let by_size = |row: &&Value| {
        let bytes = row["bytes"].as_u64().unwrap_or(0);
        match sent.length {
            Some(exact) => bytes == exact,
            None => row["sop_uid"] == "" && (length..length + 1024).contains(&bytes),
        }
    };
    let row = quarantined.iter().find(by_uid).or_else(|| quarantined.iter().find(by_size)).cloned();
    let Some(row) = row else { return Fate::Lost };
    quarantined.retain(|other| other["id"] != row["id"]);
    let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
    Fate::Quarantined { reason: text("reason"), detail: text("detail") }
}

fn text(found: &Value, tag: &str) -> String {
    found[tag]["Value"][0].as_str().unwrap_or_default().to_owned()
}

/// What differs between the stored object and the one that was sent; nothing, when all is well.
pub fn difference(center: &Center, caller: &Caller, at: &str, sent: &Sent) -> Option<String> {
    let answer = caller.get_as(center, at, AS_STORED);
    if answer.status != 200 {
        return Some(format!("HTTP {}: {}", answer.status, answer.text()));
    }
    let Some((content_type, body)) = only_part(&answer) else { return Some("not one part".into()) };
    if !content_type.ends_with(&format!("transfer-syntax={}", sent.wire.transfer_syntax)) {
        return Some(format!("sent as {}, retrieved as {content_type}", sent.wire.transfer_syntax));
    }
    let file = &answer.body[body];
    let begin = match file_meta(file) {
        Front::Whole(meta) => meta.length,
        other => return Some(format!("no file meta: {other:?}")),
    };
    let stored = &file[begin..];
    match stored == sent.wire.dataset {
        true => None,
        false => Some(format!("{} bytes sent, {} stored, or other ones", sent.wire.dataset.len(), stored.len())),
    }
}

/// The Content-Type and the place of the one part of a `multipart/related` answer (RFC 2387).
fn only_part(answer: &Answer) -> Option<(String, Range<usize>)> {
    let kind = answer.headers.iter().find(|(name, _)| name == "content-type")?.1.as_str();
    let boundary = kind.split_once("boundary=")?.1.trim_matches('"');
    let open = format!("--{boundary}\r\n").into_bytes();
    let close = format!("\r\n--{boundary}--\r\n").into_bytes();
    let inner = answer.body.strip_prefix(&open[..])?.strip_suffix(&close[..])?;
    let head = inner.windows(4).position(|four| four == b"\r\n\r\n")?;
    let content_type = std::str::from_utf8(&inner[..head]).ok()?.strip_prefix("Content-Type: ")?.to_owned();
    let begin = open.len() + head + 4;
    Some((content_type, begin..open.len() + inner.len()))
}

fn refusal(answer: &Answer) -> String {
    let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let why = problem["detail"].as_str().or(problem["code"].as_str()).unwrap_or("no problem document");
    format!("HTTP {}: {why}", answer.status)
}

/// What the center makes of an instance for a client that reads Explicit VR Little Endian only.
pub enum Plain {
    Whole(Vec<u8>),
    Refused(String),
    Broken(String),
}

pub fn plain(center: &Center, caller: &Caller, at: &str) -> Plain {
    let answer = caller.get_as(center, at, AS_PLAIN);
    match (answer.status, only_part(&answer)) {
        (200, Some((kind, body))) if kind.ends_with(EXPLICIT_LITTLE) => Plain::Whole(answer.body[body].to_vec()),
        (200, Some((kind, _))) => Plain::Broken(format!("it is {kind}")),
        (200, None) => Plain::Broken("the answer was cut off".into()),
        (406, _) => Plain::Refused(refusal(&answer)),
        _ => Plain::Broken(refusal(&answer)),
    }
}

/// How an instance's frames compare with the truth.
pub enum Pixels {
    /// The bytes of the answer are the truth's.
    Exact,
    /// They are, once read as the instance's metadata says: colour planes, shared chrominance,
    /// packed bits, bits that are not of the image.
    ExactByHeader,
    /// RGB, where the file has YBR; as the truth's RGB.
    ExactRgb,
    NotHandled(String),
    Wrong(String),
}

/// The first and, where the truth knows it, the last frame.
pub fn pixels(center: &Center, caller: &Caller, at: &str, truth: &Truth) -> Pixels {
    let mut found = one_frame(center, caller, at, 1, &truth.first, truth.rgb.as_deref());
    if let (Pixels::Exact | Pixels::ExactByHeader | Pixels::ExactRgb, Some((number, hash))) = (&found, &truth.last) {
        let rgb_unknown = matches!(found, Pixels::ExactRgb);
        match one_frame(center, caller, at, *number, hash, None) {
            Pixels::Wrong(_) if rgb_unknown => {}
            Pixels::Wrong(why) => found = Pixels::Wrong(format!("last frame: {why}")),
            Pixels::NotHandled(why) => found = Pixels::NotHandled(format!("last frame: {why}")),
            _ => {}
        }
    }
    found
}

fn one_frame(center: &Center, caller: &Caller, at: &str, number: u64, hash: &str, rgb: Option<&str>) -> Pixels {
    let answer = caller.get_as(center, &format!("{at}/frames/{number}"), AS_SAMPLES);
    if answer.status != 200 {
        return Pixels::NotHandled(refusal(&answer));
    }
    let Some((_, body)) = only_part(&answer) else { return Pixels::Wrong("not one part".into()) };
    let samples = &answer.body[body];
    let found = sha256(samples);
    if found == hash {
        return Pixels::Exact;
    }
    if rgb == Some(found.as_str()) {
        return Pixels::ExactRgb;
    }
    let metadata = caller.json(center, &format!("{at}/metadata"));
    match sha256(&Reading::of(&metadata[0]).apply(samples)) == hash {
        true => Pixels::ExactByHeader,
        false => Pixels::Wrong(format!("other pixels ({} bytes)", samples.len())),
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How native samples lie (PS3.5 8.1.1, PS3.3 C.7.6.3.1.2 and .3), by an instance's metadata.
struct Reading {
    samples: usize,
    planes: bool,
    allocated: u32,
    stored: u32,
    low: u32,
    signed: bool,
    /// Two pixels share a pair of chrominances (YBR_FULL_422).
    shared: bool,
    pixels: usize,
}

impl Reading {
    fn of(metadata: &Value) -> Self {
        let number = |tag: &str| metadata[tag]["Value"][0].as_u64();
        let allocated = number("00280100").unwrap_or(8) as u32;
        let stored = number("00280101").map_or(allocated, |bits| bits as u32);
        let high = number("00280102").map_or(stored - 1, |bit| bit as u32);
        Self {
            samples: number("00280002").unwrap_or(1) as usize,
            planes: number("00280006") == Some(1),
            allocated,
            stored,
            low: (high + 1).saturating_sub(stored),
            signed: number("00280103") == Some(1),
            shared: metadata["00280004"]["Value"][0] == "YBR_FULL_422",
            pixels: (number("00280010").unwrap_or(0) * number("00280011").unwrap_or(0)) as usize,
        }
    }

    fn apply(&self, bytes: &[u8]) -> Vec<u8> {
        if self.allocated == 1 {
            return (0..self.pixels).map(|i| bytes.get(i / 8).map_or(0, |byte| byte >> (i % 8) & 1)).collect();
        }
        if self.shared && self.allocated == 8 {
            return bytes.as_chunks().0.iter().flat_map(|&[y0, y1, b, r]| [y0, b, r, y1, b, r]).collect();
        }
        let size = self.allocated as usize / 8;
        let mut out = Vec::with_capacity(bytes.len());
        for at in 0..bytes.len() / size {
            let place = match self.planes && self.samples > 1 {
                true => at % self.samples * self.pixels + at / self.samples,
                false => at,
            };
            let word = bytes.get(place * size..(place + 1) * size).unwrap_or_default();
            out.extend(self.value(word));
        }
        out
    }

    /// One sample without the bits that are not its own, its sign extended.
    fn value(&self, word: &[u8]) -> Vec<u8> {
        let mut bytes = [0; 8];
        bytes[..word.len()].copy_from_slice(word);
        let left = 64 - self.stored;
        let moved = u64::from_le_bytes(bytes) >> self.low << left;
        let value = if self.signed { (moved.cast_signed() >> left).cast_unsigned() } else { moved >> left };
        value.to_le_bytes()[..word.len()].to_vec()
    }
}
