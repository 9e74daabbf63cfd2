//! The device's screen: scan conversion from beams to pixels, grey and colour maps, depth ruler and lettering.
//!
//! [`MILLIMETRES`] is the one calibration: scan conversion, ruler, calipers and the DICOM region all follow from it.

use super::super::font;
use super::beam::{BEAMS, ColourBox, DEPTH, Echoes, FACE, HALF_ANGLE, SAMPLES, angle};
use super::scene::Spot;

pub const WIDTH: usize = 800;
pub const HEIGHT: usize = 600;
/// Millimetres of a pixel, both ways.
pub const MILLIMETRES: f32 = 0.3125;
/// Where the middle of the probe's face is shown.
pub const ORIGIN: (usize, usize) = (400, 64);
/// Column of the depth ruler's ticks.
pub const RULER: usize = 776;
/// Velocity at the ends of the colour bar, centimetres a second.
pub const SCALE: f32 = 24.0;

/// First and last column and row of the picture proper, within which the calibration holds.
pub const REGION: [usize; 4] = [18, 34, 782, 578];

#[derive(Clone)]
pub struct Picture {
    /// Red, green, blue by pixel.
    pub rgb: Vec<u8>,
}

type Colour = [u8; 3];
const TEXT: Colour = [200, 206, 210];
const MARK: Colour = [240, 220, 90];

/// For each pixel of the sector the four echoes around it and their weights, worked out once.
pub struct Converter {
    cells: Vec<Cell>,
}

struct Cell {
    pixel: u32,
    echo: u32,
    beam: f32,
    sample: f32,
}

impl Default for Converter {
    fn default() -> Self {
        let mut cells = Vec::new();
        for y in 0..HEIGHT {
            for x in 0..WIDTH {
                let u = (x as f32 - ORIGIN.0 as f32) * MILLIMETRES;
                let w = (y as f32 - ORIGIN.1 as f32) * MILLIMETRES + FACE;
                let (r, turn) = ((u * u + w * w).sqrt(), u.atan2(w));
                let beam = (turn / HALF_ANGLE + 1.0) / 2.0 * (BEAMS as f32 - 1.0);
                let sample = (r - FACE) / DEPTH * SAMPLES as f32;
                let inside = beam >= 0.0 && sample >= 0.0;
                if inside && beam < BEAMS as f32 - 1.001 && sample < SAMPLES as f32 - 1.001 {
                    let (b, s) = (beam as usize, sample as usize);
                    cells.push(Cell {
                        pixel: (y * WIDTH + x) as u32,
                        echo: (b * SAMPLES + s) as u32,
                        beam: beam - b as f32,
                        sample: sample - s as f32,
                    });
                }
            }
        }
        Self { cells }
    }
}

impl Converter {
    /// Draws the echoes in grey, and flow over them in colour.
    pub fn draw(&self, echoes: &Echoes, picture: &mut Picture) {
        let grey: Vec<f32> = echoes.magnitude.iter().map(|&m| compressed(m)).collect();
        for cell in &self.cells {
            let at = cell.echo as usize;
            let between = |values: &[f32]| {
                let first = values[at] + (values[at + 1] - values[at]) * cell.sample;
                let second = values[at + SAMPLES] + (values[at + SAMPLES + 1] - values[at + SAMPLES]) * cell.sample;
                first + (second - first) * cell.beam
            };
            let value = between(&grey).clamp(0.0, 255.0) as u8;
            let speed = between(&echoes.velocity);
            let colour = if speed.abs() > 2.2 { flow_colour(speed / SCALE) } else { [value; 3] };
            picture.rgb[cell.pixel as usize * 3..][..3].copy_from_slice(&colour);
        }
    }
}

/// Logarithmic compression of 62 decibels, liver in the lower middle.
fn compressed(magnitude: f32) -> f32 {
    let level = (20.0 * magnitude.max(1e-5).log10() + 40.0) / 62.0;
    let t = level.clamp(0.0, 1.0);
    255.0 * (0.25 * t + 0.75 * t * t)
}

