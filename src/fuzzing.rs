//! What untrusted bytes meet first, each parser behind one function: for the fuzzing harness (`tests/fuzz`), and for nothing
//! in the program.
//!
//! Each takes any bytes and returns; it panics only where a promise is broken.

use serde_json::Value;

use crate::dicom::{
    Composed, Header, Limits, Matching, PersonName, Piece, Plain, Repertoire, Tag, VR, Writing, file_meta, fuzzy,
    image_attrs, rewrite, search_forms, tags, time, to_json, uid, uids, walk_bytes, walk_data_set,
};
use crate::domain::NationalId;
use crate::ingest::fuzzing::rows;

pub use crate::dimse::fuzzing::{command, identifier, pdus};
pub use crate::pixels::fuzzing::frames;
pub use crate::web::fuzzing::{accept, parts};

/// A stored object: its walk, and everything that is made of a header.
pub fn header(bytes: &[u8]) {
    seen(file_meta(bytes));
    let small = Limits { value: 64, table: 128, total: 4096, depth: 4, elements: 64, fragments: 4, inflated: 4096 };
    if let Ok(header) = walk_bytes(bytes, &small) {
        is_json(&header);
    }
    let Ok(header) = walk_bytes(bytes, &Limits::default()) else { return };
    is_json(&header);
    let attrs = image_attrs(&header);
    assert!(attrs.is_none() || serde_json::to_string(&attrs).is_ok());
    rows(&header);
    if let Ok(written) = rewrite(&header, uids::EXPLICIT_VR_LITTLE_ENDIAN, None) {
        let pieces = written.before.iter().chain(&written.after);
        let bytes = |piece: &Piece| match piece {
            Piece::Bytes(bytes) => Some(bytes.clone()),
            Piece::Stored { .. } => None,
        };
        let pieces = pieces.map(bytes).collect::<Option<Vec<_>>>().map(|pieces| pieces.concat());
        if let Some(set) = pieces.filter(|set| !set.is_empty()) {
            let again = walk_bytes(&[written.file_meta, set].concat(), &Limits::default());
            assert!(again.is_ok(), "what was written anew cannot be read: {again:?}");
        }
    }
    for writing in Writing::ALL {
        is_json(&header.clone().read_as(Some(writing)));
    }
}

fn is_json(header: &Header) {
    let json = to_json(header, "/dicomweb/studies/1/series/2/instances/3");
    let parsed = serde_json::from_str::<Value>(&json);
    assert!(parsed.is_ok_and(|value| value.is_object()), "no JSON: {json}");
}

/// A message's data set, in each of the encodings it may claim.
pub fn data_set(bytes: &[u8]) {
    for syntax in [uids::IMPLICIT_VR_LITTLE_ENDIAN, uids::EXPLICIT_VR_LITTLE_ENDIAN, "1.2.840.10008.1.2.2", "1.2.3"] {
        let Ok(set) = walk_data_set(bytes, syntax, &Limits::message()) else { continue };
        for element in set.elements() {
            seen((set.text(element.tag), set.texts(element.tag), set.ints(element.tag), set.floats(element.tag)));
        }
    }
}

/// A line with what Specific Character Set declares, then text.
pub fn charset(bytes: &[u8]) {
    let at = bytes.iter().position(|&b| b == b'\n').unwrap_or(bytes.len());
    let (declared, text) = (&bytes[..at.min(200)], bytes.get(at + 1..).unwrap_or_default());
    let text = &text[..text.len().min(4000)];
    let element =
        |tag: [u8; 4], vr: &[u8; 2], value: &[u8]| [&tag[..], vr, &(value.len() as u16).to_le_bytes(), value].concat();
    for vr in [b"PN", b"LO", b"ST"] {
        let set = [element([8, 0, 5, 0], b"CS", declared), element([0x10, 0, 0x10, 0], vr, text)].concat();
        let Ok(header) = walk_bytes(&set, &Limits::default()) else { panic!("two sound elements") };
        for said in [None, Some(Writing::Utf8), Some(Writing::Gb18030), Some(Writing::Latin1)] {
            let header = header.clone().read_as(said);
            let read = header.dataset.text(tags::PATIENT_NAME);
            let plain = text.is_ascii() && !text.contains(&0x1B);
            let expected = String::from_utf8_lossy(text);
            let trimmed = read.as_deref().unwrap_or_default();
            assert!(!plain || expected.contains(trimmed), "plain ASCII is what it is: {trimmed:?}");
            is_json(&header);
        }
    }
}

/// Text that became Unicode: names, dates, keys of a search.
pub fn text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4000)]);
    let name = PersonName::parse(&text);
    seen((name.display(), search_forms(&text)));
    seen(fuzzy(&text));
    for vr in [VR::UI, VR::DA, VR::TM, VR::DT, VR::IS, VR::CS, VR::PN, VR::LO] {
        if let (Ok(mut first), Ok(second)) = (Matching::parse(vr, &text), Matching::parse(vr, &text)) {
            first.also(second);
        }
    }
    seen((time::date(&text), time::time(&text), time::offset_minutes(&text), time::date_time(&text, 480)));
    seen((time::instant(&text, &text, 480), uid::is_valid(&text), NationalId::only_one([&*text])));
}

/// A header as DICOM JSON, made into a data set and read again.
pub fn dicom_json(bytes: &[u8]) {
    let Ok(Value::Object(attributes)) = serde_json::from_slice(bytes) else { return };
    let mut composed = Composed::default();
    for (name, attribute) in &attributes {
        if let Ok(number) = u32::from_str_radix(name, 16) {
            composed.json(Tag((number >> 16) as u16, number as u16), attribute);
        }
    }
    for (form, repertoire) in [Plain::Explicit, Plain::Implicit].into_iter().zip(Repertoire::ALL) {
        let bytes = composed.encode(form, repertoire);
        seen(walk_data_set(&bytes, form.transfer_syntax(), &Limits::message()));
    }
}

/// What comes of it does not matter, only that it comes.
pub(crate) fn seen<T>(_: T) {}
