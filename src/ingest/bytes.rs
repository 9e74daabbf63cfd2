//! An instance's bytes wherever they lie: in this node's spool or in a pack.

use std::io;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};

use super::spool::{SegmentId, Spool, SpoolError};
use crate::archive::{Archive, ArchiveError};
use crate::domain::InstanceId;
use crate::index::archive::{self as rows, Place, Stored};
use crate::index::{Db, Error as IndexError, Scope};

/// How much is read from the spool at a time while streaming.
const CHUNK: u64 = 512 << 10;

pub type InstanceStream = BoxStream<'static, io::Result<Bytes>>;

#[derive(Debug, thiserror::Error)]
pub enum BytesError {
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error("the bytes are on node {0:?} and not sealed yet")]
    OtherNode(String),
    #[error("bytes {start}..{end} asked of {length}")]
    OutOfRange { start: u64, end: u64, length: u64 },
}

/// Reads instances. Cheap to clone.
#[derive(Clone)]
pub struct InstanceBytes {
    db: Db,
    spool: Option<Spool>,
    archive: Archive,
    node: String,
}

impl InstanceBytes {
    /// Without a spool, what is not sealed can't be read.
    pub fn new(db: Db, spool: impl Into<Option<Spool>>, archive: Archive, node: &str) -> Self {
        Self { db, spool: spool.into(), archive, node: node.to_owned() }
    }

    /// Where an instance is, within the caller's sites.
    pub async fn find(&self, scope: Scope, instance: InstanceId) -> Result<Stored, BytesError> {
        let mut tx = self.db.read().await?;
        Ok(rows::instance(&mut tx, scope, instance).await?)
    }

    /// Streams `range` of an instance's Part-10 file; none: all of it. Goes on in the pack if the instance is sealed
    /// and its segment released meanwhile.
    pub async fn stream(
        &self,
        scope: Scope,
        instance: InstanceId,
        range: Option<Range<u64>>,
    ) -> Result<(Stored, InstanceStream), BytesError> {
        let mut stored = self.find(scope, instance).await?;
        let range = range.unwrap_or(0..stored.place.length());
        let first = match self.open(&stored.place, Some(range.clone())).await {
            Err(BytesError::Spool(SpoolError::NoSuchSegment(_) | SpoolError::Io(_))) => {
                stored = self.find(scope, instance).await?;
                self.open(&stored.place, Some(range.clone())).await?
            }
            opened => opened?,
        };
        let Place::Spool { .. } = stored.place else { return Ok((stored, first)) };
        let state = Following { bytes: self.clone(), instance, left: range, stream: first, followed: false };
        Ok((stored, futures_util::stream::try_unfold(state, Following::next).boxed()))
    }

    /// Reads `range` of an instance's Part-10 file into memory; the caller bounds it, and has found that the instance may
    /// be seen. Looks it up only where `last` does not lead to it.
    pub async fn read(&self, last: &LastPlace, instance: InstanceId, range: Range<u64>) -> Result<Vec<u8>, BytesError> {
        if let Some(place) = last.get()
            && let Ok(bytes) = self.gather(&place, range.clone()).await
        {
            return Ok(bytes);
        }
        let place = self.find(Scope::All, instance).await?.place;
        last.set(&place);
        match self.gather(&place, range.clone()).await {
            // Sealed, and its segment released, between our look and our read.
            Err(BytesError::Spool(SpoolError::NoSuchSegment(_) | SpoolError::Io(_))) => {
                let place = self.find(Scope::All, instance).await?.place;
                last.set(&place);
                self.gather(&place, range).await
            }
            gathered => gathered,
        }
    }

    async fn gather(&self, place: &Place, range: Range<u64>) -> Result<Vec<u8>, BytesError> {
        let length = range.end.saturating_sub(range.start);
        let mut stream = self.open(place, Some(range)).await?;
        let unreadable = |error| BytesError::Archive(ArchiveError::Read(error));
        let Some(first) = stream.try_next().await.map_err(unreadable)? else { return Ok(Vec::new()) };
        // Nearly always this is all, and then nothing is copied.
        let mut all = Vec::from(first);
        if (all.len() as u64) < length {
            while let Some(chunk) = stream.try_next().await.map_err(unreadable)? {
                all.extend_from_slice(&chunk);
            }
        }
        Ok(all)
    }

    /// Streams from a place that was looked up before.
    pub async fn open(&self, place: &Place, range: Option<Range<u64>>) -> Result<InstanceStream, BytesError> {
        let length = place.length();
        let range = range.unwrap_or(0..length);
        if range.start > range.end || range.end > length {
            return Err(BytesError::OutOfRange { start: range.start, end: range.end, length });
        }
        match place {
            Place::Pack(location) => Ok(self.archive.read(location, range).await?.map_err(io::Error::other).boxed()),
            Place::Spool { node, segment, offset, .. } => {
                let spool = self.spool.as_ref().filter(|_| *node == self.node);
                let spool = spool.ok_or_else(|| BytesError::OtherNode(node.clone()))?;
                let (segment, length) = (SegmentId(*segment), range.end - range.start);
                // The first chunk now, so that a segment that is gone is known before anything is answered.
                let first = spool.read(segment, offset + range.start, length.min(CHUNK) as usize).await?;
                let begun = first.len() as u64;
                let rest = spool_stream(spool.clone(), segment, offset + range.start + begun, length - begun);
                Ok(futures_util::stream::once(std::future::ready(Ok(first))).chain(rest).boxed())
            }
        }
    }
}

/// Where an instance was found the last time, for whoever reads it piece by piece.
#[derive(Default)]
pub struct LastPlace(Mutex<Option<Place>>);

impl LastPlace {
    fn get(&self) -> Option<Place> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, place: &Place) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(place.clone());
    }
}

/// A stream from the spool that follows its instance into a pack, once.
struct Following {
    bytes: InstanceBytes,
    instance: InstanceId,
    left: Range<u64>,
    stream: InstanceStream,
    followed: bool,
}

impl Following {
    async fn next(mut self) -> io::Result<Option<(Bytes, Self)>> {
        loop {
            match self.stream.try_next().await {
                Ok(Some(chunk)) => {
                    self.left.start += chunk.len() as u64;
                    return Ok(Some((chunk, self)));
                }
                Ok(None) => return Ok(None),
                Err(error) if self.followed => return Err(error),
                Err(_) => {
                    self.followed = true;
                    let stored = self.bytes.find(Scope::All, self.instance).await.map_err(io::Error::other)?;
                    let rest = self.bytes.open(&stored.place, Some(self.left.clone())).await;
                    self.stream = rest.map_err(io::Error::other)?;
                }
            }
        }
    }
}

/// Streams `length` bytes of a segment.
pub(super) fn spool_stream(spool: Spool, segment: SegmentId, offset: u64, length: u64) -> InstanceStream {
    futures_util::stream::try_unfold(offset..offset + length, move |left| {
        let spool = spool.clone();
        async move {
            if left.is_empty() {
                return Ok(None);
            }
            let length = (left.end - left.start).min(CHUNK);
            let chunk = spool.read(segment, left.start, length as usize).await.map_err(|error| match error {
                SpoolError::Io(error) => error,
                other => io::Error::other(other),
            })?;
            Ok(Some((chunk, left.start + length..left.end)))
        }
    })
    .boxed()
}
