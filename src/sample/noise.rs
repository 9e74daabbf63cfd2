//! Textures: smooth noise in space for tissue, and the grain of a filtered back projection for CT slices.

use super::geometry::Vec3;
use super::rng::Rng;

/// A power of two, so that wrapping is a mask.
const SIDE: usize = 32;

/// Smooth noise on a periodic lattice, about -1..1, with features of roughly one unit.
#[derive(Debug, Clone)]
pub struct Field {
    lattice: Vec<f32>,
}

impl Field {
    pub fn new(rng: &mut Rng) -> Self {
        Self { lattice: (0..SIDE * SIDE * SIDE).map(|_| rng.range(-1.0, 1.0)).collect() }
    }

    pub fn at(&self, p: Vec3) -> f32 {
        let split = |q: f32| {
            // Truncation and one correction: `floor` is a library call on plain x86-64.
            let whole = q as i32;
            let whole = whole - i32::from(q < whole as f32);
            let t = q - whole as f32;
            ((whole & (SIDE as i32 - 1)) as usize, t * t * (3.0 - 2.0 * t))
        };
        let ((ix, tx), (iy, ty), (iz, tz)) = (split(p.x), split(p.y), split(p.z));
        let next = |i: usize| (i + 1) & (SIDE - 1);
        let mix = |a: f32, b: f32, t: f32| a + (b - a) * t;
        let row = |y: usize, z: usize| {
            let base = (z * SIDE + y) * SIDE;
            mix(self.lattice[base + ix], self.lattice[base + next(ix)], tx)
        };
        let plane = |z: usize| mix(row(iy, z), row(next(iy), z), ty);
        mix(plane(iz), plane(next(iz)), tz)
    }

    /// Three octaves: cloudy.
    pub fn cloud(&self, p: Vec3) -> f32 {
        self.at(p) * 0.57 + self.at(p * 2.03) * 0.29 + self.at(p * 4.1) * 0.14
    }
}

/// Side of a [`Grain`] tile; a power of two, so that wrapping is a mask.
pub const TILE: usize = 1024;

/// A tile of band-passed noise with deviation 1: what ramp filtering and a soft kernel leave of white noise.
#[derive(Debug, Clone)]
pub struct Grain {
    tile: Vec<f32>,
}

impl Grain {
    /// `fine` and `coarse` are box radii in pixels: the band kept lies between them.
    pub fn new(rng: &mut Rng, fine: usize, coarse: usize) -> Self {
        let white: Vec<f32> = (0..TILE * TILE).map(|_| rng.range(-1.0, 1.0)).collect();
        let soft = blurred(&white, fine);
        let softer = blurred(&white, coarse);
        let mut tile: Vec<f32> = soft.iter().zip(&softer).map(|(a, b)| a - b).collect();
        let power = tile.iter().map(|t| t * t).sum::<f32>() / tile.len() as f32;
        let scale = 1.0 / power.sqrt().max(1e-9);
        tile.iter_mut().for_each(|t| *t *= scale);
        Self { tile }
    }

    /// A row of the tile shifted by `(dx, dy)`, as an endless sequence.
    pub fn row(&self, y: usize, dx: usize, dy: usize) -> impl Iterator<Item = f32> + '_ {
        let base = ((y + dy) & (TILE - 1)) * TILE;
        (0..).map(move |x: usize| self.tile[base + ((x + dx) & (TILE - 1))])
    }
}

/// Box blur, twice in each direction, on a wrapping tile.
fn blurred(tile: &[f32], radius: usize) -> Vec<f32> {
    let mut current = tile.to_vec();
    if radius == 0 {
        return current;
    }
    let mut next = vec![0.0; current.len()];
    for (stride, across) in [(1, TILE), (TILE, 1), (1, TILE), (TILE, 1)] {
        for line in 0..TILE {
            let base = line * across;
            let at = |i: usize| base + (i & (TILE - 1)) * stride;
            let mut sum: f32 = (0..=2 * radius).map(|i| current[at(i + TILE - radius)]).sum();
            for i in 0..TILE {
                next[at(i)] = sum / (2 * radius + 1) as f32;
                sum += current[at(i + radius + 1)] - current[at(i + TILE - radius)];
            }
        }
        std::mem::swap(&mut current, &mut next);
    }
    current
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grain_has_deviation_one_and_neighbours_that_agree() {
        let grain = Grain::new(&mut Rng::new(1), 1, 4);
        let row: Vec<f32> = grain.row(3, 100, 200).take(1000).collect();
        let power = row.iter().map(|x| x * x).sum::<f32>() / 1000.0;
        let neighbours = row.windows(2).map(|w| w[0] * w[1]).sum::<f32>() / 999.0 / power;
        assert!((0.7..1.4).contains(&power), "{power}");
        assert!((0.3..0.95).contains(&neighbours), "{neighbours}");
    }
}
