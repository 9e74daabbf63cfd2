//! What a client can read: Accept and its query parameter, as DICOMweb uses them (PS3.18 8.3.3.1, 8.7).
//!
//! [`Ranges`] is what was said; [`offers`] is what can be made of it.

mod offers;

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

pub use offers::{Form, FrameForm, Image, frames, images, instance};

/// Ranges looked at of one request.
const MAX_RANGES: usize = 32;

/// One media range.
#[derive(Debug, Clone, PartialEq)]
pub struct Range {
    /// `multipart/related` already taken off: the type of its parts.
    pub media: String,
    /// Parts were asked for, or anything.
    pub multipart: bool,
    pub transfer_syntax: Option<String>,
    quality: f32,
}

/// The ranges, most wanted first.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranges(Vec<Range>);

impl Ranges {
    /// The query parameter `accept` outranks the header: it is for who cannot set one. Neither, or nothing that parses, is
    /// `*/*`.
    pub fn of(headers: &HeaderMap, query: Option<&str>) -> Self {
        let text = match query.and_then(from_query) {
            Some(text) => text,
            None => {
                let lines = headers.get_all(header::ACCEPT).into_iter().filter_map(|v| v.to_str().ok());
                lines.collect::<Vec<_>>().join(",")
            }
        };
        let mut ranges: Vec<Range> = split(&text, ',').into_iter().filter_map(range).take(MAX_RANGES).collect();
        if ranges.is_empty() {
            ranges.extend(range("*/*"));
        }
        ranges.sort_by(|a, b| b.quality.total_cmp(&a.quality));
        Self(ranges)
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Range> {
        self.0.iter()
    }

    /// Whether DICOM JSON is among what is wanted; plain JSON is what it is.
    pub fn take_json(&self) -> bool {
        let json = ["*/*", "application/*", "application/dicom+json", "application/json"];
        self.iter().any(|range| json.contains(&range.media.as_str()))
    }
}

impl<S: Sync> FromRequestParts<S> for Ranges {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers, parts.uri.query()))
    }
}

/// The value of `accept` in a query string. A plus is a plus here: media types have them.
fn from_query(query: &str) -> Option<String> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix("accept="))?;
    let text = super::qido::decode(&value.replace('+', "%2B"));
    (!text.trim().is_empty()).then_some(text)
}

/// Whether gzip is among the content codings that are taken (RFC 9110 12.5.3).
pub fn takes_gzip(headers: &HeaderMap) -> bool {
    let codings = headers.get_all(header::ACCEPT_ENCODING).into_iter().filter_map(|value| value.to_str().ok());
    codings.flat_map(|line| line.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let refused = parts.any(|part| part.strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0)));
        gzip && !refused
    })
}

fn range(text: &str) -> Option<Range> {
    let (mut media, parameters) = media_type(text);
    let (mut of, mut transfer_syntax, mut quality) = (None, None, 1.0);
    for (key, value) in parameters {
        match key.as_str() {
            "type" => of = Some(value.to_ascii_lowercase()),
            "transfer-syntax" => transfer_syntax = Some(value),
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

/// A media type in small letters, and its parameters, their names too; quotation marks taken off.
pub fn media_type(text: &str) -> (String, Vec<(String, String)>) {
    let mut parts = split(text, ';').into_iter().map(str::trim);
    let media = parts.next().unwrap_or_default().to_ascii_lowercase();
    let parameters = parts.filter_map(|part| part.split_once('='));
    let clean =
        |(key, value): (&str, &str)| (key.trim().to_ascii_lowercase(), value.trim().trim_matches('"').to_owned());
    (media, parameters.map(clean).collect())
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

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn accepting(text: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(text))])
    }

    fn media(ranges: &Ranges) -> Vec<&str> {
        ranges.iter().map(|range| range.media.as_str()).collect()
    }

    #[test]
    fn the_best_of_several_ranges_comes_first_and_commas_in_quotes_do_not_split() {
        let mixed = accepting(
            "text/html;q=0.9, multipart/related;type=\"application/dicom\";transfer-syntax=*;q=0.5, a/b;x=\"1,2\", c/d;q=0",
        );
        assert_eq!(media(&Ranges::of(&mixed, None)), ["a/b", "text/html", "application/dicom"]);
        assert_eq!(media(&Ranges::of(&HeaderMap::new(), None)), ["*/*"]);
    }

    #[test]
    fn the_query_parameter_outranks_the_header() {
        let header = accepting("text/html");
        let of = |query| Ranges::of(&header, Some(query));
        assert_eq!(media(&of("x=1&accept=application/dicom+json")), ["application/dicom+json"]);
        assert_eq!(media(&of("accept=image%2Fpng,image/jpeg;q=0.5")), ["image/png", "image/jpeg"]);
        assert_eq!(media(&of("accept=&limit=1")), ["text/html"]);
        assert!(of("accept=application/dicom%2Bjson").take_json());
    }

    #[test]
    fn gzip_is_taken_where_it_is_named_and_not_refused() {
        let takes =
            |text| takes_gzip(&HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(text))]));
        assert!(takes("gzip") && takes("br;q=1, GZIP;q=0.5") && takes("deflate, gzip"));
        assert!(!takes("gzip;q=0") && !takes("br") && !takes_gzip(&HeaderMap::new()));
    }

    #[test]
    fn a_content_type_comes_apart() {
        let (media, parameters) = media_type("Multipart/Related; Type=\"application/dicom\"; boundary=\"a;b\"");
        assert_eq!(media, "multipart/related");
        assert_eq!(parameters[0], ("type".into(), "application/dicom".into()));
        assert_eq!(parameters[1], ("boundary".into(), "a;b".into()));
    }
}
