//! The viewer's files: page, WebAssembly modules, styles, icons, fonts.
//!
//! Owns how they leave the program: content type, entity tag, compressed form, caching. `cargo xtask build` makes them in
//! `viewer/dist`; release builds carry them inside, debug builds read that directory at each request. Never serves anything
//! that is not there under exactly the asked name, and knows nothing of sessions: these files are the same for everybody.

use std::borrow::Cow;
use std::path::{Component, Path};

use axum::body::Body;
use axum::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use axum::http::{HeaderMap, HeaderName, Response, StatusCode, Uri};
use sha2::{Digest, Sha256};

/// Where the files are; which one is decided by `build.rs`.
#[allow(dead_code, reason = "a build has one of the two")]
enum Files {
    Embedded(&'static [(&'static str, &'static [u8])]),
    Directory(&'static str),
}

static FILES: Files = include!(concat!(env!("OUT_DIR"), "/viewer_files.rs"));

/// One file as it may be sent.
pub struct Asset {
    pub bytes: Cow<'static, [u8]>,
    /// The same, compressed beforehand; none where that saves nothing.
    pub gzip: Option<Cow<'static, [u8]>>,
    pub content_type: &'static str,
}

/// What a browser sees before anybody has built the viewer.
const NOT_BUILT: &str = "<!doctype html><html lang=\"zh-CN\"><meta charset=\"utf-8\"><title>Yunying</title>\
    <p>界面尚未构建。请运行 <code>cargo xtask build --viewer</code>，然后重新载入本页。</p>\
    <p lang=\"en\">The viewer has not been built: run <code>cargo xtask build --viewer</code>, then reload. \
    A release binary gets it inside by <code>cargo xtask build</code>.</p></html>";

/// The file at `path`, relative and with `/` between its parts, e.g. `assets/app.css`.
pub fn asset(path: &str) -> Option<Asset> {
    let name = path.trim_start_matches('/');
    let bytes = FILES.read(name)?;
    Some(Asset { bytes, gzip: FILES.read(&format!("{name}.gz")), content_type: content_type(name) })
}

/// The page of the application, for every address that its own router understands.
pub fn page() -> Asset {
    asset("index.html").unwrap_or(Asset {
        bytes: Cow::Borrowed(NOT_BUILT.as_bytes()),
        gzip: None,
        content_type: content_type("index.html"),
    })
}

/// Answers `GET` for the page and everything it loads. An address without a dot in its last part is one of the
/// application's own and gets the page.
pub async fn serve(uri: Uri, headers: HeaderMap) -> Response<Body> {
    let path = uri.path();
    let of_the_application = !path.rsplit('/').next().is_some_and(|last| last.contains('.'));
    let found = if of_the_application { Some(page()) } else { asset(path) };
    match found {
        Some(asset) => asset.respond(&headers),
        None => with_headers(StatusCode::NOT_FOUND, Body::empty(), []),
    }
}

impl Asset {
    fn respond(self, headers: &HeaderMap) -> Response<Body> {
        let accepts_gzip = mentions(headers, &ACCEPT_ENCODING, "gzip");
        let (bytes, compressed) = match self.gzip {
            Some(gzip) if accepts_gzip => (gzip, true),
            _ => (self.bytes, false),
        };
        // A strong tag is the tag of the very bytes sent, so each form has its own.
        let tag = entity_tag(&bytes);
        let always = [(ETAG, tag.as_str()), (CACHE_CONTROL, "no-cache"), (VARY, "accept-encoding")];
        if mentions(headers, &IF_NONE_MATCH, &tag) {
            return with_headers(StatusCode::NOT_MODIFIED, Body::empty(), always);
        }
        let body = match bytes {
            Cow::Borrowed(bytes) => Body::from(bytes),
            Cow::Owned(bytes) => Body::from(bytes),
        };
        let encoding = compressed.then_some((CONTENT_ENCODING, "gzip"));
        with_headers(
            StatusCode::OK,
            body,
            always.into_iter().chain([(CONTENT_TYPE, self.content_type)]).chain(encoding),
        )
    }
}

impl Files {
    fn read(&self, name: &str) -> Option<Cow<'static, [u8]>> {
        match self {
            Files::Embedded(files) => {
                files.iter().find(|(known, _)| *known == name).map(|(_, bytes)| Cow::Borrowed(*bytes))
            }
            Files::Directory(root) => {
                let name = Path::new(name);
                if !name.components().all(|part| matches!(part, Component::Normal(_))) {
                    return None;
                }
                std::fs::read(Path::new(root).join(name)).ok().map(Cow::Owned)
            }
        }
    }
}

fn entity_tag(bytes: &[u8]) -> String {
    format!("\"{}\"", hex::encode(&Sha256::digest(bytes)[..16]))
}

fn mentions(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|item| item.split(';').next().unwrap_or(item).trim() == wanted)
}

