//! Image formation: echoes along the beams of a curved array, with speckle from scatterers too small to be seen.
//!
//! Scatterers are complex Gaussian and fixed in the tissue; a point spread function that widens away from the focus
//! sums them, and the magnitude of the sum is Rayleigh distributed (Burckhardt 1978). Two looks are averaged, as
//! devices compound. Frames are polar: one row per beam.

use super::super::geometry::smooth;
use super::super::rng::Rng;
use super::scene::{Scene, Spot, spot};

/// Radius of the probe's face and half its angle.
pub const FACE: f32 = 60.0;
pub const HALF_ANGLE: f32 = 0.56;
/// Deepest echo shown.
pub const DEPTH: f32 = 160.0;
pub const BEAMS: usize = 240;
pub const SAMPLES: usize = 640;
const STEP: f32 = DEPTH / SAMPLES as f32;
const FOCUS: f32 = 75.0;

/// Side of the lattice of scatterers, and its pitch in millimetres.
const LATTICE: usize = 1024;
const PITCH: f32 = 0.22;

/// One scatterer: two complex looks.
type Looks = [f32; 4];

pub struct Scatterers {
    lattice: Vec<Looks>,
    slow: Vec<f32>,
}

/// The part of a frame in which flow is shown, as beams and depths.
#[derive(Debug, Clone, Copy)]
pub struct ColourBox {
    pub beams: (usize, usize),
    pub depths: (f32, f32),
}

/// Echo magnitudes before compression, in units of liver, and blood velocity towards the probe, centimetres a second.
pub struct Echoes {
    pub magnitude: Vec<f32>,
    pub velocity: Vec<f32>,
}

/// Angle of a beam, and the place at a depth along it.
pub fn angle(beam: f32) -> f32 {
    (beam / (BEAMS as f32 - 1.0) * 2.0 - 1.0) * HALF_ANGLE
}

fn place(beam: usize, sample: usize) -> Spot {
    let (sin, cos) = angle(beam as f32).sin_cos();
    let r = FACE + sample as f32 * STEP;
    spot(r * sin, r * cos - FACE)
}

impl Scatterers {
    pub fn new(rng: &mut Rng) -> Self {
        let lattice = (0..LATTICE * LATTICE)
            .map(|_| {
                // The sum of a few uniform draws is Gaussian enough and much cheaper.
                let mut draw = || rng.unit() + rng.unit() + rng.unit() - 1.5;
                [draw(), draw(), draw(), draw()]
            })
            .collect();
        Self { lattice, slow: (0..128 * 128).map(|_| rng.range(-1.0, 1.0)).collect() }
    }

    /// The scatterer at a place, between its neighbours so that motion is gradual.
    fn at(&self, place: Spot) -> Looks {
        let (x, y) = (place.u / PITCH + 4096.0, place.w / PITCH + 4096.0);
        let (ix, iy) = (x as usize, y as usize);
        let (tx, ty) = (x - ix as f32, y - iy as f32);
        let cell = |dx: usize, dy: usize| &self.lattice[((iy + dy) % LATTICE) * LATTICE + (ix + dx) % LATTICE];
        let (a, b, c, d) = (cell(0, 0), cell(1, 0), cell(0, 1), cell(1, 1));
        let mut looks = [0.0; 4];
        for (i, look) in looks.iter_mut().enumerate() {
            *look = (a[i] * (1.0 - tx) + b[i] * tx) * (1.0 - ty) + (c[i] * (1.0 - tx) + d[i] * tx) * ty;
        }
        looks
    }

    /// Slow noise with features of the given size.
    fn slow(&self, u: f32, w: f32) -> f32 {
        let (x, y) = (u + 640.0, w + 640.0);
        let (ix, iy) = (x as usize, y as usize);
        let (tx, ty) = (smooth(0.0, 1.0, x - ix as f32), smooth(0.0, 1.0, y - iy as f32));
        let cell = |dx: usize, dy: usize| self.slow[((iy + dy) % 128) * 128 + (ix + dx) % 128];
        let top = cell(0, 0) + (cell(1, 0) - cell(0, 0)) * tx;
        let bottom = cell(0, 1) + (cell(1, 1) - cell(0, 1)) * tx;
        top + (bottom - top) * ty
    }
}

