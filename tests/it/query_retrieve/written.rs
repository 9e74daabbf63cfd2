//! Names as devices really write them, whatever they declare, are right wherever they are shown: C-FIND, QIDO-RS, metadata
//! and the application's list; where bytes can be read two ways, as it was said of the device.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::dcmtk::{find, values};
use super::{County, run};
use crate::center::{Center, YUNYING};
use crate::intake::{Caller, dataset, wait};
use crate::need;

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";

/// What one device sends.
struct Written {
    /// As `yunying device files` is told; empty: nothing.
    said: &'static str,
    declares: &'static str,
    name: &'static [u8],
    reads: &'static str,
}

const fn written(said: &'static str, declares: &'static str, name: &'static [u8], reads: &'static str) -> Written {
    Written { said, declares, name, reads }
}

const WANG_ZHE: &[u8] = b"\xCD\xF5\x86\xB4";
const ESCAPED: &[u8] = b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=";
const BARE: &[u8] = b"Zhang^XiaoDong=\xd5\xc5^\xd0\xa1\xb6\xab=";
const ZHANG: &str = "Zhang^XiaoDong=张^小东";
/// 毛隆, and ë¡ in UTF-8.
const MAO_LONG: &[u8] = b"\xC3\xAB\xC2\xA1";

const FILES: [Written; 13] = [
    written("", "GB18030", WANG_ZHE, "王喆"),
    written("", "GBK", WANG_ZHE, "王喆"),
    written("", "GB2312", b"\xCD\xF5\xCE\xB0", "王伟"),
    written("", "\\ISO 2022 IR 58", ESCAPED, ZHANG),
    written("", "\\ISO 2022 IR 58", BARE, ZHANG),
    written("", "ISO_IR 192", "Wang^Wei=王^伟".as_bytes(), "Wang^Wei=王^伟"),
    written("", "ISO_IR 100", WANG_ZHE, "王喆"),
    written("", "", WANG_ZHE, "王喆"),
    written("", "", "王^伟".as_bytes(), "王^伟"),
    written("utf-8", "GB18030", "王伟".as_bytes(), "王伟"),
    written("gbk", "ISO_IR 192", MAO_LONG, "毛隆"),
    written("gb18030", "\\ISO 2022 IR 58", ESCAPED, ZHANG),
    written("latin-1", "", b"M\xFCller^\xD6\xC4", "Müller^ÖÄ"),
];

#[test]
fn a_name_is_right_wherever_it_is_shown_in_whatever_its_device_writes() {
    let Some(_) = need::program("findscu") else { return };
    let mut center = Center::new();
    center.add_site("QH", "清河镇卫生院", "township");
    center.add_device("WS_QH", "QH", "");
    for (number, written) in FILES.iter().enumerate() {
        let ae = format!("CT{number:02}");
        center.add_device(&ae, "QH", "CT");
        if !written.said.is_empty() {
            center.command(&["device", "files", "--ae", &ae, "--charset", written.said], "");
        }
    }
    let listed = String::from_utf8(center.command(&["device", "list"], "").stdout).expect("text");
    assert!(listed.contains("CT10\tQH\tCT\tany\t-\t-\tgb18030\t-\t-\n"), "{listed}");
    center.start();
    for (number, written) in FILES.iter().enumerate() {
        send(&center, number, &file(number, written));
    }
    let caller = Caller::integrator(&center, &[]);
    let cases = wait("every file to be a case", || {
        let list = caller.json(&center, "/api/v1/cases?tab=open");
        list["cases"].as_array().filter(|cases| cases.len() == FILES.len()).cloned()
    });
    let county = County { center, port: 0 };
    for (number, written) in FILES.iter().enumerate() {
        let of_it = format!("PatientID=P{number:02}");
        let (declares, reads) = (written.declares, written.reads);
        let searched = caller.json(&county.center, &format!("/dicomweb/studies?{of_it}"));
        assert_eq!(in_json(&searched[0]), reads, "QIDO-RS, {declares}");
        let metadata = caller.json(&county.center, &format!("/dicomweb/studies/{}/metadata", study(number)));
        assert_eq!(in_json(&metadata[0]), reads, "metadata, {declares}");
        let found = find(&county, "WS_QH", "-S", &["QueryRetrieveLevel=STUDY", "PatientName", &of_it]);
        // dcmdump prints what was sent to it, trailing delimiters as they are.
        let found: Vec<String> = values(&found, "PatientName").iter().map(|v| v.trim_end_matches('=').into()).collect();
        assert_eq!(found, [reads], "C-FIND, {declares}");
        let shown = reads.split('=').next_back().unwrap_or_default();
        let shown = match shown.is_ascii() || shown.starts_with('M') {
            true => shown.replace('^', " "),
            false => shown.replace('^', ""),
        };
        let id = format!("P{number:02}");
        let row = cases.iter().find(|case| case["patient"]["pid"] == id.as_str()).expect("its case");
        assert_eq!(row["patient"]["name"], shown.as_str(), "the list, {declares}");
    }
    let stored = caller.get_as(
        &county.center,
        &format!("/dicomweb/studies/{0}/series/{0}.1/instances/{0}.1.1", study(9)),
        "application/dicom; transfer-syntax=*",
    );
    assert_eq!(dataset(&stored.body), dataset(&file(9, &FILES[9])), "the bytes are what was sent");
}

