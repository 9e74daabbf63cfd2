//! Paints one axial slice of a [`Body`] in Hounsfield units.
//!
//! Layers are laid over each other from the skin inwards, each with an edge blended over about a pixel; tubes and bones
//! first go into depth buffers, so that where two pieces meet there is no seam.

use super::super::geometry::{Ellipsoid, Vec3, smooth, v};
use super::abdomen::{self, Hollow};
use super::outline::{ANGLES, Layers, diaphragm, fissure};
use super::skeleton::{self, LEVEL};
use super::thorax::{self, Mediastinum};
use super::{Body, Disease};

pub const AIR: f32 = -1000.0;
pub const FAT: f32 = -102.0;
pub const MUSCLE: f32 = 52.0;
pub const BLOOD: f32 = 41.0;
const LUNG: f32 = -862.0;
const SKIN: f32 = 18.0;

/// Where the pixels of a slice lie: `x`, `y` of the first one's centre and the step between them, millimetres.
#[derive(Debug, Clone)]
pub struct Grid {
    pub x0: f32,
    pub y0: f32,
    pub step_x: f32,
    pub step_y: f32,
    pub columns: usize,
    pub rows: usize,
    /// Angle as a position in the tables of [`Layers`], and distance from the body's axis.
    polar: Vec<(f32, f32)>,
}

impl Grid {
    pub fn new(x0: f32, y0: f32, step_x: f32, step_y: f32, columns: usize, rows: usize) -> Self {
        let mut polar = Vec::with_capacity(columns * rows);
        for row in 0..rows {
            let y = y0 + step_y * row as f32;
            for column in 0..columns {
                let x = x0 + step_x * column as f32;
                let turn = y.atan2(x).rem_euclid(std::f32::consts::TAU) / std::f32::consts::TAU;
                polar.push((turn * ANGLES as f32, (x * x + y * y).sqrt()));
            }
        }
        Self { x0, y0, step_x, step_y, columns, rows, polar }
    }

    fn x(&self, column: usize) -> f32 {
        self.x0 + self.step_x * column as f32
    }

    fn y(&self, row: usize) -> f32 {
        self.y0 + self.step_y * row as f32
    }

    /// The pixels within a box, clipped to the grid.
    fn window(&self, low: Vec3, high: Vec3) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
        let span = |low: f32, high: f32, origin: f32, step: f32, count: usize| {
            let first = ((low - origin) / step).ceil().clamp(0.0, count as f32) as usize;
            let last = ((high - origin) / step).floor().clamp(-1.0, count as f32 - 1.0) as isize;
            first..(last + 1).max(first as isize) as usize
        };
        (span(low.x, high.x, self.x0, self.step_x, self.columns), span(low.y, high.y, self.y0, self.step_y, self.rows))
    }
}

/// What to paint: everything, or only what is large, for a projection that adds bones and vessels more finely itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    Full,
    Bulk,
}

/// Buffers for one slice at a time; one per thread.
pub struct Painter<'a> {
    body: &'a Body,
    grid: &'a Grid,
    detail: Detail,
    /// Half the width over which an edge is blended.
    edge: f32,
    pub hu: Vec<f32>,
    /// Depth inside the cavity and below the skin.
    cavity: Vec<f32>,
    skin: Vec<f32>,
    vessel: Vec<f32>,
    airway: Vec<f32>,
    wall: Vec<f32>,
    bone: Vec<f32>,
    bone_hu: Vec<(f32, f32)>,
}

const OUTSIDE: f32 = -50.0;

impl<'a> Painter<'a> {
    pub fn new(body: &'a Body, grid: &'a Grid, detail: Detail) -> Self {
        let n = grid.columns * grid.rows;
        let edge = 0.62 * grid.step_x.max(grid.step_y).max(0.7);
        let empty = || vec![OUTSIDE; n];
        Self {
            body,
            grid,
            detail,
            edge,
            hu: vec![AIR; n],
            cavity: empty(),
            skin: empty(),
            vessel: empty(),
            airway: empty(),
            wall: vec![1.0; n],
            bone: empty(),
            bone_hu: vec![(0.0, 0.0); n],
        }
    }

    /// Texture; a projection has no use for it.
    fn noise(&self, p: Vec3) -> f32 {
        if self.detail == Detail::Full { self.body.texture.at(p) } else { 0.0 }
    }

    fn clouds(&self, p: Vec3) -> f32 {
        if self.detail == Detail::Full { self.body.texture.cloud(p) } else { 0.0 }
    }

