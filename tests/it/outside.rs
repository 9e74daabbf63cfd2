//! Somebody else's clients against a center: a DICOMweb library and odd DICOM associations, told right from wrong by pydicom.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::center::{Center, YUNYING};
use crate::intake::{Caller, check, dataset, wait};
use crate::need;

/// Chinese and Japanese names in two character sets, a series of three, two frames of a palette, lossless JPEG and JPEG 2000,
/// Implicit VR, frames of single bits that end inside a byte and coded ones, and Big Endian with long private values.
const FILES: [&str; 13] = [
    "derived/charset/gb18030_three_component.dcm",
    "derived/charset/utf8_three_component.dcm",
    "derived/charset/utf8_japanese_korean_mix.dcm",
    "dcm_qa_ct/GE/01.dcm",
    "dcm_qa_ct/GE/02.dcm",
    "dcm_qa_ct/GE/03.dcm",
    "pydicom-data/OBXXXX1A_rle_2frame.dcm",
    "nema-wg04/JPLL/MR1_JPLL",
    "nema-wg04/J2KR/CT1_J2KR",
    "studyforrest-t1/N2D_0100.dcm",
    "highdicom/test_files/seg_image_sm_control.dcm",
    "pydicom-data/liver_j2k.dcm",
    "dcm_qa_ts/3.dcm",
];

/// A center of two sites; the device PYNET stands in the first.
fn center() -> Center {
    let mut center = Center::new();
    center.add_site("QH", "清河镇卫生院", "township");
    center.add_site("NP", "南坪镇卫生院", "township");
    center.add_device("PYNET", "QH", "CT");
    center.start();
    center
}

fn python(python: &Path, script: &str, arguments: &[String]) -> String {
    let output = need::script(python, script).args(arguments).output().expect("python runs");
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script}: {complained}\n{said}");
    said.into_owned()
}

/// Waits until as many instances are indexed.
fn indexed(center: &Center, caller: &Caller, count: usize) -> Vec<Value> {
    wait("every instance to be indexed", || {
        let found = caller.json(center, "/dicomweb/instances");
        let found = found.as_array().expect("a list").clone();
        (found.len() >= count).then_some(found)
    })
}

#[test]
fn another_dicomweb_client_finds_and_reads_what_was_sent() {
    let Some(interpreter) = need::python() else { return };
    let Some(root) = need::shared_dicom() else { return };
    let center = center();
    let (own, other) =
        (Caller::integrator(&center, &["--site", "QH"]), Caller::of_role(&center, "clinician", &["--site", "NP"]));
    let files: Vec<PathBuf> = FILES.iter().map(|file| root.join(file)).collect();
    let to = format!("YUNYING@{}", center.dimse);
    // Verbatim, so that the files are what was sent.
    let sent = Command::new(YUNYING).args(["send", "--from", "PYNET", "--to", &to]).args(&files).output();
    let sent = sent.expect("yunying send runs");
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stdout));
    indexed(&center, &own, files.len());
    let mut arguments = vec![format!("http://{}/dicomweb", center.http), own.token, other.token];
    arguments.extend(files.iter().map(|file| file.to_string_lossy().into_owned()));
    let said = python(&interpreter, "outside_web.py", &arguments);
    println!("dicomweb-client against pydicom: {} checks", said.lines().filter(|line| line.ends_with(": ok")).count());
    check(&center);
}

#[test]
fn odd_associations_are_answered_as_the_standard_says_and_store_every_byte() {
    let Some(interpreter) = need::python() else { return };
    let Some(root) = need::shared_dicom() else { return };
    let Some(echoscu) = need::program("echoscu") else { return };
    let center = center();
    let caller = Caller::integrator(&center, &[]);
    let file = root.join("dcm_qa_ct/GE/01.dcm").to_string_lossy().into_owned();
    let said = python(&interpreter, "outside_dimse.py", &[center.dimse.to_string(), file]);
    let acknowledged: BTreeMap<String, String> = said
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"))
        .map(|stored| ["uid", "sha256"].map(|key| stored[key].as_str().unwrap_or_default().to_owned()))
        .map(|[uid, hash]| (uid, hash))
        .collect();
    assert!(acknowledged.len() >= 12, "only {} objects were stored", acknowledged.len());
    let found = indexed(&center, &caller, acknowledged.len());
    let stored: BTreeMap<String, String> = found
        .iter()
        .map(|instance| {
            let [study, series, sop] = ["0020000D", "0020000E", "00080018"]
                .map(|tag| instance[tag]["Value"][0].as_str().expect("a UID").to_owned());
            let path = format!("/dicomweb/studies/{study}/series/{series}/instances/{sop}");
            let accept = "application/dicom; transfer-syntax=*";
            let answer = caller.get_as(&center, &path, accept);
            assert_eq!(answer.status, 200, "{}", answer.text());
            let hash = Sha256::digest(dataset(&answer.body));
            (sop, hash.iter().map(|byte| format!("{byte:02x}")).collect())
        })
        .collect();
    assert_eq!(stored, acknowledged, "what was acknowledged is stored to the byte, and nothing else");
    for (calling, welcome) in [("PYNET", true), ("STRANGER", false)] {
        let mut echo = Command::new(&echoscu);
        echo.args(["-aet", calling, "-aec", "YUNYING"]);
        echo.args([center.dimse.ip().to_string(), center.dimse.port().to_string()]);
        let output = echo.output().expect("echoscu runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), welcome, "{calling}: {said}");
        assert!(welcome || said.contains("Calling AE Title Not Recognized"), "{said}");
    }
    println!("pynetdicom: {} objects stored to the byte", acknowledged.len());
    check(&center);
}
