//! Decoded samples of one frame, as stored values (PS3.5 8.1.1).

use wire::{ImageAttrs, Photometric};

/// More pixels than this in one frame is not an image anybody reads on a screen.
pub const MAX_PIXELS: u64 = 1 << 28;

/// Stored values, already reduced to their Bits Stored and sign-extended; colour is pixel-interleaved.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    U8(Vec<u8>),
    U16(Vec<u16>),
    I16(Vec<i16>),
    U32(Vec<u32>),
    I32(Vec<i32>),
}

/// One frame: `rows * columns * per_pixel` stored values, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    pub columns: u32,
    pub rows: u32,
    pub per_pixel: u16,
    pub data: Data,
}

/// How the samples of a frame lie in memory, and what the three of a colour pixel are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    pub columns: u32,
    pub rows: u32,
    pub per_pixel: u16,
    pub bits_allocated: u16,
    pub bits_stored: u16,
    pub high_bit: u16,
    pub signed: bool,
    /// Luminance and two chrominances instead of red, green, blue.
    pub ybr: bool,
    /// Native YBR_FULL_422: half the chrominance, if the length says so too.
    pub half_chroma: bool,
}

impl Layout {
    pub fn of(attrs: &ImageAttrs) -> Self {
        Self {
            columns: attrs.columns,
            rows: attrs.rows,
            per_pixel: attrs.samples_per_pixel,
            bits_allocated: attrs.bits_allocated,
            bits_stored: attrs.bits_stored,
            high_bit: attrs.high_bit,
            signed: attrs.signed,
            ybr: matches!(attrs.photometric, Photometric::YbrFull | Photometric::YbrFull422),
            half_chroma: attrs.photometric == Photometric::YbrFull422,
        }
    }

    /// As it travels to the decode worker.
    pub fn to_words(self) -> [u32; 9] {
        let Self { columns, rows, per_pixel, bits_allocated, bits_stored, high_bit, signed, ybr, half_chroma } = self;
        let small = [per_pixel, bits_allocated, bits_stored, high_bit].map(u32::from);
        let flags = [signed, ybr, half_chroma].map(u32::from);
        [columns, rows, small[0], small[1], small[2], small[3], flags[0], flags[1], flags[2]]
    }

    /// The reverse of [`Layout::to_words`]; `None` where these are not such words.
    pub fn from_words(words: &[u32]) -> Option<Self> {
        let &[columns, rows, per_pixel, bits_allocated, bits_stored, high_bit, signed, ybr, half_chroma] = words else {
            return None;
        };
        let small = |v: u32| u16::try_from(v).ok();
        Some(Self {
            columns,
            rows,
            per_pixel: small(per_pixel)?,
            bits_allocated: small(bits_allocated)?,
            bits_stored: small(bits_stored)?,
            high_bit: small(high_bit)?,
            signed: signed != 0,
            ybr: ybr != 0,
            half_chroma: half_chroma != 0,
        })
    }

