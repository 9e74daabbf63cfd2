//! Data sets made here, element by element: what services answer and ask.
//!
//! Text is Unicode until it is encoded; then it is written in one character set, and Specific Character Set says which
//! where that matters (PS3.3 C.12.1.1.2).

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dicom_core::{Tag, VR};
use encoding_rs::GB18030;
use serde_json::Value;

use super::write::{Plain, Writer};

const CHARACTER_SET: Tag = Tag(0x0008, 0x0005);

/// In what character set text goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Repertoire {
    #[default]
    Utf8,
    /// For devices that read nothing else of Chinese.
    Gb18030,
    /// The same with code extension; a data set with a character that GB 2312 lacks goes out in GB 18030.
    Gb2312,
}

impl Repertoire {
    pub const ALL: [Repertoire; 3] = [Repertoire::Utf8, Repertoire::Gb18030, Repertoire::Gb2312];

    /// Its defined term.
    pub fn term(self) -> &'static str {
        match self {
            Repertoire::Utf8 => "ISO_IR 192",
            Repertoire::Gb18030 => "GB18030",
            Repertoire::Gb2312 => "\\ISO 2022 IR 58",
        }
    }

    /// What people call it.
    pub fn word(self) -> &'static str {
        match self {
            Repertoire::Utf8 => "utf-8",
            Repertoire::Gb18030 => "gb18030",
            Repertoire::Gb2312 => "gb2312",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|repertoire| repertoire.word() == word)
    }

    fn encode(self, text: &str) -> Vec<u8> {
        match self {
            Repertoire::Utf8 => text.as_bytes().to_vec(),
            Repertoire::Gb18030 => GB18030.encode(text).0.into_owned(),
            Repertoire::Gb2312 => with_escapes(text),
        }
    }
}

/// Designates GB 2312 to G1 (PS3.3 table C.12-4).
const TO_GB2312: &[u8] = b"\x1b$)A";

/// Each part between delimiters says anew what its high bytes mean (PS3.5 6.1.2.5.3).
fn with_escapes(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for part in text.split_inclusive(['\\', '^', '=', '\r', '\n', '\x0c', '\t']) {
        if !part.is_ascii() {
            out.extend_from_slice(TO_GB2312);
        }
        out.extend_from_slice(&GB18030.encode(part).0);
    }
    out
}

fn is_gb2312(text: &str) -> bool {
    let of_set = |bytes: &[u8]| matches!(*bytes, [0xA1..=0xF7, 0xA1..=0xFE]);
    text.chars().all(|c| c.is_ascii() || of_set(&GB18030.encode(c.encode_utf8(&mut [0; 4])).0))
}

/// A data set in the making; elements in any order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Composed(BTreeMap<Tag, (VR, Content)>);

#[derive(Debug, Clone, PartialEq)]
enum Content {
    Text(String),
    Bytes(Vec<u8>),
    Items(Vec<Composed>),
}

impl Composed {
    /// Text of any representation, several values between backslashes; an empty one is an element without a value.
    pub fn text(&mut self, tag: Tag, vr: VR, text: impl Into<String>) -> &mut Self {
        self.0.insert(tag, (vr, Content::Text(text.into())));
        self
    }

    /// Binary values, little endian.
    pub fn bytes(&mut self, tag: Tag, vr: VR, bytes: impl Into<Vec<u8>>) -> &mut Self {
        self.0.insert(tag, (vr, Content::Bytes(bytes.into())));
        self
    }

    pub fn items(&mut self, tag: Tag, items: Vec<Composed>) -> &mut Self {
        self.0.insert(tag, (VR::SQ, Content::Items(items)));
        self
    }

    /// An attribute of the DICOM JSON model (PS3.18 annex F); none where it holds no value that can be kept here.
    pub fn json(&mut self, tag: Tag, attribute: &Value) -> Option<&mut Self> {
        let vr = attribute.get("vr")?.as_str()?.as_bytes().first_chunk().and_then(|name| VR::from_binary(*name))?;
        if let Some(inline) = attribute.get("InlineBinary") {
            return Some(self.bytes(tag, vr, STANDARD.decode(inline.as_str()?).ok()?));
        }
        let values = attribute.get("Value")?.as_array()?;
        if vr == VR::SQ {
            return Some(self.items(tag, values.iter().map(Self::of_json).collect()));
        }
        if let Some(bytes) = binary(vr, values) {
            return Some(self.bytes(tag, vr, bytes));
        }
        let texts: Vec<String> = values.iter().map(text_of_json).collect();
        Some(self.text(tag, vr, texts.join("\\")))
    }

    fn of_json(item: &Value) -> Self {
        let mut composed = Self::default();
        for (name, attribute) in item.as_object().into_iter().flatten() {
            if let Ok(number) = u32::from_str_radix(name, 16) {
                composed.json(Tag((number >> 16) as u16, number as u16), attribute);
            }
        }
        composed
    }

    pub fn contains(&self, tag: Tag) -> bool {
        self.0.contains_key(&tag)
    }

    /// Leaves only the elements of these tags.
    pub fn retain(&mut self, wanted: impl Fn(Tag) -> bool) {
        self.0.retain(|tag, _| wanted(*tag));
    }

