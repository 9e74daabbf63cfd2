//! DICOM data sets as the samples need them: values go in by tag, the dictionary knows the VR, and out comes a Part-10 file.

use std::path::Path;

use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::value::{DataSetSequence, PixelFragmentSequence, Value};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags, uids};
use dicom_encoding::adapters::EncodeOptions;
use dicom_encoding::{Codec, TransferSyntaxIndex};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;

use super::SampleError;

/// In which character set a study's texts are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    Gb18030,
    Utf8,
}

impl Charset {
    pub fn term(self) -> &'static str {
        match self {
            Self::Gb18030 => "GB18030",
            Self::Utf8 => "ISO_IR 192",
        }
    }
}

#[derive(Debug, Clone)]
pub struct Dataset(InMemDicomObject);

impl Default for Dataset {
    fn default() -> Self {
        Self(InMemDicomObject::new_empty())
    }
}

impl Dataset {
    /// A text value of any VR; `\` separates several.
    pub fn text(&mut self, tag: Tag, value: impl AsRef<str>) -> &mut Self {
        let value = value.as_ref();
        let vr = vr_of(tag);
        let single = matches!(vr, VR::ST | VR::LT | VR::UT);
        let value = match value.contains('\\') && !single {
            true => PrimitiveValue::Strs(value.split('\\').map(str::to_owned).collect()),
            false => PrimitiveValue::from(value),
        };
        self.0.put(DataElement::new(tag, vr, value));
        self
    }

    /// Present, but empty (Type 2 attributes).
    pub fn empty(&mut self, tag: Tag) -> &mut Self {
        let vr = vr_of(tag);
        let value =
            if vr == VR::SQ { Value::from(DataSetSequence::empty()) } else { Value::from(PrimitiveValue::Empty) };
        self.0.put(DataElement::new(tag, vr, value));
        self
    }

    /// A number, encoded as the VR has it.
    pub fn number(&mut self, tag: Tag, value: f64) -> &mut Self {
        self.numbers(tag, &[value])
    }

    pub fn numbers(&mut self, tag: Tag, values: &[f64]) -> &mut Self {
        let vr = vr_of(tag);
        let value = match vr {
            VR::US => PrimitiveValue::U16(values.iter().map(|&x| x as u16).collect()),
            VR::SS => PrimitiveValue::I16(values.iter().map(|&x| x as i16).collect()),
            VR::UL => PrimitiveValue::U32(values.iter().map(|&x| x as u32).collect()),
            VR::SL => PrimitiveValue::I32(values.iter().map(|&x| x as i32).collect()),
            VR::FL => PrimitiveValue::F32(values.iter().map(|&x| x as f32).collect()),
            VR::FD => PrimitiveValue::F64(values.iter().copied().collect()),
            _ => PrimitiveValue::Strs(values.iter().map(|&x| decimal(x)).collect()),
        };
        self.0.put(DataElement::new(tag, vr, value));
        self
    }

    /// A value whose VR depends on Pixel Representation (PS3.5 annex A): signed when `signed`.
    pub fn stored(&mut self, tag: Tag, signed: bool, value: i32) -> &mut Self {
        let element = match signed {
            true => DataElement::new(tag, VR::SS, PrimitiveValue::from(value as i16)),
            false => DataElement::new(tag, VR::US, PrimitiveValue::from(value as u16)),
        };
        self.0.put(element);
        self
    }

    pub fn words(&mut self, tag: Tag, vr: VR, values: Vec<u16>) -> &mut Self {
        self.0.put(DataElement::new(tag, vr, PrimitiveValue::U16(values.into())));
        self
    }

    pub fn bytes(&mut self, tag: Tag, vr: VR, values: Vec<u8>) -> &mut Self {
        self.0.put(DataElement::new(tag, vr, PrimitiveValue::U8(values.into())));
        self
    }

    /// An attribute that names another attribute (VR AT).
    pub fn pointer(&mut self, tag: Tag, to: Tag) -> &mut Self {
        self.0.put(DataElement::new(tag, VR::AT, PrimitiveValue::Tags(vec![to].into())));
        self
    }

    pub fn items(&mut self, tag: Tag, items: Vec<Dataset>) -> &mut Self {
        let items: Vec<InMemDicomObject> = items.into_iter().map(|item| item.0).collect();
        self.0.put(DataElement::new(tag, VR::SQ, DataSetSequence::from(items)));
        self
    }

    /// A coded concept as the only item of `tag` (PS3.3 8).
    pub fn code(&mut self, tag: Tag, value: &str, scheme: &str, meaning: &str) -> &mut Self {
        self.items(tag, vec![coded(value, scheme, meaning)])
    }

    /// Uncompressed 16-bit pixels.
    pub fn pixels(&mut self, pixels: Vec<u16>) -> &mut Self {
        self.words(tags::PIXEL_DATA, VR::OW, pixels)
    }

