//! Textures: the frame on the canvas, whole or in tiles, and the LUTs of its image.

use js_sys::Object;
use pixel::colour::{Kind, kind};
use pixel::gpu::{lut_full, lut_texture};
use pixel::{View, Voi};
use wasm_bindgen::JsValue;
use web_sys::{ImageBitmap, WebGl2RenderingContext as Gl, WebGlTexture};
use wire::{Lut, Palette};

use super::super::pixels::Store;
use super::super::scene::Scene;
use super::super::stacks::FrameKey;
use super::program::{Program, Source};

/// Texels a row of a LUT texture.
const LUT_WIDE: usize = 1024;

/// One texture and the part of the image it stands for; neighbours share one row or column so that interpolation never
/// looks outside its own.
pub struct Tile {
    pub texture: WebGlTexture,
    /// Origin and size of what the texture holds.
    pub holds: [i32; 4],
    /// Origin and end of what it is to draw.
    pub draws: [i32; 4],
}

/// How texels are stored; textures are kept while this and the size stay.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Format {
    internal: u32,
    format: u32,
    kind: u32,
    source: Source,
}

pub struct Picture {
    limit: i32,
    tiles: Vec<Tile>,
    shape: Option<(Format, u32, u32)>,
    held: Option<FrameKey>,
    /// The view the held frame was rendered under on the CPU, where it was.
    rendered: Option<View>,
}

impl Picture {
    pub fn new(limit: u32) -> Self {
        Self { limit: limit.clamp(64, 16_384) as i32, tiles: Vec::new(), shape: None, held: None, rendered: None }
    }

    pub fn tiles(&self) -> &[Tile] {
        &self.tiles
    }

    pub fn source(&self) -> Source {
        self.shape.map_or(Source::Unsigned, |(format, ..)| format.source)
    }

    pub fn is_rendered(&self) -> bool {
        self.rendered.is_some()
    }

    /// Makes the textures hold the scene's frame.
    pub fn hold(&mut self, gl: &Gl, scene: &Scene) -> Result<(), String> {
        let deep = matches!(scene.pixels.store, Store::U32(_) | Store::I32(_));
        let rendered = deep.then_some(scene.view);
        if self.held == Some(scene.key) && self.rendered == rendered {
            return Ok(());
        }
        self.held = None;
        let is_colour = kind(&scene.attrs) == Kind::Colour;
        let format = format_of(&scene.pixels.store, is_colour);
        let (columns, rows) = (scene.pixels.columns, scene.pixels.rows);
        if self.shape != Some((format, columns, rows)) {
            self.make(gl, format, columns, rows)?;
        }
        gl.pixel_storei(Gl::UNPACK_ALIGNMENT, 1);
        gl.pixel_storei(Gl::UNPACK_COLORSPACE_CONVERSION_WEBGL, Gl::NONE as i32);
        gl.pixel_storei(Gl::UNPACK_PREMULTIPLY_ALPHA_WEBGL, 0);
        gl.active_texture(Gl::TEXTURE0);
        self.fill(gl, scene, format).map_err(|error| format!("{error:?}"))?;
        (self.held, self.rendered) = (Some(scene.key), rendered);
        Ok(())
    }

    fn make(&mut self, gl: &Gl, format: Format, columns: u32, rows: u32) -> Result<(), String> {
        for tile in self.tiles.drain(..) {
            gl.delete_texture(Some(&tile.texture));
        }
        self.shape = None;
        for (y, draw_y) in cuts(rows as i32, self.limit) {
            for (x, draw_x) in cuts(columns as i32, self.limit) {
                let texture = gl.create_texture().ok_or("no texture")?;
                gl.bind_texture(Gl::TEXTURE_2D, Some(&texture));
                nearest(gl);
                let holds = [x.0, y.0, x.1 - x.0, y.1 - y.0];
                gl.tex_storage_2d(Gl::TEXTURE_2D, 1, format.internal, holds[2], holds[3]);
                self.tiles.push(Tile { texture, holds, draws: [draw_x.0, draw_y.0, draw_x.1, draw_y.1] });
            }
        }
        self.shape = Some((format, columns, rows));
        Ok(())
    }

