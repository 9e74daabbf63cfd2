//! `fetch` with a time limit, the CSRF header, problem documents and a polite second try for reads.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use leptos::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, Blob, Headers, Request, RequestCredentials, RequestInit, Response};
use wire::Problem;

use super::Fault;

const LIMIT: Duration = Duration::from_secs(20);
/// Milliseconds before each further try of a read.
const AGAIN_MS: [i32; 2] = [400, 1_500];

thread_local! {
    static CSRF: RefCell<String> = const { RefCell::new(String::new()) };
    static ROUND_TRIP_MS: Cell<Option<u32>> = const { Cell::new(None) };
}

pub fn set_csrf(token: &str) {
    CSRF.replace(token.to_owned());
}

/// How long the last small answer took.
pub fn round_trip_ms() -> Option<u32> {
    ROUND_TRIP_MS.get()
}

pub async fn sleep(milliseconds: i32) {
    let promise = js_sys::Promise::new(&mut |resolve, _| {
        window().set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, milliseconds).ok();
    });
    JsFuture::from(promise).await.ok();
}

pub async fn get<T: DeserializeOwned>(path: &str) -> Result<T, Fault> {
    parse(&patiently(async || ask("GET", path, None).await).await?)
}

/// A whole document, as the browser holds it.
pub async fn file(path: &str) -> Result<Blob, Fault> {
    patiently(async || {
        in_time(async |abort| {
            let response = send("GET", path, None, abort, "*/*").await?;
            if !response.ok() {
                return Err(refused(&response, &text_of(&response).await?));
            }
            let body = response.blob().map_err(|_| Fault::Offline)?;
            JsFuture::from(body).await.and_then(|body| body.dyn_into()).map_err(|_| Fault::Offline)
        })
        .await
    })
    .await
}

/// A read may be tried again.
async fn patiently<T>(read: impl AsyncFn() -> Result<T, Fault>) -> Result<T, Fault> {
    let mut tries = AGAIN_MS.iter();
    loop {
        match read().await {
            Err(fault) if fault.passing() => match tries.next() {
                Some(pause) => sleep(*pause).await,
                None => return Err(fault),
            },
            answer => return answer,
        }
    }
}

/// A change that answers with something.
pub async fn change<T: DeserializeOwned>(method: &str, path: &str, body: &impl Serialize) -> Result<T, Fault> {
    parse(&ask(method, path, Some(to_json(body)?)).await?)
}

/// A change whose answer does not matter.
pub async fn tell(method: &str, path: &str, body: &impl Serialize) -> Result<(), Fault> {
    ask(method, path, Some(to_json(body)?)).await.map(drop)
}

fn to_json(body: &impl Serialize) -> Result<String, Fault> {
    serde_json::to_string(body).map_err(|_| Fault::Garbled)
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Fault> {
    serde_json::from_str(text).map_err(|_| Fault::Garbled)
}

async fn ask(method: &str, path: &str, body: Option<String>) -> Result<String, Fault> {
    let started = js_sys::Date::now();
    let answer = in_time(async |abort| exchange(method, path, body, abort).await).await;
    ROUND_TRIP_MS.set(Some((js_sys::Date::now() - started) as u32));
    answer
}

async fn in_time<T>(exchange: impl AsyncFnOnce(&AbortController) -> Result<T, Fault>) -> Result<T, Fault> {
    let abort = AbortController::new().map_err(|_| Fault::Offline)?;
    let limit = {
        let abort = abort.clone();
        set_timeout_with_handle(move || abort.abort(), LIMIT)
    };
    let answer = exchange(&abort).await;
    if let Ok(limit) = limit {
        limit.clear();
    }
    let answer = match answer {
        Err(Fault::Offline) if abort.signal().aborted() => Err(Fault::Timeout),
        answer => answer,
    };
    crate::live::called(!matches!(answer, Err(Fault::Offline | Fault::Timeout)));
    answer
}

async fn exchange(method: &str, path: &str, body: Option<String>, abort: &AbortController) -> Result<String, Fault> {
    let response = send(method, path, body, abort, "application/json").await?;
    let text = text_of(&response).await?;
    if response.ok() { Ok(text) } else { Err(refused(&response, &text)) }
}

async fn text_of(response: &Response) -> Result<String, Fault> {
    let text = JsFuture::from(response.text().map_err(|_| Fault::Offline)?).await.map_err(|_| Fault::Offline)?;
    Ok(text.as_string().unwrap_or_default())
}

fn refused(response: &Response, text: &str) -> Fault {
    let status = response.status();
    let problem = serde_json::from_str(text).unwrap_or_else(|_| Problem {
        code: match status {
            401 => "unauthenticated",
            403 => "forbidden",
            404 => "not_found",
            429 => "too_many_attempts",
            502..=504 => "unavailable",
            _ => "internal",
        }
        .to_owned(),
        title: String::new(),
        status,
        detail: None,
    });
    let seconds = response.headers().get("Retry-After").ok().flatten().and_then(|seconds| seconds.parse().ok());
    Fault::Refused(problem, seconds)
}

async fn send(
    method: &str,
    path: &str,
    body: Option<String>,
    abort: &AbortController,
    accept: &str,
) -> Result<Response, Fault> {
    let offline = |_: JsValue| Fault::Offline;
    let headers = Headers::new().map_err(offline)?;
    headers.set("Accept", accept).map_err(offline)?;
    let init = RequestInit::new();
    init.set_method(method);
    init.set_credentials(RequestCredentials::SameOrigin);
    init.set_signal(Some(&abort.signal()));
    if let Some(body) = body {
        headers.set("Content-Type", "application/json").map_err(offline)?;
        init.set_body(&JsValue::from_str(&body));
    }
    if method != "GET" {
        headers.set("X-Yunying-Csrf", &CSRF.with_borrow(Clone::clone)).map_err(offline)?;
    }
    init.set_headers(&headers);
    let request = Request::new_with_str_and_init(path, &init).map_err(offline)?;
    let response = JsFuture::from(window().fetch_with_request(&request)).await.map_err(offline)?;
    response.dyn_into().map_err(offline)
}

/// What ends a request; `None` where the browser has none.
pub fn abort() -> Option<AbortController> {
    AbortController::new().ok()
}

/// A response body read as it arrives: its reader (`ReadableStreamDefaultReader`). `abort` ends it; nothing else does.
pub async fn open_stream(path: &str, abort: &AbortController) -> Result<JsValue, Fault> {
    let response = send("GET", path, None, abort, "text/event-stream").await?;
    if !response.ok() {
        return Err(refused(&response, ""));
    }
    let body = js_sys::Reflect::get(&response, &"body".into()).map_err(|_| Fault::Garbled)?;
    let get_reader = js_sys::Reflect::get(&body, &"getReader".into()).map_err(|_| Fault::Garbled)?;
    let get_reader: js_sys::Function = get_reader.dyn_into().map_err(|_| Fault::Garbled)?;
    get_reader.call0(&body).map_err(|_| Fault::Garbled)
}
