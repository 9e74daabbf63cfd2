//! Erases what was confirmed to be erased: first the tombstone, then the rows, then the bytes.
//!
//! A pack that held only the study goes; one that others share is written anew without it, under another key that rows
//! publish, and then goes. What still lies in the spool loses its rows, and its segment goes when nothing else needs it.
//! Whoever is killed in between goes on with [`Eraser::pass`]. Never erases a signed report.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::archive::{Archive, ArchiveError, Kind, Location, ObjectKey, PackError, Written};
use crate::clock;
use crate::domain::{AccountId, ErasureId, Micros, PackId, Retention};
use crate::index::erasure::{self, Erasure, Rewritten};
use crate::index::{Db, Error as IndexError};

const TICK: Duration = Duration::from_secs(60);
const FORMAT: &str = "yunying-tombstone-1";
/// A tombstone is a few hundred bytes; what is longer is none.
const TOMBSTONE_CAP: u64 = 64 << 10;

#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error("pack {key} can't be written anew: {why}")]
    Pack { key: ObjectKey, why: String },
}

/// What stays of an erased study in the store, so that an index made anew knows of it: no name, no UID.
#[derive(Debug, Serialize, Deserialize)]
struct Tombstone {
    format: String,
    /// SHA-256 of the Study Instance UID, in hexadecimal.
    study_sha256: String,
    confirmed_us: i64,
    /// Sign-in name.
    confirmed_by: String,
    requested_by: String,
    reason: String,
}

#[derive(Clone)]
pub struct Eraser {
    pub db: Db,
    pub archive: Archive,
    pub retention: Retention,
}

