//! The spool's table of contents in memory: segments, positions given out, records that are durable.
//!
//! Plain state under one short lock. It does no I/O and knows no clock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::disk::DiskFile;
use super::record::{Position, Record, SegmentId};
use super::replay::{Settled, State};
use super::{BLOCK, SpoolError};

/// A segment being written.
pub(super) struct Segment {
    pub id: SegmentId,
    pub file: Arc<dyn DiskFile>,
    /// A write or sync failed: nothing more is acknowledged from here (a second fsync may lie about what the first lost).
    abandoned: AtomicBool,
}

impl Segment {
    pub fn new(id: SegmentId, file: Arc<dyn DiskFile>) -> Arc<Self> {
        Arc::new(Self { id, file, abandoned: AtomicBool::new(false) })
    }

    pub fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
    }

    pub fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Acquire)
    }
}

/// What [`super::Spool::segments`] tells of one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentInfo {
    pub id: SegmentId,
    pub records: usize,
    /// Bytes of the records, with headers and padding.
    pub bytes: u64,
    /// Position of the newest durable record.
    pub last: Position,
    /// Whether new records may still be added.
    pub active: bool,
}

/// A range of a segment and a position, given to one object.
pub(super) struct Reservation {
    pub segment: Arc<Segment>,
    pub position: Position,
    /// Where the header block goes.
    pub header_offset: u64,
}

#[derive(Default)]
struct SegmentState {
    /// Open while something is being written to it.
    writing: Option<Arc<Segment>>,
    in_flight: usize,
    positions: BTreeSet<Position>,
    bytes: u64,
    releasing: bool,
}

pub(super) struct Log {
    next_position: u64,
    next_segment: u64,
    active: Option<Active>,
    segments: BTreeMap<SegmentId, SegmentState>,
    pending: BTreeSet<Position>,
    records: BTreeMap<Position, Arc<Record>>,
    /// Segments with something in them that was refused.
    doubtful: BTreeSet<SegmentId>,
    /// Segments that came to nothing and whose files may go.
    empty: Vec<SegmentId>,
}

struct Active {
    segment: Arc<Segment>,
    used: u64,
    size: u64,
}

impl Log {
    pub fn recovered(state: State, records: Vec<Record>) -> Self {
        let mut log = Self {
            next_position: state.position,
            next_segment: state.segment,
            active: None,
            segments: BTreeMap::new(),
            pending: BTreeSet::new(),
            records: BTreeMap::new(),
            doubtful: state.settled.doubtful,
            empty: Vec::new(),
        };
        for record in records {
            log.add(Arc::new(record));
        }
        log
    }

    /// What a start after this moment must know.
    pub fn state(&self) -> State {
        let settled = Settled { through: self.durable(), doubtful: self.doubtful.clone() };
        State { position: self.next_position, segment: self.next_segment, settled }
    }

    fn add(&mut self, record: Arc<Record>) {
        let segment = self.segments.entry(record.segment).or_default();
        segment.positions.insert(record.position);
        segment.bytes += record.end() - record.header_offset();
        self.records.insert(record.position, record);
    }

    /// Everything up to here is durable or failed.
    pub fn durable(&self) -> Position {
        let first_open = self.pending.first().copied().unwrap_or(Position(self.next_position));
        Position(first_open.0.saturating_sub(1))
    }

    pub fn read_from(&self, after: Position, limit: usize) -> Vec<Arc<Record>> {
        let durable = self.durable();
        if after >= durable {
            return Vec::new();
        }
        let from = Position(after.0 + 1);
        self.records.range(from..=durable).take(limit).map(|(_, record)| record.clone()).collect()
    }

    /// The next segment number, used up by the call.
    pub fn number_segment(&mut self) -> SegmentId {
        let id = SegmentId(self.next_segment);
        self.next_segment += 1;
        id
    }

    /// Makes `segment`, with `size` bytes, the one that small objects share.
    pub fn activate(&mut self, segment: Arc<Segment>, size: u64) {
        self.close_active();
        self.segments.entry(segment.id).or_default().writing = Some(segment.clone());
        self.active = Some(Active { segment, used: 0, size });
    }

    fn close_active(&mut self) {
        if let Some(old) = self.active.take() {
            self.drop_file_if_idle(old.segment.id);
        }
    }

