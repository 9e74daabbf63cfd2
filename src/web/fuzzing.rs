//! What comes by HTTP and is taken apart here; see [`crate::fuzzing`].

use axum::http::{HeaderMap, HeaderValue, header};

use super::dicomweb::fuzzing as dicomweb;

/// How long the pieces are that a body comes in, then the body, with the boundary `b`.
pub fn parts(bytes: &[u8]) {
    let Some((&piece, body)) = bytes.split_first() else { return };
    let whole = dicomweb::parts(body, usize::MAX);
    assert_eq!(dicomweb::parts(body, usize::from(piece).max(1)), whole, "whatever the pieces");
}

/// The value of a header field that says what is wanted.
pub fn accept(bytes: &[u8]) {
    let mut headers = HeaderMap::new();
    let Ok(value) = HeaderValue::from_bytes(&bytes[..bytes.len().min(4000)]) else { return };
    for name in [header::ACCEPT, header::RANGE, header::ACCEPT_ENCODING] {
        headers.insert(name, value.clone());
    }
    dicomweb::wanted(&headers, value.to_str().ok());
}
