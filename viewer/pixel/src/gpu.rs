//! The figures the fragment shader works with, from the same attributes and view as the reference renderer.
//!
//! The shader computes `x = slope * (stored - base) + offset`, the modality value relative to the window's center, in single
//! precision. Base and offset are chosen here in double precision so that the difference stays small and exact; averaging and
//! interpolation happen on `x`, the window after them. For samples of at most 16 bits: deeper ones exceed single precision
//! and go through the reference renderer.

use wire::{ImageAttrs, Lut, VoiFunction};

use crate::grey::{lut_top, rescale, wants_inversion};
use crate::render::View;
use crate::window::Voi;

/// What the shader's `voi_function` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Function {
    Linear = 0,
    LinearExact = 1,
    Sigmoid = 2,
    /// Through the VOI LUT texture; `x` is then relative to the LUT's first value.
    Lut = 3,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Uniforms {
    pub slope: f32,
    /// Subtracted from the stored value as an integer.
    pub base: i32,
    /// Added after the slope; with a modality LUT it is added to the LUT's output instead.
    pub offset: f32,
    pub width: f32,
    pub function: Function,
    pub invert: bool,
    /// Stored values from the first to the second are background.
    pub padding: Option<(i32, i32)>,
}

/// Figures for a single-sample grey image.
pub fn uniforms(attrs: &ImageAttrs, view: &View) -> Uniforms {
    let (zero, width, function) = match view.voi {
        Voi::Window { center, width, function: VoiFunction::Linear } => {
            (center - 0.5, width.max(1.0), Function::Linear)
        }
        Voi::Window { center, width, function: VoiFunction::LinearExact } => (center, width, Function::LinearExact),
        Voi::Window { center, width, function: VoiFunction::Sigmoid } => (center, width, Function::Sigmoid),
        Voi::Lut(n) => match attrs.voi_luts.get(n) {
            Some(lut) => (f64::from(lut.first), 1.0, Function::Lut),
            None => (127.5, 255.0, Function::LinearExact),
        },
    };
    let padding = attrs.padding.map(|(a, b)| (a.min(b), a.max(b)));
    let invert = wants_inversion(attrs) != view.invert;
    let has_lut = attrs.modality_lut.as_ref().is_some_and(|l| !l.data.is_empty());
    let (slope, base, offset) = if has_lut {
        (1.0, 0, -zero)
    } else {
        let (slope, intercept) = rescale(attrs);
        let base = ((zero - intercept) / slope).round().clamp(f64::from(i32::MIN / 2), f64::from(i32::MAX / 2));
        (slope, base as i32, slope * base + intercept - zero)
    };
    Uniforms { slope: slope as f32, base, offset: offset as f32, width: width as f32, function, invert, padding }
}

/// A LUT as a texture `wide` texels a row, its last value repeated to the end of the last row.
pub fn lut_texture(lut: &Lut, wide: usize) -> (Vec<u16>, u32) {
    let rows = lut.data.len().div_ceil(wide).max(1);
    let mut texels = lut.data.clone();
    texels.resize(rows * wide, lut.data.last().copied().unwrap_or(0));
    (texels, rows as u32)
}

/// What a full entry of this LUT is, for the shader to divide by.
pub fn lut_full(lut: &Lut) -> f32 {
    lut_top(lut.bits) as f32
}

#[cfg(test)]
mod tests {
    use wire::Photometric;

    use super::*;
    use crate::grey::Grey;
    use crate::tests_support::attrs;

    /// The shader's arithmetic in single precision, line by line as `image.frag` has it.
    fn shader_level(u: &Uniforms, lut: Option<&Lut>, stored: i32) -> u8 {
        if u.padding.is_some_and(|(a, b)| stored >= a && stored <= b) {
            return 0;
        }
        let x = u.slope * (stored.wrapping_sub(u.base)) as f32 + u.offset;
        let w = u.width;
        let y: f32 = match u.function {
            Function::Linear if w <= 1.0 => f32::from(u8::from(x > 0.0)),
            Function::Linear => (x / (w - 1.0) + 0.5).clamp(0.0, 1.0),
            Function::LinearExact => (x / w + 0.5).clamp(0.0, 1.0),
            Function::Sigmoid => 1.0 / (1.0 + (-4.0 * x / w).exp()),
            Function::Lut => {
                let lut = lut.unwrap();
                let at = x.clamp(0.0, (lut.data.len() - 1) as f32);
                let low = f32::from(lut.data[at as usize]);
                let high = f32::from(lut.data[(at as usize + 1).min(lut.data.len() - 1)]);
                (low + (high - low) * at.fract()) / lut_full(lut)
            }
        };
        let y = if u.invert { 1.0 - y } else { y };
        (y * 255.0 + 0.5) as u8
    }

    fn agree(a: &ImageAttrs, voi: Voi, values: impl Iterator<Item = i32>) {
        let view = View { voi, invert: false };
        let u = uniforms(a, &view);
        let lut = match voi {
            Voi::Lut(n) => a.voi_luts.get(n),
            Voi::Window { .. } => None,
        };
        let grey = Grey { attrs: a, voi, invert: false };
        for stored in values {
            let (gpu, cpu) = (shader_level(&u, lut, stored), grey.level(i64::from(stored)));
            assert!(gpu.abs_diff(cpu) <= 1, "{stored}: shader {gpu}, reference {cpu}, {u:?}");
        }
    }

    #[test]
    fn single_precision_stays_within_one_level_for_every_16_bit_value() {
        for function in VoiFunction::ALL.iter().copied() {
            for (center, width) in [(40.0, 400.0), (-600.0, 1500.0), (0.0, 1.0), (30_000.25, 60_001.5), (7.3, 2.0)] {
                for (slope, intercept) in [(1.0, -1024.0), (0.000_31, 3.0), (-2.5, 70_000.0)] {
                    let mut a = attrs(1, 1, 16);
                    (a.rescale_slope, a.rescale_intercept, a.padding) = (slope, intercept, Some((100, 120)));
                    agree(&a, Voi::Window { center, width, function }, 0..=65_535);
                    (a.signed, a.photometric) = (true, Photometric::Monochrome1);
                    agree(&a, Voi::Window { center, width, function }, -32_768..=32_767);
                }
            }
        }
    }

    #[test]
    fn luts_agree_with_signed_firsts() {
        let mut a = attrs(1, 1, 16);
        a.rescale_intercept = -1000.0;
        let data = (0..4096u32).map(|i| (i * i / 4096) as u16).collect();
        a.voi_luts.push(Lut { first: -500, bits: 12, data, explanation: String::new() });
        agree(&a, Voi::Lut(0), 0..=6000);
    }

    #[test]
    fn a_lut_texture_is_padded_with_its_last_value() {
        let lut = Lut { first: 0, bits: 8, data: vec![1, 2, 3], explanation: String::new() };
        assert_eq!(lut_texture(&lut, 2), (vec![1, 2, 3, 3], 2));
    }
}
