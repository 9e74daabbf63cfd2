//! The same files by STOW-RS, which are sent as they lie on the disk: what has no file meta as well.

use std::path::Path;
use std::sync::Mutex;

use serde_json::Value;
use yunying::dicom::{FileMeta, Front, file_meta};

use super::compare::{self, Fate};
use super::plan::Input;
use super::send::{Sender, Sent};
use super::tally::{Said, Tally};
use super::{REQUESTS, kept, on_threads, seen};
use crate::center::Center;
use crate::http;
use crate::intake::{Caller, check};
use crate::wire::Stored;

/// Files one request carries.
const AT_ONCE: usize = 25;

/// One batch to a center of its own.
pub fn one_center(root: &Path, batch: &[&Input]) -> Tally {
    let mut center = Center::new();
    let caller = Caller::integrator(&center, &[]);
    let manager = Caller::of_role(&center, "manager", &[]);
    center.start();
    let all: Vec<Sent> = batch.iter().map(|input| as_it_lies(root, input)).collect();
    for some in all.chunks(AT_ONCE) {
        store(&center, &caller, root, some);
    }
    let (mut sent, mut other): (Vec<Sent>, Vec<Sent>) = (Vec::new(), Vec::new());
    for one in all {
        let is_kept = !sent.iter().any(|before| is_repetition(before, &one)) && one.length != Some(0);
        if is_kept { sent.push(one) } else { other.push(one) }
    }
    let fates = compare::fates(&center, &manager, &sent);
    let fated: Vec<(&Sent, Fate)> = sent.iter().zip(fates).collect();
    let tally = Mutex::new(Tally::default());
    on_threads(REQUESTS, &fated, |(sent, fate)| {
        let of_one = one_object(&center, &manager, sent, fate);
        tally.lock().expect("no other thread failed").add(of_one);
    });
    check(&center);
    let mut tally = tally.into_inner().expect("no thread failed");
    for one in other {
        tally.put(Said::NotKept, "without a byte, or known already", &one.input.path);
    }
    tally
}

/// The same content under the same name, here none: it is kept once.
fn is_repetition(before: &Sent, later: &Sent) -> bool {
    before.wire.sop_instance == later.wire.sop_instance && before.wire.dataset == later.wire.dataset
}

fn as_it_lies<'a>(root: &Path, input: &'a Input) -> Sent<'a> {
    let bytes = std::fs::read(root.join(&input.path)).expect("a shared file");
    let meta = match file_meta(&bytes) {
        Front::Whole(meta) => meta,
        Front::Absent | Front::Unfinished => FileMeta::default(),
    };
    let wire = Stored {
        sop_instance: meta.sop_instance,
        transfer_syntax: meta.transfer_syntax,
        dataset: bytes[meta.length..].to_vec(),
        whole: true,
        ..Stored::default()
    };
    Sent { input, by: Sender::Stow, wire, verbatim: true, length: Some(bytes.len() as u64) }
}

/// Every part is answered: stored, with a warning, or failed with a reason.
fn store(center: &Center, caller: &Caller, root: &Path, files: &[Sent]) {
    let mut body = Vec::new();
    for file in files {
        body.extend_from_slice(b"--yunying-test\r\nContent-Type: application/dicom\r\n\r\n");
        body.extend(std::fs::read(root.join(&file.input.path)).expect("a shared file"));
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--yunying-test--\r\n");
    let content_type = "multipart/related; type=\"application/dicom\"; boundary=yunying-test";
    let bearer = format!("Bearer {}", caller.token);
    let headers = [("Authorization", &*bearer), ("Content-Type", content_type)];
    let answer = http::request(center.http, "POST", "/dicomweb/studies", &headers, &body).expect("the center answers");
    assert!(matches!(answer.status, 200 | 202 | 409), "{} {}", answer.status, answer.text());
    let answer: Value = serde_json::from_slice(&answer.body).expect("an answer in JSON");
    let count = |tag: &str| answer[tag]["Value"].as_array().map_or(0, Vec::len);
    assert_eq!(count("00081199") + count("00081198") + count("0008119A"), files.len(), "an answer for every part");
}

fn one_object(center: &Center, caller: &Caller, sent: &Sent, fate: &Fate) -> Tally {
    let mut tally = Tally::default();
    tally.put(Said::Sent, "Stow", &sent.input.path);
    if let Some(at) = kept(center, caller, sent, fate, &mut tally) {
        seen(center, caller, sent, at, &mut tally);
    }
    tally
}
