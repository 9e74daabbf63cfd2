//! Thumbnails of stacks, drawn from the frames the viewport fetches anyway.

use pixel::{Data, Samples, View};
use wasm_bindgen::{Clamped, JsValue};
use web_sys::{HtmlCanvasElement, ImageData};
use wire::ImageAttrs;

use super::flat::{as_rgb, context, fresh_canvas};
use super::pixels::{Pixels, Store};

/// Longest side of a thumbnail in canvas pixels; drawn at about half of that.
const SIDE: u32 = 160;

/// Draws a frame into a small square canvas, whole, in the middle of black.
pub fn draw(target: &HtmlCanvasElement, pixels: &Pixels, attrs: &ImageAttrs, modality: &str) -> Result<(), JsValue> {
    let (columns, rows) = (f64::from(pixels.columns), f64::from(pixels.rows));
    target.set_width(SIDE);
    target.set_height(SIDE);
    let ctx = context(target).ok_or("no canvas")?;
    let side = f64::from(SIDE);
    ctx.set_fill_style_str("#000");
    ctx.fill_rect(0.0, 0.0, side, side);
    let aspect = pixel::scale::pixel_aspect(attrs);
    let scale = (side / columns).min(side / (rows * aspect));
    let (w, h) = (columns * scale, rows * aspect * scale);
    let (x, y) = ((side - w) / 2.0, (side - h) / 2.0);
    if let Store::Bitmap(bitmap) = &pixels.store {
        ctx.draw_image_with_image_bitmap_and_dw_and_dh(bitmap, x, y, w, h)?;
        if pixel::grey::wants_inversion(attrs) {
            ctx.set_global_composite_operation("difference")?;
            ctx.set_fill_style_str("#fff");
            ctx.fill_rect(x, y, w, h);
        }
        return Ok(());
    }
    // Twice what is drawn, so that the canvas can average it.
    let step = (pixels.columns.max(pixels.rows) / (SIDE * 2)).max(1);
    let samples = pixels.thinned(step).ok_or("no samples")?;
    let attrs = as_rgb(attrs);
    let view = View::opening(&attrs, modality, Some(&samples));
    let rgba = pixel::render(&samples, &attrs, &view);
    let sheet = fresh_canvas().ok_or("no canvas")?;
    sheet.set_width(samples.columns);
    sheet.set_height(samples.rows);
    let image = ImageData::new_with_u8_clamped_array_and_sh(Clamped(&rgba), samples.columns, samples.rows)?;
    context(&sheet).ok_or("no canvas")?.put_image_data(&image, 0.0, 0.0)?;
    ctx.draw_image_with_html_canvas_element_and_dw_and_dh(&sheet, x, y, w, h)
}

/// Samples of what a canvas read back: its red channel, or red, green and blue.
pub fn samples_of(rgba: &[u8], columns: u32, rows: u32, per_pixel: u16) -> Samples {
    let per_pixel = if per_pixel >= 3 { 3 } else { 1 };
    let data = rgba.chunks_exact(4).flat_map(|px| px[..usize::from(per_pixel)].iter().copied()).collect();
    Samples { columns, rows, per_pixel, data: Data::U8(data) }
}
