//! What the spool keeps of one object, and the header block that says so on disk.
//!
//! A record is one header block of [`BLOCK`] bytes and then the payload, a verbatim Part-10 file, padded to the next
//! block. The header is complete only when the payload is: it carries the payload's length and checksums, so a header
//! whose payload does not match is a torn record and never surfaces.

use serde::{Deserialize, Serialize};

use crate::domain::{DeviceId, Micros};

/// Alignment of every write: what direct I/O asks for on any disk in use.
pub const BLOCK: usize = 4096;

const MAGIC: &[u8; 8] = b"YYSPOOL1";
const FIXED: usize = 92;

/// Order in which records were finished. Strictly increasing, never reused, kept over restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub u64);

impl Position {
    /// Before the first record.
    pub const START: Position = Position(0);
}

/// One file of the spool. Never reused for other content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SegmentId(pub u64);

impl std::fmt::Display for SegmentId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Where an object came from and what its sender called it. None of it is checked against the data set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordMeta {
    /// When its first byte arrived.
    pub received: Micros,
    pub calling_ae: String,
    pub called_ae: String,
    /// Address of the sender, without port.
    pub peer: String,
    /// The registered device, if the sender is one.
    pub device: Option<DeviceId>,
    /// Affected SOP Class UID of the command (PS3.7 9.3.1.1).
    pub sop_class: String,
    /// Affected SOP Instance UID of the command; may be empty or wrong, as sent.
    pub sop_instance: String,
    /// The transfer syntax negotiated for the presentation context.
    pub transfer_syntax: String,
}

/// One durable object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub position: Position,
    pub segment: SegmentId,
    /// Byte offset of the Part-10 file within the segment.
    pub offset: u64,
    /// Length of the Part-10 file.
    pub length: u64,
    /// Where the data set begins within the Part-10 file.
    pub dataset_offset: u32,
    /// CRC-32 (IEEE, as ZIP has it) of the Part-10 file.
    pub crc32: u32,
    /// SHA-256 of the data set alone: two senders' file meta differ, what they sent may not.
    pub sha256: [u8; 32],
    pub meta: RecordMeta,
}

impl Record {
    /// Where the header block of this record begins in its segment.
    pub(super) fn header_offset(&self) -> u64 {
        self.offset - BLOCK as u64
    }

    /// Where the next record may begin.
    pub(super) fn end(&self) -> u64 {
        self.offset + padded(self.length)
    }
}

/// `length` rounded up to whole blocks.
pub(super) fn padded(length: u64) -> u64 {
    length.next_multiple_of(BLOCK as u64)
}

/// Secret of one spool, so that no object can carry a forged header in its own bytes.
pub(super) type SpoolKey = [u8; 16];

/// Fills `block` with the header of `record`.
pub(super) fn encode_header(record: &Record, key: &SpoolKey, block: &mut [u8]) -> Result<(), serde_json::Error> {
    let meta = serde_json::to_vec(&record.meta)?;
    if FIXED + meta.len() + 4 > BLOCK {
        return Err(serde::ser::Error::custom("record metadata does not fit its block"));
    }
    block[..BLOCK].fill(0);
    block[0..8].copy_from_slice(MAGIC);
    block[8..24].copy_from_slice(key);
    block[24..32].copy_from_slice(&record.segment.0.to_le_bytes());
    block[32..40].copy_from_slice(&record.position.0.to_le_bytes());
    block[40..48].copy_from_slice(&record.length.to_le_bytes());
    block[48..52].copy_from_slice(&record.dataset_offset.to_le_bytes());
    block[52..56].copy_from_slice(&record.crc32.to_le_bytes());
    block[56..88].copy_from_slice(&record.sha256);
    block[88..92].copy_from_slice(&(meta.len() as u32).to_le_bytes());
    block[FIXED..FIXED + meta.len()].copy_from_slice(&meta);
    let crc = crc32fast::hash(&block[..FIXED + meta.len()]);
    block[FIXED + meta.len()..FIXED + meta.len() + 4].copy_from_slice(&crc.to_le_bytes());
    Ok(())
}

/// Reads the header at `header_offset` of `segment`; `None` if there is none that belongs here.
pub(super) fn decode_header(block: &[u8], key: &SpoolKey, segment: SegmentId, header_offset: u64) -> Option<Record> {
    if block.len() < BLOCK || &block[0..8] != MAGIC || &block[8..24] != key {
        return None;
    }
    let u64_at = |at: usize| block[at..at + 8].try_into().map(u64::from_le_bytes).ok();
    let u32_at = |at: usize| block[at..at + 4].try_into().map(u32::from_le_bytes).ok();
    let meta_end = FIXED.checked_add(u32_at(88)? as usize).filter(|end| end + 4 <= BLOCK)?;
    if u32_at(meta_end)? != crc32fast::hash(&block[..meta_end]) || u64_at(24)? != segment.0 {
        return None;
    }
    Some(Record {
        position: Position(u64_at(32)?),
        segment,
        offset: header_offset + BLOCK as u64,
        length: u64_at(40)?,
        dataset_offset: u32_at(48)?,
        crc32: u32_at(52)?,
        sha256: block[56..88].try_into().ok()?,
        meta: serde_json::from_slice(&block[FIXED..meta_end]).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            position: Position(7),
            segment: SegmentId(3),
            offset: 3 * BLOCK as u64,
            length: 5000,
            dataset_offset: 400,
            crc32: 0xdead_beef,
            sha256: [9; 32],
            meta: RecordMeta {
                received: Micros(1),
                calling_ae: "US1".into(),
                called_ae: "YUNYING".into(),
                peer: "127.0.0.1".into(),
                device: Some(DeviceId(4)),
                sop_class: "1.2".into(),
                sop_instance: "1.2.3".into(),
                transfer_syntax: "1.2.840.10008.1.2".into(),
            },
        }
    }

    #[test]
    fn a_header_comes_back_as_written_and_only_where_it_belongs() {
        let mut block = vec![0xaa; BLOCK];
        encode_header(&record(), &[1; 16], &mut block).unwrap();
        let at = record().header_offset();
        assert_eq!(decode_header(&block, &[1; 16], SegmentId(3), at), Some(record()));
        assert_eq!(decode_header(&block, &[2; 16], SegmentId(3), at), None);
        assert_eq!(decode_header(&block, &[1; 16], SegmentId(4), at), None);
        for flipped in [0, 30, 45, 60, 90, 100] {
            block[flipped] ^= 1;
            assert_eq!(decode_header(&block, &[1; 16], SegmentId(3), at), None, "byte {flipped}");
            block[flipped] ^= 1;
        }
    }
}
