//! One object on its way into the spool.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_blocking};

use super::buffer::AlignedBuf;
use super::commit::Commit;
use super::log::{Reservation, Segment};
use super::record::{BLOCK, Record, RecordMeta, encode_header, padded};
use super::{Receipt, Shared, Spool, SpoolError, part10};

/// How often a streamed object looks at the free space.
const SPACE_CHECK: u64 = 64 << 20;

/// Takes an object's data set as it arrives. Holds one buffer, two once the object outgrows it.
///
/// A failure while bytes arrive is kept until [`Writer::finish`], so that a peer can be read to the end of its message
/// and answered.
pub struct Writer {
    spool: Spool,
    meta: RecordMeta,
    dataset_offset: u32,
    /// The current buffer; the first one begins with room for the header.
    buffer: Option<AlignedBuf>,
    filled: usize,
    length: u64,
    crc: crc32fast::Hasher,
    sha: Sha256,
    own: Option<OwnSegment>,
    failed: Option<SpoolError>,
}

/// A segment for this object alone.
struct OwnSegment {
    segment: Arc<Segment>,
    path: PathBuf,
    /// Where the current buffer goes.
    offset: u64,
    checked_space: u64,
    writing: Option<JoinHandle<(AlignedBuf, io::Result<()>)>>,
}

impl Writer {
    pub(super) fn new(spool: Spool, meta: RecordMeta) -> Self {
        let front = part10::preamble_and_meta(&meta);
        Self::with_front(spool, meta, &front)
    }

    /// `front`: what stands before the data set, shorter than a buffer.
    pub(super) fn with_front(spool: Spool, meta: RecordMeta, front: &[u8]) -> Self {
        let mut buffer = spool.shared.pool.take();
        // A used buffer begins with the header of another object.
        buffer[..BLOCK].fill(0);
        buffer[BLOCK..BLOCK + front.len()].copy_from_slice(front);
        let mut crc = crc32fast::Hasher::new();
        crc.update(front);
        Self {
            spool,
            meta,
            dataset_offset: front.len() as u32,
            filled: BLOCK + front.len(),
            buffer: Some(buffer),
            length: front.len() as u64,
            crc,
            sha: Sha256::new(),
            own: None,
            failed: None,
        }
    }

    /// Adds `bytes` to the data set.
    pub async fn append(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let space = self.space().await;
            let taken = space.len().min(bytes.len());
            space[..taken].copy_from_slice(&bytes[..taken]);
            self.advance(taken);
            bytes = &bytes[taken..];
        }
    }

    /// Room for the next bytes of the data set, never empty: read into its front, then say how much with
    /// [`Writer::advance`].
    pub async fn space(&mut self) -> &mut [u8] {
        let full = self.buffer.as_ref().is_none_or(|buffer| self.filled == buffer.len());
        if full && let Err(error) = self.flush().await {
            self.failed.get_or_insert(error);
        }
        let pool = &self.spool.shared.pool;
        let buffer = self.buffer.get_or_insert_with(|| pool.take());
        if self.filled >= buffer.len() {
            // Only after a failure: the rest of the object is read and dropped.
            self.filled = 0;
        }
        &mut buffer[self.filled..]
    }

    /// The first `count` bytes of what [`Writer::space`] gave are filled.
    pub fn advance(&mut self, count: usize) {
        let Some(buffer) = &self.buffer else { return };
        let end = (self.filled + count).min(buffer.len());
        let bytes = &buffer[self.filled..end];
        if self.failed.is_none() {
            self.crc.update(bytes);
            self.sha.update(bytes);
        }
        self.length += bytes.len() as u64;
        self.filled = end;
    }

    /// Bytes of the Part-10 file so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Sends the full buffer on its way to the object's own segment and takes another.
    async fn flush(&mut self) -> Result<(), SpoolError> {
        if self.failed.is_some() {
            return Ok(());
        }
        if self.own.is_none() {
            self.own = Some(OwnSegment::create(&self.spool).await?);
        }
        let (Some(own), Some(buffer)) = (&mut self.own, self.buffer.take()) else { return Ok(()) };
        let free = own.written().await?;
        own.write(&self.spool.shared, buffer, self.filled)?;
        self.buffer = Some(free.unwrap_or_else(|| self.spool.shared.pool.take()));
        self.filled = 0;
        Ok(())
    }

    /// Returns once the object is on the device.
    pub async fn finish(mut self) -> Result<Receipt, SpoolError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        if let Some(own) = &mut self.own
            && let Some(buffer) = own.written().await?
        {
            self.spool.shared.pool.give_back(buffer);
        }
        let placed = spawn_blocking(move || self.place()).await.map_err(|_| SpoolError::Closed)?;
        placed?.await.map_err(|_| SpoolError::Closed)?
    }

    /// Writes what is still in memory, header last or together with it, and queues for the sync.
    fn place(mut self) -> Result<oneshot::Receiver<Result<Receipt, SpoolError>>, SpoolError> {
        let spool = self.spool.clone();
        let shared = &*spool.shared;
        let mut buffer = self.buffer.take().unwrap_or_else(|| shared.pool.take());
        let end = padded(self.filled as u64) as usize;
        buffer[self.filled..end].fill(0);
        let new_file = self.own.is_some();
        let reservation = match &self.own {
            None => shared.reserve(end as u64)?,
            Some(own) => {
                own.segment.file.write_at(&buffer[..end], own.offset)?;
                shared.log().reserve_own(own.segment.clone())
            }
        };
        let record = self.record(&reservation);
        let written = encode_header(&record, &shared.key, &mut buffer).map_err(SpoolError::from).and_then(|()| {
            let header_end = if new_file { BLOCK } else { end };
            Ok(reservation.segment.file.write_at(&buffer[..header_end], reservation.header_offset)?)
        });
        if !new_file && written.is_ok() {
            shared.heads.keep(record.position, &buffer[BLOCK..self.filled]);
        }
        shared.pool.give_back(buffer);
        if let Err(error) = written {
            reservation.segment.abandon();
            let durable = {
                let mut log = shared.log();
                log.settle(reservation.segment.id, reservation.position, None);
                log.durable()
            };
            shared.announce(durable);
            // The log has let go of the file if it came to nothing.
            self.own = None;
            shared.remove_empty();
            return Err(error);
        }
        // From here on the file belongs to the log.
        self.own = None;
        let (reply, receipt) = oneshot::channel();
        shared.queue.push(Commit { segment: reservation.segment, record, new_file, reply });
        Ok(receipt)
    }

    fn record(&mut self, reservation: &Reservation) -> Record {
        Record {
            position: reservation.position,
            segment: reservation.segment.id,
            offset: reservation.header_offset + BLOCK as u64,
            length: self.length,
            dataset_offset: self.dataset_offset,
            crc32: std::mem::take(&mut self.crc).finalize(),
            sha256: std::mem::take(&mut self.sha).finalize().into(),
            meta: self.meta.clone(),
        }
    }
}