    /// Share of a pixel covered by a shape `depth` deep there.
    fn cover(&self, depth: f32) -> f32 {
        smooth(-self.edge, self.edge, depth)
    }

    /// Paints the slice at height `z` into `hu`.
    pub fn paint(&mut self, z: f32) {
        for buffer in [&mut self.vessel, &mut self.airway, &mut self.bone] {
            buffer.fill(OUTSIDE);
        }
        self.layers(z);
        self.abdomen(z);
        self.tubes(z);
        self.nodes_and_nodule(z);
        self.bones(z);
    }

    fn layers(&mut self, z: f32) {
        let layers = Layers::at(&self.body.build, z);
        let between = Mediastinum::at(&self.body.build, z);
        let heart_near = self.body.chambers.iter().any(|c| (c.center.z - z).abs() < c.reach() + 14.0);
        for row in 0..self.grid.rows {
            let y = self.grid.y(row);
            for column in 0..self.grid.columns {
                let at = row * self.grid.columns + column;
                let (turn, r) = self.grid.polar[at];
                let i = (turn as usize).min(ANGLES - 1);
                let (t, next) = (turn - i as f32, (i + 1) % ANGLES);
                let radius = |table: &[f32]| table[i] + (table[next] - table[i]) * t - r;
                let skin = radius(&layers.skin);
                self.skin[at] = skin;
                if skin < -1.0 {
                    self.cavity[at] = OUTSIDE;
                    self.hu[at] = AIR;
                    continue;
                }
                let p = v(self.grid.x(column), y, z);
                let (muscle, cavity) = (radius(&layers.muscle), radius(&layers.cavity));
                self.cavity[at] = cavity;
                self.hu[at] = if cavity < -1.0 {
                    self.wall_tissue(p, skin, muscle, -cavity)
                } else {
                    let outside = self.wall_tissue(p, skin, muscle, (-cavity).max(0.0));
                    let inside = self.cavity_tissue(p, cavity, heart_near, &between);
                    outside + (inside - outside) * self.cover(cavity)
                };
            }
        }
    }

    /// Skin, fat and muscle outside the cavity. `out` is the distance from the cavity.
    fn wall_tissue(&self, p: Vec3, skin: f32, muscle: f32, out: f32) -> f32 {
        let fat = FAT + 9.0 * self.noise(p * 0.12) + 14.0 * (self.noise(p * 0.31) - 0.62).max(0.0);
        let mut hu = fat;
        if self.body.build.female && p.y < -40.0 && muscle < -3.0 && skin > 5.0 {
            // Glandular strands within the breast.
            let gland = smooth(0.05, 0.5, self.clouds(p * 0.07) + 0.25) * smooth(5.0, 12.0, skin);
            let height = (-((p.z + 8.0) / 36.0).powi(2)).exp();
            let within = smooth(-3.0, -12.0, muscle) * smooth(-40.0, -70.0, p.y) * smooth(32.0, 60.0, p.x.abs());
            hu += gland * height * within * 105.0;
        }
        let flesh = self.cover(muscle);
        if flesh > 0.0 {
            // Fat between the muscles' layers, which follow the chest wall.
            let warp = self.noise(v(p.x * 0.03, p.y * 0.03, p.z * 0.012) + v(3.0, 7.0, 1.0));
            let layer = (out - 10.0) / 15.0 + 0.8 * warp;
            let plane = (layer - layer.round()).abs() * 15.0;
            let width = 0.35 + 1.5 * (self.noise(p * 0.055) + 0.15).max(0.0);
            let split = (1.0 - smooth(width * 0.6, width * 1.5, plane))
                * smooth(7.5, 9.5, out)
                * smooth(0.0, 2.5, muscle)
                * smooth(-0.35, 0.1, self.noise(p * 0.02 + v(9.0, 2.0, 5.0)));
            let shoulder = smooth(60.0, 110.0, p.z) * smooth(100.0, 120.0, p.x.abs());
            let pocket = shoulder * smooth(0.1, 0.45, self.noise(p * 0.035 + v(1.0, 2.0, 3.0)));
            let meat = MUSCLE + 5.0 * self.noise(p * 0.5);
            hu += flesh * (meat + (FAT - meat) * (split * 0.9).max(pocket * 0.9) - hu);
        }
        let rind = self.cover(2.0 - skin);
        hu += rind * (SKIN - hu);
        AIR + (hu - AIR) * self.cover(skin)
    }

