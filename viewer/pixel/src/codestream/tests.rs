use super::*;

/// A seeded image with gradients, edges and noise, using the whole range of its bits.
fn image(columns: u32, rows: u32, components: u16, bits: u8, signed: bool, noise: u32) -> Samples {
    let (low, high) = range(bits, signed);
    let mut state = 0x9E37_79B9u32 ^ columns.wrapping_mul(31) ^ rows ^ u32::from(bits);
    let mut data = Vec::new();
    for y in 0..rows {
        for x in 0..columns {
            for c in 0..u32::from(components) {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                let span = (high - low) as u32;
                let edge = if (x / 17 + y / 13) % 2 == 0 { span / 3 } else { 0 };
                let value = (x * 37 + y * 11 + c * 101 + edge + if noise > 0 { state % noise } else { 0 }) % (span + 1);
                let value = low + value as i32;
                data.extend_from_slice(&value.to_le_bytes()[..if bits <= 8 { 1 } else { 2 }]);
            }
        }
    }
    Samples { columns, rows, components, bits, signed, data }
}

#[test]
fn every_kind_of_image_comes_back_exactly() {
    let (mut exact, mut refused) = (0, Vec::new());
    for (columns, rows) in [(1, 1), (7, 3), (64, 64), (65, 33), (200, 129), (512, 100)] {
        for components in [1, 3] {
            for (bits, signed) in [(1, false), (8, false), (8, true), (12, false), (12, true), (16, false), (16, true)]
            {
                for noise in [0, 5, 1 << bits] {
                    let samples = image(columns, rows, components, bits, signed, noise);
                    match encode(&samples) {
                        Ok(made) => {
                            assert_eq!(decode(&made.bytes).unwrap(), samples);
                            exact += 1;
                        }
                        Err(error) => {
                            refused.push(format!("{columns}x{rows}x{components} {bits} {signed} {noise}: {error}"))
                        }
                    }
                }
            }
        }
    }
    assert_eq!((exact, refused), (252, Vec::new()));
}

#[test]
fn each_prefix_is_an_image_that_comes_closer() {
    let smooth: Vec<u8> = (0..256u32 * 256)
        .flat_map(|i| {
            let (x, y) = (i % 256, i / 256);
            (((x * x + y * 3) / 40 + (i * 7919) % 23) as u16).to_le_bytes()
        })
        .collect();
    let samples = Samples { columns: 256, rows: 256, components: 1, bits: 12, signed: false, data: smooth };
    let made = encode(&samples).unwrap();
    assert_eq!(made.resolution_offsets.len(), 6);
    assert_eq!(made.resolution_offsets.last().copied(), Some(made.bytes.len() as u32));
    let error = |prefix: u32| {
        let seen = decode(&made.bytes[..prefix as usize]).unwrap();
        (0..256 * 256).map(|i| (samples.value(i) - seen.value(i)).unsigned_abs() as u64).sum::<u64>()
    };
    let errors: Vec<u64> = made.resolution_offsets.iter().map(|&o| error(o)).collect();
    assert!(errors.is_sorted_by(|a, b| a > b), "{errors:?}");
    assert_eq!(errors.last(), Some(&0));
}

#[test]
fn the_tiles_length_can_be_told_at_the_front() {
    let samples = image(200, 129, 1, 12, false, 9);
    let made = encode(&samples).unwrap();
    let told = with_tile_length(&made.bytes).unwrap();
    let at = told.windows(2).position(|pair| pair == [0xFF, 0x55]).unwrap();
    let tile = told.windows(2).position(|pair| pair == [0xFF, 0x90]).unwrap();
    assert_eq!(tile, at + 10);
    // The tile reaches up to the end marker.
    let length = u32::from_be_bytes(told[at + 6..at + 10].try_into().unwrap()) as usize;
    assert_eq!(&told[tile + length..], [0xFF, 0xD9]);
    assert_eq!(decode(&told).unwrap(), samples);
    let thin = encode(&image(3000, 70, 1, 8, false, 0)).unwrap();
    assert!(with_tile_length(&thin.bytes).is_some(), "one side is enough");
}

#[test]
fn shapes_that_cannot_be_coded_are_refused() {
    let good = image(8, 8, 1, 8, false, 0);
    for bad in [
        Samples { bits: 17, data: vec![0; 192], ..good.clone() },
        Samples { components: 4, data: vec![0; 256], ..good.clone() },
        Samples { columns: 0, data: Vec::new(), ..good.clone() },
        Samples { rows: 9, ..good.clone() },
    ] {
        assert_eq!(encode(&bad), Err(CodestreamError::Shape));
    }
}

#[test]
fn what_is_no_codestream_of_ours_is_refused_before_the_codec_sees_it() {
    let made = encode(&image(64, 64, 1, 8, false, 5)).unwrap();
    assert_eq!(decode(&[]), Err(CodestreamError::NotOurs));
    assert_eq!(decode(b"\xFF\xD8\xFF\xE0 a JPEG"), Err(CodestreamError::NotOurs));
    let mut huge = made.bytes.clone();
    huge[8..12].fill(0xFF);
    assert_eq!(decode(&huge), Err(CodestreamError::NotOurs));
}
