//! An instance on its way out: the stored bytes, or written anew with its pixels decoded or compressed (PS3.18 8.7.3.5).

use std::io;

use axum::http::StatusCode;
use bytes::Bytes;
use futures_util::StreamExt;

use super::super::{Answer, App, Problem};
use super::accept::{Form, FrameForm};
use super::multipart::{Bytestream, Part};
use super::opened::{Opened, frame, refused};
use crate::dicom::{NewPixels, Piece, PixelValue, Rewritten, decoded_photometric, fragment_head, rewrite, tags, uids};
use crate::index::Scope;
use crate::index::dicomweb::NamedInstance;
use crate::pixels::{Codec, Colour, FrameSource, Shape, Target};

/// How much of a stored value is read at a time.
const CHUNK: u64 = 512 << 10;

pub const NOT_ACCEPTABLE: Problem = Problem::new(StatusCode::NOT_ACCEPTABLE, "not_acceptable");

/// Opens one instance in the first of these forms that it has.
pub async fn open(app: &App, scope: Scope, found: &NamedInstance, forms: impl Iterator<Item = Form>) -> Answer<Part> {
    let mut last = NOT_ACCEPTABLE;
    for form in forms {
        let opened = match form {
            Form::Stored => stored(app, scope, found).await,
            Form::Explicit => anew(app, found, None).await,
            Form::Coded(target) => anew(app, found, Some(target)).await,
        };
        match opened {
            Err(problem) if problem.status == StatusCode::NOT_ACCEPTABLE => last = problem,
            other => return other,
        }
    }
    Err(last)
}

fn content_type(transfer_syntax: &str) -> String {
    format!("application/dicom; transfer-syntax={transfer_syntax}")
}

async fn stored(app: &App, scope: Scope, found: &NamedInstance) -> Answer<Part> {
    let (stored, body) = app.viewing.bytes.stream(scope, found.id, None).await?;
    Ok(Part { content_type: content_type(&stored.transfer_syntax), body })
}

/// Written anew as Explicit VR Little Endian, or compressed; without pixels there is nothing to compress.
async fn anew(app: &App, found: &NamedInstance, target: Option<Target>) -> Answer<Part> {
    let opened = Opened::new(app, found).await?;
    let pixels = match (&opened.header.pixel_data, target) {
        (None, None) => None,
        (None, Some(_)) => return Err(NOT_ACCEPTABLE.detail("it has no pixels to compress")),
        (Some(_), Some(target)) => Some(compressed(app, &opened, target).await?),
        (Some(stored), None) => Some(decoded(app, &opened, stored.length).await?),
    };
    let transfer_syntax = target.map_or(uids::EXPLICIT_VR_LITTLE_ENDIAN, Target::transfer_syntax);
    let rewritten = rewrite(&opened.header, transfer_syntax, pixels);
    let rewritten = rewritten.map_err(|e| NOT_ACCEPTABLE.detail(e.to_string()))?;
    let body = write(app.clone(), opened, rewritten, pixels, target);
    Ok(Part { content_type: content_type(transfer_syntax), body })
}

/// How the pixels come out without compression; the first frame is decoded to know that they do.
async fn decoded(app: &App, opened: &Opened, stored_length: u64) -> Answer<NewPixels> {
    let frames = opened.frames()?;
    let shape = &frames.shape;
    let bits_allocated = shape.bits_allocated;
    if shape.codec == Codec::Native {
        let length = u64::from(frames.count) * shape.native_bits();
        let value = PixelValue::Native { length: length.div_ceil(8).min(stored_length) };
        return Ok(NewPixels { value, bits_allocated, photometric: None, decoded: false });
    }
    if shape.bits_allocated == 1 && !shape.pixels().is_multiple_of(8) && frames.count > 1 {
        return Err(NOT_ACCEPTABLE.detail("its frames of single bits do not end with a byte"));
    }
    frame(app, &frames, 0, FrameForm::Samples).await.map_err(refused)?;
    let samples = shape.pixels() * u64::from(shape.samples) * u64::from(frames.count);
    let value = PixelValue::Native { length: (samples * u64::from(bits_allocated)).div_ceil(8) };
    Ok(NewPixels { value, bits_allocated, photometric: decoded_photometric(&opened.header), decoded: true })
}

