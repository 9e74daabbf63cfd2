//! How long a line is, and who says so.
//!
//! Sources, in the order they are believed: the ultrasound region around both ends (PS3.3 C.8.5.5), the spacing in the
//! patient, the spacing at the detector (not corrected for magnification). Where there is none, or where two regions
//! disagree, the answer is in pixels and says that: never a silent millimetre.

use wire::{ImageAttrs, UltrasoundRegion};

/// Who vouches for the scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// 设备标定: the region calibration of an ultrasound frame.
    Region,
    /// 像素间距: Pixel Spacing (0028,0030).
    PixelSpacing,
    /// 探测器平面: Imager Pixel Spacing (0018,1164), not corrected for magnification.
    Detector,
    /// 未标定: pixels only.
    None,
}

/// Millimetres from one pixel to the next, across and down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    pub across: f64,
    pub down: f64,
    pub source: Source,
}

impl Scale {
    /// Pixels stay pixels.
    pub const PIXELS: Scale = Scale { across: 1.0, down: 1.0, source: Source::None };
}

/// A point in image coordinates: (0, 0) is the outer corner of the first pixel, (0.5, 0.5) its middle.
pub type Point = (f64, f64);

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Length {
    Millimetres(f64, Source),
    Pixels(f64),
}

/// Scale of the image at large: the one that holds at `at`.
pub fn scale_at(attrs: &ImageAttrs, at: Point) -> Scale {
    if !attrs.regions.is_empty() {
        return region_around(attrs, at, at).and_then(region_scale).unwrap_or(Scale::PIXELS);
    }
    spacing(attrs)
}

/// Length of a straight line; in pixels unless one scale holds for both ends.
pub fn length(attrs: &ImageAttrs, from: Point, to: Point) -> Length {
    let scale = if attrs.regions.is_empty() {
        spacing(attrs)
    } else {
        region_around(attrs, from, to).and_then(region_scale).unwrap_or(Scale::PIXELS)
    };
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    match scale.source {
        Source::None => Length::Pixels(dx.hypot(dy)),
        source => Length::Millimetres((dx * scale.across).hypot(dy * scale.down), source),
    }
}

/// Height over width of one pixel as it is to be drawn.
pub fn pixel_aspect(attrs: &ImageAttrs) -> f64 {
    let spacing = spacing(attrs);
    let ratio = match attrs.aspect {
        _ if spacing.source != Source::None => spacing.down / spacing.across,
        Some((vertical, horizontal)) => f64::from(vertical) / f64::from(horizontal),
        None => 1.0,
    };
    if ratio.is_finite() && (0.05..=20.0).contains(&ratio) { ratio } else { 1.0 }
}

fn spacing(attrs: &ImageAttrs) -> Scale {
    let usable = |s: Option<(f64, f64)>| s.filter(|&(down, across)| good(down) && good(across));
    let detector = usable(attrs.imager_spacing);
    let patient = usable(attrs.pixel_spacing);
    match (patient, detector) {
        // The same figures in both: the device copied the detector's (CP-586), nothing was corrected.
        (Some(p), Some(d)) if p == d => of(d, Source::Detector),
        (Some(p), _) => of(p, Source::PixelSpacing),
        (None, Some(d)) => of(d, Source::Detector),
        (None, None) => Scale::PIXELS,
    }
}

fn of((down, across): (f64, f64), source: Source) -> Scale {
    Scale { across, down, source }
}

fn good(mm: f64) -> bool {
    mm.is_finite() && mm > 0.0
}

/// The one region that holds both points. Where regions that hold them differ in scale, none does.
fn region_around(attrs: &ImageAttrs, a: Point, b: Point) -> Option<&UltrasoundRegion> {
    let holds = |r: &&UltrasoundRegion| [a, b].iter().all(|&p| inside(r, p));
    let mut around = attrs.regions.iter().filter(holds);
    let first = around.next()?;
    around.all(|r| region_scale(r) == region_scale(first)).then_some(first)
}

/// Bounds are inclusive pixels; a point on the outer edge of the last one is still in.
fn inside(r: &UltrasoundRegion, (x, y): Point) -> bool {
    (f64::from(r.x0)..=f64::from(r.x1) + 1.0).contains(&x) && (f64::from(r.y0)..=f64::from(r.y1) + 1.0).contains(&y)
}

