//! Moves quiet series from the spool into packs, and lets the spool's segments go once nothing needs them.
//!
//! A pack is written, read back, and only then published by its rows in one transaction. Whatever fails or is killed
//! in between leaves the objects in the spool and at worst an object in the store that no row names. A store that is
//! down costs nothing but space: the sealer keeps trying, the spool keeps accepting.

use std::collections::HashSet;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::bytes::spool_stream;
use super::spool::{Position, SegmentId, Spool, SpoolError};
use crate::archive::{Archive, ArchiveError, PackEntry, PackError, SealedPack};
use crate::clock;
use crate::domain::Micros;
use crate::index::archive::{self as rows, PackOf, Unsealed};
use crate::index::{Db, Error as IndexError};

const TICK: Duration = Duration::from_secs(2);
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LONGEST: Duration = Duration::from_secs(60);
/// Series looked at in one pass.
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
    #[error("reading the spool for a pack failed: {0}")]
    Read(#[source] std::io::Error),
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
    /// Objects whose bytes in the spool are not those received; `yunying check` names them.
    damaged: HashSet<(PackOf, i64)>,
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
        Self { db, spool, archive, indexed, options, damaged: HashSet::new(), health, stop: CancellationToken::new() }
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

    /// Seals what has been quiet at `now` and lets segments go; how many packs were made.
    pub async fn pass(&mut self, now: Micros) -> Result<usize, SealError> {
        let before = now - self.options.quiet;
        let mut tx = self.db.read().await?;
        let quiet = rows::quiet_series(&mut tx, &self.options.node, before, SERIES).await?;
        drop(tx);
        let mut packs = 0;
        for series in quiet {
            while !self.stop.is_cancelled() && self.seal(PackOf::Series(series.series_id), before).await? {
                packs += 1;
            }
        }
        while !self.stop.is_cancelled() && self.seal(PackOf::Quarantine, before).await? {
            packs += 1;
        }
        self.release_segments().await?;
        Ok(packs)
    }

    /// Makes one pack; false: nothing is left to be packed.
    async fn seal(&mut self, of: PackOf, before: Micros) -> Result<bool, SealError> {
        let objects = self.unsealed(of, before).await?;
        if objects.is_empty() {
            return Ok(false);
        }
        let Some((pack, objects)) = self.write_pack(of, objects).await? else { return Ok(true) };
        self.publish(of, &pack, &objects).await?;
        tracing::info!(pack = %pack.key, objects = objects.len(), bytes = pack.bytes, "sealed");
        Ok(true)
    }

    async fn unsealed(&self, of: PackOf, before: Micros) -> Result<Vec<Unsealed>, SealError> {
        let mut tx = self.db.read().await?;
        let (node, limit) = (&self.options.node, self.options.objects as i64 + self.damaged.len() as i64);
        let mut objects = match of {
            PackOf::Series(series) => rows::unsealed_of_series(&mut tx, node, series, limit).await?,
            PackOf::Quarantine => rows::unsealed_quarantine(&mut tx, node, before, limit).await?,
        };
        objects.retain(|object| !self.damaged.contains(&(of, object.id)));
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

    /// Writes and reads back a pack. None: an object was found damaged and is left out from now on; try again.
    async fn write_pack(
        &mut self,
        of: PackOf,
        objects: Vec<Unsealed>,
    ) -> Result<Option<(SealedPack, Vec<Unsealed>)>, SealError> {
        let mut pack = self.archive.create_pack(&self.options.node);
        for object in &objects {
            let bytes = spool_stream(
                self.spool.clone(),
                SegmentId(unsigned(object.segment)),
                unsigned(object.file_offset),
                unsigned(object.bytes),
            );
            let added = pack.add(entry(object), bytes).await;
            let Err(error) = added else { continue };
            pack.abort().await;
            return match error {
                PackError::Archive(error) => Err(error.into()),
                PackError::Source(error) => Err(SealError::Read(error)),
                error @ PackError::SourceDamaged { .. } => {
                    tracing::error!(%error, segment = object.segment, "an object in the spool is damaged");
                    self.damaged.insert((of, object.id));
                    Ok(None)
                }
            };
        }
        let pack = match pack.finish(clock::now()).await {
            Ok(pack) => pack,
            Err(PackError::Archive(error)) => return Err(error.into()),
            Err(error) => return Err(SealError::Read(std::io::Error::other(error))),
        };
        self.archive.verify_pack(&pack).await?;
        Ok(Some((pack, objects)))
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

    /// Lets go of segments that are indexed to their end and that no row needs.
    async fn release_segments(&self) -> Result<(), SealError> {
        let indexed = *self.indexed.borrow();
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
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
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
    }
}
