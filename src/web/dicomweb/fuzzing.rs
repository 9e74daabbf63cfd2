//! See [`crate::fuzzing`].

use axum::http::HeaderMap;

use super::parts::{Event, Fault, Parser};
use super::{accept, range};
use crate::fuzzing::seen;

/// The parts of a body that comes in pieces of this length: how many bytes each has, or the fault.
pub fn parts(mut body: &[u8], piece: usize) -> Result<(Vec<Vec<u8>>, bool), Fault> {
    let mut parser = Parser::new("b")?;
    let mut parts: Vec<Vec<u8>> = Vec::new();
    while !body.is_empty() {
        let (now, later) = body.split_at(piece.min(body.len()));
        body = later;
        parser.push(now);
        while let Some(event) = parser.event()? {
            match (event, parts.last_mut()) {
                (Event::Begin(head), _) => {
                    accept::media_type(head.get("content-type").unwrap_or_default());
                    parts.push(Vec::new());
                }
                (Event::Data(data), Some(part)) => part.extend(data),
                (Event::End, Some(_)) => {}
                (Event::Data(_) | Event::End, None) => panic!("a part that never began"),
            }
        }
    }
    Ok((parts, parser.is_whole()))
}

pub fn wanted(headers: &HeaderMap, query: Option<&str>) {
    for query in [None, query] {
        let ranges = accept::Ranges::of(headers, query);
        for stored in ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.50"] {
            seen((accept::instance(&ranges, stored), accept::frames(&ranges, stored)));
        }
        accept::images(&ranges);
        ranges.take_json();
    }
    accept::takes_gzip(headers);
    range::wanted(headers, 1000);
}
