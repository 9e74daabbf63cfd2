//! Finding the records of a spool on disk: at start, and read-only for `yunying check`.
//!
//! A file is scanned block by block; a header counts only if it was written by this spool for this segment and its
//! payload has the checksum it says. Everything else is what a kill or a power cut left and is passed over.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::SpoolError;
use super::buffer::AlignedBuf;
use super::disk::{Disk, DiskFile, OsDisk};
use super::record::{BLOCK, Record, SegmentId, SpoolKey, decode_header};

const STATE_FILE: &str = "state";
const SCAN_BUFFER: usize = 1 << 20;

/// The next numbers to give out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    pub position: u64,
    pub segment: u64,
}

#[derive(Serialize, Deserialize)]
struct StateFile {
    key: String,
    position: u64,
    segment: u64,
}

pub(super) struct Recovered {
    pub key: SpoolKey,
    pub state: State,
    /// In order of position.
    pub records: Vec<Record>,
}

/// What [`inspect`] found.
#[derive(Debug, Default)]
pub struct Inspection {
    /// Complete records in order of position; their payloads have the checksum they claim.
    pub records: Vec<Record>,
    /// Headers whose payload does not match: torn by a kill, or damaged since.
    pub mismatched: Vec<Record>,
}

pub(super) fn file_name(segment: SegmentId) -> String {
    format!("{segment}.seg")
}

fn segment_of(name: &str) -> Option<SegmentId> {
    let digits = name.strip_suffix(".seg").filter(|digits| digits.len() == 16)?;
    u64::from_str_radix(digits, 16).ok().map(SegmentId)
}

/// Reads every record of the spool in `dir` and changes nothing. The spool may be open elsewhere.
pub fn inspect(dir: &Path) -> Result<Inspection, SpoolError> {
    let disk = OsDisk;
    let mut found = Inspection::default();
    let Some((key, _)) = read_state(&disk, dir)? else { return Ok(found) };
    for name in disk.list(dir)? {
        let Some(segment) = segment_of(&name) else { continue };
        let file = match disk.open(&dir.join(&name)) {
            Ok(file) => file,
            // Released since it was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        let scanned = scan(&*file, &key, segment)?;
        found.records.extend(scanned.records);
        found.mismatched.extend(scanned.mismatched);
    }
    found.records.sort_by_key(|record| record.position);
    Ok(found)
}

/// Finds every complete record and makes it durable; removes files that hold none and gives back their unused space.
pub(super) fn recover(disk: &dyn Disk, dir: &Path) -> Result<Recovered, SpoolError> {
    let (key, mut state) = match read_state(disk, dir)? {
        Some(known) => known,
        None => {
            let fresh = (rand::random::<SpoolKey>(), State { position: 1, segment: 1 });
            write_state(disk, dir, &fresh.0, fresh.1)?;
            fresh
        }
    };
    let mut records = Vec::new();
    let segments: BTreeSet<SegmentId> = disk.list(dir)?.iter().filter_map(|name| segment_of(name)).collect();
    for segment in segments {
        state.segment = state.segment.max(segment.0 + 1);
        let path = dir.join(file_name(segment));
        let file = disk.open(&path)?;
        let found = scan(&*file, &key, segment)?.records;
        let Some(end) = found.iter().map(Record::end).max() else {
            disk.remove(&path)?;
            continue;
        };
        // A kill may have left records that are complete but were never synced.
        file.sync_data()?;
        if file.length()? > end {
            file.set_len(end)?;
        }
        records.extend(found);
    }
    disk.sync_dir(dir)?;
    records.sort_by_key(|record| record.position);
    if let Some(last) = records.last() {
        state.position = state.position.max(last.position.0 + 1);
    }
    Ok(Recovered { key, state, records })
}

fn scan(file: &dyn DiskFile, key: &SpoolKey, segment: SegmentId) -> io::Result<Inspection> {
    let length = file.length()?;
    let mut buffer = AlignedBuf::new(SCAN_BUFFER / BLOCK);
    let mut found = Inspection::default();
    let mut at = 0;
    while at + BLOCK as u64 <= length {
        let window = file.read_at(&mut buffer, at)?;
        let blocks = buffer[..window].chunks_exact(BLOCK);
        let headers = blocks.enumerate().map(|(index, block)| (at + (index * BLOCK) as u64, block));
        let first = headers.into_iter().find_map(|(offset, block)| decode_header(block, key, segment, offset));
        match first {
            Some(record) if payload_matches(file, &record, length, &mut buffer)? => {
                at = record.end();
                found.records.push(record);
            }
            Some(torn) => {
                at = torn.offset;
                found.mismatched.push(torn);
            }
            None if window < BLOCK => break,
            None => at += (window - window % BLOCK) as u64,
        }
    }
    Ok(found)
}

fn payload_matches(file: &dyn DiskFile, record: &Record, file_length: u64, buffer: &mut [u8]) -> io::Result<bool> {
    let Some(end) = record.offset.checked_add(record.length).filter(|&end| end <= file_length) else {
        return Ok(false);
    };
    let mut hasher = crc32fast::Hasher::new();
    let mut at = record.offset;
    while at < end {
        let wanted = usize::try_from(end - at).unwrap_or(usize::MAX).min(buffer.len());
        let read = file.read_at(&mut buffer[..wanted], at)?;
        if read == 0 {
            return Ok(false);
        }
        hasher.update(&buffer[..read]);
        at += read as u64;
    }
    Ok(hasher.finalize() == record.crc32)
}

fn read_state(disk: &dyn Disk, dir: &Path) -> Result<Option<(SpoolKey, State)>, SpoolError> {
    if !disk.list(dir)?.iter().any(|name| name == STATE_FILE) {
        return Ok(None);
    }
    let mut block = vec![0; BLOCK];
    let read = disk.open(&dir.join(STATE_FILE))?.read_at(&mut block, 0)?;
    let file: StateFile = serde_json::from_slice(&block[..read]).map_err(|_| SpoolError::DamagedState)?;
    let mut key = SpoolKey::default();
    hex::decode_to_slice(&file.key, &mut key).map_err(|_| SpoolError::DamagedState)?;
    Ok(Some((key, State { position: file.position, segment: file.segment })))
}

/// Replaces the state file as a whole, durably.
pub(super) fn write_state(disk: &dyn Disk, dir: &Path, key: &SpoolKey, state: State) -> Result<(), SpoolError> {
    let json =
        serde_json::to_vec(&StateFile { key: hex::encode(key), position: state.position, segment: state.segment })?;
    let mut block = AlignedBuf::new(1);
    block.fill(b'\n');
    block[..json.len()].copy_from_slice(&json);

    let fresh = dir.join("state.new");
    match disk.remove(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        Ok(()) | Err(_) => {}
    }
    let file = disk.create(&fresh, 0)?;
    file.write_at(&block, 0)?;
    file.sync_data()?;
    disk.rename(&fresh, &dir.join(STATE_FILE))?;
    disk.sync_dir(dir)?;
    Ok(())
}
