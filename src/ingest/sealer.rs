//! Moves quiet series from the spool into packs, and lets the spool's segments go once nothing needs them.
//!
//! A pack is written, read back, and only then published by its rows in one transaction. Whatever fails or is killed
//! in between leaves the objects in the spool and at worst an object in the store that no row names. A store that is
//! down costs nothing but space: the sealer keeps trying, the spool keeps accepting. An object that can't be read, or is
//! not what was received, is put [aside] and holds up no other.

mod aside;

use std::time::Duration;

use futures_util::TryStreamExt;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::aside::Aside;
use super::bytes::{InstanceStream, spool_stream};
use super::spool::{Position, SegmentId, Spool, SpoolError};
use crate::archive::{Archive, ArchiveError, PackEntry, PackError, SealedPack};
use crate::clock;
use crate::domain::Micros;
use crate::index::archive::{self as rows, PackOf, Unsealed};
use crate::index::{Db, Error as IndexError};

const TICK: Duration = Duration::from_secs(2);
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LONGEST: Duration = Duration::from_secs(60);
/// Series looked at in one pass, beside those with something aside.
const SERIES: i64 = 32;

#[derive(Debug, Clone)]
pub struct SealerOptions {
    pub node: String,
    /// How long nothing must have come for a series.
    pub quiet: Duration,
    /// A pack holds at most so many objects and, beyond its first, so many bytes.
    pub objects: usize,
    pub bytes: u64,
}

impl SealerOptions {
    pub fn new(node: &str) -> Self {
        Self { node: node.to_owned(), quiet: Duration::from_secs(60), objects: 4_000, bytes: 4 << 30 }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

/// Whether the object store takes packs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreHealth {
    Up,
    Down { since: Micros, why: String },
}

pub struct Sealer {
    db: Db,
    spool: Spool,
    archive: Archive,
    indexed: watch::Receiver<Position>,
    options: SealerOptions,
    /// Objects that could not be read, or are not those received; `yunying check` names them.
    aside: Aside,
    health: watch::Sender<StoreHealth>,
    stop: CancellationToken,
}

impl Sealer {
    pub fn new(
        db: Db,
        spool: Spool,
        archive: Archive,
        indexed: watch::Receiver<Position>,
        options: SealerOptions,
    ) -> Self {
        let health = watch::Sender::new(StoreHealth::Up);
        Self { db, spool, archive, indexed, options, aside: Aside::default(), health, stop: CancellationToken::new() }
    }

    pub fn health(&self) -> watch::Receiver<StoreHealth> {
        self.health.subscribe()
    }

