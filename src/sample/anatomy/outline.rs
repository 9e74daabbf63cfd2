//! Where the trunk's layers run: thoracic and abdominal cavity, chest wall, fat and skin, the diaphragm and the lungs.
//!
//! At each height the layers are closed curves around the body's axis, given as radius over angle. Heights follow the
//! spine: the first thoracic vertebra lies at z = 165, the carina near 45, the right dome of the diaphragm near -35.

use super::super::geometry::{Vec3, blend, curve, smooth};
use super::{Arms, Build};

/// How finely a layer's curve is tabled.
pub const ANGLES: usize = 720;

const CAVITY_HALF_WIDTH: &[(f32, f32)] = &[
    (-330.0, 122.0),
    (-200.0, 124.0),
    (-140.0, 130.0),
    (-100.0, 134.0),
    (-60.0, 136.0),
    (-20.0, 133.0),
    (20.0, 127.0),
    (60.0, 118.0),
    (100.0, 104.0),
    (130.0, 89.0),
    (160.0, 68.0),
    (200.0, 44.0),
    (230.0, 42.0),
];
const CAVITY_FRONT: &[(f32, f32)] = &[
    (-330.0, 88.0),
    (-200.0, 96.0),
    (-140.0, 97.0),
    (-60.0, 93.0),
    (-20.0, 90.0),
    (20.0, 84.0),
    (60.0, 74.0),
    (100.0, 57.0),
    (130.0, 38.0),
    (160.0, 22.0),
    (200.0, 24.0),
    (230.0, 24.0),
];
const CAVITY_BACK: &[(f32, f32)] = &[
    (-330.0, 72.0),
    (-200.0, 80.0),
    (-140.0, 86.0),
    (-100.0, 91.0),
    (-60.0, 96.0),
    (-20.0, 99.0),
    (20.0, 99.0),
    (60.0, 97.0),
    (100.0, 92.0),
    (130.0, 85.0),
    (160.0, 72.0),
    (200.0, 48.0),
    (230.0, 44.0),
];

/// The layers at one height: radius in millimetres for each of [`ANGLES`] directions, from +x towards +y.
#[derive(Debug, Clone)]
pub struct Layers {
    pub cavity: Vec<f32>,
    pub muscle: Vec<f32>,
    pub skin: Vec<f32>,
}

impl Layers {
    pub fn at(build: &Build, z: f32) -> Self {
        let mut layers = Self { cavity: Vec::new(), muscle: Vec::new(), skin: Vec::new() };
        let shoulders = shoulder_oval(build, z);
        for i in 0..ANGLES {
            let (sin, cos) = (i as f32 * std::f32::consts::TAU / ANGLES as f32).sin_cos();
            let inner = cavity_radius(build, sin, cos, z);
            // 0 in front, pi behind.
            let turn = (-sin).clamp(-1.0, 1.0).acos();
            let fat = fat_thickness(build, turn, z);
            let wall = inner + 9.0 + muscle_thickness(turn, z);
            let skin = match shoulders {
                Some(oval) => blend(wall + fat, oval_radius(oval, sin, cos), 40.0),
                None => wall + fat,
            };
            layers.cavity.push(inner);
            layers.muscle.push((skin - fat).max(wall));
            layers.skin.push(skin);
        }
        layers
    }
}

/// Radius of the inside of chest and abdomen in the direction `(cos, sin)`.
pub fn cavity_radius(build: &Build, sin: f32, cos: f32, z: f32) -> f32 {
    let width = curve(CAVITY_HALF_WIDTH, z) * build.breadth;
    let depth = if sin < 0.0 { curve(CAVITY_FRONT, z) * build.depth } else { curve(CAVITY_BACK, z) };
    oval_radius([width, depth, 2.35], sin, cos)
}

/// Superellipse with half-axes and exponent.
fn oval_radius([width, depth, power]: [f32; 3], sin: f32, cos: f32) -> f32 {
    ((cos.abs() / width).powf(power) + (sin.abs() / depth).powf(power)).powf(-1.0 / power)
}

