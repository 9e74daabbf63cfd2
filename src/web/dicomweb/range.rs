//! The Range header (RFC 9110 14.2): one span of bytes.

use std::ops::Range;

use axum::http::{HeaderMap, header};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    Whole,
    Part(Range<u64>),
    /// Nothing of what is there.
    Nothing,
}

/// What of `length` bytes is wanted. Several spans, other units and nonsense mean the whole, as does a condition: nothing
/// here has a validator that it could name.
pub fn wanted(headers: &HeaderMap, length: u64) -> Wanted {
    let text = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let span = text.and_then(|text| text.trim().strip_prefix("bytes=")).and_then(|span| span.split_once('-'));
    let (Some((first, last)), false) = (span, headers.contains_key(header::IF_RANGE)) else { return Wanted::Whole };
    let number = |text: &str| match text.trim() {
        "" => Some(None),
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse::<u64>().ok().map(Some),
        _ => None,
    };
    let range = match (number(first), number(last)) {
        (Some(Some(first)), Some(Some(last))) if first > last => return Wanted::Whole,
        (Some(Some(first)), Some(Some(last))) => first..last.saturating_add(1).min(length),
        (Some(Some(first)), Some(None)) => first..length,
        (Some(None), Some(Some(last))) => length.saturating_sub(last)..length,
        _ => return Wanted::Whole,
    };
    if range.start < range.end { Wanted::Part(range) } else { Wanted::Nothing }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn of(text: &'static str) -> Wanted {
        wanted(&HeaderMap::from_iter([(header::RANGE, HeaderValue::from_static(text))]), 100)
    }

    #[test]
    fn a_span_is_cut_to_what_is_there() {
        assert_eq!(of("bytes=0-9"), Wanted::Part(0..10));
        assert_eq!(of("bytes=90-200"), Wanted::Part(90..100));
        assert_eq!(of("bytes=90-"), Wanted::Part(90..100));
        assert_eq!(of("bytes=-10"), Wanted::Part(90..100));
        assert_eq!(of("bytes=-1000"), Wanted::Part(0..100));
    }

    #[test]
    fn what_lies_outside_is_nothing_and_what_is_no_span_is_the_whole() {
        assert_eq!(of("bytes=100-"), Wanted::Nothing);
        assert_eq!(of("bytes=-0"), Wanted::Nothing);
        for whole in ["bytes=5-2", "bytes=1-2,4-5", "lines=1-2", "bytes=a-b", "bytes=-", "bytes=+1-2"] {
            assert_eq!(of(whole), Wanted::Whole, "{whole}");
        }
        assert_eq!(wanted(&HeaderMap::new(), 5), Wanted::Whole);
    }
}
