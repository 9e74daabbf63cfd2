//! The middle of the chest: heart, great vessels, windpipe, nodes; and the nodule in the lung beside it.

use super::super::geometry::{Bar, Ellipsoid, Vec3, blend, curve, smooth, v};
use super::super::rng::Rng;
use super::outline::{below_apex, cavity_radius, diaphragm};
use super::skeleton::{spine_y, vertebra_half};
use super::{Build, Disease, Nodule, Organ};

/// The heart as overlapping soft shapes: ventricles, right atrium, left atrium, outflow.
pub fn chambers(build: &Build) -> Vec<Ellipsoid> {
    let s = build.heart;
    vec![
        Ellipsoid::along(v(26.0, -28.0, -40.0), v(62.0 * s, 44.0 * s, 42.0 * s), v(0.76, -0.40, -0.46)),
        Ellipsoid::upright(v(-16.0, -20.0, -30.0), v(28.0 * s, 34.0 * s, 40.0 * s)),
        Ellipsoid::upright(v(3.0, 9.0, -8.0), v(36.0, 23.0, 25.0)),
        Ellipsoid::along(v(20.0, -38.0, 2.0), v(34.0, 22.0, 21.0), v(0.2, 0.2, 1.0)),
    ]
}

/// Tubes through the points, smooth, with radius per point.
pub fn tube(points: &[(Vec3, f32)], out: &mut Vec<Bar>) {
    let knots = |f: &dyn Fn(&(Vec3, f32)) -> f32| -> Vec<(f32, f32)> {
        points.iter().enumerate().map(|(i, p)| (i as f32, f(p))).collect()
    };
    let (xs, ys, zs, rs) = (knots(&|p| p.0.x), knots(&|p| p.0.y), knots(&|p| p.0.z), knots(&|p| p.1));
    let at = |t: f32| v(curve(&xs, t), curve(&ys, t), curve(&zs, t));
    let pieces = (points.len() - 1) * 8;
    for i in 0..pieces {
        let (t, u) = (i as f32 / 8.0, (i + 1) as f32 / 8.0);
        out.push(Bar::round(at(t), at(u), curve(&rs, (t + u) / 2.0)));
    }
}

/// Roots of the pulmonary trees: arteries of both lungs, then veins.
pub const ARTERY_ROOTS: [Vec3; 2] = [v(-40.0, 8.0, 26.0), v(46.0, 18.0, 34.0)];
pub const VEIN_ROOTS: [Vec3; 2] = [v(-34.0, 8.0, 0.0), v(38.0, 16.0, 4.0)];
pub const BRONCHUS_ROOTS: [Vec3; 2] = [v(-36.0, 20.0, 24.0), v(44.0, 26.0, 16.0)];

pub fn great_vessels() -> Vec<Bar> {
    let mut bars = Vec::new();
    aorta(&mut bars);
    great_veins(&mut bars);
    pulmonary_trunk(&mut bars);
    bars
}

/// Up from the heart, over the left main bronchus, down along the spine; and the three branches of its arch.
fn aorta(bars: &mut Vec<Bar>) {
    let down = |z: f32, r: f32| {
        (
            v(
                curve(&[(-330.0, 6.0), (-120.0, 8.0), (-40.0, 20.0), (50.0, 27.0)], z),
                spine_y(z) - vertebra_half(z).1 - r * curve(&[(-120.0, 1.1), (40.0, 0.35)], z),
                z,
            ),
            r,
        )
    };
    tube(
        &[
            (v(2.0, -18.0, -14.0), 15.0),
            (v(-9.0, -28.0, 12.0), 16.0),
            (v(-12.0, -26.0, 42.0), 16.0),
            (v(-6.0, -16.0, 66.0), 15.0),
            (v(12.0, 4.0, 79.0), 14.0),
            (v(32.0, 28.0, 71.0), 13.5),
            down(50.0, 13.0),
            down(10.0, 12.5),
            down(-40.0, 12.0),
            down(-90.0, 11.5),
            down(-140.0, 10.5),
            down(-220.0, 9.5),
            down(-320.0, 8.5),
        ],
        bars,
    );
    tube(
        &[
            (v(-8.0, -10.0, 78.0), 7.0),
            (v(-14.0, -10.0, 105.0), 6.5),
            (v(-24.0, 2.0, 140.0), 5.0),
            (v(-26.0, 6.0, 220.0), 3.6),
        ],
        bars,
    );
    tube(
        &[(v(4.0, 2.0, 82.0), 4.4), (v(12.0, 6.0, 110.0), 4.0), (v(24.0, 6.0, 150.0), 3.8), (v(27.0, 6.0, 220.0), 3.6)],
        bars,
    );
    tube(
        &[
            (v(18.0, 18.0, 80.0), 5.0),
            (v(26.0, 24.0, 115.0), 5.0),
            (v(44.0, 18.0, 148.0), 4.6),
            (v(110.0, -6.0, 138.0), 4.4),
        ],
        bars,
    );
}

