//! An instance written anew with another coding: Implicit or Explicit VR Little Endian (PS3.5 A.1, A.2), or compressed (A.4).
//!
//! Only on the way out; what is stored stays as it is. Values that the walk did not keep are taken from the stored bytes
//! when the pieces are sent, so nothing here is larger than what the walk kept.

use super::dataset::{Dataset, Element, Value};
use super::header::{Encoding, Header};
use super::vr::{has_long_length, number_width};
use super::{Tag, VR, tags, uids};

/// A part of the new file, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    Bytes(Vec<u8>),
    /// Bytes of the stored file, copied as they are.
    Stored {
        offset: u64,
        length: u64,
    },
}

/// The new file around its pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewritten {
    /// Preamble, prefix and file meta (PS3.10 7.1).
    pub file_meta: Vec<u8>,
    /// The data set up to and with the head of Pixel Data.
    pub before: Vec<Piece>,
    /// What follows Pixel Data.
    pub after: Vec<Piece>,
}

/// How pixels stand in the new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewPixels {
    pub value: PixelValue,
    pub bits_allocated: u16,
    /// Photometric Interpretation, where it is not the old one any more.
    pub photometric: Option<&'static str>,
    /// Samples were decoded, so they are pixel-interleaved.
    pub decoded: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelValue {
    /// Bytes of all frames, without padding.
    Native { length: u64 },
    /// Each frame becomes one fragment; see [`fragment_head`].
    Fragments,
}

/// What stands in front of a fragment of so many bytes; an odd one is followed by a zero (PS3.5 A.4).
pub fn fragment_head(length: usize) -> Option<[u8; 8]> {
    let length = u32::try_from(length.next_multiple_of(2)).ok().filter(|&n| n != u32::MAX)?;
    let [l0, l1, l2, l3] = length.to_le_bytes();
    Some([0xFE, 0xFF, 0x00, 0xE0, l0, l1, l2, l3])
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RewriteError {
    #[error("more of the data set is out of reach than can be written anew")]
    NotWhole,
    #[error("the pixel data is too long for a file without compression")]
    TooLong,
}

/// The two encodings that every receiver can be asked to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plain {
    Explicit,
    Implicit,
}

impl Plain {
    pub fn of_transfer_syntax(uid: &str) -> Option<Self> {
        match uid {
            uids::EXPLICIT_VR_LITTLE_ENDIAN => Some(Plain::Explicit),
            uids::IMPLICIT_VR_LITTLE_ENDIAN => Some(Plain::Implicit),
            _ => None,
        }
    }

    pub fn transfer_syntax(self) -> &'static str {
        match self {
            Plain::Explicit => uids::EXPLICIT_VR_LITTLE_ENDIAN,
            Plain::Implicit => uids::IMPLICIT_VR_LITTLE_ENDIAN,
        }
    }
}

/// `header` for `transfer_syntax`, which is little endian and not deflated; `pixels`: what stands for the stored Pixel
/// Data, none where there is none.
pub fn rewrite(header: &Header, transfer_syntax: &str, pixels: Option<NewPixels>) -> Result<Rewritten, RewriteError> {
    if header.shortened || !header.damaged.is_empty() || has_unmovable(header, &header.dataset) {
        return Err(RewriteError::NotWhole);
    }
    let file_meta = file_meta(header, transfer_syntax)?;
    // Compressed ones are explicit (PS3.5 A.4).
    let form = Plain::of_transfer_syntax(transfer_syntax).unwrap_or(Plain::Explicit);
    let mut writer = Writer::new(form);
    let pixel_tag = header.pixel_data.as_ref().filter(|_| pixels.is_some()).map(|p| p.tag);
    let (before, after): (Vec<&Element>, Vec<&Element>) =
        header.dataset.elements().iter().partition(|e| pixel_tag.is_none_or(|tag| e.tag < tag));
    for element in before {
        // Offset tables speak of fragments that are no more. What belongs to file meta or commands is no part of a data
        // set (PS3.5 7.1), and would be taken for the new file's own here.
        if element.tag.1 == 0 || matches!(element.tag, Tag(0x0000..=0x0003, _) | Tag(0x7FE0, 0x0001 | 0x0002)) {
            continue;
        }
        writer.replaced(element, pixels)?;
    }
    if let (Some(tag), Some(pixels)) = (pixel_tag, pixels) {
        match pixels.value {
            PixelValue::Native { length } => {
                let length = u32::try_from(length.next_multiple_of(2)).ok().filter(|&n| n != u32::MAX);
                let vr = if pixels.bits_allocated > 8 { VR::OW } else { VR::OB };
                writer.head(tag, vr, length.ok_or(RewriteError::TooLong)?);
            }
            PixelValue::Fragments => {
                writer.head(tag, VR::OB, u32::MAX);
                // An empty Basic Offset Table: frames have one fragment each.
                writer.delimiter(0xE000, 0);
            }
        }
    }
    let before = std::mem::replace(&mut writer, Writer::new(form)).finish();
    if pixel_tag.is_some() && pixels.is_some_and(|p| p.value == PixelValue::Fragments) {
        writer.delimiter(0xE0DD, 0);
    }
    for element in after {
        writer.element(element)?;
    }
    Ok(Rewritten { file_meta, before, after: writer.finish() })
}

/// Whether a value lies in the stored file and cannot be copied from there: it is deflated, or its numbers have the
/// other byte order.
fn has_unmovable(header: &Header, set: &Dataset) -> bool {
    set.elements().iter().any(|element| match &element.value {
        Value::Bytes(_) => false,
        Value::Items(items) => items.iter().any(|item| has_unmovable(header, item)),
        Value::Elsewhere { .. } => {
            header.deflated || (header.encoding == Encoding::ExplicitBig && number_width(element.vr) > 1)
        }
    })
}

