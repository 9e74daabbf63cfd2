//! DICOMweb as other programs use it: dicomweb-client for all services, and names in whatever characters by STOW-RS.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::center::{Center, YUNYING};
use crate::{http, need};

fn center() -> Center {
    let center = Center::new();
    center.add_site("QH", "清河镇卫生院", "township");
    center
}

fn token(center: &Center, name: &str) -> String {
    let words = ["token", "add", "--name", name, "--role", "integrator", "--site", "QH"];
    let printed = center.command(&words, "").stdout;
    String::from_utf8(printed).expect("a token is text").trim().to_owned()
}

#[test]
fn another_program_stores_searches_retrieves_and_renders() {
    let Some(python) = need::python() else { return };
    let mut center = center();
    let token = token(&center, "ris");
    center.start();
    let root = need::workspace();
    let output = Command::new(python)
        .arg(root.join("tests/it/dicomweb.py"))
        .args([&format!("http://{}", center.http), &token])
        .arg(root.join("sample-dicom"))
        .output()
        .expect("Python runs");
    let said = [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat();
    assert!(output.status.success(), "{said}");
    check(&center);
}

fn check(center: &Center) {
    let output = Command::new(YUNYING)
        .args(["check", "--deep", "--data"])
        .arg(center.data())
        .output()
        .expect("yunying check runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// A sender that knows no client library.
struct Sender<'a> {
    center: &'a Center,
    bearer: String,
}

impl Sender<'_> {
    fn get(&self, path: &str) -> Value {
        let answer = http::get(self.center.http, path, &[("Authorization", &self.bearer)]).expect("the center answers");
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        serde_json::from_slice(&answer.body).expect("an answer in JSON")
    }

    /// How many instances were stored, and how many failed.
    fn store(&self, files: &[PathBuf]) -> (usize, usize) {
        let mut body = Vec::new();
        for file in files {
            body.extend_from_slice(b"--yunying-test\r\nContent-Type: application/dicom\r\n\r\n");
            body.extend(std::fs::read(file).expect("a shared file"));
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--yunying-test--\r\n");
        let content_type = "multipart/related; type=\"application/dicom\"; boundary=yunying-test";
        let headers = [("Authorization", &*self.bearer), ("Content-Type", content_type)];
        let answer = http::request(self.center.http, "POST", "/dicomweb/studies", &headers, &body);
        let answer = answer.expect("the center answers");
        assert!(matches!(answer.status, 200 | 202 | 409), "{} {}", answer.status, answer.text());
        let answer: Value = serde_json::from_slice(&answer.body).expect("an answer in JSON");
        let count = |tag: &str| answer[tag]["Value"].as_array().map_or(0, Vec::len);
        (count("00081199"), count("00081198") + count("0008119A"))
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).expect("a folder").flatten().map(|e| e.path()).collect();
    entries.sort();
    for path in entries {
        match path.is_dir() {
            true => files(&path, found),
            false if path.extension().is_some_and(|suffix| suffix == "json" || suffix == "md") => {}
            false => found.push(path),
        }
    }
}

/// Names that devices wrote in their own character sets, declared or not, as they must be read.
const NAMES: [(&str, &str); 14] = [
    ("CHN1005", "Wang^XiaoDong=王^小东=Wang^XiaoDong"),
    ("CHN1008", "Li^Na=李^娜=Li^Na"),
    ("CHN1010", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    ("CHN1011", "赵^志强"),
    ("SCSARAB", "قباني^لنزار"),
    ("SCSFREN", "Buc^Jérôme"),
    ("SCSGERM", "Äneas^Rüdiger"),
    ("SCSGREEK", "Διονυσιος"),
    ("H31EXAMPLE", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    ("H32EXAMPLE", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
    ("I2EXAMPLE", "Hong^Gildong=洪^吉洞=홍^길동"),
    ("SCSRUSS", "Люкceмбypг"),
    ("SCSHBRW", "שרון^דבורה"),
    ("X1EXAMPLE", "Wang^XiaoDong=王^小東"),
];

#[test]
fn names_of_real_files_sent_by_stow_are_read_right_in_searches_and_metadata() {
    let Some(root) = need::shared_dicom() else { return };
    let mut center = center();
    let bearer = format!("Bearer {}", token(&center, "names"));
    center.start();
    let sender = Sender { center: &center, bearer };
    let mut all = Vec::new();
    for folder in ["derived/charset", "pydicom/charset_files"] {
        files(&root.join(folder), &mut all);
    }
    let (stored, failed) = sender.store(&all);
    assert_eq!((stored, failed), (all.len(), 0));
    settled(&center, all.len());
    for (id, expected) in NAMES {
        let found = sender.get(&format!("/dicomweb/studies?PatientID={id}"));
        assert_eq!(person_name(&found[0]), expected, "{id}");
        let study = found[0]["0020000D"]["Value"][0].as_str().expect("a UID").to_owned();
        let metadata = sender.get(&format!("/dicomweb/studies/{study}/metadata"));
        let of_it = metadata.as_array().expect("instances").iter().find(|one| one["00100020"]["Value"][0] == id);
        assert_eq!(person_name(of_it.expect("its instance")), expected, "{id}");
    }
    let by_sound = sender.get("/dicomweb/studies?PatientName=wxd&fuzzymatching=true");
    assert_eq!(person_name(&by_sound[0]), NAMES[0].1);
    check(&center);
}

fn person_name(study: &Value) -> String {
    let value = &study["00100010"]["Value"][0];
    let groups = ["Alphabetic", "Ideographic", "Phonetic"].map(|group| value[group].as_str().unwrap_or_default());
    groups.join("=").trim_end_matches('=').to_owned()
}

/// Waits until the indexer has looked at everything; what is in the index then, by kind.
fn settled(center: &Center, sent: usize) -> BTreeMap<String, usize> {
    let deadline = Instant::now() + Duration::from_secs(240);
    loop {
        let output = Command::new(YUNYING).args(["check", "--data"]).arg(center.data()).output().expect("check runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let counted: BTreeMap<String, usize> = said
            .lines()
            .filter_map(|line| {
                let (number, what) = line.trim().split_once("  ")?;
                Some((what.to_owned(), number.parse().ok()?))
            })
            .collect();
        let waiting = said.contains("wait to be indexed");
        if output.status.success() && !waiting && !counted.is_empty() {
            return counted;
        }
        assert!(Instant::now() < deadline, "{sent} files are still not indexed:\n{said}");
        std::thread::sleep(Duration::from_millis(500));
    }
}
