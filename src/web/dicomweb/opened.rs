//! A stored instance opened for its frames.

use axum::http::StatusCode;
use tokio::runtime::Handle;

use super::super::{Answer, App, Problem};
use super::accept::FrameForm;
use crate::dicom::{self, Header, Limits};
use crate::index::dicomweb::NamedInstance;
use crate::ingest::derived::StoredFrames;
use crate::pixels::{Codec, DecodeError, FrameCache, FrameError, Frames, ShapeError};

/// An instance whose header was walked.
pub struct Opened {
    pub header: Header,
    pub source: StoredFrames,
    cache: FrameCache,
}

pub type OpenedFrames<'a> = Frames<'a, StoredFrames>;

impl Opened {
    /// The caller has been found to be allowed to see the instance.
    pub async fn new(app: &App, found: &NamedInstance) -> Answer<Self> {
        let length = u64::try_from(found.bytes).unwrap_or(0);
        let source = StoredFrames::new(app.viewing.bytes.clone(), found.id, length);
        let reader = source.reader(Handle::current());
        let walked = tokio::task::spawn_blocking(move || dicom::walk(reader, &Limits::default())).await;
        let header = walked.map_err(Problem::internal)?.map_err(Problem::internal)?;
        Ok(Self { header, source, cache: FrameCache::default() })
    }

    pub fn frames(&self) -> Answer<OpenedFrames<'_>> {
        Frames::new(&self.header, &self.source, &self.cache).map_err(|e| refused(FrameFault::Frame(e)))
    }
}

#[derive(Debug, thiserror::Error)]
pub enum FrameFault {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// Frame `index`, from 0, in a form. Samples are described by the metadata as they are served: native ones as they are stored,
/// decoded ones interleaved and with YBR left as it is; see `dicom::to_json`.
pub async fn frame(app: &App, frames: &OpenedFrames<'_>, index: u32, form: FrameForm) -> Result<Vec<u8>, FrameFault> {
    let bytes = frames.read(index).await?;
    let decoder = &app.viewing.decoder;
    Ok(match form {
        FrameForm::Stored(_) => bytes,
        FrameForm::Samples if frames.shape.codec == Codec::Native => bytes,
        FrameForm::Samples => {
            let samples = decoder.raw_samples(&frames.shape, &bytes).await?.bytes;
            if frames.shape.bits_allocated == 1 { pack_bits(&samples) } else { samples }
        }
        FrameForm::Coded(target) => decoder.coded(&frames.shape, target, &bytes).await?.bytes,
    })
}

pub fn refused(fault: FrameFault) -> Problem {
    match fault {
        FrameFault::Frame(FrameError::Shape(ShapeError::NoPixels) | FrameError::NoSuchFrame(_)) => Problem::not_found(),
        FrameFault::Frame(FrameError::Io(error)) => Problem::internal(error),
        FrameFault::Decode(error @ DecodeError::NoWorker(_)) => Problem::internal(error),
        other => Problem::new(StatusCode::NOT_ACCEPTABLE, "not_acceptable").detail(other.to_string()),
    }
}

/// Single bits, eight a byte, the first in the lowest place (PS3.5 8.1.1).
fn pack_bits(samples: &[u8]) -> Vec<u8> {
    samples.chunks(8).map(|bits| bits.iter().rev().fold(0, |byte, &bit| byte << 1 | (bit & 1))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_bits_pack_from_the_lowest_place() {
        assert_eq!(pack_bits(&[1, 0, 0, 0, 0, 0, 0, 0, 1, 1]), [1, 3]);
    }
}
