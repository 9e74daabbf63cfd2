//! Line integrals of a body: what an X-ray beam meets on its way, in millimetres of water.
//!
//! Large organs come from a coarse volume, painted slice by slice and summed along the beam; bones and vessels are
//! sampled finely and added where they fall, so that their edges stay sharp.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::anatomy::{Body, Detail, Grid, Painter};
use super::geometry::{Bar, Vec3, v};
use super::rng::Rng;
use super::{SampleError, each};

/// Along which axis the beam goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beam {
    /// From behind to the front; columns run to the patient's left.
    Frontal,
    /// From side to side; columns run to the patient's back.
    Lateral,
}

/// A picture of line integrals. Row 0 is at the top, that is towards the head.
#[derive(Debug, Clone)]
pub struct Shadow {
    pub columns: usize,
    pub rows: usize,
    pub values: Vec<f32>,
}

/// Where the picture lies: centre in the patient's millimetres, and pixel size.
#[derive(Debug, Clone, Copy)]
pub struct Screen {
    pub beam: Beam,
    pub columns: usize,
    pub rows: usize,
    pub pixel: f32,
    /// Voxel of the coarse volume, model millimetres.
    pub voxel: f32,
    /// Column coordinate (x or y) and height of the picture's centre.
    pub center: (f32, f32),
}

/// Calcium absorbs a radiograph's softer beam more than Hounsfield units say.
const MINERAL: f32 = 1.6;

pub fn project(body: &Body, screen: &Screen, seed: u64) -> Result<Shadow, SampleError> {
    let mut shadow = coarse(body, screen)?;
    let mut rng = Rng::new(seed).fork("splats");
    let mut splat = Splat { screen, size: body.build.size, values: &mut shadow.values, rng: &mut rng };
    for bone in &body.bones {
        splat.bar(&bone.bar, bone.ball, 0.0, MINERAL * (bone.core - 45.0) / 1000.0);
        splat.shell(&bone.bar, bone.ball, 1.1, MINERAL * (bone.cortex - bone.core) / 1000.0);
    }
    for vessel in body.vessels.iter().filter(|bar| bar.half_normal <= 5.0) {
        // Within the mediastinum a vessel hardly differs from what is around it.
        let inside = vessel.from.x.abs() < 34.0 || vessel.from.z > 118.0;
        let density = if inside { 0.04 } else { 0.88 - 0.09 * vessel.half_normal };
        splat.bar(vessel, false, 0.0, density);
    }
    Ok(shadow)
}

/// Sums of the painted slices along the beam, brought to the screen's pixels.
fn coarse(body: &Body, screen: &Screen) -> Result<Shadow, SampleError> {
    let size = body.build.size;
    let (wide, deep) = (212.0, 150.0);
    let voxel = screen.voxel;
    let (columns, rows) = ((2.0 * wide / voxel) as usize, (2.0 * deep / voxel) as usize);
    let grid = Grid::new(-wide, -deep + 8.0, voxel, voxel, columns, rows);
    let half_height = screen.rows as f32 * screen.pixel / 2.0 / size + 4.0 * voxel;
    let middle = screen.center.1 / size;
    let slices = (2.0 * half_height / voxel) as usize;
    let across = if screen.beam == Beam::Frontal { columns } else { rows };
    let next = AtomicUsize::new(0);
    let sums: Vec<(usize, Vec<f32>)> = each(|| {
        let mut painter = Painter::new(body, &grid, Detail::Bulk);
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= slices {
                return Ok(done);
            }
            painter.paint(middle + half_height - index as f32 * voxel);
            done.push((index, summed(&painter.hu, columns, screen.beam, across, voxel * size)));
        }
    })?;
    let mut table = vec![0.0; slices * across];
    for (index, sum) in sums {
        table[index * across..(index + 1) * across].copy_from_slice(&sum);
    }
    let origin = if screen.beam == Beam::Frontal { -wide } else { -deep + 8.0 };
    let mut values = Vec::with_capacity(screen.columns * screen.rows);
    for row in 0..screen.rows {
        let down = (row as f32 - (screen.rows as f32 - 1.0) / 2.0) * screen.pixel / size;
        let at_row = (half_height + down) / voxel;
        for column in 0..screen.columns {
            let x = (screen.center.0 + (column as f32 - (screen.columns as f32 - 1.0) / 2.0) * screen.pixel) / size;
            values.push(cubic(&table, across, slices, (x - origin) / voxel, at_row));
        }
    }
    Ok(Shadow { columns: screen.columns, rows: screen.rows, values })
}

/// Water-equivalent path through each column of the slice.
fn summed(hu: &[f32], columns: usize, beam: Beam, across: usize, step: f32) -> Vec<f32> {
    let mut sums = vec![0.0; across];
    for (row, values) in hu.chunks_exact(columns).enumerate() {
        for (column, &hu) in values.iter().enumerate() {
            let density = (1.0 + (hu + (MINERAL - 1.0) * (hu - 110.0).max(0.0)) / 1000.0) * step;
            match beam {
                Beam::Frontal => sums[column] += density,
                Beam::Lateral => sums[row] += density,
            }
        }
    }
    sums
}

