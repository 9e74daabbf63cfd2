//! The spool: the durable intake log, and the source of truth until a pack has the object.
//!
//! It owns the files under its directory. It never parses a data set, never rewrites a record, and never tells anyone
//! of a record that is not on the device.
//!
//! # Writing
//!
//! ```no_run
//! # async fn store(spool: &yunying::ingest::spool::Spool, meta: yunying::ingest::spool::RecordMeta)
//! # -> Result<(), yunying::ingest::spool::SpoolError> {
//! let mut writer = spool.begin(meta);              // no I/O yet
//! writer.append(b"data set bytes, as they arrive").await; // bounded memory, whatever the length
//! let receipt = writer.finish().await?;            // on the device; only now may the sender be told
//! println!("{} bytes as record {:?}", receipt.length, receipt.position);
//! # Ok(()) }
//! ```
//!
//! Small objects wait in one buffer and are written, with their header, to an exactly reserved range of the active
//! segment; larger ones stream to a segment of their own. Writers write their own ranges; one committer syncs whatever
//! was finished since its last sync (group commit). A sync that fails abandons its segment for good.
//!
//! # Reading
//!
//! ```no_run
//! # async fn read(spool: &yunying::ingest::spool::Spool) -> Result<(), yunying::ingest::spool::SpoolError> {
//! use yunying::ingest::spool::Position;
//! let mut durable = spool.watch();
//! let mut done = Position::START;                  // or what was kept from the last run
//! loop {
//!     for record in spool.read_from(done, 256) {   // durable records after `done`, in order
//!         let head_length = record.length.min(64 * 1024);
//!         let head = spool.read(record.segment, record.offset, head_length as usize).await?;
//!         # let _ = head;
//!         done = record.position;
//!     }
//!     if durable.changed().await.is_err() { break }
//! }
//! # Ok(()) }
//! ```
//!
//! Positions are handed out when an object is finished, increase strictly and survive restarts. At start, read from
//! [`Position::START`] once and skip what is known: a record whose sync failed, and whose sender was told so, may turn
//! out complete after a restart, below a position already passed. That is the only case, and it is never an acknowledged one.
//!
//! # Letting go
//!
//! A segment goes as a whole: `spool.release(segment, through)` promises that no record of `segment` up to `through`
//! is needed any more. It is refused with [`SpoolError::StillNeeded`] while the segment holds a later record or one being
//! written. [`Spool::segments`] lists them with the last position each holds.
//!
//! # Starting
//!
//! The state file says which numbers come next and up to where all was settled when it was written: behind every
//! [`SpoolOptions::checkpoint`] bytes, after a [`SpoolOptions::quiet`] time, with each release and at the end. A start reads the headers
//! of what was settled, verifies the payloads of the rest, and so takes as long after a month as after an hour. Damage
//! done to a settled record since is found by whoever reads it: the sealer, and `yunying check`.

mod buffer;
mod commit;
mod disk;
mod heads;
mod hold;
mod log;
mod part10;
mod probe;
mod record;
mod replay;
#[cfg(test)]
pub(crate) mod sim;
#[cfg(test)]
mod tests;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

pub use disk::{Disk, DiskFile, OsDisk};
pub use hold::Held;
pub use log::SegmentInfo;
pub use record::{BLOCK, Position, Record, RecordMeta, SegmentId};
pub use replay::{Inspection, inspect, inspect_at};
pub use writer::Writer;

use buffer::BufferPool;
use commit::CommitQueue;
use heads::Heads;
use log::Log;
use record::SpoolKey;

/// Sizes of a spool; the defaults fit a county center.
#[derive(Debug, Clone)]
pub struct SpoolOptions {
    /// Length of a shared segment, allocated at once.
    pub segment_size: u64,
    /// Objects up to about this length share a segment; one buffer of this size is what an object costs in memory.
    pub buffer_size: usize,
    /// Buffers kept warm.
    pub keep_buffers: usize,
    /// Space left free for the index and everything else on the disk.
    pub keep_free: u64,
    /// About so many bytes at most are verified again at the next start.
    pub checkpoint: u64,
    /// Silence after which nothing is left to verify.
    pub quiet: Duration,
}

