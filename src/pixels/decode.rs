//! One coded frame to native samples. Runs in the worker process only: the codecs behind it meet untrusted bytes.
//!
//! Out come little-endian samples of Bits Allocated, pixel-interleaved; single bits one a byte; colours as RGB unless
//! they were asked for as they are; palette indices untouched.

use charls::CharLS;
use jpeg_decoder::{ColorTransform, Decoder, PixelFormat};
use pixel::jpeg::{self, Components};
use wire::Photometric;

use super::jpeg12;
use super::shape::{Codec, Colour, Shape};

/// Why a frame did not decode; for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Damaged(pub String);

impl Damaged {
    fn new(what: impl std::fmt::Display) -> Self {
        Self(what.to_string())
    }
}

/// `keep_ybr`: leave samples that the header calls YBR as they are instead of turning them to RGB.
pub fn decode(shape: &Shape, coded: &[u8], keep_ybr: bool) -> Result<Vec<u8>, Damaged> {
    let samples = match shape.codec {
        Codec::Native => native(shape, coded)?,
        Codec::Deflate => native(shape, &inflate(shape, coded)?)?,
        Codec::Rle => rle(shape, coded)?,
        Codec::Jpeg => any_jpeg(shape, coded)?,
        Codec::JpegLs => jpeg_ls(shape, coded)?,
        Codec::Jpeg2000 => jpeg_2000(shape, coded)?,
    };
    if samples.len() != shape.decoded_length() {
        return Err(Damaged::new(format_args!("{} bytes decoded for {}", samples.len(), shape.decoded_length())));
    }
    let samples = reduce(shape, samples);
    if shape.samples != 3 || shape.bits_allocated != 8 {
        return Ok(samples);
    }
    let stated = if shape.colour == Colour::Plain { Components::Rgb } else { Components::Ybr };
    let wanted = if keep_ybr { stated } else { Components::Rgb };
    Ok(match (found(shape, coded, stated), wanted) {
        (Components::Ybr, Components::Rgb) => to_rgb(samples),
        (Components::Rgb, Components::Ybr) => to_ybr(samples),
        _ => samples,
    })
}

/// What the three components are. A JPEG's markers outrank the header, as in browsers and pydicom, so that every form of
/// an image has the same colours.
fn found(shape: &Shape, coded: &[u8], stated: Components) -> Components {
    let photometric = if stated == Components::Rgb { Photometric::Rgb } else { Photometric::YbrFull };
    match shape.codec {
        Codec::Jpeg => jpeg::components(coded, photometric).unwrap_or(stated),
        _ => stated,
    }
}

/// [`decode`] of a frame that is not compressed, which no codec needs to see: it may be done in any process.
pub fn native_samples(shape: &Shape, bytes: &[u8]) -> Result<Vec<u8>, Damaged> {
    match shape.codec {
        Codec::Native => decode(shape, bytes, false),
        _ => Err(Damaged::new("a compressed frame is for the decode worker")),
    }
}

fn native(shape: &Shape, bytes: &[u8]) -> Result<Vec<u8>, Damaged> {
    if (bytes.len() as u64) * 8 < shape.native_bits() {
        return Err(Damaged::new("fewer samples than the image has"));
    }
    let samples = match (shape.bits_allocated, shape.colour) {
        (..8 | 9.., Colour::YbrFull422) => return Err(Damaged::new("YBR_FULL_422 of other than eight bits")),
        (1, _) => {
            let count = shape.decoded_length();
            (0..count).map(|i| bytes[i / 8] >> (i % 8) & 1).collect()
        }
        // Two luminances share a pair of chrominances (PS3.3 C.7.6.3.1.2).
        (8, Colour::YbrFull422) => bytes
            .as_chunks::<4>()
            .0
            .iter()
            .flat_map(|&[y0, y1, b, r]| [y0, b, r, y1, b, r])
            .take(shape.decoded_length())
            .collect(),
        _ => bytes[..shape.decoded_length()].to_vec(),
    };
    Ok(if shape.planar { interleave(shape, &samples) } else { samples })
}

