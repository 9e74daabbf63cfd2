//! What a person decides about an object in quarantine is done: its stored bytes are walked and described again, as if they
//! had just come, and become an instance; of two copies under one UID the other one counts from now on.
//!
//! No byte is written, moved or deleted: rows change places, in one transaction with their event.

use std::io::{self, Read, Seek, SeekFrom};

use futures_util::TryStreamExt;
use tokio::runtime::Handle;

use super::batch::{self, Placed};
use super::bytes::{BytesError, InstanceBytes};
use super::describe::{Described, Said, describe, said};
use super::spool::{Position, Record, RecordMeta, SegmentId};
use super::writings::Writings;
use crate::archive::{Archive, ObjectKey};
use crate::dicom::{self, Header, Limits, WalkError, uid};
use crate::domain::{InstanceId, QuarantineId};
use crate::index::archive::Place;
use crate::index::quarantine::{self as rows, Kept, Reason, Settling};
use crate::index::{Db, Error as IndexError, Scope, Tx, intake};
use wire::QuarantineAct;

#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error(transparent)]
    Bytes(#[from] BytesError),
    /// Why it can't become an instance today either.
    #[error("refused again: {}", .0.code)]
    StillRefused(Reason),
    #[error("the walk over it ended early")]
    Interrupted,
}

/// Carries decisions out.
pub struct Release<'a> {
    pub db: &'a Db,
    pub bytes: &'a InstanceBytes,
    pub archive: &'a Archive,
    /// The devices' clock in minutes east of UTC where they don't say.
    pub zone_minutes: i32,
}

/// What may be decided about an object.
pub fn acts(reason: &str, is_settled: bool, is_instance: bool) -> Vec<QuarantineAct> {
    use QuarantineAct::{Choose, Keep, Release};
    let possible: &[QuarantineAct] = match reason {
        _ if is_instance => &[],
        "duplicate" | "superseded" => &[Choose, Keep],
        // Two names for one object, and nobody here can say which is its own.
        "uid_mismatch" => &[Keep],
        _ => &[Release, Keep],
    };
    possible.iter().copied().filter(|act| !is_settled || *act != Keep).collect()
}

impl Release<'_> {
    /// Does what was decided about `id`; the instance it became, if it did.
    pub async fn decide(
        &self,
        scope: Scope,
        id: QuarantineId,
        settling: Settling<'_>,
    ) -> Result<Option<InstanceId>, ReleaseError> {
        let mut tx = self.db.read().await?;
        let seen = rows::one(&mut tx, scope, id).await?;
        drop(tx);
        if !acts(&seen.reason, seen.settled_us.is_some(), seen.instance_id.is_some()).contains(&settling.act) {
            return Err(IndexError::Refused("this can't be decided about it").into());
        }
        if settling.act == QuarantineAct::Keep {
            let mut tx = self.db.write().await?;
            let kept = rows::hold(&mut tx, scope, id).await?;
            rows::settle(&mut tx, &kept, None, settling).await?;
            tx.commit().await?;
            return Ok(None);
        }
        match self.walk(&seen).await? {
            Ok(described) => self.place(scope, id, &described, settling).await.map(Some),
            Err(reason) => Err(self.refuse(id, reason).await?),
        }
    }

    async fn place(
        &self,
        scope: Scope,
        id: QuarantineId,
        described: &Described,
        settling: Settling<'_>,
    ) -> Result<InstanceId, ReleaseError> {
        let mut tx = self.db.write().await?;
        let kept = rows::hold(&mut tx, scope, id).await?;
        let derived = match settling.act {
            QuarantineAct::Choose => make_room(&mut tx, &kept, settling).await?,
            _ => None,
        };
        let record = record(&kept)?;
        let placed = batch::release(&mut tx, &kept.node, (described, &record), kept.sender(), settling.now).await?;
        let (instance, study) = match placed {
            Placed::Stored(instance, study) => (instance, study),
            Placed::Refused(reason, _) => {
                drop(tx);
                return Err(self.refuse(id, reason).await?);
            }
            // It came again meanwhile and was taken: nothing is missing, and nothing else is to be decided.
            Placed::Duplicate => {
                let same = intake::same_uid(&mut tx, &kept.sop_uid, uid::hash(&kept.sop_uid)).await?;
                let same = same.ok_or(IndexError::Stale("it has changed since"))?;
                rows::settle(&mut tx, &kept, None, settling).await?;
                tx.commit().await?;
                return Ok(same.id);
            }
        };
        rows::settle(&mut tx, &kept, Some((instance, study)), settling).await?;
        tx.commit().await?;
        if let Some(key) = derived.and_then(|key| ObjectKey::from_row(key).ok())
            && let Err(error) = self.archive.delete(&key).await
        {
            tracing::warn!(%key, %error, "a delivery form of what was set aside could not be deleted");
        }
        Ok(instance)
    }

    async fn refuse(&self, id: QuarantineId, reason: Reason) -> Result<ReleaseError, IndexError> {
        let mut tx = self.db.write().await?;
        rows::still_refused(&mut tx, id, &reason).await?;
        tx.commit().await?;
        Ok(ReleaseError::StillRefused(reason))
    }

    /// Whom and what `kept` says it is of; none: its bytes can't be read so far.
    pub async fn look(&self, kept: &Kept) -> Result<Option<Said>, ReleaseError> {
        Ok(self.read(kept, |header| Ok(said(header))).await?.ok())
    }

    /// What the bytes say to this version of the program.
    async fn walk(&self, kept: &Kept) -> Result<Result<Box<Described>, Reason>, ReleaseError> {
        let (record, zone) = (record(kept)?, self.zone_minutes);
        let described = move |header: &Header| describe(header, &record, zone).map_err(|refused| refused.reason);
        Ok(self.read(kept, described).await?.map(Box::new))
    }

    /// What `of` finds in the header of `kept`, or why it has none.
    async fn read<T: Send + 'static>(
        &self,
        kept: &Kept,
        of: impl FnOnce(&Header) -> Result<T, Reason> + Send + 'static,
    ) -> Result<Result<T, Reason>, ReleaseError> {
        let meta = record(kept)?.meta;
        let writing = Writings::read(&mut self.db.read().await?).await?.of(meta.device, &meta.calling_ae);
        let reader =
            StoredReader { bytes: self.bytes.clone(), place: kept.place()?, at: 0, runtime: Handle::current() };
        // Whether they can be got at is asked first: that they cannot is no fault of theirs.
        drop(self.bytes.open(&reader.place, Some(0..0)).await?);
        let walked = tokio::task::spawn_blocking(move || {
            let header = dicom::walk(reader, &Limits::default())?;
            Ok::<_, WalkError>(of(&header.read_as(writing)))
        });
        Ok(match walked.await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => Err(Reason { code: error.reason().into(), detail: error.facts() }),
            Err(error) if error.is_panic() => Err(Reason { code: "parser_failed".into(), detail: String::new() }),
            Err(_) => return Err(ReleaseError::Interrupted),
        })
    }
}

