//! Stored value to grey level for single-sample images: modality LUT, VOI, inversion (PS3.3 C.11.1, C.11.2, C.11.6).

use wire::{ImageAttrs, Lut, Photometric, VoiFunction};

use crate::window::Voi;

/// Brightest level of the 8-bit output; the darkest is 0.
pub const WHITE: f64 = 255.0;

/// PS3.3 C.11.2.1.2.1, LINEAR: `x` is what the modality transformation gave. Widths below 1 are not allowed and taken as 1.
pub fn linear(x: f64, center: f64, width: f64) -> f64 {
    let width = width.max(1.0);
    if x <= center - 0.5 - (width - 1.0) / 2.0 {
        0.0
    } else if x > center - 0.5 + (width - 1.0) / 2.0 {
        WHITE
    } else {
        ((x - (center - 0.5)) / (width - 1.0) + 0.5) * WHITE
    }
}

/// PS3.3 C.11.2.1.3.2, LINEAR_EXACT.
pub fn linear_exact(x: f64, center: f64, width: f64) -> f64 {
    if x <= center - width / 2.0 {
        0.0
    } else if x > center + width / 2.0 {
        WHITE
    } else {
        ((x - center) / width + 0.5) * WHITE
    }
}

/// PS3.3 C.11.2.1.3.1, SIGMOID.
pub fn sigmoid(x: f64, center: f64, width: f64) -> f64 {
    WHITE / (1.0 + (-4.0 * (x - center) / width).exp())
}

/// Value of a LUT at `x`: the first entry below its first value, the last above its end (PS3.3 C.11.2.1.1), and between
/// two entries the line from one to the other, which only interpolated or fractional input can reach.
pub fn look_up(lut: &Lut, x: f64) -> f64 {
    let Some(last) = lut.data.len().checked_sub(1) else { return x };
    let at = (x - f64::from(lut.first)).clamp(0.0, last as f64);
    let (below, part) = (at.floor(), at.fract());
    let low = f64::from(lut.data[below as usize]);
    let high = f64::from(lut.data[(below as usize + 1).min(last)]);
    low + (high - low) * part
}

/// Largest value a LUT of this many bits can hold.
pub fn lut_top(bits: u16) -> f64 {
    f64::from((1u32 << bits.clamp(1, 16)) - 1)
}

/// The grey transformation of one image under one view.
#[derive(Debug, Clone, Copy)]
pub struct Grey<'a> {
    pub attrs: &'a ImageAttrs,
    pub voi: Voi,
    /// Asked for by the reader, on top of what the image asks for.
    pub invert: bool,
}

impl Grey<'_> {
    /// Modality transformation: the Modality LUT where there is one, else slope and intercept (PS3.3 C.11.1).
    pub fn modality(&self, stored: i64) -> f64 {
        modality_value(self.attrs, stored)
    }

    /// Grey 0 to 255 of what the modality transformation gave, before rounding and inversion.
    pub fn shade(&self, x: f64) -> f64 {
        match self.voi {
            Voi::Window { center, width, function } => match function {
                VoiFunction::Linear => linear(x, center, width),
                VoiFunction::LinearExact => linear_exact(x, center, width),
                VoiFunction::Sigmoid => sigmoid(x, center, width),
            },
            Voi::Lut(n) => match self.attrs.voi_luts.get(n) {
                Some(lut) => look_up(lut, x) / lut_top(lut.bits) * WHITE,
                None => x.clamp(0.0, WHITE),
            },
        }
    }

    /// The level on the screen. Padding is background: black, whatever the image asks for.
    pub fn level(&self, stored: i64) -> u8 {
        if is_padding(self.attrs, stored) {
            return 0;
        }
        let grey = self.shade(self.modality(stored)).clamp(0.0, WHITE);
        let grey = if self.is_inverted() { WHITE - grey } else { grey };
        (grey + 0.5) as u8
    }

    /// MONOCHROME1 or Presentation LUT Shape INVERSE (the DX module demands both together, so they do not cancel), turned
    /// once more where the reader asked.
    pub fn is_inverted(&self) -> bool {
        wants_inversion(self.attrs) != self.invert
    }

    /// Levels of all stored values from `low` to `high`.
    pub fn table(&self, low: i64, high: i64) -> Vec<u8> {
        (low..=high).map(|stored| self.level(stored)).collect()
    }
}

/// Larger values are darker.
pub fn wants_inversion(attrs: &ImageAttrs) -> bool {
    attrs.photometric == Photometric::Monochrome1 || attrs.inverse
}

/// PS3.3 C.7.5.1.1.2: Pixel Padding Value, or the range up to its limit, in either order.
pub fn is_padding(attrs: &ImageAttrs, stored: i64) -> bool {
    attrs.padding.is_some_and(|(a, b)| (i64::from(a.min(b))..=i64::from(a.max(b))).contains(&stored))
}

/// Slope and intercept as they are to be used: a slope of nothing says nothing.
pub fn rescale(attrs: &ImageAttrs) -> (f64, f64) {
    let slope = attrs.rescale_slope;
    (if slope.is_finite() && slope != 0.0 { slope } else { 1.0 }, attrs.rescale_intercept)
}

/// The modality transformation of `attrs` alone.
pub fn modality_value(attrs: &ImageAttrs, stored: i64) -> f64 {
    match &attrs.modality_lut {
        Some(lut) if !lut.data.is_empty() => look_up(lut, stored as f64),
        _ => {
            let (slope, intercept) = rescale(attrs);
            stored as f64 * slope + intercept
        }
    }
}

