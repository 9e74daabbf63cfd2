//! Colour: palette, RGB and YBR to 8-bit RGB (PS3.3 C.7.6.3.1.2, C.7.6.3.1.5).

use wire::{ImageAttrs, Palette, Photometric};

use crate::samples::{Data, Layout, Samples};

/// How an image's samples are to be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One sample through modality, VOI and inversion.
    Grey,
    /// One sample through the palette.
    Palette,
    /// Three samples, red green blue or luminance and two chrominances.
    Colour,
}

/// Grey unless the attributes really hold what colour needs.
pub fn kind(attrs: &ImageAttrs) -> Kind {
    match attrs.photometric {
        _ if attrs.samples_per_pixel >= 3 => Kind::Colour,
        Photometric::Palette if attrs.palette.as_ref().is_some_and(|p| !p.red.is_empty()) => Kind::Palette,
        _ => Kind::Grey,
    }
}

/// PS3.3 C.7.6.3.1.2, full-range ITU-R BT.601, as JPEG has it.
pub fn ybr_to_rgb([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    let (y, cb, cr) = (f64::from(y), f64::from(cb) - 128.0, f64::from(cr) - 128.0);
    let level = |v: f64| (v + 0.5).clamp(0.0, 255.0) as u8;
    [level(y + 1.402 * cr), level(y - 0.344_136 * cb - 0.714_136 * cr), level(y + 1.772 * cb)]
}

/// A stored value through the palette; below the first and past the last entry these stand (PS3.3 C.7.6.3.1.5).
pub fn through_palette(palette: &Palette, stored: i64) -> [u8; 3] {
    let entry = |channel: &[u16]| {
        let Some(last) = channel.len().checked_sub(1) else { return 0 };
        let at = (stored - i64::from(palette.first)).clamp(0, last as i64);
        (channel[at as usize] >> 8) as u8
    };
    [entry(&palette.red), entry(&palette.green), entry(&palette.blue)]
}

/// Red, green, blue, one byte each, of a three-sample frame; deeper samples keep their upper eight bits.
pub fn rgb8(samples: &Samples, layout: &Layout) -> Vec<u8> {
    let per = usize::from(samples.per_pixel.max(1));
    let shift = u32::from(layout.bits_stored.clamp(8, 16)) - 8;
    let bytes: std::borrow::Cow<[u8]> = match &samples.data {
        Data::U8(v) => v.into(),
        Data::U16(v) => v.iter().map(|&x| (x >> shift) as u8).collect::<Vec<_>>().into(),
        _ => {
            (0..samples.len()).filter_map(|i| samples.get(i)).map(|x| x.clamp(0, 255) as u8).collect::<Vec<_>>().into()
        }
    };
    if per == 3 && !layout.ybr {
        return bytes.into_owned();
    }
    bytes
        .chunks_exact(per)
        .flat_map(|px| {
            let three = [px[0], px[per.min(2) - 1], px[per.min(3) - 1]];
            if layout.ybr { ybr_to_rgb(three) } else { three }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests_support::attrs;

    #[test]
    fn primaries_survive_ybr() {
        // PS3.3 C.7.6.3.1.2: pure red is Y 76, Cb 85, Cr 255.
        assert_eq!(ybr_to_rgb([76, 85, 255]), [254, 0, 0]);
        assert_eq!(ybr_to_rgb([150, 44, 21]), [0, 255, 1]);
        assert_eq!(ybr_to_rgb([29, 255, 107]), [0, 0, 254]);
        assert_eq!(ybr_to_rgb([128, 128, 128]), [128, 128, 128]);
    }

    #[test]
    fn a_palette_clamps_outside_its_entries() {
        let p = Palette { first: 10, red: vec![0, 0xFFFF], green: vec![0x1234, 0], blue: vec![0, 0x8000] };
        assert_eq!(through_palette(&p, 3), [0, 0x12, 0]);
        assert_eq!(through_palette(&p, 11), [255, 0, 0x80]);
        assert_eq!(through_palette(&p, 4000), [255, 0, 0x80]);
    }

    #[test]
    fn sixteen_bit_rgb_keeps_its_upper_byte() {
        let mut a = attrs(1, 1, 16);
        (a.samples_per_pixel, a.photometric) = (3, Photometric::Rgb);
        let s = Samples { columns: 1, rows: 1, per_pixel: 3, data: Data::U16(vec![0xFFFF, 0x8000, 0x00FF]) };
        assert_eq!(rgb8(&s, &Layout::of(&a)), [255, 128, 0]);
    }

    #[test]
    fn a_palette_photometric_without_a_palette_is_grey() {
        let mut a = attrs(1, 1, 8);
        a.photometric = Photometric::Palette;
        assert_eq!(kind(&a), Kind::Grey);
    }
}