impl OwnSegment {
    async fn create(spool: &Spool) -> Result<Self, SpoolError> {
        let spool = spool.clone();
        let create = spawn_blocking(move || {
            let shared = &spool.shared;
            shared.check_space(SPACE_CHECK)?;
            let id = shared.log().number_segment();
            let path = shared.path_of(id);
            let file = shared.disk.create(&path, 0)?;
            Ok(Self { segment: Segment::new(id, file), path, offset: 0, checked_space: 0, writing: None })
        });
        create.await.map_err(|_| SpoolError::Closed)?
    }

    /// Waits for the write under way; gives its buffer back.
    async fn written(&mut self) -> Result<Option<AlignedBuf>, SpoolError> {
        let Some(writing) = self.writing.take() else { return Ok(None) };
        let (buffer, written) = writing.await.map_err(|_| SpoolError::Closed)?;
        written?;
        Ok(Some(buffer))
    }

    fn write(&mut self, shared: &Arc<Shared>, buffer: AlignedBuf, filled: usize) -> Result<(), SpoolError> {
        let (file, offset) = (self.segment.file.clone(), self.offset);
        self.offset += filled as u64;
        let look_at_space = self.offset - self.checked_space >= SPACE_CHECK;
        if look_at_space {
            self.checked_space = self.offset;
        }
        let shared = shared.clone();
        self.writing = Some(spawn_blocking(move || {
            let space = if look_at_space { shared.check_space(SPACE_CHECK) } else { Ok(()) };
            let written = match space {
                Ok(()) => file.write_at(&buffer[..filled], offset),
                Err(SpoolError::Io(error)) => Err(error),
                Err(_) => Err(io::ErrorKind::StorageFull.into()),
            };
            (buffer, written)
        }));
        Ok(())
    }
}

impl Drop for Writer {
    /// An object that was never finished leaves no file behind.
    fn drop(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            self.spool.shared.pool.give_back(buffer);
        }
        let Some(own) = self.own.take() else { return };
        let shared = self.spool.shared.clone();
        let remove = move || {
            if let Err(error) = shared.disk.remove(&own.path) {
                tracing::warn!(segment = %own.segment.id, %error, "unfinished object not removed; replay will");
            }
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}

impl Shared {
    /// A range of the active segment, making a new segment when the old one is full or abandoned. Blocks.
    fn reserve(&self, length: u64) -> Result<Reservation, SpoolError> {
        if let Some(reservation) = self.log().reserve(length) {
            return Ok(reservation);
        }
        let _rotation = self.rotation.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(reservation) = self.log().reserve(length) {
            return Ok(reservation);
        }
        let size = self.options.segment_size.max(length);
        self.check_space(size)?;
        let id = self.log().number_segment();
        let file = self.disk.create(&self.path_of(id), size)?;
        if let Err(error) = self.disk.sync_dir(&self.dir) {
            // Nothing is in it; if it stays, the next start removes it.
            drop(self.remove_file(id));
            return Err(error.into());
        }
        let reservation = {
            let mut log = self.log();
            log.activate(Segment::new(id, file), size);
            log.reserve(length).ok_or(SpoolError::Full)
        };
        self.remove_empty();
        reservation
    }
}