/// One plane after the other to one pixel after the other.
fn interleave(shape: &Shape, planes: &[u8]) -> Vec<u8> {
    let (samples, size) = (usize::from(shape.samples), shape.sample_size());
    let plane = planes.len() / samples;
    let mut out = Vec::with_capacity(planes.len());
    for at in (0..plane / size * size).step_by(size) {
        for sample in 0..samples {
            out.extend_from_slice(&planes[sample * plane + at..sample * plane + at + size]);
        }
    }
    out
}

fn inflate(shape: &Shape, coded: &[u8]) -> Result<Vec<u8>, Damaged> {
    let mut out = Vec::new();
    let limit = shape.native_bits().div_ceil(8);
    let mut reader = std::io::Read::take(flate2::read::DeflateDecoder::new(coded), limit);
    std::io::Read::read_to_end(&mut reader, &mut out).map_err(Damaged::new)?;
    Ok(out)
}

/// PS3.5 G: up to 15 segments, each the most to least significant byte of one sample's plane, PackBits coded.
fn rle(shape: &Shape, coded: &[u8]) -> Result<Vec<u8>, Damaged> {
    let header = coded.first_chunk::<64>().ok_or_else(|| Damaged::new("no RLE header"))?;
    let words: Vec<u32> = header.as_chunks().0.iter().map(|b| u32::from_le_bytes(*b)).collect();
    if shape.bits_allocated == 1 {
        return rle_bits(shape, coded, &words);
    }
    let (samples, size, pixels) = (usize::from(shape.samples), shape.sample_size(), shape.pixels() as usize);
    let count = samples * size;
    if words[0] as usize != count || count > 15 {
        return Err(Damaged::new(format_args!("{} RLE segments for {count}", words[0])));
    }
    let mut out = vec![0; shape.decoded_length()];
    for segment in 0..count {
        let start = words[1 + segment] as usize;
        let end = words.get(2 + segment).filter(|_| segment + 1 < count).map_or(coded.len(), |&end| end as usize);
        let segment_bytes =
            coded.get(start..end).ok_or_else(|| Damaged::new("an RLE segment lies outside the frame"))?;
        let (sample, byte) = (segment / size, size - 1 - segment % size);
        let mut at = sample * size + byte;
        let step = samples * size;
        unpack_bits(segment_bytes, pixels, |value| {
            out[at] = value;
            at += step;
        })?;
    }
    Ok(out)
}

/// Single bits are coded as they are packed, eight a byte, in one segment.
fn rle_bits(shape: &Shape, coded: &[u8], words: &[u32]) -> Result<Vec<u8>, Damaged> {
    let segment = coded.get(words[1] as usize..).filter(|_| words[0] == 1 && shape.samples == 1);
    let segment = segment.ok_or_else(|| Damaged::new("single bits in other than one RLE segment"))?;
    let length = shape.pixels().div_ceil(8) as usize;
    let mut packed = Vec::with_capacity(length);
    unpack_bits(segment, length, |value| packed.push(value))?;
    native(shape, &packed)
}

fn unpack_bits(mut bytes: &[u8], pixels: usize, mut put: impl FnMut(u8)) -> Result<(), Damaged> {
    let mut left = pixels;
    while left > 0 {
        let ended = || Damaged::new("an RLE segment ends early");
        let (&code, rest) = bytes.split_first().ok_or_else(ended)?;
        bytes = rest;
        match code {
            0..=127 => {
                let run = usize::from(code) + 1;
                let literal = bytes.get(..run).ok_or_else(ended)?;
                bytes = &bytes[run..];
                literal.iter().take(left).for_each(|&b| put(b));
                left = left.saturating_sub(run);
            }
            128 => {}
            129..=255 => {
                let run = 257 - usize::from(code);
                let (&value, rest) = bytes.split_first().ok_or_else(ended)?;
                bytes = rest;
                (0..run.min(left)).for_each(|_| put(value));
                left = left.saturating_sub(run);
            }
        }
    }
    Ok(())
}

