//! Between an instance's stored bytes and its derived object: where frames are read from and where they go.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use tokio::runtime::Handle;

use super::bytes::{InstanceBytes, LastPlace};
use crate::archive::{Archive, ArchiveError, Kind, ObjectWriter, Written};
use crate::domain::{Delivery, InstanceId};
use crate::index::delivery::FramePlace;
use crate::pixels::FrameSource;
use crate::pixels::transcode::{DeliveredFrame, FrameSink};

/// An instance's Part-10 file, read piece by piece wherever it lies.
pub struct StoredFrames {
    bytes: InstanceBytes,
    instance: InstanceId,
    length: u64,
    place: Arc<LastPlace>,
}

impl StoredFrames {
    pub fn new(bytes: InstanceBytes, instance: InstanceId, length: u64) -> Self {
        Self { bytes, instance, length, place: Arc::default() }
    }

    /// The same for a parser on a thread that may block.
    pub fn reader(&self, runtime: Handle) -> StoredReader {
        let (bytes, place) = (self.bytes.clone(), self.place.clone());
        StoredReader { bytes, instance: self.instance, length: self.length, place, at: 0, runtime }
    }
}

impl FrameSource for StoredFrames {
    async fn read(&self, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        let end = offset.checked_add(length).filter(|end| *end <= self.length);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        self.bytes.read(&self.place, self.instance, offset..end).await.map_err(io::Error::other)
    }

    fn length(&self) -> u64 {
        self.length
    }
}

pub struct StoredReader {
    bytes: InstanceBytes,
    instance: InstanceId,
    length: u64,
    place: Arc<LastPlace>,
    at: u64,
    runtime: Handle,
}

impl Read for StoredReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.length.saturating_sub(self.at);
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(into.len());
        if length == 0 {
            return Ok(0);
        }
        let range = self.at..self.at + length as u64;
        let read = self.bytes.read(&self.place, self.instance, range);
        let read = self.runtime.block_on(read).map_err(io::Error::other)?;
        if read.len() != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        into[..length].copy_from_slice(&read);
        self.at += length as u64;
        Ok(length)
    }
}

impl Seek for StoredReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

/// Writes frames back to back into one derived object and notes where each lies.
pub struct DerivedSink {
    archive: Archive,
    out: Option<ObjectWriter>,
    frames: Vec<FramePlace>,
}

impl DerivedSink {
    pub fn new(archive: Archive) -> Self {
        Self { archive, out: None, frames: Vec::new() }
    }

    pub async fn abort(self) {
        if let Some(out) = self.out {
            out.abort().await;
        }
    }

    pub async fn finish(self) -> Result<(Written, Vec<FramePlace>), ArchiveError> {
        let out = self.out.unwrap_or_else(|| self.archive.create(Kind::Derived));
        Ok((out.finish().await?, self.frames))
    }
}

impl FrameSink for DerivedSink {
    async fn begin(&mut self, _delivery: Delivery, _frames: u32) -> io::Result<()> {
        if let Some(void) = self.out.replace(self.archive.create(Kind::Derived)) {
            void.abort().await;
        }
        self.frames.clear();
        Ok(())
    }

    async fn frame(&mut self, _index: u32, frame: Option<DeliveredFrame>) -> io::Result<()> {
        let out = self.out.as_mut().ok_or_else(|| io::Error::other("a frame before its form was named"))?;
        let Some(frame) = frame else {
            self.frames.push(FramePlace(out.position(), 0, Vec::new()));
            return Ok(());
        };
        let resolutions = frame.resolution_offsets.into_iter().map(u64::from).collect();
        self.frames.push(FramePlace(out.position(), frame.bytes.len() as u64, resolutions));
        out.write(frame.bytes.into()).await.map_err(io::Error::other)
    }
}
