//! Branching trees that fill a volume: pulmonary arteries, veins and bronchi, and the vessels of the liver.
//!
//! A set of points is split in two along its longest extent, again and again; each half gets a branch towards its middle.
//! Radii follow Murray's law: the cube of a radius is shared out among the branches.

use super::super::geometry::{Bar, Ellipsoid, Vec3, v};
use super::super::rng::Rng;
use super::Build;
use super::abdomen::Organs;
use super::outline::{cavity_radius, fissure};
use super::thorax::{self, ARTERY_ROOTS, BRONCHUS_ROOTS, Mediastinum, VEIN_ROOTS};

/// What a tree is made of and how far it may go.
struct Growth<'a> {
    rng: &'a mut Rng,
    /// Radius of a branch that serves one point.
    twig: f32,
    /// Branches thinner than this are left out.
    thinnest: f32,
    /// How far a branch goes towards the middle of its points.
    reach: f32,
    bend: f32,
}

impl Growth<'_> {
    fn radius(&self, points: usize) -> f32 {
        self.twig * (points as f32).powf(0.40)
    }

    /// Grows from `from`, arriving with direction `heading`, to all of `points`.
    fn branch(&mut self, from: Vec3, heading: Vec3, points: &mut [Vec3], out: &mut Vec<Bar>) {
        let radius = self.radius(points.len());
        if points.is_empty() || radius < self.thinnest {
            return;
        }
        let middle = points.iter().fold(v(0.0, 0.0, 0.0), |sum, &p| sum + p) * (1.0 / points.len() as f32);
        // The first branches part soon after the root.
        let reach = match points.len() {
            1 => 1.0,
            n if n > 260 => self.reach * 0.5,
            n if n > 90 => self.reach * 0.75,
            _ => self.reach,
        };
        let to = from.lerp(middle, reach);
        let arrived = self.bent(from, heading, to, radius, out);
        if points.len() == 1 {
            return;
        }
        let extent = |f: &dyn Fn(Vec3) -> f32| {
            let (low, high) = points.iter().fold((f32::MAX, f32::MIN), |(l, h), &p| (l.min(f(p)), h.max(f(p))));
            high - low
        };
        let (ex, ey, ez) = (extent(&|p| p.x), extent(&|p| p.y), extent(&|p| p.z));
        let longest = if ex >= ey && ex >= ez {
            v(1.0, 0.2, 0.1)
        } else if ey >= ez {
            v(0.2, 1.0, 0.15)
        } else {
            v(0.1, 0.2, 1.0)
        };
        let skew = v(self.rng.range(-0.3, 0.3), self.rng.range(-0.3, 0.3), self.rng.range(-0.3, 0.3));
        let axis = longest + skew;
        points.sort_by(|a, b| a.dot(axis).total_cmp(&b.dot(axis)));
        let share = self.rng.range(0.36, 0.64);
        let cut = ((points.len() as f32 * share) as usize).clamp(1, points.len() - 1);
        let (low, high) = points.split_at_mut(cut);
        self.branch(to, arrived, low, out);
        self.branch(to, arrived, high, out);
    }

    /// A gently curved branch as four straight pieces; returns the direction at its end.
    fn bent(&mut self, from: Vec3, heading: Vec3, to: Vec3, radius: f32, out: &mut Vec<Bar>) -> Vec3 {
        let length = (to - from).length();
        let wander = v(self.rng.normal(), self.rng.normal(), self.rng.normal()) * (length * self.bend);
        let control = from + heading * (length * 0.35) + wander;
        let at = |t: f32| from.lerp(control, t).lerp(control.lerp(to, t), t);
        for i in 0..4 {
            let (t, u) = (i as f32 / 4.0, (i + 1) as f32 / 4.0);
            out.push(Bar::round(at(t), at(u), radius * (1.0 - 0.12 * t)));
        }
        (to - control).unit()
    }
}

/// Arteries, veins and bronchi of both lungs.
pub fn grow_lungs(
    build: &Build,
    chambers: &[Ellipsoid],
    rng: &mut Rng,
    vessels: &mut Vec<Bar>,
    airways: &mut Vec<(Bar, f32)>,
) {
    for (side, sign) in [(0, -1.0), (1, 1.0)] {
        let mut arteries = lung_points(build, chambers, sign, 1300, rng);
        let mut veins = lung_points(build, chambers, sign, 1100, rng);
        // Bronchi accompany the arteries: the same branching, beside them, so the same points in the same order.
        let mut bronchi: Vec<Vec3> = arteries.iter().map(|&p| p + v(0.0, 3.4, 2.4)).collect();
        let mut beside = rng.fork("arteries");
        let grow = |rng| Growth { rng, twig: 0.46, thinnest: 0.40, reach: 0.46, bend: 0.05 };
        let outward = v(sign, 0.1, -0.2).unit();
        let mut bars = Vec::new();
        Growth { rng: &mut beside.clone(), twig: 0.40, thinnest: 1.1, reach: 0.46, bend: 0.05 }.branch(
            BRONCHUS_ROOTS[side],
            outward,
            &mut bronchi,
            &mut bars,
        );
        airways.extend(bars.into_iter().map(|bar| {
            let wall = (0.35 + bar.half_normal * 0.17).min(1.4);
            (bar, wall)
        }));
        grow(&mut beside).branch(ARTERY_ROOTS[side], outward, &mut arteries, vessels);
        grow(rng).branch(VEIN_ROOTS[side], outward, &mut veins, vessels);
    }
}

/// Points spread evenly through one lung, off the fissure, short of the pleura.
fn lung_points(build: &Build, chambers: &[Ellipsoid], sign: f32, count: usize, rng: &mut Rng) -> Vec<Vec3> {
    let mut points = Vec::with_capacity(count);
    for _ in 0..count * 60 {
        if points.len() == count {
            break;
        }
        let p = v(rng.range(8.0, 138.0) * sign, rng.range(-95.0, 100.0), rng.range(-125.0, 155.0));
        let r = (p.x * p.x + p.y * p.y).sqrt();
        let wall = cavity_radius(build, p.y / r, p.x / r, p.z) - r;
        if wall < 5.0 {
            continue;
        }
        let between = Mediastinum::at(build, p.z).depth(p, thorax::heart(chambers, p));
        let clear_of_fissure = (p.z - fissure(p.x, p.y)).abs() > 3.0;
        if thorax::lung(build, p, wall, between) > 5.0 && clear_of_fissure {
            points.push(p);
        }
    }
    points
}

/// Portal and hepatic veins.
pub fn grow_liver(build: &Build, organs: &Organs, rng: &mut Rng) -> Vec<Bar> {
    let mut bars = Vec::new();
    for (root, heading, twig) in
        [(v(-28.0, -2.0, -118.0), v(-0.8, 0.0, 0.5), 0.8), (v(-24.0, 10.0, -58.0), v(-0.5, -0.4, -0.7), 0.75)]
    {
        let mut points = Vec::new();
        for _ in 0..4000 {
            let p = v(rng.range(-135.0, 60.0), rng.range(-90.0, 90.0), rng.range(-190.0, -30.0));
            if points.len() < 90 && organs.liver_depth(build, p) > 9.0 {
                points.push(p);
            }
        }
        let mut growth = Growth { rng, twig, thinnest: 0.9, reach: 0.45, bend: 0.06 };
        growth.branch(root, heading.unit(), &mut points, &mut bars);
    }
    bars
}