impl Default for SpoolOptions {
    fn default() -> Self {
        Self {
            segment_size: 64 << 20,
            buffer_size: 1 << 20,
            keep_buffers: 32,
            keep_free: 256 << 20,
            checkpoint: 256 << 20,
            quiet: Duration::from_secs(1),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    #[error("the spool's disk is full")]
    Full,
    #[error("the segment was abandoned after a failed write or sync")]
    Abandoned,
    #[error("the spool in {0} is in use by another process")]
    InUse(PathBuf),
    #[error("the spool's state file is damaged")]
    DamagedState,
    #[error("no segment {0} in the spool")]
    NoSuchSegment(SegmentId),
    #[error("segment {0} holds records that are still needed")]
    StillNeeded(SegmentId),
    #[error("the range reaches past the end of segment {0}")]
    OutOfRange(SegmentId),
    #[error("the file's preamble and meta information are longer than a buffer")]
    FrontTooLong,
    #[error("the spool is closed")]
    Closed,
    #[error("record metadata: {0}")]
    Meta(#[from] serde_json::Error),
    #[error("spool: {0}")]
    Io(io::Error),
}

impl From<io::Error> for SpoolError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Io(error),
        }
    }
}

/// Proof that an object is on the device.
pub type Receipt = Arc<Record>;

/// What was acknowledged since the spool was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    pub objects: u64,
    /// Of the Part-10 files.
    pub bytes: u64,
}

/// A handle to one open spool; clones share it. The last one to go ends the committer.
#[derive(Clone)]
pub struct Spool {
    shared: Arc<Shared>,
    _committer: Arc<Committer>,
}

struct Shared {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    key: SpoolKey,
    options: SpoolOptions,
    log: Mutex<Log>,
    /// Held by the one writer that makes the next segment; the log stays free meanwhile.
    rotation: Mutex<()>,
    /// Held while the state file is replaced, so that an older state never follows a newer one.
    state_file: Mutex<()>,
    queue: CommitQueue,
    durable: watch::Sender<Position>,
    received_objects: AtomicU64,
    received_bytes: AtomicU64,
    pool: BufferPool,
    heads: Heads,
    _lock: Box<dyn Send + Sync>,
}

struct Committer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.shared.queue.close();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the spool's committer panicked");
        }
    }
}

impl Spool {
    /// Opens, or creates, the spool in `dir`: finds every complete record and makes it durable. Blocks while it reads.
    pub fn open(dir: &Path, options: SpoolOptions) -> Result<Self, SpoolError> {
        Self::open_on(Arc::new(OsDisk), dir, options)
    }

