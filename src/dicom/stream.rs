//! A forward-only, buffered view of a file or of its inflated form.
//!
//! Skipping costs a seek, never a read, where the source can seek; nothing here allocates by a figure from the file.

use std::io::{self, Read, Seek, SeekFrom};

use flate2::read::DeflateDecoder;

const BUFFER: usize = 16 * 1024;

/// Where bytes come from: something that can seek, or an inflater that can only discard.
trait Source {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize>;
    /// Moves forward by up to `n` bytes; fewer only at the end of the data.
    fn skip(&mut self, n: u64) -> io::Result<u64>;
}

struct Seekable<R> {
    inner: R,
    position: u64,
    length: u64,
}

impl<R: Read + Seek> Source for Seekable<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.position += n as u64;
        Ok(n)
    }

    fn skip(&mut self, n: u64) -> io::Result<u64> {
        let target = self.position.saturating_add(n).min(self.length);
        let moved = target.saturating_sub(self.position);
        self.position = self.inner.seek(SeekFrom::Start(target))?;
        Ok(moved)
    }
}

/// PS3.5 A.5: the data set after the file meta is one raw deflate stream.
struct Inflater<R> {
    inner: DeflateDecoder<R>,
    left: u64,
}

impl<R: Read> Source for Inflater<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.left = self.left.checked_sub(n as u64).ok_or_else(|| io::Error::from(io::ErrorKind::FileTooLarge))?;
        Ok(n)
    }

    fn skip(&mut self, n: u64) -> io::Result<u64> {
        let mut scratch = [0u8; BUFFER];
        let mut left = n;
        while left > 0 {
            let want = usize::try_from(left).unwrap_or(BUFFER).min(BUFFER);
            match self.read(&mut scratch[..want])? {
                0 => break,
                got => left -= got as u64,
            }
        }
        Ok(n - left)
    }
}

pub(super) struct Stream<'a> {
    source: Box<dyn Source + 'a>,
    buffer: Box<[u8; BUFFER]>,
    /// The unread part of `buffer`.
    start: usize,
    end: usize,
    position: u64,
    /// Absolute end of the data, where it is known.
    length: Option<u64>,
}

impl<'a> Stream<'a> {
    /// Reads `inner` from its current position to its end; positions are those of `inner`.
    pub fn seekable<R: Read + Seek + 'a>(mut inner: R) -> io::Result<Self> {
        let position = inner.stream_position()?;
        let length = inner.seek(SeekFrom::End(0))?;
        inner.seek(SeekFrom::Start(position))?;
        Ok(Self::new(Box::new(Seekable { inner, position, length }), position, Some(length)))
    }

    /// Inflates `inner` from its current position, giving at most `cap` bytes; positions count inflated bytes from 0.
    pub fn inflating<R: Read + 'a>(inner: R, cap: u64) -> Self {
        Self::new(Box::new(Inflater { inner: DeflateDecoder::new(inner), left: cap }), 0, None)
    }

    fn new(source: Box<dyn Source + 'a>, position: u64, length: Option<u64>) -> Self {
        Self { source, buffer: Box::new([0; BUFFER]), start: 0, end: 0, position, length }
    }

    pub fn position(&self) -> u64 {
        self.position
    }

    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// The next bytes without consuming them; fewer than `n` only at the end. `n` is small.
    pub fn peek(&mut self, n: usize) -> io::Result<&[u8]> {
        if self.end - self.start < n {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            while self.end < n {
                match self.source.read(&mut self.buffer[self.end..]) {
                    Ok(0) => break,
                    Ok(got) => self.end += got,
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    Err(e) => return Err(e),
                }
            }
        }
        Ok(&self.buffer[self.start..self.end.min(self.start + n)])
    }

    /// Fills `buf`; fewer bytes only at the end of the data.
    pub fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            let available = self.peek(1)?.len();
            if available == 0 {
                break;
            }
            let n = (buf.len() - done).min(self.end - self.start);
            buf[done..done + n].copy_from_slice(&self.buffer[self.start..self.start + n]);
            self.start += n;
            self.position += n as u64;
            done += n;
        }
        Ok(done)
    }

    /// Moves forward; the answer is how far, less than `n` only at the end of the data.
    pub fn skip(&mut self, n: u64) -> io::Result<u64> {
        let buffered = (self.end - self.start) as u64;
        if n <= buffered {
            self.start += n as usize;
            self.position += n;
            return Ok(n);
        }
        self.start = 0;
        self.end = 0;
        let moved = buffered + self.source.skip(n - buffered)?;
        self.position += moved;
        Ok(moved)
    }

    /// Appends up to `n` bytes to `out`, growing only by what was really there.
    pub fn read_onto(&mut self, out: &mut Vec<u8>, n: usize) -> io::Result<usize> {
        let mut left = n;
        while left > 0 {
            if self.peek(1)?.is_empty() {
                break;
            }
            let take = left.min(self.end - self.start);
            out.extend_from_slice(&self.buffer[self.start..self.start + take]);
            self.start += take;
            self.position += take as u64;
            left -= take;
        }
        Ok(n - left)
    }
}
