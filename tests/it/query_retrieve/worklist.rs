//! Exams that operators register, as pynetdicom and dcmtk's findscu find them on the worklist.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{run, value};
use crate::center::{Center, PASSWORD};
use crate::intake::county;
use crate::need;

/// A county with operators at two of its sites, and an ultrasound device that reads GB 18030.
fn registering() -> Center {
    let mut center = county(Center::new());
    center.add_site("XY", "县人民医院", "county");
    center.add_device("QH_US01", "QH", "US");
    center.add_device("WS_COUNTY", "XY", "");
    center.command(&["device", "charset", "--ae", "QH_US01", "--charset", "gb18030"], "");
    center.add_user("wu", "吴样例", "技师", "operator", &["--site", "QH"]);
    center.add_user("he", "何演示", "技师", "operator", &["--site", "NP"]);
    center.start();
    center
}

fn script(center: &Center, python: &Path, what: &str) -> String {
    let root = need::workspace();
    run(Command::new(python)
        // Days are those of the center's clock.
        .env("TZ", "Asia/Shanghai")
        .arg(root.join("tests/it/query_retrieve/worklist.py"))
        .args([center.dimse.port().to_string(), center.http.port().to_string()])
        .arg(root.join("sample-dicom"))
        .args([PASSWORD, what]))
}

#[test]
fn pynetdicom_finds_registered_exams_and_what_it_makes_of_them_is_their_case() {
    let Some(python) = need::python() else { return };
    let center = registering();
    script(&center, Path::new(&python), "register");
    script(&center, Path::new(&python), "devices");
}

/// Asks by findscu as a device; each answer as a file.
fn find(center: &Center, ae: &str, keys: &[&str]) -> Vec<PathBuf> {
    let folder = tempfile::tempdir_in(center.scratch()).expect("a temporary directory").keep();
    let (host, port) = (center.dimse.ip().to_string(), center.dimse.port().to_string());
    let keys = keys.iter().flat_map(|key| ["-k", key]);
    run(Command::new("findscu")
        .args(["-W", "-X", "-od"])
        .arg(&folder)
        .args(keys)
        .args(["-aet", ae, "-aec", "YUNYING", &host, &port]));
    let mut answers: Vec<_> = std::fs::read_dir(folder).expect("a folder").flatten().map(|e| e.path()).collect();
    answers.sort();
    answers
}

#[test]
fn findscu_reads_the_worklist_in_the_characters_of_its_device() {
    let (Some(python), Some(_)) = (need::python(), need::program("findscu")) else { return };
    let center = registering();
    let exam = script(&center, Path::new(&python), "register");
    let step = |key: &str| format!("ScheduledProcedureStepSequence[0].{key}");
    let (station, date, modality) =
        (step("ScheduledStationAETitle"), step("ScheduledProcedureStepStartDate"), step("Modality=CT"));
    let keys = ["PatientName", "AccessionNumber", "RequestedProcedureDescription", &station, &date, &modality];
    for (ae, more, charset) in [
        ("QH_CT01", None, "ISO_IR 192"),
        ("QH_CT01", Some("SpecificCharacterSet=GB18030"), "GB18030"),
        ("QH_US01", None, "GB18030"),
    ] {
        let asked: Vec<&str> = keys.iter().copied().chain(more).collect();
        let found = find(&center, ae, &asked);
        let names: Vec<_> = found.iter().map(|answer| value(answer, "PatientName").unwrap_or_default()).collect();
        assert_eq!(names, ["Wang^Zhe=王^喆", "Shan^XiaoNing=单^晓宁"], "{ae} {more:?}");
        assert_eq!(value(&found[0], "RequestedProcedureDescription").as_deref(), Some(exam.trim()));
        assert_eq!(value(&found[0], "ScheduledStationAETitle").as_deref(), Some("QH_CT01"));
        // As it is in the file, which dcmdump would convert.
        let dump = run(Command::new("dcmdump").args(["-q", "+P", "SpecificCharacterSet"]).arg(&found[0]));
        assert!(dump.contains(&format!("[{charset}]")), "{dump}");
    }
    let one = find(&center, "QH_CT01", &["PatientName=shan*", &modality]);
    assert_eq!(one.len(), 1);
    assert!(find(&center, "NP_DR01", &["PatientName=shan*", &modality]).is_empty(), "another site's");
}
