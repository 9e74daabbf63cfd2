//! WADO-RS: instances, their metadata, frames and bulk data (PS3.18 10.4).

use std::io;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use flate2::read::DeflateDecoder;
use futures_util::stream::StreamExt;
use serde::Deserialize;
use tokio::runtime::Handle;

use super::super::auth::Caller;
use super::super::{Answer, App, Problem};
use super::accept::{self, Form};
use super::multipart::{self, Part};
use super::transcode;
use super::{Of, audit};
use crate::dicom::{self, Header, Limits, uids};
use crate::domain::InstanceId;
use crate::index::Scope;
use crate::index::dicomweb::{self, InstanceFound, Named};
use crate::ingest::derived::StoredFrames;
use crate::pixels::{Codec, FrameCache, FrameError, Frames, ShapeError};

/// Instances looked up at a time while a study is sent.
const BATCH: i64 = 200;
/// Frames of one request.
const MAX_FRAMES: usize = 10_000;
/// Longest DICOM JSON of an instance.
const MAX_JSON: u64 = 256 << 20;

pub const NOT_ACCEPTABLE: Problem = Problem::new(StatusCode::NOT_ACCEPTABLE, "not_acceptable");

/// Study, series or instance, as stored or as Explicit VR Little Endian.
pub async fn retrieve(
    State(app): State<App>,
    caller: Caller,
    Path(of): Path<Of>,
    headers: HeaderMap,
) -> Answer<Response> {
    let ranges = accept::ranges(&headers);
    let first = first(&app, caller.scope, &of).await?;
    let (form, multipart) = accept::instance(&ranges, &first.transfer_syntax).ok_or(NOT_ACCEPTABLE)?;
    // What can't be made into what was asked for is known of the first instance before anything is answered.
    let opened = transcode::open(&app, caller.scope, &first, form).await?;
    audit(&app, &caller, &first).await?;
    if of.instance.is_some() && !multipart {
        return Ok(multipart::single(&opened.content_type, opened.body));
    }
    let scope = caller.scope;
    let parts = async_stream::try_stream! {
        let mut last = first.id;
        yield opened;
        loop {
            let batch = batch(&app, scope, &of, last).await.map_err(io::Error::other)?;
            let Some(end) = batch.last().map(|instance| instance.id) else { break };
            for instance in &batch {
                let (form, _) = accept::instance(&ranges, &instance.transfer_syntax).unwrap_or((Form::Stored, true));
                let part = transcode::open(&app, scope, instance, form).await;
                yield part.map_err(|problem| io::Error::other(problem.code))?;
            }
            last = end;
        }
    };
    Ok(multipart::related("application/dicom", parts.boxed()))
}

/// DICOM JSON of all named instances, without values that are bulk.
pub async fn metadata(State(app): State<App>, caller: Caller, Path(of): Path<Of>) -> Answer<Response> {
    let first = first(&app, caller.scope, &of).await?;
    audit(&app, &caller, &first).await?;
    let scope = caller.scope;
    let body = async_stream::try_stream! {
        let mut last = InstanceId(0);
        let mut separator = "[";
        loop {
            let batch = batch(&app, scope, &of, last).await.map_err(io::Error::other)?;
            let Some(end) = batch.last().map(|instance| instance.id) else { break };
            for instance in &batch {
                let mut tx = app.db.read().await.map_err(io::Error::other)?;
                let deflated = dicomweb::metadata(&mut tx, instance.id).await.map_err(io::Error::other)?;
                drop(tx);
                if let Some(deflated) = deflated {
                    yield Bytes::from_static(separator.as_bytes());
                    separator = ",\n";
                    yield Bytes::from(inflate(&deflated)?);
                }
            }
            last = end;
        }
        yield Bytes::from_static(if separator == "[" { b"[]" } else { b"]" });
    };
    let body: multipart::Bytestream = body.boxed();
    Ok(multipart::single("application/dicom+json", body))
}

fn inflate(deflated: &[u8]) -> io::Result<Vec<u8>> {
    let mut json = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(DeflateDecoder::new(deflated), MAX_JSON), &mut json)?;
    Ok(json)
}