/// Red towards the probe, blue away from it, brighter when faster.
fn flow_colour(share: f32) -> Colour {
    let s = share.abs().clamp(0.0, 1.0);
    let channel = |x: f32| (255.0 * x.clamp(0.0, 1.0)) as u8;
    if share > 0.0 {
        [channel(0.42 + 0.9 * s), channel(1.35 * s * s + 0.05), channel(0.04)]
    } else {
        [channel(0.04), channel(1.2 * s * s + 0.14), channel(0.48 + 0.9 * s)]
    }
}

/// A place in the body as a position on the screen.
pub fn on_screen(at: Spot) -> (f32, f32) {
    (ORIGIN.0 as f32 + at.u / MILLIMETRES, ORIGIN.1 as f32 + at.w / MILLIMETRES)
}

impl Default for Picture {
    fn default() -> Self {
        Self { rgb: vec![0; WIDTH * HEIGHT * 3] }
    }
}

impl Picture {
    pub fn dot(&mut self, x: usize, y: usize, colour: Colour) {
        if x < WIDTH && y < HEIGHT {
            self.rgb[(y * WIDTH + x) * 3..][..3].copy_from_slice(&colour);
        }
    }

    pub fn text(&mut self, x: usize, y: usize, scale: usize, text: &str, colour: Colour) {
        font::draw(text, scale, |dx, dy| self.dot(x + dx, y + dy, colour));
    }

    /// Everything that does not move: lettering, grey bar, depth ruler.
    pub fn furniture(&mut self, lines: &Lettering) {
        self.text(20, 10, 2, &lines.title, TEXT);
        self.text(560, 10, 2, &lines.time, TEXT);
        for (i, line) in lines.settings.iter().enumerate() {
            self.text(640, 46 + 20 * i, 2, line, TEXT);
        }
        for y in 0..120 {
            let grey = 255 - (y * 255 / 119) as u8;
            (0..10).for_each(|x| self.dot(22 + x, 60 + y, [grey; 3]));
        }
        self.ruler();
        // The mark on the probe's side.
        self.text(ORIGIN.0 - 138, 40, 2, "Y", [110, 200, 190]);
    }

    /// A tick each centimetre from the probe's face, longer and numbered each five.
    fn ruler(&mut self) {
        let centimetre = 10.0 / MILLIMETRES;
        for tick in 0..=(DEPTH / 10.0) as usize {
            let y = ORIGIN.1 + (tick as f32 * centimetre).round() as usize;
            let long = tick.is_multiple_of(5);
            (0..if long { 10 } else { 5 }).for_each(|x| self.dot(RULER - x, y, TEXT));
            if long && tick > 0 {
                self.text(RULER - if tick > 9 { 38 } else { 26 }, y - 7, 2, &tick.to_string(), TEXT);
            }
        }
        // The focus.
        for i in 0..5 {
            (0..=2 * i).for_each(|dy| self.dot(RULER - 14 + i, ORIGIN.1 + 240 - i + dy, [110, 200, 190]));
        }
    }

    /// The outline of the colour box and the bar that explains its colours.
    pub fn colour_box(&mut self, colour: &ColourBox) {
        let (first, last) = (angle(colour.beams.0 as f32), angle(colour.beams.1 as f32));
        let mut place = |turn: f32, depth: f32| {
            let r = FACE + depth;
            let (x, y) = on_screen(Spot { u: r * turn.sin(), w: r * turn.cos() - FACE });
            self.dot(x.round() as usize, y.round() as usize, [60, 190, 120]);
        };
        for i in 0..=800 {
            let t = i as f32 / 800.0;
            place(first + (last - first) * t, colour.depths.0);
            place(first + (last - first) * t, colour.depths.1);
            place(first, colour.depths.0 + (colour.depths.1 - colour.depths.0) * t);
            place(last, colour.depths.0 + (colour.depths.1 - colour.depths.0) * t);
        }
        for y in 0..100 {
            let share = 1.0 - y as f32 / 49.5;
            (0..10).for_each(|x| self.dot(24 + x, 214 + y, flow_colour(share)));
        }
        let speed = format!("{SCALE:.0}");
        self.text(20, 196, 2, &format!("+{speed}"), TEXT);
        self.text(20, 318, 2, &format!("-{speed}"), TEXT);
        self.text(20, 336, 2, "cm/s", TEXT);
    }

