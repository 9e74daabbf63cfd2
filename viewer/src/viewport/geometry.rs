//! Where an image lies on its canvas: zoom, pan, quarter turns, and the way back from the pointer to a pixel.
//!
//! Canvas coordinates are device pixels from the top left corner; image coordinates have (0, 0) at the outer corner of the
//! first pixel, so its middle is (0.5, 0.5).

/// `x' = a x + c y + e`, `y' = b x + d y + f`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine {
    pub a: f64,
    pub b: f64,
    pub c: f64,
    pub d: f64,
    pub e: f64,
    pub f: f64,
}

impl Affine {
    pub fn apply(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (self.a * x + self.c * y + self.e, self.b * x + self.d * y + self.f)
    }

    /// The way back; the placements made here are never flat.
    pub fn inverse(&self) -> Affine {
        let det = self.a * self.d - self.b * self.c;
        let (a, b, c, d) = (self.d / det, -self.b / det, -self.c / det, self.a / det);
        Affine { a, b, c, d, e: -(a * self.e + c * self.f), f: -(b * self.e + d * self.f) }
    }
}

/// Size of an image and the height of its pixels over their width.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Extent {
    pub columns: f64,
    pub rows: f64,
    pub aspect: f64,
}

/// Size of a canvas in device pixels.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Canvas {
    pub width: f64,
    pub height: f64,
    /// Device pixels a CSS pixel.
    pub density: f64,
    /// Where its words stand; a fitted image keeps clear of them.
    pub words: Words,
}

/// Where the words over a canvas stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Words {
    /// Over the image: a slice is round and its corners are air.
    #[default]
    Over,
    /// In columns at its sides: an ultrasound screen and a radiograph have something to see in every corner.
    Beside,
    /// Above and below it, where a tall image in a narrow pane leaves no columns.
    Around,
}

/// CSS pixels of a column of words, and of what is kept free for the letters of the edges.
const COLUMN: f64 = 116.0;
const LETTER: f64 = 26.0;
/// CSS pixels of the lines above and below.
const ABOVE: f64 = 94.0;
const BELOW: f64 = 92.0;

impl Words {
    /// Beside or around the image, whichever leaves it larger.
    pub fn clear_of(canvas: Canvas, image: Extent) -> Self {
        let times = |words| Camera::default().times(Canvas { words, ..canvas }, image);
        if times(Words::Around) > times(Words::Beside) { Words::Around } else { Words::Beside }
    }

    /// CSS pixels kept free at left and right each, above, below.
    const fn kept_free(self) -> (f64, f64, f64) {
        match self {
            Words::Over => (0.0, 0.0, 0.0),
            Words::Beside => (COLUMN, LETTER, LETTER),
            Words::Around => (LETTER, ABOVE, BELOW),
        }
    }

    pub const fn word(self) -> &'static str {
        match self {
            Words::Over => "over",
            Words::Beside => "beside",
            Words::Around => "around",
        }
    }
}

impl Canvas {
    /// The part a fitted image may fill.
    fn free(&self) -> (f64, f64) {
        let (sides, above, below) = self.words.kept_free();
        let wide = self.width - 2.0 * sides * self.density;
        (wide.max(1.0), (self.height - (above + below) * self.density).max(1.0))
    }

    /// The middle of that part.
    fn middle(&self) -> (f64, f64) {
        let (_, above, below) = self.words.kept_free();
        (self.width / 2.0, (self.height + (above - below) * self.density) / 2.0)
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Zoom {
    /// The whole image, as large as it goes.
    Fit,
    /// Device pixels an image column.
    Times(f64),
}

/// How the reader has placed the image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Camera {
    pub zoom: Zoom,
    /// Device pixels from the middle of the canvas's free part to the image's.
    pub pan: (f64, f64),
    /// Clockwise quarter turns, 0 to 3.
    pub turns: u8,
    /// Mirrored left to right, before turning.
    pub mirrored: bool,
}

impl Default for Camera {
    fn default() -> Self {
        Self { zoom: Zoom::Fit, pan: (0.0, 0.0), turns: 0, mirrored: false }
    }
}

const SMALLEST: f64 = 0.02;
const LARGEST: f64 = 64.0;

impl Camera {
    /// Device pixels an image column, with [`Zoom::Fit`] worked out.
    pub fn times(&self, canvas: Canvas, image: Extent) -> f64 {
        match self.zoom {
            Zoom::Times(t) => t,
            Zoom::Fit => {
                let (mut wide, mut high) = (image.columns, image.rows * image.aspect);
                if self.turns % 2 == 1 {
                    (wide, high) = (high, wide);
                }
                let free = canvas.free();
                let times = (free.0 / wide).min(free.1 / high);
                if times.is_finite() && times > 0.0 { times } else { 1.0 }
            }
        }
    }