    /// Seals until told to stop; a pack under way is finished first.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut retry = RETRY_FIRST;
        self.stop = stop.clone();
        while !stop.is_cancelled() {
            let wait = match self.pass(clock::now()).await {
                Ok(_) => {
                    retry = RETRY_FIRST;
                    self.health.send_replace(StoreHealth::Up);
                    TICK
                }
                Err(error) => {
                    self.note_failure(&error);
                    let wait = retry;
                    retry = (retry * 2).min(RETRY_LONGEST);
                    wait
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    fn note_failure(&self, error: &SealError) {
        tracing::warn!(%error, "sealing failed; received objects stay in the spool");
        let why = error.to_string();
        self.health.send_modify(|health| {
            let since = match health {
                StoreHealth::Down { since, .. } => *since,
                StoreHealth::Up => clock::now(),
            };
            *health = StoreHealth::Down { since, why };
        });
    }

    /// Seals what has been quiet at `now` and lets segments go, also where sealing fails; how many packs were made.
    pub async fn pass(&mut self, now: Micros) -> Result<usize, SealError> {
        let sealed = self.seal_quiet(now).await;
        let released = self.release_segments().await;
        let packs = sealed?;
        released?;
        Ok(packs)
    }

    async fn seal_quiet(&mut self, now: Micros) -> Result<usize, SealError> {
        let before = now - self.options.quiet;
        // Series that consist of what is aside must not stand before all others for ever.
        let limit = SERIES + self.aside.series() as i64;
        let mut tx = self.db.read().await?;
        let quiet = rows::quiet_series(&mut tx, &self.options.node, before, limit).await?;
        drop(tx);
        let mut packs = 0;
        for series in quiet {
            packs += self.seal(PackOf::Series(series.series_id), now).await?;
        }
        Ok(packs + self.seal(PackOf::Quarantine, now).await?)
    }

    /// Packs everything of one series, or of the quarantine, that can be packed; how many packs were made.
    async fn seal(&mut self, of: PackOf, now: Micros) -> Result<usize, SealError> {
        let mut packs = 0;
        while !self.stop.is_cancelled() {
            let objects = self.unsealed(of, now).await?;
            if objects.is_empty() {
                break;
            }
            let Some(pack) = self.write_pack(of, &objects, now).await? else { continue };
            self.publish(of, &pack, &objects).await?;
            packs += 1;
            for object in &objects {
                self.aside.forget(of, object.id);
            }
            tracing::info!(pack = %pack.key, objects = objects.len(), bytes = pack.bytes, "sealed");
        }
        Ok(packs)
    }

    async fn unsealed(&self, of: PackOf, now: Micros) -> Result<Vec<Unsealed>, SealError> {
        let before = now - self.options.quiet;
        let mut tx = self.db.read().await?;
        let (node, limit) = (&self.options.node, (self.options.objects + self.aside.objects()) as i64);
        let mut objects = match of {
            PackOf::Series(series) => rows::unsealed_of_series(&mut tx, node, series, limit).await?,
            PackOf::Quarantine => rows::unsealed_quarantine(&mut tx, node, before, limit).await?,
        };
        objects.retain(|object| !self.aside.holds(of, object.id, now));
        let mut bytes = 0;
        let fits = |object: &Unsealed| {
            bytes += u64::try_from(object.bytes).unwrap_or(0);
            bytes <= self.options.bytes
        };
        let count = objects
            .iter()
            .take_while({
                let mut fits = fits;
                move |object| fits(object)
            })
            .count();
        objects.truncate(count.max(1));
        Ok(objects)
    }

    /// Writes and reads back a pack. None: something could not be packed and was put aside; try again without it.
    async fn write_pack(
        &mut self,
        of: PackOf,
        objects: &[Unsealed],
        now: Micros,
    ) -> Result<Option<SealedPack>, SealError> {
        let mut pack = self.archive.create_pack(&self.options.node);
        for (index, object) in objects.iter().enumerate() {
            match pack.add(entry(object), self.stored(object)).await {
                Ok(()) => {}
                Err(PackError::Archive(error)) => {
                    pack.abort().await;
                    return Err(error.into());
                }
                Err(error @ (PackError::Source(_) | PackError::SourceDamaged { .. })) => {
                    pack.abort().await;
                    let count = self.put_aside(of, &objects[index..], now).await;
                    let (segment, object) = (SegmentId(unsigned(object.segment)), object.id);
                    tracing::error!(%error, %segment, object, count, "objects in the spool can't be packed");
                    return Ok(None);
                }
            }
        }
        let pack = match pack.finish(clock::now()).await {
            Ok(pack) => pack,
            Err(PackError::Archive(error)) => return Err(error.into()),
            Err(error) => return Err(ArchiveError::Read(std::io::Error::other(error)).into()),
        };
        if let Err(error) = self.archive.verify_pack(&pack).await {
            self.withdraw(&pack, &error).await;
            return Err(error.into());
        }
        Ok(Some(pack))
    }

    /// Puts the first of `objects` aside, and each of the others that can't be packed either: a lost segment costs one
    /// attempt, not one for each object that was in it. How many that were.
    async fn put_aside(&mut self, of: PackOf, objects: &[Unsealed], now: Micros) -> usize {
        let mut count = 0;
        for (index, object) in objects.iter().enumerate() {
            if index == 0 || !self.is_whole(object).await {
                self.aside.put(of, object.id, now);
                count += 1;
            }
        }
        count
    }

    async fn is_whole(&self, object: &Unsealed) -> bool {
        let start = (crc32fast::Hasher::new(), 0);
        let read = self.stored(object).try_fold(start, |(mut crc, length), chunk| {
            crc.update(&chunk);
            std::future::ready(Ok((crc, length + chunk.len() as u64)))
        });
        let found = read.await.map(|(crc, length)| (i64::from(crc.finalize()), length));
        found.is_ok_and(|found| found == (object.crc32, unsigned(object.bytes)))
    }

    fn stored(&self, object: &Unsealed) -> InstanceStream {
        let (segment, offset) = (SegmentId(unsigned(object.segment)), unsigned(object.file_offset));
        spool_stream(self.spool.clone(), segment, offset, unsigned(object.bytes))
    }

    /// A pack that did not come back as it was written is nobody's.
    async fn withdraw(&self, pack: &SealedPack, error: &ArchiveError) {
        if matches!(error, ArchiveError::Damaged { .. })
            && let Err(left) = self.archive.delete(&pack.key).await
        {
            tracing::warn!(pack = %pack.key, error = %left, "a damaged pack could not be deleted");
        }
    }

    async fn publish(&self, of: PackOf, pack: &SealedPack, objects: &[Unsealed]) -> Result<(), SealError> {
        let mut tx = self.db.write().await?;
        if let Err(error) = rows::publish_pack(&mut tx, of, pack, objects, clock::now()).await {
            drop(tx);
            self.archive.delete(&pack.key).await?;
            return Err(error.into());
        }
        // A commit that fails may have happened all the same: from here on the pack stays.
        tx.commit().await?;
        Ok(())
    }

    /// Lets go of segments that are indexed to their end and that no row needs. One that fails stays, the others go.
    async fn release_segments(&self) -> Result<(), SealError> {
        let indexed = *self.indexed.borrow();
        let mut failed = None;
        for segment in self.spool.segments().into_iter().filter(|segment| segment.last <= indexed) {
            let mut tx = self.db.read().await?;
            let needed = rows::segment_needed(&mut tx, &self.options.node, segment.id.0).await?;
            drop(tx);
            if needed {
                continue;
            }
            let spool = self.spool.clone();
            let release = tokio::task::spawn_blocking(move || spool.release(segment.id, segment.last)).await;
            match release.map_err(|_| SpoolError::Closed)? {
                Ok(()) => tracing::info!(segment = %segment.id, "released"),
                Err(SpoolError::StillNeeded(_) | SpoolError::NoSuchSegment(_)) => {}
                Err(error) => {
                    tracing::warn!(segment = %segment.id, %error, "a segment could not be released");
                    failed = Some(error);
                }
            }
        }
        failed.map_or(Ok(()), |error| Err(error.into()))
    }
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

fn entry(object: &Unsealed) -> PackEntry {
    PackEntry {
        length: unsigned(object.bytes),
        crc32: u32::try_from(object.crc32).unwrap_or(0),
        sha256: hex::encode(&object.sha256),
        dataset_offset: unsigned(object.dataset_offset),
        sop_uid: object.sop_uid.clone(),
        sop_class: object.sop_class.clone(),
        transfer_syntax: object.transfer_syntax.clone(),
        study_uid: object.study_uid.clone(),
        series_uid: object.series_uid.clone(),
        site: object.site_id.0,
        site_code: object.site_code.clone(),
        device: object.device_id,
        device_ae: object.device_ae.clone(),
        calling_ae: object.calling_ae.clone(),
        received_us: object.received_us,
        quarantined: object.reason.clone(),
        written_in: object.written_in.clone(),
    }
}
