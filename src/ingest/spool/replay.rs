//! Finding the records of a spool on disk: at start, and read-only for `yunying check`.
//!
//! A file is scanned from header to header; a header counts only if it was written by this spool for this segment and
//! its payload has the checksum it says. Everything else is what a kill or a power cut left and is passed over.
//!
//! A start takes what the state file calls [`Settled`] at its word and reads only its headers: of a spool that grew
//! for a day because the object store was down, it reads the last few hundred megabytes and not all.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::SpoolError;
use super::buffer::AlignedBuf;
use super::disk::{Disk, DiskFile, OsDisk};
use super::record::{BLOCK, Position, Record, SegmentId, SpoolKey, decode_header};

pub(super) const STATE_FILE: &str = "state";
const SCAN_BUFFER: usize = 1 << 20;
/// Positions passed over when a segment can't be read: more than it can possibly hold.
const UNREADABLE_GAP: u64 = 1 << 32;

/// The next numbers to give out, and what is known of those given out before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    pub position: u64,
    pub segment: u64,
    pub settled: Settled,
}

/// What was durable, or refused for good, when the state was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Settled {
    /// Every record up to here is durable, except in a doubtful segment.
    pub through: Position,
    /// Segments that hold something written in part or refused: they are verified at each start.
    pub doubtful: BTreeSet<SegmentId>,
}

impl Settled {
    fn covers(&self, record: &Record) -> bool {
        record.position <= self.through && !self.doubtful.contains(&record.segment)
    }
}

#[derive(Serialize, Deserialize)]
struct StateFile {
    key: String,
    position: u64,
    segment: u64,
    #[serde(default)]
    settled: u64,
    #[serde(default)]
    doubtful: Vec<u64>,
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

pub(super) fn segment_of(name: &str) -> Option<SegmentId> {
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
        let Some(file) = open_unless_released(&disk, &dir.join(&name))? else { continue };
        let scanned = scan(&*file, &key, segment, &Settled::default())?;
        found.records.extend(scanned.records);
        found.mismatched.extend(scanned.mismatched);
    }
    found.records.sort_by_key(|record| record.position);
    Ok(found)
}

/// The whole record whose Part-10 file begins at `offset` of `segment` now, if there is one.
pub fn inspect_at(dir: &Path, segment: SegmentId, offset: u64) -> Result<Option<Record>, SpoolError> {
    let disk = OsDisk;
    let Some(header_offset) = offset.checked_sub(BLOCK as u64) else { return Ok(None) };
    let Some((key, _)) = read_state(&disk, dir)? else { return Ok(None) };
    let Some(file) = open_unless_released(&disk, &dir.join(file_name(segment)))? else { return Ok(None) };
    let mut buffer = AlignedBuf::new(SCAN_BUFFER / BLOCK);
    let read = file.read_at(&mut buffer[..BLOCK], header_offset)?;
    let Some(record) = decode_header(&buffer[..read], &key, segment, header_offset) else { return Ok(None) };
    let whole = payload_matches(&*file, &record, file.length()?, &mut buffer)?;
    Ok(whole.then_some(record))
}

fn open_unless_released(disk: &dyn Disk, path: &Path) -> io::Result<Option<Arc<dyn DiskFile>>> {
    match disk.open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Finds every complete record and makes it durable; removes files that hold none and gives back their unused space.
/// A segment that can't be read is left as it is, for `yunying check` and a person; the others must not wait for that.
pub(super) fn recover(disk: &dyn Disk, dir: &Path) -> Result<Recovered, SpoolError> {
    let (key, mut state) = match read_state(disk, dir)? {
        Some(known) => known,
        None => {
            let state = State { position: 1, segment: 1, settled: Settled::default() };
            let fresh = (rand::random::<SpoolKey>(), state);
            write_state(disk, dir, &fresh.0, &fresh.1)?;
            fresh
        }
    };
    let mut records = Vec::new();
    let segments: BTreeSet<SegmentId> = disk.list(dir)?.iter().filter_map(|name| segment_of(name)).collect();
    state.settled.doubtful.retain(|segment| segments.contains(segment));
    let mut unreadable = 0;
    for segment in segments {
        state.segment = state.segment.max(segment.0 + 1);
        let found = match recover_segment(disk, dir, &key, segment, &state.settled) {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(%segment, %error, "a segment of the spool can't be read; it is left as it is");
                state.settled.doubtful.insert(segment);
                unreadable += 1;
                continue;
            }
        };
        if !found.mismatched.is_empty() {
            state.settled.doubtful.insert(segment);
        }
        // A torn record's position is used up, too: no two headers on disk may share one.
        let last = found.records.iter().chain(&found.mismatched).map(|record| record.position.0).max();
        state.position = state.position.max(last.map_or(0, |last| last + 1));
        records.extend(found.records);
    }
    disk.sync_dir(dir)?;
    state.position += unreadable * UNREADABLE_GAP;
    records.sort_by_key(|record| record.position);
    Ok(Recovered { key, state, records })
}