/// PS3.10 7.1: the stored file meta with another transfer syntax.
fn file_meta(header: &Header, transfer_syntax: &str) -> Result<Vec<u8>, RewriteError> {
    let mut group = Writer::new(Plain::Explicit);
    for element in header.file_meta.elements() {
        match element.tag {
            Tag(0x0002, 0x0000) => {}
            tags::TRANSFER_SYNTAX_UID => group.plain(element.tag, VR::UI, transfer_syntax.as_bytes()),
            _ => group.element(element)?,
        }
    }
    let length = u32::try_from(group.bytes.len()).map_err(|_| RewriteError::TooLong)?;
    let mut file = Writer::new(Plain::Explicit);
    file.bytes.extend_from_slice(&[0; 128]);
    file.bytes.extend_from_slice(b"DICM");
    file.plain(Tag(0x0002, 0x0000), VR::UL, &length.to_le_bytes());
    file.bytes.append(&mut group.bytes);
    Ok(file.bytes)
}

/// Elements into bytes, little endian.
pub(super) struct Writer {
    form: Plain,
    done: Vec<Piece>,
    pub(super) bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn new(form: Plain) -> Self {
        Self { form, done: Vec::new(), bytes: Vec::new() }
    }

    fn finish(mut self) -> Vec<Piece> {
        if !self.bytes.is_empty() {
            self.done.push(Piece::Bytes(self.bytes));
        }
        self.done
    }

    /// An element of the top level, changed where the pixels changed.
    fn replaced(&mut self, element: &Element, pixels: Option<NewPixels>) -> Result<(), RewriteError> {
        match (element.tag, pixels) {
            (tags::PHOTOMETRIC_INTERPRETATION, Some(NewPixels { photometric: Some(new), .. })) => {
                self.plain(element.tag, VR::CS, new.as_bytes())
            }
            (tags::PLANAR_CONFIGURATION, Some(p)) if p.decoded => self.plain(element.tag, VR::US, &[0, 0]),
            _ => return self.element(element),
        }
        Ok(())
    }

    fn element(&mut self, element: &Element) -> Result<(), RewriteError> {
        match &element.value {
            Value::Bytes(bytes) => self.plain(element.tag, element.vr, bytes),
            Value::Items(items) => {
                self.begin_sequence(element.tag);
                for item in items {
                    self.begin_item();
                    for element in item.elements().iter().filter(|e| e.tag.1 != 0) {
                        self.element(element)?;
                    }
                    self.end_item();
                }
                self.end_sequence();
            }
            Value::Elsewhere { offset, length } => {
                // A damaged sequence, or fragments: neither can be copied as a value.
                if matches!(element.vr, VR::SQ) {
                    return Err(RewriteError::NotWhole);
                }
                let padded = length.next_multiple_of(2);
                self.head(element.tag, element.vr, u32::try_from(padded).map_err(|_| RewriteError::TooLong)?);
                self.done.push(Piece::Bytes(std::mem::take(&mut self.bytes)));
                self.done.push(Piece::Stored { offset: *offset, length: *length });
                self.bytes.extend(std::iter::repeat_n(0, (padded - length) as usize));
            }
        }
        Ok(())
    }

    pub(super) fn begin_sequence(&mut self, tag: Tag) {
        self.head(tag, VR::SQ, u32::MAX);
    }

    pub(super) fn begin_item(&mut self) {
        self.delimiter(0xE000, u32::MAX);
    }

    pub(super) fn end_item(&mut self) {
        self.delimiter(0xE00D, 0);
    }

    pub(super) fn end_sequence(&mut self) {
        self.delimiter(0xE0DD, 0);
    }

    pub(super) fn plain(&mut self, tag: Tag, vr: VR, bytes: &[u8]) {
        self.head(tag, vr, bytes.len().next_multiple_of(2) as u32);
        self.bytes.extend_from_slice(bytes);
        if bytes.len() % 2 == 1 {
            // PS3.5 6.2
            self.bytes.push(if matches!(vr, VR::UI | VR::OB | VR::UN) { 0 } else { b' ' });
        }
    }

    fn head(&mut self, tag: Tag, vr: VR, length: u32) {
        self.bytes.extend_from_slice(&tag.0.to_le_bytes());
        self.bytes.extend_from_slice(&tag.1.to_le_bytes());
        if self.form == Plain::Implicit {
            self.bytes.extend_from_slice(&length.to_le_bytes());
            return;
        }
        match u16::try_from(length).ok().filter(|_| !has_long_length(vr)) {
            Some(length) => {
                self.bytes.extend_from_slice(&vr.to_bytes());
                self.bytes.extend_from_slice(&length.to_le_bytes());
            }
            None => {
                // A value too long for its own representation goes as UN (PS3.5 6.2.2).
                let vr = if has_long_length(vr) { vr } else { VR::UN };
                self.bytes.extend_from_slice(&vr.to_bytes());
                self.bytes.extend_from_slice(&[0, 0]);
                self.bytes.extend_from_slice(&length.to_le_bytes());
            }
        }
    }

    fn delimiter(&mut self, element: u16, length: u32) {
        self.bytes.extend_from_slice(&0xFFFEu16.to_le_bytes());
        self.bytes.extend_from_slice(&element.to_le_bytes());
        self.bytes.extend_from_slice(&length.to_le_bytes());
    }
}