impl Eraser {
    /// Goes on with what was confirmed and is not done, until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            if let Err(error) = self.pass(clock::now()).await {
                tracing::warn!(%error, "an erasure waits to be finished");
            }
            tokio::select! {
                () = tokio::time::sleep(TICK) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Finishes what is under way; how many erasures.
    pub async fn pass(&self, now: Micros) -> Result<usize, EraseError> {
        let under_way = erasure::under_way(&mut self.db.read().await?).await?;
        for id in &under_way {
            self.finish(*id, now).await?;
        }
        Ok(under_way.len())
    }

    /// `by` confirms a request: the study is erased, at once as far as the store answers.
    pub async fn confirm(&self, id: ErasureId, by: AccountId, login: &str, now: Micros) -> Result<(), EraseError> {
        let request = erasure::find(&mut self.db.read().await?, id).await?;
        let tombstone = self.bury(&request, login, now).await?;
        let mut tx = self.db.write().await?;
        if let Err(refused) = erasure::confirm(&mut tx, id, by, &tombstone, &self.retention, now).await {
            drop(tx);
            self.archive.delete(&tombstone.key).await?;
            return Err(refused.into());
        }
        // A commit that fails may have happened all the same: from here on the tombstone stays.
        tx.commit().await?;
        self.finish(id, now).await
    }

    async fn bury(&self, request: &Erasure, login: &str, now: Micros) -> Result<Written, EraseError> {
        let tombstone = Tombstone {
            format: FORMAT.to_owned(),
            study_sha256: hex::encode(&request.uid_hash),
            confirmed_us: now.0,
            confirmed_by: login.to_owned(),
            requested_by: request.requested_by.clone(),
            reason: request.reason.clone(),
        };
        let json = serde_json::to_vec_pretty(&tombstone).map_err(|error| IndexError::Corrupt(error.to_string()))?;
        let mut out = self.archive.create(Kind::Tombstone);
        if let Err(error) = out.write(json.into()).await {
            out.abort().await;
            return Err(error.into());
        }
        Ok(out.finish().await?)
    }

    async fn finish(&self, id: ErasureId, now: Micros) -> Result<(), EraseError> {
        loop {
            let next = erasure::next_pack(&mut self.db.read().await?, id).await?;
            let Some((pack, key)) = next else { break };
            self.rewrite(id, pack, &key, now).await?;
        }
        for key in erasure::objects(&mut self.db.read().await?, id).await? {
            self.archive.delete(&key).await?;
        }
        let mut tx = self.db.write().await?;
        erasure::done(&mut tx, id, now).await?;
        tx.commit().await?;
        tracing::info!(erasure = id.0, "erased");
        Ok(())
    }

    /// What else a pack holds moves into another; with nothing else in it, it just goes.
    async fn rewrite(&self, id: ErasureId, pack: PackId, key: &ObjectKey, now: Micros) -> Result<(), EraseError> {
        let kept = erasure::offsets_in_use(&mut self.db.read().await?, pack).await?;
        let new = match kept.is_empty() {
            true => None,
            false => Some(self.without(key, &kept, now).await?),
        };
        let mut tx = self.db.write().await?;
        if let Err(error) = erasure::replace_pack(&mut tx, id, pack, key, new.as_ref(), now).await {
            drop(tx);
            if let Some(new) = new {
                self.archive.delete(&new.written.key).await?;
            }
            return Err(error.into());
        }
        tx.commit().await?;
        Ok(())
    }

    /// A pack of what lies at the offsets `kept` of another one.
    async fn without(&self, key: &ObjectKey, kept: &[i64], now: Micros) -> Result<Rewritten, EraseError> {
        let failed = |error: PackError| match error {
            PackError::Archive(error) => EraseError::Archive(error),
            other => EraseError::Pack { key: key.clone(), why: other.to_string() },
        };
        let manifest = self.archive.manifest(key).await?;
        let entries: HashMap<i64, _> = manifest
            .instances
            .into_iter()
            .filter_map(|entry| Some((i64::try_from(entry.offset).ok()?, entry.instance)))
            .collect();
        let mut pack = self.archive.create_pack(&manifest.node);
        for offset in kept {
            let added = match entries.get(offset) {
                Some(entry) => {
                    let at = Location { key: key.clone(), offset: *offset as u64, length: entry.length };
                    let bytes = self.archive.read(&at, 0..entry.length).await?.map_err(std::io::Error::other);
                    pack.add(entry.clone(), bytes).await.map_err(failed)
                }
                None => Err(EraseError::Pack { key: key.clone(), why: format!("it names nothing at {offset}") }),
            };
            if let Err(error) = added {
                pack.abort().await;
                return Err(error);
            }
        }
        let sealed = pack.finish(now).await.map_err(failed)?;
        self.archive.verify_pack(&sealed).await?;
        let places = sealed.instances.iter().filter_map(|place| i64::try_from(place.offset).ok());
        let moved = kept.iter().copied().zip(places).collect();
        Ok(Rewritten { written: Written { key: sealed.key, bytes: sealed.bytes, sha256: sealed.sha256 }, moved })
    }
}

/// Makes every tombstone of the store known to an index made anew; how many there are.
pub async fn restore_tombstones(db: &Db, archive: &Archive) -> Result<usize, EraseError> {
    let found: Vec<_> = archive.list(Kind::Tombstone).try_collect().await?;
    for listed in &found {
        let damaged = |what: &str| ArchiveError::Damaged { key: listed.key.clone(), what: what.to_owned() };
        if listed.bytes > TOMBSTONE_CAP {
            return Err(damaged("it is too long for a tombstone").into());
        }
        let whole = Location { key: listed.key.clone(), offset: 0, length: listed.bytes };
        let json = archive.read_bytes(&whole, 0..listed.bytes).await?;
        let tombstone: Tombstone =
            serde_json::from_slice(&json).map_err(|_| damaged("it can't be read as a tombstone"))?;
        let hash = hex::decode(&tombstone.study_sha256).ok().filter(|hash| hash.len() == 32);
        let hash = hash.filter(|_| tombstone.format == FORMAT).ok_or_else(|| damaged("it is of another format"))?;
        let written = archive.digest(&listed.key).await?;
        let mut tx = db.write().await?;
        let at = Micros(tombstone.confirmed_us);
        erasure::restore_tombstone(&mut tx, &hash, &tombstone.reason, at, &written).await?;
        tx.commit().await?;
    }
    Ok(found.len())
}