    /// From image to canvas. At whole zooms without a turn the image's corner is put on a whole device pixel, so that every
    /// image pixel is shown as it is.
    pub fn placement(&self, canvas: Canvas, image: Extent) -> Affine {
        let times = self.times(canvas, image);
        let (sin, cos) = [(0.0, 1.0), (1.0, 0.0), (0.0, -1.0), (-1.0, 0.0)][usize::from(self.turns % 4)];
        let (sx, sy) = (if self.mirrored { -times } else { times }, times * image.aspect);
        let (a, b, c, d) = (cos * sx, sin * sx, -sin * sy, cos * sy);
        let (mx, my) = (image.columns / 2.0, image.rows / 2.0);
        let middle = canvas.middle();
        let (cx, cy) = (middle.0 + self.pan.0, middle.1 + self.pan.1);
        let (mut e, mut f) = (cx - a * mx - c * my, cy - b * mx - d * my);
        if times.fract() == 0.0 && (times * image.aspect).fract() == 0.0 {
            (e, f) = (e.round(), f.round());
        }
        // Adding nothing turns the negative zeros of sines into plain ones.
        Affine { a: a + 0.0, b: b + 0.0, c: c + 0.0, d: d + 0.0, e: e + 0.0, f: f + 0.0 }
    }

    /// Zooms by a factor, keeping what is under `at` (canvas) where it is.
    pub fn zoomed_at(self, factor: f64, at: (f64, f64), canvas: Canvas, image: Extent) -> Self {
        let before = self.times(canvas, image);
        let after = (before * factor).clamp(SMALLEST, LARGEST);
        let grown = after / before;
        let middle = canvas.middle();
        let (dx, dy) = (at.0 - middle.0, at.1 - middle.1);
        let pan = (dx - (dx - self.pan.0) * grown, dy - (dy - self.pan.1) * grown);
        Self { zoom: Zoom::Times(after), pan, ..self }
    }

    pub fn moved(self, dx: f64, dy: f64) -> Self {
        Self { pan: (self.pan.0 + dx, self.pan.1 + dy), ..self }
    }

    pub fn turned(self) -> Self {
        Self { turns: (self.turns + 1) % 4, pan: (-self.pan.1, self.pan.0), ..self }
    }

    pub fn flipped(self) -> Self {
        Self { mirrored: !self.mirrored, pan: (0.0, 0.0), ..self }
    }

