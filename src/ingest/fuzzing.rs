//! See [`crate::fuzzing`].

use super::describe::describe;
use super::spool::{Position, Record, RecordMeta, SegmentId};
use crate::dicom::{Header, tags};
use crate::domain::Micros;

/// Makes rows of a header, as of an object that was announced as what it says it is.
pub fn rows(header: &Header) {
    let said = |tag| header.dataset.uid(tag).unwrap_or_default().to_owned();
    let meta = RecordMeta {
        received: Micros(0),
        calling_ae: "A".into(),
        called_ae: "B".into(),
        peer: String::new(),
        device: None,
        sop_class: said(tags::SOP_CLASS_UID),
        sop_instance: said(tags::SOP_INSTANCE_UID),
        transfer_syntax: header.transfer_syntax.clone(),
    };
    let record = Record {
        position: Position(1),
        segment: SegmentId(1),
        offset: 0,
        length: 0,
        dataset_offset: 0,
        crc32: 0,
        sha256: [0; 32],
        meta,
    };
    if let Ok(described) = describe(header, &record, 480) {
        let texts = [&described.patient.name, &described.study.description, &described.question];
        assert!(texts.iter().all(|text| !text.contains('\0')), "PostgreSQL refuses NUL");
    }
}
