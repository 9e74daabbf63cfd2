//! Distances drawn on an image, in image coordinates, so that they stay where they are when it moves.

use pixel::scale::{Length, Point, Source, length};
use wire::ImageAttrs;

use super::api::Measured;
use super::stacks::FrameKey;
use super::words::say;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measure {
    pub key: FrameKey,
    pub from: Point,
    pub to: Point,
}

/// `9.2 mm`, `1.24 cm` for ultrasound, `143 px` where nobody vouches for a scale.
pub fn length_words(attrs: &ImageAttrs, measure: &Measure) -> String {
    match length(attrs, measure.from, measure.to) {
        Length::Millimetres(mm, Source::Region) => format!("{:.2} cm", mm / 10.0),
        Length::Millimetres(mm, _) => format!("{mm:.1} mm"),
        Length::Pixels(px) => format!("{px:.0} px"),
    }
}

/// Where a scale comes from, as the reader is told.
pub fn source_words(source: Source) -> &'static str {
    match source {
        Source::Region => say("设备标定", "Device calibration"),
        Source::PixelSpacing => say("像素间距", "Pixel spacing"),
        Source::Detector => say("探测器平面（未校正放大）", "Detector plane (not corrected)"),
        Source::None => say("未标定", "Not calibrated"),
    }
}

/// What the report is told of a measurement: a length whose scale nobody vouches for in the patient says so in the text.
pub fn reported(attrs: &ImageAttrs, measure: &Measure) -> Measured {
    let source = match length(attrs, measure.from, measure.to) {
        Length::Millimetres(_, source) => source,
        Length::Pixels(_) => Source::None,
    };
    let words = length_words(attrs, measure);
    Measured {
        instance: measure.key.instance,
        frame: measure.key.frame,
        text: match source {
            Source::Region | Source::PixelSpacing => words,
            Source::Detector | Source::None => format!("{words}（{}）", plain_source(source)),
        },
        source: source_words(source).to_owned(),
    }
}

/// The same inside brackets of a Chinese report, whatever the page's language.
fn plain_source(source: Source) -> &'static str {
    match source {
        Source::Detector => "探测器平面测值，未校正放大",
        _ => "未标定",
    }
}

/// A ruler of a round length between a tenth and a quarter of `room` canvas pixels: its length on the canvas, its words.
pub fn ruler(mm_a_pixel: f64, calibrated: bool, room: f64) -> Option<(f64, String)> {
    let most = room * 0.25 * mm_a_pixel;
    if !most.is_finite() || most <= 0.0 {
        return None;
    }
    let decade = 10f64.powf(most.log10().floor());
    let round = [5.0, 2.0, 1.0].into_iter().map(|step| step * decade).find(|&v| v <= most)?;
    let words = match (calibrated, round) {
        (false, px) => format!("{px} px"),
        (true, mm) if mm >= 10.0 => format!("{} cm", mm / 10.0),
        (true, mm) => format!("{mm} mm"),
    };
    Some((round / mm_a_pixel, words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ruler_is_round_and_between_a_tenth_and_a_quarter_of_the_room() {
        for (mm, room, want) in
            [(0.5, 1000.0, "10 cm"), (0.7, 800.0, "10 cm"), (0.05, 900.0, "1 cm"), (0.01, 600.0, "1 mm")]
        {
            let (px, words) = ruler(mm, true, room).unwrap();
            assert_eq!(words, want);
            assert!((room * 0.099..=room * 0.2501).contains(&px), "{px} of {room}");
        }
        assert_eq!(ruler(1.0, false, 1000.0).unwrap().1, "200 px");
        assert_eq!(ruler(f64::NAN, true, 100.0), None);
    }
}
