//! What dcmtk's clients ask, find and get.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{County, Receiver, STUDIES, run, samples, value};
use crate::intake::dataset;
use crate::need;

const EXPLICIT: &str = "1.2.840.10008.1.2.1";

/// `-k` for each key.
pub fn keys<'a>(keys: &[&'a str]) -> Vec<&'a str> {
    keys.iter().flat_map(|key| ["-k", key]).collect()
}

/// Asks by findscu and keeps each answer as a file.
pub(super) fn find(county: &County, ae: &str, model: &str, asked: &[&str]) -> Vec<PathBuf> {
    let folder = tempfile::tempdir_in(county.center.scratch()).expect("a temporary directory").keep();
    let mut findscu = Command::new("findscu");
    findscu.args([model, "-X", "-od"]).arg(&folder).args(keys(asked)).args(county.call(ae));
    run(&mut findscu);
    let mut answers: Vec<_> = std::fs::read_dir(folder).expect("a folder").flatten().map(|e| e.path()).collect();
    answers.sort();
    answers
}

pub(super) fn values(answers: &[PathBuf], tag: &str) -> Vec<String> {
    let mut values: Vec<String> = answers.iter().map(|answer| value(answer, tag).unwrap_or_default()).collect();
    values.sort();
    values
}

/// Sample files by their SOP Instance UID.
fn by_uid(files: &[PathBuf]) -> BTreeMap<String, PathBuf> {
    files.iter().map(|file| (value(file, "SOPInstanceUID").expect("a UID"), file.clone())).collect()
}

pub fn study_of(ae: &str) -> String {
    let file = samples().into_iter().find(|file| file.to_string_lossy().contains(ae)).expect("a sample");
    value(&file, "StudyInstanceUID").expect("a UID")
}

#[test]
fn findscu_finds_at_every_level_of_both_models() {
    let Some(_) = need::program("findscu") else { return };
    let county = County::new();
    let all = [
        "QueryRetrieveLevel=STUDY",
        "PatientName",
        "PatientID",
        "StudyInstanceUID",
        "ModalitiesInStudy",
        "NumberOfStudyRelatedInstances",
        "SOPClassesInStudy",
    ];
    let studies = find(&county, "WS_COUNTY", "-S", &all);
    assert_eq!(studies.len(), STUDIES);
    let expected: Vec<String> = {
        let mut names: Vec<String> = ["QH_CT01", "NP_DR01", "DD_US01"]
            .map(|ae| samples().into_iter().find(|file| file.to_string_lossy().contains(ae)).expect("a sample"))
            .map(|file| value(&file, "PatientName").expect("a name"))
            .into();
        names.sort();
        names
    };
    assert!(expected.iter().all(|name| !name.is_ascii()), "the samples are of people with Chinese names");
    assert_eq!(values(&studies, "PatientName"), expected);
    assert_eq!(values(&studies, "RetrieveAETitle"), ["YUNYING"; STUDIES]);
    let ct = study_of("QH_CT01");
    let ct_study =
        studies.iter().find(|answer| value(answer, "StudyInstanceUID").as_ref() == Some(&ct)).expect("the CT");
    assert_eq!(value(ct_study, "ModalitiesInStudy").as_deref(), Some("CT"));
    assert_eq!(value(ct_study, "NumberOfStudyRelatedInstances").as_deref(), Some("19"));
    assert_eq!(value(ct_study, "SOPClassesInStudy").as_deref(), Some("1.2.840.10008.5.1.4.1.1.2"));

    let id = value(ct_study, "PatientID").expect("an id");
    let patient = find(
        &county,
        "WS_COUNTY",
        "-P",
        &["QueryRetrieveLevel=PATIENT", &format!("PatientID={id}"), "PatientName", "NumberOfPatientRelatedInstances"],
    );
    assert_eq!(values(&patient, "NumberOfPatientRelatedInstances"), ["19"]);
    assert_eq!(value(&patient[0], "PatientName"), value(ct_study, "PatientName"));

    let of_study = format!("StudyInstanceUID={ct}");
    let asked =
        ["QueryRetrieveLevel=SERIES", &of_study, "SeriesInstanceUID", "Modality", "ProtocolName", "SeriesNumber"];
    let series = find(&county, "WS_COUNTY", "-S", &asked);
    assert_eq!(values(&series, "Modality"), vec!["CT"; series.len()]);
    let mut instances = Vec::new();
    for one in &series {
        let of_series = format!("SeriesInstanceUID={}", value(one, "SeriesInstanceUID").expect("a UID"));
        let asked = ["QueryRetrieveLevel=IMAGE", &of_study, &of_series, "SOPInstanceUID", "InstanceNumber", "Rows"];
        instances.extend(values(&find(&county, "WS_COUNTY", "-S", &asked), "SOPInstanceUID"));
    }
    instances.sort();
    let sent: Vec<PathBuf> = samples().into_iter().filter(|file| file.to_string_lossy().contains("QH_CT01")).collect();
    assert_eq!(instances, by_uid(&sent).into_keys().collect::<Vec<_>>());
}