fn great_veins(bars: &mut Vec<Bar>) {
    tube(
        &[
            (v(-26.0, -8.0, -10.0), 10.5),
            (v(-29.0, -10.0, 30.0), 10.0),
            (v(-28.0, -14.0, 72.0), 9.5),
            (v(-26.0, -18.0, 92.0), 8.0),
            (v(-34.0, -10.0, 125.0), 7.5),
            (v(-40.0, -2.0, 220.0), 5.5),
        ],
        bars,
    );
    tube(
        &[
            (v(-25.0, -20.0, 88.0), 7.5),
            (v(0.0, -32.0, 96.0), 7.0),
            (v(26.0, -18.0, 112.0), 6.8),
            (v(40.0, -4.0, 150.0), 6.5),
            (v(40.0, -2.0, 220.0), 5.0),
        ],
        bars,
    );
    tube(
        &[
            (v(-22.0, 4.0, -34.0), 12.0),
            (v(-24.0, 14.0, -70.0), 12.0),
            (v(-24.0, 20.0, -120.0), 11.5),
            (v(-18.0, 20.0, -220.0), 10.5),
            (v(-14.0, 16.0, -320.0), 10.0),
        ],
        bars,
    );
    // Azygos vein.
    tube(
        &[
            (v(-28.0, -2.0, 52.0), 4.0),
            (v(-24.0, 24.0, 54.0), 4.2),
            (v(-8.0, 40.0, 44.0), 4.0),
            (v(-6.0, 44.0, -20.0), 3.5),
            (v(-6.0, 40.0, -120.0), 3.0),
        ],
        bars,
    );
}

/// The trunk with its two branches, and the veins into the left atrium.
fn pulmonary_trunk(bars: &mut Vec<Bar>) {
    tube(
        &[
            (v(22.0, -42.0, 0.0), 14.0),
            (v(24.0, -34.0, 22.0), 14.5),
            (v(26.0, -16.0, 38.0), 13.0),
            (v(36.0, 6.0, 40.0), 11.0),
            (ARTERY_ROOTS[1], 9.5),
        ],
        bars,
    );
    tube(
        &[
            (v(24.0, -18.0, 34.0), 12.0),
            (v(6.0, -2.0, 30.0), 10.5),
            (v(-18.0, 4.0, 28.0), 10.0),
            (ARTERY_ROOTS[0], 8.5),
        ],
        bars,
    );
    for root in VEIN_ROOTS {
        tube(&[(v(root.x * 0.5, 12.0, -6.0), 8.0), (root, 6.5)], bars);
    }
}

pub fn central_airways() -> Vec<(Bar, f32)> {
    let mut trachea = Vec::new();
    let carina = v(-3.0, 15.0, 46.0);
    tube(
        &[
            (v(0.0, -12.0, 225.0), 8.5),
            (v(0.0, 2.0, 150.0), 8.8),
            (v(-2.0, 10.0, 90.0), 8.6),
            (carina + v(0.0, 0.0, 4.0), 9.2),
        ],
        &mut trachea,
    );
    let mut main = Vec::new();
    tube(&[(carina, 7.6), (v(-18.0, 19.0, 36.0), 7.2), (BRONCHUS_ROOTS[0], 6.6)], &mut main);
    tube(&[(carina, 6.8), (v(18.0, 20.0, 32.0), 6.4), (BRONCHUS_ROOTS[1], 5.8)], &mut main);
    trachea.into_iter().chain(main).map(|bar| (bar, 1.5)).collect()
}

/// Small nodes in the mediastinal fat, short axis 4 to 8 mm.
pub fn lymph_nodes(rng: &mut Rng) -> Vec<Organ> {
    let places = [
        v(-18.0, -2.0, 62.0),
        v(-16.0, 4.0, 76.0),
        v(2.0, -24.0, 70.0),
        v(20.0, -8.0, 52.0),
        v(0.0, 22.0, 26.0),
        v(-8.0, 24.0, 20.0),
        v(12.0, -40.0, 84.0),
    ];
    places
        .iter()
        .map(|&place| {
            let short = rng.range(2.0, 3.6);
            let jitter = v(rng.range(-3.0, 3.0), rng.range(-3.0, 3.0), rng.range(-4.0, 4.0));
            let half = v(short * rng.range(1.3, 1.9), short, short * 1.4);
            Organ { shape: Ellipsoid::along(place + jitter, half, v(1.0, rng.range(-0.8, 0.8), 0.0)), hu: 36.0 }
        })
        .collect()
}

