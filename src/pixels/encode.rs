//! Native samples to a compressed transfer syntax, in the worker process: each frame is decoded again and must be the same.

use charls::{CharLS, FrameInfo};
use pixel::codestream;

use super::decode::decode;
use super::shape::{Codec, Colour, Shape};
use super::target::Target;
use super::worker::delivery_codestream;

/// Compresses the samples of one frame, as [`decode`] gives them with YBR kept. The error is for people.
pub fn encode(shape: &Shape, target: Target, samples: &[u8]) -> Result<Vec<u8>, String> {
    if shape.bits_allocated == 1 {
        return Err("single bits are not compressed".into());
    }
    let coded = match target {
        Target::Rle => rle(shape, samples)?,
        Target::JpegLs => jpeg_ls(shape, samples)?,
        Target::Htj2k => delivery_codestream(shape, samples.to_vec())?.bytes,
        Target::Htj2kRpcl => {
            let made = delivery_codestream(shape, samples.to_vec())?;
            codestream::with_tile_length(&made.bytes).ok_or("the image is too large for its smallest resolution")?
        }
    };
    let back = decode(&coded_shape(shape, target), &coded, true).map_err(|error| error.to_string())?;
    if back == samples { Ok(coded) } else { Err("what was compressed did not decode to the same samples".into()) }
}

/// How the samples lie once they are coded.
fn coded_shape(shape: &Shape, target: Target) -> Shape {
    Shape {
        codec: match target {
            Target::Rle => Codec::Rle,
            Target::JpegLs => Codec::JpegLs,
            Target::Htj2k | Target::Htj2kRpcl => Codec::Jpeg2000,
        },
        planar: false,
        high_bit: shape.bits_stored - 1,
        colour: match shape.colour {
            Colour::YbrFull422 => Colour::YbrFull,
            other => other,
        },
        ..shape.clone()
    }
}

/// PS3.5 G: a segment for each byte of each sample, the most significant first, row by row.
fn rle(shape: &Shape, samples: &[u8]) -> Result<Vec<u8>, String> {
    let (size, per_pixel) = (shape.sample_size(), usize::from(shape.samples));
    let count = size * per_pixel;
    if count > 15 {
        return Err("more bytes a pixel than RLE has segments".into());
    }
    let mut out = vec![0; 64];
    let mut header = vec![u32::try_from(count).unwrap_or(0)];
    let mut plane = Vec::with_capacity(shape.pixels() as usize);
    for segment in 0..count {
        let (sample, byte) = (segment / size, size - 1 - segment % size);
        plane.clear();
        plane.extend(samples.iter().skip(sample * size + byte).step_by(count));
        header.push(u32::try_from(out.len()).map_err(|_| "longer than RLE can count".to_owned())?);
        for row in plane.chunks(usize::from(shape.columns)) {
            pack_bits(row, &mut out);
        }
        if out.len() % 2 == 1 {
            out.push(0);
        }
    }
    for (place, word) in out.as_chunks_mut::<4>().0.iter_mut().zip(header) {
        *place = word.to_le_bytes();
    }
    Ok(out)
}

/// G.3.1: runs of two to 128 equal bytes, and literals of one to 128. A run of two inside a literal gains nothing.
fn pack_bits(row: &[u8], out: &mut Vec<u8>) {
    let run_at = |at: usize| row[at..].iter().take(128).take_while(|&&b| b == row[at]).count();
    let mut at = 0;
    while at < row.len() {
        let run = run_at(at);
        if run > 1 {
            out.extend([(257 - run) as u8, row[at]]);
            at += run;
            continue;
        }
        let begin = at;
        while at < row.len() && at - begin < 128 && run_at(at) < 3 {
            at += 1;
        }
        out.push((at - begin - 1) as u8);
        out.extend_from_slice(&row[begin..at]);
    }
}

