//! Query strings (PS3.18 8.3.4): pairs, and the attributes that their names mean.

use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_dictionary_std::StandardDataDictionary;

use super::super::super::{Answer, Problem};
use super::AttributePath;
use crate::dicom::Tag;

/// Pairs of one query; further ones are not read.
const MAX_PAIRS: usize = 256;
/// Sequences inside sequences in one name.
const MAX_DEPTH: usize = 8;

/// `name=value` pairs, percent-decoded.
pub fn pairs(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).take(MAX_PAIRS);
    pairs
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key), decode(value))
        })
        .collect()
}

pub fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let hex = after.first_chunk::<2>().filter(|pair| pair.iter().all(u8::is_ascii_hexdigit));
        let hex =
            hex.and_then(|pair| std::str::from_utf8(pair).ok()).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        rest = after;
        bytes.push(match (byte, hex) {
            (b'%', Some(decoded)) => {
                rest = &after[2..];
                decoded
            }
            (b'+', _) => b' ',
            _ => byte,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Keywords or eight hexadecimal digits each, between dots.
pub fn path(name: &str) -> Answer<AttributePath> {
    let path: Option<AttributePath> = name.split('.').map(attribute).collect();
    let unknown = || Problem::bad_request("unknown_attribute").detail(name);
    path.filter(|path| path.len() <= MAX_DEPTH).ok_or_else(unknown)
}

fn attribute(name: &str) -> Option<Tag> {
    if name.len() == 8
        && name.bytes().all(|b| b.is_ascii_hexdigit())
        && let Ok(number) = u32::from_str_radix(name, 16)
    {
        return Some(Tag((number >> 16) as u16, number as u16));
    }
    StandardDataDictionary.by_name(name).map(|entry| entry.tag())
}