    /// Bytes one sample takes, and the frame: refused where the figures describe nothing that can be shown.
    pub fn bytes(&self) -> Result<(usize, usize), SamplesError> {
        let Self { columns, rows, per_pixel, bits_allocated, .. } = *self;
        let pixels = u64::from(columns) * u64::from(rows);
        if pixels == 0 || pixels > MAX_PIXELS {
            return Err(SamplesError::Size { columns, rows });
        }
        let width = match (per_pixel, bits_allocated) {
            (1 | 3 | 4, 1..=8) => 1,
            (1 | 3 | 4, 9..=16) => 2,
            (1, 17..=32) => 4,
            _ => return Err(SamplesError::Layout { per_pixel, bits_allocated }),
        };
        Ok((width, pixels as usize * usize::from(per_pixel) * width))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SamplesError {
    #[error("a frame of {columns} × {rows} pixels is outside what can be shown")]
    Size { columns: u32, rows: u32 },
    #[error("{per_pixel} samples a pixel of {bits_allocated} bits are not supported")]
    Layout { per_pixel: u16, bits_allocated: u16 },
    #[error("the frame has {have} bytes, its attributes ask for {want}")]
    Length { have: usize, want: usize },
}

impl Samples {
    /// Reads native samples: little endian, pixel-interleaved, Bits Allocated wide (1 bit travels as one byte).
    ///
    /// Bits outside Bits Stored (old overlays) are dropped and the sign extended, so that values can be used as they are.
    pub fn unpack(bytes: &[u8], layout: &Layout) -> Result<Self, SamplesError> {
        let (width, want) = layout.bytes()?;
        let Layout { columns, rows, per_pixel, .. } = *layout;
        if layout.half_chroma && width == 1 && bytes.len() * 3 == want * 2 {
            return Ok(Self { columns, rows, per_pixel, data: Data::U8(spread_422(bytes)) });
        }
        // Frames of odd length are padded to even with one byte.
        if bytes.len() < want || bytes.len() > want + 1 {
            return Err(SamplesError::Length { have: bytes.len(), want });
        }
        let cut = Cut::of(layout, width as u32 * 8);
        let (bytes, signed) = (&bytes[..want], layout.signed);
        let data = match (width, signed) {
            (1, false) => Data::U8(bytes.iter().map(|&b| cut.unsigned(u32::from(b)) as u8).collect()),
            (1, true) => Data::I16(bytes.iter().map(|&b| cut.signed(u32::from(b)) as i16).collect()),
            (2, false) => Data::U16(words16(bytes).map(|v| cut.unsigned(v) as u16).collect()),
            (2, true) => Data::I16(words16(bytes).map(|v| cut.signed(v) as i16).collect()),
            (_, false) => Data::U32(words32(bytes).map(|v| cut.unsigned(v)).collect()),
            (_, true) => Data::I32(words32(bytes).map(|v| cut.signed(v)).collect()),
        };
        Ok(Self { columns, rows, per_pixel, data })
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        match &self.data {
            Data::U8(v) => v.len(),
            Data::U16(v) => v.len(),
            Data::I16(v) => v.len(),
            Data::U32(v) => v.len(),
            Data::I32(v) => v.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value at an index; `None` past the end.
    pub fn get(&self, index: usize) -> Option<i64> {
        match &self.data {
            Data::U8(v) => v.get(index).map(|&x| i64::from(x)),
            Data::U16(v) => v.get(index).map(|&x| i64::from(x)),
            Data::I16(v) => v.get(index).map(|&x| i64::from(x)),
            Data::U32(v) => v.get(index).map(|&x| i64::from(x)),
            Data::I32(v) => v.get(index).map(|&x| i64::from(x)),
        }
    }

    /// Every `step`-th pixel in each direction: for thumbnails, where a histogram matters more than a line.
    pub fn thinned(&self, step: u32) -> Self {
        let step = step.max(1);
        let (columns, rows) = (self.columns.div_ceil(step), self.rows.div_ceil(step));
        let per = usize::from(self.per_pixel);
        let wide = self.columns as usize;
        let indices = (0..rows as usize).flat_map(|y| {
            let row = y * step as usize * wide;
            (0..columns as usize).flat_map(move |x| {
                let first = (row + x * step as usize) * per;
                first..first + per
            })
        });
        let data = match &self.data {
            Data::U8(v) => Data::U8(indices.map(|i| v[i]).collect()),
            Data::U16(v) => Data::U16(indices.map(|i| v[i]).collect()),
            Data::I16(v) => Data::I16(indices.map(|i| v[i]).collect()),
            Data::U32(v) => Data::U32(indices.map(|i| v[i]).collect()),
            Data::I32(v) => Data::I32(indices.map(|i| v[i]).collect()),
        };
        Self { columns, rows, per_pixel: self.per_pixel, data }
    }
}

/// Where Bits Stored lie inside the allocated cell.
struct Cut {
    shift: u32,
    bits: u32,
}

impl Cut {
    fn of(layout: &Layout, cell: u32) -> Self {
        let bits = u32::from(layout.bits_stored).clamp(1, cell);
        let high = u32::from(layout.high_bit).clamp(bits - 1, cell - 1);
        Self { shift: high + 1 - bits, bits }
    }

    fn unsigned(&self, raw: u32) -> u32 {
        (raw >> self.shift) & (u32::MAX >> (32 - self.bits))
    }

    fn signed(&self, raw: u32) -> i32 {
        ((raw >> self.shift) << (32 - self.bits)) as i32 >> (32 - self.bits)
    }
}

fn words16(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.chunks_exact(2).map(|b| u32::from(u16::from_le_bytes([b[0], b[1]])))
}

fn words32(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
}

/// Native YBR_FULL_422 travels as Y1 Y2 Cb Cr (PS3.3 C.7.6.3.1.2); one Y Cb Cr a pixel comes out.
fn spread_422(bytes: &[u8]) -> Vec<u8> {
    bytes.chunks_exact(4).flat_map(|q| [q[0], q[2], q[3], q[1], q[2], q[3]]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests_support::attrs;

    #[test]
    fn twelve_bit_signed_values_lose_overlay_bits_and_keep_their_sign() {
        let mut a = attrs(2, 1, 16);
        (a.bits_stored, a.high_bit, a.signed) = (12, 11, true);
        // -1 and 5 in 12 bits, each with overlay rubbish in the top nibble.
        let frame = [0xFF, 0x6F, 0x05, 0x90];
        assert_eq!(Samples::unpack(&frame, &Layout::of(&a)).unwrap().data, Data::I16(vec![-1, 5]));
    }

    #[test]
    fn a_high_bit_above_bits_stored_is_shifted_down() {
        let mut a = attrs(1, 1, 16);
        (a.bits_stored, a.high_bit) = (12, 15);
        assert_eq!(Samples::unpack(&[0xF0, 0xAB], &Layout::of(&a)).unwrap().data, Data::U16(vec![0xABF]));
    }

    #[test]
    fn a_frame_too_short_is_refused_with_both_lengths() {
        let a = attrs(4, 4, 16);
        assert_eq!(Samples::unpack(&[0; 31], &Layout::of(&a)), Err(SamplesError::Length { have: 31, want: 32 }));
        assert!(matches!(Samples::unpack(&[], &Layout::of(&attrs(0, 4, 16))), Err(SamplesError::Size { .. })));
    }

    #[test]
    fn packed_422_is_spread_over_both_pixels() {
        let mut a = attrs(2, 1, 8);
        (a.samples_per_pixel, a.photometric) = (3, Photometric::YbrFull422);
        let s = Samples::unpack(&[10, 20, 128, 130], &Layout::of(&a)).unwrap();
        assert_eq!(s.data, Data::U8(vec![10, 128, 130, 20, 128, 130]));
    }

    #[test]
    fn a_layout_survives_the_way_to_the_worker() {
        let mut a = attrs(640, 480, 16);
        (a.bits_stored, a.high_bit, a.signed, a.photometric) = (12, 11, true, Photometric::YbrFull);
        let layout = Layout::of(&a);
        assert_eq!(Layout::from_words(&layout.to_words()), Some(layout));
        assert_eq!(Layout::from_words(&[1, 2, 3]), None);
    }

    #[test]
    fn thinning_keeps_whole_pixels() {
        let s = Samples { columns: 3, rows: 2, per_pixel: 1, data: Data::U8(vec![1, 2, 3, 4, 5, 6]) };
        let t = s.thinned(2);
        assert_eq!((t.columns, t.rows, t.data), (2, 1, Data::U8(vec![1, 3])));
    }
}
