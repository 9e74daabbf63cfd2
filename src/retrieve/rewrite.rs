//! An instance written anew, without compression or compressed without loss, streamed a frame at a time.

use std::io;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{BoxStream, Stream};

use super::{FrameForm, Opened, RetrieveError, frame};
use crate::dicom::{NewPixels, Piece, PixelValue, Plain, Rewritten, decoded_photometric, fragment_head, rewrite, tags};
use crate::pixels::{Codec, Colour, Decoder, FrameSource, Target};

pub type Bytestream = BoxStream<'static, io::Result<Bytes>>;

/// How much of a stored value is read at a time.
const CHUNK: u64 = 512 << 10;

/// What an instance is made into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Plain(Plain),
    Coded(Target),
}

impl Form {
    pub fn transfer_syntax(self) -> &'static str {
        match self {
            Form::Plain(plain) => plain.transfer_syntax(),
            Form::Coded(target) => target.transfer_syntax(),
        }
    }
}

/// An instance that can be written anew: its header allows it, and its first frame has the form.
pub struct Rewriting<S> {
    opened: Opened<S>,
    rewritten: Rewritten,
    pixels: Option<(PixelValue, FrameForm)>,
    decoder: Decoder,
}

impl<S: FrameSource> Opened<S> {
    /// Gets ready to write the instance anew. What can't be is known by then, except for later frames that don't decode.
    pub async fn anew(self, decoder: &Decoder, form: Form) -> Result<Rewriting<S>, RetrieveError> {
        let pixels = match (&self.header.pixel_data, form) {
            (None, Form::Plain(_)) => None,
            (None, Form::Coded(_)) => return Err(RetrieveError::NoSuchForm("it has no pixels to compress")),
            (Some(stored), Form::Plain(_)) => Some(self.decoded(decoder, stored.length).await?),
            (Some(_), Form::Coded(target)) => Some(self.compressed(decoder, target).await?),
        };
        let rewritten = rewrite(&self.header, form.transfer_syntax(), pixels.as_ref().map(|(new, _)| *new))?;
        let pixels = pixels.map(|(new, form)| (new.value, form));
        Ok(Rewriting { opened: self, rewritten, pixels, decoder: decoder.clone() })
    }

    /// How the pixels come out without compression; the first frame is decoded to know that they do.
    async fn decoded(&self, decoder: &Decoder, stored_length: u64) -> Result<(NewPixels, FrameForm), RetrieveError> {
        let frames = self.frames()?;
        let shape = &frames.shape;
        let bits_allocated = shape.bits_allocated;
        if shape.codec == Codec::Native {
            let length = u64::from(frames.count) * shape.native_bits();
            let value = PixelValue::Native { length: length.div_ceil(8).min(stored_length) };
            let pixels = NewPixels { value, bits_allocated, photometric: None, decoded: false };
            return Ok((pixels, FrameForm::Samples));
        }
        if shape.bits_allocated == 1 && !shape.pixels().is_multiple_of(8) && frames.count > 1 {
            return Err(RetrieveError::NoSuchForm("its frames of single bits do not end with a byte"));
        }
        frame(decoder, &frames, 0, FrameForm::Samples).await?;
        let samples = shape.pixels() * u64::from(shape.samples) * u64::from(frames.count);
        let value = PixelValue::Native { length: (samples * u64::from(bits_allocated)).div_ceil(8) };
        let photometric = decoded_photometric(&self.header);
        Ok((NewPixels { value, bits_allocated, photometric, decoded: true }, FrameForm::Samples))
    }

    /// The same for a compressed form, which keeps YBR as it is.
    async fn compressed(&self, decoder: &Decoder, target: Target) -> Result<(NewPixels, FrameForm), RetrieveError> {
        let frames = self.frames()?;
        let shape = &frames.shape;
        if self.header.pixel_data.as_ref().is_none_or(|pixels| pixels.tag != tags::PIXEL_DATA) {
            return Err(RetrieveError::NoSuchForm("floating point pixels are not compressed"));
        }
        if shape.codec == Codec::Native && shape.high_bit + 1 != shape.bits_stored {
            return Err(RetrieveError::NoSuchForm("its stored bits are not the low ones"));
        }
        let form = FrameForm::Coded(target);
        frame(decoder, &frames, 0, form).await?;
        // Native pixels lose their shared chrominances, too.
        let shared = shape.colour == Colour::YbrFull422;
        let photometric = decoded_photometric(&self.header).or(shared.then_some("YBR_FULL"));
        let (value, bits_allocated) = (PixelValue::Fragments, shape.bits_allocated);
        Ok((NewPixels { value, bits_allocated, photometric, decoded: true }, form))
    }
}

impl<S: FrameSource + Send + 'static> Rewriting<S> {
    /// The whole Part-10 file.
    pub fn file(mut self) -> Bytestream {
        let meta = Bytes::from(std::mem::take(&mut self.rewritten.file_meta));
        futures_util::stream::once(std::future::ready(Ok(meta))).chain(self.data_set()).boxed()
    }

    /// The data set alone. An error in the middle leaves it cut off: whoever sends it must say so.
    pub fn data_set(self) -> Bytestream {
        let Self { opened, rewritten: Rewritten { before, after, .. }, pixels, decoder } = self;
        let stream = async_stream::try_stream! {
            for await chunk in pieces(&opened.source, before) {
                yield chunk?;
            }
            match pixels {
                Some((PixelValue::Native { length }, _)) => {
                    for await chunk in samples(&opened, &decoder, length) {
                        yield chunk?;
                    }
                }
                Some((PixelValue::Fragments, form)) => {
                    for await chunk in fragments(&opened, &decoder, form) {
                        yield chunk?;
                    }
                }
                None => {}
            }
            for await chunk in pieces(&opened.source, after) {
                yield chunk?;
            }
        };
        stream.boxed()
    }
}

/// All frames without compression: exactly `length` bytes, or an error. Native ones come in one run, since frames of single
/// bits share bytes.
fn samples<'a, S: FrameSource>(
    opened: &'a Opened<S>,
    decoder: &'a Decoder,
    length: u64,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'a {
    async_stream::try_stream! {
        let frames = opened.frames().map_err(io::Error::other)?;
        let is_native = frames.shape.codec == Codec::Native;
        let (mut at, mut index) = (0, 0);
        while at < length && index < frames.count {
            let bytes = match is_native {
                true => frames.native_bytes(at, length.min(at + CHUNK)).await.map_err(io::Error::other)?,
                false => frame(decoder, &frames, index, FrameForm::Samples).await.map_err(io::Error::other)?,
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
fn fragments<'a, S: FrameSource>(
    opened: &'a Opened<S>,
    decoder: &'a Decoder,
    form: FrameForm,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'a {
    async_stream::try_stream! {
        let frames = opened.frames().map_err(io::Error::other)?;
        for index in 0..frames.count {
            let bytes = frame(decoder, &frames, index, form).await.map_err(io::Error::other)?;
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

fn pieces<S: FrameSource>(source: &S, pieces: Vec<Piece>) -> impl Stream<Item = io::Result<Bytes>> + Send + '_ {
    async_stream::try_stream! {
        for piece in pieces {
            match piece {
                Piece::Bytes(bytes) => yield Bytes::from(bytes),
                Piece::Stored { mut offset, length } => {
                    let end = offset + length;
                    while offset < end {
                        let part = source.read(offset, (end - offset).min(CHUNK)).await?;
                        offset += part.len() as u64;
                        yield Bytes::from(part);
                    }
                }
            }
        }
    }
}