    /// Lung, mediastinum or the abdomen's fat.
    fn cavity_tissue(&self, p: Vec3, cavity: f32, heart_near: bool, between: &Mediastinum) -> f32 {
        let body = self.body;
        let below = diaphragm(&body.build, p.x, p.y) - p.z;
        if below > 12.0 {
            let fat = FAT + 10.0 * self.noise(p * 0.1);
            let rim = self.cover(2.2 - cavity);
            return fat + rim * (MUSCLE - fat);
        }
        let heart = if heart_near { thorax::heart(&body.chambers, p) } else { -100.0 };
        let between = between.depth(p, heart);
        let lung = thorax::lung(&body.build, p, cavity, between);
        let fat = FAT + 22.0 * self.clouds(p * 0.09);
        let mut hu = fat;
        if heart > -1.5 {
            let flesh = self.cover(heart);
            // Fat in the grooves between the chambers, and the sac around the heart.
            let groove = 1.0 - smooth(0.0, 0.10, (self.noise(p * 0.021 + v(5.0, 1.0, 4.0)) - 0.28).abs());
            let rim = smooth(9.0, 1.0, heart);
            hu += flesh * (BLOOD + 3.0 - hu) * (1.0 - 0.8 * groove * rim);
        }
        if p.z > 118.0 {
            // Thoracic inlet: muscle and thyroid fill more and more.
            hu += smooth(118.0, 150.0, p.z) * 0.85 * (MUSCLE - hu);
        }
        // The diaphragm itself, and the pleura on the mediastinum.
        let sheet = self.cover(2.0 - (below - 1.0).abs()) * self.cover(-between + 2.0);
        hu += sheet * (MUSCLE - hu);
        hu += self.cover(0.9 - (between - 0.8).abs()) * 0.8 * (22.0 - hu);
        if lung > -1.5 {
            hu += self.cover(lung) * (self.lung_tissue(p, cavity) - hu);
        }
        hu
    }

    /// Lung, healthy or not. `wall` is the distance from the chest wall.
    fn lung_tissue(&self, p: Vec3, wall: f32) -> f32 {
        let healthy = self.parenchyma(p);
        match self.body.disease {
            Some(Disease::Pneumonia(shape)) => {
                let depth = shape.depth(p);
                if depth < -14.0 {
                    return healthy;
                }
                // Patchy towards its edge; the texture is wanted in projections too.
                let cloud = self.body.texture.cloud(p * 0.085);
                let dense = smooth(-12.0, 16.0, depth + 16.0 * cloud);
                healthy + dense * (640.0 + 260.0 * smooth(0.0, 16.0, depth))
            }
            Some(Disease::Effusion { side, level }) if p.x * side > 0.0 => {
                // The surface climbs along the chest wall.
                let climb = 46.0 * (-wall.max(0.0) / 9.0).exp();
                let inside = if self.body.build.erect { level + climb - p.z } else { p.y - level + climb * 0.4 };
                healthy + self.cover(inside) * (9.0 - healthy)
            }
            _ => healthy,
        }
    }

    fn parenchyma(&self, p: Vec3) -> f32 {
        // Supine, the lung is denser where it lies.
        let lying = if self.body.build.erect { 0.0 } else { 26.0 * (p.y / 90.0) };
        let split = (1.0 - smooth(0.35, 1.0, (p.z - fissure(p.x, p.y)).abs() * 0.78)) * 110.0;
        LUNG + lying + 14.0 * self.clouds(p * 0.16) + split
    }

    fn abdomen(&mut self, z: f32) {
        let body = self.body;
        let organs = &body.organs;
        if z < -20.0 {
            self.soft(v(-140.0, -110.0, z), v(100.0, 100.0, z), |painter, p, hu, cavity| {
                let depth = organs.liver_depth(&body.build, p).min(cavity - 1.6);
                let tissue = organs.liver_hu + 2.5 * painter.noise(p * 0.2);
                hu + painter.cover(depth) * (tissue - hu)
            });
            self.soft(v(30.0, -40.0, z), v(140.0, 100.0, z), |painter, p, hu, cavity| {
                let depth = organs.spleen_depth(&body.build, p).min(cavity - 1.6);
                hu + painter.cover(depth) * (abdomen::SPLEEN_HU - hu)
            });
        }
        for hollow in &organs.hollow {
            self.hollow(z, hollow);
        }
        for kidney in &organs.kidneys {
            let sinus = Ellipsoid {
                center: kidney.center + v(-kidney.center.x.signum() * 9.0, -6.0, 0.0),
                half: kidney.half * 0.52,
                ..*kidney
            };
            self.shape(z, &kidney.grown(9.0), |painter, p| FAT + 10.0 * painter.noise(p * 0.1));
            self.shape(z, kidney, |painter, p| abdomen::KIDNEY_HU + 2.0 * painter.noise(p * 0.3));
            self.shape(z, &sinus, |painter, p| FAT + 70.0 * painter.clouds(p * 0.13).max(0.0));
        }
        for organ in &organs.solid {
            self.shape(z, &organ.shape, |_, _| organ.hu);
        }
    }