/// Echoes of one frame at a phase of the breath and of the heart (both 0 to 1).
pub fn listen(
    scene: &Scene,
    scatterers: &Scatterers,
    colour: Option<ColourBox>,
    phase: (f32, f32),
    noise: &mut Rng,
) -> Echoes {
    let mut raw = vec![[0.0f32; 4]; BEAMS * SAMPLES];
    let mut velocity = vec![0.0; BEAMS * SAMPLES];
    for beam in 0..BEAMS {
        let mut loss = 0.0f32;
        let (sin, cos) = angle(beam as f32).sin_cos();
        for sample in 0..SAMPLES {
            let here = scene.at_rest(place(beam, sample), phase.0);
            let grain =
                scatterers.slow(here.u / 5.0, here.w / 4.0) * 0.6 + scatterers.slow(here.u / 1.8, here.w / 1.5) * 0.4;
            let fibre = scatterers.slow(here.u / 9.0, here.w / 0.9);
            let tissue = scene.tissue(here, grain, fibre);
            loss += tissue.loss * STEP;
            let amplitude = tissue.echo * (-loss.min(90.0) * 0.115).exp();
            let at = beam * SAMPLES + sample;
            raw[at] = scatterers.at(here).map(|x| x * amplitude);
            let shown = colour.is_some_and(|c| {
                (c.beams.0..c.beams.1).contains(&beam) && (c.depths.0..c.depths.1).contains(&(sample as f32 * STEP))
            });
            if let Some((across, down)) = tissue.flow.filter(|_| shown && loss < 25.0) {
                let pulse = 1.0 + 0.18 * (phase.1 * std::f32::consts::TAU).sin();
                velocity[at] = -(across * sin + down * cos) * pulse + noise.normal() * 1.1;
            }
        }
    }
    Echoes { magnitude: magnitude(&raw, noise), velocity: softened(&velocity) }
}

/// Sums scatterers over the point spread function and takes the magnitude of both looks.
fn magnitude(raw: &[Looks], noise: &mut Rng) -> Vec<f32> {
    let along = kernel(0.34 / STEP);
    let mut axial = vec![[0.0f32; 4]; raw.len()];
    for beam in 0..BEAMS {
        let line = &raw[beam * SAMPLES..][..SAMPLES];
        for sample in 0..SAMPLES {
            axial[beam * SAMPLES + sample] = weighted(&along, sample, SAMPLES, |s| &line[s]);
        }
    }
    let mut result = vec![0.0; raw.len()];
    for sample in 0..SAMPLES {
        let depth = sample as f32 * STEP;
        let width = 0.75 + 0.011 * (depth - FOCUS).abs();
        let across = kernel(width / ((FACE + depth) * 2.0 * HALF_ANGLE / BEAMS as f32));
        // The gain that makes up for depth also lifts the receiver's noise.
        let floor = 0.006 + 0.05 * (depth / DEPTH).powi(3);
        for beam in 0..BEAMS {
            let [a, b, c, d] = weighted(&across, beam, BEAMS, |s| &axial[s * SAMPLES + sample]);
            let own = floor * (noise.unit() + 0.4);
            result[beam * SAMPLES + sample] = ((a * a + b * b).sqrt() + (c * c + d * d).sqrt()) * 0.5 + own;
        }
    }
    result
}

/// Half of a symmetric Gaussian kernel, scaled so that white noise keeps its power.
fn kernel(sigma: f32) -> Vec<f32> {
    let radius = (sigma * 2.2).ceil() as usize;
    let half: Vec<f32> = (0..=radius).map(|i| (-0.5 * (i as f32 / sigma.max(0.3)).powi(2)).exp()).collect();
    let power: f32 = half[0] * half[0] + 2.0 * half[1..].iter().map(|k| k * k).sum::<f32>();
    half.iter().map(|k| k / power.sqrt()).collect()
}

fn weighted<'a>(half: &[f32], center: usize, count: usize, get: impl Fn(usize) -> &'a Looks) -> Looks {
    let mut sum = [0.0; 4];
    let mut add = |looks: &Looks, weight: f32| {
        sum.iter_mut().zip(looks).for_each(|(s, l)| *s += l * weight);
    };
    add(get(center), half[0]);
    for (i, &weight) in half.iter().enumerate().skip(1) {
        if center >= i {
            add(get(center - i), weight);
        }
        if center + i < count {
            add(get(center + i), weight);
        }
    }
    sum
}

/// Flow is estimated over larger cells than echoes.
fn softened(velocity: &[f32]) -> Vec<f32> {
    let mut soft = vec![0.0; velocity.len()];
    for beam in 1..BEAMS - 1 {
        for sample in 2..SAMPLES - 2 {
            let mut sum = 0.0;
            for b in beam - 1..=beam + 1 {
                for s in sample - 2..=sample + 2 {
                    sum += velocity[b * SAMPLES + s];
                }
            }
            soft[beam * SAMPLES + sample] = sum / 15.0;
        }
    }
    soft
}
