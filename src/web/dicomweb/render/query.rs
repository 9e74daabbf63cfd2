//! How a rendering is wanted (PS3.18 8.3.5).

use wire::VoiFunction;

use super::super::super::{Answer, Problem};
use super::super::qido;

/// Longest side of what is rendered.
const MAX_SIDE: u32 = 10_000;
/// Of JPEGs whose quality nobody asked for.
const QUALITY: u8 = 90;

#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// Center, width and function, in the values that the modality transformation gives.
    pub window: Option<(f64, f64, VoiFunction)>,
    pub viewport: Option<Viewport>,
    /// 1 to 100.
    pub quality: u8,
    /// Asked for and not done.
    pub ignored: Vec<&'static str>,
}

/// The size of what is shown, and the part of the image that is; a negative extent turns it round.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Viewport {
    pub columns: u32,
    pub rows: u32,
    pub x: f64,
    pub y: f64,
    pub width: Option<f64>,
    pub height: Option<f64>,
}

impl Wanted {
    pub fn parse(query: Option<&str>) -> Answer<Self> {
        let mut wanted = Self { window: None, viewport: None, quality: QUALITY, ignored: Vec::new() };
        for (key, value) in qido::pairs(query.unwrap_or_default()) {
            let bad = || Problem::bad_request("bad_query").detail(format!("{key}={value}"));
            match key.as_str() {
                "window" => wanted.window = Some(window(&value).ok_or_else(bad)?),
                "viewport" => wanted.viewport = Some(viewport(&value).ok_or_else(bad)?),
                "quality" => wanted.quality = value.parse().ok().filter(|q| (1..=100).contains(q)).ok_or_else(bad)?,
                "annotation" => wanted.ignored.push("annotations are not drawn"),
                "iccprofile" if value != "no" => wanted.ignored.push("no ICC profile is embedded"),
                _ => {}
            }
        }
        Ok(wanted)
    }
}

fn window(value: &str) -> Option<(f64, f64, VoiFunction)> {
    let parts: Vec<&str> = value.split(',').map(str::trim).collect();
    let (center, width, function) = match parts[..] {
        [center, width] => (center, width, "linear"),
        [center, width, function] => (center, width, function),
        _ => return None,
    };
    let function = match function.to_ascii_lowercase().as_str() {
        "linear" => VoiFunction::Linear,
        "linear-exact" => VoiFunction::LinearExact,
        "sigmoid" => VoiFunction::Sigmoid,
        _ => return None,
    };
    let number = |text: &str| text.parse::<f64>().ok().filter(|n| n.is_finite());
    let width = number(width).filter(|&width| width > 0.0)?;
    Some((number(center)?, width, function))
}

fn viewport(value: &str) -> Option<Viewport> {
    let parts: Vec<&str> = value.split(',').map(str::trim).collect();
    if !(2..=6).contains(&parts.len()) {
        return None;
    }
    let side = |text: &str| text.parse().ok().filter(|n| (1..=MAX_SIDE).contains(n));
    let number = |at: usize| match parts.get(at) {
        None | Some(&"") => Some(None),
        Some(text) => text.parse::<f64>().ok().filter(|n| n.is_finite()).map(Some),
    };
    let extent = |at: usize| number(at).filter(|n| *n != Some(0.0));
    let from = |at: usize| number(at).map(|n| n.unwrap_or(0.0)).filter(|&n| n >= 0.0);
    Some(Viewport {
        columns: side(parts[0])?,
        rows: side(parts[1])?,
        x: from(2)?,
        y: from(3)?,
        width: extent(4)?,
        height: extent(5)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Option<Wanted> {
        Wanted::parse(Some(query)).ok()
    }

    #[test]
    fn window_viewport_and_quality_are_read() {
        let wanted =
            parse("window=-600,1500,linear-exact&quality=70&viewport=100,50,,,-20,30&annotation=patient").unwrap();
        assert_eq!(wanted.window, Some((-600.0, 1500.0, VoiFunction::LinearExact)));
        assert_eq!((wanted.quality, wanted.ignored.len()), (70, 1));
        let viewport = Viewport { columns: 100, rows: 50, x: 0.0, y: 0.0, width: Some(-20.0), height: Some(30.0) };
        assert_eq!(wanted.viewport, Some(viewport));
        assert_eq!(parse("").unwrap().quality, QUALITY);
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in [
            "window=1",
            "window=1,0,linear",
            "window=1,NaN,linear",
            "window=1,2,cubic",
            "viewport=0,5",
            "viewport=5",
            "viewport=5,20000",
            "viewport=5,5,0,0,0,1",
            "viewport=5,5,-1",
            "quality=0",
            "quality=101",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