    /// Letters for the edges left, right, top, bottom, from those of the stored image's right and bottom edge.
    pub fn edges(&self, right: &str, bottom: &str) -> [String; 4] {
        let (left, top) = (pixel::orient::opposite(right), pixel::orient::opposite(bottom));
        // Around the image clockwise from the top; a quarter turn moves each one place on.
        let (w, e) = if self.mirrored { (right.to_owned(), left) } else { (left, right.to_owned()) };
        let mut round = [top, e, bottom.to_owned(), w];
        round.rotate_right(usize::from(self.turns % 4));
        let [top, right, bottom, left] = round;
        [left, right, top, bottom]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANVAS: Canvas = Canvas { width: 1000.0, height: 800.0, density: 1.0, words: Words::Over };
    const SLICE: Extent = Extent { columns: 512.0, rows: 512.0, aspect: 1.0 };

    fn near(a: (f64, f64), b: (f64, f64)) {
        assert!((a.0 - b.0).abs() < 1e-9 && (a.1 - b.1).abs() < 1e-9, "{a:?} is not {b:?}");
    }

    #[test]
    fn fitted_the_whole_image_is_centred() {
        let p = Camera::default().placement(CANVAS, SLICE);
        near(p.apply((0.0, 0.0)), (100.0, 0.0));
        near(p.apply((512.0, 512.0)), (900.0, 800.0));
    }

    #[test]
    fn words_beside_or_around_an_image_hide_nothing_of_it() {
        let screen = Extent { columns: 1024.0, rows: 768.0, aspect: 1.0 };
        let film = Extent { columns: 2000.0, rows: 2400.0, aspect: 1.0 };
        let narrow = Canvas { width: 430.0, height: 600.0, ..CANVAS };
        let wide = Canvas { width: 1200.0, height: 700.0, ..CANVAS };
        for (canvas, image, words) in [(wide, screen, Words::Beside), (narrow, film, Words::Around)] {
            assert_eq!(Words::clear_of(canvas, image), words);
            let placed = Camera::default().placement(Canvas { words, ..canvas }, image);
            let (left, top) = placed.apply((0.0, 0.0));
            let (right, bottom) = placed.apply((image.columns, image.rows));
            let (sides, above, below) = words.kept_free();
            assert!(left >= sides - 1e-9 && right <= canvas.width - sides + 1e-9, "{left} to {right}");
            assert!(top >= above - 1e-9 && bottom <= canvas.height - below + 1e-9, "{top} to {bottom}");
        }
    }

    #[test]
    fn one_to_one_puts_pixels_on_whole_device_pixels() {
        let odd = Canvas { width: 1001.0, height: 803.0, ..CANVAS };
        let p = Camera { zoom: Zoom::Times(1.0), pan: (3.3, -2.7), ..Camera::default() }.placement(odd, SLICE);
        assert_eq!((p.e.fract(), p.f.fract(), p.a), (0.0, 0.0, 1.0));
        assert_eq!(format!("{} {} {} {}", p.a, p.b, p.c, p.d), "1 0 0 1");
    }

    #[test]
    fn zooming_keeps_what_is_under_the_pointer() {
        let camera = Camera { turns: 1, mirrored: true, pan: (31.0, 7.0), ..Camera::default() };
        let at = (320.5, 611.25);
        let under = camera.placement(CANVAS, SLICE).inverse().apply(at);
        let zoomed = camera.zoomed_at(1.7, at, CANVAS, SLICE);
        near(zoomed.placement(CANVAS, SLICE).apply(under), at);
    }

    #[test]
    fn zooming_beside_words_keeps_what_is_under_the_pointer() {
        let canvas = Canvas { words: Words::Around, ..CANVAS };
        let at = (320.5, 611.25);
        let under = Camera::default().placement(canvas, SLICE).inverse().apply(at);
        near(Camera::default().zoomed_at(1.7, at, canvas, SLICE).placement(canvas, SLICE).apply(under), at);
    }

    #[test]
    fn the_way_back_is_the_way_back() {
        let image = Extent { aspect: 1.5, ..SLICE };
        let p = Camera { turns: 3, mirrored: true, zoom: Zoom::Times(2.3), pan: (5.0, 6.0) }.placement(CANVAS, image);
        near(p.inverse().apply(p.apply((17.0, 401.0))), (17.0, 401.0));
    }

    #[test]
    fn letters_follow_the_image_as_it_turns_and_mirrors() {
        let words = |e: [String; 4]| e.join(" ");
        let camera = Camera::default();
        assert_eq!(words(camera.edges("L", "P")), "R L A P");
        assert_eq!(words(camera.flipped().edges("L", "P")), "L R A P");
        // A clockwise quarter turn brings the stored left edge to the top.
        assert_eq!(words(camera.turned().edges("L", "P")), "P A R L");
        let p = camera.turned().placement(CANVAS, SLICE);
        assert!(p.apply((0.0, 256.0)).1 < p.apply((512.0, 256.0)).1, "the stored left edge is on top");
    }
}