    /// A range of `length` bytes of the active segment; `None` when a new segment is needed.
    pub fn reserve(&mut self, length: u64) -> Option<Reservation> {
        let active = self.active.as_mut()?;
        if active.segment.is_abandoned() || active.size.saturating_sub(active.used) < length {
            return None;
        }
        let (segment, header_offset) = (active.segment.clone(), active.used);
        active.used += length;
        Some(self.hand_out(segment, header_offset))
    }

    /// A position for an object that has `segment` to itself.
    pub fn reserve_own(&mut self, segment: Arc<Segment>) -> Reservation {
        self.segments.entry(segment.id).or_default().writing = Some(segment.clone());
        self.hand_out(segment, 0)
    }

    fn hand_out(&mut self, segment: Arc<Segment>, header_offset: u64) -> Reservation {
        let position = Position(self.next_position);
        self.next_position += 1;
        self.pending.insert(position);
        self.segments.entry(segment.id).or_default().in_flight += 1;
        debug_assert!(header_offset.is_multiple_of(BLOCK as u64));
        Reservation { segment, position, header_offset }
    }

    /// The object at `position` is durable (`Some`) or failed.
    pub fn settle(&mut self, segment: SegmentId, position: Position, record: Option<Arc<Record>>) {
        self.pending.remove(&position);
        match record {
            Some(record) => self.add(record),
            None => drop(self.doubtful.insert(segment)),
        }
        if let Some(state) = self.segments.get_mut(&segment) {
            state.in_flight = state.in_flight.saturating_sub(1);
        }
        self.drop_file_if_idle(segment);
    }

    /// Lets go of the descriptor of a segment that is complete, and of the segment itself if it came to nothing.
    fn drop_file_if_idle(&mut self, id: SegmentId) {
        if self.active.as_ref().is_some_and(|active| active.segment.id == id) {
            return;
        }
        if let Some(state) = self.segments.get_mut(&id)
            && state.in_flight == 0
        {
            state.writing = None;
            if state.positions.is_empty() {
                self.segments.remove(&id);
                self.empty.push(id);
            }
        }
    }

    /// Segments that came to nothing since the last call.
    pub fn take_empty(&mut self) -> Vec<SegmentId> {
        std::mem::take(&mut self.empty)
    }

    pub fn segments(&self) -> Vec<SegmentInfo> {
        let active = self.active.as_ref().map(|active| active.segment.id);
        let infos = self.segments.iter().filter_map(|(&id, state)| {
            let last = *state.positions.last()?;
            Some(SegmentInfo {
                id,
                records: state.positions.len(),
                bytes: state.bytes,
                last,
                active: active == Some(id),
            })
        });
        infos.collect()
    }

    /// The descriptor of a segment still being written; `None` when it must be opened.
    pub fn open_file(&self, id: SegmentId) -> Result<Option<Arc<dyn DiskFile>>, SpoolError> {
        let state = self.segments.get(&id).filter(|state| !state.releasing).ok_or(SpoolError::NoSuchSegment(id))?;
        Ok(state.writing.as_ref().map(|segment| segment.file.clone()))
    }

    /// Closes `id` to new records, and to readers, if everything in it is at or before `through`.
    pub fn begin_release(&mut self, id: SegmentId, through: Position) -> Result<(), SpoolError> {
        let state = self.segments.get_mut(&id).ok_or(SpoolError::NoSuchSegment(id))?;
        if state.in_flight > 0 || state.positions.last().is_some_and(|&last| last > through) {
            return Err(SpoolError::StillNeeded(id));
        }
        state.releasing = true;
        if self.active.as_ref().is_some_and(|active| active.segment.id == id) {
            self.active = None;
        }
        Ok(())
    }

    /// Its file could not be removed: whoever still reads from it may go on.
    pub fn cancel_release(&mut self, id: SegmentId) {
        if let Some(state) = self.segments.get_mut(&id) {
            state.releasing = false;
        }
        self.drop_file_if_idle(id);
    }

    /// The file of `id` is gone.
    pub fn forget(&mut self, id: SegmentId) {
        self.doubtful.remove(&id);
        for position in self.segments.remove(&id).map(|state| state.positions).unwrap_or_default() {
            self.records.remove(&position);
        }
    }
}
