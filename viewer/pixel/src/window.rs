//! Which VOI transformation an image opens with, which others a key away, and one from the pixels where it names none.

use wire::{ImageAttrs, VoiFunction};

use crate::colour::{Kind, kind};
use crate::grey::{is_padding, modality_value, stored_range};
use crate::samples::Samples;

/// A VOI transformation of PS3.3 C.11.2: a window, or one of the image's VOI LUTs by its place in the sequence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Voi {
    Window { center: f64, width: f64, function: VoiFunction },
    Lut(usize),
}

/// A window under a key of the keyboard.
#[derive(Debug, Clone, PartialEq)]
pub struct Preset {
    pub key: char,
    pub name_zh: String,
    pub name_en: String,
    pub voi: Voi,
}

/// What the image opens with: its own VOI LUT, else its first usable window, else by modality, else from its pixels.
///
/// Colour opens unchanged: its window is over the 8-bit output.
pub fn opening(attrs: &ImageAttrs, modality: &str, samples: Option<&Samples>) -> Voi {
    if kind(attrs) != Kind::Grey {
        return IDENTITY_8;
    }
    if attrs.voi_luts.first().is_some_and(|lut| !lut.data.is_empty()) {
        return Voi::Lut(0);
    }
    if let Some(own) = own_window(attrs, 0) {
        return own;
    }
    match (modality, attrs.bits_stored) {
        // A screenshot under the CT's modality holds greys, not Hounsfield units.
        (_, 1..=8) => whole_range(attrs),
        ("CT", _) => linear(400.0, 40.0),
        _ => samples.and_then(|s| from_pixels(s, attrs)).unwrap_or_else(|| whole_range(attrs)),
    }
}

/// Windows under the keys 1, 2, 3: by modality for CT, the image's own alternatives elsewhere. `0` is [`opening`].
pub fn presets(attrs: &ImageAttrs, modality: &str) -> Vec<Preset> {
    if kind(attrs) != Kind::Grey {
        return Vec::new();
    }
    if modality == "CT" {
        return [
            ('1', "肺窗", "Lung", 1500.0, -600.0),
            ('2', "纵隔", "Mediastinum", 400.0, 40.0),
            ('3', "骨", "Bone", 2000.0, 500.0),
        ]
        .map(|(key, zh, en, width, center)| Preset {
            key,
            name_zh: zh.into(),
            name_en: en.into(),
            voi: linear(width, center),
        })
        .into();
    }
    let luts = (0..attrs.voi_luts.len()).map(|n| (attrs.voi_luts[n].explanation.clone(), Voi::Lut(n)));
    let windows = (0..attrs.windows.len())
        .filter_map(|n| own_window(attrs, n).map(|voi| (attrs.windows[n].explanation.clone(), voi)));
    luts.chain(windows)
        .zip('1'..='3')
        .map(|((words, voi), key)| {
            let (zh, en) = named(&words, key);
            Preset { key, name_zh: zh, name_en: en, voi }
        })
        .collect()
}

/// A window from the pixels: what lies between the first and the last half percent of the values that are not padding.
pub fn from_pixels(samples: &Samples, attrs: &ImageAttrs) -> Option<Voi> {
    const LOOKED_AT: usize = 65_536;
    let step = (samples.len() / LOOKED_AT).max(1);
    let mut values: Vec<i64> =
        (0..samples.len()).step_by(step).filter_map(|i| samples.get(i)).filter(|&v| !is_padding(attrs, v)).collect();
    if values.is_empty() {
        return None;
    }
    values.sort_unstable();
    let last = values.len() - 1;
    let (a, b) = (modality_value(attrs, values[last / 200]), modality_value(attrs, values[last - last / 200]));
    let (low, high) = (a.min(b), a.max(b));
    Some(Voi::Window { center: (low + high) / 2.0, width: (high - low).max(1.0), function: VoiFunction::LinearExact })
}

/// Center and width to start from when the reader drags away from `voi`: those of a LUT are the span it distinguishes.
pub fn as_window(voi: Voi, attrs: &ImageAttrs) -> (f64, f64, VoiFunction) {
    match voi {
        Voi::Window { center, width, function } => (center, width, function),
        Voi::Lut(n) => {
            let Some(lut) = attrs.voi_luts.get(n).filter(|l| l.data.len() > 1) else {
                return as_window(whole_range(attrs), attrs);
            };
            let (bottom, top) = (lut.data[0], lut.data[lut.data.len() - 1]);
            let from = lut.data.iter().position(|&v| v != bottom).unwrap_or(0);
            let to = lut.data.iter().rposition(|&v| v != top).unwrap_or(lut.data.len() - 1).max(from + 1);
            let width = (to - from) as f64;
            (f64::from(lut.first) + from as f64 + width / 2.0, width.max(1.0), VoiFunction::Linear)
        }
    }
}

/// Leaves 8-bit colour as it is.
pub const IDENTITY_8: Voi = Voi::Window { center: 127.5, width: 255.0, function: VoiFunction::LinearExact };

fn linear(width: f64, center: f64) -> Voi {
    Voi::Window { center, width, function: VoiFunction::Linear }
}