fn any_jpeg(shape: &Shape, coded: &[u8]) -> Result<Vec<u8>, Damaged> {
    if jpeg12::is_extended(coded) {
        let image = jpeg12::decode(coded, shape.decoded_length()).map_err(Damaged::new)?;
        check(shape, image.columns.into(), image.rows.into(), image.components)?;
        return Ok(image.samples.iter().flat_map(|&v| v.to_le_bytes().into_iter().take(shape.sample_size())).collect());
    }
    let mut decoder = Decoder::new(coded);
    decoder.set_max_decoding_buffer_size(shape.decoded_length().saturating_mul(4).saturating_add(1 << 20));
    // "RGB" takes components as they are, also where they are YBR: colours are undone by one formula for every codec.
    decoder.set_color_transform(ColorTransform::RGB);
    let samples = decoder.decode().map_err(Damaged::new)?;
    let info = decoder.info().ok_or_else(|| Damaged::new("a JPEG without an image"))?;
    let (components, wide) = match info.pixel_format {
        PixelFormat::L8 => (1, false),
        PixelFormat::L16 => (1, true),
        PixelFormat::RGB24 => (3, false),
        PixelFormat::CMYK32 => (4, false),
    };
    check(shape, info.width.into(), info.height.into(), components)?;
    Ok(match (wide, shape.sample_size()) {
        // The decoder gives words in the machine's own order.
        (true, 2) => samples.as_chunks().0.iter().flat_map(|b| u16::from_ne_bytes(*b).to_le_bytes()).collect(),
        (true, _) => samples.as_chunks().0.iter().map(|b| u16::from_ne_bytes(*b) as u8).collect(),
        (false, size) => widen(samples, size),
    })
}

/// Eight-bit codestreams of images with more bits allocated.
fn widen(samples: Vec<u8>, size: usize) -> Vec<u8> {
    if size == 1 {
        return samples;
    }
    let mut out = vec![0; samples.len() * size];
    out.iter_mut().step_by(size).zip(samples).for_each(|(place, value)| *place = value);
    out
}

fn check(shape: &Shape, columns: u32, rows: u32, components: usize) -> Result<(), Damaged> {
    if (columns, rows) != (shape.columns.into(), shape.rows.into()) || components != usize::from(shape.samples) {
        return Err(Damaged::new(format_args!(
            "the codestream is {columns}×{rows}×{components}, not what the header says"
        )));
    }
    Ok(())
}

fn jpeg_ls(shape: &Shape, coded: &[u8]) -> Result<Vec<u8>, Damaged> {
    let mut codec = CharLS::default();
    let info = codec.get_frame_info(coded).map_err(|e| Damaged::new(format_args!("{e:?}")))?;
    check(shape, info.width, info.height, usize::try_from(info.component_count).unwrap_or(0))?;
    // Some encoders pad the scan with a zero before the end marker, which the library takes for a damaged one.
    let trimmed = || Some([coded.strip_suffix(&[0, 0xFF, 0xD9])?, &[0xFF, 0xD9]].concat());
    let samples = match CharLS::default().decode(coded) {
        Err(e) => trimmed().and_then(|coded| CharLS::default().decode(&coded).ok()).ok_or(e),
        decoded => decoded,
    };
    let samples = samples.map_err(|e| Damaged::new(format_args!("{e:?}")))?;
    let narrow = info.bits_per_sample <= 8;
    let samples = if narrow { widen(samples, shape.sample_size()) } else { samples };
    // Without interleaving the library gives one component after the other (T.87 C.2.3).
    let separate = shape.samples > 1 && interleave_mode(coded) == Some(0);
    Ok(if separate && samples.len() == shape.decoded_length() { interleave(shape, &samples) } else { samples })
}

/// ILV of the first scan.
fn interleave_mode(coded: &[u8]) -> Option<u8> {
    let at = coded.windows(2).position(|pair| pair == [0xFF, 0xDA])?;
    let components = usize::from(*coded.get(at + 4)?);
    coded.get(at + 6 + 2 * components).copied()
}

