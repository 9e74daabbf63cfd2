//! The reference renderer: one frame at its own size, on the CPU.
//!
//! What the shader must agree with to one grey level; also draws thumbnails, and the image itself where a browser has no
//! WebGL2.

use wire::{ImageAttrs, VoiFunction};

use crate::colour::{Kind, kind, rgb8, through_palette};
use crate::grey::{Grey, WHITE, stored_range};
use crate::samples::{Data, Layout, Samples};
use crate::window::{IDENTITY_8, Voi, opening};

/// How the reader wants to see an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    pub voi: Voi,
    pub invert: bool,
}

impl View {
    /// As the image opens.
    pub fn opening(attrs: &ImageAttrs, modality: &str, samples: Option<&Samples>) -> Self {
        Self { voi: opening(attrs, modality, samples), invert: false }
    }
}

/// Red, green, blue, opaque, row by row: `columns * rows * 4` bytes.
pub fn render(samples: &Samples, attrs: &ImageAttrs, view: &View) -> Vec<u8> {
    let pixels = samples.columns as usize * samples.rows as usize;
    let mut out = Vec::with_capacity(pixels * 4);
    match kind(attrs) {
        Kind::Grey => {
            let grey = Grey { attrs, voi: view.voi, invert: view.invert };
            grey_levels(samples, &grey, |level| out.extend([level, level, level, 255]));
        }
        Kind::Palette => {
            let Some(palette) = &attrs.palette else { return out };
            let shade = shades(view);
            for i in 0..pixels {
                let rgb = through_palette(palette, samples.get(i).unwrap_or(0));
                out.extend(opaque(rgb, &shade));
            }
        }
        Kind::Colour => {
            let shade = shades(view);
            for px in rgb8(samples, &Layout::of(attrs)).chunks_exact(3) {
                out.extend(opaque([px[0], px[1], px[2]], &shade));
            }
        }
    }
    out
}

/// Levels of 8-bit colour under the reader's brightness and contrast, which act on each channel alike.
pub fn shades(view: &View) -> [u8; 256] {
    let Voi::Window { center, width, .. } = view.voi else { return shades(&View { voi: IDENTITY_8, ..*view }) };
    std::array::from_fn(|v| {
        let y = crate::grey::linear_exact(v as f64, center, width.max(1.0)).clamp(0.0, WHITE);
        let y = if view.invert { WHITE - y } else { y };
        (y + 0.5) as u8
    })
}

fn opaque([r, g, b]: [u8; 3], shade: &[u8; 256]) -> [u8; 4] {
    [shade[usize::from(r)], shade[usize::from(g)], shade[usize::from(b)], 255]
}

/// Every sample's level in order: through a table where there are at most 16 bits, one by one otherwise.
fn grey_levels(samples: &Samples, grey: &Grey<'_>, mut put: impl FnMut(u8)) {
    let (low, high) = match &samples.data {
        Data::U8(_) => (0, 255),
        Data::U16(_) => (0, stored_range(grey.attrs).1.min(65_535)),
        Data::I16(_) => (i64::from(i16::MIN), i64::from(i16::MAX)),
        Data::U32(_) | Data::I32(_) => {
            return (0..samples.len()).filter_map(|i| samples.get(i)).for_each(|v| put(grey.level(v)));
        }
    };
    let table = grey.table(low, high);
    let last = table.len() - 1;
    let level = |v: i64| table[((v - low) as usize).min(last)];
    match &samples.data {
        Data::U8(v) => v.iter().for_each(|&x| put(level(i64::from(x)))),
        Data::U16(v) => v.iter().for_each(|&x| put(level(i64::from(x)))),
        Data::I16(v) => v.iter().for_each(|&x| put(level(i64::from(x)))),
        Data::U32(_) | Data::I32(_) => {}
    }
}

/// Words for the corner: `W 1500  L −600`, or the LUT's own.
pub fn voi_words(voi: Voi, attrs: &ImageAttrs) -> String {
    match voi {
        Voi::Window { center, width, function } => {
            let suffix = if function == VoiFunction::Sigmoid { " S" } else { "" };
            format!("W {}   L {}{suffix}", figure(width), figure(center))
        }
        Voi::Lut(n) => match attrs.voi_luts.get(n).map(|l| l.explanation.trim()) {
            Some(words) if !words.is_empty() => format!("LUT {words}"),
            _ => format!("LUT {}", n + 1),
        },
    }
}

/// A number as short as it can be said truly here, with a real minus sign.
fn figure(v: f64) -> String {
    let text = if v.abs() >= 100.0 || v.fract() == 0.0 { format!("{v:.0}") } else { format!("{v:.1}") };
    if text == "-0" { "0".into() } else { text.replace('-', "−") }
}

#[cfg(test)]
mod tests {
    use wire::{Palette, Photometric};

    use super::*;
    use crate::tests_support::attrs;

    fn grey_of(rgba: &[u8]) -> Vec<u8> {
        assert!(rgba.chunks_exact(4).all(|p| p[0] == p[1] && p[1] == p[2] && p[3] == 255));
        rgba.chunks_exact(4).map(|p| p[0]).collect()
    }

    #[test]
    fn an_eight_bit_ultrasound_still_comes_out_unchanged() {
        let a = attrs(256, 1, 8);
        let s = Samples { columns: 256, rows: 1, per_pixel: 1, data: Data::U8((0..=255).collect()) };
        let out = render(&s, &a, &View::opening(&a, "US", Some(&s)));
        assert_eq!(grey_of(&out), (0..=255).collect::<Vec<u8>>());
    }

    #[test]
    fn thirty_two_bit_values_are_windowed_exactly() {
        let mut a = attrs(3, 1, 32);
        a.signed = true;
        let s = Samples {
            columns: 3,
            rows: 1,
            per_pixel: 1,
            data: Data::I32(vec![1_000_000_000, 1_000_000_050, 1_000_000_100]),
        };
        let voi = Voi::Window { center: 1_000_000_050.0, width: 100.0, function: VoiFunction::LinearExact };
        assert_eq!(grey_of(&render(&s, &a, &View { voi, invert: false })), [0, 128, 255]);
    }

    #[test]
    fn a_palette_image_shows_its_colours_and_inverts_as_colour() {
        let mut a = attrs(2, 1, 8);
        a.photometric = Photometric::Palette;
        a.palette = Some(Palette { first: 0, red: vec![0, 0xFFFF], green: vec![0x8080, 0], blue: vec![0, 0] });
        let s = Samples { columns: 2, rows: 1, per_pixel: 1, data: Data::U8(vec![0, 1]) };
        let view = View::opening(&a, "US", None);
        assert_eq!(render(&s, &a, &view), [0, 128, 0, 255, 255, 0, 0, 255]);
        assert_eq!(render(&s, &a, &View { invert: true, ..view }), [255, 127, 255, 255, 0, 255, 255, 255]);
    }

    #[test]
    fn the_corner_says_window_in_whole_figures_with_a_minus_sign() {
        let a = attrs(1, 1, 16);
        let voi = Voi::Window { center: -600.0, width: 1500.0, function: VoiFunction::Linear };
        assert_eq!(voi_words(voi, &a), "W 1500   L −600");
    }
}
