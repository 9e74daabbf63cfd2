//! Text as devices write it: what Specific Character Set declares, and what is really there when it lies or is silent.
//!
//! PS3.3 C.12.1.1.2, PS3.5 6.1. GBK bytes under ISO_IR 100 or under nothing are the everyday case in the field; they
//! are recognised by their shape. Nothing here fails: bytes that fit nothing come out with replacement characters.

use dicom_core::VR;
use encoding_rs::{
    EUC_JP, EUC_KR, Encoding, GB18030, ISO_8859_2, ISO_8859_3, ISO_8859_4, ISO_8859_5, ISO_8859_6, ISO_8859_7,
    ISO_8859_8, ISO_8859_15, SHIFT_JIS, UTF_8, WINDOWS_874, WINDOWS_1252, WINDOWS_1254,
};

use super::compose::Repertoire;
use super::dataset::trim;

const ESC: u8 = 0x1B;

/// One value of Specific Character Set.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Term {
    /// ISO_IR 6 or nothing.
    Default,
    Latin1,
    /// One byte a character, 0xA0 and up.
    Single(&'static Encoding),
    Utf8,
    Gb18030,
    /// Katakana in G1.
    Jis201,
    /// Two bytes a character, designated by escape sequences.
    Jis208,
    Jis212,
    Ks1001,
    Gb2312,
}

impl Term {
    fn from_label(label: &str) -> Term {
        let label = label.trim_matches([' ', '\0']).to_ascii_uppercase();
        if label.is_empty() {
            return Term::Default;
        }
        let number =
            label.strip_prefix("ISO").and_then(|rest| rest.rsplit_once("IR")).map(|(_, n)| n.trim_matches([' ', '_']));
        match number {
            Some("6") => Term::Default,
            Some("100") => Term::Latin1,
            Some("101") => Term::Single(ISO_8859_2),
            Some("109") => Term::Single(ISO_8859_3),
            Some("110") => Term::Single(ISO_8859_4),
            Some("144") => Term::Single(ISO_8859_5),
            Some("127") => Term::Single(ISO_8859_6),
            Some("126") => Term::Single(ISO_8859_7),
            Some("138") => Term::Single(ISO_8859_8),
            Some("148") => Term::Single(WINDOWS_1254),
            Some("203") => Term::Single(ISO_8859_15),
            Some("166") => Term::Single(WINDOWS_874),
            Some("13") => Term::Jis201,
            Some("87") => Term::Jis208,
            Some("159") => Term::Jis212,
            Some("149") => Term::Ks1001,
            Some("58") => Term::Gb2312,
            Some("192") => Term::Utf8,
            _ => Term::from_common_label(&label),
        }
    }

    /// Names that are no defined terms, but written all the same ("GB2312", "utf-8", "ISO-8859-1").
    fn from_common_label(label: &str) -> Term {
        match Encoding::for_label(label.replace("8859_", "8859-").as_bytes()) {
            Some(found) if found == UTF_8 => Term::Utf8,
            Some(found) if found == GB18030 || found == encoding_rs::GBK => Term::Gb18030,
            Some(found) if found == EUC_KR => Term::Ks1001,
            Some(found) if found == SHIFT_JIS => Term::Jis201,
            Some(found) if found.is_single_byte() && found != WINDOWS_1252 => Term::Single(found),
            Some(found) if found.is_single_byte() => Term::Latin1,
            _ => Term::Default,
        }
    }

    /// What bytes from 0x80 up mean while this is in G1; none where it has nothing there.
    fn high(self) -> Option<Term> {
        match self {
            Term::Default | Term::Jis208 | Term::Jis212 => None,
            other => Some(other),
        }
    }

    fn is_multi_byte(self) -> bool {
        matches!(self, Term::Jis201 | Term::Jis208 | Term::Jis212 | Term::Ks1001 | Term::Gb2312)
    }
}

/// The character sets in force in a data set. The default is silence: nothing was declared.
#[derive(Debug, Clone, PartialEq)]
pub struct Charset {
    terms: Vec<Term>,
}

impl Default for Charset {
    fn default() -> Self {
        Self { terms: vec![Term::Default] }
    }
}

impl Charset {
    /// From the value of (0008,0005).
    pub(super) fn from_element(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        Self { terms: text.split('\\').take(16).map(Term::from_label).collect() }
    }

    /// Where nothing is to be guessed from the bytes.
    pub(super) fn latin1_for_certain() -> Self {
        Self { terms: vec![Term::Single(WINDOWS_1252)] }
    }

    /// In what whoever writes so reads Chinese answers.
    pub fn to_answer_in(&self) -> Repertoire {
        let declared = |term| self.terms.contains(&term);
        if declared(Term::Gb18030) {
            Repertoire::Gb18030
        } else if declared(Term::Gb2312) {
            Repertoire::Gb2312
        } else {
            Repertoire::Utf8
        }
    }

