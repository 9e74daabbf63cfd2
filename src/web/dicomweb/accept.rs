//! What a client can read: Accept, as DICOMweb uses it (PS3.18 8.7).

use axum::http::{HeaderMap, header};

use crate::dicom::uids;

/// One media range of an Accept header.
#[derive(Debug, Clone, PartialEq)]
pub struct Range {
    /// `multipart/related` already taken off: the type of its parts.
    pub media: String,
    /// Parts were asked for, or anything.
    pub multipart: bool,
    pub transfer_syntax: Option<String>,
    quality: f32,
}

/// The ranges, most wanted first. No Accept header, or none that parses, is `*/*`.
pub fn ranges(headers: &HeaderMap) -> Vec<Range> {
    let text: Vec<&str> = headers.get_all(header::ACCEPT).into_iter().filter_map(|v| v.to_str().ok()).collect();
    let mut ranges: Vec<Range> = split(&text.join(","), ',').into_iter().filter_map(range).take(32).collect();
    if ranges.is_empty() {
        ranges.extend(range("*/*"));
    }
    ranges.sort_by(|a, b| b.quality.total_cmp(&a.quality));
    ranges
}

fn range(text: &str) -> Option<Range> {
    let mut parts = split(text, ';').into_iter().map(str::trim);
    let mut media = parts.next()?.to_ascii_lowercase();
    let (mut of, mut transfer_syntax, mut quality) = (None, None, 1.0);
    for (key, value) in parts.filter_map(|part| part.split_once('=')) {
        let value = value.trim().trim_matches('"');
        match key.trim().to_ascii_lowercase().as_str() {
            "type" => of = Some(value.to_ascii_lowercase()),
            "transfer-syntax" => transfer_syntax = Some(value.to_owned()),
            "q" => quality = value.parse().unwrap_or(0.0),
            _ => {}
        }
    }
    let multipart = media == "multipart/related" || media == "*/*";
    if media == "multipart/related" {
        media = of.unwrap_or_else(|| "*/*".to_owned());
    }
    (media.contains('/') && quality > 0.0).then_some(Range { media, multipart, transfer_syntax, quality })
}

/// Splits outside quotation marks.
fn split(text: &str, at: char) -> Vec<&str> {
    let mut quoted = false;
    text.split(|c| {
        quoted ^= c == '"';
        c == at && !quoted
    })
    .collect()
}

/// In what form an instance is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The stored bytes.
    Stored,
    /// Explicit VR Little Endian without compression; else, where that can't be, refuse.
    Explicit,
    /// The same, but stored bytes will do.
    ExplicitOrStored,
}

/// How to send an instance stored in `stored`, and whether as parts; `None`: nothing acceptable.
pub fn instance(ranges: &[Range], stored: &str) -> Option<(Form, bool)> {
    ranges.iter().find_map(|range| {
        let any = range.media == "*/*";
        if !any && range.media != "application/dicom" && range.media != "application/*" {
            return None;
        }
        let form = match range.transfer_syntax.as_deref() {
            Some("*") => Form::Stored,
            Some(wanted) if wanted == stored => Form::Stored,
            Some(uids::EXPLICIT_VR_LITTLE_ENDIAN) => Form::Explicit,
            Some(_) => return None,
            None if stored == uids::EXPLICIT_VR_LITTLE_ENDIAN => Form::Stored,
            None if any => Form::ExplicitOrStored,
            None => Form::Explicit,
        };
        Some((form, range.multipart))
    })
}

