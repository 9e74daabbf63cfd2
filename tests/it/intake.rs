//! What devices push is a study in the archive: complete, shown frame by frame, the stored bytes those sent, and
//! `yunying check` agrees; also after the center was killed in the middle.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::center::{Center, YUNYING};
use crate::http;

/// A center for the devices that the committed samples came from.
pub fn county(center: Center) -> Center {
    for (code, name) in [("QH", "清河镇卫生院"), ("NP", "南坪镇卫生院"), ("DD", "东大镇卫生院")] {
        center.add_site(code, name, "township");
    }
    for (ae, site, modality) in [("QH_CT01", "QH", "CT"), ("NP_DR01", "NP", "DX"), ("DD_US01", "DD", "US")] {
        center.add_device(ae, site, modality);
    }
    center
}

/// A machine with a token.
pub struct Caller {
    pub token: String,
}

impl Caller {
    pub fn integrator(center: &Center, more: &[&str]) -> Self {
        Self::of_role(center, "integrator", more)
    }

    pub fn of_role(center: &Center, role: &str, more: &[&str]) -> Self {
        let name = format!("{role}{}", more.len());
        let mut words = vec!["token", "add", "--name", &name, "--role", role];
        words.extend_from_slice(more);
        let printed = center.command(&words, "").stdout;
        Self { token: String::from_utf8(printed).expect("a token is text").trim().to_owned() }
    }

    pub fn get(&self, center: &Center, path: &str) -> http::Answer {
        self.get_as(center, path, "*/*")
    }

    /// The same, as one of the media types in `accept`.
    pub fn get_as(&self, center: &Center, path: &str, accept: &str) -> http::Answer {
        let bearer = format!("Bearer {}", self.token);
        let answer = http::get(center.http, path, &[("Authorization", &bearer), ("Accept", accept)]);
        answer.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub fn json(&self, center: &Center, path: &str) -> Value {
        let answer = self.get(center, path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        serde_json::from_slice(&answer.body).expect("an answer in JSON")
    }
}

pub fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-dicom")
}

/// Every DICOM file under a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false if path.extension().is_some_and(|suffix| suffix == "dcm") => found.push(path),
            false => {}
        }
    }
    found.sort();
    found
}

pub fn send(center: &Center, ae: &str) {
    let to = format!("YUNYING@{}", center.dimse);
    let sent = Command::new(YUNYING)
        .args(["send", "--from", ae, "--to", &to])
        .arg(samples().join(ae))
        .output()
        .expect("yunying send runs");
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stdout));
}

pub fn check(center: &Center) -> String {
    check_with(center, &["--deep"])
}

/// What `yunying check` said, which had nothing to find.
pub fn check_with(center: &Center, flags: &[&str]) -> String {
    let output = center.program().arg("check").args(flags).output().expect("yunying check runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// Waits until `ready` gives something.
pub fn wait<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        if let Some(found) = ready() {
            return found;
        }
        assert!(Instant::now() < deadline, "still waiting for {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

pub fn queued(center: &Center, caller: &Caller, count: usize) -> Vec<Value> {
    wait("every study to be queued", || {
        let list = caller.json(center, "/api/v1/cases?tab=open");
        let cases = list["cases"].as_array().expect("cases").clone();
        let ready = cases.len() == count && cases.iter().all(|case| case["state"] == "queued");
        ready.then_some(cases)
    })
}

/// The bytes after preamble and file meta (PS3.10 7.1).
pub fn dataset(file: &[u8]) -> &[u8] {
    assert_eq!(&file[128..132], b"DICM");
    let group = u32::from_le_bytes(file[140..144].try_into().expect("four bytes")) as usize;
    &file[144 + group..]
}

/// Ids of the instances of a case's study.
fn instances(center: &Center, caller: &Caller, case: &Value) -> Vec<i64> {
    let images = caller.json(center, &format!("/api/v1/studies/{}/images", case["study"]));
    let series = images["series"].as_array().expect("series").iter();
    let instances = series.flat_map(|series| series["instances"].as_array().expect("instances"));
    instances.map(|instance| instance["instance"].as_i64().expect("an id")).collect()
}

/// What the center hands out of all open cases is, dataset by dataset, what was sent.
pub fn assert_stored(center: &Center, caller: &Caller, sent: &[PathBuf]) {
    let mut expected: Vec<Vec<u8>> =
        sent.iter().map(|path| dataset(&std::fs::read(path).expect("a sample")).to_vec()).collect();
    let mut stored = Vec::new();
    let open = caller.json(center, "/api/v1/cases?tab=open");
    for case in open["cases"].as_array().expect("cases") {
        for instance in instances(center, caller, case) {
            let file = caller.get(center, &format!("/api/v1/instances/{instance}/file"));
            assert_eq!(file.status, 200, "{}", file.text());
            stored.push(dataset(&file.body).to_vec());
        }
    }
    expected.sort();
    stored.sort();
    assert!(expected == stored, "{} datasets sent, {} stored, or other ones", expected.len(), stored.len());
}

#[test]
fn pushed_studies_are_complete_shown_and_stored_as_they_were_sent() {
    let mut center = county(Center::new());
    center.start();
    let caller = Caller::integrator(&center, &[]);
    for ae in ["QH_CT01", "NP_DR01", "DD_US01"] {
        send(&center, ae);
    }
    for case in queued(&center, &caller, 3) {
        for instance in instances(&center, &caller, &case) {
            let frame = wait("a frame", || {
                let answer = caller.get(&center, &format!("/api/v1/instances/{instance}/frames/1"));
                (answer.status != 503).then_some(answer)
            });
            assert_eq!(frame.status, 200, "{}", frame.text());
        }
    }
    assert_stored(&center, &caller, &files(&samples()));

    let stranger = Caller::integrator(&center, &["--site", "DD"]);
    let list = stranger.json(&center, "/api/v1/cases?tab=open");
    assert_eq!(list["cases"].as_array().expect("cases").len(), 1, "a token of one site sees that site's case only");
    check(&center);
    center.kill();
    check(&center);
}

#[test]
fn a_center_killed_while_receiving_has_everything_it_acknowledged() {
    let mut center = county(Center::new());
    center.start();
    send(&center, "QH_CT01");
    center.kill();
    check(&center);
    center.start();
    let caller = Caller::integrator(&center, &[]);
    let cases = queued(&center, &caller, 1);
    assert_eq!(cases[0]["instances"], files(&samples().join("QH_CT01")).len());
    check(&center);
}
