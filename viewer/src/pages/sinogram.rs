//! The picture of the sign-in page: a real sinogram, computed from a chest of ellipses. Pure.
//!
//! The Radon transform of an ellipse is closed form (Kak and Slaney, *Principles of Computerized Tomographic Imaging*,
//! 3.1): for a ray at angle θ and offset t, `2 ρ A B √(a² − t²) / a²` with `a² = A² cos² θ + B² sin² θ`.

/// Centre, half axes, rotation in degrees, density added.
struct Ellipse(f32, f32, f32, f32, f32, f32);

/// A chest seen from below: body, lungs, heart, spine, ribs, vessels, one nodule.
const CHEST: [Ellipse; 9] = [
    Ellipse(0.0, 0.0, 0.86, 0.60, 0.0, 0.50),
    Ellipse(0.0, 0.0, 0.80, 0.54, 0.0, -0.10),
    Ellipse(-0.40, 0.03, 0.30, 0.42, 8.0, -0.34),
    Ellipse(0.42, 0.05, 0.27, 0.40, -8.0, -0.34),
    Ellipse(0.10, -0.10, 0.22, 0.19, 30.0, 0.42),
    Ellipse(0.0, 0.34, 0.10, 0.09, 0.0, 0.95),
    Ellipse(-0.52, 0.16, 0.035, 0.030, 0.0, 0.9),
    Ellipse(0.02, 0.16, 0.055, 0.055, 0.0, 0.55),
    Ellipse(-0.04, 0.02, 0.032, 0.030, 0.0, -0.5),
];

const RIBS: u32 = 11;
const VESSELS: u32 = 26;

fn phantom() -> Vec<Ellipse> {
    let ribs = (0..RIBS).flat_map(|n| {
        let around = 0.55 + n as f32 * 0.52;
        let (sin, cos) = around.sin_cos();
        let turned = around.to_degrees() + 90.0;
        [
            Ellipse(0.79 * cos, 0.53 * sin, 0.075, 0.020, turned, 0.9),
            Ellipse(0.34 * cos - 0.05, 0.24 * sin, 0.018, 0.012, turned, 0.7),
        ]
    });
    // Spread evenly without repeating, by the golden angle.
    let vessels = (0..VESSELS).map(|n| {
        let (sin, cos) = (n as f32 * 2.399).sin_cos();
        let out = 0.06 + 0.20 * (n as f32 / VESSELS as f32).sqrt();
        let side = if n % 2 == 0 { -0.40 } else { 0.42 };
        Ellipse(side + out * cos, 0.04 + 1.35 * out * sin, 0.030, 0.006, n as f32 * 57.0, 0.55)
    });
    CHEST.into_iter().chain(ribs).chain(vessels).collect()
}

fn projection(ellipses: &[Ellipse], angle: f32, offset: f32) -> f32 {
    ellipses
        .iter()
        .map(|Ellipse(x, y, a, b, turned, density)| {
            let theta = angle - turned.to_radians();
            let centred = offset - (x * angle.cos() + y * angle.sin());
            let width2 = (a * theta.cos()).powi(2) + (b * theta.sin()).powi(2);
            let inside = width2 - centred * centred;
            if inside <= 0.0 { 0.0 } else { 2.0 * density * a * b * inside.sqrt() / width2 }
        })
        .sum()
}

/// Rows are angles over half a turn, columns offsets; from deep teal to near white. RGBA.
pub fn sinogram(width: usize, height: usize) -> Vec<u8> {
    const DEEP: [f32; 3] = [7.0, 34.0, 33.0];
    const MID: [f32; 3] = [44.0, 122.0, 108.0];
    const LIGHT: [f32; 3] = [236.0, 248.0, 243.0];
    let ellipses = phantom();
    let mut values = Vec::with_capacity(width * height);
    for row in 0..height {
        let angle = std::f32::consts::PI * (row as f32 / height as f32 - 0.5);
        values
            .extend((0..width).map(|column| projection(&ellipses, angle, 1.78 * (column as f32 / width as f32 - 0.5))));
    }
    let most = values.iter().copied().fold(f32::EPSILON, f32::max);
    let mut rgba = Vec::with_capacity(values.len() * 4);
    for value in values {
        let level = (value / most).clamp(0.0, 1.0).powf(1.35);
        let (from, to, share) =
            if level < 0.55 { (DEEP, MID, level / 0.55) } else { (MID, LIGHT, (level - 0.55) / 0.45) };
        rgba.extend((0..3).map(|n| (from[n] + (to[n] - from[n]) * share) as u8));
        rgba.push(255);
    }
    rgba
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disc_throws_the_same_shadow_from_every_side() {
        let disc = [Ellipse(0.0, 0.0, 0.5, 0.5, 0.0, 1.0)];
        for angle in [0.0, 0.7, 1.9] {
            assert!((projection(&disc, angle, 0.3) - 0.8).abs() < 1e-5, "chord of length 2√(0.25 − 0.09)");
            assert_eq!(projection(&disc, angle, 0.51), 0.0);
        }
    }

    #[test]
    fn every_angle_sees_the_same_mass() {
        let ellipses = phantom();
        let mass =
            |angle: f32| (-2000..2000).map(|t| projection(&ellipses, angle, t as f32 / 1000.0)).sum::<f32>() / 1000.0;
        let first = mass(0.0);
        for angle in [0.4, 1.1, 2.3] {
            assert!((mass(angle) - first).abs() < 0.01 * first.abs(), "angle {angle}");
        }
    }

    #[test]
    fn the_picture_is_opaque_and_as_large_as_asked() {
        let picture = sinogram(16, 9);
        assert_eq!(picture.len(), 16 * 9 * 4);
        assert!(picture.chunks(4).all(|pixel| pixel[3] == 255));
    }
}
