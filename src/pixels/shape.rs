//! How the samples of an instance lie, and how they are coded.

use crate::dicom::{Encoding, Header, Tag, VR, frame_count, tags, uids};

/// Most samples in one frame, all components together: 256 Mi, far beyond any detector.
pub const MAX_SAMPLES: u64 = 1 << 28;

/// How a frame's bytes are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Codec {
    /// Samples as they are, little endian by now.
    Native,
    /// PS3.5 G
    Rle,
    /// ISO/IEC 10918-1, all processes
    Jpeg,
    /// ISO/IEC 14495-1
    JpegLs,
    /// ISO/IEC 15444-1 and -15
    Jpeg2000,
    /// One raw deflate stream a frame (PS3.5 A.4.11)
    Deflate,
}

/// What samples mean as colours (PS3.3 C.7.6.3.1.2), as far as decoding must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Colour {
    /// One sample, or three that need no conversion (RGB; YBR_RCT and YBR_ICT, which their codec undoes).
    Plain,
    YbrFull,
    /// As YBR_FULL, but half the chrominance is left out of native samples.
    YbrFull422,
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Shape {
    pub rows: u16,
    pub columns: u16,
    /// Samples a pixel: 1, 3 or 4.
    pub samples: u16,
    /// 1, 8, 16, 32 or 64.
    pub bits_allocated: u16,
    pub bits_stored: u16,
    pub high_bit: u16,
    pub signed: bool,
    /// Native samples come one colour plane after the other.
    pub planar: bool,
    pub colour: Colour,
    pub codec: Codec,
}

/// Why pixels cannot be decoded, before a decoder was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    #[error("no pixel data")]
    NoPixels,
    #[error("(0028,{0:04X}) is missing or not usable")]
    Attribute(u16),
    #[error("no decoder for transfer syntax {0}")]
    TransferSyntax(String),
    #[error("the image is larger than any decoder here accepts")]
    TooLarge,
}

impl ShapeError {
    /// A stable word, and after a space what it is about; the message is for logs.
    pub fn reason(&self) -> String {
        match self {
            Self::NoPixels => "no_pixels".into(),
            Self::Attribute(element) => format!("bad_attribute (0028,{element:04X})"),
            Self::TransferSyntax(uid) => format!("no_decoder {uid}"),
            Self::TooLarge => "too_large".into(),
        }
    }
}

impl Shape {
    pub fn of(header: &Header) -> Result<Shape, ShapeError> {
        let pixels = header.pixel_data.as_ref().ok_or(ShapeError::NoPixels)?;
        let set = &header.dataset;
        let required = |tag: Tag| {
            let value = set.int(tag).and_then(|n| u16::try_from(n).ok()).filter(|&n| n > 0);
            value.ok_or(ShapeError::Attribute(tag.1))
        };
        let (rows, columns) = (required(tags::ROWS)?, required(tags::COLUMNS)?);
        let samples = set.int(tags::SAMPLES_PER_PIXEL).unwrap_or(1);
        let samples = u16::try_from(samples).ok().filter(|n| matches!(n, 1 | 3 | 4)).ok_or(ShapeError::Attribute(2))?;
        let bits_allocated = required(tags::BITS_ALLOCATED)?;
        if !matches!(bits_allocated, 1 | 8 | 16 | 32 | 64) {
            return Err(ShapeError::Attribute(tags::BITS_ALLOCATED.1));
        }
        let stated = set.uid(tags::PHOTOMETRIC_INTERPRETATION).unwrap_or_default();
        let codec = match &pixels.encapsulated {
            None => Codec::Native,
            Some(_) => codec(&header.transfer_syntax)?,
        };
        let bits_stored = required(tags::BITS_STORED).unwrap_or(bits_allocated).min(bits_allocated);
        let high_bit = set.int(tags::HIGH_BIT).and_then(|n| u16::try_from(n).ok());
        let shape = Shape {
            rows,
            columns,
            samples,
            bits_allocated,
            bits_stored,
            high_bit: high_bit.filter(|bit| (bits_stored - 1..bits_allocated).contains(bit)).unwrap_or(bits_stored - 1),
            signed: set.int(tags::PIXEL_REPRESENTATION) == Some(1),
            planar: set.int(tags::PLANAR_CONFIGURATION) == Some(1) && samples > 1,
            colour: match stated {
                "YBR_FULL" if samples == 3 => Colour::YbrFull,
                "YBR_FULL_422" if samples == 3 => Colour::YbrFull422,
                _ => Colour::Plain,
            },
            codec,
        };
        if shape.pixels() * u64::from(samples) > MAX_SAMPLES { Err(ShapeError::TooLarge) } else { Ok(shape) }
    }