#[test]
fn names_come_in_the_characters_that_the_query_or_the_device_reads() {
    let Some(_) = need::program("findscu") else { return };
    let county = County::new();
    let name = samples().into_iter().find(|file| file.to_string_lossy().contains("QH_CT01")).expect("a sample");
    let name = value(&name, "PatientName").expect("a name");
    let asked = ["QueryRetrieveLevel=STUDY", "PatientName"];
    let answered = |charset: &str, expected: &str| {
        let mut keys = asked.to_vec();
        keys.extend((!charset.is_empty()).then_some(charset));
        let found = find(&county, "WS_QH", "-S", &keys);
        assert_eq!(values(&found, "PatientName"), [name.as_str()], "{charset}");
        // As it is in the file, which dcmdump would convert.
        let dump = run(Command::new("dcmdump").args(["-q", "+P", "SpecificCharacterSet"]).args(&found));
        assert!(dump.contains(&format!("[{expected}]")), "{charset}: {dump}");
    };
    answered("", "ISO_IR 192");
    answered("SpecificCharacterSet=GB18030", "GB18030");
    answered("SpecificCharacterSet=\\ISO 2022 IR 58", "\\ISO 2022 IR 58");
    county.center.command(&["device", "charset", "--ae", "WS_QH", "--charset", "gb18030"], "");
    answered("", "GB18030");
    answered("SpecificCharacterSet=ISO_IR 192", "GB18030");
}

#[test]
fn a_township_finds_and_gets_its_own_studies_only() {
    let (Some(_), Some(_)) = (need::program("findscu"), need::program("getscu")) else { return };
    let county = County::new();
    let everything = ["QueryRetrieveLevel=STUDY", "StudyInstanceUID"];
    let found = find(&county, "QH_CT01", "-S", &everything);
    assert_eq!(values(&found, "StudyInstanceUID"), [study_of("QH_CT01")]);
    let foreign = format!("StudyInstanceUID={}", study_of("NP_DR01"));
    assert!(find(&county, "WS_QH", "-S", &["QueryRetrieveLevel=STUDY", &foreign]).is_empty());
    assert_eq!(get(&county, "WS_QH", &["QueryRetrieveLevel=STUDY", &foreign]).len(), 0);
    assert_eq!(get(&county, "WS_COUNTY", &["QueryRetrieveLevel=STUDY", &foreign]).len(), 2);
}

/// Retrieves by getscu; the files it wrote.
fn get(county: &County, ae: &str, asked: &[&str]) -> Vec<PathBuf> {
    let folder = tempfile::tempdir_in(county.center.scratch()).expect("a temporary directory").keep();
    let mut getscu = Command::new("getscu");
    getscu.args(["-S", "+B", "-od"]).arg(&folder).args(keys(asked)).args(county.call(ae));
    run(&mut getscu);
    let mut files: Vec<_> = std::fs::read_dir(folder).expect("a folder").flatten().map(|e| e.path()).collect();
    files.sort();
    files
}

/// The samples of one device as they were sent and as they were received, by UID.
fn same_instances(ae: &str, received: &[PathBuf]) -> Vec<(PathBuf, PathBuf)> {
    let sent: Vec<PathBuf> = samples().into_iter().filter(|file| file.to_string_lossy().contains(ae)).collect();
    let (sent, received) = (by_uid(&sent), by_uid(received));
    assert_eq!(sent.keys().collect::<Vec<_>>(), received.keys().collect::<Vec<_>>());
    sent.into_values().zip(received.into_values()).collect()
}

pub fn assert_verbatim(ae: &str, received: &[PathBuf]) {
    for (sent, got) in same_instances(ae, received) {
        assert_eq!(value(&sent, "TransferSyntaxUID"), value(&got, "TransferSyntaxUID"));
        let (sent, got) = (std::fs::read(&sent).expect("a file"), std::fs::read(&got).expect("a file"));
        assert!(dataset(&sent) == dataset(&got), "not the bytes that were sent");
    }
}

/// JPEG-LS samples that came without compression have the pixels that dcmtk decodes.
fn assert_decoded(ae: &str, transfer_syntax: &str, scratch: &Path, received: &[PathBuf]) {
    for (sent, got) in same_instances(ae, received) {
        assert_eq!(value(&got, "TransferSyntaxUID").as_deref(), Some(transfer_syntax));
        assert_eq!(value(&sent, "PatientName"), value(&got, "PatientName"));
        let pixels = |file: &Path, as_name: &str| {
            let raw = tempfile::tempdir_in(scratch).expect("a temporary directory");
            let plain = raw.path().join(as_name);
            run(Command::new("dcmdjpls").arg(file).arg(&plain));
            run(Command::new("dcmdump").args(["-q", "+W"]).arg(raw.path()).arg(&plain));
            let dumped = std::fs::read_dir(raw.path()).expect("a folder").flatten().map(|entry| entry.path());
            let dumped = dumped.filter(|path| path.extension().is_some_and(|suffix| suffix == "raw"));
            dumped.map(|path| std::fs::read(path).expect("pixels")).collect::<Vec<_>>().concat()
        };
        let (expected, found) = (pixels(&sent, "sent"), pixels(&got, "got"));
        assert!(!expected.is_empty() && expected == found, "{}: other pixels", sent.display());
    }
}