/// Only two-dimensional tissue or flow regions (Region Spatial Format 1) measured in centimetres (unit 3) carry a length.
fn region_scale(r: &UltrasoundRegion) -> Option<Scale> {
    let (across, down) = (r.delta_x.abs() * 10.0, r.delta_y.abs() * 10.0);
    let lengths = r.spatial_format == 1 && r.unit_x == 3 && r.unit_y == 3 && good(across) && good(down);
    lengths.then_some(Scale { across, down, source: Source::Region })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests_support::attrs;

    fn region(x0: u32, x1: u32, cm: f64) -> UltrasoundRegion {
        UltrasoundRegion {
            x0,
            y0: 0,
            x1,
            y1: 99,
            unit_x: 3,
            unit_y: 3,
            delta_x: cm,
            delta_y: cm,
            spatial_format: 1,
            data_type: 1,
        }
    }

    #[test]
    fn pixel_spacing_is_row_then_column() {
        let mut a = attrs(100, 100, 16);
        a.pixel_spacing = Some((2.0, 0.5));
        assert_eq!(length(&a, (0.0, 0.0), (0.0, 10.0)), Length::Millimetres(20.0, Source::PixelSpacing));
        assert_eq!(length(&a, (0.0, 0.0), (10.0, 0.0)), Length::Millimetres(5.0, Source::PixelSpacing));
        assert_eq!(pixel_aspect(&a), 4.0);
    }

    #[test]
    fn detector_spacing_is_said_to_be_uncorrected_even_when_copied() {
        let mut a = attrs(100, 100, 16);
        a.imager_spacing = Some((0.1, 0.1));
        assert_eq!(scale_at(&a, (5.0, 5.0)).source, Source::Detector);
        a.pixel_spacing = Some((0.1, 0.1));
        assert_eq!(scale_at(&a, (5.0, 5.0)).source, Source::Detector);
        a.pixel_spacing = Some((0.08, 0.08));
        assert_eq!(scale_at(&a, (5.0, 5.0)).source, Source::PixelSpacing);
    }

    #[test]
    fn ultrasound_measures_inside_one_region_and_refuses_across_two() {
        let mut a = attrs(200, 100, 8);
        a.pixel_spacing = Some((1.0, 1.0));
        a.regions = vec![region(0, 99, 0.01), region(100, 199, 0.02)];
        assert_eq!(length(&a, (10.0, 10.0), (60.0, 10.0)), Length::Millimetres(5.0, Source::Region));
        assert_eq!(length(&a, (110.0, 10.0), (160.0, 10.0)), Length::Millimetres(10.0, Source::Region));
        assert_eq!(length(&a, (90.0, 10.0), (130.0, 10.0)), Length::Pixels(40.0));
    }

    #[test]
    fn overlapping_regions_that_disagree_and_doppler_strips_stay_in_pixels() {
        let mut a = attrs(200, 100, 8);
        a.regions = vec![region(0, 199, 0.01), region(50, 150, 0.02)];
        assert_eq!(length(&a, (60.0, 1.0), (70.0, 1.0)), Length::Pixels(10.0));
        assert_eq!(length(&a, (0.0, 1.0), (10.0, 1.0)), Length::Millimetres(1.0, Source::Region));
        a.regions = vec![UltrasoundRegion { spatial_format: 3, unit_x: 4, ..region(0, 199, 0.01) }];
        assert_eq!(length(&a, (0.0, 1.0), (10.0, 1.0)), Length::Pixels(10.0));
    }

    #[test]
    fn nonsense_spacing_is_no_spacing() {
        let mut a = attrs(10, 10, 8);
        a.pixel_spacing = Some((0.0, f64::NAN));
        assert_eq!(scale_at(&a, (1.0, 1.0)), Scale::PIXELS);
        a.aspect = Some((2, 1));
        assert_eq!(pixel_aspect(&a), 2.0);
        a.aspect = Some((0, 0));
        assert_eq!(pixel_aspect(&a), 1.0);
    }
}
