//! One frame over HTTP, and the browser's own JPEG decoder.

use std::time::Duration;

use js_sys::{Array, ArrayBuffer, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, Blob, BlobPropertyBag, ImageBitmap, Request, RequestInit, Response};

use super::stacks::FrameKey;
use crate::api::Fault;
use crate::i18n;

pub const JPEG: &str = "image/jpeg";

pub struct Fetched {
    /// The answer's media type, which alone says how to decode it.
    pub kind: String,
    pub bytes: ArrayBuffer,
}

pub enum Trouble {
    /// Given up by us.
    Aborted,
    /// The server is making it; when to ask again, if it said.
    Preparing(Option<Duration>),
    /// No answer, or one that an overloaded server or proxy gives.
    Network,
    /// The server no longer knows who is asking.
    SignedOut,
    /// It can't be shown; why, in the page's words.
    Refused(String),
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = createImageBitmap)]
    fn create_image_bitmap(source: &Blob, options: &Object) -> Promise;
}

/// Asks for one frame; the browser adds the session's cookie.
pub async fn frame(key: FrameKey, abort: Option<&AbortController>) -> Result<Fetched, Trouble> {
    let options = RequestInit::new();
    options.set_method("GET");
    if let Some(abort) = abort {
        options.set_signal(Some(&abort.signal()));
    }
    let gave_up = || abort.is_some_and(|a| a.signal().aborted());
    let lost = |_: JsValue| if gave_up() { Trouble::Aborted } else { Trouble::Network };
    let path = format!("/api/v1/instances/{}/frames/{}", key.instance, key.frame);
    let request = Request::new_with_str_and_init(&path, &options).map_err(lost)?;
    let window = web_sys::window().ok_or(Trouble::Network)?;
    let response: Response = JsFuture::from(window.fetch_with_request(&request)).await.map_err(lost)?.unchecked_into();
    if response.status() != 200 {
        return Err(refusal(&response).await);
    }
    let kind = header(&response, "content-type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let body = response.array_buffer().map_err(lost)?;
    let bytes: ArrayBuffer = JsFuture::from(body).await.map_err(lost)?.unchecked_into();
    Ok(Fetched { kind, bytes })
}

/// What an answer other than 200 means for the frame.
async fn refusal(response: &Response) -> Trouble {
    match response.status() {
        202 | 503 => {
            let seconds = header(response, "retry-after").and_then(|s| s.trim().parse::<u64>().ok());
            Trouble::Preparing(seconds.map(|s| Duration::from_secs(s.clamp(1, 30))))
        }
        401 => Trouble::SignedOut,
        408 | 429 | 500 | 502 | 504 => Trouble::Network,
        status => {
            let text = match response.text() {
                Ok(promise) => JsFuture::from(promise).await.ok().and_then(|t| t.as_string()),
                Err(_) => None,
            };
            let problem = text.and_then(|t| serde_json::from_str::<wire::Problem>(&t).ok());
            Trouble::Refused(match problem {
                Some(problem) if problem.code == "no_delivery_form" => {
                    i18n::no_image(problem.detail.as_deref().unwrap_or_default())
                }
                Some(problem) => Fault::Refused(problem, None).text(),
                None => format!("HTTP {status}"),
            })
        }
    }
}

fn header(response: &Response, name: &str) -> Option<String> {
    response.headers().get(name).ok().flatten()
}

/// Decodes a JPEG as its bytes say: no colour profile applied, nothing premultiplied.
pub async fn bitmap(stream: &[u8]) -> Result<ImageBitmap, String> {
    let refused = |error: JsValue| {
        let words = Reflect::get(&error, &"message".into()).ok().and_then(|m| m.as_string());
        words.unwrap_or_else(|| "JPEG".into())
    };
    let options = BlobPropertyBag::new();
    options.set_type(JPEG);
    let parts = Array::of1(&Uint8Array::from(stream));
    let blob = Blob::new_with_u8_array_sequence_and_options(&parts, &options).map_err(refused)?;
    let plain = Object::new();
    for (name, value) in [("colorSpaceConversion", "none"), ("premultiplyAlpha", "none"), ("imageOrientation", "none")]
    {
        Reflect::set(&plain, &name.into(), &value.into()).map_err(refused)?;
    }
    let decoded = JsFuture::from(create_image_bitmap(&blob, &plain)).await.map_err(refused)?;
    Ok(decoded.unchecked_into())
}
