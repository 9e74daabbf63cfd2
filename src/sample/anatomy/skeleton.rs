//! Ribs with their cartilage, spine, sternum, clavicles, shoulder blades: pieces of bone in millimetres.

use super::super::geometry::{Bar, Vec3, curve, smooth, v};
use super::outline::cavity_radius;
use super::{Arms, Bone, Build};

/// Distance between two vertebrae.
pub const LEVEL: f32 = 23.5;
const FIRST_THORACIC: f32 = 165.0;
const RIB: (f32, f32) = (820.0, 210.0);
const SPINE: (f32, f32) = (560.0, 190.0);
const CARTILAGE: (f32, f32) = (125.0, 95.0);

/// Centre of the vertebral body of thoracic vertebra `number` (1 to 12; beyond are lumbar, below 1 cervical).
pub fn vertebra(number: i32) -> Vec3 {
    let z = FIRST_THORACIC - LEVEL * (number - 1) as f32;
    v(0.0, spine_y(z), z)
}

/// Front-to-back position of the vertebral bodies' centres: kyphosis above, lordosis below.
pub fn spine_y(z: f32) -> f32 {
    curve(
        &[
            (-330.0, 30.0),
            (-220.0, 36.0),
            (-140.0, 46.0),
            (-60.0, 56.0),
            (20.0, 61.0),
            (90.0, 58.0),
            (160.0, 44.0),
            (230.0, 28.0),
        ],
        z,
    )
}

/// Half-axes of a vertebral body at height `z`.
pub fn vertebra_half(z: f32) -> (f32, f32) {
    (
        curve(&[(-200.0, 23.0), (-100.0, 19.5), (60.0, 15.5), (165.0, 15.0), (230.0, 12.0)], z),
        curve(&[(-200.0, 17.0), (-60.0, 15.5), (100.0, 12.0), (230.0, 8.5)], z),
    )
}

pub fn bones(build: &Build) -> Vec<Bone> {
    let mut bones = Vec::new();
    for side in [-1.0, 1.0] {
        for number in 1..=12 {
            rib(build, number, side, &mut bones);
        }
        clavicle(build, side, &mut bones);
        shoulder(build, side, &mut bones);
    }
    sternum(build, &mut bones);
    for number in -2..=18 {
        vertebral_arch(number, &mut bones);
    }
    bones
}

/// A point on the middle of the chest wall's bony layer. `turn` is 0 behind, 1 in front.
fn wall(build: &Build, side: f32, turn: f32, z: f32) -> (Vec3, Vec3) {
    let at = |t: f32| {
        let angle = std::f32::consts::PI * t;
        let (sin, cos) = (angle.cos(), angle.sin());
        let r = cavity_radius(build, sin, cos, z) + 4.6;
        v(r * cos * side, r * sin, z)
    };
    let here = at(turn);
    let along = at((turn + 0.01).min(1.0)) - at((turn - 0.01).max(0.0));
    // The wall leans in towards the apex, and ribs lean with it.
    let above = {
        let angle = std::f32::consts::PI * turn;
        let r = cavity_radius(build, angle.cos(), angle.sin(), z + 10.0) + 4.6;
        v(r * angle.sin() * side, r * angle.cos(), z + 10.0)
    };
    (here, along.cross(above - here).unit())
}

fn rib(build: &Build, number: usize, side: f32, bones: &mut Vec<Bone>) {
    let n = number as f32;
    let root = vertebra(number as i32);
    let top = root.z + 7.0;
    let drop = curve(
        &[(1.0, 34.0), (2.0, 50.0), (3.0, 66.0), (5.0, 88.0), (8.0, 100.0), (10.0, 84.0), (11.0, 62.0), (12.0, 42.0)],
        n,
    );
    let end = curve(
        &[
            (1.0, 0.83),
            (2.0, 0.82),
            (4.0, 0.80),
            (6.0, 0.78),
            (7.0, 0.76),
            (9.0, 0.70),
            (10.0, 0.63),
            (11.0, 0.46),
            (12.0, 0.31),
        ],
        n,
    );
    let start = 0.155;
    let height = |turn: f32| {
        let t = ((turn - start) / 0.65).clamp(0.0, 1.4);
        top - drop * (0.30 * t + 0.70 * t.powf(1.7))
    };
    let mut path = vec![
        (root + v(side * 16.0, 11.0, 8.0), v(0.0, 0.3, 1.0)),
        (root + v(side * 30.0, 27.0, 8.0), v(side * -0.5, 0.9, 0.3)),
    ];
    let steps = 44;
    path.extend((0..=steps).map(|i| {
        let turn = start + (end - start) * i as f32 / steps as f32;
        wall(build, side, turn, height(turn))
    }));
    let thick = if number == 1 { 3.0 } else { 3.4 };
    for (i, pair) in path.windows(2).enumerate() {
        let along = i as f32 / (steps + 1) as f32;
        let tall = (5.0 + 1.4 * smooth(0.3, 1.0, along)) * if number > 10 { 0.75 } else { 1.0 };
        let bar = Bar::flat(pair[0].0, pair[1].0, pair[0].1 + pair[1].1, thick, tall);
        bones.push(Bone { bar, cortex: RIB.0, core: RIB.1, ball: false });
    }
    if number <= 10 {
        cartilage(build, number, side, end, height(end), bones);
    }
}