    fn fill(&self, gl: &Gl, scene: &Scene, format: Format) -> Result<(), JsValue> {
        let columns = scene.pixels.columns as i32;
        for tile in &self.tiles {
            gl.bind_texture(Gl::TEXTURE_2D, Some(&tile.texture));
            match &scene.pixels.store {
                Store::U8(a) | Store::Rgb(a) => put(gl, tile, format, columns, a),
                Store::U16(a) => put(gl, tile, format, columns, a),
                Store::I16(a) => put(gl, tile, format, columns, a),
                Store::U32(_) | Store::I32(_) => {
                    let Some(samples) = scene.pixels.thinned(1) else { return Ok(()) };
                    let rgba = pixel::render(&samples, &scene.attrs, &scene.view);
                    put(gl, tile, format, columns, &js_sys::Uint8Array::from(&rgba[..]))
                }
                Store::Bitmap(bitmap) => put_bitmap(gl, tile, bitmap),
            }?;
        }
        Ok(())
    }
}

fn format_of(store: &Store, is_colour: bool) -> Format {
    let (internal, format, kind, source) = match store {
        Store::U8(_) => (Gl::R8UI, Gl::RED_INTEGER, Gl::UNSIGNED_BYTE, Source::Unsigned),
        Store::U16(_) => (Gl::R16UI, Gl::RED_INTEGER, Gl::UNSIGNED_SHORT, Source::Unsigned),
        Store::I16(_) => (Gl::R16I, Gl::RED_INTEGER, Gl::SHORT, Source::Signed),
        Store::Rgb(_) => (Gl::RGB8, Gl::RGB, Gl::UNSIGNED_BYTE, Source::Colour),
        Store::U32(_) | Store::I32(_) => (Gl::RGBA8, Gl::RGBA, Gl::UNSIGNED_BYTE, Source::Colour),
        Store::Bitmap(_) if is_colour => (Gl::RGBA8, Gl::RGBA, Gl::UNSIGNED_BYTE, Source::Colour),
        Store::Bitmap(_) => (Gl::RGBA8, Gl::RGBA, Gl::UNSIGNED_BYTE, Source::Bytes),
    };
    Format { internal, format, kind, source }
}

/// Cuts a length into pieces a texture can hold: what each holds, with one pixel of its neighbours, and what it draws.
fn cuts(length: i32, limit: i32) -> impl Iterator<Item = ((i32, i32), (i32, i32))> {
    let step = if length <= limit { length } else { limit - 2 };
    (0..length).step_by(step.max(1) as usize).map(move |start| {
        let end = (start + step).min(length);
        (((start - 1).max(0), (end + 1).min(length)), (start, end))
    })
}

fn put(gl: &Gl, tile: &Tile, format: Format, columns: i32, data: &Object) -> Result<(), JsValue> {
    let [x, y, w, h] = tile.holds;
    gl.pixel_storei(Gl::UNPACK_ROW_LENGTH, columns);
    gl.pixel_storei(Gl::UNPACK_SKIP_PIXELS, x);
    gl.pixel_storei(Gl::UNPACK_SKIP_ROWS, y);
    gl.tex_sub_image_2d_with_i32_and_i32_and_u32_and_type_and_opt_array_buffer_view(
        Gl::TEXTURE_2D,
        0,
        0,
        0,
        w,
        h,
        format.format,
        format.kind,
        Some(data),
    )
}

