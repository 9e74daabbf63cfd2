//! An instance on its way out: the stored bytes, or written anew without compression (PS3.18 8.7.3.5).

use std::io;

use bytes::Bytes;
use futures_util::StreamExt;

use super::super::{Answer, App, Problem};
use super::accept::Form;
use super::multipart::{Bytestream, Part};
use super::wado::{NOT_ACCEPTABLE, Opened, frame, refused};
use crate::dicom::{NewPixels, Piece, Rewritten, explicit_little, tags, uids};
use crate::index::Scope;
use crate::index::dicomweb::InstanceFound;
use crate::ingest::derived::StoredFrames;
use crate::pixels::{Codec, FrameSource, Frames};

/// How much of a stored value is read at a time.
const CHUNK: u64 = 512 << 10;

/// Opens one instance in the wanted form.
pub async fn open(app: &App, scope: Scope, found: &InstanceFound, form: Form) -> Answer<Part> {
    match form {
        Form::Stored => stored(app, scope, found).await,
        Form::Explicit => explicit(app, found).await,
        Form::ExplicitOrStored => match explicit(app, found).await {
            Err(problem) if problem.status == axum::http::StatusCode::NOT_ACCEPTABLE => stored(app, scope, found).await,
            other => other,
        },
    }
}

fn content_type(transfer_syntax: &str) -> String {
    format!("application/dicom; transfer-syntax={transfer_syntax}")
}

async fn stored(app: &App, scope: Scope, found: &InstanceFound) -> Answer<Part> {
    let (stored, body) = app.viewing.bytes.stream(scope, found.id, None).await.map_err(Problem::internal)?;
    Ok(Part { content_type: content_type(&stored.transfer_syntax), body })
}

async fn explicit(app: &App, found: &InstanceFound) -> Answer<Part> {
    let opened = Opened::new(app, found).await?;
    let pixels = match &opened.header.pixel_data {
        None => None,
        Some(stored) => Some(new_pixels(app, &opened, stored.length).await?),
    };
    let rewritten = explicit_little(&opened.header, pixels);
    let rewritten = rewritten.map_err(|e| NOT_ACCEPTABLE.detail(e.to_string()))?;
    let body = write(app.clone(), opened, rewritten, pixels);
    Ok(Part { content_type: content_type(uids::EXPLICIT_VR_LITTLE_ENDIAN), body })
}

/// How the pixels come out; the first frame is decoded to know that they do.
async fn new_pixels(app: &App, opened: &Opened, stored_length: u64) -> Answer<NewPixels> {
    let frames = opened.frames().map_err(refused)?;
    let shape = &frames.shape;
    if shape.codec == Codec::Native {
        let length = u64::from(frames.count) * shape.native_bits();
        let length = length.div_ceil(8).min(stored_length);
        return Ok(NewPixels { length, bits_allocated: shape.bits_allocated, rgb: false, decoded: false });
    }
    if shape.bits_allocated == 1 && !shape.pixels().is_multiple_of(8) && frames.count > 1 {
        return Err(NOT_ACCEPTABLE.detail("its frames of single bits do not end with a byte"));
    }
    frame(app, &frames, 0, false).await.map_err(refused)?;
    let samples = shape.pixels() * u64::from(shape.samples) * u64::from(frames.count);
    let stated = opened.header.dataset.uid(tags::PHOTOMETRIC_INTERPRETATION).unwrap_or_default();
    Ok(NewPixels {
        length: (samples * u64::from(shape.bits_allocated)).div_ceil(8),
        bits_allocated: shape.bits_allocated,
        rgb: stated.starts_with("YBR_"),
        decoded: true,
    })
}

fn write(app: App, opened: Opened, rewritten: Rewritten, pixels: Option<NewPixels>) -> Bytestream {
    let Rewritten { before, after } = rewritten;
    let body = async_stream::try_stream! {
        for await chunk in pieces(&opened, before) {
            yield chunk?;
        }
        if let Some(pixels) = pixels {
            let frames = opened.frames().map_err(io::Error::other)?;
            for await chunk in pixel_bytes(&app, &frames, pixels) {
                yield chunk?;
            }
            if pixels.length % 2 == 1 {
                yield Bytes::from_static(&[0]);
            }
        }
        for await chunk in pieces(&opened, after) {
            yield chunk?;
        }
    };
    let body: Bytestream = body.boxed();
    body
}

/// Exactly the bytes that were announced, or an error: native ones in one run, since frames of single bits share bytes.
fn pixel_bytes<'a>(
    app: &'a App,
    frames: &'a Frames<'_, StoredFrames>,
    pixels: NewPixels,
) -> impl futures_util::Stream<Item = io::Result<Bytes>> + Send + 'a {
    let native = !pixels.decoded;
    async_stream::try_stream! {
        let (mut at, mut index) = (0, 0);
        while at < pixels.length && index < frames.count {
            let bytes = match native {
                true => frames.native_bytes(at, pixels.length.min(at + CHUNK)).await.map_err(io::Error::other)?,
                false => frame(app, frames, index, false).await.map_err(io::Error::other)?,
            };
            at += bytes.len() as u64;
            if at > pixels.length || bytes.is_empty() {
                Err(io::Error::other("frames of another length than their header's"))?;
            }
            index += u32::from(!native);
            yield Bytes::from(bytes);
        }
        if at < pixels.length {
            Err(io::Error::other("frames too short"))?;
        }
    }
}

fn pieces(opened: &Opened, pieces: Vec<Piece>) -> impl futures_util::Stream<Item = io::Result<Bytes>> + Send + '_ {
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
