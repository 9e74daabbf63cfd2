//! An instance on its way out: the stored bytes, or written anew without compression (PS3.18 8.7.3.5).

use std::io;

use bytes::Bytes;
use futures_util::StreamExt;

use super::super::{Answer, App, Problem};
use super::accept::Form;
use super::multipart::{Bytestream, Part};
use super::wado::{Opened, refused};
use crate::dicom::{NewPixels, Piece, Rewritten, explicit_little, tags, uids};
use crate::index::Scope;
use crate::index::dicomweb::InstanceFound;
use crate::pixels::{Codec, FrameSource};

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
    let rewritten = rewritten
        .map_err(|e| Problem::new(axum::http::StatusCode::NOT_ACCEPTABLE, "not_acceptable").detail(e.to_string()))?;
    let body = write(app.clone(), opened, rewritten, pixels);
    Ok(Part { content_type: content_type(uids::EXPLICIT_VR_LITTLE_ENDIAN), body })
}

/// How the pixels come out; the first frame is decoded to know that they do.
async fn new_pixels(app: &App, opened: &Opened, stored_length: u64) -> Answer<NewPixels> {
    let frames = opened.frames()?;
    let shape = &frames.shape;
    if shape.codec == Codec::Native {
        let length = u64::from(frames.count) * shape.native_bits();
        let length = length.div_ceil(8).min(stored_length);
        return Ok(NewPixels { length, bits_allocated: shape.bits_allocated, rgb: false, decoded: false });
    }
    opened.frame(app, 0, false).await.map_err(refused)?;
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
            let count = opened.frames().map_err(|problem| io::Error::other(problem.code))?.count;
            let mut left = pixels.length;
            for index in 0..count {
                let bytes = opened.frame(&app, index, false).await.map_err(io::Error::other)?;
                // Frames of single bits would have to be joined inside a byte; none of several such frames comes here.
                left = left.checked_sub(bytes.len() as u64).ok_or_else(|| io::Error::other("a frame too long"))?;
                yield Bytes::from(bytes);
            }
            if left > 0 {
                Err(io::Error::other("frames too short"))?;
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