    /// As [`Spool::open`], on another disk.
    pub fn open_on(disk: Arc<dyn Disk>, dir: &Path, options: SpoolOptions) -> Result<Self, SpoolError> {
        disk.create_dir_all(dir)?;
        let lock = disk.lock(&dir.join("lock")).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => SpoolError::InUse(dir.to_owned()),
            _ => SpoolError::Io(error),
        })?;
        let recovered = replay::recover(&*disk, dir)?;
        let verified = recovered.state.settled.through;
        let log = Log::recovered(recovered.state, recovered.records);
        let news = log.durable() > verified;
        let shared = Arc::new(Shared {
            dir: dir.to_owned(),
            disk,
            key: recovered.key,
            durable: watch::Sender::new(log.durable()),
            log: Mutex::new(log),
            received_objects: AtomicU64::new(0),
            received_bytes: AtomicU64::new(0),
            rotation: Mutex::new(()),
            state_file: Mutex::new(()),
            queue: CommitQueue::default(),
            pool: BufferPool::new(options.buffer_size, options.keep_buffers),
            heads: Heads::default(),
            options,
            _lock: lock,
        });
        if news {
            shared.checkpoint();
        }
        let of_thread = shared.clone();
        let thread = std::thread::Builder::new()
            .name("spool-commit".into())
            .spawn(move || commit::run(&of_thread))
            .map_err(SpoolError::Io)?;
        let committer = Arc::new(Committer { shared: shared.clone(), thread: Some(thread) });
        Ok(Self { shared, _committer: committer })
    }

    /// Starts an object whose data set follows. Does no I/O; dropping the writer forgets the object.
    pub fn begin(&self, meta: RecordMeta) -> Writer {
        Writer::new(self.clone(), meta)
    }

    /// As [`Spool::begin`], of a file that has a front of its own: preamble and file meta as they were sent.
    pub fn begin_file(&self, meta: RecordMeta, front: &[u8]) -> Result<Writer, SpoolError> {
        // It goes into the first buffer, behind the record's header.
        if front.len() + 2 * BLOCK > self.shared.options.buffer_size {
            return Err(SpoolError::FrontTooLong);
        }
        Ok(Writer::with_front(self.clone(), meta, front))
    }

    /// Durable records after `after`, oldest first, at most `limit`.
    pub fn read_from(&self, after: Position, limit: usize) -> Vec<Arc<Record>> {
        self.shared.log().read_from(after, limit)
    }

    /// The last position up to which everything finished is durable (or failed for good).
    pub fn watch(&self) -> watch::Receiver<Position> {
        self.shared.durable.subscribe()
    }

    /// Part of a segment: use a record's `offset` and `length`. Allocates `length` bytes, which is the caller's to bound.
    pub async fn read(&self, segment: SegmentId, offset: u64, length: usize) -> Result<Bytes, SpoolError> {
        let spool = self.clone();
        let read = tokio::task::spawn_blocking(move || spool.read_blocking(segment, offset, length));
        read.await.map_err(|_| SpoolError::Closed)?
    }

    /// [`Spool::read`] for threads that may block.
    pub fn read_blocking(&self, segment: SegmentId, offset: u64, length: usize) -> Result<Bytes, SpoolError> {
        let open = self.shared.log().open_file(segment)?;
        let file = match open {
            Some(file) => file,
            None => self.shared.disk.open(&self.shared.path_of(segment))?,
        };
        let end = offset.checked_add(length as u64).ok_or(SpoolError::OutOfRange(segment))?;
        if end > file.length()? {
            return Err(SpoolError::OutOfRange(segment));
        }
        let mut bytes = vec![0; length];
        if file.read_at(&mut bytes, offset)? != length {
            return Err(SpoolError::OutOfRange(segment));
        }
        Ok(bytes.into())
    }

    /// The beginning of a record's file from memory, if it was written a moment ago. Given once, to who follows in order.
    pub fn head(&self, position: Position) -> Option<Bytes> {
        self.shared.heads.take(position)
    }

    /// What was acknowledged since the start.
    pub fn received(&self) -> Received {
        let Shared { received_objects, received_bytes, .. } = &*self.shared;
        Received { objects: received_objects.load(Ordering::Relaxed), bytes: received_bytes.load(Ordering::Relaxed) }
    }

    /// Every segment with durable records, oldest first.
    pub fn segments(&self) -> Vec<SegmentInfo> {
        self.shared.log().segments()
    }

    /// Removes `segment`: nobody needs its records up to `through`. Blocks briefly.
    pub fn release(&self, segment: SegmentId, through: Position) -> Result<(), SpoolError> {
        let shared = &self.shared;
        shared.log().begin_release(segment, through)?;
        // Positions and segment numbers must not start over when the files that show them are gone.
        let released = shared.write_state().and_then(|()| shared.remove_file(segment));
        match released {
            Ok(()) => shared.log().forget(segment),
            Err(_) => shared.log().cancel_release(segment),
        }
        released
    }
}

impl Shared {
    fn count_received(&self, record: &Record) {
        self.received_objects.fetch_add(1, Ordering::Relaxed);
        self.received_bytes.fetch_add(record.length, Ordering::Relaxed);
    }

    /// The log's lock guards plain memory and is never held across I/O; a panic under it cannot leave it half changed
    /// in a way that loses records, since every record is on disk.
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn path_of(&self, segment: SegmentId) -> PathBuf {
        self.dir.join(replay::file_name(segment))
    }

    /// Replaces the state file by what is known now.
    fn write_state(&self) -> Result<(), SpoolError> {
        let _alone = self.state_file.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let state = self.log().state();
        replay::write_state(&*self.disk, &self.dir, &self.key, &state)
    }

    /// Spares the next start some work. Failing costs that work only.
    fn checkpoint(&self) {
        if let Err(error) = self.write_state() {
            tracing::warn!(%error, "the spool's state could not be written; the next start will verify more");
        }
    }

    /// Removes the files of segments that came to nothing, so that a failing disk is not filled by attempts.
    fn remove_empty(&self) {
        let empty = self.log().take_empty();
        for segment in empty {
            match self.remove_file(segment) {
                Ok(()) => self.log().forget(segment),
                Err(error) => tracing::warn!(%segment, %error, "an empty segment is not removed; the next start will"),
            }
        }
    }

    fn remove_file(&self, segment: SegmentId) -> Result<(), SpoolError> {
        match self.disk.remove(&self.path_of(segment)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Refuses new data while there is still room for the rest of the system.
    fn check_space(&self, wanted: u64) -> Result<(), SpoolError> {
        let free = self.disk.free_space(&self.dir)?;
        if free < wanted.saturating_add(self.options.keep_free) { Err(SpoolError::Full) } else { Ok(()) }
    }
}