fn jpeg_2000(shape: &Shape, coded: &[u8]) -> Result<Vec<u8>, Damaged> {
    let parameters = jpeg2k::DecodeParameters::new().ignore_pclr_cmap_cdef();
    let image = jpeg2k::Image::from_bytes_with(coded, parameters).map_err(|e| Damaged::new(format_args!("{e:?}")))?;
    let components = image.components();
    let (first, pixels) = (components.first().ok_or_else(|| Damaged::new("no components"))?, shape.pixels() as usize);
    check(shape, first.width(), first.height(), components.len().min(usize::from(shape.samples)))?;
    if components.iter().any(|c| c.data().len() != pixels) {
        return Err(Damaged::new("components of different size"));
    }
    let (samples, size) = (usize::from(shape.samples), shape.sample_size());
    if size > 4 {
        return Err(Damaged::new("more bits than the codec has"));
    }
    let mut out = vec![0; shape.decoded_length()];
    for (c, component) in components.iter().take(samples).enumerate() {
        let shift = 32 - component.precision().clamp(1, 32);
        let places = out.chunks_exact_mut(size).skip(c).step_by(samples);
        for (place, &value) in places.zip(component.data()) {
            // The header says whether samples are signed; codestreams that say otherwise hold the same bits.
            let value = if shape.signed && !component.is_signed() { value << shift >> shift } else { value };
            place.copy_from_slice(&value.to_le_bytes()[..size]);
        }
    }
    Ok(out)
}

/// Cuts samples to their Bits Stored and extends the sign (PS3.5 8.1.1): what else shares their words is no image.
fn reduce(shape: &Shape, mut samples: Vec<u8>) -> Vec<u8> {
    // Codestreams hold the stored bits alone, at the bottom.
    let low = if shape.codec == Codec::Native {
        u32::from((shape.high_bit + 1).saturating_sub(shape.bits_stored))
    } else {
        0
    };
    let stored = u32::from(shape.bits_stored);
    match shape.bits_allocated {
        8 if stored < 8 => {
            for value in &mut samples {
                let left = 8 - stored;
                let moved = (*value >> low) << left;
                *value = if shape.signed { (moved as i8 >> left) as u8 } else { moved >> left };
            }
        }
        16 if stored < 16 => {
            for pair in samples.as_chunks_mut::<2>().0 {
                let left = 16 - stored;
                let moved = (u16::from_le_bytes(*pair) >> low) << left;
                *pair = if shape.signed { (moved as i16 >> left).to_le_bytes() } else { (moved >> left).to_le_bytes() };
            }
        }
        32 if stored < 32 => {
            for word in samples.as_chunks_mut::<4>().0 {
                let left = 32 - stored;
                let moved = (u32::from_le_bytes(*word) >> low) << left;
                *word = if shape.signed { (moved as i32 >> left).to_le_bytes() } else { (moved >> left).to_le_bytes() };
            }
        }
        _ => {}
    }
    samples
}

/// PS3.3 C.7.6.3.1.2, as the inverse of ITU-R BT.601 with the full range.
fn to_rgb(mut samples: Vec<u8>) -> Vec<u8> {
    for [y, b, r] in samples.as_chunks_mut::<3>().0 {
        let (luma, blue, red) = (f32::from(*y), f32::from(*b) - 128.0, f32::from(*r) - 128.0);
        let clamp = |value: f32| (value + 0.5).floor().clamp(0.0, 255.0) as u8;
        (*y, *b, *r) = (
            clamp(luma + 1.402 * red),
            clamp(luma - (0.114 * 1.772 / 0.587) * blue - (0.299 * 1.402 / 0.587) * red),
            clamp(luma + 1.772 * blue),
        );
    }
    samples
}

/// The other way, for a codestream of red, green, blue under a header that says YBR.
fn to_ybr(mut samples: Vec<u8>) -> Vec<u8> {
    for pixel in samples.as_chunks_mut::<3>().0 {
        let [red, green, blue] = pixel.map(f32::from);
        let luma = 0.299 * red + 0.587 * green + 0.114 * blue;
        let clamp = |value: f32| (value + 0.5).floor().clamp(0.0, 255.0) as u8;
        *pixel = [clamp(luma), clamp(128.0 + (blue - luma) / 1.772), clamp(128.0 + (red - luma) / 1.402)];
    }
    samples
}