fn put_bitmap(gl: &Gl, tile: &Tile, bitmap: &ImageBitmap) -> Result<(), JsValue> {
    let [x, y, w, h] = tile.holds;
    gl.pixel_storei(Gl::UNPACK_ROW_LENGTH, 0);
    gl.pixel_storei(Gl::UNPACK_SKIP_PIXELS, x);
    gl.pixel_storei(Gl::UNPACK_SKIP_ROWS, y);
    gl.tex_sub_image_2d_with_i32_and_i32_and_u32_and_type_and_image_bitmap(
        Gl::TEXTURE_2D,
        0,
        0,
        0,
        w,
        h,
        Gl::RGBA,
        Gl::UNSIGNED_BYTE,
        bitmap,
    )
}

/// Integer textures are complete only with nearest filters; the shader interpolates itself.
fn nearest(gl: &Gl) {
    for (name, value) in [
        (Gl::TEXTURE_MIN_FILTER, Gl::NEAREST),
        (Gl::TEXTURE_MAG_FILTER, Gl::NEAREST),
        (Gl::TEXTURE_WRAP_S, Gl::CLAMP_TO_EDGE),
        (Gl::TEXTURE_WRAP_T, Gl::CLAMP_TO_EDGE),
    ] {
        gl.tex_parameteri(Gl::TEXTURE_2D, name, value as i32);
    }
}

/// LUT textures of the instance on the canvas.
#[derive(Default)]
pub struct Luts {
    instance: Option<i64>,
    modality: Option<WebGlTexture>,
    voi: Option<(usize, WebGlTexture)>,
    palette: Option<WebGlTexture>,
    /// One texel: every sampler needs a texture of its kind, used or not.
    blank: Option<WebGlTexture>,
}

impl Luts {
    /// Modality LUT in unit 1, VOI LUT in unit 2.
    pub fn bind_grey(&mut self, gl: &Gl, program: &Program, scene: &Scene) -> Result<(), String> {
        self.forget_others(gl, scene);
        let blank = match &self.blank {
            Some(texture) => texture.clone(),
            None => self.blank.insert(integers(gl, &[0], 1, 1)?).clone(),
        };
        let modality = scene.attrs.modality_lut.as_ref().filter(|l| !l.data.is_empty());
        if let (Some(lut), None) = (modality, &self.modality) {
            self.modality = Some(lut_of(gl, lut)?);
        }
        let voi = match scene.view.voi {
            Voi::Lut(n) => scene.attrs.voi_luts.get(n).map(|lut| (n, lut)),
            Voi::Window { .. } => None,
        };
        if let Some((n, lut)) = voi
            && self.voi.as_ref().is_none_or(|(have, _)| *have != n)
            && let Some((_, old)) = self.voi.replace((n, lut_of(gl, lut)?))
        {
            gl.delete_texture(Some(&old));
        }
        bind(gl, program, 1, "modality_lut", modality.and(self.modality.as_ref()).unwrap_or(&blank));
        bind(gl, program, 2, "voi_lut", voi.and(self.voi.as_ref()).map_or(&blank, |(_, t)| t));
        gl.uniform1i(program.at(gl, "modality_length").as_ref(), modality.map_or(0, |l| l.data.len() as i32));
        gl.uniform1i(program.at(gl, "modality_first").as_ref(), modality.map_or(0, |l| l.first));
        gl.uniform1i(program.at(gl, "voi_length").as_ref(), voi.map_or(1, |(_, l)| l.data.len() as i32));
        gl.uniform1f(program.at(gl, "voi_full").as_ref(), voi.map_or(1.0, |(_, l)| lut_full(l)));
        Ok(())
    }

    /// Palette in unit 1.
    pub fn bind_palette(&mut self, gl: &Gl, program: &Program, scene: &Scene) -> Result<(), String> {
        self.forget_others(gl, scene);
        let Some(palette) = &scene.attrs.palette else { return Ok(()) };
        let texture = match &self.palette {
            Some(texture) => texture.clone(),
            None => self.palette.insert(palette_of(gl, palette)?).clone(),
        };
        bind(gl, program, 1, "palette", &texture);
        gl.uniform1i(program.at(gl, "palette_first").as_ref(), palette.first);
        gl.uniform1i(program.at(gl, "palette_length").as_ref(), palette.red.len() as i32);
        Ok(())
    }