    /// Encapsulated frames, one fragment each, with a full Basic Offset Table (PS3.5 A.4).
    pub fn frames(&mut self, frames: Vec<Vec<u8>>) -> &mut Self {
        let mut offsets = Vec::with_capacity(frames.len());
        let mut offset = 0;
        let mut fragments = Vec::with_capacity(frames.len());
        for mut frame in frames {
            if frame.len() % 2 == 1 {
                frame.push(0);
            }
            offsets.push(offset);
            offset += frame.len() as u32 + 8;
            fragments.push(frame);
        }
        let sequence = PixelFragmentSequence::new(offsets, fragments);
        self.0.put(DataElement::new(tags::PIXEL_DATA, VR::OB, Value::PixelSequence(sequence)));
        self
    }

    /// Writes the file; SOP class and instance are read from the data set.
    pub fn write(self, path: &Path, transfer_syntax: &str, ae_title: &str) -> Result<(), SampleError> {
        let failed = |reason: String| SampleError::Write { path: path.to_owned(), reason };
        let meta = meta(transfer_syntax, ae_title);
        let file = self.0.with_meta(meta).map_err(|e| failed(e.to_string()))?;
        file.write_to_file(path).map_err(|e| failed(e.to_string()))
    }

    /// Writes a file of one grey frame, as it is or compressed without loss.
    pub fn write_packed(mut self, path: &Path, packing: Packing, ae_title: &str) -> Result<(), SampleError> {
        if packing == Packing::Plain {
            return self.write(path, EXPLICIT, ae_title);
        }
        let frame = self.jpeg_ls(ae_title)?;
        self.frames(vec![frame]);
        self.write(path, uids::JPEGLS_LOSSLESS, ae_title)
    }

    fn jpeg_ls(&self, ae_title: &str) -> Result<Vec<u8>, SampleError> {
        let failed = |reason: String| SampleError::Encode(reason);
        let native = self.0.clone().with_meta(meta(EXPLICIT, ae_title)).map_err(|e| failed(e.to_string()))?;
        let syntax = TransferSyntaxRegistry.get(uids::JPEGLS_LOSSLESS);
        let Some(Codec::EncapsulatedPixelData(_, Some(writer))) = syntax.map(|s| s.codec()) else {
            return Err(failed("this build has no JPEG-LS encoder".to_owned()));
        };
        let mut frame = Vec::new();
        writer.encode_frame(&native, 0, EncodeOptions::default(), &mut frame).map_err(|e| failed(e.to_string()))?;
        Ok(frame)
    }

    #[cfg(test)]
    pub fn object(&self) -> &InMemDicomObject {
        &self.0
    }
}

fn meta(transfer_syntax: &str, ae_title: &str) -> FileMetaTableBuilder {
    FileMetaTableBuilder::new()
        .transfer_syntax(transfer_syntax)
        .implementation_class_uid("2.25.247189375512190673402318842905612367113")
        .implementation_version_name("YUNYING_SAMPLE")
        .source_application_entity_title(ae_title)
}

/// How grey pixels are kept in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    Plain,
    /// JPEG-LS, lossless.
    JpegLs,
}

pub const EXPLICIT: &str = uids::EXPLICIT_VR_LITTLE_ENDIAN;
pub const JPEG_BASELINE: &str = uids::JPEG_BASELINE8_BIT;

pub fn coded(value: &str, scheme: &str, meaning: &str) -> Dataset {
    let mut code = Dataset::default();
    code.text(tags::CODE_VALUE, value).text(tags::CODING_SCHEME_DESIGNATOR, scheme).text(tags::CODE_MEANING, meaning);
    code
}

fn vr_of(tag: Tag) -> VR {
    StandardDataDictionary.by_tag(tag).map_or(VR::UN, |entry| entry.vr().relaxed())
}

/// A decimal string of at most 16 characters (PS3.5 6.2, DS).
fn decimal(value: f64) -> String {
    (0..=8)
        .rev()
        .map(|digits| format!("{value:.digits$}"))
        .map(|text| if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text })
        .map(|text| if text == "-0" { "0".to_owned() } else { text })
        .find(|text| text.len() <= 16)
        .unwrap_or_else(|| format!("{value:.8e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_short_and_exact_enough() {
        assert_eq!(decimal(0.742), "0.742");
        assert_eq!(decimal(-142.5), "-142.5");
        assert_eq!(decimal(-0.0), "0");
        assert!(decimal(1.0 / 3.0).len() <= 16);
        assert!(decimal(-123_456_789.123_456).len() <= 16);
    }

    #[test]
    fn each_frame_has_its_offset() {
        let mut data = Dataset::default();
        data.frames(vec![vec![1; 5], vec![2; 4], vec![3; 7]]);
        let element = data.object().element(tags::PIXEL_DATA).unwrap();
        let sequence = element.value().fragments().map(<[Vec<u8>]>::to_vec).unwrap();
        assert_eq!(element.value().offset_table().unwrap(), &[0, 14, 26]);
        assert_eq!(sequence.iter().map(Vec::len).collect::<Vec<_>>(), [6, 4, 8]);
    }
}
