//! What lies under the probe: a plane through the right upper abdomen, as echo strength, attenuation and flow.
//!
//! Lengths are millimetres: `u` to the right of the probe's middle, `w` below its face. Everything moves gently with
//! breathing; the scatterers move with the tissue, so that speckle drifts as it does in a patient.

use super::super::geometry::{curve, smooth};
use super::super::rng::Rng;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spot {
    pub u: f32,
    pub w: f32,
}

pub const fn spot(u: f32, w: f32) -> Spot {
    Spot { u, w }
}

/// An ellipse, turned by `tilt` radians.
#[derive(Debug, Clone, Copy)]
pub struct Oval {
    pub center: Spot,
    pub long: f32,
    pub short: f32,
    pub tilt: f32,
}

impl Oval {
    /// Both ends of the long axis.
    pub fn ends(&self) -> (Spot, Spot) {
        let (sin, cos) = self.tilt.sin_cos();
        let (du, dw) = (self.long * cos, self.long * sin);
        let center = self.center;
        (spot(center.u - du, center.w - dw), spot(center.u + du, center.w + dw))
    }

    /// Depth inside, and how squarely a beam from straight above meets the surface there (-1 far side, 1 near side).
    fn depth(&self, at: Spot) -> (f32, f32) {
        let (du, dw) = (at.u - self.center.u, at.w - self.center.w);
        let (sin, cos) = self.tilt.sin_cos();
        let (a, b) = (du * cos + dw * sin, dw * cos - du * sin);
        let (x, y) = (a / self.long, b / self.short);
        let rho = (x * x + y * y).sqrt().max(1e-4);
        let (gx, gy) = (x / self.long, y / self.short);
        let gradient = (gx * gx + gy * gy).sqrt();
        let facing = -(gx * sin + gy * cos) / gradient;
        ((1.0 - rho) * rho / gradient, facing)
    }
}

/// A straight piece of a vessel.
#[derive(Debug, Clone, Copy)]
pub struct Vessel {
    pub from: Spot,
    pub to: Spot,
    pub radius: f32,
    /// Portal branches have bright walls, hepatic veins none.
    pub walled: bool,
    /// Mean speed from `from` to `to`, centimetres a second.
    pub speed: f32,
}

impl Vessel {
    /// Depth inside and distance from the axis as a share of the radius.
    fn depth(&self, at: Spot) -> (f32, f32) {
        let (au, aw) = (self.to.u - self.from.u, self.to.w - self.from.w);
        let (du, dw) = (at.u - self.from.u, at.w - self.from.w);
        let t = ((du * au + dw * aw) / (au * au + aw * aw)).clamp(0.0, 1.0);
        let off = ((du - t * au).powi(2) + (dw - t * aw).powi(2)).sqrt();
        (self.radius - off, off / self.radius)
    }
}

/// What the beam meets at one place.
#[derive(Debug, Clone, Copy)]
pub struct Tissue {
    /// Amplitude of the echo beside that of liver.
    pub echo: f32,
    /// Attenuation beyond what the depth gain makes up for, decibels a millimetre.
    pub loss: f32,
    /// Velocity of blood across and down, centimetres a second.
    pub flow: Option<(f32, f32)>,
}

#[derive(Debug, Clone)]
pub struct Scene {
    pub gallbladder: Oval,
    pub stones: Vec<Oval>,
    pub kidney: Oval,
    pub vessels: Vec<Vessel>,
    /// Thickness of the layers above the peritoneum.
    fat: f32,
    muscle: f32,
    /// How bright the liver is: a fatty one is brighter and darkens with depth.
    fatty: f32,
    ripple: [f32; 4],
}

impl Scene {
    pub fn new(rng: &mut Rng) -> Self {
        let gallbladder = Oval {
            center: spot(rng.range(4.0, 16.0), rng.range(60.0, 68.0)),
            long: rng.range(31.0, 37.0),
            short: rng.range(12.5, 15.5),
            tilt: rng.range(0.28, 0.5),
        };
        Self {
            stones: stones(&gallbladder, rng),
            gallbladder,
            kidney: Oval { center: spot(62.0, 118.0), long: 50.0, short: 23.0, tilt: rng.range(-0.25, -0.1) },
            vessels: vessels(rng),
            fat: rng.range(7.0, 13.0),
            muscle: rng.range(8.0, 11.0),
            fatty: if rng.below(3) == 0 { 1.0 } else { 0.0 },
            ripple: [rng.range(0.0, 6.0), rng.range(0.0, 6.0), rng.range(0.0, 6.0), rng.range(0.0, 6.0)],
        }
    }

    /// Where the tissue now at `at` lies when breath is held; `phase` of the breath is 0 to 1.
    pub fn at_rest(&self, at: Spot, phase: f32) -> Spot {
        // The wall stays with the probe, the liver slides beneath it.
        let free = smooth(12.0, 34.0, at.w);
        let breath = (phase * std::f32::consts::TAU).sin();
        let pulse = (phase * std::f32::consts::TAU * 5.0).sin() * smooth(-20.0, -90.0, at.u) * 0.5;
        spot(at.u - free * 3.2 * breath, at.w - free * (1.1 * breath + pulse))
    }

