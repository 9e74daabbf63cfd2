//! A spooled object as something a parser can read and seek in, on a thread that may block.

use std::io::{self, Read, Seek, SeekFrom};

use bytes::Bytes;

use super::spool::{Record, Spool, SpoolError};

/// Reads one record's Part-10 file; sees nothing before or after it.
pub struct RecordReader<'a> {
    spool: &'a Spool,
    record: &'a Record,
    /// The beginning, as far as it is in memory.
    head: Bytes,
    at: u64,
}

impl<'a> RecordReader<'a> {
    pub fn new(spool: &'a Spool, record: &'a Record) -> Self {
        Self { spool, record, head: Bytes::new(), at: 0 }
    }
}

impl RecordReader<'_> {
    /// Reads the file's beginning from memory.
    pub fn with_head(self, head: Bytes) -> Self {
        Self { head, ..self }
    }
}

impl Read for RecordReader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.record.length.saturating_sub(self.at);
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(into.len());
        if length == 0 {
            return Ok(0);
        }
        if let Some(left) =
            usize::try_from(self.at).ok().and_then(|at| self.head.get(at..)).filter(|left| !left.is_empty())
        {
            let length = length.min(left.len());
            into[..length].copy_from_slice(&left[..length]);
            self.at += length as u64;
            return Ok(length);
        }
        let read = self.spool.read_blocking(self.record.segment, self.record.offset + self.at, length);
        let bytes = read.map_err(|error| match error {
            SpoolError::Io(error) => error,
            other => io::Error::other(other),
        })?;
        into[..length].copy_from_slice(&bytes);
        self.at += length as u64;
        Ok(length)
    }
}

impl Seek for RecordReader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.record.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