/// A solid nodule in the upper part of the right lower lobe, lobulated, with short spicules.
pub fn nodule(size: (f32, f32), rng: &mut Rng) -> Nodule {
    let center = v(-88.0 + rng.range(-8.0, 8.0), 54.0 + rng.range(-8.0, 8.0), 12.0 + rng.range(-18.0, 12.0));
    let angle = rng.range(-0.6, 0.6);
    let half = v(size.0 / 2.0, size.1 / 2.0, (size.0 + size.1) / 4.4);
    let mut shape = Ellipsoid::upright(center, half);
    shape.axes[0] = v(angle.cos(), angle.sin(), 0.0);
    shape.axes[1] = v(-angle.sin(), angle.cos(), 0.0);
    let spicules = (0..9)
        .map(|i| {
            let turn = i as f32 * 0.7 + rng.range(-0.2, 0.2);
            let out = v(turn.cos(), turn.sin(), rng.range(-0.7, 0.7)).unit();
            let reach = half.x * rng.range(1.35, 1.9);
            Bar::round(center + out * (half.y * 0.8), center + out * reach, rng.range(0.25, 0.4))
        })
        .collect();
    Nodule { shape, spicules, hu: 32.0 }
}

/// One body in three has something; on the left if the right side has a nodule, which must stay visible.
pub fn disease(erect: bool, nodule: bool, rng: &mut Rng) -> Option<Disease> {
    let side = if rng.below(3) == 0 || nodule { 1.0 } else { -1.0 };
    match rng.below(6) {
        0 => {
            let center = v(side * rng.range(76.0, 92.0), rng.range(10.0, 46.0), rng.range(-38.0, -6.0));
            let half = v(rng.range(30.0, 42.0), rng.range(32.0, 44.0), rng.range(24.0, 34.0));
            Some(Disease::Pneumonia(Ellipsoid::along(center, half, v(side, 0.3, -0.4))))
        }
        // Standing, the level is a height; lying, a distance in front of the back.
        1 => {
            Some(Disease::Effusion { side, level: if erect { rng.range(-62.0, -30.0) } else { rng.range(56.0, 72.0) } })
        }
        _ => None,
    }
}

/// The tissue between the lungs at one height, as half-widths tabled from the sternum to the spine.
#[derive(Debug, Clone)]
pub struct Mediastinum {
    front: f32,
    back: f32,
    posterior: f32,
    lean: f32,
    half: Vec<f32>,
}

impl Mediastinum {
    const STEPS: usize = 64;

    pub fn at(build: &Build, z: f32) -> Self {
        // A band from the sternum to the spine, narrow where the lungs meet in front.
        let middle = curve(
            &[(-120.0, 34.0), (-40.0, 30.0), (10.0, 27.0), (45.0, 28.0), (75.0, 29.0), (110.0, 29.0), (160.0, 33.0)],
            z,
        );
        let anterior =
            curve(&[(-80.0, 30.0), (-20.0, 13.0), (20.0, 5.0), (60.0, 6.0), (100.0, 20.0), (140.0, 32.0)], z);
        let posterior = vertebra_half(z).0 + 2.5;
        let profile = [
            (0.0, anterior * 1.15),
            (0.07, anterior * 0.8),
            (0.2, anterior * 1.1),
            (0.32, anterior * 0.45 + middle * 0.5),
            (0.5, middle),
            (0.78, middle * 0.78),
            (1.0, posterior),
        ];
        Self {
            front: -cavity_radius(build, -1.0, 0.0, z),
            back: spine_y(z),
            posterior,
            lean: 3.0 * smooth(-20.0, 60.0, z),
            half: (0..=Self::STEPS).map(|i| curve(&profile, i as f32 / Self::STEPS as f32)).collect(),
        }
    }

    /// Depth inside, with the heart already known at `heart` millimetres deep.
    pub fn depth(&self, p: Vec3, heart: f32) -> f32 {
        let along = ((p.y - self.front) / (self.back - self.front)).clamp(0.0, 1.0);
        let position = along * Self::STEPS as f32;
        let step = (position as usize).min(Self::STEPS - 1);
        let half = self.half[step] + (self.half[step + 1] - self.half[step]) * (position - step as f32);
        let band = half - (p.x - self.lean * smooth(0.0, 0.5, along)).abs();
        // The spine widens behind into its transverse processes.
        let wedge = self.posterior + 0.62 * (p.y - self.back - 8.0).max(0.0) - p.x.abs();
        let spine = wedge.min(p.y - self.back + 10.0);
        blend(blend(heart + 3.0, band, 10.0), spine, 6.0)
    }
}

/// Depth inside the heart as a whole.
pub fn heart(chambers: &[Ellipsoid], p: Vec3) -> f32 {
    chambers.iter().fold(-100.0, |depth, chamber| blend(depth, chamber.depth(p), 12.0))
}

/// Depth inside a lung; `wall` is the distance to the chest wall.
pub fn lung(build: &Build, p: Vec3, wall: f32, mediastinum: f32) -> f32 {
    (wall - 0.6).min(-mediastinum).min((p.z - diaphragm(build, p.x, p.y)) * 0.8).min(below_apex(p.x, p.y, p.z) * 0.7)
}
