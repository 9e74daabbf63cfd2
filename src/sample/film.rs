//! From line integrals to the picture a digital radiography system shows: absorption, scatter, noise, logarithm, and the
//! usual processing that lifts detail and tames the range.

use super::noise::Grain;
use super::project::Shadow;
use super::rng::Rng;

/// Largest value of a 14-bit picture.
pub const WHITE: f32 = 16_383.0;

/// A processed picture at twice the shadow's resolution: 0 is black (much exposure), [`WHITE`] white.
#[derive(Debug, Clone)]
pub struct Film {
    pub columns: usize,
    pub rows: usize,
    pub values: Vec<u16>,
}

/// Attenuation of water for a filtered 110 kV beam, per millimetre.
const MU: f32 = 0.0185;

pub fn develop(shadow: &Shadow, pixel: f32, seed: u64) -> Film {
    let (columns, rows) = (shadow.columns, shadow.rows);
    let primary: Vec<f32> = shadow.values.iter().map(|&t| (-MU * t.max(0.0)).exp()).collect();
    // What a grid leaves of the scatter is broad and follows the primary.
    let scatter = blurred(&primary, columns, rows, (28.0 / pixel) as usize);
    let log: Vec<f32> = primary.iter().zip(&scatter).map(|(p, s)| -(p * 0.9 + 0.012 + s * 0.055).ln()).collect();
    let base = blurred(&log, columns, rows, (11.0 / pixel) as usize);
    let middle = blurred(&log, columns, rows, (1.6 / pixel) as usize);
    let (low, high) = spread(&base);
    let toned: Vec<f32> = log
        .iter()
        .zip(&base)
        .zip(&middle)
        .map(|((&l, &b), &m)| {
            let tone = ((b - low) / (high - low)).clamp(-0.2, 1.3);
            // Broad contrast is compressed towards the dense end; structure and fine detail are lifted.
            let curve = if tone > 0.0 { 0.05 + 0.78 * tone.powf(1.25) } else { 0.05 + 0.3 * tone };
            curve + ((m - b) * 1.15 + (l - m) * 1.9) / (high - low)
        })
        .collect();
    enlarged(&toned, &log, columns, rows, seed)
}

/// Twice as many pixels each way, with the noise of the quanta that arrived.
fn enlarged(toned: &[f32], log: &[f32], columns: usize, rows: usize, seed: u64) -> Film {
    let grain = Grain::new(&mut Rng::new(seed).fork("quanta"), 0, 12);
    let mut values = Vec::with_capacity(4 * columns * rows);
    for row in 0..rows * 2 {
        let y = ((row as f32 - 0.5) / 2.0).clamp(0.0, rows as f32 - 1.001);
        let (iy, ty) = (y as usize, y - y.floor());
        let at = |picture: &[f32], ix: usize, tx: f32| {
            let row = |y: usize| {
                let base = y * columns + ix;
                picture[base] + (picture[base + 1] - picture[base]) * tx
            };
            row(iy) + (row(iy + 1) - row(iy)) * ty
        };
        for (column, quantum) in (0..columns * 2).zip(grain.row(row, 0, 0)) {
            let x = ((column as f32 - 0.5) / 2.0).clamp(0.0, columns as f32 - 1.001);
            let (ix, tx) = (x as usize, x - x.floor());
            let sigma = 0.0020 * (at(log, ix, tx) * 0.5).exp();
            let value = (at(toned, ix, tx) + quantum * sigma.min(0.02)) * WHITE;
            values.push(value.round().clamp(0.0, WHITE) as u16);
        }
    }
    Film { columns: columns * 2, rows: rows * 2, values }
}

/// Darkest and brightest level that matters, leaving out a share at both ends.
fn spread(values: &[f32]) -> (f32, f32) {
    let mut sample: Vec<f32> = values.iter().copied().step_by(97).collect();
    sample.sort_by(f32::total_cmp);
    let at = |share: f32| sample[((sample.len() - 1) as f32 * share) as usize];
    // Straight exposure beside the neck must not count as the dark end: start where the body does.
    let body = sample.partition_point(|&v| v < 0.35) as f32 / sample.len() as f32;
    (at((body + 0.03).min(0.9)), at(0.985))
}

/// Three box blurs in each direction: nearly a Gaussian, at a cost that does not grow with the radius.
pub fn blurred(picture: &[f32], columns: usize, rows: usize, radius: usize) -> Vec<f32> {
    let mut current = picture.to_vec();
    if radius == 0 {
        return current;
    }
    let mut next = vec![0.0; current.len()];
    for _ in 0..3 {
        rows_blurred(&current, &mut next, columns, radius);
        columns_blurred(&next, &mut current, columns, rows, radius);
    }
    current
}

fn rows_blurred(from: &[f32], to: &mut [f32], columns: usize, radius: usize) {
    let scale = 1.0 / (2 * radius + 1) as f32;
    for (source, target) in from.chunks_exact(columns).zip(to.chunks_exact_mut(columns)) {
        let at = |i: isize| source[i.clamp(0, columns as isize - 1) as usize];
        let r = radius as isize;
        let mut sum: f32 = (-r..=r).map(at).sum();
        for (i, value) in target.iter_mut().enumerate() {
            *value = sum * scale;
            sum += at(i as isize + r + 1) - at(i as isize - r);
        }
    }
}

fn columns_blurred(from: &[f32], to: &mut [f32], columns: usize, rows: usize, radius: usize) {
    let scale = 1.0 / (2 * radius + 1) as f32;
    let r = radius as isize;
    let row = |i: isize| {
        let i = i.clamp(0, rows as isize - 1) as usize;
        &from[i * columns..(i + 1) * columns]
    };
    let mut sums = vec![0.0f32; columns];
    for i in -r..=r {
        sums.iter_mut().zip(row(i)).for_each(|(sum, value)| *sum += value);
    }
    for i in 0..rows as isize {
        let target = &mut to[i as usize * columns..][..columns];
        for (column, value) in target.iter_mut().enumerate() {
            *value = sums[column] * scale;
            sums[column] += row(i + r + 1)[column] - row(i - r)[column];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blurring_keeps_the_mean_and_flattens_a_spike() {
        let mut picture = vec![0.0; 64 * 48];
        picture[24 * 64 + 32] = 3072.0;
        let soft = blurred(&picture, 64, 48, 3);
        let mean = soft.iter().sum::<f32>() / soft.len() as f32;
        assert!((mean - 1.0).abs() < 1e-3, "{mean}");
        assert!(soft[24 * 64 + 32] < 200.0);
    }

    #[test]
    fn what_absorbs_more_is_shown_brighter() {
        // Air, then a body that thickens from 40 to 240 mm of water.
        let values = (0..100 * 80).map(|i| if i % 100 < 10 { 0.0 } else { 20.0 + 2.2 * (i % 100) as f32 }).collect();
        let film = develop(&Shadow { columns: 100, rows: 80, values }, 4.0, 1);
        assert_eq!((film.columns, film.rows), (200, 160));
        let column = |x: usize| (0..160).map(|y| f32::from(film.values[y * 200 + x])).sum::<f32>() / 160.0;
        assert!(column(4) < 400.0, "{}", column(4));
        for x in [40, 80, 120, 160] {
            assert!(column(x) + 300.0 < column(x + 30), "{} {}", column(x), column(x + 30));
        }
    }
}
