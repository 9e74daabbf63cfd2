//! The DICOM JSON model (PS3.18 annex F) of a header.
//!
//! Text comes out as UTF-8 and Specific Character Set says so. Values too large to have been kept are named by a
//! BulkDataURI; where no address can be given they are left out.
//!
//! One text describes an image in whatever form its frames are retrieved. A header's words for compressed pixels may be
//! true of the codestream's inside only, and Explicit VR Little Endian is what a client gets that asks for nothing (PS3.18
//! 8.7.3.5.2). So of compressed images it says what the samples are once decoded, which is true of every codec's output:
//! interleaved, YBR_FULL for shared chrominances, RGB where the codec has a transform of its own.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::dataset::{Dataset, Element, Value};
use super::header::Header;
use super::image::decoded_photometric;
use super::name::PersonName;
use super::{Tag, VR, tags};

/// The data set as one JSON object. `instance_url` is the address that BulkDataURIs are built on:
/// `{instance_url}/bulkdata/{offset}-{length}` for bytes of the file, `{instance_url}/bulkdata/7FE00010` for pixels.
pub fn to_json(header: &Header, instance_url: &str) -> String {
    let pixels = header.pixel_data.as_ref();
    let mut writer = Writer {
        out: String::with_capacity(8192),
        instance_url,
        addressable: !header.deflated,
        interleaved: pixels.is_some_and(|p| p.encapsulated.is_some()),
        photometric: decoded_photometric(header),
        depth: 0,
    };
    writer.object(&header.dataset, pixels.map(|p| (p.tag, p.vr)));
    writer.out
}

struct Writer<'a> {
    out: String,
    instance_url: &'a str,
    /// Offsets are those of the stored file.
    addressable: bool,
    /// The samples are compressed.
    interleaved: bool,
    /// What decoded samples are, if not what the header says.
    photometric: Option<&'static str>,
    /// Sequences around the current element.
    depth: usize,
}

