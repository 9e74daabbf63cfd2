//! The upper abdomen: liver and gallbladder, spleen, stomach with its air, kidneys, pancreas, bowel.

use super::super::geometry::{Bar, Ellipsoid, Vec3, blend, v};
use super::super::rng::Rng;
use super::outline::diaphragm;
use super::thorax::tube;
use super::{Build, Organ};

/// A hollow organ: wall, fluid, and air above the fluid.
#[derive(Debug, Clone, Copy)]
pub struct Hollow {
    pub shape: Ellipsoid,
    pub wall: f32,
    pub fluid: f32,
    /// Share of the height, from the highest point, that is air.
    pub air: f32,
}

#[derive(Debug, Clone)]
pub struct Organs {
    liver: Vec<Ellipsoid>,
    spleen: Vec<Ellipsoid>,
    pub kidneys: Vec<Ellipsoid>,
    pub solid: Vec<Organ>,
    pub hollow: Vec<Hollow>,
    pub pancreas: Vec<Bar>,
    pub liver_hu: f32,
}

pub const SPLEEN_HU: f32 = 49.0;
pub const KIDNEY_HU: f32 = 33.0;

impl Organs {
    pub fn new(build: &Build, rng: &mut Rng) -> Self {
        let dome = build.dome;
        let at = |x: f32, y: f32, z: f32| v(x * build.breadth, y, z + dome);
        let mut hollow = vec![
            Hollow {
                shape: Ellipsoid::along(at(58.0, -34.0, -88.0), v(54.0, 43.0, 40.0), v(-0.25, -0.55, -0.8)),
                wall: 4.0,
                fluid: 22.0,
                air: rng.range(0.25, 0.45),
            },
            Hollow {
                shape: Ellipsoid::along(at(28.0, -62.0, -136.0), v(40.0, 20.0, 22.0), v(-1.0, -0.1, -0.2)),
                wall: 5.0,
                fluid: 24.0,
                air: 0.2,
            },
        ];
        bowel(build, rng, &mut hollow);
        hollow.push(Hollow {
            shape: Ellipsoid::along(at(92.0, -12.0, -132.0), v(24.0, 19.0, 18.0), v(0.3, 0.3, -1.0)),
            wall: 2.0,
            fluid: 26.0,
            air: 0.7,
        });
        let mut pancreas = Vec::new();
        tube(
            &[
                (at(-22.0, -14.0, -158.0), 13.0),
                (at(-2.0, -22.0, -146.0), 10.0),
                (at(30.0, -10.0, -132.0), 9.5),
                (at(62.0, 22.0, -116.0), 9.0),
            ],
            &mut pancreas,
        );
        Self {
            liver: vec![
                Ellipsoid::along(at(-64.0, 2.0, -108.0), v(92.0, 88.0, 92.0), v(1.0, 0.0, 0.25)),
                Ellipsoid::along(at(8.0, -44.0, -84.0), v(64.0, 40.0, 34.0), v(1.0, -0.15, 0.3)),
                Ellipsoid::upright(at(-18.0, 6.0, -84.0), v(28.0, 26.0, 30.0)),
            ],
            spleen: vec![Ellipsoid::along(at(96.0, 44.0, -94.0), v(58.0, 42.0, 27.0), v(0.25, -0.55, -0.6))],
            kidneys: vec![
                Ellipsoid::along(at(-58.0, 46.0, -176.0), v(54.0, 27.0, 24.0), v(-0.22, 0.12, -1.0)),
                Ellipsoid::along(at(60.0, 48.0, -160.0), v(55.0, 27.0, 25.0), v(0.22, 0.12, -1.0)),
            ],
            solid: vec![Organ {
                shape: Ellipsoid::along(at(-46.0, -58.0, -142.0), v(34.0, 15.0, 14.0), v(-0.1, -0.5, -0.9)),
                hu: 9.0,
            }],
            hollow,
            pancreas,
            liver_hu: rng.range(55.0, 60.0),
        }
    }

    /// Depth inside the liver, which fills the space under the right dome.
    pub fn liver_depth(&self, build: &Build, p: Vec3) -> f32 {
        let shape = self.liver.iter().fold(-100.0, |depth, part| blend(depth, part.depth(p), 14.0));
        shape.min((diaphragm(build, p.x, p.y) - p.z) * 0.8 - 0.5)
    }

    pub fn spleen_depth(&self, build: &Build, p: Vec3) -> f32 {
        let shape = self.spleen.iter().fold(-100.0, |depth, part| blend(depth, part.depth(p), 10.0));
        shape.min((diaphragm(build, p.x, p.y) - p.z) * 0.8 - 4.0)
    }
}

/// Colon and small bowel below and in front.
fn bowel(build: &Build, rng: &mut Rng, hollow: &mut Vec<Hollow>) {
    let at = |x: f32, y: f32, z: f32| v(x * build.breadth, y, z + build.dome);
    for i in 0..36 {
        let z = -150.0 - 4.6 * i as f32 + rng.range(-8.0, 8.0);
        // The liver leaves room for bowel on the right only further down.
        let rightmost = if z > -205.0 { 14.0 } else { -88.0 };
        let center = at(rng.range(rightmost, 102.0), rng.range(-76.0, -8.0), z);
        let half = v(rng.range(16.0, 30.0), rng.range(12.0, 18.0), rng.range(12.0, 18.0));
        let direction = v(rng.range(-1.0, 1.0), rng.range(-0.4, 0.4), rng.range(-0.5, 0.5));
        let shape = Ellipsoid::along(center, half, direction);
        hollow.push(Hollow { shape, wall: 2.0, fluid: rng.range(18.0, 36.0), air: rng.range(-0.6, 0.6).max(0.0) });
    }
}