    /// The tissue at a place at rest. `grain` is slow noise about -1 to 1, `fibre` the same drawn out sideways.
    pub fn tissue(&self, at: Spot, grain: f32, fibre: f32) -> Tissue {
        let [a, b, c, d] = self.ripple;
        let fascia = self.fat + 1.2 * (at.u * 0.045 + a).sin() + 0.5 * (at.u * 0.11 + b).sin();
        let peritoneum = self.fat + self.muscle + 1.5 * (at.u * 0.038 + c).sin() + 0.6 * (at.u * 0.09 + d).sin();
        let mut tissue =
            if at.w < peritoneum { self.wall(at, fascia, peritoneum, fibre) } else { self.liver(at, grain) };
        self.diaphragm(at, &mut tissue);
        if at.w >= peritoneum {
            self.kidney(at, grain, &mut tissue);
            self.vessels(at, &mut tissue);
            self.gallbladder(at, grain, &mut tissue);
        }
        tissue
    }

    fn wall(&self, at: Spot, fascia: f32, peritoneum: f32, fibre: f32) -> Tissue {
        let line = |center: f32, width: f32| (-((at.w - center) / width).powi(2)).exp();
        let base = if at.w < 2.2 {
            3.2
        } else if at.w < fascia {
            0.55 + 2.2 * smooth(0.42, 0.75, fibre)
        } else {
            0.42 + 1.9 * smooth(0.3, 0.7, fibre)
        };
        let lines = 4.0 * line(fascia, 0.7) + 5.0 * line(peritoneum - 0.5, 0.6) + 2.2 * line(2.4, 0.5);
        Tissue { echo: base + lines, loss: 0.02, flow: None }
    }

    fn liver(&self, at: Spot, grain: f32) -> Tissue {
        let dim = self.fatty * 0.07 * smooth(60.0, 150.0, at.w);
        Tissue { echo: (1.0 + 0.22 * grain) * (1.0 + 0.5 * self.fatty), loss: dim, flow: None }
    }

    /// A bright arc behind the liver; beyond it the lung, of which nothing but mirrored liver is seen.
    fn diaphragm(&self, at: Spot, tissue: &mut Tissue) {
        let r = ((at.u + 12.0).powi(2) + (at.w - 12.0).powi(2)).sqrt();
        let beyond = r - 132.0 - 3.0 * (at.u * 0.03).sin();
        if at.u < 26.0 && beyond > -1.6 {
            let end = smooth(26.0, 8.0, at.u);
            let line = (-(beyond / 0.9).powi(2)).exp() * 7.0 * end;
            if beyond > 0.0 {
                tissue.echo += (0.55 - tissue.echo) * end;
            }
            tissue.echo += line;
        }
    }

    fn kidney(&self, at: Spot, grain: f32, tissue: &mut Tissue) {
        let (depth, facing) = self.kidney.depth(at);
        // Fat around the kidney.
        if depth > -5.0 {
            let rim = smooth(-5.0, -2.0, depth);
            tissue.echo += (1.9 - tissue.echo) * rim;
        }
        if depth > -1.0 {
            let sinus = Oval { long: self.kidney.long * 0.56, short: self.kidney.short * 0.40, ..self.kidney };
            let (inner, _) = sinus.depth(at);
            let along = (at.u - self.kidney.center.u) * 0.30 + 0.6;
            let pyramid = smooth(0.35, 0.75, along.sin()) * smooth(6.0, 8.5, depth) * smooth(0.5, -1.0, inner);
            let cortex = 0.66 * (1.0 + 0.25 * grain) * (1.0 - 0.62 * pyramid);
            let bright = smooth(-1.5, 1.5, inner + 2.4 * grain);
            let inside = cortex + (2.3 - cortex) * bright;
            tissue.echo += (inside - tissue.echo) * smooth(-0.4, 0.4, depth);
            tissue.echo += 2.4 * facing.abs().powi(2) * (-(depth / 0.8).powi(2)).exp();
        }
    }

    fn vessels(&self, at: Spot, tissue: &mut Tissue) {
        // The deepest piece counts, so that where pieces meet there is neither wall nor seam.
        let (mut wall, mut lumen, mut inside) = (f32::MIN, f32::MIN, None);
        for vessel in &self.vessels {
            let (depth, share) = vessel.depth(at);
            if vessel.walled {
                wall = wall.max(depth);
            }
            if depth > lumen {
                (lumen, inside) = (depth, Some((vessel, share)));
            }
        }
        if wall > -2.5 {
            tissue.echo += 2.6 * (-((wall + 0.7) / 0.8).powi(2)).exp() * smooth(0.4, -0.2, lumen);
        }
        let Some((vessel, share)) = inside.filter(|_| lumen > 0.0) else { return };
        tissue.echo += (0.035 - tissue.echo) * smooth(0.0, 0.6, lumen);
        tissue.loss = -0.06;
        let (du, dw) = (vessel.to.u - vessel.from.u, vessel.to.w - vessel.from.w);
        let speed = vessel.speed * 1.6 * (1.0 - share * share) / (du * du + dw * dw).sqrt();
        tissue.flow = Some((du * speed, dw * speed));
    }

