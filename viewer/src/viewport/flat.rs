//! The painter for browsers without WebGL2: the reference renderer and a 2D canvas. Slower, and as right.

use pixel::View;
use wasm_bindgen::{Clamped, JsCast, JsValue};
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement, ImageData};

use super::pixels::{Pixels, Store};
use super::scene::Scene;
use super::stacks::FrameKey;

pub struct FlatPainter {
    target: CanvasRenderingContext2d,
    /// The frame as rendered, and under which view.
    sheet: HtmlCanvasElement,
    held: Option<(FrameKey, View)>,
}

impl FlatPainter {
    pub fn new(canvas: &HtmlCanvasElement) -> Option<Self> {
        let target = context(canvas)?;
        Some(Self { target, sheet: fresh_canvas()?, held: None })
    }

    pub fn clear(&mut self) {
        let Some(canvas) = self.target.canvas() else { return };
        self.target.reset_transform().unwrap_or_default();
        self.target.set_fill_style_str("#000");
        self.target.fill_rect(0.0, 0.0, f64::from(canvas.width()), f64::from(canvas.height()));
    }

    pub fn paint(&mut self, scene: &Scene) -> Result<(), String> {
        let words = |error: JsValue| format!("{error:?}");
        if self.held != Some((scene.key, scene.view)) {
            render_into(&self.sheet, &scene.pixels, scene, &scene.view).map_err(words)?;
            self.held = Some((scene.key, scene.view));
        }
        self.clear();
        let p = &scene.placement;
        self.target.set_transform(p.a, p.b, p.c, p.d, p.e, p.f).map_err(words)?;
        self.target.set_image_smoothing_enabled(p.a.abs().max(p.b.abs()) != 1.0);
        self.target.draw_image_with_html_canvas_element(&self.sheet, 0.0, 0.0).map_err(words)
    }
}

/// Draws a frame at its own size onto a sheet; colour bitmaps go as the browser decoded them.
fn render_into(sheet: &HtmlCanvasElement, pixels: &Pixels, scene: &Scene, view: &View) -> Result<(), JsValue> {
    sheet.set_width(pixels.columns);
    sheet.set_height(pixels.rows);
    let ctx = context(sheet).ok_or("no canvas")?;
    let samples = match &pixels.store {
        Store::Bitmap(bitmap) => {
            ctx.draw_image_with_image_bitmap(bitmap, 0.0, 0.0)?;
            let data = ctx.get_image_data(0.0, 0.0, f64::from(pixels.columns), f64::from(pixels.rows))?.data();
            super::thumb::samples_of(&data, pixels.columns, pixels.rows, scene.attrs.samples_per_pixel)
        }
        _ => pixels.thinned(1).ok_or("no samples")?,
    };
    let rgba = pixel::render(&samples, &as_rgb(&scene.attrs), view);
    let image = ImageData::new_with_u8_clamped_array_and_sh(Clamped(&rgba), pixels.columns, pixels.rows)?;
    ctx.put_image_data(&image, 0.0, 0.0)
}

/// What arrives here has been turned into RGB by the decoder, whatever it was delivered as.
pub fn as_rgb(attrs: &wire::ImageAttrs) -> wire::ImageAttrs {
    let mut attrs = attrs.clone();
    if attrs.samples_per_pixel >= 3 {
        attrs.samples_per_pixel = 3;
        attrs.photometric = wire::Photometric::Rgb;
        (attrs.bits_allocated, attrs.bits_stored, attrs.high_bit) = (8, 8, 7);
    }
    attrs
}

pub fn context(canvas: &HtmlCanvasElement) -> Option<CanvasRenderingContext2d> {
    canvas.get_context("2d").ok()??.dyn_into().ok()
}

pub fn fresh_canvas() -> Option<HtmlCanvasElement> {
    web_sys::window()?.document()?.create_element("canvas").ok()?.dyn_into().ok()
}
