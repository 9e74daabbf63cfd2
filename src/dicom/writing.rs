//! In what character set a device writes its files, where a person says so against what they declare.

use super::charset::Charset;

/// Outranks Specific Character Set, and the guess that is made where it lies or is silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Writing {
    Utf8,
    /// GBK and GB 2312 are parts of it; escape sequences of ISO 2022 are followed where they stand.
    Gb18030,
    /// For names whose accented letters pair up as Chinese ones do.
    Latin1,
}

impl Writing {
    pub const ALL: [Writing; 3] = [Writing::Utf8, Writing::Gb18030, Writing::Latin1];

    /// What people call it.
    pub fn word(self) -> &'static str {
        match self {
            Writing::Utf8 => "utf-8",
            Writing::Gb18030 => "gb18030",
            Writing::Latin1 => "latin-1",
        }
    }

    /// Also by the names of what is contained in it.
    pub fn from_word(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase();
        match word.as_str() {
            "gbk" | "gb2312" => Some(Writing::Gb18030),
            _ => Self::ALL.into_iter().find(|writing| writing.word() == word),
        }
    }

    pub(super) fn charset(self) -> Charset {
        match self {
            Writing::Utf8 => Charset::from_element(b"ISO_IR 192"),
            Writing::Gb18030 => Charset::from_element(b"GB18030"),
            Writing::Latin1 => Charset::latin1_for_certain(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Limits, PersonName, tags, to_json, walk_bytes};
    use super::*;

    /// A header that declares this and has these bytes as a name, also in an item that declares something else.
    fn name(declared: &str, bytes: &[u8], said: Option<Writing>) -> String {
        let element =
            |tag: [u8; 4], vr: &[u8], value: &[u8]| [&tag[..], vr, &(value.len() as u16).to_le_bytes(), value].concat();
        let charset = |label: &str| match label.is_empty() {
            true => Vec::new(),
            false => element([8, 0, 5, 0], b"CS", label.as_bytes()),
        };
        let inside = [charset("ISO_IR 144"), element([0x10, 0, 0x10, 0], b"PN", bytes)].concat();
        let item = [&b"\xFE\xFF\x00\xE0"[..], &(inside.len() as u32).to_le_bytes(), &inside].concat();
        let sequence = [&[8, 0, 0x40, 0x11, b'S', b'Q', 0, 0][..], &(item.len() as u32).to_le_bytes(), &item].concat();
        let all = [charset(declared), sequence, element([0x10, 0, 0x10, 0], b"PN", bytes)].concat();
        let header = walk_bytes(&all, &Limits::default()).unwrap().read_as(said);
        assert_eq!(header.written_in, said);
        let read = header.dataset.text(tags::PATIENT_NAME).unwrap();
        if said.is_some() {
            let item = header.dataset.item(tags::REFERENCED_IMAGE_SEQUENCE).unwrap();
            assert_eq!(item.text(tags::PATIENT_NAME).as_deref(), Some(read.as_str()), "whatever the item declares");
        }
        let json: serde_json::Value = serde_json::from_str(&to_json(&header, "/x")).unwrap();
        let name = PersonName::parse(&read);
        let group = &json["00100010"]["Value"][0];
        assert_eq!(group["Alphabetic"].as_str().unwrap_or_default(), name.alphabetic);
        assert_eq!(group["Ideographic"].as_str().unwrap_or_default(), name.ideographic);
        read
    }

    const WANG_WEI: &[u8] = b"\xCD\xF5\xCE\xB0";
    const MAO_LONG: &[u8] = b"\xC3\xAB\xC2\xA1";

    #[test]
    fn chinese_is_read_right_under_every_declaration_it_comes_with() {
        let zhe = b"\xCD\xF5\x86\xB4";
        for declared in ["GB18030", "GBK", "GB2312", "\\ISO 2022 IR 58", "ISO_IR 58", "ISO_IR 100", "ISO_IR 6", ""] {
            assert_eq!(name(declared, WANG_WEI, None), "王伟", "{declared}");
            assert_eq!(name(declared, zhe, None), "王喆", "{declared}, in GBK only");
            assert_eq!(name(declared, MAO_LONG, None), "毛隆", "{declared}, and UTF-8 by chance");
        }
        for declared in ["ISO_IR 192", "UTF-8", "\\ISO 2022 IR 58", "ISO_IR 100", ""] {
            assert_eq!(name(declared, "Wang^Wei=王^伟".as_bytes(), None), "Wang^Wei=王^伟", "{declared}");
        }
        let escaped = b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=";
        let bare = b"Zhang^XiaoDong=\xd5\xc5^\xd0\xa1\xb6\xab=";
        for declared in ["\\ISO 2022 IR 58", "ISO 2022 IR 6\\ISO 2022 IR 58", ""] {
            for bytes in [&escaped[..], bare] {
                assert_eq!(name(declared, bytes, None), "Zhang^XiaoDong=张^小东=", "{declared}");
                assert_eq!(name(declared, bytes, Some(Writing::Gb18030)), "Zhang^XiaoDong=张^小东=", "{declared}");
            }
        }
    }

    #[test]
    fn what_is_said_of_a_device_outranks_what_its_files_declare_and_what_their_bytes_look_like() {
        let as_utf8 = "王伟".as_bytes();
        assert_ne!(name("GB18030", as_utf8, None), "王伟", "declared, and possible");
        assert_eq!(name("GB18030", as_utf8, Some(Writing::Utf8)), "王伟");
        assert_ne!(name("ISO_IR 192", MAO_LONG, None), "毛隆", "declared, and possible");
        assert_eq!(name("ISO_IR 192", MAO_LONG, Some(Writing::Gb18030)), "毛隆");
        assert_eq!(name("ISO_IR 144", WANG_WEI, Some(Writing::Gb18030)), "王伟");
        let umlauts = b"\xD6\xC4^M\xFCller";
        assert_eq!(name("ISO_IR 100", umlauts, Some(Writing::Latin1)), "ÖÄ^Müller");
        assert_eq!(name("", b"\xD6\xC4", Some(Writing::Latin1)), "ÖÄ");
        assert_eq!(name("", b"\xD6\xC4", None), "帜");
    }

    #[test]
    fn words_with_accents_stay_what_they_are() {
        for accented in ["Buc^Jérôme", "Äneas^Rüdiger", "É", "Люкceмбypг", "Διονυσιος", "Müller-Lüdenscheidt"]
        {
            assert_eq!(name("", accented.as_bytes(), None), accented);
        }
    }

    #[test]
    fn a_set_goes_by_its_own_name_and_by_those_of_its_parts() {
        for writing in Writing::ALL {
            assert_eq!(Writing::from_word(writing.word()), Some(writing));
        }
        assert_eq!(Writing::from_word("GBK"), Some(Writing::Gb18030));
        assert_eq!(Writing::from_word("gb2312"), Some(Writing::Gb18030));
        assert_eq!(Writing::from_word("klingon"), None);
    }
}