fn in_json(found: &Value) -> String {
    let value = &found["00100010"]["Value"][0];
    let groups = ["Alphabetic", "Ideographic", "Phonetic"].map(|group| value[group].as_str().unwrap_or_default());
    groups.join("=").trim_end_matches('=').to_owned()
}

fn study(number: usize) -> String {
    format!("1.2.826.0.1.3680043.10.1000.{}", number + 1)
}

/// A Part-10 file of one CT slice without pixels.
fn file(number: usize, written: &Written) -> Vec<u8> {
    let study = study(number);
    let instance = format!("{study}.1.1");
    let mut meta = Vec::new();
    element(&mut meta, 0x0002, 0x0002, b"UI", CT.as_bytes());
    element(&mut meta, 0x0002, 0x0003, b"UI", instance.as_bytes());
    element(&mut meta, 0x0002, 0x0010, b"UI", b"1.2.840.10008.1.2.1");
    let mut out = [&[0; 128][..], b"DICM"].concat();
    element(&mut out, 0x0002, 0x0000, b"UL", &(meta.len() as u32).to_le_bytes());
    out.extend(meta);
    if !written.declares.is_empty() {
        element(&mut out, 0x0008, 0x0005, b"CS", written.declares.as_bytes());
    }
    element(&mut out, 0x0008, 0x0016, b"UI", CT.as_bytes());
    element(&mut out, 0x0008, 0x0018, b"UI", instance.as_bytes());
    element(&mut out, 0x0008, 0x0060, b"CS", b"CT");
    element(&mut out, 0x0010, 0x0010, b"PN", written.name);
    element(&mut out, 0x0010, 0x0020, b"LO", format!("P{number:02}").as_bytes());
    element(&mut out, 0x0020, 0x000d, b"UI", study.as_bytes());
    element(&mut out, 0x0020, 0x000e, b"UI", format!("{study}.1").as_bytes());
    out
}

fn element(out: &mut Vec<u8>, group: u16, number: u16, vr: &[u8; 2], value: &[u8]) {
    out.extend_from_slice(&group.to_le_bytes());
    out.extend_from_slice(&number.to_le_bytes());
    out.extend_from_slice(vr);
    out.extend_from_slice(&(value.len().next_multiple_of(2) as u16).to_le_bytes());
    out.extend_from_slice(value);
    if !value.len().is_multiple_of(2) {
        out.push(if vr == b"UI" { 0 } else { b' ' });
    }
}

fn send(center: &Center, number: usize, file: &[u8]) {
    let path = center.scratch().join(format!("{number}.dcm"));
    std::fs::write(&path, file).expect("a file is written");
    let (ae, to) = (format!("CT{number:02}"), format!("YUNYING@{}", center.dimse));
    run(Command::new(YUNYING).args(["send", "--from", &ae, "--to", &to]).arg(Path::new(&path)));
}
