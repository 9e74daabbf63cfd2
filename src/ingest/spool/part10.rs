//! Preamble and file meta information of a received object (PS3.10 section 7.1).
//!
//! Made from what the association negotiated and the command said, so the data set's bytes follow untouched.

use super::RecordMeta;
use crate::ingest::{IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION};

/// The bytes that go in front of the data set to make a Part-10 file.
pub(super) fn preamble_and_meta(meta: &RecordMeta) -> Vec<u8> {
    let mut group = Vec::with_capacity(400);
    other_byte(&mut group, 0x0001, &[0x00, 0x01]);
    short(&mut group, 0x0002, b"UI", uid(&meta.sop_class));
    short(&mut group, 0x0003, b"UI", uid(&meta.sop_instance));
    short(&mut group, 0x0010, b"UI", uid(&meta.transfer_syntax));
    short(&mut group, 0x0012, b"UI", IMPLEMENTATION_CLASS_UID);
    short(&mut group, 0x0013, b"SH", IMPLEMENTATION_VERSION);
    short(&mut group, 0x0016, b"AE", truncated(&meta.calling_ae, 16));

    let mut file = vec![0; 128];
    file.extend_from_slice(b"DICM");
    file.extend_from_slice(&[0x02, 0x00, 0x00, 0x00, b'U', b'L', 0x04, 0x00]);
    file.extend_from_slice(&(group.len() as u32).to_le_bytes());
    file.append(&mut group);
    file
}

/// An element of group 0002 with a two-byte length; `value` is at most 64 bytes.
fn short(out: &mut Vec<u8>, element: u16, vr: &[u8; 2], value: &str) {
    let padding = if vr == b"UI" { 0 } else { b' ' };
    out.extend_from_slice(&[0x02, 0x00]);
    out.extend_from_slice(&element.to_le_bytes());
    out.extend_from_slice(vr);
    out.extend_from_slice(&(value.len().next_multiple_of(2) as u16).to_le_bytes());
    out.extend_from_slice(value.as_bytes());
    if !value.len().is_multiple_of(2) {
        out.push(padding);
    }
}

fn other_byte(out: &mut Vec<u8>, element: u16, value: &[u8]) {
    out.extend_from_slice(&[0x02, 0x00]);
    out.extend_from_slice(&element.to_le_bytes());
    out.extend_from_slice(b"OB\0\0");
    out.extend_from_slice(&(value.len() as u32).to_le_bytes());
    out.extend_from_slice(value);
}

/// A peer may send anything as a UID; only what can stand in a UI element goes into the meta group.
fn uid(value: &str) -> &str {
    let fits = value.len() <= 64 && value.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if fits { value } else { "" }
}

fn truncated(value: &str, limit: usize) -> &str {
    let end = (0..=limit.min(value.len())).rev().find(|&at| value.is_char_boundary(at)).unwrap_or(0);
    &value[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Micros;

    fn meta(sop_instance: &str) -> RecordMeta {
        RecordMeta {
            received: Micros(0),
            calling_ae: "DR2".into(),
            called_ae: "YUNYING".into(),
            peer: "127.0.0.1".into(),
            device: None,
            sop_class: "1.2.840.10008.5.1.4.1.1.1.1".into(),
            sop_instance: sop_instance.into(),
            transfer_syntax: "1.2.840.10008.1.2.1".into(),
        }
    }

    #[test]
    fn another_parser_reads_the_file_meta() {
        let bytes = preamble_and_meta(&meta("1.2.3"));
        let table = dicom_object::FileMetaTable::from_reader(&bytes[128..]).unwrap();
        assert_eq!(table.media_storage_sop_class_uid(), "1.2.840.10008.5.1.4.1.1.1.1");
        assert_eq!(table.media_storage_sop_instance_uid(), "1.2.3");
        assert_eq!(table.transfer_syntax(), "1.2.840.10008.1.2.1");
        assert_eq!(table.implementation_class_uid(), IMPLEMENTATION_CLASS_UID);
        assert_eq!(table.source_application_entity_title.as_deref().map(str::trim_end), Some("DR2"));
        assert_eq!(table.information_group_length as usize, bytes.len() - 128 - 4 - 12);
    }

    #[test]
    fn a_uid_that_is_none_is_left_empty() {
        for wrong in ["../../etc/passwd", "1.2 3", &"1".repeat(65)] {
            let bytes = preamble_and_meta(&meta(wrong));
            let table = dicom_object::FileMetaTable::from_reader(&bytes[128..]).unwrap();
            assert_eq!(table.media_storage_sop_instance_uid(), "");
        }
    }
}
