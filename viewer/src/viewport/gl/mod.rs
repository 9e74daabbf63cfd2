//! The WebGL2 painter: stored values as integer textures, the window in the shader.
//!
//! Owns the textures of the one frame on the canvas and of its LUTs. Dragging a window or zooming changes uniforms only; a
//! new frame of the same shape goes into the textures that are there. Frames larger than a texture may be are cut into
//! tiles. What it draws agrees with `pixel::render` within one grey level; frames deeper than 16 bits are rendered there and
//! come here as colour.

mod program;
mod texture;

use std::rc::Rc;

use pixel::View;
use pixel::colour::{Kind, kind};
use pixel::gpu::{Uniforms, uniforms};
use wasm_bindgen::prelude::*;
use web_sys::{HtmlCanvasElement, WebGl2RenderingContext as Gl, WebGlContextAttributes, WebGlVertexArrayObject};

use self::program::{Program, Shade, Source, Variant};
use self::texture::{Luts, Picture};
use super::scene::Scene;

pub struct GlPainter {
    gl: Gl,
    programs: Vec<(Variant, Rc<Program>)>,
    triangle: WebGlVertexArrayObject,
    picture: Picture,
    luts: Luts,
}

impl GlPainter {
    /// `None` where the browser has no WebGL2 to give.
    pub fn new(canvas: &HtmlCanvasElement) -> Option<Self> {
        let wish = WebGlContextAttributes::new();
        wish.set_alpha(false);
        wish.set_antialias(false);
        wish.set_depth(false);
        wish.set_stencil(false);
        // What is on screen can be read back: by tests, and for key images.
        wish.set_preserve_drawing_buffer(true);
        let gl = canvas.get_context_with_context_options("webgl2", &wish).ok()??.dyn_into::<Gl>().ok()?;
        let triangle = gl.create_vertex_array()?;
        let limit = gl.get_parameter(Gl::MAX_TEXTURE_SIZE).ok()?.as_f64()? as u32;
        Some(Self { gl, programs: Vec::new(), triangle, picture: Picture::new(limit), luts: Luts::default() })
    }

    pub fn is_lost(&self) -> bool {
        self.gl.is_context_lost()
    }

    /// Black: no frame of any study.
    pub fn clear(&mut self) {
        self.gl.clear_color(0.0, 0.0, 0.0, 1.0);
        self.gl.clear(Gl::COLOR_BUFFER_BIT);
    }

    pub fn paint(&mut self, scene: &Scene) -> Result<(), String> {
        self.picture.hold(&self.gl, scene)?;
        let variant = Variant { source: self.picture.source(), shade: shade(scene, self.picture.source()) };
        let program = self.program(variant)?;
        let gl = &self.gl;
        gl.viewport(0, 0, scene.canvas.width as i32, scene.canvas.height as i32);
        gl.clear_color(0.0, 0.0, 0.0, 1.0);
        gl.clear(Gl::COLOR_BUFFER_BIT);
        gl.use_program(Some(program.raw()));
        gl.bind_vertex_array(Some(&self.triangle));
        place(gl, &program, scene);
        match variant.shade {
            Shade::Grey => {
                let u = uniforms(&scene.attrs, &scene.view);
                grey(gl, &program, &u);
                self.luts.bind_grey(gl, &program, scene)?;
            }
            Shade::Palette => {
                colour(gl, &program, &scene.view);
                self.luts.bind_palette(gl, &program, scene)?;
            }
            // What the reference renderer has drawn is already as it is to be seen.
            Shade::Colour if self.picture.is_rendered() => {
                colour(gl, &program, &View { voi: pixel::window::IDENTITY_8, invert: false });
            }
            Shade::Colour => colour(gl, &program, &scene.view),
        }
        for tile in self.picture.tiles() {
            gl.active_texture(Gl::TEXTURE0);
            gl.bind_texture(Gl::TEXTURE_2D, Some(&tile.texture));
            let [x, y, w, h] = tile.holds;
            gl.uniform4i(program.at(gl, "tile").as_ref(), x, y, w, h);
            let [x0, y0, x1, y1] = tile.draws;
            gl.uniform4i(program.at(gl, "part").as_ref(), x0, y0, x1, y1);
            gl.draw_arrays(Gl::TRIANGLES, 0, 3);
        }
        Ok(())
    }

    fn program(&mut self, variant: Variant) -> Result<Rc<Program>, String> {
        if let Some((_, program)) = self.programs.iter().find(|(v, _)| *v == variant) {
            return Ok(program.clone());
        }
        let program = Rc::new(Program::new(&self.gl, variant)?);
        self.programs.push((variant, program.clone()));
        Ok(program)
    }
}

/// A bitmap of a grey image carries its grey in every channel; colour never goes through a window of stored values.
fn shade(scene: &Scene, source: Source) -> Shade {
    match kind(&scene.attrs) {
        _ if source == Source::Colour => Shade::Colour,
        Kind::Grey => Shade::Grey,
        Kind::Palette => Shade::Palette,
        Kind::Colour => Shade::Colour,
    }
}

fn place(gl: &Gl, program: &Program, scene: &Scene) {
    let m = scene.placement.inverse();
    let matrix = [m.a, m.b, 0.0, m.c, m.d, 0.0, m.e, m.f, 1.0].map(|v| v as f32);
    gl.uniform_matrix3fv_with_f32_array(program.at(gl, "to_image").as_ref(), false, &matrix);
    let foot = (m.a.abs() + m.c.abs(), m.b.abs() + m.d.abs());
    gl.uniform2f(program.at(gl, "foot").as_ref(), foot.0 as f32, foot.1 as f32);
    gl.uniform1f(program.at(gl, "canvas_height").as_ref(), scene.canvas.height as f32);
    gl.uniform2i(program.at(gl, "size").as_ref(), scene.pixels.columns as i32, scene.pixels.rows as i32);
    gl.uniform1i(program.at(gl, "image").as_ref(), 0);
}

fn grey(gl: &Gl, program: &Program, u: &Uniforms) {
    gl.uniform1f(program.at(gl, "slope").as_ref(), u.slope);
    gl.uniform1f(program.at(gl, "offset").as_ref(), u.offset);
    gl.uniform1i(program.at(gl, "base").as_ref(), u.base);
    gl.uniform1f(program.at(gl, "width").as_ref(), u.width);
    gl.uniform1i(program.at(gl, "voi_function").as_ref(), u.function as i32);
    gl.uniform1i(program.at(gl, "invert").as_ref(), i32::from(u.invert));
    gl.uniform1i(program.at(gl, "has_padding").as_ref(), i32::from(u.padding.is_some()));
    let (low, high) = u.padding.unwrap_or_default();
    gl.uniform2i(program.at(gl, "padding").as_ref(), low, high);
}

fn colour(gl: &Gl, program: &Program, view: &View) {
    let (center, width) = match view.voi {
        pixel::Voi::Window { center, width, .. } => (center, width.max(1.0)),
        pixel::Voi::Lut(_) => (127.5, 255.0),
    };
    gl.uniform1f(program.at(gl, "centre").as_ref(), center as f32);
    gl.uniform1f(program.at(gl, "width").as_ref(), width as f32);
    gl.uniform1i(program.at(gl, "invert").as_ref(), i32::from(view.invert));
}