#[derive(Deserialize)]
pub struct OfFrames {
    study: String,
    series: String,
    instance: String,
    /// `1,3,5`, counted from 1.
    frames: String,
}

/// Single frames: samples as Explicit VR Little Endian has them, or as they are coded.
pub async fn frames(
    State(app): State<App>,
    caller: Caller,
    Path(of): Path<OfFrames>,
    headers: HeaderMap,
) -> Answer<Response> {
    let wanted: Option<Vec<u32>> = of.frames.split(',').map(|n| n.trim().parse().ok().filter(|&n| n > 0)).collect();
    let wanted = wanted.filter(|list| list.len() <= MAX_FRAMES).ok_or(Problem::bad_request("bad_frames"))?;
    let named = Of { study: Some(of.study), series: Some(of.series), instance: Some(of.instance) };
    let found = first(&app, caller.scope, &named).await?;
    let (coded, multipart) = accept::frames(&accept::ranges(&headers), &found.transfer_syntax).ok_or(NOT_ACCEPTABLE)?;
    let opened = Opened::new(&app, &found).await?;
    let count = opened.frames().map_err(refused)?.count;
    if wanted.iter().any(|&n| n > count) {
        return Err(Problem::not_found());
    }
    audit(&app, &caller, &found).await?;
    send_frames(app, opened, wanted, coded, multipart, &found.transfer_syntax).await
}

async fn send_frames(
    app: App,
    opened: Opened,
    wanted: Vec<u32>,
    coded: Option<&'static str>,
    multipart: bool,
    stored: &str,
) -> Answer<Response> {
    let media = coded.unwrap_or("application/octet-stream");
    let syntax = if coded.is_some() { stored } else { uids::EXPLICIT_VR_LITTLE_ENDIAN };
    let content_type = format!("{media}; transfer-syntax={syntax}");
    // The first frame before the answer begins: what does not decode is refused, not cut off.
    let first = {
        let frames = opened.frames().map_err(refused)?;
        frame(&app, &frames, wanted[0] - 1, coded.is_some()).await.map_err(refused)?
    };
    if wanted.len() == 1 && !multipart {
        return Ok(multipart::single(&content_type, multipart::ready(first)));
    }
    let parts = async_stream::try_stream! {
        yield Part { content_type: content_type.clone(), body: multipart::ready(first) };
        let frames = opened.frames().map_err(io::Error::other)?;
        for &number in &wanted[1..] {
            let bytes = frame(&app, &frames, number - 1, coded.is_some()).await.map_err(io::Error::other)?;
            yield Part { content_type: content_type.clone(), body: multipart::ready(bytes) };
        }
    };
    Ok(multipart::related(media, parts.boxed()))
}

/// An instance whose header was walked.
pub struct Opened {
    pub header: Header,
    pub source: StoredFrames,
    cache: FrameCache,
}

impl Opened {
    /// The caller has been found to be allowed to see the instance.
    pub async fn new(app: &App, found: &InstanceFound) -> Answer<Self> {
        let length = u64::try_from(found.bytes).unwrap_or(0);
        let source = StoredFrames::new(app.viewing.bytes.clone(), found.id, length);
        let reader = source.reader(Handle::current());
        let walked = tokio::task::spawn_blocking(move || dicom::walk(reader, &Limits::default())).await;
        let header = walked.map_err(Problem::internal)?.map_err(Problem::internal)?;
        Ok(Self { header, source, cache: FrameCache::default() })
    }

    pub fn frames(&self) -> Result<Frames<'_, StoredFrames>, FrameFault> {
        Ok(Frames::new(&self.header, &self.source, &self.cache)?)
    }
}

/// Frame `index` from 0: coded as it is, or native samples.
pub async fn frame(
    app: &App,
    frames: &Frames<'_, StoredFrames>,
    index: u32,
    coded: bool,
) -> Result<Vec<u8>, FrameFault> {
    let bytes = frames.read(index).await?;
    if coded || frames.shape.codec == Codec::Native {
        return Ok(bytes);
    }
    let samples = app.viewing.decoder.samples(&frames.shape, &bytes).await?.bytes;
    Ok(if frames.shape.bits_allocated == 1 { pack_bits(&samples) } else { samples })
}