#[test]
fn getscu_gets_every_image_decoded_where_it_takes_no_compression() {
    let (Some(_), Some(_)) = (need::program("getscu"), need::program("dcmdjpls")) else { return };
    let county = County::new();
    let ct = format!("StudyInstanceUID={}", study_of("QH_CT01"));
    let files = get(&county, "WS_COUNTY", &["QueryRetrieveLevel=STUDY", &ct]);
    assert_decoded("QH_CT01", EXPLICIT, county.center.scratch(), &files);
    let dr = format!("StudyInstanceUID={}", study_of("NP_DR01"));
    let files = get(&county, "WS_COUNTY", &["QueryRetrieveLevel=STUDY", &dr]);
    assert_decoded("NP_DR01", EXPLICIT, county.center.scratch(), &files);
    // A clip of colour frames: JPEG decodes a little differently everywhere, so only its shape is compared.
    let us = format!("StudyInstanceUID={}", study_of("DD_US01"));
    let files = get(&county, "WS_COUNTY", &["QueryRetrieveLevel=STUDY", &us]);
    for (sent, got) in same_instances("DD_US01", &files) {
        assert_eq!(value(&got, "PhotometricInterpretation").as_deref(), Some("YBR_FULL"));
        assert_eq!(value(&sent, "NumberOfFrames"), value(&got, "NumberOfFrames"));
    }
}

/// Moves by movescu; what it said.
fn move_to(county: &County, ae: &str, to: &str, asked: &[&str]) -> String {
    let mut movescu = Command::new("movescu");
    movescu.args(["-S", "-v", "-aem", to]).args(keys(asked)).args(county.call(ae));
    let output = movescu.output().expect("movescu runs");
    [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat()
}

#[test]
fn movescu_has_images_sent_to_a_workstation_as_they_are_stored() {
    let Some(_) = need::program("movescu") else { return };
    let county = County::new();
    let Some(receiver) = Receiver::start(county.port, &["+xa", "+B"]) else { return };
    for ae in ["QH_CT01", "NP_DR01", "DD_US01"] {
        let study = format!("StudyInstanceUID={}", study_of(ae));
        let said = move_to(&county, "WS_COUNTY", "WS_COUNTY", &["QueryRetrieveLevel=STUDY", &study]);
        assert!(said.contains("Received Final Move Response (Success)"), "{said}");
    }
    let received = receiver.files();
    assert_eq!(received.len(), samples().len());
    let of = |ae: &str| -> Vec<PathBuf> {
        let study = study_of(ae);
        received.iter().filter(|file| value(file, "StudyInstanceUID").as_ref() == Some(&study)).cloned().collect()
    };
    for ae in ["QH_CT01", "NP_DR01", "DD_US01"] {
        assert_verbatim(ae, &of(ae));
    }
}

#[test]
fn movescu_has_images_decoded_for_a_workstation_that_takes_no_compression() {
    let (Some(_), Some(_)) = (need::program("movescu"), need::program("dcmdjpls")) else { return };
    let county = County::new();
    let Some(receiver) = Receiver::start(county.port, &["+B"]) else { return };
    let study = format!("StudyInstanceUID={}", study_of("QH_CT01"));
    let said = move_to(&county, "WS_QH", "WS_QH", &["QueryRetrieveLevel=STUDY", &study]);
    assert!(said.contains("Received Final Move Response (Success)"), "{said}");
    assert_decoded("QH_CT01", EXPLICIT, county.center.scratch(), &receiver.files());
    // What another township's workstation may not have is not there for it.
    let before = receiver.files().len();
    let foreign = format!("StudyInstanceUID={}", study_of("NP_DR01"));
    let said = move_to(&county, "WS_QH", "WS_QH", &["QueryRetrieveLevel=STUDY", &foreign]);
    assert!(said.contains("Received Final Move Response (Success)"), "{said}");
    assert_eq!(receiver.files().len(), before);
}

#[test]
fn a_move_to_a_stranger_or_out_of_reach_is_refused() {
    let Some(_) = need::program("movescu") else { return };
    let county = County::new();
    let study = format!("StudyInstanceUID={}", study_of("QH_CT01"));
    let asked = ["QueryRetrieveLevel=STUDY", &study];
    let said = move_to(&county, "WS_COUNTY", "NOBODY", &asked);
    assert!(said.contains("MoveDestinationUnknown"), "{said}");
    let said = move_to(&county, "WS_COUNTY", "QH_CT01", &asked);
    assert!(said.contains("MoveDestinationUnknown"), "a device without an address: {said}");
    // Nobody listens there.
    let said = move_to(&county, "WS_COUNTY", "WS_COUNTY", &asked);
    assert!(said.contains("SubOperations") || said.contains("A702") || said.contains("a702"), "{said}");
}