fn shoulder_oval(build: &Build, z: f32) -> Option<[f32; 3]> {
    if z < 0.0 {
        return None;
    }
    let width = match build.arms {
        Arms::Raised => curve(
            &[
                (0.0, 90.0),
                (40.0, 120.0),
                (80.0, 150.0),
                (115.0, 172.0),
                (150.0, 182.0),
                (175.0, 172.0),
                (230.0, 120.0),
            ],
            z,
        ),
        Arms::Hanging => curve(
            &[
                (0.0, 60.0),
                (30.0, 110.0),
                (60.0, 158.0),
                (90.0, 184.0),
                (120.0, 192.0),
                (138.0, 188.0),
                (152.0, 168.0),
                (166.0, 130.0),
                (180.0, 92.0),
                (195.0, 68.0),
                (230.0, 58.0),
            ],
            z,
        ),
    };
    let depth = curve(&[(0.0, 50.0), (60.0, 66.0), (110.0, 78.0), (150.0, 84.0), (180.0, 74.0), (210.0, 62.0)], z);
    Some([width * build.breadth, depth, 2.0])
}

fn muscle_thickness(turn: f32, z: f32) -> f32 {
    let pectoral = curve(&[(-60.0, 4.0), (-20.0, 5.0), (30.0, 11.0), (80.0, 17.0), (120.0, 15.0), (160.0, 10.0)], z);
    let chest = curve(
        &[
            (0.0, 1.0),
            (0.2, 3.0),
            (0.55, pectoral),
            (1.0, pectoral * 0.7),
            (1.45, 5.0),
            (1.9, 9.0),
            (2.35, 13.0),
            (2.72, 19.0),
            (2.98, 20.0),
            (3.15, 15.0),
        ],
        turn,
    );
    let belly = curve(
        &[
            (0.0, 3.0),
            (0.12, 6.0),
            (0.5, 5.0),
            (1.2, 9.0),
            (1.9, 10.0),
            (2.4, 12.0),
            (2.72, 24.0),
            (2.98, 24.0),
            (3.15, 15.0),
        ],
        turn,
    );
    let scapular = 26.0 * smooth(10.0, 110.0, z) * (-((turn - 2.0) / 0.55).powi(2)).exp();
    let t = smooth(-40.0, -110.0, z);
    (chest + (belly - chest) * t + scapular) * smooth(205.0, 150.0, z)
}

fn fat_thickness(build: &Build, turn: f32, z: f32) -> f32 {
    let chest = curve(&[(0.0, 6.0), (0.6, 9.0), (1.4, 13.0), (2.0, 16.0), (2.6, 13.0), (3.15, 8.0)], turn);
    let belly = curve(&[(0.0, 15.0), (0.6, 16.0), (1.4, 13.0), (2.0, 18.0), (2.6, 16.0), (3.15, 10.0)], turn);
    let base = (chest + (belly - chest) * smooth(-60.0, -160.0, z)) * build.fatness;
    if !build.female {
        return base;
    }
    let bulge = (-((turn - 0.66) / 0.36).powi(2)).exp() * (-((z + 8.0) / 46.0).powi(2)).exp();
    base + build.breast * bulge
}

/// Height of the diaphragm's upper face.
pub fn diaphragm(build: &Build, x: f32, y: f32) -> f32 {
    let dome = |center: Vec3, front: f32| {
        let dx = (x - center.x) / 68.0;
        let dy = if y < center.y { (y - center.y) / front } else { (y - center.y) / 84.0 };
        center.z - 44.0 * dx * dx - 62.0 * dy * dy - 26.0 * dx * dx * dx * dx
    };
    let right = dome(Vec3 { x: -66.0, y: -6.0, z: -34.0 + build.dome }, 110.0);
    let left = dome(Vec3 { x: 68.0, y: -2.0, z: -48.0 + build.dome }, 110.0);
    blend(right, left, 20.0)
}

/// Millimetres below the lungs' apex; the two apices are rounded.
pub fn below_apex(x: f32, y: f32, z: f32) -> f32 {
    let dx = (x.abs() - 44.0) / 62.0;
    let dy = if y < 34.0 { (y - 34.0) / 118.0 } else { (y - 34.0) / 66.0 };
    154.0 - 58.0 * (dx * dx + dy * dy) - z
}

/// The oblique fissure of either lung: height at which it runs.
pub fn fissure(x: f32, y: f32) -> f32 {
    let bow = 14.0 * (1.0 - (y / 95.0).powi(2));
    10.0 + 0.78 * y - bow + 0.08 * (x.abs() - 70.0)
}