/// The same for a compressed form, which keeps YBR as it is.
async fn compressed(app: &App, opened: &Opened, target: Target) -> Answer<NewPixels> {
    let frames = opened.frames()?;
    let shape = &frames.shape;
    if opened.header.pixel_data.as_ref().is_none_or(|pixels| pixels.tag != tags::PIXEL_DATA) {
        return Err(NOT_ACCEPTABLE.detail("floating point pixels are not compressed"));
    }
    if shape.codec == Codec::Native && shape.high_bit + 1 != shape.bits_stored {
        return Err(NOT_ACCEPTABLE.detail("its stored bits are not the low ones"));
    }
    frame(app, &frames, 0, FrameForm::Coded(target)).await.map_err(refused)?;
    let photometric = photometric(opened, shape);
    Ok(NewPixels { value: PixelValue::Fragments, bits_allocated: shape.bits_allocated, photometric, decoded: true })
}

/// What decoded samples are where that is not what the header says; native ones lose their shared chrominances too.
fn photometric(opened: &Opened, shape: &Shape) -> Option<&'static str> {
    let shared = shape.colour == Colour::YbrFull422;
    decoded_photometric(&opened.header).or(shared.then_some("YBR_FULL"))
}

fn write(
    app: App,
    opened: Opened,
    rewritten: Rewritten,
    pixels: Option<NewPixels>,
    target: Option<Target>,
) -> Bytestream {
    let Rewritten { before, after } = rewritten;
    let body = async_stream::try_stream! {
        for await chunk in pieces(&opened, before) {
            yield chunk?;
        }
        match (pixels.map(|pixels| pixels.value), target) {
            (Some(PixelValue::Native { length }), _) => {
                let is_native = pixels.is_some_and(|pixels| !pixels.decoded);
                for await chunk in samples(&app, &opened, length, is_native) {
                    yield chunk?;
                }
            }
            (Some(PixelValue::Fragments), Some(target)) => {
                for await chunk in fragments(&app, &opened, target) {
                    yield chunk?;
                }
            }
            _ => {}
        }
        for await chunk in pieces(&opened, after) {
            yield chunk?;
        }
    };
    let body: Bytestream = body.boxed();
    body
}

/// All frames without compression: exactly `length` bytes, or an error. Native ones come in one run, since frames of single
/// bits share bytes.
fn samples(
    app: &App,
    opened: &Opened,
    length: u64,
    is_native: bool,
) -> impl futures_util::Stream<Item = io::Result<Bytes>> + Send {
    async_stream::try_stream! {
        let frames = opened.frames().map_err(|problem| io::Error::other(problem.code))?;
        let (mut at, mut index) = (0, 0);
        while at < length && index < frames.count {
            let bytes = match is_native {
                true => frames.native_bytes(at, length.min(at + CHUNK)).await.map_err(io::Error::other)?,
                false => frame(app, &frames, index, FrameForm::Samples).await.map_err(io::Error::other)?,
            };
            at += bytes.len() as u64;
            if at > length || bytes.is_empty() {
                Err(io::Error::other("frames of another length than their header's"))?;
            }
            index += u32::from(!is_native);
            yield Bytes::from(bytes);
        }
        if at < length {
            Err(io::Error::other("frames too short"))?;
        }
        if length % 2 == 1 {
            yield Bytes::from_static(&[0]);
        }
    }
}

/// All frames compressed, each a fragment.
fn fragments(app: &App, opened: &Opened, target: Target) -> impl futures_util::Stream<Item = io::Result<Bytes>> + Send {
    async_stream::try_stream! {
        let frames = opened.frames().map_err(|problem| io::Error::other(problem.code))?;
        for index in 0..frames.count {
            let bytes = frame(app, &frames, index, FrameForm::Coded(target)).await.map_err(io::Error::other)?;
            let head = fragment_head(bytes.len()).ok_or_else(|| io::Error::other("a frame too long"))?;
            let is_odd = bytes.len() % 2 == 1;
            yield Bytes::copy_from_slice(&head);
            yield Bytes::from(bytes);
            if is_odd {
                yield Bytes::from_static(&[0]);
            }
        }
    }
}

fn pieces(opened: &Opened, pieces: Vec<Piece>) -> impl futures_util::Stream<Item = io::Result<Bytes>> + Send {
    async_stream::try_stream! {
        for piece in pieces {
            match piece {
                Piece::Bytes(bytes) => yield Bytes::from(bytes),
                Piece::Stored { mut offset, length } => {
                    let end = offset + length;
                    while offset < end {
                        let part = opened.source.read(offset, (end - offset).min(CHUNK)).await?;
                        offset += part.len() as u64;
                        yield Bytes::from(part);
                    }
                }
            }
        }
    }
}