    /// A value as text, delimiters and padding left in.
    pub fn decode(&self, bytes: &[u8], _vr: VR) -> String {
        if bytes.is_ascii() && !bytes.contains(&ESC) {
            return String::from_utf8_lossy(bytes).into_owned();
        }
        if bytes.contains(&ESC) {
            return self.decode_escaped(bytes);
        }
        match self.terms[0] {
            Term::Utf8 => {
                strict(UTF_8, bytes).or_else(|| strict(GB18030, bytes)).unwrap_or_else(|| lossy(UTF_8, bytes))
            }
            Term::Gb18030 => {
                strict(GB18030, bytes).or_else(|| strict(UTF_8, bytes)).unwrap_or_else(|| lossy(GB18030, bytes))
            }
            _ => match self.terms.iter().find(|t| t.is_multi_byte()) {
                Some(&term) => utf8(bytes).filter(|_| term == Term::Gb2312).unwrap_or_else(|| decode_high(term, bytes)),
                None => detect(self.terms[0], bytes),
            },
        }
    }

    /// The values between backslashes, each trimmed. The free-text representations have one value (PS3.5 6.2).
    pub fn decode_values(&self, bytes: &[u8], vr: VR) -> Vec<String> {
        let text = self.decode(bytes, vr);
        if matches!(vr, VR::ST | VR::LT | VR::UT | VR::UR) {
            return vec![trim(&text, vr).to_owned()];
        }
        // Split after decoding: 0x5C is also a second byte in GBK and Shift JIS.
        text.split('\\').map(|value| trim(value, vr).to_owned()).collect()
    }

    /// ISO 2022 code extension (PS3.5 6.1.2.5).
    fn decode_escaped(&self, bytes: &[u8]) -> String {
        let initial = self.terms[0].high();
        let fallback = self.terms.iter().copied().find(|t| matches!(t, Term::Ks1001 | Term::Gb2312));
        let (mut low, mut high) = (Term::Default, initial.or(fallback));
        let mut out = String::with_capacity(bytes.len());
        let mut rest = bytes;
        while let Some(&byte) = rest.first() {
            if byte == ESC {
                let length = match designation(rest) {
                    Some((Slot::G0, term, length)) => {
                        low = term;
                        length
                    }
                    Some((Slot::G1, term, length)) => {
                        high = Some(term);
                        length
                    }
                    None => 1,
                };
                rest = &rest[length..];
                continue;
            }
            let is_high = byte >= 0x80;
            let end = rest.iter().position(|&b| b == ESC || (b >= 0x80) != is_high).unwrap_or(rest.len());
            if is_high {
                out.push_str(&decode_high(high.unwrap_or(self.terms[0]), &rest[..end]));
            } else if low == Term::Default {
                let run = String::from_utf8_lossy(&rest[..end]);
                // A delimiter puts G1 back to what the first value has there; where it has nothing, what was
                // designated stays, since many writers forget to say it again.
                if initial.is_some() && run.contains(['\\', '^', '=', '\r', '\n']) {
                    high = initial;
                }
                out.push_str(&run);
            } else {
                low = decode_low(low, &rest[..end], &mut out);
            }
            rest = &rest[end..];
        }
        out
    }
}

enum Slot {
    G0,
    G1,
}

/// PS3.3 tables C.12-3 and C.12-4: what an escape sequence designates where, and its length.
fn designation(bytes: &[u8]) -> Option<(Slot, Term, usize)> {
    let single = |encoding| (Slot::G1, Term::Single(encoding), 3);
    Some(match bytes.get(1..)? {
        [b'(', b'B' | b'J', ..] => (Slot::G0, Term::Default, 3),
        [b')', b'I', ..] => (Slot::G1, Term::Jis201, 3),
        [b'-', b'A', ..] => (Slot::G1, Term::Latin1, 3),
        [b'-', b'B', ..] => single(ISO_8859_2),
        [b'-', b'C', ..] => single(ISO_8859_3),
        [b'-', b'D', ..] => single(ISO_8859_4),
        [b'-', b'F', ..] => single(ISO_8859_7),
        [b'-', b'G', ..] => single(ISO_8859_6),
        [b'-', b'H', ..] => single(ISO_8859_8),
        [b'-', b'L', ..] => single(ISO_8859_5),
        [b'-', b'M', ..] => single(WINDOWS_1254),
        [b'-', b'T', ..] => single(WINDOWS_874),
        [b'-', b'b', ..] => single(ISO_8859_15),
        [b'$', b'(', b'D', ..] => (Slot::G0, Term::Jis212, 4),
        [b'$', b')', b'C', ..] => (Slot::G1, Term::Ks1001, 4),
        [b'$', b')', b'A', ..] => (Slot::G1, Term::Gb2312, 4),
        [b'$', b'@' | b'B', ..] => (Slot::G0, Term::Jis208, 3),
        [b'$', b'A', ..] => (Slot::G0, Term::Gb2312, 3),
        _ => return None,
    })
}

