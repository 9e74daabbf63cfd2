//! The delivery codestream: lossless HTJ2K (ISO/IEC 15444-15), resolution by resolution, so that a prefix is an image.
//!
//! Owns the settings that are safe with the codec underneath: one tile, no colour transform (it would be flagged but not
//! applied), at most 16 bits, one precinct a resolution. [`encode`] checks what it made by decoding it and refuses to
//! hand out anything that differs; the caller then delivers another form. Decoding accepts what [`encode`] makes, whole
//! or cut at one of its offsets.

mod packets;

use openjph_core::codestream::Codestream as Codec;
use openjph_core::file::{MemInfile, MemOutfile};
use openjph_core::types::{Point, Size};

/// Log2 of the code block's side.
const BLOCK: u32 = 6;
/// Halvings at most: 512² becomes 16².
const LEVELS: u32 = 5;
/// Largest side: one precinct a resolution spans 2^15 (ISO/IEC 15444-1 table A.21).
const SIDE: u32 = 32_768;
/// Most samples in a frame, all components together.
const SAMPLES: u64 = 1 << 28;

/// Native samples of one frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Samples {
    pub columns: u32,
    pub rows: u32,
    /// 1 or 3.
    pub components: u16,
    /// 1 to 16. One byte a sample up to 8, else two.
    pub bits: u8,
    pub signed: bool,
    /// Little endian, pixel-interleaved.
    pub data: Vec<u8>,
}

/// A finished codestream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codestream {
    pub bytes: Vec<u8>,
    /// Bytes needed for each resolution, the smallest first; the last is the whole. Each step doubles the sides.
    pub resolution_offsets: Vec<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodestreamError {
    #[error("samples of this shape have no delivery codestream")]
    Shape,
    #[error("not a delivery codestream")]
    NotOurs,
    #[error("the codec refused: {0}")]
    Codec(String),
    #[error("what was encoded did not decode to the same samples")]
    NotExact,
}

impl From<openjph_core::OjphError> for CodestreamError {
    fn from(error: openjph_core::OjphError) -> Self {
        Self::Codec(error.to_string())
    }
}

impl Samples {
    pub fn bytes_per_sample(&self) -> usize {
        if self.bits <= 8 { 1 } else { 2 }
    }

    /// The shape is one that can be coded and `data` has its size.
    fn is_sound(&self) -> bool {
        let size = u64::from(self.columns) * u64::from(self.rows) * u64::from(self.components);
        (1..=SIDE).contains(&self.columns)
            && (1..=SIDE).contains(&self.rows)
            && matches!(self.components, 1 | 3)
            && (1..=16).contains(&self.bits)
            && size <= SAMPLES
            && self.data.len() as u64 == size * self.bytes_per_sample() as u64
    }

    fn value(&self, index: usize) -> i32 {
        match (self.bytes_per_sample(), self.signed) {
            (1, false) => i32::from(self.data[index]),
            (1, true) => i32::from(self.data[index] as i8),
            (_, signed) => {
                let pair = [self.data[2 * index], self.data[2 * index + 1]];
                if signed { i32::from(i16::from_le_bytes(pair)) } else { i32::from(u16::from_le_bytes(pair)) }
            }
        }
    }
}

/// Encodes losslessly, smallest resolution first, and proves it by decoding.
pub fn encode(samples: &Samples) -> Result<Codestream, CodestreamError> {
    if !samples.is_sound() {
        return Err(CodestreamError::Shape);
    }
    let levels = LEVELS.min(samples.columns.min(samples.rows).ilog2().saturating_sub(3));
    let mut codec = Codec::new();
    let siz = codec.access_siz_mut();
    siz.set_image_extent(Point::new(samples.columns, samples.rows));
    siz.set_tile_size(Size::new(samples.columns, samples.rows));
    siz.set_num_components(u32::from(samples.components));
    for component in 0..u32::from(samples.components) {
        siz.set_comp_info(component, Point::new(1, 1), u32::from(samples.bits), samples.signed);
    }
    let cod = codec.access_cod_mut();
    cod.set_num_decomposition(levels);
    cod.set_block_dims(1 << BLOCK, 1 << BLOCK);
    cod.set_reversible(true);
    cod.set_color_transform(false);
    cod.set_progression_order("RPCL")?;
    codec.set_planar(0);
    let mut out = MemOutfile::new();
    codec.write_headers(&mut out, &[])?;
    let (width, components) = (samples.columns as usize, usize::from(samples.components));
    let mut line = vec![0i32; width];
    for row in 0..samples.rows as usize {
        for component in 0..components {
            for (x, value) in line.iter_mut().enumerate() {
                *value = samples.value((row * width + x) * components + component);
            }
            codec.exchange(&line, component as u32)?;
        }
    }
    codec.flush(&mut out)?;
    let (bytes, resolution_offsets) = packets::mend(out.get_data().to_vec()).ok_or(CodestreamError::NotOurs)?;
    if decode(&bytes)? != *samples {
        return Err(CodestreamError::NotExact);
    }
    Ok(Codestream { bytes, resolution_offsets })
}

/// A codestream of [`encode`] with its tile's length told at its front (ISO/IEC 15444-1 A.7.1), as DICOM's HTJ2K RPCL
/// transfer syntax wants it; `None` where its smallest resolution is larger than the 64 that are allowed there.
pub fn with_tile_length(bytes: &[u8]) -> Option<Vec<u8>> {
    let head = packets::Head::read(bytes)?;
    if head.columns.min(head.rows).div_ceil(1 << head.levels) > 64 {
        return None;
    }
    let tile = head.tile();
    // TLM: index 0, no tile numbers since there is one tile, a length of four bytes.
    let marker = [0xFF, 0x55, 0, 8, 0, 0x40];
    let length = u32::try_from(head.tile_length()).ok()?.to_be_bytes();
    Some([bytes.get(..tile)?, &marker, &length, bytes.get(tile..)?].concat())
}

/// Decodes a codestream made by [`encode`], or a prefix of it: detail that is missing is left smooth.
pub fn decode(bytes: &[u8]) -> Result<Samples, CodestreamError> {
    let head = packets::Head::read(bytes).ok_or(CodestreamError::NotOurs)?;
    let mut source = MemInfile::new(bytes);
    let mut codec = Codec::new();
    codec.read_headers(&mut source)?;
    codec.create(&mut source)?;
    let mut samples = Samples {
        columns: head.columns,
        rows: head.rows,
        components: head.components,
        bits: head.bits,
        signed: head.signed,
        data: Vec::new(),
    };
    let (width, components, size) = (head.columns as usize, usize::from(head.components), samples.bytes_per_sample());
    samples.data = vec![0; width * head.rows as usize * components * size];
    let (low, high) = range(head.bits, head.signed);
    for row in samples.data.chunks_exact_mut(width * components * size) {
        for component in 0..components {
            let line =
                codec.pull(component as u32).filter(|line| line.len() == width).ok_or(CodestreamError::NotOurs)?;
            let places = row.chunks_exact_mut(size).skip(component).step_by(components);
            for (place, value) in places.zip(line) {
                let value = value.clamp(low, high).to_le_bytes();
                place.copy_from_slice(&value[..size]);
            }
        }
    }
    Ok(samples)
}

/// Smallest and largest value of a sample.
fn range(bits: u8, signed: bool) -> (i32, i32) {
    if signed { (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) } else { (0, (1 << bits) - 1) }
}

#[cfg(test)]
mod tests;
