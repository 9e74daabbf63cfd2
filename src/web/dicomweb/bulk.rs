//! WADO-RS: bulk data (PS3.18 10.4.1.1.5), what the metadata's BulkDataURIs name; also in part (RFC 9110 14).

use std::io;
use std::ops::Range;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::StreamExt;
use serde::Deserialize;

use super::super::auth::Caller;
use super::super::{Answer, App, Problem};
use super::accept::{self, FrameForm, Ranges};
use super::multipart::{self, Bytestream, Part};
use super::opened::{Opened, frame, refused};
use super::range::{Wanted, wanted};
use super::resource::first;
use super::transcode::NOT_ACCEPTABLE;
use super::{Of, audit, frames};
use crate::dicom::Encoding;
use crate::index::dicomweb::NamedInstance;
use crate::pixels::Codec;

const OCTETS: &str = "application/octet-stream";

#[derive(Deserialize)]
pub struct OfBulk {
    study: String,
    series: String,
    instance: String,
    /// `offset-length` in the stored file, or the tag of Pixel Data.
    bulk: String,
}

#[derive(Clone, Copy)]
struct Asked<'a> {
    headers: &'a HeaderMap,
    ranges: &'a Ranges,
}

pub async fn bulk(
    State(app): State<App>,
    caller: Caller,
    Path(of): Path<OfBulk>,
    ranges: Ranges,
    headers: HeaderMap,
) -> Answer<Response> {
    let named = Of { study: Some(of.study), series: Some(of.series), instance: Some(of.instance) };
    let found = first(&app, caller.scope, &named).await?;
    let asked = Asked { headers: &headers, ranges: &ranges };
    let response = match of.bulk.starts_with("7FE0") {
        true => pixels(&app, &found, asked).await?,
        false => value(&app, &found, &of.bulk, asked).await?,
    };
    audit(&app, &caller, &found).await?;
    Ok(response)
}

/// A value that lies in the stored file.
async fn value(app: &App, found: &NamedInstance, place: &str, asked: Asked<'_>) -> Answer<Response> {
    let (offset, length) = place.split_once('-').ok_or(Problem::not_found())?;
    let place = offset.parse::<u64>().ok().zip(length.parse::<u64>().ok()).ok_or(Problem::not_found())?;
    let end = place.0.checked_add(place.1).filter(|&end| end <= u64::try_from(found.bytes).unwrap_or(0));
    let end = end.ok_or(Problem::not_found())?;
    stored(app, found, place.0..end, asked, octets(asked.ranges).ok_or(NOT_ACCEPTABLE)?).await
}

/// Pixel Data: as one run of bytes where one part was asked for, else frame by frame.
async fn pixels(app: &App, found: &NamedInstance, asked: Asked<'_>) -> Answer<Response> {
    let offers = accept::frames(asked.ranges, &found.transfer_syntax);
    let opened = Opened::new(app, found).await?;
    let count = opened.frames()?.count;
    let has_range = asked.headers.contains_key(header::RANGE);
    // A span of bytes means something of one run only, whatever it is wrapped in.
    let one_run = offers.iter().find(|(form, multipart)| *form == FrameForm::Samples && (!multipart || has_range));
    match one_run {
        Some(&(_, multipart)) if offers.first().is_some_and(|(form, _)| *form == FrameForm::Samples) => {
            run(app, found, opened, asked, multipart).await
        }
        _ if offers.is_empty() => Err(NOT_ACCEPTABLE),
        _ => frames::send(app.clone(), opened, (1..=count).collect(), offers, &found.transfer_syntax).await,
    }
}