/// One component after the other, as the codec takes them without interleaving.
fn jpeg_ls(shape: &Shape, samples: &[u8]) -> Result<Vec<u8>, String> {
    let size = shape.sample_size();
    let bits = match size {
        1 => shape.bits_stored.max(2),
        2 => shape.bits_stored.max(9),
        _ => return Err("more bits than the codec has".into()),
    };
    let per_pixel = usize::from(shape.samples);
    // A sign reaches over the whole word; the codestream holds the stored bits alone.
    let mask = u16::MAX >> (16 - bits);
    let mut planes = Vec::with_capacity(samples.len());
    for sample in 0..per_pixel {
        for pixel in samples.chunks_exact(size * per_pixel) {
            let value = &pixel[sample * size..(sample + 1) * size];
            match value {
                [low, high] => planes.extend((u16::from_le_bytes([*low, *high]) & mask).to_ne_bytes()),
                _ => planes.extend(value.iter().map(|&b| b & mask as u8)),
            }
        }
    }
    let info = FrameInfo {
        width: shape.columns.into(),
        height: shape.rows.into(),
        bits_per_sample: bits.into(),
        component_count: shape.samples.into(),
    };
    CharLS::default().encode(info, 0, &planes).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shape(columns: u16, rows: u16, samples: u16, allocated: u16, stored: u16, signed: bool) -> Shape {
        Shape {
            rows,
            columns,
            samples,
            bits_allocated: allocated,
            bits_stored: stored,
            high_bit: stored - 1,
            signed,
            planar: false,
            colour: Colour::Plain,
            codec: Codec::Native,
        }
    }

    /// Samples as decoding leaves them: cut to their stored bits, signs extended.
    fn samples(shape: &Shape, noise: &[u16]) -> Vec<u8> {
        let count = shape.pixels() as usize * usize::from(shape.samples);
        let left = 16 - u32::from(shape.bits_stored.min(16));
        let value = |i: usize| {
            let raw = noise[i % noise.len()].wrapping_mul((i / noise.len()) as u16 | 1) << left;
            if shape.signed { ((raw as i16) >> left) as u16 } else { raw >> left }
        };
        (0..count)
            .flat_map(|i| value(i).to_le_bytes().into_iter().take(shape.sample_size()).collect::<Vec<_>>())
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_target_gives_back_every_kind_of_frame(
            columns in 1u16..40, rows in 1u16..40, colour in any::<bool>(), signed in any::<bool>(),
            (allocated, stored) in prop_oneof![Just((8, 8)), Just((16, 12)), Just((16, 16)), Just((16, 10))],
            noise in prop::collection::vec(any::<u16>(), 1..60),
        ) {
            let shape = shape(columns, rows, if colour { 3 } else { 1 }, allocated, stored, signed);
            let samples = samples(&shape, &noise);
            for target in Target::ALL {
                // The comparison is in `encode` itself.
                match encode(&shape, target, &samples) {
                    Ok(_) => {}
                    // Noise may come out longer than the codec has made room for.
                    Err(_) if target == Target::JpegLs => {}
                    Err(error) => prop_assert!(false, "{target:?}: {error}"),
                }
            }
        }

        #[test]
        fn packed_rows_unpack(row in prop::collection::vec(prop_oneof![Just(7u8), Just(8), any::<u8>()], 1..600)) {
            let shape = shape(row.len() as u16, 1, 1, 8, 8, false);
            let coded = rle(&shape, &row).unwrap();
            prop_assert_eq!(decode(&coded_shape(&shape, Target::Rle), &coded, true).unwrap(), row);
        }
    }

    #[test]
    fn a_smooth_image_shrinks_in_each() {
        let shape = shape(256, 256, 1, 16, 12, false);
        let smooth: Vec<u8> =
            (0..256u32 * 256).flat_map(|i| (((i % 256) / 8 + i / 4096) as u16).to_le_bytes()).collect();
        for target in Target::ALL {
            let coded = encode(&shape, target, &smooth).unwrap();
            assert!(coded.len() * 2 < smooth.len(), "{target:?}: {}", coded.len());
        }
    }

    #[test]
    fn what_a_target_cannot_hold_is_refused() {
        let bits = shape(8, 8, 1, 1, 1, false);
        assert!(encode(&bits, Target::Rle, &[0; 64]).is_err());
        let deep = shape(8, 8, 1, 32, 32, false);
        let samples = [0; 256];
        assert!(encode(&deep, Target::Rle, &samples).is_ok());
        for target in [Target::JpegLs, Target::Htj2k, Target::Htj2kRpcl] {
            assert!(encode(&deep, target, &samples).is_err(), "{target:?}");
        }
    }
}