/// From the end of a rib to the sternum, or for the lower ones to the cartilage above.
fn cartilage(build: &Build, number: usize, side: f32, from: f32, z: f32, bones: &mut Vec<Bone>) {
    let n = number as f32;
    let to_z = curve(
        &[
            (1.0, 104.0),
            (2.0, 84.0),
            (3.0, 60.0),
            (4.0, 38.0),
            (5.0, 18.0),
            (6.0, 2.0),
            (7.0, -8.0),
            (8.0, -44.0),
            (9.0, -72.0),
            (10.0, -96.0),
        ],
        n,
    );
    let to = if number <= 7 { 0.935 } else { 0.86 - 0.04 * (n - 8.0) };
    let steps = 10;
    let point = |i: usize| {
        let t = i as f32 / steps as f32;
        wall(build, side, from + (to - from) * t, z + (to_z - z) * t * t)
    };
    for i in 0..steps {
        let (a, b) = (point(i), point(i + 1));
        let bar = Bar::flat(a.0, b.0, a.1 + b.1, 3.6, 6.0);
        bones.push(Bone { bar, cortex: CARTILAGE.0, core: CARTILAGE.1, ball: false });
    }
}

fn sternum(build: &Build, bones: &mut Vec<Bone>) {
    let front = |z: f32| -cavity_radius(build, -1.0, 0.0, z) - 5.5;
    let heights = [106.0, 96.0, 84.0, 70.0, 66.0, 45.0, 20.0, 0.0, -22.0, -40.0, -56.0];
    let widths = [24.0, 27.0, 22.0, 16.0, 12.5, 14.0, 17.0, 18.0, 15.0, 8.0, 5.0];
    for (h, w) in heights.windows(2).zip(widths.windows(2)) {
        let (a, b) = (v(0.0, front(h[0]), h[0]), v(0.0, front(h[1]), h[1]));
        // Manubrium and body meet in a joint.
        if h[0] > 66.5 && h[1] < 66.5 {
            continue;
        }
        let bar = Bar::flat(a, b, v(0.0, 1.0, 0.0), 5.2, (w[0] + w[1]) / 2.0);
        bones.push(Bone { bar, cortex: 420.0, core: 130.0, ball: false });
    }
}

fn clavicle(build: &Build, side: f32, bones: &mut Vec<Bone>) {
    let front = -cavity_radius(build, -1.0, 0.0, 104.0);
    let lift = if build.arms == Arms::Raised { 22.0 } else { 0.0 };
    let path = [
        v(20.0, front - 4.0, 114.0),
        v(46.0, front - 7.0, 123.0 + lift * 0.3),
        v(84.0, front + 10.0, 134.0 + lift * 0.6),
        v(118.0, front + 44.0, 143.0 + lift * 0.9),
        v(148.0, front + 62.0, 148.0 + lift),
    ];
    let radii = [9.5, 6.2, 5.4, 5.8, 6.6];
    let steps = 24;
    let along = |t: f32, f: &dyn Fn(usize) -> f32| {
        let knots: Vec<(f32, f32)> = (0..path.len()).map(|i| (i as f32 / 4.0, f(i))).collect();
        curve(&knots, t)
    };
    let at = |t: f32| v(along(t, &|i| path[i].x), along(t, &|i| path[i].y), along(t, &|i| path[i].z)).mirrored(side);
    for i in 0..steps {
        let (t, u) = (i as f32 / steps as f32, (i + 1) as f32 / steps as f32);
        let bar = Bar::round(at(t), at(u), along((t + u) / 2.0, &|i| radii[i]));
        bones.push(Bone { bar, cortex: 950.0, core: 420.0, ball: false });
    }
}