    fn gallbladder(&self, at: Spot, grain: f32, tissue: &mut Tissue) {
        let (depth, facing) = self.gallbladder.depth(at);
        if depth > -3.0 {
            let wall = (-((depth + 0.7) / 0.9).powi(2)).exp();
            tissue.echo += wall * (0.5 + 3.2 * facing.powi(2));
        }
        if depth > 0.0 {
            // Reverberation fogs the part nearest the probe.
            let fog = 0.05 * smooth(7.0, 0.0, depth) * smooth(-0.2, 0.9, facing);
            let bile = 0.012 + fog * (1.0 + 0.5 * grain);
            tissue.echo += (bile - tissue.echo) * smooth(0.0, 0.7, depth);
            tissue.loss = -0.16;
            tissue.flow = None;
        }
        for stone in &self.stones {
            let (depth, facing) = stone.depth(at);
            if depth > -0.5 {
                let face = smooth(-0.2, 0.7, facing);
                let skin = (-((depth - 0.6) / 0.9).powi(2)).exp();
                tissue.echo = 0.4 + 13.0 * face * skin;
                tissue.loss = 7.0;
                tissue.flow = None;
            }
        }
    }

    /// The stone one would measure.
    pub fn largest_stone(&self) -> Option<&Oval> {
        self.stones.iter().max_by(|a, b| a.long.total_cmp(&b.long))
    }
}

/// Stones rest on the back wall.
fn stones(gallbladder: &Oval, rng: &mut Rng) -> Vec<Oval> {
    let (sin, cos) = gallbladder.tilt.sin_cos();
    let mut stones = Vec::new();
    let count = 1 + rng.below(3);
    for i in 0..count {
        let radius = if i == 0 { rng.range(5.0, 7.5) } else { rng.range(2.2, 3.4) };
        let along = gallbladder.long * [0.22, -0.32, 0.62][i % 3];
        let room = gallbladder.short * (1.0 - (along / gallbladder.long).powi(2)).sqrt();
        let across = room - radius * 0.80;
        stones.push(Oval {
            center: spot(
                gallbladder.center.u + along * cos - across * sin,
                gallbladder.center.w + along * sin + across * cos,
            ),
            long: radius,
            short: radius * rng.range(0.72, 0.88),
            tilt: gallbladder.tilt,
        });
    }
    stones
}

fn vessels(rng: &mut Rng) -> Vec<Vessel> {
    let mut all = Vec::new();
    let mut line = |points: &[(f32, f32)], radii: (f32, f32), walled: bool, speed: f32| {
        let us: Vec<(f32, f32)> = points.iter().enumerate().map(|(i, p)| (i as f32, p.0)).collect();
        let ws: Vec<(f32, f32)> = points.iter().enumerate().map(|(i, p)| (i as f32, p.1)).collect();
        let pieces = (points.len() - 1) * 4;
        for i in 0..pieces {
            let (t, u) = (i as f32 / 4.0, (i + 1) as f32 / 4.0);
            let share = i as f32 / pieces as f32;
            all.push(Vessel {
                from: spot(curve(&us, t), curve(&ws, t)),
                to: spot(curve(&us, u), curve(&ws, u)),
                radius: radii.0 + (radii.1 - radii.0) * share,
                walled,
                speed,
            });
        }
    };
    let shift = rng.range(-4.0, 4.0);
    // Portal vein, rising into the liver with two branches.
    line(&[(26.0, 112.0), (2.0, 102.0), (-22.0 + shift, 92.0), (-46.0, 76.0)], (5.8, 3.6), true, 17.0);
    line(&[(-22.0 + shift, 92.0), (-42.0, 96.0), (-66.0, 94.0)], (3.6, 2.2), true, 13.0);
    line(&[(-46.0, 76.0), (-56.0, 62.0), (-60.0, 48.0)], (2.8, 1.4), true, 9.0);
    line(&[(2.0, 102.0), (-6.0, 88.0), (-12.0, 78.0)], (2.2, 1.2), true, 8.0);
    // Hepatic veins, running deep towards the heart.
    line(&[(-24.0, 42.0), (-34.0, 68.0), (-48.0 + shift, 104.0), (-54.0, 126.0)], (1.4, 4.6), false, 15.0);
    line(&[(-76.0, 74.0), (-68.0, 100.0), (-58.0, 124.0)], (1.6, 3.4), false, 13.0);
    line(&[(8.0, 36.0), (-2.0, 48.0), (-14.0, 58.0)], (1.2, 1.8), false, 9.0);
    line(&[(54.0, 62.0), (66.0, 76.0), (72.0, 88.0)], (1.3, 2.0), false, 9.0);
    all
}
