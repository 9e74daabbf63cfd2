//! Points and soft shapes in the patient's millimetres (DICOM LPS: +x left, +y back, +z head). Pure arithmetic.

use std::ops::{Add, Mul, Neg, Sub};

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Vec3 {
    pub x: f32,
    pub y: f32,
    pub z: f32,
}

pub const fn v(x: f32, y: f32, z: f32) -> Vec3 {
    Vec3 { x, y, z }
}

impl Vec3 {
    pub fn dot(self, other: Self) -> f32 {
        self.x * other.x + self.y * other.y + self.z * other.z
    }

    pub fn cross(self, o: Self) -> Self {
        v(self.y * o.z - self.z * o.y, self.z * o.x - self.x * o.z, self.x * o.y - self.y * o.x)
    }

    pub fn length(self) -> f32 {
        self.dot(self).sqrt()
    }

    pub fn unit(self) -> Self {
        self * (1.0 / self.length().max(1e-6))
    }

    pub fn lerp(self, to: Self, t: f32) -> Self {
        self + (to - self) * t
    }

    /// The same point on the other side of the body when `side` is -1.
    pub fn mirrored(self, side: f32) -> Self {
        v(self.x * side, self.y, self.z)
    }
}

impl Add for Vec3 {
    type Output = Self;
    fn add(self, o: Self) -> Self {
        v(self.x + o.x, self.y + o.y, self.z + o.z)
    }
}

impl Sub for Vec3 {
    type Output = Self;
    fn sub(self, o: Self) -> Self {
        v(self.x - o.x, self.y - o.y, self.z - o.z)
    }
}

impl Mul<f32> for Vec3 {
    type Output = Self;
    fn mul(self, s: f32) -> Self {
        v(self.x * s, self.y * s, self.z * s)
    }
}

impl Neg for Vec3 {
    type Output = Self;
    fn neg(self) -> Self {
        self * -1.0
    }
}

/// An ellipsoid with an own frame. Depth is positive inside.
#[derive(Debug, Clone, Copy)]
pub struct Ellipsoid {
    pub center: Vec3,
    pub half: Vec3,
    /// Unit axes along which `half` is measured.
    pub axes: [Vec3; 3],
}

impl Ellipsoid {
    pub const fn upright(center: Vec3, half: Vec3) -> Self {
        Self { center, half, axes: [v(1.0, 0.0, 0.0), v(0.0, 1.0, 0.0), v(0.0, 0.0, 1.0)] }
    }

    /// `half.x` lies along `direction`; the other two are perpendicular to it.
    pub fn along(center: Vec3, half: Vec3, direction: Vec3) -> Self {
        let first = direction.unit();
        let helper = if first.z.abs() < 0.9 { v(0.0, 0.0, 1.0) } else { v(0.0, 1.0, 0.0) };
        let second = helper.cross(first).unit();
        Self { center, half, axes: [first, second, first.cross(second)] }
    }

    /// Millimetres inside the surface, to first order.
    pub fn depth(&self, p: Vec3) -> f32 {
        let d = p - self.center;
        let (a, b, c) = (d.dot(self.axes[0]), d.dot(self.axes[1]), d.dot(self.axes[2]));
        let (u, w, q) = (a / self.half.x, b / self.half.y, c / self.half.z);
        let rho = (u * u + w * w + q * q).sqrt();
        let (gu, gw, gq) = (u / self.half.x, w / self.half.y, q / self.half.z);
        let gradient = (gu * gu + gw * gw + gq * gq).sqrt();
        if gradient < 1e-6 {
            return self.half.x.min(self.half.y).min(self.half.z);
        }
        (1.0 - rho) * rho / gradient
    }

    /// No part of it is further than this from the centre.
    pub fn reach(&self) -> f32 {
        self.half.x.max(self.half.y).max(self.half.z)
    }

    pub fn grown(mut self, by: f32) -> Self {
        self.half = self.half + v(by, by, by);
        self
    }
}

