//! The browser's decode worker: one delivered frame in, stored values out, away from the thread that draws.
//!
//! Loaded by `viewer/assets/worker-boot.js`, which owns the message format. Knows nothing of studies, windows or the
//! network; JPEG never comes here, the browser's own decoder is faster.

use js_sys::{Int16Array, Int32Array, Object, Uint8Array, Uint16Array, Uint32Array};
use pixel::{Data, Layout, Samples};
use wasm_bindgen::prelude::*;

/// Decodes one frame into a typed array of its own, ready to be transferred: stored values where a pixel has one sample, red,
/// green, blue bytes where it has more.
///
/// `kind` is the frame's media type, `words` its layout as `pixel::Layout::to_words` has it.
#[wasm_bindgen]
pub fn decode(kind: &str, bytes: &[u8], words: &[u32]) -> Result<Object, JsError> {
    let layout = Layout::from_words(words).ok_or_else(|| JsError::new("the frame's layout is not one"))?;
    let samples = match kind {
        "application/vnd.yunying.samples" => inflated(bytes, &layout)?,
        "image/jphc" => from_codestream(bytes, &layout)?,
        _ => return Err(JsError::new(&format!("no decoder for {kind}"))),
    };
    Ok(if samples.per_pixel == 1 {
        typed(&samples.data)
    } else {
        Uint8Array::from(&pixel::colour::rgb8(&samples, &layout)[..]).into()
    })
}

/// Native samples under zlib; what inflates to more than the attributes promise is refused before it takes the memory.
fn inflated(bytes: &[u8], layout: &Layout) -> Result<Samples, JsError> {
    let (_, want) = layout.bytes()?;
    let raw = miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(bytes, want + 1)
        .map_err(|error| JsError::new(&format!("the frame does not inflate: {error}")))?;
    Ok(Samples::unpack(&raw, layout)?)
}

/// Our own lossless codestream: one that is not of the shape the attributes promise is refused.
fn from_codestream(bytes: &[u8], layout: &Layout) -> Result<Samples, JsError> {
    let decoded = pixel::codestream::decode(bytes)?;
    let is_as_promised =
        (decoded.columns, decoded.rows, decoded.components) == (layout.columns, layout.rows, layout.per_pixel);
    if !is_as_promised {
        let found = format!("{} × {} × {}", decoded.columns, decoded.rows, decoded.components);
        return Err(JsError::new(&format!("the frame is {found}, its attributes say otherwise")));
    }
    let bits = u16::from(decoded.bits);
    let coded = Layout {
        bits_allocated: if bits <= 8 { 8 } else { 16 },
        bits_stored: bits,
        high_bit: bits.saturating_sub(1),
        signed: decoded.signed,
        half_chroma: false,
        ..*layout
    };
    Ok(Samples::unpack(&decoded.data, &coded)?)
}

fn typed(data: &Data) -> Object {
    match data {
        Data::U8(v) => Uint8Array::from(&v[..]).into(),
        Data::U16(v) => Uint16Array::from(&v[..]).into(),
        Data::I16(v) => Int16Array::from(&v[..]).into(),
        Data::U32(v) => Uint32Array::from(&v[..]).into(),
        Data::I32(v) => Int32Array::from(&v[..]).into(),
    }
}
