//! The delivery form of an instance: what a browser gets instead of the stored bytes, made behind the intake.
//!
//! In this order: the device's own JPEG Baseline frames, untouched; lossless HTJ2K, proven exact; deflated samples. All
//! frames of an instance have the same form. Nothing here touches the stored bytes, and everything can be made again.

use std::future::Future;
use std::io;

use super::frames::{FrameCache, FrameError, FrameSource, Frames};
use super::pool::{DecodeError, Decoder};
use super::worker::Task;
use crate::dicom::{Header, delivered_as_jpeg};
use crate::domain::Delivery;

/// One frame in its delivery form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveredFrame {
    pub bytes: Vec<u8>,
    /// Bytes needed for each resolution, the smallest first; empty unless HTJ2K.
    pub resolution_offsets: Vec<u32>,
}

/// Takes frames as they are made, so that a long clip is never in memory whole.
pub trait FrameSink: Send {
    /// Frames of this form follow, from the first on. Comes again where a form turned out impossible for a later frame:
    /// what was taken until then is void.
    fn begin(&mut self, delivery: Delivery, frames: u32) -> impl Future<Output = io::Result<()>> + Send;
    /// Frame `index`, from 0, in order; `None`: this one does not decode.
    fn frame(&mut self, index: u32, frame: Option<DeliveredFrame>) -> impl Future<Output = io::Result<()>> + Send;
}

/// What became of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryForm {
    pub delivery: Delivery,
    /// Why it is unavailable, or how many frames are missing: a stable word, after a space what it is about; else empty.
    pub reason: String,
    pub frames: u32,
}

#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// The stored bytes could not be read, or the form not be kept: try again later.
    #[error("reading or keeping frames failed")]
    Io(#[from] io::Error),
    /// No decoder could be started, or it failed and there is [`Chance::Another`].
    #[error(transparent)]
    Decoder(DecodeError),
}

/// Whether whoever asks will ask again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chance {
    /// A decoder that fails on a frame is an error: the same frame may decode the next time.
    Another,
    /// A frame on which the decoder fails is missing.
    Last,
}

/// Makes the delivery form of every frame. What cannot be decoded is [`Delivery::Unavailable`], which is no error.
pub async fn deliver<S: FrameSource>(
    decoder: &Decoder,
    header: &Header,
    source: &S,
    sink: &mut impl FrameSink,
    chance: Chance,
) -> Result<DeliveryForm, DeliverError> {
    if header.pixel_data.is_none() {
        return Ok(DeliveryForm { delivery: Delivery::NoImage, reason: String::new(), frames: 0 });
    }
    let cache = FrameCache::default();
    let frames = match Frames::new(header, source, &cache) {
        Ok(frames) => frames,
        Err(FrameError::Io(e)) => return Err(e.into()),
        Err(e) => return Ok(unavailable(e.reason())),
    };
    let jpeg = delivered_as_jpeg(header);
    let attempt = Attempt { decoder, frames: &frames, chance };
    if jpeg && let Some(form) = attempt.jpeg(sink).await? {
        return Ok(form);
    }
    if let Some(form) = attempt.samples(sink, Delivery::Htj2k, Task::Htj2k { keep_ybr: jpeg }).await? {
        return Ok(form);
    }
    let deflated = attempt.samples(sink, Delivery::Deflate, Task::Deflate { keep_ybr: jpeg }).await?;
    Ok(deflated.unwrap_or_else(|| unavailable("no_form".into())))
}

fn unavailable(reason: String) -> DeliveryForm {
    DeliveryForm { delivery: Delivery::Unavailable, reason, frames: 0 }
}

struct Attempt<'a, S> {
    decoder: &'a Decoder,
    frames: &'a Frames<'a, S>,
    chance: Chance,
}

impl<S: FrameSource> Attempt<'_, S> {
    /// The stored JPEG frames as they are. `None`: one of them is not what a browser expects.
    async fn jpeg(&self, sink: &mut impl FrameSink) -> Result<Option<DeliveryForm>, DeliverError> {
        sink.begin(Delivery::Jpeg, self.frames.count).await?;
        for index in 0..self.frames.count {
            let bytes = match self.frames.read(index).await {
                Ok(bytes) => bytes,
                Err(FrameError::Io(e)) => return Err(e.into()),
                Err(_) => return Ok(None),
            };
            if !is_baseline(&bytes, self.frames.shape.columns, self.frames.shape.rows, self.frames.shape.samples) {
                return Ok(None);
            }
            sink.frame(index, Some(DeliveredFrame { bytes, resolution_offsets: Vec::new() })).await?;
        }
        Ok(Some(DeliveryForm { delivery: Delivery::Jpeg, reason: String::new(), frames: self.frames.count }))
    }

    /// Frames decoded and coded anew. `None`: this form does not fit one of them.
    async fn samples(
        &self,
        sink: &mut impl FrameSink,
        delivery: Delivery,
        task: Task,
    ) -> Result<Option<DeliveryForm>, DeliverError> {
        let count = self.frames.count;
        sink.begin(delivery, count).await?;
        // Why the last of them is missing, and whether it was the decoder that failed.
        let (mut missing, mut why) = (0, (false, String::new()));
        for index in 0..count {
            let coded = match self.frames.read(index).await {
                Ok(coded) => coded,
                Err(FrameError::Io(e)) => return Err(e.into()),
                Err(e) => {
                    missing += 1;
                    why = if why.0 { why } else { (false, e.reason()) };
                    sink.frame(index, None).await?;
                    continue;
                }
            };
            let frame = match self.decoder.frame(&self.frames.shape, task, &coded).await {
                Ok(Ok(frame)) => {
                    Some(DeliveredFrame { bytes: frame.bytes, resolution_offsets: frame.resolution_offsets })
                }
                Ok(Err(_)) => return Ok(None),
                Err(e @ DecodeError::NoWorker(_)) => return Err(DeliverError::Decoder(e)),
                Err(e) if e.is_failure() && self.chance == Chance::Another => return Err(DeliverError::Decoder(e)),
                Err(e) => {
                    missing += 1;
                    // A failure is named before damage: what failed may be tried again.
                    why = if why.0 { why } else { (e.is_failure(), e.reason()) };
                    None
                }
            };
            sink.frame(index, frame).await?;
        }
        let (_, why) = why;
        Ok(Some(match missing {
            0 => DeliveryForm { delivery, reason: String::new(), frames: count },
            n if n == count => unavailable(why),
            n => DeliveryForm { delivery, reason: format!("frames_missing {n} {count} {why}"), frames: count },
        }))
    }
}

/// A whole baseline or sequential eight-bit JPEG of the expected size, markers only.
fn is_baseline(bytes: &[u8], columns: u16, rows: u16, components: u16) -> bool {
    let mut at = 2;
    while let Some(&[0xFF, marker, high, low]) = bytes.get(at..).and_then(|b| b.first_chunk::<4>()) {
        match marker {
            0xC0 | 0xC1 => {
                let Some(&[8, r0, r1, c0, c1, n]) = bytes.get(at + 4..).and_then(|b| b.first_chunk::<6>()) else {
                    return false;
                };
                let size = (u16::from_be_bytes([c0, c1]), u16::from_be_bytes([r0, r1]), u16::from(n));
                return size == (columns, rows, components) && bytes.starts_with(&[0xFF, 0xD8]);
            }
            0xC2..=0xCF if !matches!(marker, 0xC4 | 0xC8 | 0xCC) => return false,
            0xFF => at += 1,
            _ => at += 2 + usize::from(u16::from_be_bytes([high, low])),
        }
    }
    false
}