    /// Calipers at two places, with the distance between them as a device would measure it.
    pub fn calipers(&mut self, from: Spot, to: Spot) {
        let (a, b) = (on_screen(from), on_screen(to));
        for (x, y) in [a, b] {
            for i in 0..13usize {
                self.dot(x.round() as usize + i - 6, y.round() as usize, MARK);
                self.dot(x.round() as usize, y.round() as usize + i - 6, MARK);
            }
        }
        let length = ((a.0 - b.0).powi(2) + (a.1 - b.1).powi(2)).sqrt();
        for i in (0..length as usize).step_by(5) {
            let t = i as f32 / length;
            self.dot((a.0 + (b.0 - a.0) * t).round() as usize, (a.1 + (b.1 - a.1) * t).round() as usize, MARK);
        }
        let centimetres = length * MILLIMETRES / 10.0;
        self.text(600, 548, 2, &format!("+ D {centimetres:.2} cm"), MARK);
    }
}

/// What is written on the screen.
#[derive(Debug, Clone)]
pub struct Lettering {
    pub title: String,
    pub time: String,
    pub settings: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::super::scene::spot;
    use super::*;

    #[test]
    fn ruler_ticks_are_a_centimetre_apart_by_the_calibration() {
        let mut picture = Picture::default();
        picture.ruler();
        let lit: Vec<usize> = (0..HEIGHT).filter(|y| picture.rgb[(y * WIDTH + RULER - 1) * 3] > 0).collect();
        assert_eq!(lit.len(), 17);
        for pair in lit.windows(2) {
            let centimetres = (pair[1] - pair[0]) as f32 * MILLIMETRES / 10.0;
            assert!((centimetres - 1.0).abs() < 1e-6, "{centimetres}");
        }
        assert_eq!(lit[0], ORIGIN.1);
    }

    #[test]
    fn an_echo_is_shown_at_its_depth() {
        let mut magnitude = vec![0.0; BEAMS * SAMPLES];
        let deep = 80.0;
        let sample = (deep / DEPTH * SAMPLES as f32) as usize;
        for beam in BEAMS / 2 - 6..BEAMS / 2 + 6 {
            magnitude[beam * SAMPLES + sample] = 100.0;
        }
        let mut picture = Picture::default();
        let echoes = Echoes { velocity: vec![0.0; magnitude.len()], magnitude };
        Converter::default().draw(&echoes, &mut picture);
        let brightest = (0..HEIGHT).max_by_key(|y| picture.rgb[(y * WIDTH + ORIGIN.0) * 3]).unwrap();
        let shown = (brightest - ORIGIN.1) as f32 * MILLIMETRES;
        assert!((shown - deep).abs() <= MILLIMETRES, "{shown} mm");
    }

    #[test]
    fn calipers_say_what_the_calibration_says() {
        // 40 mm apart: 128 pixels.
        let (from, to) = (on_screen(spot(-20.0, 60.0)), on_screen(spot(20.0, 60.0)));
        assert!((to.0 - from.0 - 128.0).abs() < 1e-3);
        let mut measured = Picture::default();
        measured.calipers(spot(-20.0, 60.0), spot(20.0, 60.0));
        let mut written = Picture::default();
        written.text(600, 548, 2, "+ D 4.00 cm", MARK);
        let below = |picture: &Picture| picture.rgb[540 * WIDTH * 3..].to_vec();
        assert_eq!(below(&measured), below(&written));
    }
}
