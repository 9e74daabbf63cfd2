//! A walked data set: elements by tag, values as little-endian bytes, read through typed look-ups that never fail loudly.
//!
//! A missing, empty or malformed value is an absent one: devices write all three.

use std::sync::Arc;

use dicom_core::{Tag, VR};

use super::charset::Charset;

#[derive(Debug, Clone, PartialEq)]
pub struct Element {
    pub tag: Tag,
    pub vr: VR,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// As in the file, numbers turned to little endian.
    Bytes(Box<[u8]>),
    Items(Vec<Dataset>),
    /// Too large to keep; where it is.
    Elsewhere {
        offset: u64,
        length: u64,
    },
}

/// Elements sorted by tag, one each.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dataset {
    elements: Vec<Element>,
    charset: Arc<Charset>,
}

impl Dataset {
    /// Sorts what a file should have sorted already; of duplicates the last one stands, as most readers have it.
    pub(super) fn new(mut elements: Vec<Element>, charset: Arc<Charset>) -> Self {
        if !elements.is_sorted_by(|a, b| a.tag < b.tag) {
            elements.sort_by_key(|e| e.tag);
            elements.dedup_by(|later, earlier| {
                let same = later.tag == earlier.tag;
                if same {
                    std::mem::swap(later, earlier);
                }
                same
            });
        }
        elements.shrink_to_fit();
        Self { elements, charset }
    }

    /// Its text, and that of its items, is written in `charset`, whatever they declare.
    pub(super) fn is_written_in(&mut self, charset: &Arc<Charset>) {
        self.charset = charset.clone();
        for element in &mut self.elements {
            if let Value::Items(items) = &mut element.value {
                items.iter_mut().for_each(|item| item.is_written_in(charset));
            }
        }
    }

    pub fn elements(&self) -> &[Element] {
        &self.elements
    }

    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    pub fn charset(&self) -> &Charset {
        &self.charset
    }

    pub fn get(&self, tag: Tag) -> Option<&Element> {
        self.elements.binary_search_by_key(&tag, |e| e.tag).ok().map(|i| &self.elements[i])
    }

    /// The value's bytes, little endian, padding included; none if absent, a sequence or too large to have been kept.
    pub fn bytes(&self, tag: Tag) -> Option<&[u8]> {
        match &self.get(tag)?.value {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The whole value as text, padding trimmed; `None` where it is absent or empty.
    pub fn text(&self, tag: Tag) -> Option<String> {
        let element = self.get(tag)?;
        let Value::Bytes(bytes) = &element.value else { return None };
        let text = self.charset.decode(bytes, element.vr);
        let trimmed = trim(&text, element.vr);
        (!trimmed.is_empty()).then(|| trimmed.to_owned())
    }

    /// The values between backslashes, each trimmed, empty ones kept in place.
    pub fn texts(&self, tag: Tag) -> Vec<String> {
        let Some(element) = self.get(tag) else { return Vec::new() };
        let Value::Bytes(bytes) = &element.value else { return Vec::new() };
        self.charset.decode_values(bytes, element.vr)
    }

    /// The first value as a UID or code string: ASCII, padding trimmed. Its syntax is not judged; see `uid::is_valid`.
    pub fn uid(&self, tag: Tag) -> Option<&str> {
        let bytes = self.bytes(tag)?;
        let first = bytes.split(|&b| b == b'\\').next()?;
        let text = std::str::from_utf8(first).ok()?.trim_matches(|c| c == ' ' || c == '\0');
        (!text.is_empty()).then_some(text)
    }

    /// Values of a binary integer or IS element; a DS counts where it is whole.
    pub fn ints(&self, tag: Tag) -> Vec<i64> {
        let Some(element) = self.get(tag) else { return Vec::new() };
        let Value::Bytes(bytes) = &element.value else { return Vec::new() };
        match element.vr {
            VR::US | VR::OW => each(bytes, |b: [u8; 2]| i64::from(u16::from_le_bytes(b))),
            VR::SS => each(bytes, |b: [u8; 2]| i64::from(i16::from_le_bytes(b))),
            VR::UL | VR::OL => each(bytes, |b: [u8; 4]| i64::from(u32::from_le_bytes(b))),
            VR::SL => each(bytes, |b: [u8; 4]| i64::from(i32::from_le_bytes(b))),
            VR::SV => each(bytes, i64::from_le_bytes),
            VR::UV | VR::OV => each(bytes, |b: [u8; 8]| i64::try_from(u64::from_le_bytes(b)).unwrap_or(i64::MAX)),
            VR::OB | VR::UN => bytes.iter().map(|&b| i64::from(b)).collect(),
            VR::IS | VR::DS => {
                numbers(bytes).filter(|f| f.fract() == 0.0 && f.abs() < 9e15).map(|f| f as i64).collect()
            }
            _ => Vec::new(),
        }
    }

    pub fn int(&self, tag: Tag) -> Option<i64> {
        self.ints(tag).first().copied()
    }

    /// Values of any numeric element that are finite.
    pub fn floats(&self, tag: Tag) -> Vec<f64> {
        let Some(element) = self.get(tag) else { return Vec::new() };
        let Value::Bytes(bytes) = &element.value else { return Vec::new() };
        let mut values: Vec<f64> = match element.vr {
            VR::FL | VR::OF => each(bytes, |b: [u8; 4]| f64::from(f32::from_le_bytes(b))),
            VR::FD | VR::OD => each(bytes, f64::from_le_bytes),
            VR::DS | VR::IS => numbers(bytes).collect(),
            _ => self.ints(tag).into_iter().map(|i| i as f64).collect(),
        };
        values.retain(|v| v.is_finite());
        values
    }

    pub fn float(&self, tag: Tag) -> Option<f64> {
        self.floats(tag).first().copied()
    }

    /// The items of a sequence; none where it is absent or empty.
    pub fn sequence(&self, tag: Tag) -> &[Dataset] {
        match self.get(tag).map(|e| &e.value) {
            Some(Value::Items(items)) => items,
            _ => &[],
        }
    }

    /// The first item of a sequence.
    pub fn item(&self, tag: Tag) -> Option<&Dataset> {
        self.sequence(tag).first()
    }
}

/// Padding as PS3.5 6.2 has it: leading spaces count only in the free-text representations.
pub(super) fn trim(text: &str, vr: VR) -> &str {
    let trimmed = text.trim_end_matches([' ', '\0']);
    match vr {
        VR::ST | VR::LT | VR::UT | VR::UC => trimmed,
        _ => trimmed.trim_start_matches(' '),
    }
}

fn each<const N: usize, T>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|chunk| read(*chunk)).collect()
}

/// Decimal strings between backslashes; a comma for a point is a common slip of devices.
fn numbers(bytes: &[u8]) -> impl Iterator<Item = f64> + '_ {
    bytes.split(|&b| b == b'\\').filter_map(|part| {
        let text = std::str::from_utf8(part).ok()?.trim_matches([' ', '\0']);
        text.parse().ok().or_else(|| text.replace(',', ".").parse().ok()).filter(|f: &f64| f.is_finite())
    })
}
