//! HTTP: the application and its JSON API, DICOMweb, the live event stream.
//!
//! Owns the route table ([`routes`]), who is calling ([`auth`]), how errors look ([`problem`]) and what a connection may
//! cost ([`serve`](mod@serve)). Holds no SQL: handlers open a transaction, call `index`, and answer. Every query carries the
//! caller's site scope; a row outside it is "not found".

pub mod assets;
mod audit;
pub mod auth;
mod board;
mod cases;
mod desk;
mod dicomweb;
mod events;
pub(crate) mod fuzzing;
mod health;
mod history;
mod images;
mod openapi;
mod orders;
pub mod passwords;
mod people;
mod problem;
mod proof;
mod quarantine;
mod reports;
mod routes;
mod rows;
mod serve;
mod session;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod verify;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, map_response};
use axum::response::{IntoResponse, Response};
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate};

pub use problem::{Answer, Problem};
pub use routes::{Access, Route};
pub use serve::serve;
pub use session::sweep;

use crate::clock;
use crate::config::Config;
use crate::domain::Micros;
use crate::index::Db;
use crate::ingest::activity::Activity;
use crate::ingest::spool::Spool;
use crate::ingest::viewing::Viewing;
use crate::monitor::Monitor;

/// A JSON body is a form somebody typed; images come by DIMSE.
const MAX_BODY: usize = 1 << 20;

/// What takes objects in, as the DIMSE listener has it.
#[derive(Clone)]
pub struct Intake {
    pub spool: Spool,
    pub activity: Activity,
}

/// What handlers work with. Cheap to clone.
#[derive(Clone)]
pub struct App {
    pub db: Db,
    pub config: Arc<Config>,
    pub zone: jiff::tz::TimeZone,
    /// Images and stored files, wherever they lie.
    pub viewing: Viewing,
    /// What the center says of its own health.
    pub monitor: Monitor,
    /// Where objects that come by HTTP go.
    pub intake: Intake,
    /// Cancelled when the center shuts down; streams end with it.
    pub stop: CancellationToken,
}

impl App {
    pub fn idle(&self) -> Duration {
        Duration::from_secs(u64::from(self.config.http.idle_minutes) * 60)
    }

    /// When the current day began in the center's time zone.
    pub fn day_start(&self) -> Micros {
        let now = jiff::Timestamp::from_microsecond(clock::now().0).unwrap_or_default();
        let start = now.to_zoned(self.zone.clone()).start_of_day();
        Micros(start.map_or(0, |start| start.timestamp().as_microsecond()))
    }
}

/// The whole route table.
pub fn routes() -> Vec<Route> {
    let mut routes = health::routes();
    routes.extend(session::routes());
    routes.extend(dicomweb::routes());
    routes.extend(cases::routes());
    routes.extend(desk::routes());
    routes.extend(board::routes());
    routes.extend(events::routes());
    routes.extend(images::routes());
    routes.extend(orders::routes());
    routes.extend(people::routes());
    routes.extend(quarantine::routes());
    routes.extend(reports::routes());
    routes.extend(verify::routes());
    routes.extend(openapi::routes());
    routes
}

/// The service of one center.
pub fn service(app: App) -> Router {
    routes::router(routes(), &app)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(map_response(problem::in_one_form))
        .fallback(page)
        .layer(CatchPanicLayer::custom(problem::panicked))
        .layer(from_fn(security_headers))
        .layer(CompressionLayer::new().compress_when(worth_compressing()))
        .with_state(app)
}

/// Pixels and files come compressed already, or at a size where compressing costs more than it saves.
fn worth_compressing() -> impl Predicate {
    DefaultPredicate::new()
        .and(NotForContentType::const_new("application/vnd.yunying.samples"))
        .and(NotForContentType::const_new("application/dicom"))
        .and(NotForContentType::const_new("multipart/related"))
}

/// The application's files; any other path that looks like a page is the application too, which routes by itself.
async fn page(request: Request) -> Response {
    let path = request.uri().path();
    let is_api = ["/api/", "/dicomweb/", "/fhir/"].iter().any(|prefix| path.starts_with(prefix));
    if is_api {
        return Problem::not_found().into_response();
    }
    if !matches!(*request.method(), axum::http::Method::GET | axum::http::Method::HEAD) {
        return Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed").into_response();
    }
    assets::serve(request.uri().clone(), request.headers().clone()).await
}

async fn security_headers(request: Request, next: Next) -> Response {
    const HEADERS: [(HeaderName, &str); 5] = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data: blob:; \
             worker-src 'self'; frame-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; \
             frame-ancestors 'self'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "SAMEORIGIN"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    let private = request.uri().path().starts_with("/api/");
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    if private {
        response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
    response
}