    fn soft(&mut self, low: Vec3, high: Vec3, tissue: impl Fn(&Self, Vec3, f32, f32) -> f32) {
        let (columns, rows) = self.grid.window(low, high);
        for row in rows {
            for column in columns.clone() {
                let at = row * self.grid.columns + column;
                let p = v(self.grid.x(column), self.grid.y(row), low.z);
                let hu = tissue(self, p, self.hu[at], self.cavity[at]);
                self.hu[at] = hu;
            }
        }
    }

    fn shape(&mut self, z: f32, shape: &Ellipsoid, tissue: impl Fn(&Self, Vec3) -> f32) {
        let reach = shape.reach() + 1.5;
        if (shape.center.z - z).abs() > reach {
            return;
        }
        let corner = v(reach, reach, 0.0);
        let level = v(shape.center.x, shape.center.y, z);
        self.soft(level - corner, level + corner, |painter, p, hu, _| {
            let cover = painter.cover(shape.depth(p));
            if cover > 0.0 { hu + cover * (tissue(painter, p) - hu) } else { hu }
        });
    }

    fn hollow(&mut self, z: f32, hollow: &Hollow) {
        let erect = self.body.build.erect;
        let shape = &hollow.shape;
        let inner = shape.grown(-hollow.wall);
        let tall = if erect { shape.half.z } else { shape.half.y };
        let level = if erect {
            shape.center.z + tall * (1.0 - 2.0 * hollow.air)
        } else {
            shape.center.y - tall * (1.0 - 2.0 * hollow.air)
        };
        self.shape(z, shape, |_, _| 42.0);
        self.shape(z, &inner, |painter, p| {
            let in_air = if erect { p.z - level } else { level - p.y };
            let fluid = hollow.fluid + 16.0 * painter.clouds(p * 0.17);
            fluid + smooth(-0.6, 0.6, in_air) * (AIR - fluid)
        });
    }

    fn tubes(&mut self, z: f32) {
        let body = self.body;
        let dark = body.organs.liver_hu - 16.0;
        for bar in body.liver_vessels.iter().chain(&body.organs.pancreas) {
            let hu = if bar.half_normal > 8.5 { 38.0 } else { dark };
            self.bar(z, bar, |painter, at, depth| painter.hu[at] += painter.cover(depth) * (hu - painter.hu[at]));
        }
        for bar in &body.vessels {
            if self.detail == Detail::Full || bar.half_normal > 5.0 {
                self.bar(z, bar, |painter, at, depth| painter.vessel[at] = painter.vessel[at].max(depth));
            }
        }
        for (bar, wall) in &body.airways {
            if self.detail == Detail::Full || bar.half_normal > 3.0 {
                self.bar(z, bar, |painter, at, depth| {
                    if depth > painter.airway[at] {
                        painter.airway[at] = depth;
                        painter.wall[at] = *wall;
                    }
                });
            }
        }
        for at in 0..self.hu.len() {
            let mut hu = self.hu[at];
            let vessel = self.vessel[at];
            if vessel > -2.0 {
                hu += self.cover(vessel) * (BLOOD - hu);
            }
            let lumen = self.airway[at];
            if lumen > -3.0 {
                hu += self.cover(lumen + self.wall[at]) * (24.0 - hu);
                hu += self.cover(lumen) * (AIR + 6.0 - hu);
            }
            self.hu[at] = hu;
        }
        self.esophagus(z);
    }

    fn esophagus(&mut self, z: f32) {
        let aside = 6.0 + 8.0 * smooth(0.0, -70.0, z);
        let shape = Ellipsoid::upright(
            v(aside, skeleton::spine_y(z) - 28.0 - 6.0 * smooth(-20.0, -70.0, z), z),
            v(9.0, 5.5, 20.0),
        );
        if z > -85.0 {
            self.shape(z, &shape, |_, _| 36.0);
            let gas = self.noise(v(0.5, 0.5, z * 0.06));
            if gas > 0.1 {
                self.shape(z, &Ellipsoid { half: v(3.2, 1.5, 20.0), ..shape }, |_, _| -750.0);
            }
        }
    }

