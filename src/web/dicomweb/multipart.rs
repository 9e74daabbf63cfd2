//! `multipart/related` (RFC 2387), written part by part as the bytes come.

use std::io;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt};
use rand::RngCore;

pub type Bytestream = BoxStream<'static, io::Result<Bytes>>;

/// One part: what its Content-Type says, and its bytes.
pub struct Part {
    pub content_type: String,
    pub body: Bytestream,
}

/// A response of parts that are opened one after the other; an error ends the connection, so that no client takes half
/// an answer for a whole one.
pub fn related(media: &str, parts: BoxStream<'static, io::Result<Part>>) -> Response {
    let mut random = [0u8; 16];
    rand::rng().fill_bytes(&mut random);
    let boundary = hex::encode(random);
    let content_type = format!("multipart/related; type=\"{media}\"; boundary={boundary}");
    let body = async_stream::try_stream! {
        for await part in parts {
            let mut part = part?;
            yield Bytes::from(format!("--{boundary}\r\nContent-Type: {}\r\n\r\n", part.content_type));
            while let Some(chunk) = part.body.next().await {
                yield chunk?;
            }
            yield Bytes::from_static(b"\r\n");
        }
        yield Bytes::from(format!("--{boundary}--\r\n"));
    };
    let body: Bytestream = body.boxed();
    respond(&content_type, body)
}

/// A response of one body.
pub fn single(content_type: &str, body: Bytestream) -> Response {
    respond(content_type, body)
}

fn respond(content_type: &str, body: Bytestream) -> Response {
    let mut response = Response::new(Body::from_stream(body));
    let value = HeaderValue::from_str(content_type).unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, value);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    if !content_type.ends_with("json") {
        // Pixels hardly shrink: keeps the server's compression away from them.
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("identity"));
    }
    response
}

/// Bytes that are there already.
pub fn ready(bytes: impl Into<Bytes>) -> Bytestream {
    let bytes = bytes.into();
    futures_util::stream::once(std::future::ready(Ok(bytes))).boxed()
}
