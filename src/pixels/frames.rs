//! The coded bytes of single frames: where they are in an instance, read one at a time.

use std::future::Future;
use std::io;
use std::ops::Range;

use tokio::sync::OnceCell;

use super::inflate::Inflater;
use super::shape::{Codec, Shape, ShapeError, frames_present, swap_width};
use crate::dicom::Header;

/// Most bytes of one coded frame.
const MAX_CODED: u64 = 1 << 30;

/// The stored bytes of one instance, as [`Header`]'s offsets count them.
pub trait FrameSource: Sync {
    /// Bytes `offset..offset + length`; fewer is an error.
    fn read(&self, offset: u64, length: u64) -> impl Future<Output = io::Result<Vec<u8>>> + Send;
    /// Length of the whole instance.
    fn length(&self) -> u64;
}

/// An instance in memory.
impl FrameSource for Vec<u8> {
    async fn read(&self, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        let range = usize::try_from(offset).ok().zip(usize::try_from(offset.saturating_add(length)).ok());
        range.and_then(|(a, b)| self.get(a..b)).map(<[u8]>::to_vec).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn length(&self) -> u64 {
        self.len() as u64
    }
}

#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error(transparent)]
    Shape(#[from] ShapeError),
    #[error("there is no frame {0}")]
    NoSuchFrame(u32),
    #[error("the pixel data ends before its frames do")]
    Truncated,
    #[error("nothing tells where one frame ends and the next begins")]
    NoBoundaries,
    #[error("a coded frame is longer than any decoder here accepts")]
    TooLarge,
    #[error("the deflated data set is damaged")]
    Deflate,
    #[error("reading the stored bytes failed")]
    Io(#[from] io::Error),
}

impl FrameError {
    /// A stable word, as of [`ShapeError::reason`].
    pub fn reason(&self) -> String {
        match self {
            Self::Shape(error) => return error.reason(),
            Self::NoSuchFrame(_) => "no_frame",
            Self::Truncated => "truncated",
            Self::NoBoundaries => "no_boundaries",
            Self::TooLarge => "too_large",
            Self::Deflate => "bad_deflate",
            Self::Io(_) => "read_failed",
        }
        .into()
    }
}

/// What reading frames of one instance has found out. Keep one for as long as frames of that instance are asked for, so
/// that nothing is searched, or inflated, twice.
#[derive(Default)]
pub struct FrameCache {
    ranges: OnceCell<Vec<Range<usize>>>,
    inflater: Inflater,
}

/// Reads an instance's frames, coded as they are stored; native ones come out little endian and aligned to a byte.
pub struct Frames<'a, S> {
    header: &'a Header,
    source: &'a S,
    pub shape: Shape,
    /// Frames that are there.
    pub count: u32,
    cache: &'a FrameCache,
}

impl<'a, S: FrameSource> Frames<'a, S> {
    /// `cache` is a new one, or what frames of this instance were read with before.
    pub fn new(header: &'a Header, source: &'a S, cache: &'a FrameCache) -> Result<Self, FrameError> {
        let shape = Shape::of(header)?;
        let count = frames_present(header, &shape);
        if count == 0 {
            return Err(FrameError::Truncated);
        }
        Ok(Self { header, source, shape, count, cache })
    }

    /// The coded bytes of frame `index`, counted from 0.
    pub async fn read(&self, index: u32) -> Result<Vec<u8>, FrameError> {
        if index >= self.count {
            return Err(FrameError::NoSuchFrame(index));
        }
        match self.shape.codec {
            Codec::Native => self.native(index).await,
            _ => self.encapsulated(index).await,
        }
    }