fn with_headers<'a>(
    status: StatusCode,
    body: Body,
    headers: impl IntoIterator<Item = (HeaderName, &'a str)>,
) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" => "image/jpeg",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asset_of(bytes: &'static [u8], gzip: Option<&'static [u8]>) -> Asset {
        Asset {
            bytes: Cow::Borrowed(bytes),
            gzip: gzip.map(Cow::Borrowed),
            content_type: content_type("viewer_bg.wasm"),
        }
    }

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().expect("a header value"))).collect()
    }

    #[test]
    fn a_browser_that_takes_gzip_gets_the_compressed_form_under_its_own_tag() {
        let plain = asset_of(b"\0asm plain", Some(b"\x1f\x8b packed")).respond(&HeaderMap::new());
        let packed = asset_of(b"\0asm plain", Some(b"\x1f\x8b packed"))
            .respond(&headers(&[(ACCEPT_ENCODING, "br;q=0.5, gzip, deflate")]));
        assert_eq!(plain.headers()[CONTENT_TYPE], "application/wasm");
        assert!(!plain.headers().contains_key(CONTENT_ENCODING));
        assert_eq!(packed.headers()[CONTENT_ENCODING], "gzip");
        assert_ne!(plain.headers()[ETAG], packed.headers()[ETAG]);
    }

    #[test]
    fn a_file_the_browser_already_has_is_not_sent_again() {
        let first = asset_of(b"body{}", None).respond(&HeaderMap::new());
        let tag = first.headers()[ETAG].to_str().expect("ASCII").to_owned();
        let again = asset_of(b"body{}", None).respond(&headers(&[(IF_NONE_MATCH, &format!("\"other\", {tag}"))]));
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        let changed = asset_of(b"body{color:#000}", None).respond(&headers(&[(IF_NONE_MATCH, &tag)]));
        assert_eq!(changed.status(), StatusCode::OK);
    }

    #[test]
    fn names_that_leave_the_directory_find_nothing() {
        let root = Files::Directory(concat!(env!("CARGO_MANIFEST_DIR"), "/viewer"));
        assert!(root.read("Cargo.toml").is_some());
        for outside in ["../Cargo.toml", "src/../../Cargo.toml", "/etc/hostname", "./Cargo.toml/..", ""] {
            assert!(root.read(outside).is_none(), "{outside} was served");
        }
    }

    #[test]
    fn embedded_files_are_found_by_their_whole_name_only() {
        let files = Files::Embedded(&[("assets/a.css", b"a"), ("index.html", b"i"), ("viewer.js", b"v")]);
        assert_eq!(files.read("viewer.js").as_deref(), Some(&b"v"[..]));
        assert!(files.read("viewer").is_none());
    }

    #[tokio::test]
    async fn addresses_of_the_application_get_the_page_and_unknown_files_do_not() {
        let page = serve(Uri::from_static("/cases/17"), HeaderMap::new()).await;
        assert_eq!(page.status(), StatusCode::OK);
        assert_eq!(page.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
        let missing = serve(Uri::from_static("/assets/no-such-file.css"), HeaderMap::new()).await;
        assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    }
}