/// Shoulder blade and the head of the upper arm.
fn shoulder(build: &Build, side: f32, bones: &mut Vec<Bone>) {
    let raised = build.arms == Arms::Raised;
    let out = if raised { 0.0 } else { 14.0 };
    let lower = v(if raised { 104.0 } else { 120.0 }, 108.0, -12.0);
    let upper = v(72.0 + out, 96.0, 118.0);
    let socket = if raised { v(140.0, 40.0, 146.0) } else { v(144.0, 44.0, 124.0) };
    let mut push = |a: Vec3, b: Vec3, normal: Vec3, thick: f32, tall: f32, hu: (f32, f32)| {
        let bar = Bar::flat(a.mirrored(side), b.mirrored(side), normal.mirrored(side), thick, tall);
        bones.push(Bone { bar, cortex: hu.0, core: hu.1, ball: thick >= 7.0 && tall > 12.0 });
    };
    let plate = (socket - upper).cross(lower - upper).unit();
    // The blade, as a fan of thin strips, with a stronger outer border.
    for i in 0..9 {
        let t = i as f32 / 8.0;
        let rim = upper.lerp(lower, t);
        push(socket.lerp(lower, t * 0.9), rim, plate, 1.5, 8.5, (600.0, 350.0));
    }
    push(socket, lower, plate, 4.0, 4.5, RIB);
    push(upper, lower, plate, 2.2, 3.5, RIB);
    push(socket + v(0.0, 0.0, -6.0), socket + v(2.0, -2.0, 6.0), v(0.6, -0.8, 0.0), 7.0, 14.0, (700.0, 260.0));
    // Its spine with the acromion, and the coracoid.
    let crest = upper.lerp(lower, 0.22) + v(0.0, 6.0, 0.0);
    let acromion = if raised { v(142.0, 56.0, 176.0) } else { v(156.0, 52.0, 150.0) };
    push(crest, acromion + v(-22.0, 26.0, -6.0), v(0.0, 0.3, 1.0), 3.0, 7.0, RIB);
    push(acromion + v(-22.0, 26.0, -6.0), acromion, v(0.0, 0.2, 1.0), 4.0, 9.0, RIB);
    push(acromion, v(148.0, 8.0, acromion.z - 2.0), v(0.0, 0.0, 1.0), 3.5, 7.0, RIB);
    push(socket + v(-12.0, -12.0, 16.0), socket + v(-14.0, -36.0, 12.0), v(0.0, 0.0, 1.0), 5.0, 5.0, RIB);
    let head = socket + if raised { v(14.0, -8.0, 24.0) } else { v(22.0, -10.0, 2.0) };
    push(head, head + v(2.0, -2.0, 3.0), v(1.0, 0.0, 0.0), 22.0, 22.0, (700.0, 200.0));
    let elbow = if raised { head + v(60.0, -10.0, 160.0) } else { head + v(170.0, -60.0, -190.0) };
    push(head.lerp(elbow, 0.06), elbow, v(1.0, 0.0, 0.0), 11.0, 11.0, (1100.0, 120.0));
}

/// Everything of a vertebra behind its body.
fn vertebral_arch(number: i32, bones: &mut Vec<Bone>) {
    let center = vertebra(number);
    let (half_x, half_y) = vertebra_half(center.z);
    let lumbar = number > 12;
    let mut push = |a: Vec3, b: Vec3, normal: Vec3, thick: f32, tall: f32| {
        bones.push(Bone { bar: Bar::flat(a, b, normal, thick, tall), cortex: SPINE.0, core: SPINE.1, ball: false });
    };
    let canal = half_y + 9.0;
    let spinous = if lumbar { v(0.0, canal + 34.0, -8.0) } else { v(0.0, canal + 30.0, -20.0) };
    push(center + v(0.0, canal + 9.0, -3.0), center + spinous, v(1.0, 0.0, 0.0), 2.6, if lumbar { 9.0 } else { 6.0 });
    for side in [-1.0, 1.0] {
        let pedicle = center + v(side * half_x * 0.68, half_y * 0.8, 3.0);
        let facet = center + v(side * 13.5, canal + 4.0, 1.0);
        push(pedicle, facet, v(1.0, 0.0, 0.0), 3.4, 5.0);
        push(facet, center + v(0.0, canal + 10.0, -3.0), v(0.0, 1.0, 0.0), 3.0, 8.0);
        let tip = if lumbar { v(side * 42.0, canal - 1.0, 2.0) } else { v(side * 32.0, canal + 10.0, 4.0) };
        push(facet, center + tip, v(0.0, 1.0, 0.0), 4.0, 4.6);
        push(facet + v(0.0, 2.0, 10.0), facet + v(0.0, 3.0, -11.0), v(0.0, 1.0, 0.0), 4.2, 6.0);
    }
}