/// A straight piece of a tube or bone with elliptical section. `normal` is the direction of the first half-width.
#[derive(Debug, Clone, Copy)]
pub struct Bar {
    pub from: Vec3,
    pub to: Vec3,
    pub normal: Vec3,
    pub half_normal: f32,
    pub half_other: f32,
}

impl Bar {
    pub fn round(from: Vec3, to: Vec3, radius: f32) -> Self {
        let along = (to - from).unit();
        let helper = if along.z.abs() < 0.9 { v(0.0, 0.0, 1.0) } else { v(0.0, 1.0, 0.0) };
        Self { from, to, normal: along.cross(helper).unit(), half_normal: radius, half_other: radius }
    }

    pub fn flat(from: Vec3, to: Vec3, normal: Vec3, half_normal: f32, half_other: f32) -> Self {
        let along = (to - from).unit();
        let normal = (normal - along * normal.dot(along)).unit();
        Self { from, to, normal, half_normal, half_other }
    }

    /// Millimetres inside the surface, to first order; the ends are rounded.
    pub fn depth(&self, p: Vec3) -> f32 {
        let axis = self.to - self.from;
        let length = axis.length().max(1e-4);
        let along = axis * (1.0 / length);
        let d = p - self.from;
        let t = d.dot(along);
        let beyond = t - t.clamp(0.0, length);
        let other = along.cross(self.normal);
        let (hn, ho) = (self.half_normal, self.half_other);
        let hc = hn.min(ho);
        let (u, w, e) = (d.dot(self.normal) / hn, d.dot(other) / ho, beyond / hc);
        let rho = (u * u + w * w + e * e).sqrt();
        if rho < 1e-4 {
            return hc;
        }
        let (gu, gw, ge) = (u / hn, w / ho, e / hc);
        (1.0 - rho) * rho / (gu * gu + gw * gw + ge * ge).sqrt()
    }

    /// Lowest and highest corner of a box around it, `margin` wider.
    pub fn bounds(&self, margin: f32) -> (Vec3, Vec3) {
        let r = self.half_normal.max(self.half_other) + margin;
        let (a, b) = (self.from, self.to);
        (
            v(a.x.min(b.x) - r, a.y.min(b.y) - r, a.z.min(b.z) - r),
            v(a.x.max(b.x) + r, a.y.max(b.y) + r, a.z.max(b.z) + r),
        )
    }
}

/// 0 at `from` and before it, 1 at `to` and beyond, smooth between; `from` may be the larger.
pub fn smooth(from: f32, to: f32, x: f32) -> f32 {
    let t = ((x - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Larger of two depths with the crease between them rounded over `k` millimetres.
pub fn blend(a: f32, b: f32, k: f32) -> f32 {
    let h = (k - (a - b).abs()).max(0.0) / k;
    a.max(b) + h * h * k * 0.25
}

/// A smooth curve through knots `(x, y)` ascending in x; constant beyond the ends.
pub fn curve(knots: &[(f32, f32)], x: f32) -> f32 {
    let Some(next) = knots.iter().position(|k| k.0 > x) else {
        return knots.last().map_or(0.0, |k| k.1);
    };
    if next == 0 {
        return knots[0].1;
    }
    let slope = |i: usize| {
        let (a, b) = (knots[i.saturating_sub(1)], knots[(i + 1).min(knots.len() - 1)]);
        (b.1 - a.1) / (b.0 - a.0)
    };
    let (p, q) = (knots[next - 1], knots[next]);
    let width = q.0 - p.0;
    let t = (x - p.0) / width;
    let (t2, t3) = (t * t, t * t * t);
    p.1 * (2.0 * t3 - 3.0 * t2 + 1.0)
        + slope(next - 1) * width * (t3 - 2.0 * t2 + t)
        + q.1 * (3.0 * t2 - 2.0 * t3)
        + slope(next) * width * (t3 - t2)
}