    fn nodes_and_nodule(&mut self, z: f32) {
        let body = self.body;
        for node in &body.nodes {
            self.shape(z, &node.shape, |_, _| node.hu);
        }
        let Some(nodule) = body.nodule.as_ref().filter(|_| self.detail == Detail::Full) else { return };
        for spicule in &nodule.spicules {
            self.bar(z, spicule, |painter, at, depth| {
                painter.hu[at] += painter.cover(depth) * (nodule.hu - painter.hu[at])
            });
        }
        self.shape(z, &nodule.shape, |painter, p| nodule.hu + 6.0 * painter.noise(p * 0.6));
    }

    /// Calls `touch` with the depth inside the bar for each pixel near it.
    fn bar(&mut self, z: f32, bar: &super::Bar, mut touch: impl FnMut(&mut Self, usize, f32)) {
        let (low, high) = bar.bounds(2.6);
        if z < low.z || z > high.z {
            return;
        }
        let (columns, rows) = self.grid.window(low, high);
        for row in rows {
            for column in columns.clone() {
                let depth = bar.depth(v(self.grid.x(column), self.grid.y(row), z));
                if depth > -2.6 {
                    touch(self, row * self.grid.columns + column, depth);
                }
            }
        }
    }

    fn bones(&mut self, z: f32) {
        let body = self.body;
        if self.detail == Detail::Full {
            for bone in &body.bones {
                self.bar(z, &bone.bar, |painter, at, depth| {
                    if depth > painter.bone[at] {
                        painter.bone[at] = depth;
                        painter.bone_hu[at] = (bone.cortex, bone.core);
                    }
                });
            }
        }
        self.vertebral_body(z);
        for at in 0..self.hu.len() {
            let depth = self.bone[at];
            if depth > -2.0 && self.skin[at] > 3.0 {
                let (cortex, core) = self.bone_hu[at];
                let (row, column) = (at / self.grid.columns, at % self.grid.columns);
                let p = v(self.grid.x(column), self.grid.y(row), z);
                let spongy = core * (1.0 + 0.22 * self.noise(p * 0.9));
                let tissue = spongy + (cortex - spongy) * (1.0 - smooth(0.5, 1.9, depth));
                self.hu[at] += self.cover(depth) * (tissue - self.hu[at]);
            }
        }
        self.canal(z);
    }

    /// Body and disc of the vertebra at this height.
    fn vertebral_body(&mut self, z: f32) {
        let number = ((165.0 - z) / LEVEL).round() as i32 + 1;
        let center = skeleton::vertebra(number);
        let (half_x, half_y) = skeleton::vertebra_half(z);
        let up = LEVEL * 0.5 - 2.4 - (z - center.z).abs();
        // Waisted, and flat behind.
        let waist = 1.0 + 0.07 * ((z - center.z) / (LEVEL * 0.5)).powi(2);
        let shape = Ellipsoid::upright(v(0.0, skeleton::spine_y(z), z), v(half_x * waist, half_y * waist, 1e3));
        self.shape(z, &shape.grown(-1.0), |_, _| 82.0);
        let corner = v(half_x * 1.2 + 3.0, half_y * 1.2 + 3.0, 0.0);
        let (columns, rows) = self.grid.window(shape.center - corner, shape.center + corner);
        for row in rows {
            for column in columns.clone() {
                let p = v(self.grid.x(column), self.grid.y(row), z);
                let flat = p.y - shape.center.y - half_y * 0.84;
                let depth = shape.depth(p).min(-flat).min(up);
                let at = row * self.grid.columns + column;
                if depth > self.bone[at] {
                    self.bone[at] = depth;
                    self.bone_hu[at] = (520.0, 185.0);
                }
            }
        }
    }

    fn canal(&mut self, z: f32) {
        let (_, half_y) = skeleton::vertebra_half(z);
        let center = v(0.0, skeleton::spine_y(z) + half_y + 8.0, z);
        let canal = Ellipsoid::upright(center, v(9.0, 7.6, 1e3));
        self.shape(z, &canal, |_, _| -40.0);
        self.shape(z, &canal.grown(-1.6), |_, _| 12.0);
        self.shape(z, &Ellipsoid { half: v(4.6, 3.6, 1e3), ..canal }, |_, _| 38.0);
    }
}
