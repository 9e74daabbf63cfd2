//! `yunying rebuild`: the index anew from packs and spool alone.
//!
//! Packs say who sent each object, when and from which site; the headers say the rest. What only the index ever knew
//! (accounts, reports, cases' progress) comes from a backup, not from here. Most of what the archive holds was read long
//! ago, so studies come back stored, which queues nobody; only those that got something shortly before the last object
//! came arrive again, as they may not have been read.

use std::collections::HashMap;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use tokio::runtime::Handle;

use super::batch::{self, Item, Origin, ProgressPace, Tally};
use super::describe::{Refused, describe};
use super::erasure::{EraseError, restore_tombstones};
use super::indexer::{Indexer, IndexerOptions};
use super::spool::{Position, Record, RecordMeta, SegmentId, Spool, SpoolError};
use super::writings::Writings;
use crate::archive::{Archive, ArchiveError, Kind, Location, ManifestEntry, ObjectKey, Written};
use crate::clock;
use crate::dicom::{self, Limits, WalkError, Writing};
use crate::domain::{DeviceId, Micros};
use crate::index::quarantine::Reason;
use crate::index::{Db, Error as IndexError, rebuild as rows, restored};

/// Objects read before they are written to the index.
const AT_ONCE: usize = 256;

#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error("the index is not empty: give an empty database, or move the old one away")]
    NotEmpty,
    #[error("what was erased: {0}")]
    Erased(#[from] EraseError),
    #[error("interrupted")]
    Interrupted,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Rebuilt {
    /// Studies known to be erased.
    pub tombstones: usize,
    pub packs: usize,
    pub from_packs: Tally,
    pub from_spool: Tally,
    /// Cases that are queued again.
    pub arriving: usize,
    /// Cases that are not.
    pub stored: usize,
    /// Packs that could not be read, and why.
    pub unreadable: Vec<String>,
}

/// Fills an empty index. Studies that got something within `unread` before the last object came are to be read again.
/// `progress` is told after each pack.
pub async fn rebuild(
    db: &Db,
    archive: &Archive,
    spool: &Spool,
    options: IndexerOptions,
    unread: Duration,
    progress: impl Fn(usize),
) -> Result<Rebuilt, RebuildError> {
    let mut tx = db.read().await?;
    if rows::any_instance(&mut tx).await? {
        return Err(RebuildError::NotEmpty);
    }
    let writings = Writings::read(&mut tx).await?;
    drop(tx);
    let mut work = Work {
        writings,
        db: db.clone(),
        archive: archive.clone(),
        zone: options.zone_minutes,
        devices: HashMap::new(),
        next: 1,
        pace: ProgressPace::default(),
    };
    // First, so that what was erased does not come back.
    let mut rebuilt = Rebuilt { tombstones: restore_tombstones(db, archive).await?, ..Rebuilt::default() };
    let keys: Vec<ObjectKey> = archive.list(Kind::Pack).map_ok(|listed| listed.key).try_collect().await?;
    for key in keys {
        match work.pack(&key).await {
            Ok(tally) => add(&mut rebuilt.from_packs, tally),
            Err(RebuildError::Archive(error @ ArchiveError::Damaged { .. })) => {
                rebuilt.unreadable.push(error.to_string());
            }
            Err(error) => return Err(error),
        }
        rebuilt.packs += 1;
        progress(rebuilt.packs);
    }
    let mut indexer = Indexer::restoring(db.clone(), spool.clone(), options);
    while let Some(tally) = indexer.step().await? {
        add(&mut rebuilt.from_spool, tally);
    }
    let mut tx = db.write().await?;
    if let Some(newest) = restored::newest(&mut tx).await? {
        // Without any such time, not even the newest object's own study arrives.
        let since = if unread.is_zero() { Micros(i64::MAX) } else { newest - unread };
        (rebuilt.arriving, rebuilt.stored) = restored::let_recent_arrive(&mut tx, since, clock::now()).await?;
        tx.commit().await?;
    }
    Ok(rebuilt)
}

fn add(all: &mut Tally, more: Tally) {
    all.stored += more.stored;
    all.duplicates += more.duplicates;
    all.quarantined += more.quarantined;
}

struct Work {
    db: Db,
    archive: Archive,
    zone: i32,
    devices: HashMap<(String, String), DeviceId>,
    writings: Writings,
    /// Gives each object of a pack a place of its own, as the spool once did.
    next: u64,
    pace: ProgressPace,
}

impl Work {
    async fn pack(&mut self, key: &ObjectKey) -> Result<Tally, RebuildError> {
        let manifest = self.archive.manifest(key).await?;
        let written = self.archive.digest(key).await?;
        let mut all = Tally::default();
        let mut tx = self.db.write().await?;
        let pack = rows::insert_pack(&mut tx, &written, manifest.instances.len(), clock::now()).await?;
        tx.commit().await?;
        for entries in manifest.instances.chunks(AT_ONCE) {
            let mut items = Vec::with_capacity(entries.len());
            for entry in entries {
                items.push(self.item(entry, &written).await?);
            }
            let mut tx = self.db.write().await?;
            let (node, pace) = (&manifest.node, &mut self.pace);
            add(&mut all, batch::apply(&mut tx, node, &items, Origin::Archive, pace, clock::now()).await?);
            rows::place_in_pack(&mut tx, &manifest.node, pack).await?;
            tx.commit().await?;
        }
        Ok(all)
    }

    async fn item(&mut self, entry: &ManifestEntry, pack: &Written) -> Result<Item, RebuildError> {
        let device = self.device(entry).await?;
        let record = Arc::new(record(entry, device, self.next, &pack.key)?);
        self.next += 1;
        if let Some(code) = &entry.instance.quarantined {
            let reason = Reason { code: code.clone().into(), detail: String::new() };
            let sop_uid = entry.instance.sop_uid.clone();
            return Ok(Item { record, outcome: Err(Refused { reason, sop_uid, study_uid: None }) });
        }
        let location = Location { key: pack.key.clone(), offset: entry.offset, length: entry.instance.length };
        let reader = PackReader { archive: self.archive.clone(), location, at: 0, runtime: Handle::current() };
        // What is said of the device today outranks what was known when the pack was made.
        let noted = || entry.instance.written_in.as_deref().and_then(Writing::from_word);
        let writing = self.writings.of(Some(device), &record.meta.calling_ae).or_else(noted);
        let (walked, zone) = (record.clone(), self.zone);
        let outcome = tokio::task::spawn_blocking(move || {
            let header = dicom::walk(reader, &Limits::default())?;
            Ok::<_, WalkError>(describe(&header.read_as(writing), &walked, zone))
        });
        let outcome = match outcome.await.map_err(|_| RebuildError::Interrupted)? {
            Ok(outcome) => outcome.map(Box::new),
            Err(WalkError::Io(error)) => return Err(ArchiveError::Read(error).into()),
            Err(error) => Err(Refused {
                reason: Reason { code: error.reason().into(), detail: error.facts() },
                sop_uid: entry.instance.sop_uid.clone(),
                study_uid: None,
            }),
        };
        Ok(Item { record, outcome })
    }

    async fn device(&mut self, entry: &ManifestEntry) -> Result<DeviceId, RebuildError> {
        let key = (entry.instance.site_code.clone(), entry.instance.device_ae.clone());
        if let Some(known) = self.devices.get(&key) {
            return Ok(*known);
        }
        let mut tx = self.db.write().await?;
        let device = rows::device(&mut tx, &key.0, &key.1, clock::now()).await?;
        tx.commit().await?;
        self.devices.insert(key, device);
        Ok(device)
    }
}

/// The record as the spool had it, placed in segment 0, which no spool has.
fn record(entry: &ManifestEntry, device: DeviceId, position: u64, pack: &ObjectKey) -> Result<Record, RebuildError> {
    let noted = &entry.instance;
    let mut sha256 = [0; 32];
    let bad = |what: &str| {
        let what = format!("its manifest has {what} of {}", entry.name);
        ArchiveError::Damaged { key: pack.clone(), what }
    };
    hex::decode_to_slice(&noted.sha256, &mut sha256).map_err(|_| bad("no hash"))?;
    Ok(Record {
        position: Position(position),
        segment: SegmentId(0),
        offset: entry.offset,
        length: noted.length,
        dataset_offset: u32::try_from(noted.dataset_offset).map_err(|_| bad("an impossible offset"))?,
        crc32: noted.crc32,
        sha256,
        meta: RecordMeta {
            received: Micros(noted.received_us),
            calling_ae: noted.calling_ae.clone(),
            called_ae: String::new(),
            peer: String::new(),
            device: Some(device),
            sop_class: noted.sop_class.clone(),
            sop_instance: noted.sop_uid.clone(),
            transfer_syntax: noted.transfer_syntax.clone(),
        },
    })
}

/// An instance in a pack for a parser on a thread that may block.
struct PackReader {
    archive: Archive,
    location: Location,
    at: u64,
    runtime: Handle,
}

impl Read for PackReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.location.length.saturating_sub(self.at);
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(into.len());
        let range = self.at..self.at + length as u64;
        let bytes = self.runtime.block_on(self.archive.read_bytes(&self.location, range)).map_err(io::Error::other)?;
        into[..bytes.len()].copy_from_slice(&bytes);
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }
}

impl Seek for PackReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.location.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