fn recover_segment(
    disk: &dyn Disk,
    dir: &Path,
    key: &SpoolKey,
    segment: SegmentId,
    settled: &Settled,
) -> io::Result<Inspection> {
    let path = dir.join(file_name(segment));
    let file = disk.open(&path)?;
    let found = scan(&*file, key, segment, settled)?;
    // What was durable once and is damaged now stays for whoever must look at it.
    let damaged = found.mismatched.iter().filter(|record| settled.covers(record));
    let Some(end) = found.records.iter().chain(damaged).map(Record::end).max() else {
        disk.remove(&path)?;
        return Ok(found);
    };
    // A kill may have left records that are complete but were never synced.
    if found.records.iter().any(|record| !settled.covers(record)) {
        file.sync_data()?;
    }
    if file.length()? > end {
        file.set_len(end)?;
    }
    Ok(found)
}

/// Walks from header to header; where there is none, block by block until there is.
fn scan(file: &dyn DiskFile, key: &SpoolKey, segment: SegmentId, settled: &Settled) -> io::Result<Inspection> {
    let length = file.length()?;
    let mut buffer = AlignedBuf::new(SCAN_BUFFER / BLOCK);
    let mut found = Inspection::default();
    let mut at = 0;
    let mut look = BLOCK;
    while at + BLOCK as u64 <= length {
        let window = file.read_at(&mut buffer[..look], at)?;
        let blocks = buffer[..window].chunks_exact(BLOCK);
        let headers = blocks.enumerate().map(|(index, block)| (at + (index * BLOCK) as u64, block));
        let first = headers.into_iter().find_map(|(offset, block)| decode_header(block, key, segment, offset));
        look = SCAN_BUFFER;
        match first {
            Some(record) if is_whole(file, &record, length, settled, &mut buffer)? => {
                at = record.end();
                // The next record most likely begins where this one ends.
                look = BLOCK;
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

fn is_whole(
    file: &dyn DiskFile,
    record: &Record,
    file_length: u64,
    settled: &Settled,
    buffer: &mut [u8],
) -> io::Result<bool> {
    if settled.covers(record) {
        return Ok(record.offset.checked_add(record.length).is_some_and(|end| end <= file_length));
    }
    payload_matches(file, record, file_length, buffer)
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

pub(super) fn read_state(disk: &dyn Disk, dir: &Path) -> Result<Option<(SpoolKey, State)>, SpoolError> {
    if !disk.list(dir)?.iter().any(|name| name == STATE_FILE) {
        return Ok(None);
    }
    let mut block = vec![0; BLOCK];
    let read = disk.open(&dir.join(STATE_FILE))?.read_at(&mut block, 0)?;
    let file: StateFile = serde_json::from_slice(&block[..read]).map_err(|_| SpoolError::DamagedState)?;
    let mut key = SpoolKey::default();
    hex::decode_to_slice(&file.key, &mut key).map_err(|_| SpoolError::DamagedState)?;
    let doubtful = file.doubtful.into_iter().map(SegmentId).collect();
    let settled = Settled { through: Position(file.settled), doubtful };
    Ok(Some((key, State { position: file.position, segment: file.segment, settled })))
}

/// Replaces the state file as a whole, durably.
pub(super) fn write_state(disk: &dyn Disk, dir: &Path, key: &SpoolKey, state: &State) -> Result<(), SpoolError> {
    let mut json = state_json(key, state, &state.settled)?;
    if json.len() > BLOCK {
        // More doubt than fits: then the next start verifies everything.
        json = state_json(key, state, &Settled::default())?;
    }
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

fn state_json(key: &SpoolKey, state: &State, settled: &Settled) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&StateFile {
        key: hex::encode(key),
        position: state.position,
        segment: state.segment,
        settled: settled.through.0,
        doubtful: settled.doubtful.iter().map(|segment| segment.0).collect(),
    })
}