    /// The items of a sequence; none where it is no such.
    pub fn items_mut(&mut self, tag: Tag) -> &mut [Composed] {
        match self.0.get_mut(&tag) {
            Some((_, Content::Items(items))) => items,
            _ => &mut [],
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes in one of the two encodings; Specific Character Set is stated where any text needs it.
    pub fn encode(&self, form: Plain, repertoire: Repertoire) -> Vec<u8> {
        let mut writer = Writer::new(form);
        let repertoire = match repertoire {
            Repertoire::Gb2312 if !self.every_text(&is_gb2312) => Repertoire::Gb18030,
            fitting => fitting,
        };
        if !self.every_text(&str::is_ascii) {
            let mut declared = self.clone();
            declared.text(CHARACTER_SET, VR::CS, repertoire.term());
            declared.write(&mut writer, repertoire);
        } else {
            self.write(&mut writer, repertoire);
        }
        writer.bytes
    }

    fn write(&self, writer: &mut Writer, repertoire: Repertoire) {
        for (&tag, (vr, content)) in &self.0 {
            match content {
                Content::Text(text) => writer.plain(tag, *vr, &repertoire.encode(text)),
                Content::Bytes(bytes) => writer.plain(tag, *vr, bytes),
                Content::Items(items) => {
                    writer.begin_sequence(tag);
                    for item in items {
                        writer.begin_item();
                        item.write(writer, repertoire);
                        writer.end_item();
                    }
                    writer.end_sequence();
                }
            }
        }
    }

    fn every_text(&self, is_so: &dyn Fn(&str) -> bool) -> bool {
        self.0.values().all(|(_, content)| match content {
            Content::Text(text) => is_so(text),
            Content::Bytes(_) => true,
            Content::Items(items) => items.iter().all(|item| item.every_text(is_so)),
        })
    }
}

/// Numbers of a binary representation, little endian; `None` for text.
fn binary(vr: VR, values: &[Value]) -> Option<Vec<u8>> {
    let whole = |value: &Value| value.as_i64().or_else(|| value.as_u64().map(|n| n as i64)).unwrap_or_default();
    let real = |value: &Value| value.as_f64().unwrap_or_default();
    let each = |bytes: &dyn Fn(&Value) -> Vec<u8>| Some(values.iter().flat_map(bytes).collect());
    match vr {
        VR::US | VR::SS => each(&|value| (whole(value) as u16).to_le_bytes().to_vec()),
        VR::UL | VR::SL => each(&|value| (whole(value) as u32).to_le_bytes().to_vec()),
        VR::UV | VR::SV => each(&|value| whole(value).to_le_bytes().to_vec()),
        VR::FL => each(&|value| (real(value) as f32).to_le_bytes().to_vec()),
        VR::FD => each(&|value| real(value).to_le_bytes().to_vec()),
        VR::AT => each(&|value| {
            let number = value.as_str().and_then(|tag| u32::from_str_radix(tag, 16).ok()).unwrap_or_default();
            [((number >> 16) as u16).to_le_bytes(), (number as u16).to_le_bytes()].concat()
        }),
        _ => None,
    }
}

/// One value: a text, a number as text, a name's groups.
fn text_of_json(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Object(name) => {
            let group = |key: &str| name.get(key).and_then(Value::as_str).unwrap_or_default();
            let groups = [group("Alphabetic"), group("Ideographic"), group("Phonetic")].join("=");
            groups.trim_end_matches('=').to_owned()
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Limits, tags, uids, walk_data_set};
    use super::*;

    fn answer() -> Composed {
        let mut item = Composed::default();
        item.text(tags::CODE_MEANING, VR::LO, "胸部平扫");
        let mut composed = Composed::default();
        composed
            .text(tags::PATIENT_NAME, VR::PN, "Zhang^Wei=张^伟")
            .text(tags::PATIENT_ID, VR::LO, "P-1")
            .text(tags::STUDY_INSTANCE_UID, VR::UI, "1.2.3")
            .text(tags::MODALITIES_IN_STUDY, VR::CS, "CT\\SR")
            .text(tags::ACCESSION_NUMBER, VR::SH, "")
            .bytes(tags::ROWS, VR::US, 512_u16.to_le_bytes())
            .items(tags::PROCEDURE_CODE_SEQUENCE, vec![item, Composed::default()]);
        composed
    }

    #[test]
    fn what_is_composed_reads_back_in_every_form_and_character_set() {
        for form in [Plain::Explicit, Plain::Implicit] {
            for repertoire in Repertoire::ALL {
                let bytes = answer().encode(form, repertoire);
                let set = walk_data_set(&bytes, form.transfer_syntax(), &Limits::message()).unwrap();
                assert_eq!(set.text(tags::SPECIFIC_CHARACTER_SET).as_deref(), Some(repertoire.term()));
                assert_eq!(set.text(tags::PATIENT_NAME).as_deref(), Some("Zhang^Wei=张^伟"));
                assert_eq!(set.texts(tags::MODALITIES_IN_STUDY), ["CT", "SR"]);
                assert_eq!(set.uid(tags::STUDY_INSTANCE_UID), Some("1.2.3"));
                assert_eq!(set.bytes(tags::ACCESSION_NUMBER), Some(&[][..]));
                assert_eq!(set.int(tags::ROWS), Some(512));
                let items = set.sequence(tags::PROCEDURE_CODE_SEQUENCE);
                assert_eq!((items.len(), items[0].text(tags::CODE_MEANING).as_deref()), (2, Some("胸部平扫")));
            }
        }
    }

    #[test]
    fn attributes_of_a_headers_json_come_back_as_they_were() {
        let header = serde_json::json!({
            "00081090": {"vr": "LO", "Value": ["超声 9"]},
            "00081070": {"vr": "PN", "Value": [{"Alphabetic": "Li^Si", "Ideographic": "李^四"}, {"Ideographic": "王"}]},
            "00280010": {"vr": "US", "Value": [512, 7]},
            "00101030": {"vr": "DS", "Value": [70.5]},
            "00201206": {"vr": "IS", "Value": [3]},
            "00091010": {"vr": "OB", "InlineBinary": "AQI="},
            "00400275": {"vr": "SQ", "Value": [{"00400009": {"vr": "SH", "Value": ["S1"]}}, {}]},
        });
        let mut composed = Composed::of_json(&header);
        assert!(composed.json(tags::PIXEL_DATA, &serde_json::json!({"vr": "OW", "BulkDataURI": "x"})).is_none());
        assert!(composed.json(tags::PATIENT_AGE, &serde_json::json!({"vr": "AS"})).is_none());
        let bytes = composed.encode(Plain::Explicit, Repertoire::Utf8);
        let set = walk_data_set(&bytes, uids::EXPLICIT_VR_LITTLE_ENDIAN, &Limits::message()).unwrap();
        assert_eq!(set.text(tags::MANUFACTURER_MODEL_NAME).as_deref(), Some("超声 9"));
        assert_eq!(set.texts(tags::OPERATORS_NAME), ["Li^Si=李^四", "=王"]);
        assert_eq!((set.ints(tags::ROWS), set.float(tags::PATIENT_WEIGHT)), (vec![512, 7], Some(70.5)));
        assert_eq!(set.bytes(Tag(0x0009, 0x1010)), Some(&[1, 2][..]));
        let requests = set.sequence(tags::REQUEST_ATTRIBUTES_SEQUENCE);
        assert_eq!((requests.len(), requests[0].uid(tags::SCHEDULED_PROCEDURE_STEP_ID)), (2, Some("S1")));
    }

    #[test]
    fn names_with_code_extension_are_as_the_standard_writes_them_and_rare_ones_are_not_lost() {
        // PS3.5 annex K.2.
        let example = "Zhang^XiaoDong=张^小东=";
        let expected = b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=";
        assert_eq!(Repertoire::Gb2312.encode(example), expected);
        let mut rare = answer();
        rare.text(tags::PATIENT_NAME, VR::PN, "Wang^Zhe=王^喆");
        let bytes = rare.encode(Plain::Explicit, Repertoire::Gb2312);
        let set = walk_data_set(&bytes, uids::EXPLICIT_VR_LITTLE_ENDIAN, &Limits::message()).unwrap();
        assert_eq!(set.uid(tags::SPECIFIC_CHARACTER_SET), Some("GB18030"));
        assert_eq!(set.text(tags::PATIENT_NAME).as_deref(), Some("Wang^Zhe=王^喆"));
    }

    #[test]
    fn plain_ascii_needs_no_character_set() {
        let mut plain = Composed::default();
        plain.text(tags::PATIENT_ID, VR::LO, "P-1");
        assert_eq!(plain.encode(Plain::Implicit, Repertoire::Gb18030), *b"\x10\0\x20\0\x04\0\0\0P-1 ");
        assert_eq!(plain.encode(Plain::Explicit, Repertoire::Utf8), *b"\x10\0\x20\0LO\x04\0P-1 ");
        assert!(Composed::default().encode(Plain::Explicit, Repertoire::Utf8).is_empty());
    }

    #[test]
    fn a_message_that_cannot_be_kept_whole_is_refused() {
        let limits = Limits::message();
        let walk = |bytes: &[u8]| walk_data_set(bytes, uids::IMPLICIT_VR_LITTLE_ENDIAN, &limits);
        assert!(walk(&[]).unwrap().is_empty());
        let element = |number: u32| [&(number >> 4).to_le_bytes()[..], &[0; 4]].concat();
        let many: Vec<u8> = (0x0009_0000..0x0009_0000 + 40_000).flat_map(element).collect();
        assert!(walk(&many).is_err());
        let deep = [8, 0, 0x15, 0x11, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xff, 0, 0xe0, 0xff, 0xff, 0xff, 0xff].repeat(100);
        assert!(walk(&deep).is_err());
        let whole = answer().encode(Plain::Implicit, Repertoire::Utf8);
        let cut = &whole[..whole.len() - 1];
        assert!(walk(cut).is_err());
        let damaged = [8, 0, 0x15, 0x11, 8, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
        assert!(walk(&damaged).is_err());
    }
}