/// How to send frames stored in `stored`: as samples, or as coded with this media type; and whether as parts.
pub fn frames(ranges: &[Range], stored: &str) -> Option<(Option<&'static str>, bool)> {
    let coded = media_of(stored);
    ranges.iter().find_map(|range| {
        let octets = matches!(range.media.as_str(), "*/*" | "application/octet-stream" | "application/*");
        let own = coded.is_some_and(|media| range.media == media || range.media == "image/*");
        let asked = range.transfer_syntax.as_deref();
        let form = match asked {
            Some(wanted) if (wanted == "*" || wanted == stored) && (octets || own) => match coded {
                Some(media) => Some(if own { media } else { "application/octet-stream" }),
                None => None,
            },
            Some(uids::EXPLICIT_VR_LITTLE_ENDIAN) | None if octets => None,
            None if own => coded,
            _ => return None,
        };
        Some((form, range.multipart))
    })
}

/// Media types of coded frames (PS3.18 table 8.7.3-5).
fn media_of(transfer_syntax: &str) -> Option<&'static str> {
    Some(match transfer_syntax {
        uids::JPEG_BASELINE8_BIT | uids::JPEG_EXTENDED12_BIT | uids::JPEG_LOSSLESS | uids::JPEG_LOSSLESS_SV1 => {
            "image/jpeg"
        }
        uids::RLE_LOSSLESS => "image/dicom-rle",
        uids::JPEGLS_LOSSLESS | uids::JPEGLS_NEAR_LOSSLESS => "image/jls",
        uids::JPEG2000_LOSSLESS | uids::JPEG2000 => "image/jp2",
        uids::HTJ2K_LOSSLESS | uids::HTJ2K_LOSSLESS_RPCL | uids::HTJ2K => "image/jphc",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<Range> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, text.parse().unwrap());
        ranges(&headers)
    }

    const JPEG: &str = "1.2.840.10008.1.2.4.50";
    const IMPLICIT: &str = "1.2.840.10008.1.2";
    const EXPLICIT: &str = "1.2.840.10008.1.2.1";

    #[test]
    fn an_instance_comes_as_the_client_can_read_it() {
        let any_syntax = of("multipart/related; type=\"application/dicom\"; transfer-syntax=*");
        assert_eq!(instance(&any_syntax, JPEG), Some((Form::Stored, true)));
        let default = of("multipart/related; type=\"application/dicom\"");
        assert_eq!(instance(&default, JPEG), Some((Form::Explicit, true)));
        assert_eq!(instance(&default, EXPLICIT), Some((Form::Stored, true)));
        assert_eq!(instance(&of("application/dicom"), IMPLICIT), Some((Form::Explicit, false)));
        assert_eq!(instance(&ranges(&HeaderMap::new()), JPEG), Some((Form::ExplicitOrStored, true)));
        assert_eq!(instance(&of("text/html"), JPEG), None);
        let choosy = of("multipart/related; type=application/dicom; transfer-syntax=1.2.840.10008.1.2.4.90");
        assert_eq!(instance(&choosy, JPEG), None);
    }

    #[test]
    fn the_best_of_several_ranges_wins_and_commas_in_quotes_do_not_split() {
        let mixed =
            of("text/html;q=0.9, multipart/related;type=\"application/dicom\";transfer-syntax=*;q=0.5, a/b;x=\"1,2\"");
        assert_eq!(
            mixed.iter().map(|r| r.media.as_str()).collect::<Vec<_>>(),
            ["a/b", "text/html", "application/dicom"]
        );
    }

    #[test]
    fn frames_come_as_samples_or_as_they_are_coded() {
        let octets = of("multipart/related; type=\"application/octet-stream\"");
        assert_eq!(frames(&octets, JPEG), Some((None, true)));
        assert_eq!(frames(&of("multipart/related; type=\"image/jpeg\""), JPEG), Some((Some("image/jpeg"), true)));
        assert_eq!(frames(&of("multipart/related; type=\"image/jls\""), JPEG), None);
        let any = of("multipart/related; type=\"application/octet-stream\"; transfer-syntax=*");
        assert_eq!(frames(&any, JPEG), Some((Some("application/octet-stream"), true)));
        assert_eq!(frames(&any, IMPLICIT), Some((None, true)));
    }
}