/// Seven-bit pairs. A control character ends the mode (PS3.5 6.1.2.5.3); the answer is the mode that follows.
fn decode_low(mode: Term, bytes: &[u8], out: &mut String) -> Term {
    let end = bytes.iter().position(|&b| b < 0x20).unwrap_or(bytes.len());
    let (pairs, plain) = bytes.split_at(end);
    let mut high = Vec::with_capacity(pairs.len() * 3 / 2);
    for pair in pairs.chunks(2) {
        if mode == Term::Jis212 {
            high.push(0x8F);
        }
        high.extend(pair.iter().map(|b| b | 0x80));
    }
    out.push_str(&lossy(if mode == Term::Gb2312 { GB18030 } else { EUC_JP }, &high));
    out.push_str(&String::from_utf8_lossy(plain));
    if plain.is_empty() { mode } else { Term::Default }
}

fn decode_high(term: Term, bytes: &[u8]) -> String {
    match term {
        Term::Default | Term::Latin1 => latin1(bytes),
        Term::Single(encoding) => lossy(encoding, bytes),
        Term::Utf8 => lossy(UTF_8, bytes),
        Term::Gb18030 | Term::Gb2312 => lossy(GB18030, bytes),
        Term::Ks1001 => lossy(EUC_KR, bytes),
        Term::Jis201 => lossy(SHIFT_JIS, bytes),
        Term::Jis208 | Term::Jis212 => strict(SHIFT_JIS, bytes).unwrap_or_else(|| lossy(EUC_JP, bytes)),
    }
}

/// High bytes under a single-byte set or none: what they most likely are.
fn detect(declared: Term, bytes: &[u8]) -> String {
    if let Term::Single(encoding) = declared {
        return lossy(encoding, bytes);
    }
    if let Some(text) = utf8(bytes) {
        return text;
    }
    if looks_like_gb(bytes)
        && let Some(text) = strict(GB18030, bytes)
    {
        return text;
    }
    latin1(bytes)
}

/// UTF-8 that nobody declared, unless it is more likely GB 2312: 毛隆 there is ë¡ here.
fn utf8(bytes: &[u8]) -> Option<String> {
    let text = strict(UTF_8, bytes)?;
    let two_bytes_each = text.chars().all(|c| c < '\u{800}');
    (!two_bytes_each || !stands_as_hanzi(bytes)).then_some(text)
}

/// Whether all high bytes are pairs from GB 2312's hanzi and none touches an ASCII letter, as accented ones of a word do.
fn stands_as_hanzi(bytes: &[u8]) -> bool {
    let touches = |a: u8, b: u8| a.is_ascii_alphabetic() && !b.is_ascii() || !a.is_ascii() && b.is_ascii_alphabetic();
    let mut runs = bytes.chunk_by(|a, b| a.is_ascii() == b.is_ascii()).filter(|run| !run[0].is_ascii());
    let is_hanzi = |pair: &[u8]| matches!(*pair, [0xB0..=0xF7, 0xA1..=0xFF]);
    !bytes.windows(2).any(|pair| touches(pair[0], pair[1])) && runs.all(|run| run.chunks(2).all(is_hanzi))
}

/// Whether high bytes pair up as GB 2312 or GBK text does. Latin text fails: its accented letters stand alone
/// between ASCII ones, and never fall in 0x81..=0x9F.
fn looks_like_gb(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let [first, tail @ ..] = rest {
        if *first < 0x80 {
            rest = tail;
            continue;
        }
        let Some((&second, after)) = tail.split_first() else { return false };
        let common = matches!(first, 0xA1..=0xF7) && second >= 0xA1;
        let extended = matches!(first, 0x81..=0xA0) && second >= 0x40 && second != 0x7F;
        let extended = extended || (matches!(second, 0x80..=0xA0) && matches!(first, 0xAA..=0xFE));
        if !common && !extended {
            return false;
        }
        rest = after;
    }
    true
}

fn strict(encoding: &'static Encoding, bytes: &[u8]) -> Option<String> {
    encoding.decode_without_bom_handling_and_without_replacement(bytes).map(|text| text.into_owned())
}

fn lossy(encoding: &'static Encoding, bytes: &[u8]) -> String {
    encoding.decode_without_bom_handling(bytes).0.into_owned()
}

/// ISO 8859-1 proper; the `encoding_rs` decoder of that name is windows-1252.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&b| char::from(b)).collect()
}