/// All frames' samples one after the other.
async fn run(app: &App, found: &NamedInstance, opened: Opened, asked: Asked<'_>, multipart: bool) -> Answer<Response> {
    let header = &opened.header;
    if let Some(pixels) = header.pixel_data.as_ref().filter(|pixels| pixels.encapsulated.is_none())
        && !header.deflated
        && header.encoding != Encoding::ExplicitBig
    {
        let place = pixels.offset..pixels.offset + pixels.length;
        return stored(app, found, place, asked, multipart).await;
    }
    let frames = opened.frames()?;
    let shape = &frames.shape;
    let each = match shape.codec {
        Codec::Native => shape.native_bits().div_ceil(8),
        _ if shape.bits_allocated == 1 => (shape.decoded_length() as u64).div_ceil(8),
        _ => shape.decoded_length() as u64,
    };
    let count = frames.count;
    let total = each * u64::from(count);
    let span = match wanted(asked.headers, total) {
        Wanted::Nothing => return Ok(nothing(total)),
        Wanted::Whole => None,
        Wanted::Part(span) => Some(span),
    };
    let bytes = span.clone().unwrap_or(0..total);
    let first = u32::try_from(bytes.start / each.max(1)).unwrap_or(u32::MAX).min(count - 1);
    // What does not decode is refused, not cut off.
    frame(app, &frames, first, FrameForm::Samples).await.map_err(refused)?;
    let body = decoded(app.clone(), opened, first, each, bytes);
    Ok(respond(body, total, span, multipart))
}

/// Bytes `span` of decoded frames of `each` bytes, from frame `first` on.
fn decoded(app: App, opened: Opened, first: u32, each: u64, span: Range<u64>) -> Bytestream {
    let body = async_stream::try_stream! {
        let frames = opened.frames().map_err(|problem| io::Error::other(problem.code))?;
        for index in first..frames.count {
            let begin = u64::from(index) * each;
            if begin >= span.end {
                break;
            }
            let bytes = frame(&app, &frames, index, FrameForm::Samples).await.map_err(io::Error::other)?;
            let from = span.start.saturating_sub(begin).min(bytes.len() as u64) as usize;
            let to = (span.end - begin).min(bytes.len() as u64) as usize;
            yield Bytes::from(bytes).slice(from..to);
        }
    };
    let body: Bytestream = body.boxed();
    body
}

/// A run of bytes of the stored file.
async fn stored(
    app: &App,
    found: &NamedInstance,
    place: Range<u64>,
    asked: Asked<'_>,
    multipart: bool,
) -> Answer<Response> {
    let total = place.end - place.start;
    let span = match wanted(asked.headers, total) {
        Wanted::Nothing => return Ok(nothing(total)),
        Wanted::Whole => None,
        Wanted::Part(span) => Some(span),
    };
    let bytes = span.clone().unwrap_or(0..total);
    let within = place.start + bytes.start..place.start + bytes.end;
    // The instance was found within the caller's scope.
    let (_, body) = app.viewing.bytes.stream(crate::index::Scope::All, found.id, Some(within)).await?;
    Ok(respond(body, total, span, multipart))
}

/// Whether octets are wanted, and in parts.
fn octets(ranges: &Ranges) -> Option<bool> {
    ranges.iter().find_map(|range| match range.media.as_str() {
        "*/*" => Some(false),
        OCTETS | "application/*" => Some(range.multipart),
        _ => None,
    })
}

fn nothing(total: u64) -> Response {
    let problem = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, "range").detail(format!("there are {total} bytes"));
    let mut response = problem.into_response();
    if let Ok(value) = HeaderValue::try_from(format!("bytes */{total}")) {
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    response
}

fn respond(body: Bytestream, total: u64, span: Option<Range<u64>>, multipart: bool) -> Response {
    let length = span.as_ref().map_or(total, |span| span.end - span.start);
    let mut response = match multipart {
        true => {
            let part = Part { content_type: OCTETS.into(), body };
            multipart::related(OCTETS, futures_util::stream::iter([Ok(part)]).boxed())
        }
        false => {
            let mut response = multipart::single(OCTETS, body);
            response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
            response
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(span) = span {
        let text = format!("bytes {}-{}/{total}", span.start, span.end - 1);
        match HeaderValue::try_from(text) {
            Ok(value) => drop(headers.insert(header::CONTENT_RANGE, value)),
            Err(error) => return Problem::internal(error).into_response(),
        }
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    response
}