#[derive(Debug, thiserror::Error)]
pub enum FrameFault {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Decode(#[from] crate::pixels::DecodeError),
}

pub fn refused(fault: FrameFault) -> Problem {
    match fault {
        FrameFault::Frame(FrameError::Shape(ShapeError::NoPixels) | FrameError::NoSuchFrame(_)) => Problem::not_found(),
        FrameFault::Frame(FrameError::Io(error)) => Problem::internal(error),
        FrameFault::Decode(error @ crate::pixels::DecodeError::NoWorker(_)) => Problem::internal(error),
        other => NOT_ACCEPTABLE.detail(other.to_string()),
    }
}

/// Single bits, eight a byte, the first in the lowest place (PS3.5 8.1.1).
fn pack_bits(samples: &[u8]) -> Vec<u8> {
    samples.chunks(8).map(|bits| bits.iter().rev().fold(0, |byte, &bit| byte << 1 | (bit & 1))).collect()
}

#[derive(Deserialize)]
pub struct OfBulk {
    study: String,
    series: String,
    instance: String,
    /// `offset-length` in the stored file, or the tag of Pixel Data.
    bulk: String,
}

/// What the metadata's BulkDataURIs name.
pub async fn bulk(
    State(app): State<App>,
    caller: Caller,
    Path(of): Path<OfBulk>,
    headers: HeaderMap,
) -> Answer<Response> {
    let named = Of { study: Some(of.study), series: Some(of.series), instance: Some(of.instance) };
    let found = first(&app, caller.scope, &named).await?;
    if of.bulk.starts_with("7FE0") {
        let (coded, multipart) =
            accept::frames(&accept::ranges(&headers), &found.transfer_syntax).ok_or(NOT_ACCEPTABLE)?;
        let opened = Opened::new(&app, &found).await?;
        let wanted = (1..=opened.frames().map_err(refused)?.count).collect();
        audit(&app, &caller, &found).await?;
        return send_frames(app, opened, wanted, coded, multipart, &found.transfer_syntax).await;
    }
    let (offset, length) = of.bulk.split_once('-').ok_or(Problem::not_found())?;
    let range = offset.parse::<u64>().ok().zip(length.parse::<u64>().ok()).ok_or(Problem::not_found())?;
    let end = range.0.checked_add(range.1).filter(|&end| end <= u64::try_from(found.bytes).unwrap_or(0));
    let end = end.ok_or(Problem::not_found())?;
    let (_, body) =
        app.viewing.bytes.stream(caller.scope, found.id, Some(range.0..end)).await.map_err(Problem::internal)?;
    audit(&app, &caller, &found).await?;
    let multipart = accept::ranges(&headers).first().is_some_and(|range| range.multipart && range.media != "*/*");
    Ok(match multipart {
        false => multipart::single("application/octet-stream", body),
        true => {
            let part = Part { content_type: "application/octet-stream".into(), body };
            multipart::related("application/octet-stream", futures_util::stream::iter([Ok(part)]).boxed())
        }
    })
}

/// The first instance of what a path names; nothing within the caller's scope is not found.
async fn first(app: &App, scope: Scope, of: &Of) -> Answer<InstanceFound> {
    let mut tx = app.db.read().await?;
    let found = dicomweb::named(&mut tx, scope, named(of), InstanceId(0), 1).await?;
    found.into_iter().next().ok_or(Problem::not_found())
}

async fn batch(app: &App, scope: Scope, of: &Of, after: InstanceId) -> crate::index::Result<Vec<InstanceFound>> {
    dicomweb::named(&mut app.db.read().await?, scope, named(of), after, BATCH).await
}

fn named(of: &Of) -> Named<'_> {
    Named {
        study: of.study.as_deref().unwrap_or_default(),
        series: of.series.as_deref(),
        instance: of.instance.as_deref(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_bits_pack_from_the_lowest_place() {
        assert_eq!(pack_bits(&[1, 0, 0, 0, 0, 0, 0, 0, 1, 1]), [1, 3]);
    }
}
