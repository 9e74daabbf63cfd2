//! The shader in its variants, each compiled when first needed.

use std::cell::RefCell;
use std::collections::HashMap;

use web_sys::{WebGl2RenderingContext as Gl, WebGlProgram, WebGlShader, WebGlUniformLocation};

const VERTEX: &str = include_str!("image.vert");
const FRAGMENT: &str = include_str!("image.frag");

/// What a texel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Unsigned,
    Signed,
    /// Grey in the red channel of an 8-bit texture.
    Bytes,
    /// Red, green, blue.
    Colour,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shade {
    Grey,
    Palette,
    Colour,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variant {
    pub source: Source,
    pub shade: Shade,
}

pub struct Program {
    raw: WebGlProgram,
    places: RefCell<HashMap<&'static str, Option<WebGlUniformLocation>>>,
}

impl Program {
    pub fn new(gl: &Gl, variant: Variant) -> Result<Self, String> {
        let sampler = match variant.source {
            Source::Unsigned => "usampler2D",
            Source::Signed => "isampler2D",
            Source::Bytes | Source::Colour => "sampler2D",
        };
        let stored = match variant.source {
            Source::Unsigned | Source::Signed => "int((t).r)",
            Source::Bytes | Source::Colour => "int((t).r * 255.0 + 0.5)",
        };
        let shade = match variant.shade {
            Shade::Grey => "GREY",
            Shade::Palette => "PALETTE",
            Shade::Colour => "COLOUR",
        };
        let head =
            format!("#version 300 es\n#define SOURCE {sampler}\n#define STORED(t) {stored}\n#define {shade} 1\n");
        let raw = gl.create_program().ok_or("no program")?;
        for (kind, text) in [(Gl::VERTEX_SHADER, VERTEX.to_owned()), (Gl::FRAGMENT_SHADER, head + FRAGMENT)] {
            gl.attach_shader(&raw, &compiled(gl, kind, &text)?);
        }
        gl.link_program(&raw);
        if gl.get_program_parameter(&raw, Gl::LINK_STATUS).is_falsy() {
            return Err(gl.get_program_info_log(&raw).unwrap_or_default());
        }
        Ok(Self { raw, places: RefCell::default() })
    }

    pub fn raw(&self) -> &WebGlProgram {
        &self.raw
    }

    /// Where a uniform lives; `None`, which every setter ignores, where this variant does without it.
    pub fn at(&self, gl: &Gl, name: &'static str) -> Option<WebGlUniformLocation> {
        self.places.borrow_mut().entry(name).or_insert_with(|| gl.get_uniform_location(&self.raw, name)).clone()
    }
}

fn compiled(gl: &Gl, kind: u32, text: &str) -> Result<WebGlShader, String> {
    let shader = gl.create_shader(kind).ok_or("no shader")?;
    gl.shader_source(&shader, text);
    gl.compile_shader(&shader);
    if gl.get_shader_parameter(&shader, Gl::COMPILE_STATUS).is_falsy() {
        return Err(gl.get_shader_info_log(&shader).unwrap_or_default());
    }
    Ok(shader)
}