impl Writer<'_> {
    fn object(&mut self, set: &Dataset, pixels: Option<(Tag, VR)>) {
        self.out.push('{');
        let mut first = true;
        let mut pixels = pixels;
        for element in set.elements() {
            // Group lengths are of no use outside a file.
            if element.tag.1 == 0 {
                continue;
            }
            if let Some((tag, vr)) = pixels.filter(|(tag, _)| *tag < element.tag) {
                self.pixels(&mut first, tag, vr);
                pixels = None;
            }
            self.key(&mut first, element.tag, element.vr);
            match self.as_decoded(element) {
                Some(value) => self.out.push_str(&value),
                None => self.value(set, element),
            }
            self.out.push('}');
        }
        if let Some((tag, vr)) = pixels {
            self.pixels(&mut first, tag, vr);
        }
        self.out.push('}');
    }

    fn key(&mut self, first: &mut bool, tag: Tag, vr: VR) {
        if !std::mem::take(first) {
            self.out.push(',');
        }
        self.put(format_args!("\"{:04X}{:04X}\":{{\"vr\":\"{}\"", tag.0, tag.1, vr.to_string()));
    }

    fn pixels(&mut self, first: &mut bool, tag: Tag, vr: VR) {
        self.key(first, tag, vr);
        self.out.push_str(",\"BulkDataURI\":");
        self.string(&format!("{}/bulkdata/{:04X}{:04X}", self.instance_url, tag.0, tag.1));
        self.out.push('}');
    }

    /// What stands for a value of the image's own that decoding changes.
    fn as_decoded(&self, element: &Element) -> Option<String> {
        match (element.tag, element.vr) {
            _ if self.depth > 0 => None,
            (tags::PLANAR_CONFIGURATION, VR::US) if self.interleaved => Some(",\"Value\":[0]".to_owned()),
            (tags::PHOTOMETRIC_INTERPRETATION, VR::CS) => Some(format!(",\"Value\":[\"{}\"]", self.photometric?)),
            _ => None,
        }
    }

    fn value(&mut self, set: &Dataset, element: &Element) {
        let bytes = match &element.value {
            Value::Items(items) => {
                if !items.is_empty() {
                    self.depth += 1;
                    self.list(items, |writer, item| writer.object(item, None));
                    self.depth -= 1;
                }
                return;
            }
            Value::Elsewhere { offset, length } => {
                if self.addressable && *length > 0 {
                    self.out.push_str(",\"BulkDataURI\":");
                    self.string(&format!("{}/bulkdata/{offset}-{length}", self.instance_url));
                }
                return;
            }
            Value::Bytes(bytes) if bytes.is_empty() => return,
            Value::Bytes(bytes) => bytes,
        };
        match element.vr {
            VR::OB | VR::OD | VR::OF | VR::OL | VR::OV | VR::OW | VR::UN => {
                self.out.push_str(",\"InlineBinary\":\"");
                STANDARD.encode_string(bytes, &mut self.out);
                self.out.push('"');
            }
            VR::AT => self.list(bytes.as_chunks::<4>().0, |writer, b| {
                let [group, number] = [[b[0], b[1]], [b[2], b[3]]].map(u16::from_le_bytes);
                writer.put(format_args!("\"{group:04X}{number:04X}\""));
            }),
            VR::FL => self.list(bytes.as_chunks::<4>().0, |writer, b| writer.float(f32::from_le_bytes(*b))),
            VR::FD => self.list(bytes.as_chunks::<8>().0, |writer, b| writer.float(f64::from_le_bytes(*b))),
            VR::US | VR::SS | VR::UL | VR::SL | VR::SV => {
                self.list(&set.ints(element.tag), |writer, n| writer.put(format_args!("{n}")));
            }
            VR::UV => {
                self.list(bytes.as_chunks::<8>().0, |writer, b| writer.put(format_args!("{}", u64::from_le_bytes(*b))))
            }
            _ => self.texts(set, element),
        }
    }

    fn texts(&mut self, set: &Dataset, element: &Element) {
        if element.tag == tags::SPECIFIC_CHARACTER_SET {
            self.out.push_str(",\"Value\":[\"ISO_IR 192\"]");
            return;
        }
        let values = set.texts(element.tag);
        if values.iter().all(String::is_empty) {
            return;
        }
        self.list(&values, |writer, value| match element.vr {
            _ if value.is_empty() => writer.out.push_str("null"),
            VR::PN => writer.name(value),
            VR::DS | VR::IS => match value.parse::<f64>() {
                Ok(number) if number.is_finite() => match value.parse::<i64>() {
                    Ok(whole) => writer.put(format_args!("{whole}")),
                    Err(_) => writer.float(number),
                },
                _ => writer.string(value),
            },
            _ => writer.string(value),
        });
    }

    /// F.2.2: one member a component group that is there.
    fn name(&mut self, text: &str) {
        let name = PersonName::parse(text);
        let groups =
            [("Alphabetic", &name.alphabetic), ("Ideographic", &name.ideographic), ("Phonetic", &name.phonetic)];
        self.out.push('{');
        let mut first = true;
        for (key, group) in groups.into_iter().filter(|(_, group)| !group.is_empty()) {
            if !std::mem::take(&mut first) {
                self.out.push(',');
            }
            self.put(format_args!("\"{key}\":"));
            self.string(group);
        }
        self.out.push('}');
    }

    fn list<T>(&mut self, values: &[T], mut each: impl FnMut(&mut Self, &T)) {
        self.out.push_str(",\"Value\":[");
        for (i, value) in values.iter().enumerate() {
            if i > 0 {
                self.out.push(',');
            }
            each(self, value);
        }
        self.out.push(']');
    }

    /// JSON has no word for what is not finite; PS3.18 F.2.3.1 has these.
    fn float<F: Into<f64> + std::fmt::Debug + Copy>(&mut self, value: F) {
        let wide: f64 = value.into();
        match wide {
            _ if wide.is_nan() => self.out.push_str("\"NaN\""),
            f64::INFINITY => self.out.push_str("\"inf\""),
            f64::NEG_INFINITY => self.out.push_str("\"-inf\""),
            // Debug is the shortest form that reads back to the same number, with an exponent where it is long.
            _ => self.put(format_args!("{value:?}")),
        }
    }

    fn string(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                c if c < ' ' => self.put(format_args!("\\u{:04x}", u32::from(c))),
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }

    fn put(&mut self, arguments: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        self.out.write_fmt(arguments).unwrap_or_default();
    }
}
