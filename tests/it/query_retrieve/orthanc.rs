//! Orthanc as the other archive, in both directions: it stores to us, asks us and has us send to it; and we send to it. What it
//! then has is read by its REST interface.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::receiver::shim;
use super::{County, STUDIES, run, samples, value};
use crate::center::{YUNYING, free_port};
use crate::certificates::{Authority, Papers};
use crate::http;
use crate::intake::{Caller, wait};
use crate::need;

const TITLE: &str = "ORTHANC";

/// A running Orthanc that knows the center; ended with the value.
struct Orthanc {
    child: Child,
    folder: tempfile::TempDir,
    http: SocketAddr,
    dimse: u16,
}

impl Orthanc {
    /// Takes associations at `dimse`, calls the center at `center`; over TLS both ways with `tls`. `None`: there is none
    /// here, and that was said.
    fn start(dimse: u16, center: SocketAddr, tls: Option<(&Authority, &Papers)>) -> Option<Self> {
        let program = need::program("Orthanc")?;
        let folder = tempfile::tempdir().expect("a temporary directory");
        let shim = shim(folder.path())?;
        let http = free_port();
        let configuration = folder.path().join("orthanc.json");
        let settings = settings(folder.path(), http, dimse, center, tls);
        std::fs::write(&configuration, settings.to_string()).expect("a configuration");
        let log = File::create(folder.path().join("log")).expect("a new file");
        let child = Command::new(program)
            .arg(&configuration)
            .current_dir(folder.path())
            .env("LD_PRELOAD", shim)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("Orthanc starts");
        let orthanc = Self { child, folder, http, dimse };
        let deadline = Instant::now() + Duration::from_secs(60);
        while !http::get(http, "/system", &[]).is_ok_and(|answer| answer.status == 200) {
            assert!(Instant::now() < deadline, "Orthanc is not ready: {}", orthanc.said());
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(orthanc)
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn ask(&self, method: &str, path: &str, body: &[u8]) -> http::Answer {
        let answer = http::request(self.http, method, path, &[], body).expect("Orthanc answers");
        assert_eq!(answer.status, 200, "{method} {path}: {}\n{}", answer.text(), self.said());
        answer
    }

    /// The center learns of a new device within a second or so.
    fn wait_until_welcome(&self) {
        wait("the center to know Orthanc", || {
            let echo = http::request(self.http, "POST", "/modalities/center/echo", &[], b"{}");
            echo.is_ok_and(|answer| answer.status == 200).then_some(())
        });
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_slice(&self.ask("GET", path, b"").body).expect("an answer in JSON")
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let answer = self.ask("POST", path, body.to_string().as_bytes());
        serde_json::from_slice(&answer.body).expect("an answer in JSON")
    }

    /// Of each instance it has: SOP Instance UID, transfer syntax and patient's name.
    fn instances(&self) -> BTreeSet<[String; 3]> {
        let ids = self.json("/instances");
        let ids = ids.as_array().expect("a list").iter().filter_map(Value::as_str);
        ids.map(|id| {
            let tags = self.json(&format!("/instances/{id}/simplified-tags"));
            let syntax = self.ask("GET", &format!("/instances/{id}/metadata/TransferSyntax"), b"").text();
            let text = |name: &str| tags[name].as_str().unwrap_or_default().to_owned();
            [text("SOPInstanceUID"), syntax, text("PatientName")]
        })
        .collect()
    }
}

impl Drop for Orthanc {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn settings(
    folder: &Path,
    http: SocketAddr,
    dimse: u16,
    center: SocketAddr,
    tls: Option<(&Authority, &Papers)>,
) -> Value {
    let mut settings = json!({
        "StorageDirectory": folder.join("db"),
        "IndexDirectory": folder.join("db"),
        "Plugins": [],
        "DicomAet": TITLE,
        "DicomPort": dimse,
        "DicomCheckCalledAet": true,
        "DicomAlwaysAllowStore": true,
        "HttpPort": http.port(),
        "HttpBindAddress": "127.0.0.1",
        "RemoteAccessAllowed": false,
        "AuthenticationEnabled": false,
        "DefaultEncoding": "Utf8",
        "DicomModalities": {
            "center": {
                "AET": "YUNYING",
                "Host": center.ip().to_string(),
                "Port": center.port(),
                "UseDicomTls": tls.is_some(),
            },
        },
    });
    if let Some((authority, papers)) = tls {
        settings["DicomTlsEnabled"] = true.into();
        settings["DicomTlsCertificate"] = papers.cert.display().to_string().into();
        settings["DicomTlsPrivateKey"] = papers.key.display().to_string().into();
        settings["DicomTlsTrustedCertificates"] = authority.certificate().display().to_string().into();
    }
    settings
}

/// The same of files.
fn of_files(files: &[PathBuf]) -> BTreeSet<[String; 3]> {
    let of = |file: &PathBuf| {
        ["SOPInstanceUID", "TransferSyntaxUID", "PatientName"].map(|tag| value(file, tag).expect("a value"))
    };
    files.iter().map(of).collect()
}

/// Everything the center has is found by Orthanc, and is in Orthanc once it had it sent.
fn find_and_move(orthanc: &Orthanc, studies: usize) {
    let query = json!({ "Level": "Study", "Query": { "PatientName": "*", "StudyInstanceUID": "" } });
    let asked = orthanc.post("/modalities/center/query", &query);
    let path = asked["Path"].as_str().expect("a path").to_owned();
    let answers = orthanc.json(&format!("{path}/answers"));
    assert_eq!(answers.as_array().map(Vec::len), Some(studies), "{answers}");
    let names: BTreeSet<String> = (0..studies)
        .map(|n| orthanc.json(&format!("{path}/answers/{n}/content?simplify")))
        .map(|answer| answer["PatientName"].as_str().expect("a name").to_owned())
        .collect();
    let expected: BTreeSet<String> = of_files(&samples()).into_iter().map(|[_, _, name]| name).collect();
    assert!(names.is_superset(&expected), "{names:?} lacks one of {expected:?}");
    orthanc.post(&format!("{path}/retrieve"), &json!({ "TargetAet": TITLE, "Synchronous": true }));
    let (has, sent) = (orthanc.instances(), of_files(&samples()));
    assert!(has.is_superset(&sent), "Orthanc has {has:?}, and not all of {sent:?}");
}

fn register(county: &County, address: &str) {
    county.center.add_device(TITLE, "XY", "");
    county.center.command(&["device", "address", "--ae", TITLE, "--address", address], "");
}

#[test]
fn orthanc_stores_to_us_finds_what_we_have_and_has_it_sent_to_itself() {
    let (Some(shared), Some(_)) = (need::shared_dicom(), need::program("Orthanc")) else { return };
    let county = County::new();
    let port = free_port().port();
    register(&county, &format!("127.0.0.1:{port}"));
    let Some(orthanc) = Orthanc::start(port, county.center.dimse, None) else { return };
    orthanc.wait_until_welcome();

    let file = std::fs::read(shared.join("dcm_qa_ct/GE/01.dcm")).expect("a shared file");
    let uploaded = orthanc.ask("POST", "/instances", &file);
    let uploaded: Value = serde_json::from_slice(&uploaded.body).expect("an answer in JSON");
    let id = uploaded["ID"].as_str().expect("an id");
    orthanc.post("/modalities/center/store", &json!({ "Resources": [id], "Synchronous": true }));
    let uid = orthanc.json(&format!("/instances/{id}/simplified-tags"))["SOPInstanceUID"].clone();
    let caller = Caller::integrator(&county.center, &["--site", "XY"]);
    let path = format!("/dicomweb/instances?SOPInstanceUID={}", uid.as_str().expect("a UID"));
    wait("what Orthanc stored to be indexed", || {
        let answer = caller.get(&county.center, &path);
        (answer.status == 200 && answer.text().contains(uid.as_str()?)).then_some(())
    });
    orthanc.ask("DELETE", &format!("/instances/{id}"), b"");
    assert!(orthanc.instances().is_empty());

    find_and_move(&orthanc, STUDIES + 1);
    assert_eq!(orthanc.instances().len(), samples().len() + 1, "its own comes back, too");
}

#[test]
fn the_sender_stores_to_orthanc() {
    let Some(_) = need::program("Orthanc") else { return };
    let Some(orthanc) = Orthanc::start(free_port().port(), free_port(), None) else { return };
    run(Command::new(YUNYING)
        .args(["send", "--associations", "2", "--from", "YUNYING"])
        .args(["--to", &format!("{TITLE}@127.0.0.1:{}", orthanc.dimse)])
        .args(samples()));
    assert_eq!(orthanc.instances(), of_files(&samples()));
}

#[test]
fn orthanc_and_we_find_and_move_over_tls_with_certificates() {
    let (Some(authority), Some(_)) = (need::authority("county"), need::program("Orthanc")) else { return };
    let (own, theirs) = (authority.issue("center"), authority.issue("orthanc"));
    let tls = free_port();
    let text = |path: &Path| path.display().to_string();
    let flags = [
        ("--dimse-tls", tls.to_string()),
        ("--dimse-tls-cert", text(&own.cert)),
        ("--dimse-tls-key", text(&own.key)),
        ("--dimse-tls-client-ca", text(&authority.certificate())),
    ];
    let flags: Vec<&str> = flags.iter().flat_map(|(flag, value)| [*flag, value.as_str()]).collect();
    let county = County::started_with(&flags);
    let port = free_port().port();
    register(&county, &format!("tls://127.0.0.1:{port}"));
    county.center.command(&["device", "certificate", "--ae", TITLE, "--cert", &text(&theirs.cert)], "");
    let Some(orthanc) = Orthanc::start(port, tls, Some((&authority, &theirs))) else { return };
    orthanc.wait_until_welcome();
    find_and_move(&orthanc, STUDIES);
}
