//! The decoders that are our own, on whatever a stored object says its pixels are; see [`crate::fuzzing`].

use super::decode::decode;
use super::encode::encode;
use super::shape::{Codec, Shape};
use super::target::Target;
use super::{FrameCache, Frames, jpeg12};
use crate::dicom::{Limits, image_attrs, tags, walk_bytes};
use crate::fuzzing::seen;

/// Bytes of a decoded frame that are worth the time.
const LARGEST: usize = 1 << 20;

/// An object's frames: found, read, decoded by what is written here, and drawn.
pub fn frames(bytes: &[u8]) {
    let Ok(header) = walk_bytes(bytes, &Limits::default()) else { return };
    let (source, cache) = (bytes.to_vec(), FrameCache::default());
    let Ok(frames) = Frames::new(&header, &source, &cache) else { return };
    if frames.shape.decoded_length() > LARGEST {
        return;
    }
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() else { return };
    for index in 0..frames.count.min(3) {
        let Ok(coded) = runtime.block_on(frames.read(index)) else { continue };
        seen(pixel::jpeg::with_colour_said(&coded, wire::Photometric::YbrFull422));
        if !is_own(&frames.shape, &coded) {
            continue;
        }
        let Ok(samples) = decode(&frames.shape, &coded, index % 2 == 0) else { continue };
        assert_eq!(samples.len(), frames.shape.decoded_length(), "as many samples as the image has");
        if index == 0 && samples.len() < 1 << 16 {
            // It compares what it made with what it was given.
            seen(encode(&frames.shape, Target::Rle, &samples));
            draw(&header, &samples);
        }
    }
}

/// What no library decodes.
fn is_own(shape: &Shape, coded: &[u8]) -> bool {
    match shape.codec {
        Codec::Native | Codec::Rle | Codec::Deflate => true,
        Codec::Jpeg => jpeg12::is_extended(coded),
        Codec::JpegLs | Codec::Jpeg2000 => false,
    }
}

fn draw(header: &crate::dicom::Header, samples: &[u8]) {
    let Some(attrs) = image_attrs(header).and_then(|attrs| attrs.into_frames().into_iter().next()) else { return };
    let Ok(samples) = pixel::Samples::unpack(samples, &pixel::Layout::of(&attrs)) else { return };
    let modality = header.dataset.uid(tags::MODALITY).unwrap_or_default();
    let view = pixel::View::opening(&attrs, modality, Some(&samples));
    seen(pixel::render(&samples, &attrs, &view));
}