/// Smallest and largest stored value the attributes allow.
pub fn stored_range(attrs: &ImageAttrs) -> (i64, i64) {
    let bits = u32::from(attrs.bits_stored.clamp(1, 32));
    if attrs.signed { (-(1i64 << (bits - 1)), (1i64 << (bits - 1)) - 1) } else { (0, (1i64 << bits) - 1) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests_support::attrs;

    fn window(center: f64, width: f64, function: VoiFunction) -> Voi {
        Voi::Window { center, width, function }
    }

    #[test]
    fn linear_gives_the_examples_of_the_standard() {
        // C.11.2.1.2.1: c=2048, w=4096 maps 0..4095 onto the whole output.
        assert_eq!(linear(0.0, 2048.0, 4096.0), 0.0);
        assert_eq!(linear(4095.0, 2048.0, 4096.0), 255.0);
        assert!((linear(2047.0, 2048.0, 4096.0) - 2047.0 / 4095.0 * 255.0).abs() < 1e-9);
        // c=0, w=100: -50 is black, 49 white.
        assert_eq!(linear(-50.0, 0.0, 100.0), 0.0);
        assert!((linear(49.0, 0.0, 100.0) - 255.0).abs() < 1e-9);
        assert_eq!(linear(50.0, 0.0, 100.0), 255.0);
        // c=0, w=1 is a threshold between -1 and 0.
        assert_eq!((linear(-1.0, 0.0, 1.0), linear(0.0, 0.0, 1.0)), (0.0, 255.0));
    }

    #[test]
    fn linear_exact_and_sigmoid_follow_their_formulas() {
        assert_eq!(linear_exact(-50.0, 0.0, 100.0), 0.0);
        assert_eq!(linear_exact(50.0, 0.0, 100.0), 255.0);
        assert_eq!(linear_exact(0.0, 0.0, 100.0), 127.5);
        assert_eq!(sigmoid(40.0, 40.0, 400.0), 127.5);
        let at = 255.0 / (1.0 + (-4.0f64 * 100.0 / 400.0).exp());
        assert!((sigmoid(140.0, 40.0, 400.0) - at).abs() < 1e-9);
    }

    #[test]
    fn ct_values_go_through_rescale_before_the_window() {
        let mut a = attrs(1, 1, 16);
        a.rescale_intercept = -1024.0;
        let grey = Grey { attrs: &a, voi: window(40.0, 400.0, VoiFunction::Linear), invert: false };
        // 1064 stored is 40 HU: ((40-39.5)/399 + 0.5) * 255 = 127.8.
        assert_eq!(grey.level(1064), 128);
        assert_eq!(grey.level(0), 0);
        assert_eq!(grey.level(3000), 255);
    }

    #[test]
    fn monochrome1_and_inverse_shape_together_invert_once() {
        let mut a = attrs(1, 1, 16);
        a.photometric = Photometric::Monochrome1;
        a.inverse = true;
        let grey = Grey { attrs: &a, voi: window(100.0, 200.0, VoiFunction::LinearExact), invert: false };
        assert_eq!((grey.level(0), grey.level(200)), (255, 0));
        let turned = Grey { invert: true, ..grey };
        assert_eq!((turned.level(0), turned.level(200)), (0, 255));
    }

    #[test]
    fn padding_is_black_even_where_the_image_is_inverted() {
        let mut a = attrs(1, 1, 16);
        a.photometric = Photometric::Monochrome1;
        a.padding = Some((10, 5));
        let grey = Grey { attrs: &a, voi: window(100.0, 200.0, VoiFunction::LinearExact), invert: false };
        assert_eq!((grey.level(5), grey.level(10), grey.level(4)), (0, 0, 250));
    }

    #[test]
    fn a_voi_lut_clamps_at_both_ends_and_scales_by_its_bits() {
        let mut a = attrs(1, 1, 16);
        a.voi_luts.push(Lut { first: -2, bits: 12, data: vec![0, 1000, 2000, 4095], explanation: String::new() });
        a.rescale_intercept = -2.0;
        let grey = Grey { attrs: &a, voi: Voi::Lut(0), invert: false };
        let levels: Vec<u8> = (0..6).map(|v| grey.level(v)).collect();
        assert_eq!(levels, [0, 62, 125, 255, 255, 255]);
    }

    #[test]
    fn a_modality_lut_replaces_slope_and_intercept() {
        let mut a = attrs(1, 1, 16);
        a.rescale_slope = 9.0;
        a.modality_lut = Some(Lut { first: 1, bits: 16, data: vec![7, 500], explanation: String::new() });
        assert_eq!(
            [modality_value(&a, 0), modality_value(&a, 1), modality_value(&a, 2), modality_value(&a, 3)],
            [7.0, 7.0, 500.0, 500.0]
        );
    }

    #[test]
    fn every_stored_value_of_a_table_agrees_with_the_formula_written_out() {
        let mut a = attrs(1, 1, 16);
        (a.bits_stored, a.high_bit, a.signed, a.rescale_slope, a.rescale_intercept) = (12, 11, true, 1.5, -10.25);
        let (low, high) = stored_range(&a);
        assert_eq!((low, high), (-2048, 2047));
        let table = Grey { attrs: &a, voi: window(35.5, 351.25, VoiFunction::Linear), invert: false }.table(low, high);
        for (stored, level) in (low..=high).zip(table) {
            let x = stored as f64 * 1.5 - 10.25;
            let y = (((x - 35.0) / 350.25 + 0.5) * 255.0).clamp(0.0, 255.0);
            assert!((y - f64::from(level)).abs() <= 0.5 + 1e-9, "{stored}: {y} against {level}");
        }
    }
}