    pub fn pixels(&self) -> u64 {
        u64::from(self.rows) * u64::from(self.columns)
    }

    /// Bytes of a decoded sample; single bits take one.
    pub fn sample_size(&self) -> usize {
        usize::from(self.bits_allocated.div_ceil(8))
    }

    /// Bytes of a decoded frame.
    pub fn decoded_length(&self) -> usize {
        self.pixels() as usize * usize::from(self.samples) * self.sample_size()
    }

    /// Bits of one native frame in the file.
    pub fn native_bits(&self) -> u64 {
        match self.colour {
            Colour::YbrFull422 => self.pixels() * 2 * u64::from(self.bits_allocated),
            _ => self.pixels() * u64::from(self.samples) * u64::from(self.bits_allocated),
        }
    }
}

/// The compressed transfer syntaxes whose frames are decoded; `docs/codecs.md` says of each how that was checked.
pub const DECODED: [(&str, Codec); 15] = [
    (uids::JPEG_BASELINE8_BIT, Codec::Jpeg),
    (uids::JPEG_EXTENDED12_BIT, Codec::Jpeg),
    // Retired processes that the same decoder reads: progressive, and lossless of other selections.
    ("1.2.840.10008.1.2.4.53", Codec::Jpeg),
    ("1.2.840.10008.1.2.4.55", Codec::Jpeg),
    (uids::JPEG_LOSSLESS, Codec::Jpeg),
    (uids::JPEG_LOSSLESS_SV1, Codec::Jpeg),
    (uids::JPEGLS_LOSSLESS, Codec::JpegLs),
    (uids::JPEGLS_NEAR_LOSSLESS, Codec::JpegLs),
    (uids::JPEG2000_LOSSLESS, Codec::Jpeg2000),
    (uids::JPEG2000, Codec::Jpeg2000),
    (uids::HTJ2K_LOSSLESS, Codec::Jpeg2000),
    (uids::HTJ2K_LOSSLESS_RPCL, Codec::Jpeg2000),
    (uids::HTJ2K, Codec::Jpeg2000),
    (uids::RLE_LOSSLESS, Codec::Rle),
    // Deflated Image Frame Compression, newer than the dictionary.
    ("1.2.840.10008.1.2.8.1", Codec::Deflate),
];

fn codec(transfer_syntax: &str) -> Result<Codec, ShapeError> {
    let known = DECODED.iter().find(|(uid, _)| *uid == transfer_syntax);
    known.map(|(_, codec)| *codec).ok_or_else(|| ShapeError::TransferSyntax(transfer_syntax.to_owned()))
}

/// How many bytes to reverse to get little-endian samples from native ones; 1 for none.
pub(super) fn swap_width(header: &Header, shape: &Shape) -> usize {
    let vr = header.pixel_data.as_ref().map(|p| p.vr);
    match (header.encoding, shape.bits_allocated) {
        (Encoding::ExplicitBig, 1 | 8) if vr == Some(VR::OW) => 2,
        (Encoding::ExplicitBig, 16..) => shape.sample_size(),
        _ => 1,
    }
}

/// Frames that the pixel data can hold, at most what Number of Frames says.
pub(super) fn frames_present(header: &Header, shape: &Shape) -> u32 {
    let stated = frame_count(&header.dataset);
    match header.pixel_data.as_ref() {
        Some(pixels) if pixels.encapsulated.is_none() => {
            let whole = pixels.length.saturating_mul(8) / shape.native_bits().max(1);
            stated.min(u32::try_from(whole).unwrap_or(u32::MAX))
        }
        _ => stated,
    }
}
