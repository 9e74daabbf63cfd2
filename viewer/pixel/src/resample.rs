//! A rendered image, or a part of it, at another size.
//!
//! Each new pixel is a mean of the old ones under it, weighted by their distance: smooth when enlarged, free of patterns
//! that are not there when reduced.

/// The part of the image that is shown, in its pixels; (0, 0) is the outer corner of the first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Region {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
    pub flip_horizontal: bool,
    pub flip_vertical: bool,
}

impl Region {
    pub fn whole(columns: u32, rows: u32) -> Self {
        let (width, height) = (f64::from(columns), f64::from(rows));
        Self { x: 0.0, y: 0.0, width, height, flip_horizontal: false, flip_vertical: false }
    }
}

/// An image of `channels` bytes a pixel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raster {
    pub columns: u32,
    pub rows: u32,
    pub channels: usize,
    pub bytes: Vec<u8>,
}

/// The largest size within `limits` that keeps the proportions of `region`, whose pixels are `aspect` times as high as wide.
pub fn fit(region: &Region, aspect: f64, limits: (u32, u32)) -> (u32, u32) {
    let (width, height) = (region.width.max(1e-6), (region.height * aspect).max(1e-6));
    let scale = (f64::from(limits.0) / width).min(f64::from(limits.1) / height);
    let side = |length: f64, limit: u32| ((length * scale).round() as u32).clamp(1, limit.max(1));
    (side(width, limits.0), side(height, limits.1))
}

/// `region` of an image at `size`; what of it lies outside the image shows the image's edge.
pub fn resample(image: &Raster, region: &Region, size: (u32, u32)) -> Raster {
    let (columns, rows) = (image.columns as usize, image.rows as usize);
    let across = taps(region.x, region.width, columns, size.0, region.flip_horizontal);
    let down = taps(region.y, region.height, rows, size.1, region.flip_vertical);
    let channels = image.channels;
    let stride = size.0 as usize * channels;
    // Only the rows that are looked at are made narrower.
    let first = down.iter().filter_map(|taps| taps.first()).map(|&(row, _)| row).min().unwrap_or(0);
    let last = down.iter().filter_map(|taps| taps.last()).map(|&(row, _)| row).max().unwrap_or(0);
    let mut narrow = vec![0f32; stride * (last + 1 - first)];
    for (row, out) in (first..=last).zip(narrow.chunks_exact_mut(stride.max(1))) {
        let line = &image.bytes[row * columns * channels..(row + 1) * columns * channels];
        for (taps, pixel) in across.iter().zip(out.chunks_exact_mut(channels)) {
            for &(column, weight) in taps {
                for (sum, &byte) in pixel.iter_mut().zip(&line[column * channels..]) {
                    *sum += weight * f32::from(byte);
                }
            }
        }
    }
    let mut bytes = Vec::with_capacity(stride * size.1 as usize);
    let mut sums = vec![0f32; stride];
    for taps in &down {
        sums.fill(0.0);
        for &(row, weight) in taps {
            let line = &narrow[(row - first) * stride..(row - first + 1) * stride];
            sums.iter_mut().zip(line).for_each(|(sum, &value)| *sum += weight * value);
        }
        bytes.extend(sums.iter().map(|&sum| (sum + 0.5).clamp(0.0, 255.0) as u8));
    }
    Raster { columns: size.0, rows: size.1, channels, bytes }
}

/// For each new pixel along one side the old ones under it and their weights, which sum to one.
fn taps(begin: f64, span: f64, old: usize, new: u32, flip: bool) -> Vec<Vec<(usize, f32)>> {
    let scale = span / f64::from(new.max(1));
    let reach = scale.max(1.0);
    let last = old.saturating_sub(1) as f64;
    let one = |at: u32| {
        let middle = begin + (f64::from(at) + 0.5) * scale;
        let (from, to) = ((middle - reach).floor().clamp(0.0, last), (middle + reach).ceil().clamp(0.0, last));
        let weight = |i: usize| (1.0 - ((i as f64 + 0.5 - middle) / reach).abs()).max(0.0);
        let found: Vec<(usize, f64)> =
            (from as usize..=to as usize).map(|i| (i, weight(i))).filter(|&(_, w)| w > 0.0).collect();
        let sum: f64 = found.iter().map(|&(_, w)| w).sum();
        match sum > 0.0 {
            true => found.into_iter().map(|(i, w)| (i, (w / sum) as f32)).collect(),
            false => vec![((middle.floor().clamp(0.0, last)) as usize, 1.0)],
        }
    };
    let mut all: Vec<Vec<(usize, f32)>> = (0..new).map(one).collect();
    if flip {
        all.reverse();
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(columns: u32, bytes: &[u8]) -> Raster {
        Raster { columns, rows: bytes.len() as u32 / columns, channels: 1, bytes: bytes.to_vec() }
    }

    #[test]
    fn the_same_size_is_the_same_image() {
        let image = grey(3, &[1, 2, 3, 4, 5, 6]);
        assert_eq!(resample(&image, &Region::whole(3, 2), (3, 2)), image);
    }

    #[test]
    fn an_even_surface_stays_even_at_every_size() {
        let image = grey(7, &[77; 35]);
        for size in [(1, 1), (3, 2), (7, 5), (20, 31)] {
            assert!(resample(&image, &Region::whole(7, 5), size).bytes.iter().all(|&b| b == 77), "{size:?}");
        }
    }

    #[test]
    fn a_reduced_pattern_becomes_its_mean_and_not_another_pattern() {
        let stripes: Vec<u8> = (0..64 * 64).map(|i| if i % 2 == 0 { 0 } else { 255 }).collect();
        let small = resample(&grey(64, &stripes), &Region::whole(64, 64), (9, 9));
        assert!(small.bytes.iter().all(|&b| (110..=145).contains(&b)), "{:?}", small.bytes);
    }

    #[test]
    fn a_part_is_cut_out_and_turned() {
        let image = grey(4, &[10, 20, 30, 40, 50, 60, 70, 80]);
        let part = Region { x: 1.0, y: 0.0, width: 2.0, height: 2.0, flip_horizontal: false, flip_vertical: false };
        assert_eq!(resample(&image, &part, (2, 2)).bytes, [20, 30, 60, 70]);
        let turned = Region { flip_horizontal: true, flip_vertical: true, ..part };
        assert_eq!(resample(&image, &turned, (2, 2)).bytes, [70, 60, 30, 20]);
        let outside = Region { x: 10.0, ..part };
        assert_eq!(resample(&image, &outside, (1, 2)).bytes, [40, 80]);
    }

    #[test]
    fn colours_are_kept_apart() {
        let image = Raster { columns: 2, rows: 1, channels: 3, bytes: vec![255, 0, 10, 255, 0, 30] };
        assert_eq!(resample(&image, &Region::whole(2, 1), (1, 1)).bytes, [255, 0, 20]);
    }

    #[test]
    fn the_fitting_size_keeps_the_proportions() {
        let whole = Region::whole(400, 200);
        assert_eq!(fit(&whole, 1.0, (100, 100)), (100, 50));
        assert_eq!(fit(&whole, 4.0, (100, 100)), (50, 100), "high pixels");
        assert_eq!(fit(&whole, 1.0, (800, 800)), (800, 400));
        assert_eq!(fit(&Region::whole(10_000, 1), 1.0, (10, 10)), (10, 1));
    }
}
