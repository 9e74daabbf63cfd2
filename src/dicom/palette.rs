//! Look-up tables: Modality and VOI LUTs, and palette colour tables, plain or segmented.

use wire::{Lut, Palette};

use super::{Dataset, Tag, VR, tags};

/// A LUT Descriptor (PS3.3 C.11.1.1.1): entries, first stored value mapped, bits of an entry.
struct Descriptor {
    entries: usize,
    first: i32,
    bits: u16,
}

impl Descriptor {
    /// The first value is signed where the pixels are; the others never are, whatever the element's representation.
    fn read(set: &Dataset, tag: Tag, signed: bool) -> Option<Descriptor> {
        let [entries, first, bits] = *set.bytes(tag)?.as_chunks::<2>().0.first_chunk::<3>()?;
        let entries = match u16::from_le_bytes(entries) {
            0 => 65_536,
            n => usize::from(n),
        };
        let as_signed = signed || set.get(tag).is_some_and(|e| e.vr == VR::SS);
        let first = if as_signed { i32::from(i16::from_le_bytes(first)) } else { i32::from(u16::from_le_bytes(first)) };
        Some(Descriptor { entries, first, bits: u16::from_le_bytes(bits) })
    }

    /// Entries come as words, or as bytes where that is what the length says.
    fn entries_of(&self, bytes: &[u8]) -> Vec<u16> {
        if bytes.len() < self.entries * 2 && self.bits <= 8 {
            return bytes.iter().take(self.entries).map(|&b| u16::from(b)).collect();
        }
        words(bytes).take(self.entries).collect()
    }
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u16> + '_ {
    bytes.as_chunks::<2>().0.iter().map(|b| u16::from_le_bytes(*b))
}

/// An item of a Modality or VOI LUT Sequence.
pub(super) fn lut(item: &Dataset, signed: bool) -> Option<Lut> {
    let descriptor = Descriptor::read(item, tags::LUT_DESCRIPTOR, signed)?;
    let data = descriptor.entries_of(item.bytes(tags::LUT_DATA)?);
    let explanation = item.text(tags::LUT_EXPLANATION).unwrap_or_default();
    let bits = descriptor.bits.clamp(1, 16);
    (!data.is_empty()).then_some(Lut { first: descriptor.first, bits, data, explanation })
}

/// The palette of a PALETTE COLOR image (PS3.3 C.7.6.3.1.5, C.7.9), scaled to 16 bits.
pub(super) fn palette(set: &Dataset, signed: bool) -> Option<Palette> {
    let channel = |descriptor, plain, segmented| {
        let descriptor = Descriptor::read(set, descriptor, signed)?;
        let values = match set.bytes(plain).filter(|bytes| !bytes.is_empty()) {
            Some(bytes) => descriptor.entries_of(bytes),
            None => expand(&descriptor, set.bytes(segmented)?),
        };
        // Eight-bit entries in words are common, and so are descriptors that say 16 over eight-bit values in bytes.
        let narrow = descriptor.bits <= 8 && values.iter().all(|&v| v <= 255);
        let scaled = if narrow { values.into_iter().map(|v| v * 257).collect() } else { values };
        (!scaled.is_empty()).then_some((descriptor.first, scaled))
    };
    let (first, red) = channel(
        tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
        tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DATA,
        tags::SEGMENTED_RED_PALETTE_COLOR_LOOKUP_TABLE_DATA,
    )?;
    let (_, green) = channel(
        tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
        tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DATA,
        tags::SEGMENTED_GREEN_PALETTE_COLOR_LOOKUP_TABLE_DATA,
    )?;
    let (_, blue) = channel(
        tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
        tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DATA,
        tags::SEGMENTED_BLUE_PALETTE_COLOR_LOOKUP_TABLE_DATA,
    )?;
    Some(Palette { first, red, green, blue })
}

/// A segmented table (PS3.3 C.7.9.2): discrete, linear and indirect segments. Stops at the descriptor's length.
fn expand(descriptor: &Descriptor, bytes: &[u8]) -> Vec<u16> {
    let data: Vec<u16> =
        if descriptor.bits <= 8 { bytes.iter().map(|&b| u16::from(b)).collect() } else { words(bytes).collect() };
    let mut out = Vec::new();
    // In tables of bytes an offset takes four entries; none such was seen, so they may not jump.
    segments(&data, 0, usize::MAX, descriptor.entries, descriptor.bits > 8, &mut out);
    out
}

/// Expands up to `count` segments from `at`; an indirect segment may not name another one.
fn segments(data: &[u16], mut at: usize, count: usize, entries: usize, indirect: bool, out: &mut Vec<u16>) {
    for _ in 0..count {
        let Some(&[kind, length]) = data.get(at..).and_then(|rest| rest.first_chunk()) else { return };
        let length = usize::from(length);
        at += 2;
        match kind {
            0 => {
                let Some(values) = data.get(at..at + length) else { return };
                out.extend_from_slice(values);
                at += length;
            }
            1 => {
                let (Some(&end), Some(&start)) = (data.get(at), out.last()) else { return };
                let (start, step) = (f64::from(start), (f64::from(end) - f64::from(start)) / length.max(1) as f64);
                out.extend((1..=length).map(|i| (start + step * i as f64).round() as u16));
                at += 1;
            }
            2 if indirect => {
                let Some(&[low, high]) = data.get(at..).and_then(|rest| rest.first_chunk()) else { return };
                // The offset counts bytes from the table's start.
                let offset = usize::from(low) | usize::from(high) << 16;
                segments(data, offset / 2, length, entries, false, out);
                at += 2;
            }
            _ => return,
        }
        if out.len() >= entries {
            out.truncate(entries);
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_expand_and_stop_at_the_descriptor() {
        let descriptor = Descriptor { entries: 7, first: 0, bits: 16 };
        let data: Vec<u8> = [0u16, 2, 10, 20, 1, 4, 60, 0, 9, 1, 2, 3].iter().flat_map(|w| w.to_le_bytes()).collect();
        assert_eq!(expand(&descriptor, &data), [10, 20, 30, 40, 50, 60]);
        let indirect: Vec<u8> = [0u16, 2, 10, 20, 2, 1, 0, 0].iter().flat_map(|w| w.to_le_bytes()).collect();
        assert_eq!(expand(&descriptor, &indirect), [10, 20, 10, 20]);
        let itself: Vec<u8> = [2u16, 65535, 0, 0].iter().flat_map(|w| w.to_le_bytes()).collect();
        assert_eq!(expand(&descriptor, &itself), [0u16; 0]);
    }
}
