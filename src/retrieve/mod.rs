//! Stored instances on their way out: the bytes as they are stored, or written anew for receivers that take other forms.
//!
//! Owns how an instance is opened and rewritten, a frame at a time. Knows neither HTTP nor associations, keeps nothing it
//! makes, and never touches what is stored.

mod file;
mod outgoing;
mod rewrite;

use tokio::runtime::Handle;

pub use file::FileSource;
pub use outgoing::{FileAnew, Stored, StoredInstance};
pub use rewrite::{Bytestream, Form, Rewriting};

use crate::dicom::{self, Header, Limits, RewriteError, WalkError};
use crate::domain::InstanceId;
use crate::ingest::bytes::{BytesError, InstanceBytes};
use crate::ingest::derived::StoredFrames;
use crate::pixels::{Codec, DecodeError, Decoder, FrameCache, FrameError, FrameSource, Frames, Target};

#[derive(Debug, thiserror::Error)]
pub enum RetrieveError {
    #[error(transparent)]
    Bytes(#[from] BytesError),
    #[error(transparent)]
    Walk(#[from] WalkError),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Rewrite(#[from] RewriteError),
    /// What is asked for cannot be made of such an instance.
    #[error("{0}")]
    NoSuchForm(&'static str),
    #[error("cut off by a shutdown")]
    CutOff,
}

/// An instance whose header was walked.
pub struct Opened<S> {
    pub header: Header,
    pub source: S,
    cache: FrameCache,
}

impl Opened<StoredFrames> {
    /// One that is stored; the caller has found that it may be seen. `length` is that of its Part-10 file.
    pub async fn stored(bytes: &InstanceBytes, instance: InstanceId, length: u64) -> Result<Self, RetrieveError> {
        let source = StoredFrames::new(bytes.clone(), instance, length);
        let reader = source.reader(Handle::current());
        let walked = tokio::task::spawn_blocking(move || dicom::walk(reader, &Limits::default())).await;
        let header = walked.map_err(|_| RetrieveError::CutOff)??;
        Ok(Self { header, source, cache: FrameCache::default() })
    }
}

impl<S: FrameSource> Opened<S> {
    pub fn frames(&self) -> Result<Frames<'_, S>, FrameError> {
        Frames::new(&self.header, &self.source, &self.cache)
    }
}

/// How a frame goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameForm {
    /// As it is coded.
    Stored,
    /// Native samples.
    Samples,
    /// Coded anew.
    Coded(Target),
}

/// Frame `index`, from 0, in a form. Samples are as DICOM JSON describes them: native ones as they are stored, decoded ones
/// interleaved and with YBR left as it is; see [`dicom::to_json`].
pub async fn frame<S: FrameSource>(
    decoder: &Decoder,
    frames: &Frames<'_, S>,
    index: u32,
    form: FrameForm,
) -> Result<Vec<u8>, RetrieveError> {
    let bytes = frames.read(index).await?;
    Ok(match form {
        FrameForm::Stored => bytes,
        FrameForm::Samples if frames.shape.codec == Codec::Native => bytes,
        FrameForm::Samples => {
            let samples = decoder.raw_samples(&frames.shape, &bytes).await?.bytes;
            if frames.shape.bits_allocated == 1 { pack_bits(&samples) } else { samples }
        }
        FrameForm::Coded(target) => decoder.coded(&frames.shape, target, &bytes).await?.bytes,
    })
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