    async fn native(&self, index: u32) -> Result<Vec<u8>, FrameError> {
        let bits = self.shape.native_bits();
        let (first_bit, last_bit) = (bits * u64::from(index), bits * (u64::from(index) + 1));
        let mut bytes = self.native_bytes(first_bit / 8, last_bit.div_ceil(8)).await?;
        let length = usize::try_from(bits.div_ceil(8)).map_err(|_| FrameError::TooLarge)?;
        let shift = (first_bit % 8) as u32;
        if shift > 0 {
            // Single-bit frames follow each other without padding (PS3.5 8.1.1).
            for i in 0..length {
                let next = bytes.get(i + 1).copied().unwrap_or(0);
                bytes[i] = bytes[i] >> shift | next << (8 - shift);
            }
        }
        bytes.truncate(length);
        if bytes.len() < length { Err(FrameError::Truncated) } else { Ok(bytes) }
    }

    /// Bytes `begin..end` of native pixel data, little endian, whatever frames they belong to; fewer where it ends.
    pub async fn native_bytes(&self, begin: u64, end: u64) -> Result<Vec<u8>, FrameError> {
        let pixels = self.header.pixel_data.as_ref().ok_or(ShapeError::NoPixels)?;
        let width = swap_width(self.header, &self.shape);
        // Words are swapped whole, also where a frame begins inside one.
        let align = width.max(1) as u64;
        let from = begin / align * align;
        let to = end.next_multiple_of(align).min(pixels.length);
        if to.saturating_sub(from) > MAX_CODED {
            return Err(FrameError::TooLarge);
        }
        let mut bytes = self.bytes(pixels.offset + from, to.saturating_sub(from)).await?;
        if width > 1 {
            bytes.chunks_exact_mut(width).for_each(<[u8]>::reverse);
        }
        bytes.drain(..bytes.len().min((begin - from) as usize));
        bytes.truncate((end - begin) as usize);
        Ok(bytes)
    }

    async fn encapsulated(&self, index: u32) -> Result<Vec<u8>, FrameError> {
        let ranges = self.cache.ranges.get_or_try_init(|| self.find_frames()).await?;
        let fragments = self.header.pixel_data.as_ref().and_then(|p| p.encapsulated.as_ref()).map(|e| &e.fragments[..]);
        let range = ranges.get(index as usize).cloned().ok_or(FrameError::NoSuchFrame(index))?;
        let fragments = fragments.and_then(|f| f.get(range)).ok_or(FrameError::NoBoundaries)?;
        if fragments.iter().map(|f| u64::from(f.length)).sum::<u64>() > MAX_CODED {
            return Err(FrameError::TooLarge);
        }
        let mut bytes = Vec::new();
        for fragment in fragments {
            bytes.extend(self.bytes(fragment.offset, fragment.length.into()).await?);
        }
        Ok(bytes)
    }

    async fn find_frames(&self) -> Result<Vec<Range<usize>>, FrameError> {
        let encapsulated = self.header.pixel_data.as_ref().and_then(|p| p.encapsulated.as_ref());
        let encapsulated = encapsulated.ok_or(FrameError::NoBoundaries)?;
        if let Some(ranges) = encapsulated.frames(self.count as usize) {
            return Ok(ranges);
        }
        // No table tells; a codestream's first bytes do: SOI of a JPEG, SOC of a JPEG 2000.
        let mut starts = Vec::new();
        for (i, fragment) in encapsulated.fragments.iter().enumerate() {
            let head = self.bytes(fragment.offset, u64::from(fragment.length.min(3))).await?;
            if head.starts_with(&[0xFF, 0xD8, 0xFF]) || head.starts_with(&[0xFF, 0x4F, 0xFF]) {
                starts.push(i);
            }
        }
        if starts.len() != self.count as usize || starts.first() != Some(&0) {
            return Err(FrameError::NoBoundaries);
        }
        let ends = starts.iter().skip(1).copied().chain([encapsulated.fragments.len()]);
        Ok(starts.iter().copied().zip(ends).map(|(a, b)| a..b).collect())
    }

    async fn bytes(&self, offset: u64, length: u64) -> Result<Vec<u8>, FrameError> {
        if !self.header.deflated {
            return Ok(self.source.read(offset, length).await?);
        }
        self.cache.inflater.read(self.source, self.header.dataset_offset, offset, length).await
    }
}
