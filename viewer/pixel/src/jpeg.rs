//! Which colours a JPEG Baseline frame holds, said so that every decoder hears it.
//!
//! Devices label RGB frames YBR and the reverse, and browsers guess from markers and component ids: without help some clips
//! come out green. The decision is made here once, and written into the stream as an Adobe marker (T.872 6.5.3), which
//! libjpeg and all browsers obey before anything else. The stored bytes are never touched, only this copy.

use wire::Photometric;

/// What the three components are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Components {
    Grey,
    Ybr,
    Rgb,
}

const SOI: u8 = 0xD8;
const SOS: u8 = 0xDA;
const APP0: u8 = 0xE0;
/// Exif: an orientation in it would turn the image behind everybody's back.
const APP1: u8 = 0xE1;
const APP14: u8 = 0xEE;

/// What the stream's own markers say, else what the device's Photometric Interpretation says.
///
/// Order: Adobe marker, JFIF (always YCbCr), component ids spelling `RGB`, then the attribute.
pub fn components(stream: &[u8], photometric: Photometric) -> Option<Components> {
    let mut jfif = false;
    let mut adobe = None;
    for segment in segments(stream) {
        match (segment.marker, segment.body) {
            (APP0, body) if body.starts_with(b"JFIF\0") => jfif = true,
            (APP14, body) if body.starts_with(b"Adobe") => adobe = body.get(11).copied(),
            (0xC0..=0xC2, body) => {
                let ids = match (body.get(5)?, body.get(6..)?) {
                    (1, _) => return Some(Components::Grey),
                    (3, rest) => [*rest.first()?, *rest.get(3)?, *rest.get(6)?],
                    _ => return None,
                };
                return Some(match (adobe, jfif, photometric) {
                    (Some(0), ..) => Components::Rgb,
                    (Some(_), ..) | (None, true, _) => Components::Ybr,
                    _ if ids == *b"RGB" => Components::Rgb,
                    (None, false, Photometric::Rgb) => Components::Rgb,
                    _ => Components::Ybr,
                });
            }
            _ => {}
        }
    }
    None
}

/// The stream with exactly one Adobe marker saying what [`components`] found; as it was where there is nothing to say.
pub fn with_colour_said(stream: &[u8], photometric: Photometric) -> Vec<u8> {
    let transform = match components(stream, photometric) {
        Some(Components::Rgb) => 0,
        Some(Components::Ybr) => 1,
        Some(Components::Grey) | None => return stream.to_vec(),
    };
    let mut out = Vec::with_capacity(stream.len() + 16);
    out.extend([0xFF, SOI, 0xFF, APP14, 0, 14]);
    out.extend(b"Adobe");
    out.extend([0, 100, 0, 0, 0, 0, transform]);
    let mut kept = 2;
    for segment in segments(stream) {
        if matches!(segment.marker, APP0 | APP1 | APP14) {
            out.extend(&stream[kept..segment.start]);
            kept = segment.end;
        }
    }
    out.extend(&stream[kept..]);
    out
}

struct Segment<'a> {
    marker: u8,
    /// Offset of its 0xFF.
    start: usize,
    end: usize,
    body: &'a [u8],
}

/// Marker segments up to the start of scan; ends early where the stream is broken.
fn segments(stream: &[u8]) -> impl Iterator<Item = Segment<'_>> {
    let mut at = if stream.starts_with(&[0xFF, SOI]) { 2 } else { stream.len() };
    std::iter::from_fn(move || {
        let start = at;
        while stream.get(at + 1) == Some(&0xFF) {
            at += 1;
        }
        let [0xFF, marker, high, low] = *stream.get(at..at + 4)? else { return None };
        if marker == SOS {
            return None;
        }
        let length = usize::from(u16::from_be_bytes([high, low]));
        let end = at + 2 + length;
        let body = stream.get(at + 4..end)?;
        at = end;
        Some(Segment { marker, start, end, body })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SOI, the given segments, a three-component SOF0 with these ids, SOS.
    fn stream(head: &[&[u8]], ids: [u8; 3]) -> Vec<u8> {
        let mut out = vec![0xFF, SOI];
        head.iter().for_each(|s| out.extend(*s));
        out.extend([0xFF, 0xC0, 0, 17, 8, 0, 1, 0, 1, 3]);
        ids.iter().for_each(|&id| out.extend([id, 0x11, 0]));
        out.extend([0xFF, SOS, 0, 2, 1, 2, 3, 0xFF, 0xD9]);
        out
    }

    const JFIF: &[u8] = b"\xFF\xE0\x00\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0";
    const ADOBE_RGB: &[u8] = b"\xFF\xEE\x00\x0EAdobe\0\x64\0\0\0\0\0";
    const ADOBE_YBR: &[u8] = b"\xFF\xEE\x00\x0EAdobe\0\x64\0\0\0\0\x01";

    #[test]
    fn the_stream_is_believed_before_the_attribute() {
        use Photometric::{Rgb, YbrFull422};
        let says = |head: &[&[u8]], ids, p| components(&stream(head, ids), p);
        assert_eq!(says(&[JFIF], [1, 2, 3], Rgb), Some(Components::Ybr), "JFIF is always YCbCr");
        assert_eq!(says(&[ADOBE_RGB], [1, 2, 3], YbrFull422), Some(Components::Rgb));
        assert_eq!(says(&[ADOBE_YBR], *b"RGB", Rgb), Some(Components::Ybr));
        assert_eq!(says(&[], *b"RGB", YbrFull422), Some(Components::Rgb));
        assert_eq!(says(&[], [1, 2, 3], Rgb), Some(Components::Rgb));
        assert_eq!(says(&[], [1, 2, 3], YbrFull422), Some(Components::Ybr));
    }

    #[test]
    fn one_adobe_marker_replaces_every_other_claim_and_the_scan_stays() {
        let before = stream(&[JFIF, ADOBE_YBR], [1, 2, 3]);
        let after = with_colour_said(&before, Photometric::Rgb);
        assert_eq!(components(&after, Photometric::Rgb), Some(Components::Ybr));
        assert_eq!(after.windows(5).filter(|w| w == b"Adobe").count(), 1);
        assert!(!after.windows(4).any(|w| w == b"JFIF"));
        assert!(after.ends_with(&before[before.len() - 28..]));
    }

    #[test]
    fn grey_and_broken_streams_are_left_alone() {
        let mut grey = vec![0xFF, SOI, 0xFF, 0xC0, 0, 11, 8, 0, 1, 0, 1, 1, 1, 0x11, 0];
        assert_eq!(components(&grey, Photometric::Monochrome2), Some(Components::Grey));
        assert_eq!(with_colour_said(&grey, Photometric::Monochrome2), grey);
        grey.truncate(5);
        for cut in [&grey[..], b"", b"\xFF", b"\xFF\xD8\xFF\xE0\xFF\xFF", b"not a jpeg"] {
            assert_eq!(with_colour_said(cut, Photometric::Rgb), cut);
        }
    }
}