/// Sets the copy aside that counted until now.
async fn make_room(tx: &mut Tx, kept: &Kept, settling: Settling<'_>) -> Result<Option<String>, IndexError> {
    match intake::same_uid(tx, &kept.sop_uid, uid::hash(&kept.sop_uid)).await? {
        Some(same) if same.site_id == kept.site_id => rows::set_aside(tx, same.id, settling.now).await,
        _ => Ok(None),
    }
}

/// As the spool once had it.
fn record(kept: &Kept) -> Result<Record, IndexError> {
    let corrupt = |what: &str| IndexError::Corrupt(format!("{what} of quarantined object {}", kept.id));
    let unsigned = |value: i64, what| u64::try_from(value).map_err(|_| corrupt(what));
    Ok(Record {
        position: Position(unsigned(kept.position, "position")?),
        segment: SegmentId(unsigned(kept.segment, "segment")?),
        offset: unsigned(kept.file_offset, "offset")?,
        length: unsigned(kept.bytes, "length")?,
        dataset_offset: u32::try_from(kept.dataset_offset).map_err(|_| corrupt("offset"))?,
        crc32: u32::try_from(kept.crc32).map_err(|_| corrupt("checksum"))?,
        sha256: kept.sha256.clone().try_into().map_err(|_| corrupt("hash"))?,
        meta: RecordMeta {
            received: kept.received_us,
            calling_ae: kept.calling_ae.clone(),
            called_ae: String::new(),
            peer: String::new(),
            device: Some(kept.sender().0),
            sop_class: kept.sop_class.clone(),
            sop_instance: kept.sop_uid.clone(),
            transfer_syntax: kept.transfer_syntax.clone(),
        },
    })
}

/// A stored object, wherever it lies, for a parser on a thread that may block.
struct StoredReader {
    bytes: InstanceBytes,
    place: Place,
    at: u64,
    runtime: Handle,
}

impl Read for StoredReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.place.length().saturating_sub(self.at);
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(into.len());
        let range = self.at..self.at + length as u64;
        let read = async {
            let mut stream = self.bytes.open(&self.place, Some(range)).await.map_err(io::Error::other)?;
            let mut at = 0;
            while let Some(chunk) = stream.try_next().await? {
                into.get_mut(at..at + chunk.len()).ok_or(io::ErrorKind::InvalidData)?.copy_from_slice(&chunk);
                at += chunk.len();
            }
            Ok::<_, io::Error>(at)
        };
        let count = self.runtime.block_on(read)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for StoredReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.place.length().checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
