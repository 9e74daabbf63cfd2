//! The few ZIP records a pack needs: stored entries, always with ZIP64 extras (APPNOTE.TXT 4.3, 4.5.3).
//!
//! Lengths and CRC-32 are known before an entry's bytes, so a pack is written front to back without going back to
//! patch a header. Pure: bytes out, no I/O.

use jiff::{Timestamp, tz::TimeZone};

use crate::domain::Micros;

/// Version 4.5 of the format: the first with ZIP64.
const VERSION: u16 = 45;
/// In a 32-bit field: "look into the ZIP64 extra".
const IN_ZIP64: u32 = u32::MAX;

/// What the local header says of an entry, and the central directory repeats.
#[derive(Debug, Clone)]
pub struct Entry {
    /// ASCII, chosen by us; never longer than 65,535 bytes.
    pub name: String,
    pub length: u64,
    pub crc32: u32,
    pub modified: Micros,
    /// Where the local header begins, from the start of the file.
    pub header_offset: u64,
}

impl Entry {
    /// Where the entry's bytes begin.
    pub fn data_offset(&self) -> u64 {
        self.header_offset + 30 + self.name.len() as u64 + 20
    }
}

/// Local file header (4.3.7) with both sizes in the ZIP64 extra.
pub fn local_header(entry: &Entry) -> Vec<u8> {
    let mut out = Vec::with_capacity(50 + entry.name.len());
    put32(&mut out, 0x0403_4b50);
    put16(&mut out, VERSION);
    put_common(&mut out, entry);
    put16(&mut out, 20);
    out.extend_from_slice(entry.name.as_bytes());
    put16(&mut out, 0x0001);
    put16(&mut out, 16);
    put64(&mut out, entry.length);
    put64(&mut out, entry.length);
    out
}

/// Central directory, its ZIP64 end record and locator, and the end record (4.3.12 to 4.3.16).
pub fn directory(entries: &[Entry], directory_offset: u64) -> Vec<u8> {
    let mut out = Vec::new();
    for entry in entries {
        central_header(&mut out, entry);
    }
    let length = out.len() as u64;
    put_zip64_end(&mut out, entries.len() as u64, length, directory_offset);
    put_end(&mut out);
    out
}

fn central_header(out: &mut Vec<u8>, entry: &Entry) {
    put32(out, 0x0201_4b50);
    put16(out, VERSION);
    put16(out, VERSION);
    put_common(out, entry);
    put16(out, 28); // extra
    put16(out, 0); // comment
    put16(out, 0); // disk
    put16(out, 0); // internal attributes
    put32(out, 0); // external attributes
    put32(out, IN_ZIP64);
    out.extend_from_slice(entry.name.as_bytes());
    put16(out, 0x0001);
    put16(out, 24);
    put64(out, entry.length);
    put64(out, entry.length);
    put64(out, entry.header_offset);
}

fn put_zip64_end(out: &mut Vec<u8>, entries: u64, directory_length: u64, directory_offset: u64) {
    put32(out, 0x0606_4b50);
    put64(out, 44);
    put16(out, VERSION);
    put16(out, VERSION);
    put32(out, 0);
    put32(out, 0);
    put64(out, entries);
    put64(out, entries);
    put64(out, directory_length);
    put64(out, directory_offset);
    put32(out, 0x0706_4b50);
    put32(out, 0);
    put64(out, directory_offset + directory_length);
    put32(out, 1);
}

fn put_end(out: &mut Vec<u8>) {
    put32(out, 0x0605_4b50);
    put16(out, u16::MAX);
    put16(out, u16::MAX);
    put16(out, u16::MAX);
    put16(out, u16::MAX);
    put32(out, IN_ZIP64);
    put32(out, IN_ZIP64);
    put16(out, 0);
}

/// The fields local and central header share, from the flags to the length of the name.
fn put_common(out: &mut Vec<u8>, entry: &Entry) {
    let (date, time) = dos_time(entry.modified);
    put16(out, 0); // flags
    put16(out, 0); // stored
    put16(out, time);
    put16(out, date);
    put32(out, entry.crc32);
    put32(out, IN_ZIP64);
    put32(out, IN_ZIP64);
    put16(out, u16::try_from(entry.name.len()).unwrap_or(u16::MAX));
}

/// MS-DOS date and time, in UTC; 1980-01-01 for what it cannot say.
fn dos_time(at: Micros) -> (u16, u16) {
    const EPOCH: (u16, u16) = (0x21, 0);
    let Ok(timestamp) = Timestamp::from_microsecond(at.0) else { return EPOCH };
    let time = TimeZone::UTC.to_datetime(timestamp);
    if !(1980..=2107).contains(&time.year()) {
        return EPOCH;
    }
    let years = (time.year() - 1980) as u16;
    let date = (years << 9) | ((time.month() as u16) << 5) | time.day() as u16;
    let half_seconds = time.second() as u16 / 2;
    (date, ((time.hour() as u16) << 11) | ((time.minute() as u16) << 5) | half_seconds)
}

fn put16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_says_where_its_bytes_begin() {
        let entry = Entry { name: "000001.dcm".into(), length: 3, crc32: 7, modified: Micros(0), header_offset: 1_000 };
        assert_eq!(entry.data_offset(), 1_000 + local_header(&entry).len() as u64);
    }

    #[test]
    fn times_outside_of_what_dos_can_say_become_its_epoch() {
        assert_eq!(dos_time(Micros(0)), (0x21, 0));
        assert_eq!(dos_time(Micros(i64::MAX)), (0x21, 0));
        // 2026-11-22 02:30:10 UTC
        assert_eq!(
            dos_time(Micros::from_seconds(1_795_314_610)),
            ((46 << 9) | (11 << 5) | 22, (2 << 11) | (30 << 5) | 5)
        );
    }
}