    fn forget_others(&mut self, gl: &Gl, scene: &Scene) {
        if self.instance == Some(scene.key.instance) {
            return;
        }
        self.instance = Some(scene.key.instance);
        let old = [self.modality.take(), self.voi.take().map(|(_, t)| t), self.palette.take()];
        old.iter().flatten().for_each(|t| gl.delete_texture(Some(t)));
    }
}

fn bind(gl: &Gl, program: &Program, unit: u32, name: &'static str, texture: &WebGlTexture) {
    gl.active_texture(Gl::TEXTURE0 + unit);
    gl.bind_texture(Gl::TEXTURE_2D, Some(texture));
    gl.uniform1i(program.at(gl, name).as_ref(), unit as i32);
}

fn lut_of(gl: &Gl, lut: &Lut) -> Result<WebGlTexture, String> {
    let (texels, rows) = lut_texture(lut, LUT_WIDE);
    integers(gl, &texels, LUT_WIDE as i32, rows as i32)
}

fn integers(gl: &Gl, texels: &[u16], wide: i32, high: i32) -> Result<WebGlTexture, String> {
    let data = js_sys::Uint16Array::from(texels);
    table(gl, Gl::R16UI, Gl::RED_INTEGER, Gl::UNSIGNED_SHORT, wide, high, &data)
}

fn palette_of(gl: &Gl, palette: &Palette) -> Result<WebGlTexture, String> {
    let count = palette.red.len();
    let high = count.div_ceil(LUT_WIDE).max(1);
    let mut texels = Vec::with_capacity(LUT_WIDE * high * 4);
    for i in 0..LUT_WIDE * high {
        let entry = i64::from(palette.first) + i.min(count.saturating_sub(1)) as i64;
        let [r, g, b] = pixel::colour::through_palette(palette, entry);
        texels.extend([r, g, b, 255]);
    }
    let data = js_sys::Uint8Array::from(&texels[..]);
    table(gl, Gl::RGBA8, Gl::RGBA, Gl::UNSIGNED_BYTE, LUT_WIDE as i32, high as i32, &data)
}

fn table(
    gl: &Gl,
    internal: u32,
    format: u32,
    kind: u32,
    wide: i32,
    high: i32,
    data: &Object,
) -> Result<WebGlTexture, String> {
    let texture = gl.create_texture().ok_or("no texture")?;
    gl.active_texture(Gl::TEXTURE1);
    gl.bind_texture(Gl::TEXTURE_2D, Some(&texture));
    nearest(gl);
    for (name, value) in
        [(Gl::UNPACK_ALIGNMENT, 1), (Gl::UNPACK_ROW_LENGTH, 0), (Gl::UNPACK_SKIP_PIXELS, 0), (Gl::UNPACK_SKIP_ROWS, 0)]
    {
        gl.pixel_storei(name, value);
    }
    gl.tex_image_2d_with_i32_and_i32_and_i32_and_format_and_type_and_opt_array_buffer_view(
        Gl::TEXTURE_2D,
        0,
        internal as i32,
        wide,
        high,
        0,
        format,
        kind,
        Some(data),
    )
    .map_err(|error| format!("{error:?}"))?;
    Ok(texture)
}

#[cfg(test)]
mod tests {
    use super::cuts;

    #[test]
    fn tiles_cover_every_pixel_once_and_share_a_border() {
        for (length, limit) in [(5000, 2048), (2048, 2048), (2049, 2048), (1, 64), (4092, 2048)] {
            let all: Vec<_> = cuts(length, limit).collect();
            let mut next = 0;
            for (holds, draws) in &all {
                assert_eq!(draws.0, next);
                assert!(holds.1 - holds.0 <= limit, "{holds:?} fits {limit}");
                assert_eq!(*holds, ((draws.0 - 1).max(0), (draws.1 + 1).min(length)));
                next = draws.1;
            }
            assert_eq!(next, length);
        }
    }
}
