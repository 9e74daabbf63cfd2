//! Errors as RFC 9457 problem documents: the one place where the program's errors become HTTP statuses.

use std::any::Any;

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::{index, panics};

/// What a handler refuses with. `code` is stable; the application translates it.
#[derive(Debug)]
pub struct Problem {
    pub status: StatusCode,
    pub code: &'static str,
    pub detail: Option<String>,
    /// Seconds, for 429 and 503.
    pub retry_after: Option<u32>,
}

pub type Answer<T> = std::result::Result<T, Problem>;

impl Problem {
    pub const fn new(status: StatusCode, code: &'static str) -> Self {
        Self { status, code, detail: None, retry_after: None }
    }

    pub const fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found")
    }

    pub const fn bad_request(code: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code)
    }

    pub const fn unauthenticated() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated")
    }

    pub const fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden")
    }

    pub const fn conflict(code: &'static str) -> Self {
        Self::new(StatusCode::CONFLICT, code)
    }

    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub const fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Something failed here, not at the caller: logged once, without its words leaving the machine.
    pub fn internal(error: impl std::fmt::Display) -> Self {
        tracing::error!(%error, "request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal")
    }
}

impl From<index::Error> for Problem {
    fn from(error: index::Error) -> Self {
        match error {
            index::Error::NotFound => Self::not_found(),
            index::Error::Stale(why) => Self::conflict("stale").detail(why),
            index::Error::Refused(why) => Self::conflict("refused").detail(why),
            index::Error::Exists(what) => Self::conflict("exists").detail(what),
            other => Self::internal(other),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = wire::Problem {
            code: self.code.into(),
            title: self.status.canonical_reason().unwrap_or("Error").into(),
            status: self.status.as_u16(),
            detail: self.detail,
        };
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Longest text of the framework's own that is passed on.
const LONGEST_DETAIL: usize = 2_000;

/// What the framework refuses by itself (a body that is no JSON or too large, a path that is no number, a method nobody
/// named) in the form of every other error.
pub async fn in_one_form(response: Response) -> Response {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) || has_a_form(response.headers()) {
        return response;
    }
    let code = match status {
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
        StatusCode::PAYLOAD_TOO_LARGE => "too_large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported_media_type",
        StatusCode::UNPROCESSABLE_ENTITY => "bad_message",
        status if status.is_server_error() => "internal",
        _ => "bad_request",
    };
    let (head, body) = response.into_parts();
    // Its words name the member that is missing or the value that is no number; of what failed here they say nothing.
    let words = axum::body::to_bytes(body, LONGEST_DETAIL).await.ok().filter(|_| status.is_client_error());
    let detail = words.and_then(|words| String::from_utf8(words.to_vec()).ok()).filter(|words| !words.is_empty());
    let mut said = Problem { status, code, detail, retry_after: None }.into_response();
    for (name, value) in head.headers.iter().filter(|(name, _)| *name == header::ALLOW) {
        said.headers_mut().append(name, value.clone());
    }
    said
}

/// Whoever answered has chosen how: a problem document, or a page for people. The framework's own words are plain text.
fn has_a_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| !kind.starts_with("text/plain"))
}

/// A handler that panicked, as the caller hears of it.
pub fn panicked(what: Box<dyn Any + Send>) -> Response {
    Problem::internal(format!("a handler panicked: {}", panics::words(&*what))).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::{DefaultBodyLimit, Path};
    use axum::http::{Method, Request};
    use axum::middleware::map_response;
    use axum::routing::{get, post};
    use axum::{Router, body};
    use serde_json::Value;
    use tower::ServiceExt;
    use tower_http::catch_panic::CatchPanicLayer;

    use super::*;

    async fn ask(method: Method, path: &str, content_type: &str, sent: &'static str) -> (StatusCode, HeaderMap, Value) {
        async fn broken() -> &'static str {
            panic!("out of luck")
        }
        let router = Router::new()
            .route("/sum", post(async |Json(numbers): Json<Vec<i64>>| numbers.iter().sum::<i64>().to_string()))
            .route("/of/{number}", get(async |Path(number): Path<i64>| number.to_string()))
            .route("/broken", get(broken))
            .route("/page", get(async || (StatusCode::NOT_FOUND, axum::response::Html("<p>nothing"))))
            .layer(DefaultBodyLimit::max(16))
            .layer(CatchPanicLayer::custom(panicked))
            .layer(map_response(in_one_form));
        let request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, content_type);
        let response = router.oneshot(request.body(Body::from(sent)).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        let bytes = body::to_bytes(body, 1 << 16).await.unwrap();
        (head.status, head.headers, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    #[tokio::test]
    async fn what_the_framework_refuses_is_a_problem_document_with_a_code() {
        const JSON: &str = "application/json";
        for (method, path, kind, sent, status, code) in [
            (Method::POST, "/sum", JSON, "[1,", 400, "bad_request"),
            (Method::POST, "/sum", JSON, "[\"a\"]", 422, "bad_message"),
            (Method::POST, "/sum", "text/csv", "[1]", 415, "unsupported_media_type"),
            (Method::POST, "/sum", JSON, "[1,2,3,4,5,6,7,8,9,10]", 413, "too_large"),
            (Method::GET, "/of/seven", JSON, "", 400, "bad_request"),
            (Method::GET, "/sum", JSON, "", 405, "method_not_allowed"),
            (Method::GET, "/nowhere", JSON, "", 404, "not_found"),
            (Method::GET, "/broken", JSON, "", 500, "internal"),
        ] {
            let (answered, headers, problem) = ask(method, path, kind, sent).await;
            assert_eq!(answered.as_u16(), status, "{path} {sent}");
            assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json", "{path} {sent}");
            assert_eq!((problem["code"].as_str(), problem["status"].as_u64()), (Some(code), Some(status.into())));
            assert!(!problem.to_string().contains("luck"), "a panic's words stay here");
            assert_eq!(headers.contains_key(header::ALLOW), status == 405);
        }
    }

    #[tokio::test]
    async fn answers_and_pages_stay_as_they_are() {
        let (status, _, sum) = ask(Method::POST, "/sum", "application/json", "[1,2]").await;
        assert_eq!((status, sum), (StatusCode::OK, Value::from(3)));
        let (status, headers, _) = ask(Method::GET, "/page", "application/json", "").await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert!(headers[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/html"));
    }
}