/// Cubic B-spline look-up: slightly soft, free of ringing and of visible cells.
fn cubic(table: &[f32], columns: usize, rows: usize, x: f32, y: f32) -> f32 {
    let weights = |t: f32| {
        let s = 1.0 - t;
        [
            s * s * s / 6.0,
            (3.0 * t * t * t - 6.0 * t * t + 4.0) / 6.0,
            (3.0 * s * s * s - 6.0 * s * s + 4.0) / 6.0,
            t * t * t / 6.0,
        ]
    };
    let (fx, fy) = (x.floor(), y.floor());
    let (wx, wy) = (weights(x - fx), weights(y - fy));
    let clamped =
        |base: f32, i: usize, count: usize| (base as isize + i as isize - 1).clamp(0, count as isize - 1) as usize;
    let mut sum = 0.0;
    for (j, wy) in wy.iter().enumerate() {
        let row = &table[clamped(fy, j, rows) * columns..][..columns];
        for (i, wx) in wx.iter().enumerate() {
            sum += wx * wy * row[clamped(fx, i, columns)];
        }
    }
    sum
}

/// Adds finely sampled pieces to a picture.
struct Splat<'a> {
    screen: &'a Screen,
    size: f32,
    values: &'a mut [f32],
    rng: &'a mut Rng,
}

impl Splat<'_> {
    /// The outer `thickness` millimetres of a bar, `density` denser than what lies around it.
    fn shell(&mut self, bar: &Bar, ball: bool, thickness: f32, density: f32) {
        let inner = 1.0 - thickness / bar.half_normal.min(bar.half_other);
        self.bar(bar, ball, inner.clamp(0.0, 0.95), density);
    }

    /// The part of a bar outside the share `hollow` of its radius.
    fn bar(&mut self, bar: &Bar, ball: bool, hollow: f32, density: f32) {
        // Samples as much finer than the voxels as edges have to be sharper.
        let fine = self.screen.voxel * 0.4;
        let other = (bar.to - bar.from).unit().cross(bar.normal);
        let beyond =
            if ball { (bar.to - bar.from).unit() * bar.half_normal.min(bar.half_other) } else { v(0.0, 0.0, 0.0) };
        let (from, axis) = (bar.from - beyond, bar.to - bar.from + beyond * 2.0);
        let length = axis.length();
        let steps = |extent: f32| (extent / fine).ceil().max(2.0) as usize;
        let (along, across, up) = (steps(length), steps(2.0 * bar.half_normal), steps(2.0 * bar.half_other));
        let cell =
            (length / along as f32) * (2.0 * bar.half_normal / across as f32) * (2.0 * bar.half_other / up as f32);
        let mut jitter = |i: usize, n: usize| (i as f32 + self.rng.unit()) / n as f32;
        let mut points = Vec::with_capacity(along * across * up);
        for i in 0..across {
            for j in 0..up {
                for k in 0..along {
                    let (a, b, t) = (2.0 * jitter(i, across) - 1.0, 2.0 * jitter(j, up) - 1.0, jitter(k, along));
                    let end = if ball { (2.0 * t - 1.0).powi(2) } else { 0.0 };
                    let r2 = a * a + b * b + end;
                    if r2 <= 1.0 && r2 >= hollow * hollow {
                        points
                            .push(from + axis * t + bar.normal * (a * bar.half_normal) + other * (b * bar.half_other));
                    }
                }
            }
        }
        points.iter().for_each(|&p| self.point(p, density * cell));
    }

    /// `mass` is water-equivalent volume, model millimetres cubed.
    fn point(&mut self, p: Vec3, mass: f32) {
        let screen = self.screen;
        let p = v(p.x, p.y, p.z) * self.size;
        let u = if screen.beam == Beam::Frontal { p.x } else { p.y };
        let x = (u - screen.center.0) / screen.pixel + (screen.columns as f32 - 1.0) / 2.0;
        let y = (screen.center.1 - p.z) / screen.pixel + (screen.rows as f32 - 1.0) / 2.0;
        if x < 0.0 || y < 0.0 || x >= screen.columns as f32 - 1.0 || y >= screen.rows as f32 - 1.0 {
            return;
        }
        let mass = mass * self.size.powi(3) / (screen.pixel * screen.pixel);
        let (ix, iy) = (x as usize, y as usize);
        let (tx, ty) = (x - ix as f32, y - iy as f32);
        let at = iy * screen.columns + ix;
        self.values[at] += mass * (1.0 - tx) * (1.0 - ty);
        self.values[at + 1] += mass * tx * (1.0 - ty);
        self.values[at + screen.columns] += mass * (1.0 - tx) * ty;
        self.values[at + screen.columns + 1] += mass * tx * ty;
    }
}