/// The image's own n-th window, unless its figures mean nothing.
fn own_window(attrs: &ImageAttrs, n: usize) -> Option<Voi> {
    let w = attrs.windows.get(n)?;
    let usable = w.center.is_finite() && w.width.is_finite() && w.width > 0.0;
    usable.then_some(Voi::Window { center: w.center, width: w.width, function: attrs.voi_function })
}

/// All values the attributes allow, each its own grey.
fn whole_range(attrs: &ImageAttrs) -> Voi {
    let (low, high) = stored_range(attrs);
    let (a, b) = match attrs.modality_lut.as_ref().filter(|l| !l.data.is_empty()) {
        Some(lut) => {
            let span = lut.data.iter().fold((u16::MAX, 0), |(low, high), &v| (v.min(low), v.max(high)));
            (f64::from(span.0), f64::from(span.1))
        }
        None => (modality_value(attrs, low), modality_value(attrs, high)),
    };
    let (low, high) = (a.min(b), a.max(b));
    Voi::Window { center: (low + high) / 2.0, width: (high - low).max(1.0), function: VoiFunction::LinearExact }
}

/// What devices call their alternatives, in the reader's words; others as they are.
fn named(words: &str, key: char) -> (String, String) {
    match words.trim().to_ascii_uppercase().as_str() {
        "" => (format!("窗 {key}"), format!("Window {key}")),
        "NORMAL" | "STANDARD" => ("标准".into(), "Normal".into()),
        "HARDER" => ("较硬".into(), "Harder".into()),
        "SOFTER" => ("较软".into(), "Softer".into()),
        _ => (words.trim().to_owned(), words.trim().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use wire::{Lut, Photometric, VoiWindow};

    use super::*;
    use crate::samples::Data;
    use crate::tests_support::attrs;

    fn own(center: f64, width: f64, words: &str) -> VoiWindow {
        VoiWindow { center, width, explanation: words.into() }
    }

    #[test]
    fn an_image_opens_with_its_lut_then_its_window_then_its_modality() {
        let mut a = attrs(2, 2, 16);
        assert_eq!(opening(&a, "CT", None), linear(400.0, 40.0));
        a.windows = vec![own(50.0, 0.0, "")];
        assert_eq!(opening(&a, "CT", None), linear(400.0, 40.0), "a width of nothing is no window");
        a.windows = vec![own(50.0, 350.0, "")];
        assert_eq!(opening(&a, "CT", None), linear(350.0, 50.0));
        a.voi_luts.push(Lut { first: 0, bits: 16, data: vec![0, 1], explanation: String::new() });
        assert_eq!(opening(&a, "DX", None), Voi::Lut(0));
        let screenshot = attrs(2, 2, 8);
        assert_eq!(opening(&screenshot, "CT", None), whole_range(&screenshot));
    }

    #[test]
    fn ct_keys_are_lung_mediastinum_bone_and_dr_keys_the_devices_own() {
        let mut a = attrs(2, 2, 16);
        let keys: Vec<_> = presets(&a, "CT").into_iter().map(|p| (p.key, p.voi)).collect();
        assert_eq!(keys, [('1', linear(1500.0, -600.0)), ('2', linear(400.0, 40.0)), ('3', linear(2000.0, 500.0))]);
        a.windows = vec![own(8000.0, 9000.0, "NORMAL"), own(8000.0, 5000.0, "HARDER")];
        let names: Vec<_> = presets(&a, "DX").into_iter().map(|p| p.name_zh).collect();
        assert_eq!(names, ["标准", "较硬"]);
    }

    #[test]
    fn a_window_from_pixels_leaves_out_padding_and_outliers() {
        let mut a = attrs(1000, 1, 16);
        a.padding = Some((0, 0));
        let mut values: Vec<u16> = (0..1000).map(|i| 100 + (i % 101) as u16).collect();
        values[7] = 65535;
        values[8] = 0;
        let s = Samples { columns: 1000, rows: 1, per_pixel: 1, data: Data::U16(values) };
        assert_eq!(
            from_pixels(&s, &a),
            Some(Voi::Window { center: 150.0, width: 100.0, function: VoiFunction::LinearExact })
        );
    }

    #[test]
    fn colour_opens_unchanged_and_has_no_presets() {
        let mut a = attrs(1, 1, 8);
        (a.samples_per_pixel, a.photometric) = (3, Photometric::Rgb);
        assert_eq!(opening(&a, "US", None), IDENTITY_8);
        assert!(presets(&a, "US").is_empty());
    }

    #[test]
    fn dragging_away_from_a_lut_starts_at_the_span_it_distinguishes() {
        let mut a = attrs(1, 1, 16);
        let data = (0..1000u16).map(|i| i.clamp(200, 600)).collect();
        a.voi_luts.push(Lut { first: 50, bits: 16, data, explanation: String::new() });
        let (center, width, _) = as_window(Voi::Lut(0), &a);
        assert!((center - 450.0).abs() <= 2.0 && (width - 400.0).abs() <= 3.0, "{center} {width}");
    }
}
