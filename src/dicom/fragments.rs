//! Pixel data on a walk: where it is and how it is cut, never what it holds (PS3.5 A.4).

use dicom_core::{Tag, VR};

use super::dataset::Value;
use super::header::{Encapsulated, Encoding, Fragment, PixelData, WalkError};
use super::vr;
use super::walker::{ElementHead, ITEM, SEQUENCE_END, UNDEFINED, Walker};

pub(super) const EXTENDED_OFFSETS: Tag = Tag(0x7FE0, 0x0001);

impl Walker<'_, '_, '_> {
    /// (7FE0,0001), one 64-bit offset a frame, kept apart because it may exceed what other values are granted.
    pub(super) fn extended_offsets(&mut self, size: u64, encoding: Encoding) -> Result<(), WalkError> {
        if size / 8 > self.state.limits.fragments as u64 {
            return Err(WalkError::TooManyFragments(self.state.limits.fragments));
        }
        let mut bytes = Vec::new();
        if self.stream.read_onto(&mut bytes, size as usize)? as u64 != size {
            return Err(WalkError::Truncated { offset: self.stream.position(), tag: EXTENDED_OFFSETS });
        }
        if encoding == Encoding::ExplicitBig {
            vr::swap(&mut bytes, VR::OV);
        }
        self.state.extended_offsets = bytes.as_chunks().0.iter().map(|b| u64::from_le_bytes(*b)).collect();
        Ok(())
    }

    /// Notes where the pixels are. False: the data ended inside them, and nothing follows.
    pub(super) fn pixel_data(&mut self, head: &ElementHead) -> Result<bool, WalkError> {
        let &ElementHead { tag, vr, length, encoding, .. } = head;
        let offset = self.stream.position();
        let (encapsulated, truncated) = if length == UNDEFINED {
            let (encapsulated, whole) = self.fragments(encoding)?;
            (Some(encapsulated), !whole)
        } else {
            let moved = self.stream.skip(u64::from(length))?;
            (None, moved < u64::from(length))
        };
        let length = self.stream.position() - offset;
        self.state.pixel_data = Some(PixelData { tag, vr, offset, length, truncated, encapsulated });
        Ok(!truncated)
    }

    /// The items of encapsulated pixel data (PS3.5 A.4). False: the data ended, or ceased to be items, before the delimiter.
    fn fragments(&mut self, encoding: Encoding) -> Result<(Encapsulated, bool), WalkError> {
        let mut found = Encapsulated::default();
        let mut first = true;
        loop {
            let (_, tag, length) = match self.item_head(encoding) {
                Ok(head) => head,
                Err(WalkError::Truncated { .. }) => return Ok((found, false)),
                Err(e) => return Err(e),
            };
            if tag == SEQUENCE_END {
                return Ok((found, true));
            }
            if tag != ITEM || length == UNDEFINED {
                return Ok((found, false));
            }
            let offset = self.stream.position();
            let capacity = self.state.limits.fragments;
            if std::mem::take(&mut first) {
                if u64::from(length) / 4 > capacity as u64 {
                    return Err(WalkError::TooManyFragments(capacity));
                }
                let mut table = Vec::new();
                let read = self.stream.read_onto(&mut table, length as usize)?;
                found.basic_offsets = table.as_chunks().0.iter().map(|b| u32::from_le_bytes(*b)).collect();
                if read < length as usize {
                    return Ok((found, false));
                }
                continue;
            }
            if found.fragments.len() >= capacity {
                return Err(WalkError::TooManyFragments(capacity));
            }
            let moved = self.stream.skip(u64::from(length))?;
            found.fragments.push(Fragment { offset, length: u32::try_from(moved).unwrap_or(length) });
            if moved < u64::from(length) {
                return Ok((found, false));
            }
        }
    }

    /// Encapsulated data somewhere else, such as an icon: only its place is kept.
    pub(super) fn passed_over_fragments(&mut self, encoding: Encoding) -> Result<Value, WalkError> {
        let offset = self.stream.position();
        let (_, whole) = self.fragments(encoding)?;
        let length = self.stream.position() - offset;
        if whole {
            Ok(Value::Elsewhere { offset, length })
        } else {
            Err(WalkError::Truncated { offset: offset + length, tag: ITEM })
        }
    }
}
